//! Sealing of stored bytes: AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce before the ciphertext and the
//! tag after it. The associated data bind the bytes to their place. Random nonces are safe for 2^32 seals under one
//! key, far beyond the files of a registry.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

/// Bytes that sealing adds: nonce and tag.
pub(super) const OVERHEAD: usize = NONCE_LEN + 16;

/// Sealing or opening did not succeed; for opening that means altered bytes or another key, and no more is known.
#[derive(Debug)]
pub(super) struct Failed;

/// The registry's key. Overwritten in memory when dropped; never shown.
pub struct RegistryKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for RegistryKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RegistryKey(..)")
    }
}

impl RegistryKey {
    /// Takes 32 secret bytes over; how they are derived from the root key is the caller's business.
    #[must_use]
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    fn aead(&self) -> Result<RandomizedNonceKey, Failed> {
        RandomizedNonceKey::new(&AES_256_GCM, self.0.as_slice()).map_err(|_| Failed)
    }

    pub(super) fn seal(&self, label: &str, plain: &[u8]) -> Result<Vec<u8>, Failed> {
        // Into one piece of memory: files are large.
        let mut sealed = Vec::with_capacity(plain.len().saturating_add(OVERHEAD));
        sealed.resize(NONCE_LEN, 0);
        sealed.extend_from_slice(plain);
        let (head, body) = sealed.split_at_mut_checked(NONCE_LEN).ok_or(Failed)?;
        let aad = Aad::from(label.as_bytes());
        let (nonce, tag) = self.aead()?.seal_in_place_separate_tag(aad, body).map_err(|_| Failed)?;
        head.copy_from_slice(nonce.as_ref());
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    pub(super) fn open(&self, label: &str, mut sealed: Vec<u8>) -> Result<Vec<u8>, Failed> {
        let (nonce, body) = sealed.split_at_mut_checked(NONCE_LEN).ok_or(Failed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Failed)?;
        let aad = Aad::from(label.as_bytes());
        let length = self.aead()?.open_in_place(nonce, aad, body).map_err(|_| Failed)?.len();
        sealed.drain(..NONCE_LEN);
        sealed.truncate(length);
        Ok(sealed)
    }
}
