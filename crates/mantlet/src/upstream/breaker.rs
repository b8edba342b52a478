//! A circuit breaker: after so many failures nobody waits for an upstream any more until one trial has been answered.
//!
//! Closed it counts; open it turns everybody away at once; half-open it lets a single question through, whose end decides
//! (Nygard, "Release It!", 2nd ed. 2018, "Circuit Breaker"). Only what no single question can bring about counts as a
//! failure: an upstream that cannot be reached, is too slow, or says itself that it cannot. An answer that is refused here is
//! an answer, because otherwise one caller's odd row could take a model away from everybody. Who gives up before there was
//! time for an answer has found out nothing.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// So many failures one after another: fewer happen by chance.
const CONSECUTIVE_MAX: u32 = 5;

/// Ends that are remembered, as the bits of a word.
const REMEMBERED: u32 = u64::BITS;

/// With fewer ends nothing is said of their share.
const ENOUGH: u32 = 20;

/// How long nobody is let through, the first time.
const OPEN_FIRST: Duration = Duration::from_secs(1);

/// The longest, which is reached by doubling while trials fail.
const OPEN_MAX: Duration = Duration::from_secs(30);

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Everybody is let through.
    Closed,
    /// One is.
    HalfOpen,
    /// Nobody is.
    Open,
}

/// Counts ends and decides who is let through.
#[derive(Debug)]
pub struct Breaker(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    phase: Phase,
    /// Ends one after another that were failures.
    consecutive: u32,
    /// The last ends, the newest in the lowest bit; 1 is a failure.
    history: u64,
    /// How many bits of that count.
    seen: u32,
    /// How long it is open next time.
    wait: Duration,
    /// Goes up with every change of phase: ends of attempts that began before say nothing of now.
    epoch: u64,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Closed,
    Open { until: Instant },
    Trial,
}

/// Leave to try. Dropped without a word it counts as a failure if there was time enough for an answer, and as nothing if
/// not: whoever waited may have come late.
#[derive(Debug)]
pub struct Attempt {
    breaker: Arc<Breaker>,
    epoch: u64,
    /// From when on no answer is a failure; never, if there is none.
    enough: Option<Instant>,
    told: bool,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    Answer,
    Failure,
    Nothing,
}

impl Default for Breaker {
    fn default() -> Self {
        Self(Mutex::new(Inner {
            phase: Phase::Closed,
            consecutive: 0,
            history: 0,
            seen: 0,
            wait: OPEN_FIRST,
            epoch: 0,
        }))
    }
}

impl Breaker {
    /// Leave to try now. An answer may be expected within `patience`; without one, no answer is no failure.
    ///
    /// # Errors
    /// When it makes sense to ask again, if it is none.
    pub fn admit(self: &Arc<Self>, now: Instant, patience: Option<Duration>) -> Result<Attempt, Duration> {
        let mut inner = self.lock();
        match inner.phase {
            Phase::Closed => {}
            Phase::Open { until } if now < until => return Err(until - now),
            Phase::Open { .. } => inner.enter(Phase::Trial),
            // The trial will have ended by then, or the next one is due.
            Phase::Trial => return Err(inner.wait),
        }
        let enough = patience.and_then(|patience| now.checked_add(patience));
        Ok(Attempt { breaker: Arc::clone(self), epoch: inner.epoch, enough, told: false })
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        match self.lock().phase {
            Phase::Closed => State::Closed,
            Phase::Trial => State::HalfOpen,
            Phase::Open { .. } => State::Open,
        }
    }

    fn end(&self, epoch: u64, came: Came, now: Instant) {
        let mut inner = self.lock();
        if inner.epoch != epoch {
            return;
        }
        match (inner.phase, came) {
            (Phase::Trial, Came::Answer) => inner.close(),
            (Phase::Trial, Came::Failure) => inner.open(now),
            // Whoever comes next is the trial.
            (Phase::Trial, Came::Nothing) => inner.enter(Phase::Open { until: now }),
            (Phase::Closed, Came::Answer | Came::Failure) => {
                inner.count(came == Came::Failure);
                if inner.is_too_much() {
                    inner.open(now);
                }
            }
            (Phase::Closed, Came::Nothing) | (Phase::Open { .. }, _) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing between two changes of it can panic, so none is left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn count(&mut self, failed: bool) {
        self.consecutive = if failed { self.consecutive.saturating_add(1) } else { 0 };
        self.history = self.history << 1 | u64::from(failed);
        self.seen = (self.seen + 1).min(REMEMBERED);
    }

    fn is_too_much(&self) -> bool {
        let half = self.seen >= ENOUGH && 2 * self.history.count_ones() >= self.seen;
        self.consecutive >= CONSECUTIVE_MAX || half
    }

    fn open(&mut self, now: Instant) {
        self.enter(Phase::Open { until: now + self.wait });
        self.wait = (2 * self.wait).min(OPEN_MAX);
    }

    fn close(&mut self) {
        self.enter(Phase::Closed);
        self.wait = OPEN_FIRST;
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.epoch += 1;
        (self.consecutive, self.history, self.seen) = (0, 0, 0);
    }
}

impl Attempt {
    /// It was answered, whatever the answer.
    pub fn answered(mut self) {
        self.tell(Came::Answer, Instant::now());
    }

    /// It failed.
    pub fn failed(mut self) {
        self.tell(Came::Failure, Instant::now());
    }

    /// It ended in a way that says nothing here.
    pub fn undecided(mut self) {
        self.tell(Came::Nothing, Instant::now());
    }

    fn given_up(&mut self, now: Instant) {
        let late = self.enough.is_some_and(|enough| now >= enough);
        self.tell(if late { Came::Failure } else { Came::Nothing }, now);
    }

    fn tell(&mut self, came: Came, now: Instant) {
        if !std::mem::replace(&mut self.told, true) {
            self.breaker.end(self.epoch, came, now);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.given_up(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> (Arc<Breaker>, Instant) {
        (Arc::default(), Instant::now())
    }

    /// Ends one attempt at a moment.
    #[track_caller]
    fn end(breaker: &Arc<Breaker>, now: Instant, failed: bool) {
        let mut attempt = breaker.admit(now, None).expect("must be let through");
        attempt.tell(if failed { Came::Failure } else { Came::Answer }, now);
    }

    #[test]
    fn failures_one_after_another_open_it() {
        let (breaker, now) = breaker();
        for _ in 0..3 {
            (0..CONSECUTIVE_MAX - 1).for_each(|_| end(&breaker, now, true));
            end(&breaker, now, false);
        }
        assert_eq!(breaker.state(), State::Closed);
        (0..CONSECUTIVE_MAX).for_each(|_| end(&breaker, now, true));
        assert_eq!(breaker.state(), State::Open);
        assert_eq!(breaker.admit(now, None).unwrap_err(), OPEN_FIRST);
    }

    #[test]
    fn so_does_a_share_of_half() {
        let (breaker, now) = breaker();
        for index in 0..ENOUGH - 1 {
            end(&breaker, now, index % 2 == 0);
        }
        assert_eq!(breaker.state(), State::Closed, "too few to tell");
        end(&breaker, now, true);
        assert_eq!(breaker.state(), State::Open);
    }

    #[test]
    fn a_third_does_not() {
        let (breaker, now) = breaker();
        (0..300).for_each(|index| end(&breaker, now, index % 3 == 0));
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn one_trial_decides() {
        let (breaker, mut now) = breaker();
        (0..CONSECUTIVE_MAX).for_each(|_| end(&breaker, now, true));
        let mut wait = OPEN_FIRST;
        for _ in 0..7 {
            assert!(breaker.admit(now + wait - Duration::from_millis(1), None).is_err());
            now += wait;
            let mut trial = breaker.admit(now, None).unwrap();
            assert_eq!(breaker.state(), State::HalfOpen);
            assert!(breaker.admit(now, None).is_err(), "one at a time");
            trial.tell(Came::Failure, now);
            wait = (2 * wait).min(OPEN_MAX);
            assert_eq!(breaker.admit(now, None).unwrap_err(), wait);
        }
        now += wait;
        end(&breaker, now, false);
        assert_eq!(breaker.state(), State::Closed);
        (0..CONSECUTIVE_MAX).for_each(|_| end(&breaker, now, true));
        assert_eq!(breaker.admit(now, None).unwrap_err(), OPEN_FIRST, "it began anew");
    }

    #[test]
    fn who_gives_up_in_vain_has_failed() {
        let (breaker, now) = breaker();
        let patience = Duration::from_secs(5);
        for _ in 0..CONSECUTIVE_MAX {
            breaker.admit(now, Some(patience)).unwrap().given_up(now + patience);
        }
        assert_eq!(breaker.state(), State::Open);
        breaker.admit(now + patience + OPEN_FIRST, Some(patience)).unwrap().given_up(now + 3 * patience);
        assert_eq!(breaker.admit(now + 3 * patience, None).unwrap_err(), 2 * OPEN_FIRST);
    }

    #[test]
    fn who_gives_up_early_says_nothing_and_frees_the_trial() {
        let (breaker, now) = breaker();
        let patience = Duration::from_secs(5);
        let early = now + patience - Duration::from_millis(1);
        for _ in 0..10 * ENOUGH {
            breaker.admit(now, Some(patience)).unwrap().given_up(early);
            breaker.admit(now, None).unwrap().given_up(now + 100 * patience);
            breaker.admit(now, None).unwrap().undecided();
        }
        assert_eq!(breaker.state(), State::Closed);
        // Nor does it end a row of failures, or wait longer for the next trial.
        for _ in 0..CONSECUTIVE_MAX {
            end(&breaker, now, true);
            drop(breaker.admit(now, None));
        }
        assert_eq!(breaker.state(), State::Open);
        let due = now + OPEN_FIRST;
        breaker.admit(due, Some(patience)).unwrap().given_up(due);
        let next = breaker.admit(due, None).expect("the next one is the trial");
        next.answered();
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn ends_of_another_time_say_nothing() {
        let (breaker, now) = breaker();
        let early = breaker.admit(now, None).unwrap();
        (0..CONSECUTIVE_MAX).for_each(|_| end(&breaker, now, true));
        let trial = breaker.admit(now + OPEN_FIRST, None).unwrap();
        early.answered();
        assert_eq!(breaker.state(), State::HalfOpen);
        trial.answered();
        assert_eq!(breaker.state(), State::Closed);
    }
}
