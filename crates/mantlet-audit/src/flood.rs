//! Floods: many equal failures become one entry with an exact count.
//!
//! Whoever is not authenticated must not be able to fill the log, let alone to seal it. Failures are counted per
//! code and address prefix, denials per principal and what it asked for; once a second the writer turns the counts
//! into entries, of which there are at most [`ENTRIES_PER_SECOND`]. What goes beyond is folded into entries with the
//! code `other`: details are lost in a flood, counts never.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher, Hash},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Mutex, PoisonError},
};

use mantlet_types::{
    Action, Code, Entry, NodeId, PrincipalId, ProjectId, Timestamp,
    entry::{Decision, Event, Token},
};

/// Entries per second for failures before authentication, and one for the others.
const FAILURES_PER_SECOND: usize = 12;

/// Entries per second for repeated denials, and one for the others.
const DENIALS_PER_SECOND: usize = 6;

/// Entries that a flood can cause per second. Ten minutes at some 300 bytes each, written twice, are 7 MB.
pub const ENTRIES_PER_SECOND: usize = FAILURES_PER_SECOND + DENIALS_PER_SECOND + 2;

/// Shards, so that cores do not wait for each other.
const SHARDS: usize = 16;

/// Different tuples remembered per shard and second; an attacker with many addresses gets no more memory.
const TUPLES_PER_SHARD_MAX: usize = 256;

/// A failure before authentication: nobody is known, so it is told by code and address prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Failure {
    event: Event,
    code: Code,
    prefix: IpAddr,
}

/// A denial that may come in floods; equal ones are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Denial {
    /// What kind of event was denied.
    pub event: Event,
    /// Why.
    pub code: Code,
    /// Whom.
    pub principal: PrincipalId,
    /// What policy said, if it was asked.
    pub decision: Option<Decision>,
    /// What was asked for.
    pub action: Option<Action>,
    /// Of what.
    pub resource: Option<Token>,
    /// Whose.
    pub project: Option<ProjectId>,
}

#[derive(Clone, Copy, Debug)]
struct Tally {
    count: u64,
    first: Timestamp,
}

impl Tally {
    const NONE: Self = Self { count: 0, first: Timestamp::from_micros(i64::MAX) };

    fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.first = self.first.min(other.first);
    }
}

/// Tallies of one kind, bounded.
struct Tallies<K> {
    known: HashMap<K, Tally>,
    other: Tally,
}

impl<K: Hash + Eq + Clone> Tallies<K> {
    fn new() -> Self {
        Self { known: HashMap::new(), other: Tally::NONE }
    }

    fn count(&mut self, key: &K, at: Timestamp) {
        let one = Tally { count: 1, first: at };
        if let Some(tally) = self.known.get_mut(key) {
            tally.add(one);
        } else if self.known.len() < TUPLES_PER_SHARD_MAX {
            self.known.insert(key.clone(), one);
        } else {
            self.other.add(one);
        }
    }

    /// Takes everything: the most frequent tuples, and the rest as one tally.
    fn drain(shards: impl Iterator<Item = Self>, quota: usize) -> (Vec<(K, Tally)>, Tally) {
        let (mut known, mut other) = (Vec::new(), Tally::NONE);
        for shard in shards {
            known.extend(shard.known);
            other.add(shard.other);
        }
        known.sort_unstable_by_key(|(_, tally)| std::cmp::Reverse(tally.count));
        known.drain(quota.min(known.len())..).for_each(|(_, tally)| other.add(tally));
        (known, other)
    }
}

struct Shard {
    failures: Tallies<Failure>,
    denials: Tallies<Denial>,
}

impl Shard {
    fn new() -> Self {
        Self { failures: Tallies::new(), denials: Tallies::new() }
    }
}

/// Counts failures and denials until the writer records them.
pub struct Aggregator {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

impl Default for Aggregator {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::new(Shard::new())), hasher: RandomState::new() }
    }
}

impl Aggregator {
    /// Counts a failure of somebody unknown. Of the address only the prefix is kept: /24 or /48.
    pub fn failure(&self, event: Event, code: Code, ip: IpAddr, at: Timestamp) {
        let failure = Failure { event, code, prefix: prefix(ip) };
        self.with_shard(&failure, |shard| shard.failures.count(&failure, at));
    }

    /// Counts a denial; the caller decides which of them come singly.
    pub fn denial(&self, denial: &Denial, at: Timestamp) {
        self.with_shard(denial, |shard| shard.denials.count(denial, at));
    }

    fn with_shard(&self, key: &impl Hash, count: impl FnOnce(&mut Shard)) {
        let number = self.hasher.hash_one(key) % SHARDS as u64;
        if let Some(shard) = usize::try_from(number).ok().and_then(|number| self.shards.get(number)) {
            count(&mut shard.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Takes all counts as entries, at most [`ENTRIES_PER_SECOND`].
    pub(crate) fn drain(&self, node: &NodeId) -> Vec<Entry> {
        let take = |shard: &Mutex<Shard>| {
            std::mem::replace(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner), Shard::new())
        };
        let (failures, denials): (Vec<_>, Vec<_>) =
            self.shards.iter().map(take).map(|shard| (shard.failures, shard.denials)).unzip();
        let (failures, other_failures) = Tallies::drain(failures.into_iter(), FAILURES_PER_SECOND);
        let (denials, other_denials) = Tallies::drain(denials.into_iter(), DENIALS_PER_SECOND);
        let mut entries = Vec::new();
        entries.extend(failures.into_iter().map(|(failure, tally)| {
            let mut entry = aggregate(failure.event, node, failure.code.as_str(), tally);
            entry.client_ip = Some(failure.prefix);
            entry
        }));
        entries.extend(denials.into_iter().map(|(denial, tally)| {
            let mut entry = aggregate(denial.event, node, denial.code.as_str(), tally);
            entry.principal = Some(denial.principal);
            (entry.decision, entry.action) = (denial.decision, denial.action);
            (entry.resource, entry.project) = (denial.resource, denial.project);
            entry
        }));
        let others = [other_failures, other_denials].into_iter().filter(|tally| tally.count > 0);
        entries.extend(others.map(|tally| aggregate(Event::AuthFail, node, "other", tally)));
        entries
    }
}

fn aggregate(event: Event, node: &NodeId, code: &str, tally: Tally) -> Entry {
    let mut entry = Entry::new(event, node.clone());
    entry.error_code = Some(Token::of(code));
    (entry.count, entry.first_ts) = (Some(tally.count), Some(tally.first));
    entry
}

/// The base address of the prefix that stands for an address: what one subscriber is commonly given.
fn prefix(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & !0xFF)),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 80 << 80)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn counts_stay_exact_under_any_flood() {
        let aggregator = Aggregator::default();
        let node: NodeId = "n".parse().unwrap();
        for i in 0..50_000_u32 {
            let ip = IpAddr::V6(Ipv6Addr::from_bits(u128::from(i % 20_000) << 80 | 0xABCD));
            aggregator.failure(Event::AuthFail, Code::Unauthenticated, ip, at(i64::from(i) + 5));
        }
        for i in 0..5_000_u32 {
            let denial = Denial {
                event: Event::Inference,
                code: Code::RateLimited,
                principal: format!("consumer:c{}", i % 50).parse().unwrap(),
                decision: None,
                action: Some(Action::Predict),
                resource: None,
                project: None,
            };
            aggregator.denial(&denial, at(7));
        }
        let entries = aggregator.drain(&node);
        assert!(entries.len() <= ENTRIES_PER_SECOND, "{}", entries.len());
        assert_eq!(entries.iter().filter_map(|entry| entry.count).sum::<u64>(), 55_000);
        assert_eq!(entries.iter().filter_map(|entry| entry.first_ts).min(), Some(at(5)));
        assert!(aggregator.drain(&node).is_empty());
    }

    #[test]
    fn addresses_are_cut_to_their_prefix() {
        let cut = |ip: &str| prefix(ip.parse().unwrap()).to_string();
        assert_eq!(cut("203.0.113.77"), "203.0.113.0");
        assert_eq!(cut("::ffff:203.0.113.77"), "203.0.113.0");
        assert_eq!(cut("2001:db8:1:2:3:4:5:6"), "2001:db8:1::");
    }

    #[test]
    fn the_loudest_keep_their_names() {
        let aggregator = Aggregator::default();
        let quiet = |i: u8| IpAddr::V4(Ipv4Addr::new(10, 0, i, 1));
        (0..100).for_each(|i| aggregator.failure(Event::AuthFail, Code::NotFound, quiet(i), at(1)));
        for _ in 0..3 {
            aggregator.failure(Event::AuthFail, Code::NotFound, "192.0.2.1".parse().unwrap(), at(2));
        }
        let entries = aggregator.drain(&"n".parse().unwrap());
        assert_eq!(entries[0].client_ip, Some("192.0.2.0".parse().unwrap()));
        assert_eq!((entries[0].count, entries.len()), (Some(3), FAILURES_PER_SECOND + 1));
        let other = entries.last().unwrap();
        assert_eq!(other.error_code.as_ref().unwrap().as_str(), "other");
        assert_eq!(other.count, Some(103 - 3 - (FAILURES_PER_SECOND as u64 - 1)));
    }
}
