//! One account: a caller's on a route, or a route's.

use std::time::Duration;

use mantlet_types::{Timestamp, quota::Standing};

use super::{Allowance, window::Window};

const DAY_US: i64 = 86_400 * 1_000_000;

/// A budget that a prompt does not fit into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// Prompts a minute.
    Requests,
    /// Prompts at a time.
    Concurrent,
    /// Tokens a minute.
    TokensPerMinute,
    /// Tokens a day.
    TokensPerDay,
    /// Cost a day.
    CostPerDay,
}

impl Exhausted {
    /// Whether this is a budget that was spent, rather than a rate.
    #[must_use]
    pub const fn is_budget(self) -> bool {
        matches!(self, Self::TokensPerDay | Self::CostPerDay)
    }

    /// As audit entries say it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests_per_minute",
            Self::Concurrent => "concurrent",
            Self::TokensPerMinute => "tokens_per_minute",
            Self::TokensPerDay => "tokens_per_day",
            Self::CostPerDay => "cost_per_day",
        }
    }
}

/// What was used, and what is reserved.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    requests: Window,
    tokens: Window,
    /// The day that the next two are of, in days since 1970.
    day: i64,
    tokens_of_day: u64,
    cost_of_day: u64,
    reserved_tokens: u64,
    reserved_cost: u64,
    running: u64,
    /// The latest moment that was seen.
    seen: i64,
}

impl Account {
    /// Whether a prompt of this size fits into everything.
    pub(super) fn admits(
        &mut self,
        allowance: Allowance,
        tokens: u64,
        cost: u64,
        now: Timestamp,
    ) -> Result<(), (Exhausted, Option<Duration>)> {
        self.advance(now);
        let midnight = || Some(self.until_midnight());
        if let Some(most) = allowance.concurrent
            && self.running >= most
        {
            return Err((Exhausted::Concurrent, (most > 0).then_some(Duration::from_secs(1))));
        }
        if let Some(over) = over(allowance.requests_per_minute, self.requests.sum(), 0, 1) {
            return Err((Exhausted::Requests, over.then(|| self.requests.frees(1))));
        }
        let reserved = self.reserved_tokens;
        if let Some(over) = over(allowance.tokens_per_day, self.tokens_of_day, reserved, tokens) {
            return Err((Exhausted::TokensPerDay, over.then(midnight).flatten()));
        }
        if let Some(over) = over(allowance.cost_per_day, self.cost_of_day, self.reserved_cost, cost) {
            return Err((Exhausted::CostPerDay, over.then(midnight).flatten()));
        }
        if let Some(over) = over(allowance.tokens_per_minute, self.tokens.sum(), reserved, tokens) {
            let most = allowance.tokens_per_minute.unwrap_or(0);
            let all = self.tokens.sum().saturating_add(reserved).saturating_add(tokens);
            return Err((Exhausted::TokensPerMinute, over.then(|| self.tokens.frees(all - most))));
        }
        Ok(())
    }

    pub(super) fn reserve(&mut self, tokens: u64, cost: u64, now: Timestamp) {
        self.advance(now);
        self.requests.add(1);
        self.running = self.running.saturating_add(1);
        self.reserved_tokens = self.reserved_tokens.saturating_add(tokens);
        self.reserved_cost = self.reserved_cost.saturating_add(cost);
    }

    /// Puts what was taken in the place of what was reserved; tokens and cost.
    pub(super) fn settle(&mut self, reserved: (u64, u64), taken: (u64, u64), now: Timestamp) {
        self.advance(now);
        self.running = self.running.saturating_sub(1);
        self.reserved_tokens = self.reserved_tokens.saturating_sub(reserved.0);
        self.reserved_cost = self.reserved_cost.saturating_sub(reserved.1);
        self.count(taken.0, taken.1);
    }

    /// Adds what was used at some moment before.
    pub(super) fn add(&mut self, tokens: u64, cost: u64, at: Timestamp) {
        self.advance(at);
        self.count(tokens, cost);
    }

    fn count(&mut self, tokens: u64, cost: u64) {
        self.tokens.add(tokens);
        self.tokens_of_day = self.tokens_of_day.saturating_add(tokens);
        self.cost_of_day = self.cost_of_day.saturating_add(cost);
    }

    /// Whether nothing would be lost by forgetting it.
    pub(super) fn is_idle(&self, now: Timestamp) -> bool {
        let mut then = self.clone();
        then.advance(now);
        then.running == 0 && then.requests.sum() == 0 && then.tokens.sum() == 0 && then.tokens_of_day == 0
    }

    pub(super) fn standing(&mut self, each: Allowance, now: Timestamp) -> Option<Standing> {
        self.advance(now);
        let (quota, window_s, used, reset) = match (each.tokens_per_minute, each.tokens_per_day) {
            (Some(quota), _) => (quota, 60, self.tokens.sum(), self.tokens.frees(self.tokens.sum())),
            (None, Some(quota)) => (quota, 86_400, self.tokens_of_day, self.until_midnight()),
            (None, None) => return None,
        };
        let remaining = quota.saturating_sub(used.saturating_add(self.reserved_tokens));
        let fit = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let reset_s = if used == 0 { 0 } else { reset.as_secs() };
        Some(Standing { quota: fit(quota), window_s, remaining: fit(remaining), reset_s: fit(reset_s) })
    }

    /// The present moment, which never goes back: what was used stays used.
    fn advance(&mut self, now: Timestamp) {
        self.seen = self.seen.max(now.micros());
        let now = Timestamp::from_micros(self.seen);
        self.requests.advance(now);
        self.tokens.advance(now);
        let day = self.seen.div_euclid(DAY_US);
        if day > self.day {
            (self.day, self.tokens_of_day, self.cost_of_day) = (day, 0, 0);
        }
    }

    fn until_midnight(&self) -> Duration {
        let left = DAY_US - self.seen.rem_euclid(DAY_US);
        Duration::from_micros(u64::try_from(left).unwrap_or(0)) + Duration::from_secs(1)
    }
}

/// Whether so much more is too much; if so, whether it would fit into an unused budget.
fn over(most: Option<u64>, used: u64, reserved: u64, more: u64) -> Option<bool> {
    let most = most?;
    let all = used.saturating_add(reserved).saturating_add(more);
    (all > most).then_some(more <= most)
}
