//! The keys that sign URLs: derived, never kept.
//!
//! Each is HKDF-SHA256 (RFC 5869) of a secret that the home's root key gives, with the key's id as info; what they make
//! is HMAC-SHA256 (RFC 2104) over a URL's canonical text.

use std::fmt;

use aws_lc_rs::{hkdf, hmac};
use mantlet_types::url::{UrlKid, unhex};

use super::UrlTerms;
use crate::administer::Warrant;

/// What shows that a URL is ours. It is what makes the URL a secret, so it shows itself to nobody by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature([u8; 32]);

impl Signature {
    /// Reads 64 lower-case hexadecimal characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        unhex(text).map(Self)
    }

    /// The text, for the one reply that carries it.
    #[must_use]
    pub fn reveal(&self) -> String {
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            text.extend(
                [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])),
            );
            text
        })
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(…)")
    }
}

/// Signs URLs, and knows its own.
pub struct UrlSigner(hkdf::Prk);

impl UrlSigner {
    /// Over this secret, which nothing else may use.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, secret))
    }

    fn key(&self, kid: UrlKid) -> Option<hmac::Key> {
        let info = [b"mantlet.url/1 ".as_slice(), &kid.to_string().into_bytes()].concat();
        self.0.expand(&[&info], hmac::HMAC_SHA256).ok().map(hmac::Key::from)
    }

    /// Signs. Only door 2 has leave to give.
    pub(super) fn sign(&self, _warrant: &Warrant, terms: &UrlTerms) -> Option<Signature> {
        let tag = hmac::sign(&self.key(terms.kid)?, terms.canonical().as_bytes());
        tag.as_ref().try_into().ok().map(Signature)
    }

    /// Whether the signature is ours. Takes equally long for every key id, made or not, and compares in constant time.
    pub(crate) fn knows(&self, terms: &UrlTerms, signature: &Signature) -> bool {
        let Some(key) = self.key(terms.kid) else { return false };
        hmac::verify(&key, terms.canonical().as_bytes(), &signature.0).is_ok()
    }
}

impl fmt::Debug for UrlSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UrlSigner(…)")
    }
}
