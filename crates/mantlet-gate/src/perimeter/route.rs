//! The limit of a route: prompts of one principal on it.

use std::sync::Arc;

use mantlet_types::{Rejection, quota::Standing};

use super::{Limit, Place, Seat, Use, per_minute};
use crate::{Gate, policy::RoutePermit};

/// Leave to send a prompt on a route: the proof that the limit was asked.
pub(crate) struct RouteAdmission {
    permit: RoutePermit,
    standing: Standing,
    // Shared with what is under way: an answer that is still coming keeps occupying the node on its principal's account.
    place: Arc<Place>,
}

impl RouteAdmission {
    /// The permit.
    pub(crate) fn permit(&self) -> &RoutePermit {
        &self.permit
    }

    /// How the limit stands.
    pub(crate) fn standing(&self) -> Standing {
        self.standing
    }

    /// The place that this takes among the principal's own.
    pub(crate) fn place(&self) -> &Arc<Place> {
        &self.place
    }
}

/// Charges one prompt.
///
/// # Errors
/// 429 with the time to wait.
pub(crate) fn limit_route(gate: &Gate, permit: RoutePermit, seat: Seat) -> Result<RouteAdmission, Rejection> {
    let principal = permit.principal();
    let of = Use::Route(principal.id().clone(), permit.route().name.clone());
    let bucket = gate.limiter.bucket(of, gate.now())?;
    let limit = Limit { bucket, per_minute: per_minute(principal), clock: Arc::clone(&gate.clock) };
    let standing = limit.charge(1)?;
    Ok(RouteAdmission { permit, standing, place: Arc::new(seat.0) })
}
