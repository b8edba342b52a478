//! What is counted of one upstream. Labels are an operator's names, so nobody else makes the numbers of series grow.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use mantlet_types::{ModelName, UpstreamName, Version};

use super::breaker::State;
use crate::server::statistics::LATENCY_BOUNDS_US;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// There was an answer, which may have been refused later.
    Answered,
    /// It could not be reached, was too slow, or said that it cannot.
    Failed,
    /// It was not asked, because too many are asking it.
    Full,
    /// It was not asked, because the breaker is open.
    Open,
    /// It was asked once more.
    Retried,
    /// Its answer was not what the contract says.
    Refused,
}

impl End {
    /// Every end, in the order of the counters.
    pub const ALL: [Self; 6] =
        [Self::Answered, Self::Failed, Self::Full, Self::Open, Self::Retried, Self::Refused];

    /// The name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Full => "full",
            Self::Open => "open",
            Self::Retried => "retried",
            Self::Refused => "refused",
        }
    }
}

/// Counters of one upstream. They only go up.
#[derive(Debug, Default)]
pub(super) struct Counts {
    ends: [AtomicU64; End::ALL.len()],
    by_latency: [AtomicU64; LATENCY_BOUNDS_US.len() + 1],
    latency_us: AtomicU64,
}

impl Counts {
    pub(super) fn ended(&self, end: End) {
        if let Some(counter) = self.ends.get(end as usize) {
            counter.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn took(&self, latency: Duration) {
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let slot = LATENCY_BOUNDS_US.partition_point(|bound| *bound < latency_us);
        if let Some(counter) = self.by_latency.get(slot) {
            counter.fetch_add(1, Relaxed);
        }
        self.latency_us.fetch_add(latency_us, Relaxed);
    }
}

/// The numbers of one upstream at one moment.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Its name.
    pub upstream: UpstreamName,
    /// Where its own breaker stands: whether it can be spoken to.
    pub state: State,
    /// Calls under way.
    pub under_way: usize,
    /// Calls by how they ended.
    pub ends: [u64; End::ALL.len()],
    /// Calls within each of [`LATENCY_BOUNDS_US`] but not the one before; the last is beyond all.
    pub by_latency: [u64; LATENCY_BOUNDS_US.len() + 1],
    /// Time of all calls, in microseconds.
    pub latency_us: u64,
    /// Models that run there.
    pub models: Vec<ModelFigures>,
}

/// How a model stands where it runs.
#[derive(Clone, Debug)]
pub struct ModelFigures {
    /// The model.
    pub model: ModelName,
    /// Its version here.
    pub version: Version,
    /// Whether it answers.
    pub ready: bool,
    /// Where its breaker stands: whether it answers in time.
    pub state: State,
}

impl Counts {
    pub(super) fn figures(&self, upstream: UpstreamName, state: State, under_way: usize) -> Figures {
        Figures {
            upstream,
            state,
            under_way,
            ends: self.ends.each_ref().map(|counter| counter.load(Relaxed)),
            by_latency: self.by_latency.each_ref().map(|counter| counter.load(Relaxed)),
            latency_us: self.latency_us.load(Relaxed),
            models: Vec::new(),
        }
    }
}
