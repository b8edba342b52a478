//! The publisher's thread, and how the writer hands over to it.
//!
//! Checkpoints are signed once a second at most, so the writer only lays durable frames down here and wakes nobody:
//! the publisher sleeps until it is time, until much lies there, or until somebody asks for a checkpoint now.

use std::{
    io,
    sync::{Condvar, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::{
    frame,
    log::{AppendError, Progress, SealReason},
    publish::Publisher,
    queue::{Queue, answer},
};

/// From an entry's durability to the checkpoint over it, at most a second with the publishing itself.
const PUBLISH_AFTER: Duration = Duration::from_millis(800);

/// Taken up before it is time, to keep what lies in memory small.
const LOTS_BYTES: usize = 1 << 20;

/// With more than this lying there the writer waits for the publisher, and the queue fills.
const BEHIND_BYTES_MAX: usize = 16 << 20;

/// What the publisher is to do.
#[derive(Default)]
struct Work {
    /// Durable frames.
    frames: Vec<u8>,
    /// The index after the last of them.
    end: u64,
    /// Who waits for a checkpoint over all of them.
    flush: Vec<oneshot::Sender<u64>>,
    /// Nothing more comes.
    ended: bool,
    /// Nobody takes anything any more.
    gone: bool,
}

/// Where the writer lays down what is durable.
#[derive(Default)]
pub(crate) struct Handover {
    work: Mutex<Work>,
    more: Condvar,
    less: Condvar,
}

impl Handover {
    fn work(&self) -> MutexGuard<'_, Work> {
        // Nothing in this file panics while it holds the lock, so a poisoned state is still a whole one.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lays down durable frames; `end` is the index after the last of them. A publisher that is gone has sealed the
    /// log, so that what it does not take was never acknowledged as published.
    pub(crate) fn give(&self, frames: &[u8], end: u64) {
        let far_behind = |work: &mut Work| work.frames.len() > BEHIND_BYTES_MAX && !work.gone;
        let mut work = self.less.wait_while(self.work(), far_behind).unwrap_or_else(PoisonError::into_inner);
        if work.gone {
            return;
        }
        let before = work.frames.len();
        work.frames.extend_from_slice(frames);
        work.end = end;
        let wake = before == 0 || before < LOTS_BYTES && work.frames.len() >= LOTS_BYTES;
        drop(work);
        if wake {
            self.more.notify_one();
        }
    }

    /// Asks for a checkpoint now. Those who wait for a publisher that is gone learn that by the sender's end.
    pub(crate) fn flush(&self, waiting: Vec<oneshot::Sender<u64>>) {
        let mut work = self.work();
        if !work.gone {
            work.flush.extend(waiting);
        }
        drop(work);
        self.more.notify_one();
    }

    /// Nothing more comes.
    pub(crate) fn end(&self) {
        self.work().ended = true;
        self.more.notify_one();
    }

    /// Sleeps until there is something to do at once, or it is time; takes what is there.
    fn take(&self, due: Option<Instant>) -> Work {
        let idle = |work: &mut Work| {
            let fresh = due.is_none() && !work.frames.is_empty();
            !fresh && work.frames.len() < LOTS_BYTES && work.flush.is_empty() && !work.ended
        };
        let mut work = match due {
            Some(due) => {
                let patience = due.saturating_duration_since(Instant::now());
                let waited = self.more.wait_timeout_while(self.work(), patience, idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.more.wait_while(self.work(), idle).unwrap_or_else(PoisonError::into_inner),
        };
        let (ended, end) = (work.ended, work.end);
        let taken = std::mem::replace(&mut *work, Work { ended, end, ..Work::default() });
        drop(work);
        self.less.notify_one();
        taken
    }

    fn leave(&self) {
        let mut work = self.work();
        *work = Work { gone: true, ..Work::default() };
        drop(work);
        self.less.notify_one();
    }
}

/// However the publisher's thread ends, the writer must not wait for it, and a log that nobody publishes is sealed.
struct Leaving<'a>(&'a Handover, &'a Queue);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.leave();
        if std::thread::panicking() {
            let sealed = AppendError::Sealed(SealReason::Publish);
            answer(self.1.refuse(Some(sealed)), sealed);
        }
    }
}

/// The publisher's thread: ends when the writer is gone, with everything handed over published.
pub(crate) fn run(mut publisher: Publisher, handover: &Handover, queue: &Queue, progress: &Progress) {
    let _leaving = Leaving(handover, queue);
    let mut due = publisher.is_behind().then(Instant::now);
    loop {
        let Work { frames, end, flush, ended, .. } = handover.take(due);
        let mut result = Ok(());
        if !frames.is_empty() {
            due.get_or_insert_with(|| Instant::now() + PUBLISH_AFTER);
            result = take_up(&mut publisher, &frames, end);
        }
        let now = ended || !flush.is_empty() || due.is_some_and(|due| due <= Instant::now());
        if result.is_ok() && now {
            due = None;
            if publisher.is_behind() {
                result = publish_once(&mut publisher, progress);
            }
        }
        if let Err(error) = result {
            let sealed = AppendError::Sealed(SealReason::Publish);
            tracing::error!(%error, "the audit log is sealed: its tiles cannot be published");
            answer(queue.refuse(Some(sealed)), sealed);
            return;
        }
        for done in flush {
            let _ = done.send(progress.published.load(Relaxed));
        }
        if ended {
            return;
        }
    }
}

/// Adds frames to the tree; what is not exactly the next entries must never be signed.
fn take_up(publisher: &mut Publisher, frames: &[u8], end: u64) -> io::Result<()> {
    for frame in frame::frames(frames) {
        if frame.index != publisher.size() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        publisher.push(frame.entry)?;
    }
    if publisher.size() == end { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

fn publish_once(publisher: &mut Publisher, progress: &Progress) -> io::Result<()> {
    let published = publisher.publish()?;
    progress.published.store(published.checkpoint.size, Relaxed);
    match published.anchor_error {
        Some(error) => {
            // The log itself is whole; health says that its anchor lags, and readiness follows the configuration.
            let failures = progress.anchor_failures.fetch_add(1, Relaxed) + 1;
            tracing::error!(%error, failures, "an audit anchor was not written");
        }
        None => progress.anchor_failures.store(0, Relaxed),
    }
    Ok(())
}
