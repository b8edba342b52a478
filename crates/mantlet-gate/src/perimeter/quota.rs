//! One limit: so many units a minute, a whole minute's worth at once.
//!
//! The generic cell rate algorithm (ITU-T I.371) in its form as a leaky bucket of continuous state: a bucket holds
//! what has been charged and drains at the quota's rate; a charge that would make it overflow is refused and leaves
//! no trace. Levels are counted in units × microseconds of a window, so that everything is exact in integers and a
//! changed quota applies to what has already been charged.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use mantlet_types::{Timestamp, quota::Standing};

/// The window of every limit.
const WINDOW_S: u32 = 60;
const WINDOW_US: u64 = WINDOW_S as u64 * 1_000_000;

/// What one limit remembers.
#[derive(Debug)]
pub(super) struct Bucket(Mutex<Level>);

#[derive(Clone, Copy, Debug)]
struct Level {
    /// Charged and not yet drained, in units × microseconds of a window.
    held: u64,
    /// When that was so.
    at: Timestamp,
}

/// A charge that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exceeded {
    /// How the limit stands.
    pub(super) standing: Standing,
    /// After this time it would fit, if nothing else is charged; `None` if it never fits.
    pub(super) retry_after: Option<Duration>,
}

impl Bucket {
    /// An empty one.
    pub(super) fn new(now: Timestamp) -> Self {
        Self(Mutex::new(Level { held: 0, at: now }))
    }

    /// Charges so many units, all or none.
    pub(super) fn charge(&self, units: u32, quota: u32, now: Timestamp) -> Result<Standing, Exceeded> {
        let mut level = self.lock();
        let drained = level.drained(quota, now);
        match drained.charged(units, quota) {
            Ok(next) => {
                *level = next;
                Ok(next.standing(quota))
            }
            Err(exceeded) => {
                *level = drained;
                Err(exceeded)
            }
        }
    }

    /// Whether so many units would fit; charges nothing.
    pub(super) fn admits(&self, units: u32, quota: u32, now: Timestamp) -> Result<(), Exceeded> {
        self.lock().drained(quota, now).charged(units, quota).map(drop)
    }

    /// Whether nothing would be lost by forgetting it: it has had a whole window to drain.
    pub(super) fn is_idle(&self, now: Timestamp) -> bool {
        let level = self.lock();
        level.held == 0 || elapsed_us(level.at, now) >= WINDOW_US
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Level> {
        // A level is replaced whole, so a panic elsewhere cannot have left half of one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Level {
    /// The level now. Where the clock went back nothing drains, and draining goes on from there: a clock that jumps
    /// neither grants anything on its way back nor blocks for longer than a window.
    fn drained(self, quota: u32, now: Timestamp) -> Self {
        let drain = elapsed_us(self.at, now).saturating_mul(u64::from(quota));
        Self { held: self.held.saturating_sub(drain), at: now }
    }

    fn charged(self, units: u32, quota: u32) -> Result<Self, Exceeded> {
        let capacity = u64::from(quota) * WINDOW_US; // < 2^32 × 2^26
        let held = self.held.saturating_add(u64::from(units) * WINDOW_US);
        if held <= capacity {
            return Ok(Self { held, ..self });
        }
        let fits_ever = units <= quota && quota > 0;
        let wait = || Duration::from_micros((held - capacity).div_ceil(u64::from(quota)));
        Err(Exceeded { standing: self.standing(quota), retry_after: fits_ever.then(wait) })
    }

    fn standing(self, quota: u32) -> Standing {
        let capacity = u64::from(quota) * WINDOW_US;
        let remaining = capacity.saturating_sub(self.held) / WINDOW_US;
        let reset_s = match quota {
            0 => u64::from(WINDOW_S),
            _ => self.held.div_ceil(u64::from(quota)).div_ceil(1_000_000),
        };
        let reset_s = u32::try_from(reset_s).unwrap_or(u32::MAX);
        Standing { quota: quota.into(), window_s: WINDOW_S, remaining, reset_s, ..Standing::default() }
    }
}

fn elapsed_us(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.micros().saturating_sub(from.micros())).unwrap_or(0)
}

#[cfg(test)]
mod tests;
