//! The first form in which files were sealed: all of one in one piece of AES-256-GCM (NIST SP 800-38D) under
//! the registry's key, a random 96-bit nonce before the ciphertext and the tag after it, kind and digest as associated
//! data. It is read as ever and written no more; `mantlet root key rotate` rewrites what is left of it.

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use mantlet_types::Sha256;

use super::Kind;

/// Bytes that sealing adds: nonce and tag.
pub(super) const OVERHEAD: u64 = NONCE_LEN as u64 + 16;

/// The most that is read of a file in this form of which nobody has said how long it is. All of it has to be in memory before
/// it is known whether it is ours, so whoever can write here must not say how much that is.
pub(super) const UNSAID_BYTES_MAX: u64 = 64 << 20;

/// The plain bytes in the place of nonce and sealed ones, if this key sealed them under this name. If not, what was sealed is
/// gone.
pub(super) fn open(key: &LessSafeKey, kind: Kind, digest: Sha256, mut sealed: Vec<u8>) -> Option<Vec<u8>> {
    let (nonce, body) = sealed.split_first_chunk_mut::<NONCE_LEN>()?;
    let aad = Aad::from(label(kind, digest));
    let length = key.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, body).ok()?.len();
    sealed.truncate(NONCE_LEN + length);
    sealed.drain(..NONCE_LEN);
    Some(sealed)
}

/// What sealed bytes are bound to: their kind and the name they are stored under.
fn label(kind: Kind, digest: Sha256) -> String {
    format!("mantlet.registry/1 {} {digest}", kind.directory())
}

/// Seals in this form, so that tests have something to read.
#[cfg(test)]
pub(super) fn seal(key: &[u8; 32], kind: Kind, digest: Sha256, plain: &[u8]) -> Vec<u8> {
    let nonce = [7; NONCE_LEN];
    let mut sealed = plain.to_vec();
    let aad = Aad::from(label(kind, digest));
    let key = super::key::aead(key).unwrap();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed).unwrap();
    sealed.splice(..0, nonce);
    sealed
}
