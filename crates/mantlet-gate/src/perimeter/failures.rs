//! Failures before authentication, by address: who guesses too often is turned away unheard.
//!
//! Only failures count, so a busy client is never slowed by this; and a request that is turned away is none, so an
//! address gets its next attempt when its quota has drained, not when it has been silent.

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

    fn count(&self, ip: IpAddr, per_minute: u32, now: Timestamp) {
        if let Some(bucket) = self.0.bucket(origin(ip), now) {
            // Requests that were heard side by side may fail beyond the quota; what matters is that it is used up.
            let _ = bucket.charge(1, per_minute, now);
        }
    }

    /// What is allowed is only looked up for an address that has failed: for all others this is one look.
    fn admit(&self, ip: IpAddr, allowed: impl FnOnce() -> (u32, Timestamp)) -> Result<(), Rejection> {
        let Some(bucket) = self.0.find(&origin(ip)) else { return Ok(()) };
        let (per_minute, now) = allowed();
        match bucket.probe(1, per_minute, now) {
            Ok(_) => Ok(()),
            // No standing: how often others at this address have failed is not this caller's business.
            Err(exceeded) => {
                Err(Rejection { retry_after: exceeded.retry_after, ..Rejection::new(Code::RateLimited) })
            }
        }
    }
}

/// Turns away an address with too many failures, before any work is done for it.
///
/// # Errors
/// 429 with the time to wait.
pub(crate) fn hear(gate: &Gate, arrival: &Arrival) -> Result<(), Rejection> {
    if is_local(arrival) {
        return Ok(());
    }
    let allowed = || (gate.snapshot().settings.failures_per_minute, gate.now());
    gate.limiter.failures.admit(arrival.ip, allowed)
}

/// Counts a failure against its address.
pub(crate) fn count_failure(gate: &Gate, arrival: &Arrival) {
    if !is_local(arrival) {
        let per_minute = gate.snapshot().settings.failures_per_minute;
        gate.limiter.failures.count(arrival.ip, per_minute, gate.now());
    }
}

/// Whoever is at the control socket owns the home already; strangers on loopback must not be able to lock them out.
fn is_local(arrival: &Arrival) -> bool {
    arrival.channel == Channel::Control
}

/// Whom an address stands for: itself, or for IPv6 the /64 that one subscriber commands (RFC 6177).
fn origin(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests;
