//! The perimeter: who may knock, how often, and how much work that buys.
//!
//! Charged is work, not calls: a batch of 100 rows costs 100. Each principal has a limit of its own for each model;
//! nobody's use shows in, or uses up, another's. How much of one principal's is under way at once is bounded too. Before authentication only failures count, by address.

mod buckets;
mod failures;
mod network;
mod pair;
mod places;
mod quota;
mod route;

use std::sync::Arc;

use mantlet_types::{
    Code, ModelName, PrincipalId, Rejection, RouteName, Timestamp,
    limits::{
        DEEDS_PER_MINUTE, EVALUATED_ROWS_PER_MINUTE, LIMITED_MAX, OPENINGS_IN_VAIN_PER_MINUTE,
        REDEMPTIONS_PER_MINUTE,
    },
    quota::Standing,
};

pub(crate) use failures::count_failure;
pub use failures::origin;
pub use network::{Allowlist, ForwardedError, NetworkError, client_ip, parse_network};
pub(crate) use pair::{PairAdmission, limit_pair};
pub(crate) use places::Place;
pub(crate) use route::{RouteAdmission, limit_route};

use self::{
    buckets::{Buckets, WhenFull},
    failures::Failures,
    places::Places,
    quota::{Bucket, Exceeded},
};
use crate::{
    Gate,
    identity::Principal,
    infer,
    policy::Permit,
    ports::{Clock, Model},
};

/// Limits of all principals, and of the addresses that nobody known has come from.
pub struct Limiter {
    used: Buckets<Use>,
    failures: Failures,
    places: Arc<Places>,
}

/// What is limited: a principal's use of one model, the rows that it has evaluated on one, or its administrative requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Use {
    Model(PrincipalId, ModelName),
    Evaluation(PrincipalId, ModelName),
    Deeds(PrincipalId),
    Openings(PrincipalId),
    Redemptions(PrincipalId),
    Route(PrincipalId, RouteName),
}

impl Limiter {
    /// Nobody has done anything yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            used: Buckets::new(LIMITED_MAX, WhenFull::Refuse),
            failures: Failures::new(),
            places: Places::new(infer::share()),
        }
    }

    fn bucket(&self, of: Use, now: Timestamp) -> Result<Arc<Bucket>, Rejection> {
        self.used.bucket(of, now).ok_or_else(|| Rejection::unavailable("no room for another limit"))
    }
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new()
    }
}

/// How many denials of each principal get an entry of their own.
pub struct Denials {
    written: Buckets<Option<PrincipalId>>,
    began: std::time::Instant,
}

impl Denials {
    /// Nobody was denied anything yet.
    #[must_use]
    pub fn new() -> Self {
        Self { written: Buckets::new(LIMITED_MAX, WhenFull::Refuse), began: std::time::Instant::now() }
    }

    /// Whether this principal's next denial gets an entry of its own.
    #[must_use]
    pub fn admits(&self, principal: Option<&PrincipalId>, per_minute: u32) -> bool {
        // No decision depends on this limit, so it needs no wall clock.
        let now = i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX);
        self.admits_at(principal, per_minute, Timestamp::from_micros(now))
    }

    fn admits_at(&self, principal: Option<&PrincipalId>, per_minute: u32, now: Timestamp) -> bool {
        let bucket = self.written.bucket(principal.cloned(), now);
        bucket.is_some_and(|bucket| bucket.charge(1, per_minute, now).is_ok())
    }
}

impl Default for Denials {
    fn default() -> Self {
        Self::new()
    }
}

/// Leave to use a share of the model: the proof that the limit was asked.
pub struct Admission {
    permit: Permit,
    standing: Standing,
    limit: Limit,
    // Shared with the pool: a run that overstays its request keeps occupying the node on its principal's account.
    place: Arc<Place>,
}

/// The limit that an admission draws on.
struct Limit {
    bucket: Arc<Bucket>,
    per_minute: u32,
    clock: Arc<dyn Clock>,
}

impl Limit {
    fn charge(&self, units: u32) -> Result<Standing, Rejection> {
        self.bucket.charge(units, self.per_minute, self.clock.now()).map_err(exceeded)
    }
}

impl Admission {
    /// Who asks.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        self.permit.principal()
    }

    /// The version that will answer.
    #[must_use]
    pub fn model(&self) -> &Arc<dyn Model> {
        self.permit.model()
    }

    /// The permit.
    #[must_use]
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// The place that this takes among the principal's own.
    pub(crate) fn place(&self) -> &Arc<Place> {
        &self.place
    }

    /// How the limit stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Charges for rows beyond the first, once their number is known.
    ///
    /// # Errors
    /// 429 if they do not fit into what is left of the limit; 413 if the rows, with the first, exceed the limit as a
    /// whole, so that waiting would not help. Then nothing more is charged.
    pub(crate) fn charge(&mut self, further: usize) -> Result<(), Rejection> {
        let further = u32::try_from(further).unwrap_or(u32::MAX);
        if further >= self.limit.per_minute {
            let standing = Some(self.standing);
            let detail = "more rows than the limit allows in a whole minute";
            return Err(Rejection { standing, ..Rejection::new(Code::TooLarge).detailed(detail) });
        }
        if further > 0 {
            self.standing = self.limit.charge(further)?;
        }
        Ok(())
    }
}

/// Charges an evaluation's rows. The evaluation itself was charged as one prediction before its body was read; its rows
/// draw on an allowance of their own.
///
/// # Errors
/// 429 with the time to wait; 413 if the rows exceed the allowance as a whole.
pub(crate) fn charge_evaluation(gate: &Gate, admission: &Admission, rows: usize) -> Result<(), Rejection> {
    let units = u32::try_from(rows).unwrap_or(u32::MAX);
    if units > EVALUATED_ROWS_PER_MINUTE {
        return Err(Rejection::new(Code::TooLarge).detailed("more rows than one evaluation may have"));
    }
    let (principal, model) = (admission.principal().id().clone(), admission.model().contract().model.clone());
    let now = gate.now();
    let bucket = gate.limiter.bucket(Use::Evaluation(principal, model), now)?;
    // How this allowance stands is told by the time to wait alone: the headers speak of predictions.
    let told = |Exceeded { retry_after, .. }| {
        let detail = "more rows than may be evaluated in a minute";
        Rejection { retry_after, ..Rejection::new(Code::RateLimited).detailed(detail) }
    };
    bucket.charge(units, EVALUATED_ROWS_PER_MINUTE, now).map_err(told)?;
    Ok(())
}

/// Charges one evaluation of the model to the principal.
///
/// # Errors
/// 429 with the time to wait, for too many in a minute as for too many at once.
pub(crate) fn limit(gate: &Gate, permit: Permit) -> Result<Admission, Rejection> {
    let seat = seat(gate, permit.principal())?;
    limit_seated(gate, permit, seat)
}

/// A place that was taken before it was known what of: for messages that have to be read to learn that.
pub(crate) struct Seat(Place);

/// Takes one of the principal's places.
///
/// # Errors
/// 429 if all are taken.
pub(crate) fn seat(gate: &Gate, principal: &Principal) -> Result<Seat, Rejection> {
    gate.limiter.places.take(principal.id()).map(Seat)
}

/// A message that is opened before it is known what it asks. It counts as opened in vain, unless the limit admits what was
/// in it.
pub(crate) struct Opening {
    bucket: Arc<Bucket>,
    clock: Arc<dyn Clock>,
    in_vain: bool,
}

/// Leave to open a message of this principal's.
///
/// # Errors
/// 429 with the time to wait, if too many were opened in vain: reading and unpacking them is work that no limit of a model
/// charges for.
pub(crate) fn opening(gate: &Gate, principal: &Principal) -> Result<Opening, Rejection> {
    let now = gate.now();
    let bucket = gate.limiter.bucket(Use::Openings(principal.id().clone()), now)?;
    bucket.admits(1, OPENINGS_IN_VAIN_PER_MINUTE, now).map_err(|exceeded| Rejection {
        retry_after: exceeded.retry_after,
        ..Rejection::new(Code::RateLimited)
    })?;
    Ok(Opening { bucket, clock: Arc::clone(&gate.clock), in_vain: true })
}

impl Opening {
    /// What was in the message was admitted: its own limit charges for it.
    pub(crate) fn admitted(mut self) {
        self.in_vain = false;
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if self.in_vain {
            // One beyond the quota leaves no trace, as everywhere.
            let _ = self.bucket.charge(1, OPENINGS_IN_VAIN_PER_MINUTE, self.clock.now());
        }
    }
}

/// As [`limit`], for a principal that has its place already.
///
/// # Errors
/// 429 with the time to wait.
pub(crate) fn limit_seated(gate: &Gate, permit: Permit, seat: Seat) -> Result<Admission, Rejection> {
    let principal = permit.principal();
    let model = &permit.model().contract().model;
    let place = Arc::new(seat.0);
    let bucket = gate.limiter.bucket(Use::Model(principal.id().clone(), model.clone()), gate.now())?;
    let limit = Limit { bucket, per_minute: per_minute(principal), clock: Arc::clone(&gate.clock) };
    let standing = limit.charge(1)?;
    Ok(Admission { permit, standing, limit, place })
}

/// Charges one administrative request to the principal.
///
/// # Errors
/// 429 with the time to wait.
pub(crate) fn limit_deed(gate: &Gate, principal: &Principal) -> Result<(), Rejection> {
    let now = gate.now();
    let id = principal.id().clone();
    let (of, per_minute) = match principal.url() {
        Some(_) => (Use::Redemptions(id), REDEMPTIONS_PER_MINUTE),
        None => (Use::Deeds(id), DEEDS_PER_MINUTE),
    };
    let bucket = gate.limiter.bucket(of, now)?;
    bucket.charge(1, per_minute, now).map_err(exceeded)?;
    Ok(())
}

/// A consumer's own limit, or everybody's.
fn per_minute(principal: &Principal) -> u32 {
    let snapshot = principal.snapshot();
    match principal.id() {
        // A consumer that is gone has nothing left to use.
        PrincipalId::Consumer(id) => {
            snapshot.directory.consumers.get(id).map_or(0, |consumer| consumer.rate_per_minute)
        }
        PrincipalId::User(_) | PrincipalId::Component(_) => snapshot.settings.rate_per_minute,
    }
}

/// 429, with how the limit stands and when it would fit.
fn exceeded(Exceeded { standing, retry_after }: Exceeded) -> Rejection {
    Rejection { standing: Some(standing), retry_after, ..Rejection::new(Code::RateLimited) }
}

#[cfg(test)]
mod tests;
