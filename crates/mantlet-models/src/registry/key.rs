//! The registry's keys: those that wrap each object's own key. They come from the root key, and while that is being
//! replaced there is more than one of them.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Salt},
};
use zeroize::Zeroizing;

/// A data key's length, that of AES-256.
const DATA_KEY_BYTES: usize = 32;

/// A wrapped data key: nonce, ciphertext, tag.
pub(super) const WRAPPED_BYTES: usize = NONCE_LEN + DATA_KEY_BYTES + 16;

/// Why wrapping or opening did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// Altered bytes or another key; no more is known.
    Authentication,
    /// The cryptographic provider failed, which says nothing of the bytes.
    Provider,
}

/// One object's key.
pub(super) struct DataKey(Zeroizing<Vec<u8>>);

impl DataKey {
    /// A random one.
    pub(super) fn generate() -> Result<Self, Failed> {
        let mut bytes = Zeroizing::new(vec![0; DATA_KEY_BYTES]);
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Failed::Provider)?;
        Ok(Self(bytes))
    }

    /// What encrypts chunks.
    pub(super) fn cipher(&self) -> Result<LessSafeKey, Failed> {
        aead(&self.0)
    }
}

/// The registry's keys, the newest first. Overwritten in memory when dropped; never shown.
#[derive(Clone)]
pub struct RegistryKey(Vec<Zeroizing<[u8; 32]>>);

impl std::fmt::Debug for RegistryKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RegistryKey(..)")
    }
}

impl RegistryKey {
    /// Takes 32 secret bytes over; how they are derived from the root key is the caller's business.
    #[must_use]
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(vec![bytes])
    }

    /// The same with a key that came before: it opens what it wrapped, and wraps nothing more.
    #[must_use]
    pub fn after(mut self, former: Zeroizing<[u8; 32]>) -> Self {
        self.0.push(former);
        self
    }

    /// Wraps an object's key under the newest key, bound to what the object says of itself.
    pub(super) fn wrap(&self, bound: &[u8], data_key: &DataKey) -> Result<[u8; WRAPPED_BYTES], Failed> {
        let newest = self.0.first().ok_or(Failed::Provider)?;
        let mut wrapped = [0; WRAPPED_BYTES];
        let (nonce, body) = wrapped.split_first_chunk_mut::<NONCE_LEN>().ok_or(Failed::Provider)?;
        // Random nonces are safe for 2^32 wraps under one key, far beyond the objects of a registry.
        aws_lc_rs::rand::fill(nonce).map_err(|_| Failed::Provider)?;
        let (key, tag) = body.split_at_mut_checked(DATA_KEY_BYTES).ok_or(Failed::Provider)?;
        key.copy_from_slice(&data_key.0);
        let sealed = wrapping(newest)?
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(*nonce), Aad::from(bound), key)
            .map_err(|_| Failed::Provider)?;
        tag.copy_from_slice(sealed.as_ref());
        Ok(wrapped)
    }

    /// An object's key, and whether the newest key has wrapped it.
    pub(super) fn unwrap(
        &self,
        bound: &[u8],
        wrapped: &[u8; WRAPPED_BYTES],
    ) -> Result<(DataKey, bool), Failed> {
        let (nonce, body) = wrapped.split_first_chunk::<NONCE_LEN>().ok_or(Failed::Provider)?;
        for (age, key) in self.0.iter().enumerate() {
            let mut data_key = Zeroizing::new(body.to_vec());
            let nonce = Nonce::assume_unique_for_key(*nonce);
            if let Ok(opened) = wrapping(key)?.open_in_place(nonce, Aad::from(bound), &mut data_key) {
                let length = opened.len();
                data_key.truncate(length);
                return Ok((DataKey(data_key), age == 0));
            }
        }
        Err(Failed::Authentication)
    }

    /// The keys that sealed whole files in the first form.
    pub(super) fn whole(&self) -> impl Iterator<Item = Result<LessSafeKey, Failed>> {
        self.0.iter().map(|key| aead(key.as_slice()))
    }
}

/// What wraps, derived from a key that has sealed whole files: no key serves two uses.
fn wrapping(key: &Zeroizing<[u8; 32]>) -> Result<LessSafeKey, Failed> {
    let derived = Salt::new(HKDF_SHA256, b"mantlet.object/2").extract(key.as_slice());
    let derived = derived.expand(&[b"wraps data keys"], &AES_256_GCM).map_err(|_| Failed::Provider)?;
    Ok(LessSafeKey::new(UnboundKey::from(derived)))
}

/// AES-256-GCM under these bytes.
pub(super) fn aead(bytes: &[u8]) -> Result<LessSafeKey, Failed> {
    UnboundKey::new(&AES_256_GCM, bytes).map(LessSafeKey::new).map_err(|_| Failed::Provider)
}
