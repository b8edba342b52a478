//! Keeping secrets for a while.
//!
//! A value is believed for its time (`ttl`). Whoever asks after that fetches it, one for all who ask meanwhile. While it cannot
//! be fetched, the old value is given out a little longer (`stale`), and then none: a secret that was taken back must end,
//! also for those who cannot hear of it. An upstream that refuses a value has it fetched at once, once for each value.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use mantlet_types::Secret;
use tokio::sync::Mutex as Turn;

use crate::{Fault, Provider, SecretError, SecretRef};

/// A provider that takes longer is as good as one that is away.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// How long whoever asks is told of a failure before it is tried again, so that an outage is not made worse.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The longest that a value may be believed.
const TTL_MAX: Duration = Duration::from_secs(3600);

/// For how long values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    ttl: Duration,
    stale: Duration,
    fetch_timeout: Duration,
}

impl Default for Keeping {
    /// Five minutes, and as long again while the provider is away.
    fn default() -> Self {
        let ttl = Duration::from_secs(300);
        Self { ttl, stale: ttl, fetch_timeout: FETCH_TIMEOUT }
    }
}

impl Keeping {
    /// Values are believed for so many seconds, 0 to 3600, and as long again while they cannot be fetched.
    #[must_use]
    pub fn seconds(ttl: u32) -> Option<Self> {
        let ttl = Duration::from_secs(ttl.into());
        (ttl <= TTL_MAX).then_some(Self { ttl, stale: ttl, fetch_timeout: FETCH_TIMEOUT })
    }
}

/// Secrets as they were fetched.
pub struct Secrets<P> {
    provider: P,
    keeping: Keeping,
    slots: Mutex<HashMap<SecretRef, Arc<Slot>>>,
    now: fn() -> Instant,
}

/// What is known of one secret. Whoever has the turn may fetch it.
#[derive(Default)]
struct Slot {
    turn: Turn<()>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    value: Option<(Arc<Secret>, Instant)>,
    failed: Option<(Fault, Instant)>,
    /// How often it was fetched, successfully or not: tells whoever waited that somebody else has done it.
    fetched: u64,
    /// The value that was refused last, for which it was fetched again.
    refused: Option<Arc<Secret>>,
}

/// What can be said without fetching.
enum Answer {
    Fresh(Arc<Secret>),
    Failed(Fault),
    Fetch,
}

impl<P: Provider> Secrets<P> {
    /// Keeps what this provider fetches.
    pub fn new(provider: P, keeping: Keeping) -> Self {
        Self { provider, keeping, slots: Mutex::default(), now: Instant::now }
    }

    /// A secret's value. References come from a configuration, so there are as many as it has.
    ///
    /// # Errors
    /// If it cannot be had, and what was had before is too old.
    pub async fn get(&self, reference: &SecretRef) -> Result<Arc<Secret>, SecretError> {
        self.value(reference).await.map_err(|fault| SecretError { reference: reference.clone(), fault })
    }

    /// The value to try instead of one that was refused: none if it has not changed. It is fetched once for each value that is
    /// refused, whoever it was refused to.
    ///
    /// # Errors
    /// If it cannot be had.
    pub async fn after_refusal(
        &self,
        reference: &SecretRef,
        refused: &Arc<Secret>,
    ) -> Result<Option<Arc<Secret>>, SecretError> {
        let at = |fault| SecretError { reference: reference.clone(), fault };
        if self.provider.is_at_hand(reference) {
            let now = self.value(reference).await.map_err(at)?;
            return Ok(Some(now).filter(|now| !now.is(refused)));
        }
        let slot = self.slot(reference);
        let _turn = slot.turn.lock().await;
        let (other, again) = {
            let mut known = slot.known();
            let other =
                known.value.as_ref().map(|(value, _)| Arc::clone(value)).filter(|value| !value.is(refused));
            let again = known.refused.as_ref().is_some_and(|before| before.is(refused));
            known.refused = Some(Arc::clone(refused));
            (other, again)
        };
        match other {
            Some(other) => Ok(Some(other)),
            None if again => Ok(None),
            None => {
                let fetched = self.fetch(&slot, reference).await.map_err(at)?;
                Ok(Some(fetched).filter(|value| !value.is(refused)))
            }
        }
    }

    async fn value(&self, reference: &SecretRef) -> Result<Arc<Secret>, Fault> {
        if self.provider.is_at_hand(reference) {
            return self.provider.fetch(reference).await;
        }
        let slot = self.slot(reference);
        let seen = {
            let known = slot.known();
            match self.answer(&known) {
                Answer::Fresh(value) => return Ok(value),
                Answer::Failed(fault) => return self.stale(&known).ok_or(fault),
                Answer::Fetch => known.fetched,
            }
        };
        let _turn = slot.turn.lock().await;
        {
            let known = slot.known();
            // Somebody has fetched it meanwhile: what came of that is ours too, also where nothing is kept.
            if known.fetched != seen {
                return match (&known.failed, &known.value) {
                    (Some((fault, _)), _) => self.stale(&known).ok_or_else(|| fault.clone()),
                    (None, Some((value, _))) => Ok(Arc::clone(value)),
                    (None, None) => Err(Fault::Missing),
                };
            }
        }
        match self.fetch(&slot, reference).await {
            Ok(value) => Ok(value),
            Err(fault) => self.stale(&slot.known()).ok_or(fault),
        }
    }

    /// Fetches and remembers what came of it. Only whoever has the turn calls this.
    async fn fetch(&self, slot: &Slot, reference: &SecretRef) -> Result<Arc<Secret>, Fault> {
        let fetching = tokio::time::timeout(self.keeping.fetch_timeout, self.provider.fetch(reference));
        let fetched = fetching.await.unwrap_or(Err(Fault::Slow));
        let mut known = slot.known();
        known.fetched = known.fetched.wrapping_add(1);
        match fetched {
            Ok(value) => {
                known.failed = None;
                known.value = Some((Arc::clone(&value), (self.now)()));
                Ok(value)
            }
            Err(fault) => {
                tracing::warn!(secret = %reference, %fault, "a secret cannot be fetched");
                known.failed = Some((fault.clone(), (self.now)()));
                if self.stale(&known).is_none() {
                    // Nobody gets it any more, so it need not stay in memory.
                    known.value = None;
                }
                Err(fault)
            }
        }
    }

    fn answer(&self, known: &Known) -> Answer {
        if let Some((value, since)) = &known.value
            && self.since(*since) < self.keeping.ttl
        {
            return Answer::Fresh(Arc::clone(value));
        }
        match &known.failed {
            Some((fault, since)) if self.since(*since) < RETRY_AFTER => Answer::Failed(fault.clone()),
            _ => Answer::Fetch,
        }
    }

    /// The value that was had before, as long as it may be used without having been fetched again.
    fn stale(&self, known: &Known) -> Option<Arc<Secret>> {
        let (value, since) = known.value.as_ref()?;
        (self.since(*since) < self.keeping.ttl + self.keeping.stale).then(|| Arc::clone(value))
    }

    fn since(&self, moment: Instant) -> Duration {
        (self.now)().saturating_duration_since(moment)
    }

    fn slot(&self, reference: &SecretRef) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(reference.clone()).or_default())
    }
}

impl Slot {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        // A panic leaves whole values behind: each is written by one assignment.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
