//! An issuer's public keys: JSON Web Key Sets (RFC 7517), and the ring through which they come in while requests are
//! served.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwapOption;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use mantlet_types::{
    Timestamp,
    limits::{ISSUER_KEYS_MAX, ISSUER_KEYS_STALE, JWKS_BYTES_MAX},
};
use serde_json::{Map, Value};
use tokio::sync::Notify;

use super::{TokenFault, json, sha256};

/// Moduli that are taken: 2,048 to 4,096 bits (NIST SP 800-131A forbids less; more is work that others choose for us).
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=512;

/// Signature algorithms (RFC 7518, section 3.1; RFC 8037). HMAC is none of them: a secret that verifies can also sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
    /// RSA PKCS #1 v1.5 with SHA-256.
    Rs256,
    /// RSA-PSS with SHA-256.
    Ps256,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 5] = [Self::Es256, Self::Es384, Self::EdDsa, Self::Rs256, Self::Ps256];

    /// The name in tokens.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
        }
    }

    /// The algorithm of this name, compared byte by byte.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    const fn kind(self) -> Kind {
        match self {
            Self::Es256 => Kind::P256,
            Self::Es384 => Kind::P384,
            Self::EdDsa => Kind::Ed25519,
            Self::Rs256 | Self::Ps256 => Kind::Rsa,
        }
    }

    const fn provided(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Es384 => jsonwebtoken::Algorithm::ES384,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Ps256 => jsonwebtoken::Algorithm::PS256,
        }
    }
}

/// What a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    P256,
    P384,
    Ed25519,
    Rsa,
}

/// One public key.
struct PublicKey {
    kind: Kind,
    /// The one algorithm that it is for, if its set says so.
    algorithm: Option<Algorithm>,
    key: DecodingKey,
    print: Print,
}

/// What a key is as its set has it, so that the same key is known again in another set.
pub(super) type Print = [u8; 32];

/// Public keys by their `kid`.
#[derive(Default)]
pub struct KeySet(HashMap<String, PublicKey>);

/// Not a key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// More bytes or keys than a key set has.
    #[error("a key set has at most {JWKS_BYTES_MAX} bytes and {ISSUER_KEYS_MAX} keys")]
    Size,
    /// Not `{"keys": […]}`.
    #[error("not a JSON Web Key Set")]
    Form,
    /// Nothing in it that verifies a signature.
    #[error("no key in the set verifies signatures by one of the known algorithms")]
    Empty,
}

impl KeySet {
    /// Reads a key set that has to have keys: see [`Self::listed`].
    ///
    /// # Errors
    /// As there, and if it has no key of use.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeySetError> {
        let keys = Self::listed(bytes)?;
        if keys.is_empty() { Err(KeySetError::Empty) } else { Ok(keys) }
    }

    /// Reads a key set as an issuer publishes it, which may be that it has no keys any more. Keys of other types, uses and algorithms are passed over, as RFC 7517, section 5, asks for; so
    /// are keys that share a `kid`, since neither could be meant, and keys without one.
    ///
    /// # Errors
    /// If it is too large, or no key set.
    pub fn listed(bytes: &[u8]) -> Result<Self, KeySetError> {
        if bytes.len() > JWKS_BYTES_MAX {
            return Err(KeySetError::Size);
        }
        let document = json::object(bytes).map_err(|_| KeySetError::Form)?;
        let Some(Value::Array(listed)) = document.get("keys") else { return Err(KeySetError::Form) };
        if listed.len() > ISSUER_KEYS_MAX {
            return Err(KeySetError::Size);
        }
        let mut kids: HashMap<&str, usize> = HashMap::new();
        let kid_of = |key: &'_ Value| key.get("kid").and_then(Value::as_str).map(str::to_owned);
        for kid in listed.iter().filter_map(|key| key.get("kid").and_then(Value::as_str)) {
            *kids.entry(kid).or_default() += 1;
        }
        let usable = |key: &Value| {
            let kid = kid_of(key).filter(|kid| kids.get(kid.as_str()) == Some(&1))?;
            Some((kid, PublicKey::of(key.as_object()?)?))
        };
        Ok(Self(listed.iter().filter_map(usable).collect()))
    }

    /// Whether it has the same keys, by the same names.
    fn is(&self, other: &Self) -> bool {
        let same = |(kid, key): (&String, &PublicKey)| {
            other.0.get(kid).is_some_and(|other| other.print == key.print)
        };
        self.len() == other.len() && self.0.iter().all(same)
    }

    /// Whether this key is among them.
    pub(super) fn has(&self, print: &Print) -> bool {
        self.0.values().any(|key| key.print == *print)
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Verifies a signature; says by which key.
    pub(super) fn verify(
        &self,
        kid: &str,
        algorithm: Algorithm,
        signed: &str,
        signature: &str,
    ) -> Result<Print, TokenFault> {
        let key = self.0.get(kid).ok_or(TokenFault::KeyUnknown)?;
        // A key is for one kind of algorithm, whatever the token says: RFC 8725, section 2.1.
        if key.kind != algorithm.kind() || key.algorithm.is_some_and(|only| only != algorithm) {
            return Err(TokenFault::KeyMismatch);
        }
        let verified =
            jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &key.key, algorithm.provided());
        // Whatever goes wrong is no signature.
        if verified.unwrap_or(false) { Ok(key.print) } else { Err(TokenFault::Signature) }
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({} keys)", self.len())
    }
}

impl PublicKey {
    /// A key of the set, if it verifies signatures by an algorithm that we know.
    fn of(jwk: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        if jwk.contains_key("use") && text("use") != Some("sig") {
            return None;
        }
        if let Some(operations) = jwk.get("key_ops") {
            operations.as_array()?.iter().find(|operation| operation.as_str() == Some("verify"))?;
        }
        let algorithm = match jwk.get("alg") {
            None => None,
            Some(name) => Some(Algorithm::named(name.as_str()?)?),
        };
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        let long = |name: &str, length: usize| bytes(name).filter(|value| value.len() == length);
        let point = |length: usize| {
            long("x", length)?;
            long("y", length)?;
            DecodingKey::from_ec_components(text("x")?, text("y")?).ok()
        };
        let (kind, key) = match (text("kty")?, text("crv")) {
            ("EC", Some("P-256")) => (Kind::P256, point(32)?),
            ("EC", Some("P-384")) => (Kind::P384, point(48)?),
            ("OKP", Some("Ed25519")) => (Kind::Ed25519, DecodingKey::from_ed_der(&long("x", 32)?)),
            ("RSA", _) => {
                let modulus = bytes("n").filter(|modulus| RSA_BYTES.contains(&modulus.len()))?;
                (Kind::Rsa, DecodingKey::from_rsa_raw_components(&modulus, &bytes("e")?))
            }
            // `oct` above all: a shared secret is no public key.
            _ => return None,
        };
        let fits = algorithm.is_none_or(|algorithm| algorithm.kind() == kind);
        let members = ["kty", "crv", "alg", "x", "y", "n", "e"].map(|name| text(name).unwrap_or_default());
        // None of these has a line feed in it, or it would not have been taken for what it is.
        let print = sha256(members.join("\n").as_bytes());
        fits.then_some(Self { kind, algorithm, key, print })
    }
}

/// The keys of one issuer, replaced while requests are served, by whoever fetches them.
#[derive(Debug, Default)]
pub struct KeyRing {
    current: ArcSwapOption<Current>,
    wanted: Notify,
}

#[derive(Debug)]
pub(super) struct Current {
    pub(super) keys: KeySet,
    /// When they were fetched, in microseconds; `None` for keys that were given in a file, which do not age.
    fetched: Option<AtomicI64>,
}

impl KeyRing {
    /// A ring without keys: nothing counts until some are fetched.
    #[must_use]
    pub fn awaited() -> Self {
        Self::default()
    }

    /// A ring of keys that somebody answers for.
    #[must_use]
    pub fn pinned(keys: KeySet) -> Self {
        let current = Arc::new(Current { keys, fetched: None });
        Self { current: ArcSwapOption::new(Some(current)), wanted: Notify::new() }
    }

    /// Puts keys in place that were fetched at this moment. What was signed by others counts no more. The same keys again are
    /// only newer, and what was verified by them need not be verified anew.
    pub fn replace(&self, keys: KeySet, at: Timestamp) {
        let current = self.current.load();
        match current.as_ref().and_then(|current| Some((current, current.fetched.as_ref()?))) {
            Some((current, fetched)) if current.keys.is(&keys) => fetched.store(at.micros(), Relaxed),
            _ => self
                .current
                .store(Some(Arc::new(Current { keys, fetched: Some(AtomicI64::new(at.micros())) }))),
        }
    }

    /// Waits until somebody was refused for want of a key. However many ask, they are one wish: who fetches decides
    /// how often that is.
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    pub(super) fn want(&self) {
        self.wanted.notify_one();
    }

    /// The keys, unless they are too old to be believed.
    pub(super) fn current(&self, now: Timestamp) -> Result<Arc<Current>, TokenFault> {
        let current = self.current.load_full().ok_or(TokenFault::KeysStale)?;
        let seconds = i64::try_from(ISSUER_KEYS_STALE.as_secs()).unwrap_or(0);
        let fetched = current.fetched.as_ref().map(|at| Timestamp::from_micros(at.load(Relaxed)));
        let stale = fetched.is_some_and(|fetched| now >= fetched.plus_seconds(seconds));
        if stale { Err(TokenFault::KeysStale) } else { Ok(current) }
    }
}
