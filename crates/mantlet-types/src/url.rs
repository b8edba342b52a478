//! Signed URLs: what names one, and what names the key that signed it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::id::IdError;

/// Names one signed URL: 128 random bits, drawn when it is signed. No secret; what is secret is the signature.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UrlId(pub [u8; 16]);

impl fmt::Display for UrlId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for UrlId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UrlId({self})")
    }
}

impl FromStr for UrlId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = IdError { noun: "URL's id", form: "has 32 lower-case hexadecimal characters" };
        unhex(text).map(Self).ok_or(error)
    }
}

impl TryFrom<String> for UrlId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<UrlId> for String {
    fn from(id: UrlId) -> Self {
        id.to_string()
    }
}

/// Reads exactly so many bytes of lower-case hexadecimal: one text for one value, so that no URL can be written in two
/// ways.
#[must_use]
pub fn unhex<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() != BYTES * 2 {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (slot, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *slot = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

/// Names a key that signs URLs: `k1`, `k2` … in the order in which they were made. The key itself is derived from the
/// home's root key and this name, and is kept nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UrlKid(u32);

impl UrlKid {
    /// The key that every home has from its beginning.
    pub const FIRST: Self = Self(1);

    /// The key after this one; `None` after four thousand million of them.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Display for UrlKid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "k{}", self.0)
    }
}

impl FromStr for UrlKid {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = IdError { noun: "URL key's id", form: "is `k1`, `k2` and so on" };
        let number = text.strip_prefix('k').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let number = number.filter(|digits| !digits.starts_with('0'));
        number.and_then(|digits| digits.parse().ok()).map(Self).ok_or(error)
    }
}

impl TryFrom<String> for UrlKid {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<UrlKid> for String {
    fn from(kid: UrlKid) -> Self {
        kid.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_text() {
        let id = UrlId([0xAB; 16]);
        assert_eq!(id.to_string().parse::<UrlId>().unwrap(), id);
        for bad in ["", "ab", &"AB".repeat(16), &"ag".repeat(16), &"ab".repeat(17)] {
            assert!(bad.parse::<UrlId>().is_err(), "{bad}");
        }
        assert_eq!("k12".parse::<UrlKid>().unwrap().to_string(), "k12");
        for bad in ["", "k", "k0", "k01", "12", "k-1", "k+1", "K1", "k4294967296"] {
            assert!(bad.parse::<UrlKid>().is_err(), "{bad}");
        }
    }
}
