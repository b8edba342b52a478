//! Many limits of one kind, by key, in bounded memory.
//!
//! Sharded, so that requests seldom wait for one another; a shard that is full forgets the buckets that have
//! drained, which changes nobody's limit.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher, Hash},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use mantlet_types::Timestamp;

use super::quota::Bucket;

/// Enough that two cores seldom meet, few enough that each has room.
const SHARDS: usize = 32;

/// What happens when everything remembered is still in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenFull {
    /// Newcomers get no bucket. For keys that only authenticated principals can bring about.
    Refuse,
    /// Some buckets are forgotten, whichever. For keys that anybody can bring about: newcomers must not be refused
    /// because of strangers.
    Forget,
}

/// Buckets by key.
pub(super) struct Buckets<K> {
    shards: Box<[Shard<K>]>,
    hasher: RandomState,
    shard_max: usize,
    when_full: WhenFull,
}

type Shard<K> = Mutex<HashMap<K, Arc<Bucket>>>;

impl<K: Eq + Hash> Buckets<K> {
    /// Room for so many.
    pub(super) fn new(max: usize, when_full: WhenFull) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            shard_max: max.div_ceil(SHARDS).max(1),
            when_full,
        }
    }

    /// The bucket of this key, made if there is none; `None` if there is no room.
    pub(super) fn bucket(&self, key: K, now: Timestamp) -> Option<Arc<Bucket>> {
        let mut shard = self.shard(&key);
        if let Some(bucket) = shard.get(&key) {
            return Some(Arc::clone(bucket));
        }
        if shard.len() >= self.shard_max && !self.make_room(&mut shard, now) {
            return None;
        }
        let bucket = Arc::new(Bucket::new(now));
        shard.insert(key, Arc::clone(&bucket));
        Some(bucket)
    }

    /// Forgets what is idle. A bucket that a request under way holds stays: it may still be charged.
    fn make_room(&self, shard: &mut HashMap<K, Arc<Bucket>>, now: Timestamp) -> bool {
        shard.retain(|_, bucket| Arc::strong_count(bucket) > 1 || !bucket.is_idle(now));
        if shard.len() >= self.shard_max && self.when_full == WhenFull::Forget {
            // A quarter at once, so that a flood pays for this scan once in many insertions.
            let mut excess = shard.len() - self.shard_max * 3 / 4;
            shard.retain(|_, _| {
                excess = excess.saturating_sub(1);
                excess == 0
            });
        }
        shard.len() < self.shard_max
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, HashMap<K, Arc<Bucket>>> {
        let shard = self.hasher.hash_one(key) as usize % SHARDS;
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().map_or(0, |shard| shard.len())).sum()
    }
}

#[cfg(test)]
mod tests;
