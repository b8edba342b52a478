// A certified OpenID provider as an issuer of tokens, over TLS, for tests.
//
//   node issuer.mjs CERTIFICATE KEY PORT       (0 for a free port)
//
// It says where it is on standard output. Beside the provider's own endpoints: `POST /test/rotate` gives it another
// key in the place of the old one, `GET /test/fetches` says how often its keys were asked for, `GET /test/id-token` gives
// an ID token.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { generateKeyPairSync } from 'node:crypto';
import * as oidc from 'oidc-provider';

const [certificate, key, port] = process.argv.slice(2);
const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) });
await new Promise((ready) => server.listen(Number(port), '127.0.0.1', ready));
const issuer = `https://127.0.0.1:${server.address().port}`;

let provider;
let rotations = 0;
let fetches = 0;

function rotate() {
  rotations += 1;
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { privateKey: rsa } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const client = (id) => ({
    client_id: id, client_secret: `${id}-secret`, redirect_uris: [], response_types: [],
    grant_types: ['client_credentials'], id_token_signed_response_alg: 'ES256',
  });
  provider = new oidc.Provider(issuer, {
    clients: [client('shop'), client('other')],
    jwks: {
      keys: [
        { ...privateKey.export({ format: 'jwk' }), kid: `ec-${process.pid}-${rotations}`, use: 'sig', alg: 'ES256' },
        { ...rsa.export({ format: 'jwk' }), kid: `rsa-${process.pid}-${rotations}`, use: 'sig', alg: 'RS256' },
      ],
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_ctx, resource) => ({
          scope: 'predict', audience: resource, accessTokenTTL: 600,
          accessTokenFormat: resource.includes('opaque') ? 'opaque' : 'jwt',
          jwt: { sign: { alg: resource.includes('rsa') ? 'RS256' : 'ES256' } },
        }),
      },
    },
  });
}

async function idToken() {
  const client = await provider.Client.find('shop');
  const token = new provider.IdToken({ sub: 'shop' }, { client, ctx: undefined });
  token.scope = 'openid';
  token.set('sub', 'shop');
  return token.issue({ use: 'idtoken' });
}

rotate();
server.on('request', async (request, response) => {
  if (request.url === '/jwks') fetches += 1;
  if (request.url === '/test/rotate') return rotate(), response.end('{}');
  if (request.url === '/test/fetches') return response.end(JSON.stringify(fetches));
  if (request.url === '/test/id-token') return response.end(await idToken().catch((error) => `error ${error.stack}`));
  provider.callback()(request, response);
});
console.log(JSON.stringify({ issuer }));
