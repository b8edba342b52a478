//! What RFC 8725 asks for, one test for each demand. Tokens are signed by the cryptographic provider itself, not by
//! the library that verifies them.

mod claims;
mod form;
mod keys;

use std::sync::Arc;

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::{KeyPair as RsaPair, KeySize},
    signature::{
        self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
        KeyPair,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;
use crate::{identity::workload::Holders, testing::BEGIN};

const ISS: &str = "https://issuer.example/tenant";
const AUD: &str = "https://gate.example";
const NOW_S: i64 = BEGIN.micros() / 1_000_000;

type Sign<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn compact(header: &str, payload: &str, sign: Sign<'_>) -> String {
    let signed = format!("{}.{}", b64(header), b64(payload));
    let signature = sign(signed.as_bytes());
    format!("{signed}.{}", b64(signature))
}

fn header() -> Value {
    json!({ "alg": "ES256", "typ": "at+jwt", "kid": "one" })
}

fn claims() -> Value {
    json!({ "iss": ISS, "aud": AUD, "sub": "shop", "iat": NOW_S, "nbf": NOW_S, "exp": NOW_S + 600 })
}

/// A document with this member, or without it.
fn with(mut document: Value, name: &str, value: Value) -> Value {
    let members = document.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
    document
}

fn ec(pair: &EcdsaKeyPair, kid: &str, crv: &str) -> Value {
    let point = &pair.public_key().as_ref()[1..];
    let (x, y) = point.split_at(point.len() / 2);
    json!({ "kty": "EC", "crv": crv, "kid": kid, "x": b64(x), "y": b64(y) })
}

fn set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

/// An issuer with one key, and what signs by it.
struct World {
    pair: EcdsaKeyPair,
    ring: Arc<KeyRing>,
    issuers: Vec<Arc<Issuer>>,
}

fn rules() -> Rules {
    Rules {
        issuer: ISS.to_owned(),
        audience: AUD.to_owned(),
        algorithms: vec![Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256],
        typ: TokenType::AccessToken,
        holders: Holders::default(),
    }
}

impl World {
    fn new(rules: Rules) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let ring = Arc::new(KeyRing::pinned(set(&[ec(&pair, "one", "P-256")])));
        let issuers = vec![Arc::new(Issuer::new("ci".parse().unwrap(), rules, Arc::clone(&ring)))];
        Self { pair, ring, issuers }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        compact(&header.to_string(), &claims.to_string(), &|message| self.sign(message))
    }

    fn verify_at(&self, token: &str, seconds: i64) -> Result<Verified, TokenFault> {
        verify(&self.issuers, token, BEGIN.plus_seconds(seconds))
    }

    fn verify(&self, token: &str) -> Result<Verified, TokenFault> {
        self.verify_at(token, 0)
    }

    #[track_caller]
    fn header_fails(&self, name: &str, value: Value, why: TokenFault) {
        let shown = value.to_string();
        let token = self.token(&with(header(), name, value), &claims());
        assert_eq!(self.verify(&token), Err(why), "{name}: {shown}");
    }

    #[track_caller]
    fn claim_fails(&self, name: &str, value: Value, why: TokenFault) {
        let shown = value.to_string();
        let token = self.token(&header(), &with(claims(), name, value));
        assert_eq!(self.verify(&token), Err(why), "{name}: {shown}");
    }
}

#[test]
fn a_token_that_holds_names_its_subject() {
    let world = World::new(rules());
    let token = world.token(&header(), &claims());
    for _ in 0..2 {
        let verified = world.verify(&token).unwrap();
        assert_eq!(
            serde_json::to_value(&verified.identity).unwrap(),
            json!({ "issuer": "ci", "subject": "shop" })
        );
    }
    let several = with(claims(), "aud", json!(["https://other.example", AUD]));
    assert!(world.verify(&world.token(&header(), &several)).is_ok());
    let fraction = with(claims(), "exp", json!(NOW_S as f64 + 0.5));
    assert!(world.verify(&world.token(&header(), &fraction)).is_ok());
    let unknown = with(with(claims(), "groups", json!(["admin"])), "amr", json!(["mfa"]));
    assert!(world.verify(&world.token(&header(), &unknown)).is_ok());
}

// RFC 8725, 3.1 and 3.2

#[test]
fn the_algorithm_is_from_the_list_and_never_from_the_token() {
    let world = World::new(rules());
    for name in ["ES384", "PS256", "HS256", "es256", "ES256 ", "RS512", "ES256K", "EdDSA\0", ""] {
        world.header_fails("alg", json!(name), TokenFault::Algorithm);
    }
    world.header_fails("alg", Value::Null, TokenFault::Algorithm);
    world.header_fails("alg", json!(["ES256"]), TokenFault::Form);
    let others = World::new(Rules { algorithms: vec![Algorithm::Rs256], ..rules() });
    assert_eq!(others.verify(&others.token(&header(), &claims())), Err(TokenFault::Algorithm));
}

#[test]
fn an_unsigned_token_is_none() {
    let world = World::new(rules());
    for name in ["none", "None", "NONE", "nOnE"] {
        let bare =
            format!("{}.{}.", b64(with(header(), "alg", json!(name)).to_string()), b64(claims().to_string()));
        assert_eq!(world.verify(&bare), Err(TokenFault::Algorithm), "{name}");
        world.header_fails("alg", json!(name), TokenFault::Algorithm);
    }
    let stripped = world.token(&header(), &claims());
    let (signed, _) = stripped.rsplit_once('.').unwrap();
    assert_eq!(world.verify(&format!("{signed}.")), Err(TokenFault::Signature));
}

#[test]
fn a_public_key_is_no_secret_to_sign_with() {
    let world = World::new(rules());
    let public = ec(&world.pair, "one", "P-256").to_string();
    let point = world.pair.public_key().as_ref().to_vec();
    for secret in [point.as_slice(), &point[1..], public.as_bytes(), b""] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        for name in ["HS256", "HS384", "HS512", "ES256"] {
            let header = with(header(), "alg", json!(name)).to_string();
            let token = compact(&header, &claims().to_string(), &|message| {
                hmac::sign(&key, message).as_ref().to_vec()
            });
            let why = if name == "ES256" { TokenFault::Signature } else { TokenFault::Algorithm };
            assert_eq!(world.verify(&token), Err(why), "{name}");
        }
    }
    // Nor does a secret in the set become a key.
    let secret = json!({ "kty": "oct", "kid": "s", "k": b64("0123456789abcdef"), "alg": "HS256" });
    let both = set(&[ec(&world.pair, "one", "P-256"), secret.clone()]);
    assert_eq!(both.len(), 1);
    let alone = KeySet::parse(json!({ "keys": [secret] }).to_string().as_bytes());
    assert_eq!(alone.err(), Some(KeySetError::Empty));
}

#[test]
fn a_key_is_for_its_own_algorithm() {
    let world = World::new(rules());
    for name in ["RS256", "EdDSA"] {
        world.header_fails("alg", json!(name), TokenFault::KeyMismatch);
    }
    let typed = with(ec(&world.pair, "one", "P-256"), "alg", json!("ES256"));
    world.ring.replace(set(&[typed]), BEGIN);
    assert!(world.verify(&world.token(&header(), &claims())).is_ok());
    // A key whose set says something that it cannot be is no key.
    for wrong in ["RS256", "HS256", "ES384", "none"] {
        let typed = with(ec(&world.pair, "one", "P-256"), "alg", json!(wrong));
        let parsed = KeySet::parse(json!({ "keys": [typed] }).to_string().as_bytes());
        assert_eq!(parsed.err(), Some(KeySetError::Empty), "{wrong}");
    }
}

#[test]
fn every_listed_algorithm_verifies() {
    let all = Rules { algorithms: Algorithm::ALL.to_vec(), ..rules() };
    let world = World::new(all);
    let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let ed = Ed25519KeyPair::generate().unwrap();
    let rsa = RsaPair::generate(KeySize::Rsa2048).unwrap();
    let random = SystemRandom::new();
    let public = rsa.public_key();
    let number = |bytes: &[u8]| b64(bytes);
    world.ring.replace(
        set(&[
            ec(&p384, "p384", "P-384"),
            json!({ "kty": "OKP", "crv": "Ed25519", "kid": "ed", "use": "sig", "x": b64(ed.public_key()) }),
            json!({
                "kty": "RSA", "kid": "rsa", "key_ops": ["verify"],
                "n": number(public.modulus().big_endian_without_leading_zero()),
                "e": number(public.exponent().big_endian_without_leading_zero()),
            }),
        ]),
        BEGIN,
    );
    let by_rsa = |scheme: &'static dyn signature::RsaEncoding, message: &[u8]| {
        let mut signature = vec![0; rsa.public_modulus_len()];
        rsa.sign(scheme, &random, message, &mut signature).unwrap();
        signature
    };
    let signers: [(&str, &str, Sign<'_>); 4] = [
        ("ES384", "p384", &|message| p384.sign(&random, message).unwrap().as_ref().to_vec()),
        ("EdDSA", "ed", &|message| ed.sign(message).as_ref().to_vec()),
        ("RS256", "rsa", &|message| by_rsa(&signature::RSA_PKCS1_SHA256, message)),
        ("PS256", "rsa", &|message| by_rsa(&signature::RSA_PSS_SHA256, message)),
    ];
    for (algorithm, kid, sign) in signers {
        let header = json!({ "alg": algorithm, "typ": "at+jwt", "kid": kid }).to_string();
        let token = compact(&header, &claims().to_string(), sign);
        assert!(world.verify(&token).is_ok(), "{algorithm}");
        // The same signature under another name of the same key.
        for other in ["RS256", "PS256"].into_iter().filter(|other| *other != algorithm && kid == "rsa") {
            let header = header.replace(algorithm, other);
            let swapped = compact(&header, &claims().to_string(), sign);
            assert_eq!(world.verify(&swapped), Err(TokenFault::Signature), "{algorithm} as {other}");
        }
    }
}

// RFC 8725, 3.3 and 3.8: a signature by the right key of the right issuer

#[test]
fn only_the_issuer_s_own_signature_counts() {
    let world = World::new(rules());
    let token = world.token(&header(), &claims());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    for at in [0, 31, 32, 63] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let altered = format!("{signed}.{}", b64(changed));
        assert_eq!(world.verify(&altered), Err(TokenFault::Signature), "{at}");
    }
    for wrong in [&bytes[..63], &[0; 64][..], &[bytes.as_slice(), &[0]].concat()] {
        assert_eq!(world.verify(&format!("{signed}.{}", b64(wrong))), Err(TokenFault::Signature));
    }
    let other = World::new(rules());
    assert_eq!(world.verify(&other.token(&header(), &claims())), Err(TokenFault::Signature));
    // A second issuer's key signs nothing for the first.
    let second = Rules { issuer: "https://second.example".to_owned(), ..rules() };
    let second = Arc::new(Issuer::new("second".parse().unwrap(), second, Arc::clone(&other.ring)));
    let both = [Arc::clone(&world.issuers[0]), second];
    assert_eq!(verify(&both, &other.token(&header(), &claims()), BEGIN), Err(TokenFault::Signature));
    let own = with(claims(), "iss", json!("https://second.example"));
    let verified = verify(&both, &other.token(&header(), &own), BEGIN).unwrap();
    assert_eq!(serde_json::to_value(verified.identity).unwrap()["issuer"], "second");
}

#[test]
fn only_the_exact_issuer_counts() {
    let world = World::new(rules());
    for wrong in [
        "https://issuer.example/tenant/",
        "https://issuer.example",
        "https://ISSUER.example/tenant",
        "http://issuer.example/tenant",
        "https://issuer.example/tenant2",
        " https://issuer.example/tenant",
        "ci",
        "",
    ] {
        world.claim_fails("iss", json!(wrong), TokenFault::Issuer);
    }
    world.claim_fails("iss", Value::Null, TokenFault::Claims);
    world.claim_fails("iss", json!([ISS]), TokenFault::Claims);
    assert_eq!(verify(&[], &world.token(&header(), &claims()), BEGIN), Err(TokenFault::Issuer));
}

#[test]
fn a_subject_is_required_and_taken_as_it_is() {
    let world = World::new(rules());
    world.claim_fails("sub", Value::Null, TokenFault::Claims);
    for wrong in [json!(""), json!(7), json!(["shop"]), json!("shop\n"), json!("s".repeat(256))] {
        world.claim_fails("sub", wrong, TokenFault::Claims);
    }
    for subject in ["SHOP", "shop ", " shop", "system:serviceaccount:shop:fraud", "repo:a/b:environment:x"] {
        let verified = world.verify(&world.token(&header(), &with(claims(), "sub", json!(subject)))).unwrap();
        assert_eq!(serde_json::to_value(verified.identity).unwrap()["subject"], subject);
    }
}

// RFC 8725, 3.10

#[test]
fn a_kid_is_an_index_and_nothing_else() {
    let world = World::new(rules());
    for wrong in
        ["two", "ONE", "one ", "../one", "/dev/null", "one' OR 1=1 --", "https://evil.example/k", "one\0"]
    {
        world.header_fails("kid", json!(wrong), TokenFault::KeyUnknown);
    }
    for wrong in [json!(""), json!("k".repeat(257)), Value::Null] {
        world.header_fails("kid", wrong, TokenFault::KeyUnknown);
    }
    world.header_fails("kid", json!(0), TokenFault::Form);
}

#[test]
fn no_key_comes_out_of_a_token() {
    let world = World::new(rules());
    let attacker = World::new(rules());
    let own = ec(&attacker.pair, "one", "P-256");
    for (name, value) in [
        ("jwk", own),
        ("jku", json!("https://evil.example/jwks.json")),
        ("x5u", json!("https://evil.example/chain.pem")),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
    ] {
        let header = with(header(), name, value);
        assert_eq!(world.verify(&attacker.token(&header, &claims())), Err(TokenFault::Header), "{name}");
        assert_eq!(world.verify(&world.token(&header, &claims())), Err(TokenFault::Header), "{name}");
    }
}
