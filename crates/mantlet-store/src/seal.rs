//! Sealing rows: AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce.
//!
//! The associated data is the table, the record's name and the record itself, so a sealed value can neither be
//! moved to another row nor kept while the record around it is changed: whoever can write the database file but
//! lacks the root key cannot lend a key to another owner or a role to another user. What sealing cannot show is
//! that rows are missing or old; the [tally](crate::tally) does.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf, hmac,
};
use zeroize::Zeroizing;

use crate::{Row, StoreError, Table, tally::Sum};

/// Sets these tags apart from everything else that is ever sealed.
const CONTEXT: &[u8] = b"mantlet-store/1";

/// The key that seals and tags rows: derived from the home's root key for this purpose alone.
///
/// Random nonces allow 2^32 seals under one key before a repetition becomes thinkable (SP 800-38D §8.3); a home
/// that changed ten records a second would get there in thirteen years.
pub struct StoreKey {
    seal: LessSafeKey,
    /// Derived from the first: no key serves two algorithms.
    tag: hmac::Key,
}

impl StoreKey {
    /// A key from its 32 bytes.
    ///
    /// # Errors
    /// If the cryptographic provider fails.
    pub fn new(bytes: &Zeroizing<[u8; 32]>) -> Result<Self, StoreError> {
        let key = UnboundKey::new(&AES_256_GCM, bytes.as_slice()).map_err(|_| StoreError::Provider)?;
        let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, CONTEXT).extract(bytes.as_slice());
        let tag = derived.expand(&[b"row tags"], hmac::HMAC_SHA256).map_err(|_| StoreError::Provider)?.into();
        Ok(Self { seal: LessSafeKey::new(key), tag })
    }

    /// A row's part in the tally.
    pub(crate) fn tag(&self, table: Table, row: &Row) -> Sum {
        let mut tag = hmac::Context::with_key(&self.tag);
        tag.update(&bound_to(table, &row.id, &row.body));
        tag.update(&row.sealed);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(tag.sign().as_ref());
        Sum::from_bytes(&bytes)
    }

    /// Nonce, ciphertext and tag of a record's secret, bound to the record.
    pub(crate) fn seal(
        &self,
        table: Table,
        id: &str,
        body: &str,
        secret: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| StoreError::Provider)?;
        // In one piece of memory, so that no plain bytes stay behind where it grew.
        let mut sealed = Vec::with_capacity(NONCE_LEN + secret.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(secret);
        let (_, sealing) = sealed.split_at_mut_checked(NONCE_LEN).ok_or(StoreError::Provider)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let bound = Aad::from(bound_to(table, id, body));
        let tag = self.seal.seal_in_place_separate_tag(nonce, bound, sealing);
        sealed.extend_from_slice(tag.map_err(|_| StoreError::Provider)?.as_ref());
        Ok(sealed)
    }

    /// The secret of a record, if record and secret are what this key sealed together.
    pub(crate) fn open(
        &self,
        table: Table,
        id: &str,
        body: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let altered = || StoreError::Altered { table, id: id.to_owned() };
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(altered)?;
        let mut secret = Zeroizing::new(ciphertext.to_vec());
        let length = self
            .seal
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(bound_to(table, id, body)),
                &mut secret,
            )
            .map_err(|_| altered())?
            .len();
        secret.truncate(length);
        Ok(secret)
    }
}

impl std::fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreKey(…)")
    }
}

/// The associated data. Each part is preceded by its length, so that no two rows have the same.
fn bound_to(table: Table, id: &str, body: &str) -> Vec<u8> {
    let parts = [CONTEXT, table.name().as_bytes(), id.as_bytes(), body.as_bytes()];
    let mut data = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        data.extend_from_slice(&(part.len() as u64).to_be_bytes());
        data.extend_from_slice(part);
    }
    data
}
