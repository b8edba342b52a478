//! How much of the node one principal occupies at a time.
//!
//! A limit per minute bounds the work that is asked for, not how much of it is under way at once. So each principal has
//! so many places for questions, and a share of the pool: what exceeds the share waits in the principal's own queue,
//! not in everybody's, so that others are never behind more than a share of somebody else's work.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mantlet_types::{Code, PrincipalId, Rejection, limits::CONCURRENT_MAX};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// When it makes sense to try again: most answers take less.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// One principal's share of what runs elsewhere, in parts so fine that a part of it for each of some thousand questions
/// leaves less than another one's over.
const WHOLE_SHARE: u32 = 1 << 24;

/// The places of all principals. Whoever has nothing under way is not in it.
pub(crate) struct Places {
    taken: Mutex<HashMap<PrincipalId, Taken>>,
    share: usize,
}

struct Taken {
    places: usize,
    pool: Arc<Semaphore>,
    elsewhere: Arc<Semaphore>,
}

/// A place, given back when it is dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    principal: PrincipalId,
    pool: Arc<Semaphore>,
    elsewhere: Arc<Semaphore>,
}

impl Places {
    /// Nobody is here yet; each may use so many places of the pool.
    pub(crate) fn new(share: usize) -> Arc<Self> {
        Arc::new(Self { taken: Mutex::default(), share })
    }

    /// A place for one question.
    ///
    /// # Errors
    /// 429 if the principal has taken all of its own.
    pub(crate) fn take(self: &Arc<Self>, principal: &PrincipalId) -> Result<Place, Rejection> {
        let mut taken = self.lock();
        let own = taken.entry(principal.clone()).or_insert_with(|| Taken {
            places: 0,
            pool: Arc::new(Semaphore::new(self.share)),
            elsewhere: Arc::new(Semaphore::new(WHOLE_SHARE as usize)),
        });
        if own.places >= CONCURRENT_MAX {
            let detail = "too many requests at a time";
            return Err(Rejection::new(Code::RateLimited).detailed(detail).retry_after(RETRY_AFTER));
        }
        own.places += 1;
        Ok(Place {
            places: Arc::clone(self),
            principal: principal.clone(),
            pool: Arc::clone(&own.pool),
            elsewhere: Arc::clone(&own.elsewhere),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PrincipalId, Taken>> {
        // Counts change in one step each, so a panic elsewhere cannot have left half of one.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The principal's share of the pool.
    pub(crate) fn pool(&self) -> &Arc<Semaphore> {
        &self.pool
    }

    /// Waits in the principal's own queue for its turn with a model elsewhere that takes so many questions at a time.
    /// Half of them and one may be one principal's, so that no single caller has all of what runs elsewhere; who asks
    /// several models there has that share in all.
    pub(crate) async fn turn(&self, concurrent_max: usize) -> Option<OwnedSemaphorePermit> {
        let share = u32::try_from(concurrent_max / 2 + 1).unwrap_or(WHOLE_SHARE);
        Arc::clone(&self.elsewhere).acquire_many_owned(WHOLE_SHARE / share).await.ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        if let Some(own) = taken.get_mut(&self.principal) {
            own.places -= 1;
            if own.places == 0 {
                taken.remove(&self.principal);
            }
        }
    }
}

#[cfg(test)]
mod tests;
