//! Credentials become a [`Principal`], or the request ends.

use mantlet_types::{Code, Rejection};

use super::{Arrival, Principal};
use crate::{Gate, record::Record};

/// Establishes who asks.
///
/// # Errors
/// 401 for whatever does not hold; the caller does not learn which.
pub(crate) fn authenticate(
    gate: &Gate,
    arrival: Arrival,
    record: &mut Record,
) -> Result<Principal, Rejection> {
    let _ = (gate, arrival, record);
    Err(Code::Unauthenticated.into())
}

/// The same principal against the newest snapshot, if it still holds there.
///
/// # Errors
/// 401 if a change since has ended the credential.
pub(crate) fn renew(gate: &Gate, principal: Principal) -> Result<Principal, Rejection> {
    let _ = gate;
    Ok(principal)
}
