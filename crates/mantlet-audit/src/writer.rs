//! The writer: one thread that alone appends to the log, and one behind it that publishes.
//!
//! Group commit: everything that waits is stamped, serialized and written in one piece, synced once, and only then
//! acknowledged. While a sync is under way the next batch gathers, so the batch grows with the load. The publisher
//! has its own thread because a full tile's sync must not stand between an entry and its acknowledgement.

use std::{
    any::Any,
    collections::VecDeque,
    io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    clock::{Clock, Stamps},
    disk::Disk,
    encode,
    flood::Aggregator,
    frame,
    log::{AppendError, Durability, Progress, Receipt, SealReason},
    publishing::{self, Handover},
    queue::{Job, Queue, Reply, answer},
    recover::Recovered,
    wal::Wal,
};
use mantlet_types::{
    Entry, NodeId,
    entry::{Event, Phase, Token},
};

/// Housekeeping: aggregates are flushed and free space is looked at this often.
const TICK: Duration = Duration::from_secs(1);

/// Under `os` durability, between syncs; short enough for the publisher to keep its second.
const OS_SYNC_AFTER: Duration = Duration::from_millis(200);

/// Bytes written in one piece: some two thousand entries, far beyond what gathers in one sync.
const BATCH_BYTES: usize = 1 << 20;

/// Where several wait at a time, the writer lets as many gather as come in this time: less than a sync takes, and each
/// entry that shares one saves a sync, a write and the waking of threads.
const GATHER: Duration = Duration::from_micros(250);

/// Intents looked after for keeping their segments; more than can be under way at once.
const INTENTS_MAX: usize = 4_096;

/// What the writer shares with the handle and what it is told to do.
pub(crate) struct Writer {
    pub(crate) queue: Arc<Queue>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) flood: Arc<Aggregator>,
    pub(crate) node: NodeId,
    pub(crate) durability: Durability,
    pub(crate) free_bytes_min: u64,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dir: PathBuf,
}

/// Starts both threads; the returned one ends when the log is closed, the publisher before it.
pub(crate) fn start(
    writer: Writer,
    recovered: Recovered,
    lock: Box<dyn Any + Send>,
) -> io::Result<JoinHandle<()>> {
    let handover = Arc::new(Handover::default());
    let (queue, progress, taking) =
        (Arc::clone(&writer.queue), Arc::clone(&writer.progress), Arc::clone(&handover));
    let Recovered { wal, publisher, recovery, ts } = recovered;
    let publishing = thread::Builder::new()
        .name("audit-publish".to_owned())
        .spawn(move || publishing::run(publisher, &taking, &queue, &progress))?;
    let intents = recovery.open_intents.iter().map(|intent| intent.idx).collect();
    let stamps = Stamps::new(ts, writer.clock.as_ref());
    thread::Builder::new().name("audit-write".to_owned()).spawn(move || {
        let held = lock;
        let ending = Ending { queue: Arc::clone(&writer.queue), handover: Arc::clone(&handover) };
        let mut thread = WriterThread {
            writer,
            wal,
            stamps,
            handover: Arc::clone(&handover),
            gathering: false,
            unsynced: Vec::new(),
            synced_at: Instant::now(),
            intents,
            replies: Vec::new(),
            frames: Vec::new(),
        };
        thread.run();
        drop(thread);
        drop(ending);
        if publishing.join().is_err() {
            tracing::error!("the audit publisher panicked");
        }
        drop(held);
    })
}

/// However the writer's thread ends, the publisher ends too, and nobody waits for an entry that nobody writes.
struct Ending {
    queue: Arc<Queue>,
    handover: Arc<Handover>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if thread::panicking() {
            let sealed = AppendError::Sealed(SealReason::Disk);
            answer(self.queue.refuse(Some(sealed)), sealed);
        }
        self.handover.end();
    }
}

struct WriterThread {
    writer: Writer,
    wal: Wal,
    stamps: Stamps,
    handover: Arc<Handover>,
    /// Whether the last batch held more than one entry: then others are on their way.
    gathering: bool,
    /// Under `os` durability: frames written and not yet synced.
    unsynced: Vec<u8>,
    synced_at: Instant,
    /// Intents without an outcome so far.
    intents: std::collections::BTreeSet<u64>,
    replies: Vec<(Reply, u64)>,
    /// Where a batch is put together; kept, so that it is allocated once.
    frames: Vec<u8>,
}

impl WriterThread {
    fn run(&mut self) {
        let mut jobs = VecDeque::new();
        let mut ticked = Instant::now();
        loop {
            let mut orders = self.writer.queue.take(self.patience(ticked), &mut jobs);
            if self.gathering && orders.is_empty() && !jobs.is_empty() {
                thread::sleep(GATHER);
                orders = self.writer.queue.add(&mut jobs);
            }
            self.gathering = jobs.len() > 1 && self.writer.durability == Durability::Group;
            let mut result = self.commit_all(&mut jobs);
            if ticked.elapsed() >= TICK || orders.close {
                ticked = Instant::now();
                result = result.and_then(|()| self.tick());
            }
            if result.is_ok() && self.os_sync_due(orders.close || !orders.flush.is_empty()) {
                result = self.sync_os();
            }
            if let Err(error) = result {
                self.seal(SealReason::Disk, &error, jobs.drain(..));
            }
            if let Some(reason) = orders.seal {
                self.seal_in_order(reason);
            }
            if !orders.flush.is_empty() {
                self.handover.flush(orders.flush);
            }
            if orders.close {
                let late = self.writer.queue.refuse(Some(AppendError::Closed));
                answer(late, AppendError::Closed);
                return;
            }
        }
    }

    /// How long to sleep when nothing waits.
    fn patience(&self, ticked: Instant) -> Duration {
        let tick = TICK.saturating_sub(ticked.elapsed());
        let sync = OS_SYNC_AFTER.saturating_sub(self.synced_at.elapsed());
        let patience = if self.unsynced.is_empty() { tick } else { tick.min(sync) };
        // Zero would mean not to look at all.
        patience.max(Duration::from_millis(1))
    }

    /// Records everything taken from the queue, in batches that fit.
    fn commit_all(&mut self, jobs: &mut VecDeque<Job>) -> io::Result<()> {
        if jobs.is_empty() {
            return Ok(());
        }
        if self.stamps.jumped(self.writer.clock.as_ref()) {
            let entry = Entry::new(Event::ClockJump, self.writer.node.clone());
            jobs.push_front(Job { entry, reply: None });
        }
        while !jobs.is_empty() {
            if let Some(refusal) = self.writer.queue.refusal() {
                answer(jobs.drain(..), refusal);
                return Ok(());
            }
            self.commit(jobs)?;
        }
        Ok(())
    }

    /// One batch: stamp, serialize, write, sync, acknowledge.
    fn commit(&mut self, jobs: &mut VecDeque<Job>) -> io::Result<()> {
        let fits = usize::try_from(self.wal.batch_bytes_max()).unwrap_or(usize::MAX).min(BATCH_BYTES);
        let fits = fits - frame::HEADER_BYTES - mantlet_types::limits::ENTRY_BYTES_MAX;
        let (mut frames, mut count) = (std::mem::take(&mut self.frames), 0);
        frames.clear();
        while let Some(mut job) = jobs.pop_front() {
            let index = self.wal.next() + count;
            if self.put(&mut frames, index, &mut job.entry) {
                count += 1;
                self.replies.extend(job.reply.map(|reply| (reply, index)));
            } else if let Some(reply) = job.reply {
                // Whoever waited may be gone; then nobody needs the answer.
                let _ = reply.send(Err(AppendError::TooLong));
            } else {
                tracing::error!(
                    event = job.entry.event.as_str(),
                    "an audit entry is too long and was not recorded"
                );
            }
            if frames.len() > fits || self.writer.durability == Durability::Every && count > 0 {
                break;
            }
        }
        let recorded = self.record(&frames, count);
        self.frames = frames;
        recorded
    }

    /// Writes a batch and acknowledges it as soon as its durability allows.
    fn record(&mut self, frames: &[u8], count: u64) -> io::Result<()> {
        if count == 0 {
            return Ok(());
        }
        self.wal.append(frames, count)?;
        if self.writer.durability == Durability::Os {
            self.acknowledge();
            self.unsynced.extend_from_slice(frames);
            return if self.unsynced.len() > BATCH_BYTES { self.sync_os() } else { Ok(()) };
        }
        self.wal.sync()?;
        self.acknowledge();
        self.handover.give(frames, self.wal.next());
        Ok(())
    }

    /// Stamps an entry and appends its frame.
    fn put(&mut self, frames: &mut Vec<u8>, index: u64, entry: &mut Entry) -> bool {
        entry.idx = index;
        entry.ts = self.stamps.next(self.writer.clock.as_ref());
        entry.node = self.writer.node.clone();
        entry.v = 1;
        match entry.phase {
            Phase::Single => {}
            Phase::Intent if self.intents.len() < INTENTS_MAX => {
                self.intents.insert(index);
            }
            Phase::Intent => tracing::warn!("more audit intents are open than are looked after"),
            Phase::Outcome => {
                entry.intent_idx.map(|intent| self.intents.remove(&intent));
            }
        }
        frame::encode(frames, index, self.wal.durable(), |buffer| encode::entry(buffer, entry))
    }

    fn acknowledge(&mut self) {
        for (reply, index) in self.replies.drain(..) {
            // Whoever waited may be gone; the entry stays.
            let _ = reply.send(Ok(Receipt { index }));
        }
        self.writer.progress.durable.store(self.wal.next(), Relaxed);
    }

    fn os_sync_due(&self, now: bool) -> bool {
        !self.unsynced.is_empty() && (now || self.synced_at.elapsed() >= OS_SYNC_AFTER)
    }

    fn sync_os(&mut self) -> io::Result<()> {
        self.wal.sync()?;
        self.synced_at = Instant::now();
        let frames = std::mem::take(&mut self.unsynced);
        self.handover.give(&frames, self.wal.next());
        Ok(())
    }

    /// Once a second: aggregates, space, segments that are no longer needed.
    fn tick(&mut self) -> io::Result<()> {
        if self.writer.queue.refusal().is_some_and(AppendError::is_final) {
            return Ok(());
        }
        let published = self.writer.progress.published.load(Relaxed);
        self.wal.release(self.intents.first().map_or(published, |intent| published.min(*intent)))?;
        self.look_at_space()?;
        if self.writer.queue.refusal().is_some() {
            return Ok(());
        }
        let (mut frames, mut count) = (Vec::new(), 0);
        for mut entry in self.writer.flood.drain(&self.writer.node) {
            let index = self.wal.next() + count;
            count += u64::from(self.put(&mut frames, index, &mut entry));
        }
        self.record(&frames, count)
    }

    /// Low space refuses entries before a write can fail, and takes them again when there is room.
    fn look_at_space(&mut self) -> io::Result<()> {
        let low = AppendError::LowSpace;
        let spares = match self.wal.replenish() {
            Err(error) if error.kind() != io::ErrorKind::StorageFull => return Err(error),
            result => result.is_ok(),
        };
        let enough = spares && self.writer.disk.free_bytes(&self.writer.dir)? >= self.writer.free_bytes_min;
        match (enough, self.writer.queue.refusal()) {
            (true, Some(AppendError::LowSpace)) => {
                tracing::info!("the audit log has space again");
                self.writer.queue.refuse(None);
            }
            (false, None) => {
                tracing::error!("the audit log is low on space and takes no entries");
                answer(self.writer.queue.refuse(Some(low)), low);
                self.record_seal("audit_low_space")?;
            }
            _ => {}
        }
        Ok(())
    }

    /// A sealing entry, for which every segment keeps room.
    fn record_seal(&mut self, why: &str) -> io::Result<()> {
        let mut entry = Entry::new(Event::SysSeal, self.writer.node.clone());
        entry.subject = Some(Token::of(why));
        let mut frames = Vec::new();
        let index = self.wal.next();
        if self.put(&mut frames, index, &mut entry) {
            self.wal.append_reserved(&frames, 1)?;
            self.wal.sync()?;
            let mut synced = std::mem::take(&mut self.unsynced);
            synced.extend_from_slice(&frames);
            self.acknowledge();
            self.handover.give(&synced, self.wal.next());
        }
        Ok(())
    }

    fn seal_in_order(&mut self, reason: SealReason) {
        if self.writer.queue.refusal().is_some_and(AppendError::is_final) {
            return;
        }
        let sealed = AppendError::Sealed(reason);
        answer(self.writer.queue.refuse(Some(sealed)), sealed);
        tracing::error!(reason = reason.as_str(), "the audit log is sealed");
        if let Err(error) = self.record_seal(reason.as_str()) {
            self.seal(SealReason::Disk, &error, std::iter::empty());
        }
    }

    /// After a failed write or sync: nothing is known of the file, so nothing more is written to it, ever.
    fn seal(&mut self, reason: SealReason, error: &io::Error, jobs: impl Iterator<Item = Job>) {
        tracing::error!(reason = reason.as_str(), %error, "the audit log is sealed");
        let sealed = AppendError::Sealed(reason);
        let waiting = self.writer.queue.refuse(Some(sealed));
        answer(jobs, sealed);
        answer(waiting, sealed);
        for (reply, _) in self.replies.drain(..) {
            let _ = reply.send(Err(sealed));
        }
        self.unsynced.clear();
    }
}

#[cfg(test)]
mod tests;
