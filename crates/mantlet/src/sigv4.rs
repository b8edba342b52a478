//! Signature Version 4: what Amazon's services ask of whoever signs a request ("Authenticating Requests (AWS Signature Version
//! 4)", AWS General Reference), and Google's storage in words of its own ("Signatures", Cloud Storage, V4 signing process).
//!
//! Only what the two have in common: the moment, the key that is derived for one day, and how things are written. HMAC and
//! SHA-256 are aws-lc's.

use aws_lc_rs::{digest, hmac};
use mantlet_types::Timestamp;
use zeroize::Zeroizing;

/// Whose words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// What stands before the secret, and in the algorithm's name.
    pub name: &'static str,
    /// What the scope ends in.
    pub end: &'static str,
    /// What headers and arguments begin with.
    pub prefix: &'static str,
}

/// Amazon's.
pub const AMAZON: Dialect = Dialect { name: "AWS4", end: "aws4_request", prefix: "X-Amz" };

/// Google's.
pub const GOOGLE: Dialect = Dialect { name: "GOOG4", end: "goog4_request", prefix: "X-Goog" };

/// A moment as signatures have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// `20261122T153000Z`.
    pub second: String,
    /// `20261122`.
    pub day: String,
}

impl Moment {
    /// This one; `None` if it is none of these ten thousand years.
    #[must_use]
    pub fn of(at: Timestamp) -> Option<Self> {
        // RFC 3339 without its marks.
        let text = at.encode()?;
        let plain: String =
            text.iter().take(19).map(|byte| char::from(*byte)).filter(|c| !"-:".contains(*c)).collect();
        let day = plain.get(..8)?.to_owned();
        Some(Self { second: format!("{plain}Z"), day })
    }
}

/// What a key is good for: this day, in this region, at this service.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// In whose words.
    pub dialect: Dialect,
    /// On which day.
    pub day: &'a str,
    /// Where.
    pub region: &'a str,
    /// At which service.
    pub service: &'a str,
}

impl Scope<'_> {
    /// The scope as it is signed.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { dialect, day, region, service } = self;
        format!("{day}/{region}/{service}/{}", dialect.end)
    }

    /// What is signed of a canonical request.
    #[must_use]
    pub fn to_sign(&self, algorithm: &str, second: &str, request: &str) -> String {
        format!("{algorithm}\n{second}\n{}\n{}", self.text(), sha256(request.as_bytes()))
    }

    /// The signature, by a key that is derived from the secret.
    #[must_use]
    pub fn sign(&self, secret: &str, text: &str) -> String {
        let first = Zeroizing::new(format!("{}{secret}", self.dialect.name));
        let key = [self.day, self.region, self.service, self.dialect.end]
            .into_iter()
            .fold(Zeroizing::new(first.as_bytes().to_vec()), |key, part| Zeroizing::new(mac(&key, part)));
        hex(&mac(&key, text))
    }
}

/// HMAC-SHA256.
#[must_use]
pub fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256, in hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Percent-encoding: everything but RFC 3986's unreserved characters, in upper case; in a path, slashes stay.
#[must_use]
pub fn encoded(text: &str, path: bool) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || path && byte == b'/' {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}
