//! The bounded queue between whoever has something to record and the one writer.
//!
//! Putting an entry in never blocks beyond a short lock. The writer takes everything at once and is woken only when
//! it sleeps, so under load a waiting entry costs no system call.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mantlet_types::{Entry, limits::LEDGER_QUEUE_MAX};
use tokio::sync::oneshot;

use crate::log::{AppendError, Receipt, SealReason};

/// What an appender waits for.
pub(crate) type Reply = oneshot::Sender<Result<Receipt, AppendError>>;

/// An entry on its way to the writer.
pub(crate) struct Job {
    pub(crate) entry: Entry,
    /// Absent where nobody waits.
    pub(crate) reply: Option<Reply>,
}

/// What the writer is told besides entries.
#[derive(Default)]
pub(crate) struct Orders {
    /// Seal the log.
    pub(crate) seal: Option<SealReason>,
    /// Publish everything durable, then answer.
    pub(crate) flush: Vec<oneshot::Sender<u64>>,
    /// Record what is queued, publish it and stop.
    pub(crate) close: bool,
}

impl Orders {
    pub(crate) fn is_empty(&self) -> bool {
        self.seal.is_none() && self.flush.is_empty() && !self.close
    }
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    orders: Orders,
    /// Why nothing is taken any more.
    refusal: Option<AppendError>,
    asleep: bool,
}

/// The queue.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in this file panics while it holds the lock, so a poisoned state is still a whole one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let asleep = std::mem::replace(&mut state.asleep, false);
        drop(state);
        if asleep {
            self.wake.notify_one();
        }
    }

    /// Puts an entry in, or says why not.
    pub(crate) fn push(&self, job: Job) -> Result<(), AppendError> {
        let mut state = self.state();
        if let Some(refusal) = state.refusal {
            return Err(refusal);
        }
        if state.jobs.len() >= LEDGER_QUEUE_MAX {
            return Err(AppendError::QueueFull);
        }
        state.jobs.push_back(job);
        self.wake(state);
        Ok(())
    }

    /// Tells the writer something.
    pub(crate) fn order(&self, give: impl FnOnce(&mut Orders)) {
        let mut state = self.state();
        give(&mut state.orders);
        self.wake(state);
    }

    /// From now on nothing is taken (or everything again); what waited is handed back to be answered.
    pub(crate) fn refuse(&self, refusal: Option<AppendError>) -> VecDeque<Job> {
        let mut state = self.state();
        // INVARIANT (sealed-stays): no later state may open a sealed or closed log again.
        if !state.refusal.is_some_and(AppendError::is_final) {
            state.refusal = refusal;
        }
        if state.refusal.is_some() { std::mem::take(&mut state.jobs) } else { VecDeque::new() }
    }

    /// Why nothing is taken, if so.
    pub(crate) fn refusal(&self) -> Option<AppendError> {
        self.state().refusal
    }

    /// Entries that wait.
    pub(crate) fn len(&self) -> usize {
        self.state().jobs.len()
    }

    /// Takes what is there, sleeping for at most so long until something is.
    pub(crate) fn take(&self, timeout: Duration, jobs: &mut VecDeque<Job>) -> Orders {
        let mut state = self.state();
        if state.jobs.is_empty() && state.orders.is_empty() && !timeout.is_zero() {
            state.asleep = true;
            let waited = self
                .wake
                .wait_timeout_while(state, timeout, |state| state.jobs.is_empty() && state.orders.is_empty());
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            state.asleep = false;
        }
        // The two buffers change places, so neither is allocated again.
        std::mem::swap(&mut state.jobs, jobs);
        std::mem::take(&mut state.orders)
    }

    /// Adds what has come since to what was taken.
    pub(crate) fn add(&self, jobs: &mut VecDeque<Job>) -> Orders {
        let mut state = self.state();
        jobs.append(&mut state.jobs);
        std::mem::take(&mut state.orders)
    }
}

/// Tells everybody who waits for one of these what became of it.
pub(crate) fn answer(jobs: impl IntoIterator<Item = Job>, error: AppendError) {
    for reply in jobs.into_iter().filter_map(|job| job.reply) {
        let _ = reply.send(Err(error));
    }
}
