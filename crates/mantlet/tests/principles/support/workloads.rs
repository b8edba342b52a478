//! Workloads: authorities of trust domains, certificates of every kind, issuers and their tokens. Made by what neither
//! the server nor its libraries for tokens use.

use std::{fs, path::PathBuf};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::{Client, Home, Server};

/// The authority of a trust domain.
pub struct Domain {
    /// Its certificate.
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
    dir: PathBuf,
}

/// Where a certificate and its key lie.
pub struct Svid {
    certificate: PathBuf,
    key: PathBuf,
}

/// A URI as an alternative name.
pub fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

/// What a workload's certificate is made of, before anything about it is wrong.
pub fn leaf(id: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![uri(id)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = OffsetDateTime::now_utc() - Duration::minutes(5);
    params.not_after = OffsetDateTime::now_utc() + Duration::hours(1);
    params
}

/// An authority's certificate.
pub fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Domain {
    /// The authority of a new trust domain.
    pub fn new(home: &Home, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = authority(name);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key), dir: home.beside(&format!("{name}.svids")) }
    }

    /// Writes a bundle's file.
    pub fn bundle(&self) -> String {
        fs::create_dir_all(&self.dir).unwrap();
        let path = self.dir.join("bundle.pem");
        fs::write(&path, &self.pem).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Issues a certificate as told.
    pub fn issue(&self, params: &CertificateParams) -> Svid {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.keep(&certificate.pem(), &key.serialize_pem())
    }

    /// Issues a certificate by an authority between.
    pub fn issue_below(&self, between: &CertificateParams, params: &CertificateParams) -> Svid {
        let (middle, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let signed = between.signed_by(&middle, &self.issuer).unwrap().pem();
        let issuer = Issuer::new(between.clone(), middle);
        let leaf = params.signed_by(&key, &issuer).unwrap();
        self.keep(&format!("{}{signed}", leaf.pem()), &key.serialize_pem())
    }

    /// Issues an ordinary certificate for this id.
    pub fn svid(&self, id: &str) -> Svid {
        self.issue(&leaf(id))
    }

    fn keep(&self, certificate: &str, key: &str) -> Svid {
        fs::create_dir_all(&self.dir).unwrap();
        let number = fs::read_dir(&self.dir).unwrap().count();
        let place = |kind: &str| self.dir.join(format!("{number}.{kind}"));
        let svid = Svid { certificate: place("pem"), key: place("key") };
        fs::write(&svid.certificate, certificate).unwrap();
        fs::write(&svid.key, key).unwrap();
        svid
    }
}

impl Server {
    /// A client with a workload's certificate and nothing else.
    pub fn workload(&self, svid: &Svid) -> Client {
        self.client().certificate(&self.ca, &svid.certificate, &svid.key)
    }
}

/// An issuer of tokens whose keys are in a file.
pub struct Tokens {
    pair: EcdsaKeyPair,
}

/// What the tests' issuer calls itself.
pub const ISSUER: &str = "https://issuer.example";

/// Whom its tokens are for.
pub const AUDIENCE: &str = "https://gate.example";

impl Tokens {
    /// A new issuer.
    pub fn new() -> Self {
        Self { pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap() }
    }

    /// Its section of the configuration, with its keys in a file beside the home.
    pub fn section(&self, home: &Home) -> String {
        let path = home.beside("jwks.json");
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let keys = json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "one", "x": x, "y": y }] });
        fs::write(&path, keys.to_string()).unwrap();
        format!(
            "[[identity.issuer]]\nname = \"ci\"\nissuer = \"{ISSUER}\"\naudience = \"{AUDIENCE}\"\njwks_file = {path:?}\n"
        )
    }

    /// Signs a token.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |document: &Value| URL_SAFE_NO_PAD.encode(document.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A token that holds, of this subject.
    pub fn token(&self, subject: &str) -> String {
        self.sign(&header(), &claims(subject))
    }
}

/// The header of a token that holds.
pub fn header() -> Value {
    json!({ "alg": "ES256", "typ": "at+jwt", "kid": "one" })
}

/// The claims of a token that holds for ten minutes.
pub fn claims(subject: &str) -> Value {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 600 })
}

/// The section of a trust domain.
pub fn section(name: &str, bundle: &str) -> String {
    format!("[[identity.trust_domain]]\nname = \"{name}\"\nca = \"{bundle}\"\n")
}
