//! A place in the budgets, from the moment that a prompt is let through until nothing more can come of it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Budgets, Key, Price, Tokens};
use crate::ports::Clock;

/// A place in the budgets. When nobody has it any more, what was taken by then takes its place, whatever ended it: an answer
/// that is cut off is charged for what of it there was.
#[derive(Clone)]
pub struct Reservation(Arc<Held>);

struct Held {
    budgets: Arc<Budgets>,
    clock: Arc<dyn Clock>,
    keys: [Key; 3],
    price: Option<Price>,
    estimate: Tokens,
    bound: Option<u64>,
    taken: Mutex<Taken>,
}

/// Tokens that no model reads or writes at a time.
const TOLD_MAX: u64 = 1 << 22;

/// Images at full detail take some twenty times what they are estimated at.
const INPUT_TIMES: u64 = 32;

/// What an upstream may add to a prompt by itself.
const INPUT_BESIDE: u64 = 1 << 16;

/// Some servers keep to a bound for each answer only roughly.
const OUTPUT_TIMES: u64 = 4;

/// And some do not count in it what their models think.
const OUTPUT_BESIDE: u64 = 1 << 15;

#[derive(Clone, Copy, Default)]
struct Taken {
    /// By whoever took the prompt and gave no answer.
    lost: Tokens,
    /// By whoever has it now.
    now: Tokens,
}

impl fmt::Debug for Reservation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Reservation").field("estimate", &self.0.estimate).finish_non_exhaustive()
    }
}

impl Reservation {
    pub(super) fn new(
        budgets: &Arc<Budgets>,
        clock: &Arc<dyn Clock>,
        keys: [Key; 3],
        price: Option<Price>,
        estimate: Tokens,
        bound: Option<u64>,
    ) -> Self {
        // What has not been asked yet has taken nothing.
        let (budgets, clock, taken) = (Arc::clone(budgets), Arc::clone(clock), Mutex::default());
        Self(Arc::new(Held { budgets, clock, keys, price, estimate, bound, taken }))
    }

    /// The prompt is on its way: from now on it has been taken, whether or not an answer comes. All of that may have been
    /// made though nobody saw it: models think before they speak.
    pub fn sent(&self) {
        self.0.change(|taken| taken.now = self.0.estimate);
    }

    /// Whether an answer to this prompt can have taken so much. A budget must not hang on one wrong number: what is far beyond
    /// the estimate of the prompt, the bound of the answer or what any model has is no count.
    #[must_use]
    pub fn is_plausible(&self, told: Tokens) -> bool {
        let Tokens { input, .. } = self.0.estimate;
        let input = input.saturating_mul(INPUT_TIMES).saturating_add(INPUT_BESIDE).min(TOLD_MAX.max(input));
        let bounded = |bound: u64| bound.saturating_mul(OUTPUT_TIMES).saturating_add(OUTPUT_BESIDE);
        let output = self.0.bound.map_or(TOLD_MAX, bounded).min(TOLD_MAX);
        told.input <= input && told.output <= output
    }

    /// Nobody has taken it after all.
    pub fn returned(&self) {
        self.0.change(|taken| taken.now = Tokens::default());
    }

    /// Whoever has taken it gives no answer, and may charge for it; another one may be asked.
    pub fn lost(&self) {
        self.0.change(|taken| *taken = Taken { lost: taken.lost.plus(taken.now), now: Tokens::default() });
    }

    /// So much it has taken so far, or in all, as it is counted here or as whoever charges for it says. This holds whatever
    /// was estimated.
    pub fn used(&self, tokens: Tokens) {
        self.0.change(|taken| taken.now = tokens);
    }

    /// What is charged if it ends now.
    #[must_use]
    pub fn taken(&self) -> Tokens {
        self.0.taken()
    }

    /// What was reserved.
    #[must_use]
    pub fn estimate(&self) -> Tokens {
        self.0.estimate
    }

    /// Whether it is known what it costs.
    #[must_use]
    pub fn is_priced(&self) -> bool {
        self.0.price.is_some()
    }

    /// What so many tokens cost, in millionths.
    #[must_use]
    pub fn cost_of(&self, tokens: Tokens) -> u64 {
        self.0.cost_of(tokens)
    }
}

impl Held {
    fn cost_of(&self, tokens: Tokens) -> u64 {
        self.price.map_or(0, |price| price.of(tokens))
    }

    fn change(&self, change: impl FnOnce(&mut Taken)) {
        // Numbers are replaced one by one, and none depends on another.
        change(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn taken(&self) -> Tokens {
        let Taken { lost, now } = *self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        lost.plus(now)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let taken = self.taken();
        let reserved = (self.estimate.sum(), self.cost_of(self.estimate));
        self.budgets.settle(&self.keys, reserved, (taken.sum(), self.cost_of(taken)), self.clock.now());
    }
}
