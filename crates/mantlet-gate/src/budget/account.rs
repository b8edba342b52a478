//! One account: a caller's on a route, or a route's.

use std::time::Duration;

use mantlet_types::{
    Timestamp,
    quota::{Metered, Standing},
};

use super::{Allowance, window::Window};

const DAY_US: i64 = 86_400 * 1_000_000;

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
    ) -> Result<(), (Metered, Option<Duration>)> {
        self.advance(now);
        let midnight = || Some(self.until_midnight());
        if let Some(most) = allowance.concurrent
            && self.running >= most
        {
            return Err((Metered::Concurrent, (most > 0).then_some(Duration::from_secs(1))));
        }
        if let Some(over) = over(allowance.requests_per_minute, self.requests.sum(), 0, 1) {
            return Err((Metered::Requests, over.then(|| self.requests.frees(1))));
        }
        let reserved = self.reserved_tokens;
        if let Some(over) = over(allowance.tokens_per_day, self.tokens_of_day, reserved, tokens) {
            return Err((Metered::TokensPerDay, over.then(midnight).flatten()));
        }
        if let Some(over) = over(allowance.cost_per_day, self.cost_of_day, self.reserved_cost, cost) {
            return Err((Metered::CostPerDay, over.then(midnight).flatten()));
        }
        if let Some(over) = over(allowance.tokens_per_minute, self.tokens.sum(), reserved, tokens) {
            let most = allowance.tokens_per_minute.unwrap_or(0);
            let all = self.tokens.sum().saturating_add(reserved).saturating_add(tokens);
            return Err((Metered::TokensPerMinute, over.then(|| self.tokens.frees(all - most))));
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
        let used =
            [then.running, then.requests.sum(), then.tokens.sum(), then.tokens_of_day, then.cost_of_day];
        used.iter().all(|used| *used == 0)
    }

    /// Tokens and cost that are left of whatever is bounded.
    pub(super) fn left(&mut self, allowance: Allowance, now: Timestamp) -> (u64, u64) {
        self.advance(now);
        let left = |most: Option<u64>, used: u64, reserved: u64| {
            most.map_or(u64::MAX, |most| most.saturating_sub(used).saturating_sub(reserved))
        };
        let minute = left(allowance.tokens_per_minute, self.tokens.sum(), self.reserved_tokens);
        let day = left(allowance.tokens_per_day, self.tokens_of_day, self.reserved_tokens);
        (minute.min(day), left(allowance.cost_per_day, self.cost_of_day, self.reserved_cost))
    }

    /// How everything that is bounded stands.
    pub(super) fn standings(&mut self, allowance: Allowance, now: Timestamp) -> Vec<Standing> {
        let all = [Metered::Requests, Metered::TokensPerMinute, Metered::TokensPerDay, Metered::CostPerDay];
        all.into_iter().filter_map(|of| self.standing_of(of, allowance, now)).collect()
    }

    /// How one bound stands; nothing where there is none, and of places, which have no window.
    pub(super) fn standing_of(
        &mut self,
        of: Metered,
        allowance: Allowance,
        now: Timestamp,
    ) -> Option<Standing> {
        const MINUTE: u32 = 60;
        const DAY: u32 = 86_400;
        self.advance(now);
        let (requests, tokens) = (self.requests.sum(), self.tokens.sum());
        let (quota, window_s, used, reserved) = match of {
            Metered::Requests => (allowance.requests_per_minute, MINUTE, requests, 0),
            Metered::TokensPerMinute => (allowance.tokens_per_minute, MINUTE, tokens, self.reserved_tokens),
            Metered::TokensPerDay => {
                (allowance.tokens_per_day, DAY, self.tokens_of_day, self.reserved_tokens)
            }
            Metered::CostPerDay => (allowance.cost_per_day, DAY, self.cost_of_day, self.reserved_cost),
            Metered::Concurrent | Metered::Predictions => return None,
        };
        let quota = quota?;
        let reset = match of {
            _ if used == 0 => Duration::ZERO,
            Metered::Requests => self.requests.frees(used),
            Metered::TokensPerMinute => self.tokens.frees(used),
            _ => self.until_midnight(),
        };
        let remaining = quota.saturating_sub(used.saturating_add(reserved));
        let reset_s = u32::try_from(reset.as_secs()).unwrap_or(u32::MAX);
        Some(Standing { of, quota, window_s, remaining, reset_s })
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
