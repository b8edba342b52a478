//! The ring: the keys from which everything in a home is derived, sealed under the root key.
//!
//! A home begins without one: its root key is then its only key. The first time that the root key is replaced, the home
//! gets keys of its own, and `keys/ring` has a slot for every root key that opens them: one, or two while one root key is
//! being replaced by another. As with the slots of LUKS, a slot is whole in itself, so that either root key will do until
//! the former one's slot is taken away, which is one rename.
//!
//! ```text
//! mantlet-ring/2
//! base 64 of nonce, ciphertext, tag     the newer root key's slot
//! base 64 of nonce, ciphertext, tag     the former root key's slot, while there is one
//! ```
//!
//! A slot is bound to the home, to its line and to how many there are, so that nobody without a root key can exchange two or
//! leave one out. It holds how many keys there are (one byte), how often the root key has been replaced (eight, big-endian),
//! the home's keys, 32 bytes each, the newest first, and then digests of root keys that must not come back, 32 bytes each.
//! There are two keys only while what is sealed under the former one is being sealed under the newer one, and then the
//! former root key has no slot any more: whoever keeps it, and a copy of the ring, never gets a key that is made later.

use std::io;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Prk, Salt},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{Home, HomeError, HomeId, files, root_key::Bytes32};

/// 32 secret bytes: a root key, or one of the home's own keys.
pub(super) type Secret = Zeroizing<[u8; 32]>;

/// Names a root key without being one.
pub(super) type RootDigest = [u8; 32];

/// The first line: what the file is, and in which version of its format.
const MARK: &str = "mantlet-ring/2";

/// One root key, or two while it is being replaced.
const SLOTS_MAX: usize = 2;

/// The newest key, and the one before it.
const KEYS_MAX: usize = 2;

/// Root keys that are remembered; beyond them the oldest is forgotten. A weekly change takes twenty years to get there.
const RETIRED_MAX: usize = 1024;

/// What a slot holds.
#[derive(Clone)]
pub(super) struct Content {
    /// The home's keys, the newest first.
    pub(super) keys: Vec<Secret>,
    /// How often the root key has been replaced, and everything sealed anew.
    pub(super) completed: u64,
    /// Root keys that must not come back, the oldest first.
    retired: Vec<RootDigest>,
}

impl Content {
    /// Remembers a root key as one that must not come back.
    pub(super) fn retire(&mut self, root: RootDigest) {
        self.retired.retain(|retired| *retired != root);
        self.retired.push(root);
        let beyond = self.retired.len().saturating_sub(RETIRED_MAX);
        self.retired.drain(..beyond);
    }

    /// Whether this root key must not come back.
    pub(super) fn has_retired(&self, root: RootDigest) -> bool {
        self.retired.contains(&root)
    }

    fn encode(&self) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = 9 + 32 * (self.keys.len() + self.retired.len());
        // In one piece of memory, so that no keys stay behind where it grew.
        let mut body = Zeroizing::new(Vec::with_capacity(bytes));
        body.push(u8::try_from(self.keys.len()).ok()?);
        body.extend_from_slice(&self.completed.to_be_bytes());
        self.keys.iter().for_each(|key| body.extend_from_slice(key.as_slice()));
        self.retired.iter().for_each(|root| body.extend_from_slice(root));
        Some(body)
    }

    fn parse(body: &[u8]) -> Option<Self> {
        let (count, rest) = body.split_first()?;
        let (completed, rest) = rest.split_first_chunk::<8>()?;
        let (blocks, beyond) = rest.as_chunks::<32>();
        let (keys, retired) = blocks.split_at_checked(usize::from(*count))?;
        let whole = beyond.is_empty() && (1..=KEYS_MAX).contains(&keys.len()) && retired.len() <= RETIRED_MAX;
        whole.then(|| Self {
            keys: keys.iter().map(|key| Zeroizing::new(*key)).collect(),
            completed: u64::from_be_bytes(*completed),
            retired: retired.to_vec(),
        })
    }
}

/// The ring as one root key opens it.
pub(super) struct Ring {
    /// What this root key's slot holds.
    pub(super) content: Content,
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
                let content = Content { keys: vec![root.clone()], completed: 0, retired: Vec::new() };
                return Ok(Self { content, newest_root: true, roots: 0 });
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
        let opened = slots.iter().enumerate().find_map(|(at, slot)| {
            let bound = bound_to(home.id(), at, slots.len());
            Some((at, open(&key, bound, slot)?))
        });
        let (at, content) = opened.ok_or_else(altered)?;
        if !possible(slots.len(), content.keys.len()) {
            return Err(altered());
        }
        Ok(Self { content, newest_root: at == 0, roots: slots.len() })
    }

    /// Puts a ring in the place of what was there: a slot for each of these root keys, the newest first.
    ///
    /// # Errors
    /// If the disk or the provider fails, or there cannot be such a ring; then what was there is there.
    pub(super) fn put(home: &Home, slots: &[(&Secret, &Content)]) -> Result<(), HomeError> {
        let possible = (1..=SLOTS_MAX).contains(&slots.len())
            && slots.iter().all(|(_, content)| possible(slots.len(), content.keys.len()));
        if !possible {
            return Err(HomeError::Altered { path: home.ring_path() });
        }
        let mut text = format!("{MARK}\n");
        for (at, (root, content)) in slots.iter().enumerate() {
            let key = slot_key(root, home.id()).ok_or(HomeError::Provider)?;
            let bound = bound_to(home.id(), at, slots.len());
            text.push_str(&seal(&key, bound, content).ok_or(HomeError::Provider)?);
            text.push('\n');
        }
        files::replace(&home.ring_path(), text.as_bytes())
    }
}

/// Two root keys open one and the same key of the home. There is a former one only once one root key is left.
const fn possible(roots: usize, keys: usize) -> bool {
    keys == 1 || (roots == 1 && keys == KEYS_MAX)
}

fn prk(root: &Secret, home: &HomeId) -> Prk {
    Salt::new(HKDF_SHA256, home.as_str().as_bytes()).extract(root.as_slice())
}

/// What seals a root key's slot. A root key seals nothing else from then on.
fn slot_key(root: &Secret, home: &HomeId) -> Option<LessSafeKey> {
    let root = prk(root, home);
    let key = root.expand(&[b"mantlet/1 ring"], &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(key)))
}

/// A root key's name in this home.
pub(super) fn digest(root: &Secret, home: &HomeId) -> Option<RootDigest> {
    let mut digest = [0; 32];
    let root = prk(root, home);
    root.expand(&[b"mantlet/1 retired root"], Bytes32).ok()?.fill(&mut digest).ok()?;
    Some(digest)
}

fn bound_to(home: &HomeId, at: usize, slots: usize) -> Aad<String> {
    Aad::from(format!("{MARK} {home} slot {} of {slots}", at + 1))
}

fn seal(key: &LessSafeKey, bound: Aad<String>, content: &Content) -> Option<String> {
    let mut nonce = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce).ok()?;
    let mut body = content.encode()?;
    let tag = key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), bound, &mut body).ok()?;
    Some(STANDARD.encode([nonce.as_slice(), &body, tag.as_ref()].concat()))
}

fn open(key: &LessSafeKey, bound: Aad<String>, slot: &str) -> Option<Content> {
    let sealed = STANDARD.decode(slot).ok()?;
    let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut body = Zeroizing::new(body.to_vec());
    Content::parse(key.open_in_place(Nonce::assume_unique_for_key(*nonce), bound, &mut body).ok()?)
}

#[cfg(test)]
mod tests;
