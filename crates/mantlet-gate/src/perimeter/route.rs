//! The limits of a route: prompts of one principal on it, and what they take in tokens and cost, of that principal and of all
//! together.

use std::sync::Arc;

use mantlet_types::{
    Code, PrincipalId, Rejection,
    quota::{Metered, Standing},
};

use super::{Limit, Place, Seat, Use, per_minute};
use crate::{
    Gate,
    budget::{Allowance, Refused, Request, Reservation, Tokens},
    identity::Principal,
    policy::RoutePermit,
    routes::{Measured, Prompt},
};

/// Leave to send a prompt on a route: the proof that the limit was asked.
pub(crate) struct RouteAdmission {
    permit: RoutePermit,
    standings: Vec<Standing>,
    reservation: Reservation,
    // Shared with what is under way: an answer that is still coming keeps occupying the node on its principal's account.
    place: Arc<Place>,
}

impl RouteAdmission {
    /// The permit.
    pub(crate) fn permit(&self) -> &RoutePermit {
        &self.permit
    }

    /// How the principal's own limits stand.
    pub(crate) fn standings(&self) -> &[Standing] {
        &self.standings
    }

    /// What is reserved for it in the budgets.
    pub(crate) fn reservation(&self) -> &Reservation {
        &self.reservation
    }

    /// The place that this takes among the principal's own.
    pub(crate) fn place(&self) -> &Arc<Place> {
        &self.place
    }
}

/// Charges one prompt, and reserves what it is estimated to take.
///
/// # Errors
/// 429 with the time to wait; 503 where a budget of cost cannot be held against a model without a price.
pub(crate) fn limit_route(
    gate: &Gate,
    permit: RoutePermit,
    seat: Seat,
    prompt: &Prompt,
) -> Result<RouteAdmission, Rejection> {
    let principal = permit.principal();
    let (id, route) = (principal.id(), &permit.route().name);
    let limits = &permit.route().rules.limits;
    let bucket = gate.limiter.bucket(Use::Route(id.clone(), route.clone()), gate.now())?;
    let limit = Limit { bucket, per_minute: per_minute(principal), clock: Arc::clone(&gate.clock) };
    let mut standings = vec![limit.charge(1)?];
    let Measured { input, output } = prompt.measured(&permit.route().rules);
    let own = allowance(principal);
    let request = Request {
        route,
        principal: id,
        own,
        each: limits.each,
        total: limits.total,
        price: limits.prices.get(permit.model()).copied(),
        estimate: Tokens { input, output: output.tokens(limits.answer_tokens) },
        least: output.least(),
        bound: output.bound(),
    };
    let reservation = gate.budgets.reserve(&request, &gate.clock).map_err(refused)?;
    standings.extend(gate.budgets.standing(route, id, [own, limits.each], gate.now()));
    Ok(RouteAdmission { permit, standings, reservation, place: Arc::new(seat.0) })
}

/// What an application was granted, on all routes together. Nobody else has a budget of their own.
fn allowance(principal: &Principal) -> Allowance {
    let PrincipalId::Consumer(id) = principal.id() else { return Allowance::default() };
    let consumer = principal.snapshot().directory.consumers.get(id);
    consumer.map(|consumer| consumer.budget.allowance()).unwrap_or_default()
}

fn refused(Refused { what, standing, retry_after, unpriced }: Refused) -> Rejection {
    if unpriced {
        return Rejection::unavailable("there is a budget of cost, and the model has no price on the route");
    }
    let (code, detail) = match what {
        Metered::TokensPerDay => (Code::BudgetSpent, "the budget of tokens for the day is used up"),
        Metered::CostPerDay => (Code::BudgetSpent, "the budget of cost for the day is used up"),
        Metered::TokensPerMinute => (Code::RateLimited, "rate limit exceeded: tokens per minute"),
        Metered::Concurrent => (Code::RateLimited, "rate limit exceeded: prompts at a time"),
        Metered::Requests | Metered::Predictions => {
            (Code::RateLimited, "rate limit exceeded: prompts per minute")
        }
    };
    Rejection { standing, retry_after, ..Rejection::new(code).detailed(detail) }
}
