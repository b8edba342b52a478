"""A service that has an identity already asks with it: by a certificate that changes every hour, or a token that does."""

import base64
import datetime
import json
import subprocess

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

import mantlet
from conftest import MODEL, harness
from scripted import authority, workload

NAME = "spiffe://prod.example/ns/shop/sa/fraud"
ISSUER, AUDIENCE, SUBJECT = "https://issuer.example", "https://gate.example", "system:serviceaccount:shop:fraud"


def encoded(number):
    return base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def signer():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def gate(signer, tmp_path_factory):
    """A server that takes workloads of one trust domain, and tokens of one issuer."""
    directory = tmp_path_factory.mktemp("workloads")
    home = directory / "home"
    made = subprocess.run(
        [harness.BINARY, "init", str(home), "--demo", "--json"],
        check=True, capture_output=True, text=True, env=harness.clean_environment(),
    )  # fmt: skip
    bundle = authority(directory)
    public = signer.public_key().public_numbers()
    key = {"kty": "RSA", "kid": "one", "use": "sig", "alg": "RS256", "n": encoded(public.n), "e": encoded(public.e)}
    (directory / "jwks.json").write_text(json.dumps({"keys": [key]}))
    (directory / "bundle.pem").write_bytes(bundle.read_bytes().split(b"-----BEGIN PRIVATE")[0])
    with (home / "mantlet.toml").open("a") as file:
        file.write(
            f'\n[[identity.trust_domain]]\nname = "prod.example"\nca = "{directory / "bundle.pem"}"\n'
            f'\n[[identity.issuer]]\nname = "cluster"\nissuer = "{ISSUER}"\naudience = "{AUDIENCE}"\n'
            f'algorithms = ["RS256"]\ntyp = "JWT"\njwks_file = "{directory / "jwks.json"}"\n'
        )
    server = harness.serve(home, json.loads(made.stdout))
    server.run("consumer", "create", "batch", "--model", MODEL, "--rate", "60000/min")
    server.run("consumer", "identity", "add", "batch", "--spiffe", NAME)
    server.run("consumer", "identity", "add", "batch", "--issuer", "cluster", "--subject", SUBJECT)
    yield server, bundle
    server.process.terminate()
    assert server.process.wait(timeout=60) == 0
    server.process.stdout.close()


def test_a_certificate_is_all_that_it_takes_and_is_read_again(gate, row, tmp_path, monkeypatch):
    server, bundle = gate
    # A key from the environment would be another application's.
    monkeypatch.setenv("MANTLET_API_KEY", server.key)
    files = workload(tmp_path, bundle, NAME + "-not-known")
    with mantlet.Client(server.url, ca=server.ca, certificate=files) as client:
        with pytest.raises(mantlet.AuthenticationError):
            client.predict(MODEL, row)
        client.close()
        workload(tmp_path, bundle, NAME)
        assert client.predict(MODEL, row).result == "benign"
        # Half of a renewal: the certificate before is used until the other half is there.
        client.close()
        files[1].write_bytes(b"not yet")
        assert client.predict(MODEL, row).result == "benign"
    with pytest.raises(mantlet.ConfigurationError, match="cannot be used"):
        mantlet.Client(server.url, ca=server.ca, certificate=files)


def test_a_token_is_fetched_for_each_request(gate, signer, row):
    server, _ = gate
    fetched = []

    def token():
        now = datetime.datetime.now(datetime.timezone.utc)
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": SUBJECT,
            "iat": now,
            "exp": now + datetime.timedelta(minutes=5),
        }
        fetched.append(jwt.encode({**claims, "n": len(fetched)}, signer, "RS256", headers={"kid": "one"}))
        return fetched[-1]

    with mantlet.Client(server.url, token, server.ca) as client:
        assert [client.predict(MODEL, row).result for _ in range(2)] == ["benign"] * 2
    assert len(set(fetched)) == 2
    with mantlet.Client(server.url, lambda: "no token", server.ca) as client, pytest.raises(mantlet.ConfigurationError):
        client.predict(MODEL, row)
