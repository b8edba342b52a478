//! The ring: the keys from which everything in a home is derived, sealed under the root key.
//!
//! A home begins without one: its root key is then its only key. The first time that the root key is replaced, the home
//! gets keys of its own, and `keys/ring` has a slot for every root key that opens them: one, or two while one root key is
//! being replaced by another. As with the slots of LUKS, a slot is whole in itself, so that either root key will do until
//! the former one's slot is taken away, which is one rename.
//!
//! ```text
//! mantlet-ring/1
//! base 64 of nonce, ciphertext, tag     the newer root key's slot
//! base 64 of nonce, ciphertext, tag     the former root key's slot, while there is one
//! ```
//!
//! A slot holds the home's keys, 32 bytes each, the newest first. Former ones are there until nothing is sealed under
//! them any more.

use std::io;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Salt},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{Home, HomeError, HomeId, files};

/// 32 secret bytes: a root key, or one of the home's own keys.
pub(super) type Secret = Zeroizing<[u8; 32]>;

/// The first line: what the file is, and in which version of its format.
const MARK: &str = "mantlet-ring/1";

/// One root key, or two while it is being replaced.
const SLOTS_MAX: usize = 2;

/// The newest key and one before it; more would mean that a former one was never let go.
const KEYS_MAX: usize = 4;

/// The home's keys as one root key opens them.
pub(super) struct Ring {
    /// The newest first.
    pub(super) keys: Vec<Secret>,
    /// Whether the root key that opened it is the newer one, where there are two.
    pub(super) newest_root: bool,
    /// How many root keys open it; none where there is no ring yet.
    pub(super) roots: usize,
}

impl Ring {
    /// Opens a home's ring. A home that has none has its root key as its only key.
    ///
    /// # Errors
    /// If there is a ring and this root key does not open it.
    pub(super) fn open(home: &Home, root: &Secret) -> Result<Self, HomeError> {
        let path = home.ring_path();
        let text = match files::read(&path) {
            Err(HomeError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { keys: vec![root.clone()], newest_root: true, roots: 0 });
            }
            text => text?,
        };
        let altered = || HomeError::Altered { path: path.clone() };
        let text = std::str::from_utf8(&text).map_err(|_| altered())?;
        let mut lines = text.lines();
        let slots: Vec<&str> = match lines.next() {
            Some(MARK) => lines.collect(),
            _ => return Err(altered()),
        };
        if !(1..=SLOTS_MAX).contains(&slots.len()) {
            return Err(altered());
        }
        let key = slot_key(root, home.id()).ok_or(HomeError::Provider)?;
        let opened = slots.iter().enumerate().find_map(|(at, slot)| Some((at, open(&key, home.id(), slot)?)));
        let (at, keys) = opened.ok_or_else(altered)?;
        Ok(Self { keys, newest_root: at == 0, roots: slots.len() })
    }

    /// Puts a ring in the place of what was there: these keys, for each of these root keys, the newest of both first.
    ///
    /// # Errors
    /// If the disk or the provider fails; then what was there is there.
    pub(super) fn put(home: &Home, keys: &[Secret], roots: &[&Secret]) -> Result<(), HomeError> {
        let mut text = Zeroizing::new(format!("{MARK}\n"));
        for root in roots {
            let key = slot_key(root, home.id()).ok_or(HomeError::Provider)?;
            text.push_str(&seal(&key, home.id(), keys).ok_or(HomeError::Provider)?);
            text.push('\n');
        }
        files::replace(&home.ring_path(), text.as_bytes())
    }
}

/// What seals a root key's slot. A root key seals nothing else from then on.
fn slot_key(root: &Secret, home: &HomeId) -> Option<LessSafeKey> {
    let prk = Salt::new(HKDF_SHA256, home.as_str().as_bytes()).extract(root.as_slice());
    let key = prk.expand(&[b"mantlet/1 ring"], &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(key)))
}

fn bound_to(home: &HomeId) -> Aad<String> {
    Aad::from(format!("{MARK} {home}"))
}

fn seal(key: &LessSafeKey, home: &HomeId, keys: &[Secret]) -> Option<String> {
    let mut nonce = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce).ok()?;
    let mut body = Zeroizing::new(Vec::with_capacity(keys.len() * 32));
    keys.iter().for_each(|key| body.extend_from_slice(key.as_slice()));
    let nonce_used = Nonce::assume_unique_for_key(nonce);
    let tag = key.seal_in_place_separate_tag(nonce_used, bound_to(home), &mut body).ok()?;
    Some(STANDARD.encode([nonce.as_slice(), &body, tag.as_ref()].concat()))
}

fn open(key: &LessSafeKey, home: &HomeId, slot: &str) -> Option<Vec<Secret>> {
    let sealed = STANDARD.decode(slot).ok()?;
    let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut body = Zeroizing::new(body.to_vec());
    let body = key.open_in_place(Nonce::assume_unique_for_key(*nonce), bound_to(home), &mut body).ok()?;
    let (keys, rest) = body.as_chunks::<32>();
    let whole = rest.is_empty() && (1..=KEYS_MAX).contains(&keys.len());
    whole.then(|| keys.iter().map(|key| Zeroizing::new(*key)).collect())
}
