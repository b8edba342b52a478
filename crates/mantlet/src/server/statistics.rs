//! What is counted: requests by route and status, answers by model and version.
//!
//! Every label is a word of ours or the name of a registered model, so strangers cannot make the numbers of series
//! grow. Counters only ever go up and are read without locking those who count.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use mantlet_gate::output::{Outcome, RowAnswer};
use mantlet_types::{Contract, ModelName, Timestamp, Version};

use super::routes::{Route, TABLE};

/// Upper bounds of the latency histogram in microseconds: from what a small model takes to what nobody waits for.
pub const LATENCY_BOUNDS_US: [u64; 12] =
    [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000, 10_000_000];

/// Statuses that replies have; another one would count as the last.
pub const STATUSES: [u16; 15] = [200, 400, 401, 403, 404, 405, 408, 409, 413, 415, 429, 431, 503, 500, 0];

/// All counters of one process.
#[derive(Debug)]
pub struct Statistics {
    /// One per route of the table, and one for requests that match none.
    routes: Vec<RouteCounts>,
    models: RwLock<BTreeMap<(ModelName, Version), Arc<ModelCounts>>>,
}

/// Requests of one route.
#[derive(Debug, Default)]
pub struct RouteCounts {
    by_status: [AtomicU64; STATUSES.len()],
    by_latency: [AtomicU64; LATENCY_BOUNDS_US.len() + 1],
    latency_us: AtomicU64,
}

/// Answers of one version of a model.
#[derive(Debug, Default)]
pub struct ModelCounts {
    answers: AtomicU64,
    answers_ns: AtomicU64,
    failures: AtomicU64,
    failures_ns: AtomicU64,
    last_ms: AtomicU64,
    served: AtomicU64,
    fallback: AtomicU64,
    review: AtomicU64,
}

/// The counters of one version of a model at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelTotals {
    /// Requests answered.
    pub answers: u64,
    /// Time from arrival to release of all of them, in nanoseconds.
    pub answers_ns: u64,
    /// Requests that this server failed to answer; those that callers got wrong are not among them.
    pub failures: u64,
    /// Time that these took, in nanoseconds.
    pub failures_ns: u64,
    /// When the last answer left, in milliseconds since the Unix epoch.
    pub last_ms: u64,
    /// Rows answered.
    pub served: u64,
    /// Rows with the fallback in the answer's place.
    pub fallback: u64,
    /// Rows held for a person.
    pub review: u64,
}

/// The counters of one route at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteTotals {
    /// Replies with each of [`STATUSES`].
    pub by_status: [u64; STATUSES.len()],
    /// Replies within each of [`LATENCY_BOUNDS_US`] but not the one before; the last is beyond all.
    pub by_latency: [u64; LATENCY_BOUNDS_US.len() + 1],
    /// Time of all replies, in microseconds.
    pub latency_us: u64,
}

impl Default for Statistics {
    fn default() -> Self {
        let routes = std::iter::repeat_with(RouteCounts::default).take(TABLE.len() + 1).collect();
        Self { routes, models: RwLock::default() }
    }
}

impl Statistics {
    /// Counts a reply.
    pub fn replied(&self, route: Option<&Route>, status: u16, latency: Duration) {
        let index = route.and_then(|route| TABLE.iter().position(|other| std::ptr::eq(other, route)));
        let Some(counts) = self.routes.get(index.unwrap_or(TABLE.len())) else { return };
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let status = STATUSES.iter().position(|known| *known == status).unwrap_or(STATUSES.len() - 1);
        let slot = LATENCY_BOUNDS_US.partition_point(|bound| *bound < latency_us);
        for counter in [counts.by_status.get(status), counts.by_latency.get(slot)].into_iter().flatten() {
            counter.fetch_add(1, Relaxed);
        }
        counts.latency_us.fetch_add(latency_us, Relaxed);
    }

    /// Counts an answer of a model.
    pub fn answered(&self, contract: &Contract, rows: &[RowAnswer], now: Timestamp, latency: Duration) {
        let counts = self.model(&contract.model, contract.version);
        counts.answers.fetch_add(1, Relaxed);
        counts.answers_ns.fetch_add(nanos(latency), Relaxed);
        counts.last_ms.fetch_max(u64::try_from(now.millis()).unwrap_or(0), Relaxed);
        let of = |outcome| rows.iter().filter(|row| row.outcome == outcome).count() as u64;
        for (counter, outcome) in [
            (&counts.served, Outcome::Served),
            (&counts.fallback, Outcome::Fallback),
            (&counts.review, Outcome::Review),
        ] {
            counter.fetch_add(of(outcome), Relaxed);
        }
    }

    /// Counts a request that a version should have answered and did not. The caller sees to it that there is such a
    /// version: what strangers make up must not become a series.
    pub fn failed(&self, model: &ModelName, version: Version, latency: Duration) {
        let counts = self.model(model, version);
        counts.failures.fetch_add(1, Relaxed);
        counts.failures_ns.fetch_add(nanos(latency), Relaxed);
    }

    /// The counters of a version; zero for one that has not been asked.
    #[must_use]
    pub fn model_totals(&self, model: &ModelName, version: Version) -> ModelTotals {
        let models = self.models.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        models.get(&(model.clone(), version)).map(|counts| counts.totals()).unwrap_or_default()
    }

    /// All versions that have been asked, in order.
    #[must_use]
    pub fn models(&self) -> Vec<(ModelName, Version, ModelTotals)> {
        let models = self.models.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        models.iter().map(|((model, version), counts)| (model.clone(), *version, counts.totals())).collect()
    }

    /// All routes in the table's order, and last, without a route, what matched none.
    pub fn routes(&self) -> impl Iterator<Item = (Option<&'static Route>, RouteTotals)> {
        let routes = TABLE.iter().map(Some).chain(std::iter::once(None));
        routes.zip(self.routes.iter().map(RouteCounts::totals))
    }

    fn model(&self, model: &ModelName, version: Version) -> Arc<ModelCounts> {
        let key = (model.clone(), version);
        // A counter that panicked mid-way would have left a number, not a broken map.
        if let Some(counts) = self.models.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(&key)
        {
            return Arc::clone(counts);
        }
        let mut models = self.models.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(models.entry(key).or_default())
    }
}

fn nanos(latency: Duration) -> u64 {
    u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX)
}

impl ModelCounts {
    fn totals(&self) -> ModelTotals {
        ModelTotals {
            answers: self.answers.load(Relaxed),
            answers_ns: self.answers_ns.load(Relaxed),
            failures: self.failures.load(Relaxed),
            failures_ns: self.failures_ns.load(Relaxed),
            last_ms: self.last_ms.load(Relaxed),
            served: self.served.load(Relaxed),
            fallback: self.fallback.load(Relaxed),
            review: self.review.load(Relaxed),
        }
    }
}

impl RouteCounts {
    fn totals(&self) -> RouteTotals {
        RouteTotals {
            by_status: self.by_status.each_ref().map(|counter| counter.load(Relaxed)),
            by_latency: self.by_latency.each_ref().map(|counter| counter.load(Relaxed)),
            latency_us: self.latency_us.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::testing::answer;

    #[test]
    fn answers_count_by_row_and_version() {
        let statistics = Statistics::default();
        let now = Timestamp::from_micros(5_000_000);
        statistics.answered(&answer(3).contract, &answer(3).rows, now, Duration::from_micros(2));
        let model = answer(1).contract.model.clone();
        let version = answer(1).contract.version;
        statistics.failed(&model, version, Duration::from_micros(1));
        let expect = ModelTotals {
            answers: 1,
            answers_ns: 2_000,
            failures: 1,
            failures_ns: 1_000,
            last_ms: 5_000,
            served: 2,
            fallback: 1,
            review: 0,
        };
        assert_eq!(statistics.model_totals(&model, version), expect);
        assert_eq!(statistics.model_totals(&model, version.next()), ModelTotals::default());
        assert_eq!(statistics.models(), vec![(model, version, expect)]);
    }

    #[test]
    fn replies_count_by_route_status_and_latency() {
        let statistics = Statistics::default();
        statistics.replied(TABLE.first(), 200, Duration::from_micros(50));
        statistics.replied(None, 418, Duration::from_secs(60));
        let all: Vec<_> = statistics.routes().collect();
        let first = &all.first().unwrap().1;
        assert_eq!((first.by_status[0], first.by_latency[0], first.latency_us), (1, 1, 50));
        let (none, last) = all.last().unwrap();
        assert!(none.is_none());
        assert_eq!((last.by_status[STATUSES.len() - 1], last.by_latency[LATENCY_BOUNDS_US.len()]), (1, 1));
    }
}
