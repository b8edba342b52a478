//! Decisions of one generation, remembered.
//!
//! The key is everything that Cedar sees except the time; an entry ends where time alone could change the decision.
//! The cache belongs to one snapshot, so a change of the directory or the policies begins with an empty one: a
//! revoked right cannot be remembered.

use std::{
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState},
    net::IpAddr,
    sync::RwLock,
};

use mantlet_types::{Action, PrincipalId, Resource, Timestamp, entry::Authn};

use super::engine::Verdict;

/// Entries in all shards together: some 10 MiB at most, room for a few hundred principals with a hundred decisions
/// each. A full shard is emptied, which costs an evaluation per entry and can be provoked by no more than that.
const ENTRIES_MAX: usize = 65_536;

/// Shards keep threads from waiting for each other's writes.
const SHARDS: usize = 16;

/// Everything that a decision depends on, but the time and the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key<P, R> {
    pub(super) principal: P,
    pub(super) action: Action,
    pub(super) resource: R,
    pub(super) authn: Authn,
    pub(super) ip: IpAddr,
    pub(super) mfa: bool,
    pub(super) protected: bool,
}

/// A key that borrows what it is made of, so that looking up allocates nothing.
pub(super) type Borrowed<'a> = Key<&'a PrincipalId, &'a Resource>;
type Owned = Key<PrincipalId, Resource>;

/// The cache of one generation.
pub(super) struct Cache {
    /// Keyed at random, so that nobody can choose names that collide.
    hasher: RandomState,
    shards: [RwLock<Shard>; SHARDS],
}

type Shard = HashMap<u64, Remembered, BuildHasherDefault<Prehashed>>;

struct Remembered {
    key: Owned,
    verdict: Verdict,
    ends: Option<Timestamp>,
}

impl Cache {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| RwLock::default()) }
    }

    /// What was decided, if time cannot have changed it.
    pub(super) fn recall(&self, key: &Borrowed<'_>, now: Timestamp) -> Option<Verdict> {
        let hash = self.hasher.hash_one(key);
        let shard = self.shard(hash).read().ok()?;
        let known = shard.get(&hash).filter(|known| known.is(key) && known.holds_at(now))?;
        Some(known.verdict.clone())
    }

    /// Remembers a decision until `ends`. Of two keys with one hash, the later one stays.
    pub(super) fn remember(&self, key: &Borrowed<'_>, verdict: Verdict, ends: Option<Timestamp>) {
        let hash = self.hasher.hash_one(key);
        let Ok(mut shard) = self.shard(hash).write() else { return };
        if shard.len() >= ENTRIES_MAX / SHARDS {
            shard.clear();
        }
        shard.insert(hash, Remembered { key: key.to_owned(), verdict, ends });
    }

    fn shard(&self, hash: u64) -> &RwLock<Shard> {
        // The map inside uses the low bits and the seven highest; these are neither.
        &self.shards[usize::from((hash >> 32) as u8) % SHARDS]
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().map_or(0, |shard| shard.len())).sum()
    }
}

impl Borrowed<'_> {
    fn to_owned(&self) -> Owned {
        Key {
            principal: self.principal.clone(),
            action: self.action,
            resource: self.resource.clone(),
            authn: self.authn,
            ip: self.ip,
            mfa: self.mfa,
            protected: self.protected,
        }
    }
}

impl Remembered {
    fn is(&self, key: &Borrowed<'_>) -> bool {
        let Owned { principal, action, resource, authn, ip, mfa, protected } = &self.key;
        principal == key.principal
            && *action == key.action
            && resource == key.resource
            && *authn == key.authn
            && *ip == key.ip
            && *mfa == key.mfa
            && *protected == key.protected
    }

    /// In milliseconds, as policies compare moments.
    fn holds_at(&self, now: Timestamp) -> bool {
        self.ends.is_none_or(|ends| now.millis() < ends.millis())
    }
}

/// Takes a hash as it is.
#[derive(Default)]
struct Prehashed(u64);

impl Hasher for Prehashed {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
