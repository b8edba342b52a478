//! Receipts: what a caller gets for an entry, and what it can bring back.
//!
//! A receipt names an index without showing it, so that callers learn nothing of how much the node does:
//! AES-256-GCM-SIV (RFC 8452) over the index, with the origin as associated data. The nonce is constant, which that
//! construction allows: it would only show that two receipts are of the same entry.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::note::{KeyError, SigningKey};

/// Characters of a receipt: 8 bytes of index and 16 of tag in base64url.
pub const RECEIPT_CHARS: usize = 32;

const NONCE: [u8; 12] = *b"mantlet/rcpt";

/// Makes and reads receipts of one log.
pub(crate) struct Receipts {
    key: LessSafeKey,
    origin: Box<[u8]>,
}

impl Receipts {
    pub(crate) fn new(key: &SigningKey) -> Result<Self, KeyError> {
        let secret = key.derive("mantlet receipt key, version 1")?;
        let key_bytes = UnboundKey::new(&AES_256_GCM_SIV, &secret).map_err(|_| KeyError::Crypto)?;
        Ok(Self { key: LessSafeKey::new(key_bytes), origin: key.name().as_bytes().into() })
    }

    /// The receipt of an entry; `None` only if the cryptographic library fails.
    pub(crate) fn issue(&self, index: u64) -> Option<String> {
        let mut sealed = index.to_be_bytes().to_vec();
        let nonce = Nonce::assume_unique_for_key(NONCE);
        self.key.seal_in_place_append_tag(nonce, Aad::from(&self.origin), &mut sealed).ok()?;
        Some(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The index that a receipt of this log names.
    pub(crate) fn resolve(&self, receipt: &str) -> Option<u64> {
        if receipt.len() != RECEIPT_CHARS {
            return None;
        }
        let mut sealed = URL_SAFE_NO_PAD.decode(receipt).ok()?;
        let nonce = Nonce::assume_unique_for_key(NONCE);
        let index = self.key.open_in_place(nonce, Aad::from(&self.origin), &mut sealed).ok()?;
        Some(u64::from_be_bytes((&*index).try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_resolve_in_their_log_alone() {
        let receipts =
            |name, seed| Receipts::new(&SigningKey::from_seed(name, &[seed; 32]).unwrap()).unwrap();
        let (own, renamed, foreign) = (receipts("log/a", 1), receipts("log/b", 1), receipts("log/a", 2));
        for index in [0, 1, 255, u64::MAX] {
            let receipt = own.issue(index).unwrap();
            assert_eq!(receipt.len(), RECEIPT_CHARS);
            assert_eq!(own.resolve(&receipt), Some(index));
            assert_eq!((renamed.resolve(&receipt), foreign.resolve(&receipt)), (None, None));
        }
        let receipt = own.issue(7).unwrap();
        for at in 0..RECEIPT_CHARS {
            let mut changed = receipt.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(own.resolve(std::str::from_utf8(&changed).unwrap()), None, "character {at}");
        }
        for bad in ["", "é", &"A".repeat(31), &"A".repeat(1 << 20)] {
            assert_eq!(own.resolve(bad), None);
        }
    }
}
