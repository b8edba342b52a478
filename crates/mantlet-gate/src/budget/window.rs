//! What was used in the last 60 seconds.
//!
//! Counted by the second, in a ring: 61 places, so that the second that has begun and the one that is passing out are both
//! whole. In every stretch of 60 seconds the sum is at most the bound; a bucket that drains would allow twice that in some.

use std::time::Duration;

use mantlet_types::Timestamp;

const SECONDS: usize = 61;
const SECOND_US: i64 = 1_000_000;

/// Amounts by the second.
#[derive(Clone, Debug)]
pub(super) struct Window {
    seconds: [u64; SECONDS],
    sum: u64,
    /// The newest second that was seen.
    newest: i64,
}

impl Default for Window {
    fn default() -> Self {
        Self { seconds: [0; SECONDS], sum: 0, newest: i64::MIN / 2 }
    }
}

impl Window {
    /// Forgets what is too old. A clock that goes back stands still here.
    pub(super) fn advance(&mut self, now: Timestamp) {
        let second = now.micros().div_euclid(SECOND_US);
        let gone = second.saturating_sub(self.newest);
        if gone <= 0 {
            return;
        }
        if gone >= SECONDS as i64 {
            self.seconds = [0; SECONDS];
            self.sum = 0;
        } else {
            for passing in self.newest + 1..=second {
                if let Some(place) = self.seconds.get_mut(place(passing)) {
                    *place = 0;
                }
            }
            // Added up anew: from a sum that was too much for its type nothing can be taken off.
            self.sum = self.seconds.iter().copied().fold(0, u64::saturating_add);
        }
        self.newest = second;
    }

    /// Adds to the newest second.
    pub(super) fn add(&mut self, amount: u64) {
        let newest = place(self.newest);
        if let Some(place) = self.seconds.get_mut(newest) {
            *place = place.saturating_add(amount);
            self.sum = self.sum.saturating_add(amount);
        }
    }

    pub(super) const fn sum(&self) -> u64 {
        self.sum
    }

    /// After how long this much will have passed out, if nothing is added.
    pub(super) fn frees(&self, amount: u64) -> Duration {
        let mut freed = 0_u64;
        for (later, second) in (self.newest - (SECONDS as i64 - 1)..=self.newest).enumerate() {
            freed = freed.saturating_add(self.seconds.get(place(second)).copied().unwrap_or(0));
            if freed >= amount {
                return Duration::from_secs(later as u64 + 1);
            }
        }
        Duration::from_secs(SECONDS as u64)
    }
}

fn place(second: i64) -> usize {
    usize::try_from(second.rem_euclid(SECONDS as i64)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_for_a_sum_does_not_make_it_small() {
        let mut window = Window::default();
        let at = |second: i64| Timestamp::from_micros(second * SECOND_US);
        for second in [0, 1] {
            window.advance(at(second));
            window.add(u64::MAX - 1);
        }
        assert_eq!(window.sum(), u64::MAX);
        window.advance(at(SECONDS as i64)); // the first second has passed out, the other has not
        assert_eq!(window.sum(), u64::MAX - 1);
        window.advance(at(SECONDS as i64 + 1));
        assert_eq!(window.sum(), 0);
    }
}
