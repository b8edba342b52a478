//! Time, as the log needs it: a wall clock to stamp entries with, and a steady one to catch the wall clock jumping.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mantlet_types::Timestamp;

/// Where the log's time comes from.
pub trait Clock: Send + Sync {
    /// The time of day.
    fn wall(&self) -> Timestamp;

    /// Time since some fixed moment; never goes back, whatever happens to the time of day.
    fn steady(&self) -> Duration;
}

/// The system's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn steady(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A wall clock that moves by more than this against the steady one has jumped.
const JUMP_MICROS: i64 = 5_000_000;

/// Stamps entries: never earlier than the one before, and says when the wall clock jumped.
pub(crate) struct Stamps {
    last: Timestamp,
    /// Wall minus steady time when they were last compared, in microseconds.
    offset: i64,
}

impl Stamps {
    pub(crate) fn new(last: Timestamp, clock: &dyn Clock) -> Self {
        Self { last, offset: offset(clock) }
    }

    /// The stamp of an entry made now.
    pub(crate) fn next(&mut self, clock: &dyn Clock) -> Timestamp {
        self.last = self.last.max(clock.wall());
        self.last
    }

    /// Whether the wall clock has jumped since the last time this was asked.
    pub(crate) fn jumped(&mut self, clock: &dyn Clock) -> bool {
        let before = std::mem::replace(&mut self.offset, offset(clock));
        self.offset.saturating_sub(before).saturating_abs() > JUMP_MICROS
    }
}

fn offset(clock: &dyn Clock) -> i64 {
    let steady = i64::try_from(clock.steady().as_micros()).unwrap_or(i64::MAX);
    clock.wall().micros().saturating_sub(steady)
}
