//! Sealing held rows: AES-256-GCM (NIST SP 800-38D) with random 96-bit nonces, under a key for each item.
//!
//! An item's key seals what was asked and what was decided, each bound to the item and to which of the two it is. The
//! key itself is sealed under the key of all items, bound to what the row says openly, so that nobody without the root key
//! can make an item another's, or a pending one decided. An item that is forgotten has no key any more: copies of what
//! it sealed are noise (crypto-erasure, NIST SP 800-88 §2.5).

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf, hmac,
};
use zeroize::Zeroizing;

use super::file::{ItemRow, altered};
use crate::StoreError;

/// Sets these tags apart from everything else that is ever sealed.
const CONTEXT: &[u8] = b"mantlet-reviews/1";

/// The key of all items: derived from the home's root key for this purpose alone.
///
/// Random nonces allow 2^32 seals under one key before a repetition becomes thinkable (SP 800-38D §8.3): some four steps
/// for each of a billion items.
pub struct ReviewKey {
    wrap: LessSafeKey,
    /// Draws lots. Derived from the first: no key serves two algorithms.
    lots: hmac::Key,
}

/// What an item's key seals.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Contents,
    Decision,
}

impl Part {
    const fn name(self) -> &'static [u8] {
        match self {
            Self::Contents => b"contents",
            Self::Decision => b"decision",
        }
    }
}

/// One item's key.
pub(super) struct ItemKey(Zeroizing<[u8; 32]>);

impl ReviewKey {
    /// A key from its 32 bytes.
    ///
    /// # Errors
    /// If the cryptographic provider fails.
    pub fn new(bytes: &Zeroizing<[u8; 32]>) -> Result<Self, StoreError> {
        let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, CONTEXT).extract(bytes.as_slice());
        let lots = derived.expand(&[b"lots"], hmac::HMAC_SHA256).map_err(|_| StoreError::Provider)?.into();
        Ok(Self { wrap: aead(bytes.as_slice())?, lots })
    }

    /// A number from 0 to below 1, of 53 bits of an HMAC.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a binary64 has")]
    pub(super) fn draw(&self, of: &[u8]) -> f64 {
        let tag = hmac::sign(&self.lots, of);
        let bits = tag.as_ref().iter().take(8).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// An item's key, or that there is none any more, sealed with what the row says openly.
    pub(super) fn wrap(&self, id: &str, body: &str, own: Option<&ItemKey>) -> Result<Vec<u8>, StoreError> {
        let key = own.map_or(&[][..], |own| own.0.as_slice());
        seal(&self.wrap, &[CONTEXT, b"key", id.as_bytes(), body.as_bytes()], key)
    }

    /// An item's key, if it has one, and if the row is what was written.
    pub(super) fn unwrap(&self, row: &ItemRow) -> Result<Option<ItemKey>, StoreError> {
        let bound = [CONTEXT, b"key", row.id.as_bytes(), row.body.as_bytes()];
        let key = open(&self.wrap, &bound, &row.wrapped).ok_or_else(|| altered(&row.id))?;
        if key.is_empty() {
            return Ok(None);
        }
        let key = <[u8; 32]>::try_from(key.as_slice()).map_err(|_| altered(&row.id))?;
        Ok(Some(ItemKey(Zeroizing::new(key))))
    }
}

impl std::fmt::Debug for ReviewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReviewKey(…)")
    }
}

impl ItemKey {
    pub(super) fn generate() -> Result<Self, StoreError> {
        let mut key = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(key.as_mut_slice()).map_err(|_| StoreError::Provider)?;
        Ok(Self(key))
    }

    pub(super) fn seal(&self, part: Part, id: &str, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        seal(&aead(self.0.as_slice())?, &[CONTEXT, part.name(), id.as_bytes()], plain)
    }

    pub(super) fn open(&self, part: Part, id: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let key = aead(self.0.as_slice())?;
        open(&key, &[CONTEXT, part.name(), id.as_bytes()], sealed).ok_or_else(|| altered(id))
    }
}

fn aead(bytes: &[u8]) -> Result<LessSafeKey, StoreError> {
    UnboundKey::new(&AES_256_GCM, bytes).map(LessSafeKey::new).map_err(|_| StoreError::Provider)
}

/// Nonce, ciphertext and tag.
fn seal(key: &LessSafeKey, bound: &[&[u8]], plain: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut nonce = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| StoreError::Provider)?;
    // In one piece of memory, so that no plain bytes stay behind where it grew.
    let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let (_, body) = sealed.split_at_mut_checked(NONCE_LEN).ok_or(StoreError::Provider)?;
    let tag = key
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(together(bound)), body)
        .map_err(|_| StoreError::Provider)?;
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

fn open(key: &LessSafeKey, bound: &[&[u8]], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut plain = Zeroizing::new(ciphertext.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let length = key.open_in_place(nonce, Aad::from(together(bound)), &mut plain).ok()?.len();
    plain.truncate(length);
    Some(plain)
}

/// The associated data. Each part is preceded by its length, so that no two rows have the same.
fn together(parts: &[&[u8]]) -> Vec<u8> {
    let mut data = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        data.extend_from_slice(&(part.len() as u64).to_be_bytes());
        data.extend_from_slice(part);
    }
    data
}
