//! Budgets of routes to language models: requests, answers at a time, tokens and cost, of one caller and of all together.
//!
//! What a prompt will take is not known before it was answered. So it is estimated, from above, and reserved; only what fits
//! into every budget beside all that was used and is reserved gets through. Once the answer has ended, however it ended, what
//! it took takes the reservation's place. A budget is therefore exceeded only by what single answers took beyond their
//! estimates, and not by how many came at once.
//!
//! This is accounting alone: it knows no protocol, no upstream and no store. Time and identities are told to it, and what
//! was used before a restart ([`Budgets::restore`]).

mod account;
mod estimate;
mod window;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mantlet_types::{PrincipalId, Timestamp, entry::Token, limits::LIMITED_MAX, quota::Standing};

use self::account::Account;
pub use self::{
    account::Exhausted,
    estimate::{MESSAGE_TOKENS, estimate},
};
use crate::ports::Clock;

/// Tokens of a prompt and of its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Of the prompt.
    pub input: u64,
    /// Of the answer.
    pub output: u64,
}

impl Tokens {
    /// Both together.
    #[must_use]
    pub const fn sum(self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

/// What a million tokens cost, in millionths of the currency that the operator thinks in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// A million tokens of prompts.
    pub input: u64,
    /// A million tokens of answers.
    pub output: u64,
}

impl Price {
    /// What so many tokens cost, in millionths, rounded up.
    #[must_use]
    pub fn of(self, tokens: Tokens) -> u64 {
        let part = |price: u64, count: u64| u128::from(price) * u128::from(count);
        let cost = part(self.input, tokens.input).saturating_add(part(self.output, tokens.output));
        u64::try_from(cost.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

/// The most that may be used; what is not said is not bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Prompts in any 60 seconds.
    pub requests_per_minute: Option<u64>,
    /// Prompts under way at a time.
    pub concurrent: Option<u64>,
    /// Tokens, both ways, in any 60 seconds.
    pub tokens_per_minute: Option<u64>,
    /// Tokens, both ways, of one day in UTC.
    pub tokens_per_day: Option<u64>,
    /// Cost of one day in UTC, in millionths of the currency.
    pub cost_per_day: Option<u64>,
}

impl Allowance {
    /// Whether anything is bounded.
    #[must_use]
    pub fn bounds_anything(&self) -> bool {
        *self != Self::default()
    }

    /// The smaller of two allowances, bound by bound: grants may only shrink.
    #[must_use]
    pub fn within(self, other: Self) -> Self {
        let least = |one: Option<u64>, two: Option<u64>| match (one, two) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        Self {
            requests_per_minute: least(self.requests_per_minute, other.requests_per_minute),
            concurrent: least(self.concurrent, other.concurrent),
            tokens_per_minute: least(self.tokens_per_minute, other.tokens_per_minute),
            tokens_per_day: least(self.tokens_per_day, other.tokens_per_day),
            cost_per_day: least(self.cost_per_day, other.cost_per_day),
        }
    }
}

/// What may be used on a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteLimits {
    /// By each caller.
    pub each: Allowance,
    /// By all together.
    pub total: Allowance,
    /// What its models cost; without a price there is no budget of cost.
    pub prices: BTreeMap<Token, Price>,
    /// Tokens that are reserved for an answer whose caller does not say how long it may be.
    pub answer_tokens: u64,
}

impl RouteLimits {
    /// Whether anything has to be counted.
    #[must_use]
    pub fn bounds_anything(&self) -> bool {
        self.each.bounds_anything() || self.total.bounds_anything()
    }
}

/// What is asked for: leave to send a prompt that takes about so much.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The route.
    pub route: &'a str,
    /// Who asks.
    pub principal: &'a PrincipalId,
    /// What this caller may use on the route.
    pub each: Allowance,
    /// What all callers together may use on it.
    pub total: Allowance,
    /// What the model costs.
    pub price: Price,
    /// What the prompt takes at most, as far as that can be said.
    pub estimate: Tokens,
}

/// Why a prompt does not get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which budget.
    pub what: Exhausted,
    /// Whether it is the caller's own; of another's nothing is told but when to come back.
    pub own: bool,
    /// When it makes sense to ask again; never, where the prompt alone is more than the whole budget.
    pub retry_after: Option<Duration>,
}

/// Whose account.
type Key = (Box<str>, Option<PrincipalId>);

/// All accounts.
pub struct Budgets {
    accounts: Mutex<HashMap<Key, Account>>,
    accounts_max: usize,
}

impl Default for Budgets {
    fn default() -> Self {
        Self { accounts: Mutex::default(), accounts_max: LIMITED_MAX }
    }
}

impl Budgets {
    /// Reserves what a prompt is estimated to take, in the caller's budget and in the route's, or in neither.
    ///
    /// # Errors
    /// If it does not fit into one of them. Then nothing is reserved.
    pub fn reserve(
        self: &Arc<Self>,
        request: &Request<'_>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Reservation, Refused> {
        let now = clock.now();
        let cost = request.price.of(request.estimate);
        let keys = [(request.route.into(), Some(request.principal.clone())), (request.route.into(), None)];
        let allowances = [request.each, request.total];
        let mut accounts = self.lock();
        // Both are asked before either is charged.
        for ((key, allowance), own) in keys.iter().zip(allowances).zip([true, false]) {
            if !accounts.contains_key(key) && accounts.len() >= self.accounts_max {
                accounts.retain(|_, account| !account.is_idle(now));
            }
            if !accounts.contains_key(key) && accounts.len() >= self.accounts_max {
                // Who cannot be counted cannot be let through.
                let retry_after = Some(Duration::from_secs(60));
                return Err(Refused { what: Exhausted::Requests, own: false, retry_after });
            }
            let account = accounts.entry(key.clone()).or_default();
            account
                .admits(allowance, request.estimate.sum(), cost, now)
                .map_err(|(what, retry_after)| Refused { what, own, retry_after })?;
        }
        for key in &keys {
            if let Some(account) = accounts.get_mut(key) {
                account.reserve(request.estimate.sum(), cost, now);
            }
        }
        drop(accounts);
        Ok(Reservation {
            budgets: Arc::clone(self),
            clock: Arc::clone(clock),
            keys,
            price: request.price,
            estimate: request.estimate,
            // What has not been asked yet has taken nothing.
            taken: Tokens::default(),
        })
    }

    /// Counts what was used before this process began, on the day that it was used.
    pub fn restore(&self, route: &str, principal: &PrincipalId, used: Tokens, price: Price, at: Timestamp) {
        let mut accounts = self.lock();
        for key in [(route.into(), Some(principal.clone())), (route.into(), None)] {
            accounts.entry(key).or_default().add(used.sum(), price.of(used), at);
        }
    }

    /// How a caller's own budget of tokens stands, for the headers: that of the minute where there is one, else the day's.
    #[must_use]
    pub fn standing(
        &self,
        route: &str,
        principal: &PrincipalId,
        each: Allowance,
        now: Timestamp,
    ) -> Option<Standing> {
        let mut accounts = self.lock();
        let account = accounts.entry((route.into(), Some(principal.clone()))).or_default();
        account.standing(each, now)
    }

    fn settle(&self, reservation: &Reservation) {
        let now = reservation.clock.now();
        let mut accounts = self.lock();
        for key in &reservation.keys {
            if let Some(account) = accounts.get_mut(key) {
                let taken = reservation.taken;
                let reserved = (reservation.estimate.sum(), reservation.price.of(reservation.estimate));
                account.settle(reserved, (taken.sum(), reservation.price.of(taken)), now);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Account>> {
        // An account is changed by arithmetic that does not panic.
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the budgets. When it is dropped, what was taken by then takes its place, whatever ended it: an answer that is cut
/// off is charged for what of it there was.
pub struct Reservation {
    budgets: Arc<Budgets>,
    clock: Arc<dyn Clock>,
    keys: [Key; 2],
    price: Price,
    estimate: Tokens,
    taken: Tokens,
}

impl std::fmt::Debug for Reservation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Reservation").field("estimate", &self.estimate).finish_non_exhaustive()
    }
}

impl Reservation {
    /// The prompt is on its way: from now on it has been taken, whether or not an answer comes.
    pub fn sent(&mut self) {
        self.taken.input = self.taken.input.max(self.estimate.input);
    }

    /// So much of an answer has come so far, as it is counted here.
    pub fn answered(&mut self, output: u64) {
        self.taken.output = self.taken.output.max(output);
    }

    /// What all of it took, as whoever charges for it says. This holds whatever was estimated.
    pub fn used(&mut self, tokens: Tokens) {
        self.taken = tokens;
    }

    /// What is charged if it ends now.
    #[must_use]
    pub fn taken(&self) -> Tokens {
        self.taken
    }

    /// What was reserved.
    #[must_use]
    pub fn estimate(&self) -> Tokens {
        self.estimate
    }

    /// What it costs if it ends now, in millionths.
    #[must_use]
    pub fn cost(&self) -> u64 {
        self.price.of(self.taken)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budgets.settle(self);
    }
}

#[cfg(test)]
mod tests;
