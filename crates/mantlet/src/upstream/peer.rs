//! One upstream: its connections, who may use them at a time, and when nobody asks it any more.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use mantlet_gate::ports::EngineFault;
use mantlet_types::UpstreamName;
use tokio::sync::Semaphore;

use super::{
    breaker::{Breaker, State},
    counts::{Counts, End, Figures},
    files::Files,
};
use crate::{
    config,
    egress::{Destination, EgressError, Options, Outbound, Reply, Roots},
};

/// When it makes sense to come back to an upstream that too many are asking: most answers take less.
const FULL_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Before asking once more: long enough for a balancer to notice, short enough not to be noticed.
const RETRY_PAUSE: Duration = Duration::from_millis(25);

/// Of so many calls one may be asked once more, so that tries do not multiply what fails.
const CALLS_PER_RETRY: u32 = 10;

/// Tries that may be saved up, in calls: ten tries.
const SAVED_MAX: u32 = 10 * CALLS_PER_RETRY;

/// A server elsewhere, in use.
pub(super) struct Peer {
    name: UpstreamName,
    settings: config::Upstream,
    patience: Duration,
    files: Files,
    outbound: Outbound,
    breaker: Arc<Breaker>,
    places: Arc<Semaphore>,
    budget: Budget,
    pub(super) counts: Counts,
}

/// What retries may be made of: each call pays in, each retry takes out.
#[derive(Debug)]
struct Budget(AtomicU32);

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicU32::new(SAVED_MAX))
    }
}

impl Budget {
    fn pay_in(&self) {
        let _ = self.0.fetch_update(Relaxed, Relaxed, |saved| Some((saved + 1).min(SAVED_MAX)));
    }

    fn take_out(&self) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |saved| saved.checked_sub(CALLS_PER_RETRY)).is_ok()
    }
}

impl Peer {
    /// Takes an upstream into use. `patience` is how long an answer may take before it is a failure of the model there.
    ///
    /// # Errors
    /// If a file cannot be read or its certificates not be used; for an operator.
    pub(super) fn new(
        name: &UpstreamName,
        settings: &config::Upstream,
        patience: Duration,
        files: Files,
    ) -> Result<Self, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("upstream `{name}`: {error}");
        let destination = Destination::parse(&settings.url).map_err(|error| wrong(&error))?;
        let options = Options {
            roots: files.ca.clone().map_or(Roots::System, Roots::Pem),
            identity: files.identity().map_err(|error| wrong(&error))?,
            networks: settings.networks.clone(),
            // The configuration has been asked whether it may.
            plaintext: true,
            connect_timeout: settings.connect_timeout,
            reply_timeout: settings.timeout,
            reply_bytes_max: settings.reply_bytes_max,
            idle_connections: settings.concurrent_max.min(64),
        };
        let outbound = Outbound::new(destination, options).map_err(|error| wrong(&error))?;
        Ok(Self {
            name: name.clone(),
            settings: settings.clone(),
            patience,
            files,
            outbound,
            breaker: Arc::default(),
            places: Arc::new(Semaphore::new(settings.concurrent_max)),
            budget: Budget::default(),
            counts: Counts::default(),
        })
    }

    /// Whether it is this one, as patiently waited for, with these files.
    pub(super) fn is(&self, settings: &config::Upstream, patience: Duration, files: &Files) -> bool {
        self.settings == *settings && self.patience == patience && self.files == *files
    }

    pub(super) fn name(&self) -> &UpstreamName {
        &self.name
    }

    pub(super) fn settings(&self) -> &config::Upstream {
        &self.settings
    }

    pub(super) fn state(&self) -> State {
        self.breaker.state()
    }

    pub(super) fn figures(&self) -> Figures {
        let under_way = self.settings.concurrent_max.saturating_sub(self.places.available_permits());
        self.counts.figures(self.name.clone(), self.breaker.state(), under_way)
    }

    /// Asks for a model, unless too many are being asked or nobody is let through; asks again only where nothing can have
    /// arrived.
    ///
    /// Two breakers count. That nobody can be spoken to is the upstream's failure. That there is no answer in time, or that it
    /// says that it cannot, is the model's alone: of another one that is not ready there, or slow, nobody else has less.
    ///
    /// # Errors
    /// Why there is no answer; the cause is for the log.
    pub(super) async fn call(
        &self,
        model: &Arc<Breaker>,
        method: &Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Reply, EngineFault> {
        let Ok(_place) = self.places.try_acquire() else {
            self.counts.ended(End::Full);
            let why = format!("upstream `{}` is asked by as many as may ask it", self.name);
            return Err(EngineFault::Busy { why, retry_after: FULL_RETRY_AFTER });
        };
        self.budget.pay_in();
        let mut tries_left = self.settings.retries;
        loop {
            let began = Instant::now();
            let open = |retry_after| {
                self.counts.ended(End::Open);
                EngineFault::Busy {
                    why: format!("upstream `{}` has failed too often", self.name),
                    retry_after,
                }
            };
            let asked = model.admit(began, Some(self.patience)).map_err(open)?;
            // Whether it can be spoken to is known by the first word; whoever gives up before says nothing of it.
            let reached = self.breaker.admit(began, None).map_err(open)?;
            let sent = self.outbound.send(method.clone(), path, headers.clone(), body.clone()).await;
            self.counts.took(began.elapsed());
            match sent {
                Ok(reply) if is_down(reply.status) => {
                    reached.answered();
                    asked.failed();
                    self.counts.ended(End::Failed);
                    return Err(self.broken(&format!("it answers {}", reply.status.as_u16())));
                }
                Ok(reply) => {
                    reached.answered();
                    asked.answered();
                    self.counts.ended(End::Answered);
                    return Ok(reply);
                }
                Err(error) => {
                    match error {
                        // A reply that is too large was one: what somebody asks for must not close the way for others.
                        EgressError::TooLarge(_) => {
                            reached.answered();
                            asked.answered();
                        }
                        EgressError::Timeout => {
                            reached.answered();
                            asked.failed();
                        }
                        _ => {
                            reached.failed();
                            asked.undecided();
                        }
                    }
                    self.counts.ended(End::Failed);
                    if error.sent() || tries_left == 0 || !self.budget.take_out() {
                        return Err(self.broken(&error));
                    }
                }
            }
            tries_left -= 1;
            self.counts.ended(End::Retried);
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    /// Asks for something small, past the breaker and the places: how else should one find out that it is back?
    pub(super) async fn look(&self, path: &str) -> Result<Reply, String> {
        let sent = self.outbound.send(Method::GET, path, HeaderMap::new(), Bytes::new()).await;
        sent.map_err(|error| error.to_string())
    }

    /// An answer that does not hold, for the log.
    pub(super) fn broken(&self, why: &dyn std::fmt::Display) -> EngineFault {
        EngineFault::Broken(format!("upstream `{}`: {why}", self.name))
    }
}

/// Statuses by which a server, or a proxy before it, says that it cannot answer anybody now.
fn is_down(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_the_calls_may_be_repeated() {
        let budget = Budget::default();
        let saved = (0..1_000).filter(|_| budget.take_out()).count();
        assert_eq!(saved, 10);
        let mut repeated = 0;
        for _ in 0..1_000 {
            budget.pay_in();
            repeated += usize::from(budget.take_out());
        }
        assert_eq!(repeated, 100);
    }
}
