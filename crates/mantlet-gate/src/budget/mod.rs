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
mod allowance;
mod estimate;
mod reservation;
mod window;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mantlet_types::{
    PrincipalId, RouteName, Timestamp,
    limits::LIMITED_MAX,
    quota::{Metered, Standing},
};

use self::account::Account;
pub use self::{
    allowance::{Allowance, Budget, Price, RouteLimits, Tokens},
    estimate::{CALL_TOKENS, Counter, IMAGE_TOKENS, MESSAGE_TOKENS, estimate},
    reservation::Reservation,
};
use crate::ports::Clock;

/// What is asked for: leave to send a prompt that takes about so much.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The route.
    pub route: &'a RouteName,
    /// Who asks.
    pub principal: &'a PrincipalId,
    /// What this caller may use on all routes together.
    pub own: Allowance,
    /// What this caller may use on the route.
    pub each: Allowance,
    /// What all callers together may use on it.
    pub total: Allowance,
    /// What the model costs; without a price nothing fits into a budget of cost.
    pub price: Option<Price>,
    /// What the prompt takes at most, as far as that can be said.
    pub estimate: Tokens,
    /// Tokens of the answer that have to fit whatever is left; what is estimated beyond is reserved as far as it fits.
    pub least: u64,
    /// What the answer cannot have more tokens than, where that was said by a word that every upstream heeds.
    pub bound: Option<u64>,
}

/// Why a prompt does not get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which budget.
    pub what: Metered,
    /// How it stands, where it is the caller's own; of another's nothing is told but when to come back.
    pub standing: Option<Standing>,
    /// When it makes sense to ask again; never, where the prompt alone is more than the whole budget.
    pub retry_after: Option<Duration>,
    /// Whether it cannot be decided, for want of a price.
    pub unpriced: bool,
}

/// Whose account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// A caller's, on all routes.
    Own(PrincipalId),
    /// A caller's, on one route.
    Each(RouteName, PrincipalId),
    /// Everybody's, on one route.
    Total(RouteName),
}

impl Key {
    fn all(route: &RouteName, principal: &PrincipalId) -> [Self; 3] {
        [
            Self::Own(principal.clone()),
            Self::Each(route.clone(), principal.clone()),
            Self::Total(route.clone()),
        ]
    }
}

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
    /// Reserves what a prompt is estimated to take, in the caller's budgets and in the route's, or in none.
    ///
    /// # Errors
    /// If it does not fit into one of them. Then nothing is reserved.
    pub fn reserve(
        self: &Arc<Self>,
        request: &Request<'_>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Reservation, Refused> {
        let now = clock.now();
        let keys = Key::all(request.route, request.principal);
        let allowances = [request.own, request.each, request.total];
        let mut accounts = self.lock();
        self.make_room(&mut accounts, &keys, now)?;
        let estimate = fitting(&mut accounts, &keys, allowances, request, now);
        let cost = request.price.unwrap_or_default().of(estimate);
        // All are asked before any is charged.
        for (key, allowance) in keys.iter().zip(allowances) {
            let own = !matches!(key, Key::Total(_));
            let account = accounts.entry(key.clone()).or_default();
            let unpriced = allowance.cost_per_day.is_some() && request.price.is_none();
            let admitted = match unpriced {
                true => Err((Metered::CostPerDay, None)),
                false => account.admits(allowance, estimate.sum(), cost, now),
            };
            admitted.map_err(|(what, retry_after)| {
                let standing =
                    if own && !unpriced { account.standing_of(what, allowance, now) } else { None };
                Refused { what, standing, retry_after, unpriced }
            })?;
        }
        for key in &keys {
            if let Some(account) = accounts.get_mut(key) {
                account.reserve(estimate.sum(), cost, now);
            }
        }
        drop(accounts);
        Ok(Reservation::new(self, clock, keys, request.price, estimate, request.bound))
    }

    /// Counts what was used before this process began, on the day that it was used.
    pub fn restore(&self, route: &RouteName, principal: &PrincipalId, tokens: u64, cost: u64, at: Timestamp) {
        let mut accounts = self.lock();
        for key in Key::all(route, principal) {
            accounts.entry(key).or_default().add(tokens, cost, at);
        }
    }

    /// How the caller's own budgets stand, for the headers: the one of which the smallest part is left.
    #[must_use]
    pub fn standing(
        &self,
        route: &RouteName,
        principal: &PrincipalId,
        [own, each]: [Allowance; 2],
        now: Timestamp,
    ) -> Option<Standing> {
        let mut accounts = self.lock();
        let [own_key, each_key, _] = Key::all(route, principal);
        let mut standings = Vec::new();
        for (key, allowance) in [(own_key, own), (each_key, each)] {
            if let Some(account) = accounts.get_mut(&key) {
                standings.extend(account.standings(allowance, now));
            }
        }
        // By cross-multiplication, so that no part is rounded.
        let part = |standing: &Standing| (u128::from(standing.remaining), u128::from(standing.quota.max(1)));
        standings.into_iter().min_by(|one, other| {
            let ((left, of), (other_left, other_of)) = (part(one), part(other));
            (left * other_of).cmp(&(other_left * of))
        })
    }

    fn make_room(
        &self,
        accounts: &mut HashMap<Key, Account>,
        keys: &[Key],
        now: Timestamp,
    ) -> Result<(), Refused> {
        let new =
            |accounts: &HashMap<Key, Account>| keys.iter().filter(|key| !accounts.contains_key(*key)).count();
        if accounts.len() + new(accounts) > self.accounts_max {
            accounts.retain(|_, account| !account.is_idle(now));
        }
        if accounts.len() + new(accounts) > self.accounts_max {
            // Who cannot be counted cannot be let through.
            let retry_after = Some(Duration::from_secs(60));
            return Err(Refused { what: Metered::Requests, standing: None, retry_after, unpriced: false });
        }
        Ok(())
    }

    fn settle(&self, keys: &[Key], reserved: (u64, u64), taken: (u64, u64), now: Timestamp) {
        let mut accounts = self.lock();
        for key in keys {
            if let Some(account) = accounts.get_mut(key) {
                account.settle(reserved, taken, now);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Account>> {
        // An account is changed by arithmetic that does not panic.
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The estimate, with an answer of unknown length cut to what is left everywhere, and to the least that has to fit: an answer
/// that turns out longer is charged as it is.
fn fitting(
    accounts: &mut HashMap<Key, Account>,
    keys: &[Key],
    allowances: [Allowance; 3],
    request: &Request<'_>,
    now: Timestamp,
) -> Tokens {
    let Tokens { input, mut output } = request.estimate;
    if request.least < output {
        let price = request.price.unwrap_or_default();
        for (key, allowance) in keys.iter().zip(allowances) {
            let (tokens, cost) = accounts.entry(key.clone()).or_default().left(allowance, now);
            output = output.min(tokens.saturating_sub(input)).min(price.output_within(cost, input));
        }
        output = output.max(request.least);
    }
    Tokens { input, output }
}

#[cfg(test)]
mod tests;
