//! Failures before authentication, by address: who guesses too often learns only to wait.
//!
//! Only failures count, so a busy client is never slowed by this, and a key that holds is let in however often others
//! at its address have failed. A failure beyond the quota is not counted, so an address gets its next attempt when its
//! quota has drained, not when it has been silent.

use std::net::{IpAddr, Ipv6Addr};

use mantlet_types::{Code, Rejection, Timestamp, limits::FAILING_ADDRESSES_MAX};

use super::buckets::{Buckets, WhenFull};
use crate::{
    Gate,
    identity::{Arrival, Channel},
};

/// Failures of all addresses.
pub(super) struct Failures(Buckets<IpAddr>);

impl Failures {
    pub(super) fn new() -> Self {
        Self(Buckets::new(FAILING_ADDRESSES_MAX, WhenFull::Forget))
    }

    fn count(&self, ip: IpAddr, per_minute: u32, now: Timestamp) -> Result<(), Rejection> {
        let Some(bucket) = self.0.bucket(origin(ip), now) else { return Ok(()) };
        match bucket.charge(1, per_minute, now) {
            Ok(_) => Ok(()),
            // No standing: how often others at this address have failed is not this caller's business.
            Err(exceeded) => {
                Err(Rejection { retry_after: exceeded.retry_after, ..Rejection::new(Code::RateLimited) })
            }
        }
    }
}

/// Counts a failure against its address.
///
/// # Errors
/// 429 with the time to wait, and nothing counted, if there are too many already.
pub(crate) fn count_failure(gate: &Gate, arrival: &Arrival) -> Result<(), Rejection> {
    if is_local(arrival) {
        return Ok(());
    }
    let per_minute = gate.snapshot().settings.failures_per_minute;
    gate.limiter.failures.count(arrival.ip, per_minute, gate.now())
}

/// Whoever is at the control socket owns the home already; strangers on loopback must not be able to lock them out.
fn is_local(arrival: &Arrival) -> bool {
    arrival.channel == Channel::Control
}

/// Whom an address stands for: itself, or for IPv6 the /64 that one subscriber commands (RFC 6177).
#[must_use]
pub fn origin(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests;
