//! The log, as the rest of Mantlet sees it: append an entry, wait until it is durable, keep the receipt.

use std::{
    any::Any,
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    thread::JoinHandle,
};

use mantlet_types::{Entry, NodeId};
use tokio::sync::oneshot;

use crate::{
    clock::{Clock, SystemClock},
    disk::{Disk, OsDisk},
    flood::Aggregator,
    note::{KeyError, SigningKey, VerifierKey},
    proof::{Proof, ProofError, prove},
    queue::{Job, Queue},
    receipt::Receipts,
    recover::{OpenError, Place, Recovery, recover},
    wal::SEGMENT_BYTES_MIN,
    writer::{self, Writer},
};

/// When an entry counts as recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// After an `fdatasync` of its own.
    Every,
    /// After the next shared `fdatasync`.
    #[default]
    Group,
    /// After the system call: survives the death of the process, not of the machine. Dangerous.
    Os,
}

/// Everything that a log needs to be opened.
pub struct Options {
    /// The log's directory.
    pub dir: PathBuf,
    /// The node whose log it is; stands in every entry.
    pub node: NodeId,
    /// Signs checkpoints; its name is the log's origin.
    pub key: SigningKey,
    /// When an entry counts as recorded.
    pub durability: Durability,
    /// Files, outside the reach of whoever owns the directory, that every checkpoint is also written to.
    pub anchors: Vec<PathBuf>,
    /// Bytes of a write-ahead segment. Three of them are laid out.
    pub segment_bytes: u64,
    /// With less free space than this, nothing is recorded any more, hence nothing answered.
    pub free_bytes_min: u64,
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
}

impl Options {
    /// The defaults: `group` durability, segments of 4 MiB (half a second of heavy load), no anchor, 64 MiB kept free.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, node: NodeId, key: SigningKey) -> Self {
        Self {
            dir: dir.into(),
            node,
            key,
            durability: Durability::Group,
            anchors: Vec::new(),
            segment_bytes: 4 << 20,
            free_bytes_min: 64 << 20,
            disk: Arc::new(OsDisk),
            clock: Arc::new(SystemClock::default()),
        }
    }
}

/// Why a log sealed itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealReason {
    /// A write or sync failed; nothing is known of the file after that.
    Disk,
    /// Tiles or a checkpoint could not be published.
    Publish,
    /// Somebody ordered it.
    Ordered,
}

impl SealReason {
    /// The reason's name in entries and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "audit_disk",
            Self::Publish => "audit_publish",
            Self::Ordered => "ordered",
        }
    }
}

/// Why an entry was not recorded. Whatever it says, the thing that the entry is about must not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The log takes nothing any more until it is opened anew.
    #[error("the audit log is sealed: {}", .0.as_str())]
    Sealed(SealReason),
    /// Too little space is left. Goes away when there is more.
    #[error("the audit log is low on space")]
    LowSpace,
    /// More entries wait than the writer may be behind.
    #[error("the audit queue is full")]
    QueueFull,
    /// The entry is longer than an entry may be.
    #[error("the audit entry is too long")]
    TooLong,
    /// The log was closed.
    #[error("the audit log is closed")]
    Closed,
}

impl AppendError {
    pub(crate) const fn is_final(self) -> bool {
        matches!(self, Self::Sealed(_) | Self::Closed)
    }
}

/// A recorded entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Where in the log. Not for callers: see [`Log::receipt`].
    pub index: u64,
}

/// Resolves once an entry is durable, or is known not to become so.
#[derive(Debug)]
#[must_use = "what the entry is about may only happen once this resolves to a receipt"]
pub struct Acknowledgement(Result<oneshot::Receiver<Result<Receipt, AppendError>>, AppendError>);

impl Future for Acknowledgement {
    type Output = Result<Receipt, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Ok(receiver) => {
                // A writer that is gone without an answer has not recorded anything.
                Pin::new(receiver).poll(context).map(|reply| reply.unwrap_or(Err(AppendError::Closed)))
            }
            Err(error) => Poll::Ready(Err(*error)),
        }
    }
}

impl Acknowledgement {
    /// Waits in a thread that runs no tasks.
    ///
    /// # Errors
    /// As the entry fared.
    pub fn wait(self) -> Result<Receipt, AppendError> {
        self.0?.blocking_recv().unwrap_or(Err(AppendError::Closed))
    }
}

/// How the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Why entries are not taken, if so.
    pub refusal: Option<AppendError>,
    /// Entries that are durable.
    pub durable: u64,
    /// Entries under the last signed checkpoint.
    pub published: u64,
    /// Entries waiting for the writer.
    pub queued: usize,
    /// Whether the last checkpoint reached every anchor.
    pub anchored: bool,
}

/// What the threads tell the handle.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) durable: AtomicU64,
    pub(crate) published: AtomicU64,
    pub(crate) anchor_failures: AtomicU64,
}

/// An open log. Shared by reference; dropping it stops the writer without waiting, [`Log::close`] waits.
pub struct Log {
    queue: Arc<Queue>,
    progress: Arc<Progress>,
    flood: Arc<Aggregator>,
    receipts: Receipts,
    verifier: VerifierKey,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    threads: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("dir", &self.dir).field("health", &self.health()).finish_non_exhaustive()
    }
}

impl Log {
    /// Opens a log, making one where there is nothing, and starts its writer.
    ///
    /// # Errors
    /// If the directory is in use, or what it holds is damaged, incomplete or older than an anchor knows.
    pub fn open(options: Options) -> Result<(Self, Recovery), OpenError> {
        if options.segment_bytes < SEGMENT_BYTES_MIN {
            return Err(OpenError::Options("a segment has at least 32 KiB"));
        }
        let disk = Arc::clone(&options.disk);
        disk.create_dir(&options.dir)?;
        let lock: Box<dyn Any + Send> =
            disk.lock(&options.dir.join("lock")).map_err(|error| match error.kind() {
                std::io::ErrorKind::WouldBlock => OpenError::Locked,
                _ => OpenError::Io(error),
            })?;
        let key = Arc::new(options.key);
        let place = Place {
            disk: Arc::clone(&disk),
            dir: options.dir.clone(),
            key: Arc::clone(&key),
            anchors: options.anchors,
            segment_bytes: options.segment_bytes,
        };
        let receipts = Receipts::new(&key).map_err(|_: KeyError| OpenError::Options("no receipt key"))?;
        let recovered = recover(&place)?;
        let recovery = recovered.recovery.clone();
        let (queue, progress, flood) =
            (Arc::new(Queue::default()), Arc::new(Progress::default()), Arc::new(Aggregator::default()));
        progress.durable.store(recovery.size, Relaxed);
        progress.published.store(recovery.size - recovery.unpublished, Relaxed);
        let writer = Writer {
            queue: Arc::clone(&queue),
            progress: Arc::clone(&progress),
            flood: Arc::clone(&flood),
            node: options.node,
            durability: options.durability,
            free_bytes_min: options.free_bytes_min,
            disk: Arc::clone(&disk),
            clock: options.clock,
            dir: options.dir.clone(),
        };
        let thread = writer::start(writer, recovered, lock)?;
        let verifier = key.verifier();
        let threads = Mutex::new(Some(thread));
        Ok((Self { queue, progress, flood, receipts, verifier, disk, dir: options.dir, threads }, recovery))
    }

    /// Records an entry. The writer sets its index, node and time. Never blocks; a full queue or a sealed log
    /// answers at once.
    pub fn append(&self, entry: Entry) -> Acknowledgement {
        let (reply, receiver) = oneshot::channel();
        Acknowledgement(self.queue.push(Job { entry, reply: Some(reply) }).map(|()| receiver))
    }

    /// Records an entry that nobody waits for.
    ///
    /// # Errors
    /// If it is not taken. Once taken it is recorded unless the log seals itself before.
    pub fn note(&self, entry: Entry) -> Result<(), AppendError> {
        self.queue.push(Job { entry, reply: None })
    }

    /// Where failures before authentication and floods of denials are counted.
    #[must_use]
    pub fn flood(&self) -> &Aggregator {
        &self.flood
    }

    /// The receipt that a caller may have for an entry. It does not show the index.
    #[must_use]
    pub fn receipt(&self, receipt: Receipt) -> Option<String> {
        self.receipts.issue(receipt.index)
    }

    /// The receipt of an entry that was read again; `None` only if the cryptographic library fails.
    #[must_use]
    pub fn receipt_of(&self, index: u64) -> Option<String> {
        self.receipts.issue(index)
    }

    /// The index that a receipt of this log names.
    #[must_use]
    pub fn resolve_receipt(&self, receipt: &str) -> Option<u64> {
        self.receipts.resolve(receipt)
    }

    /// The entry and its proof under the last signed checkpoint. Reads files.
    ///
    /// # Errors
    /// If the entry is not published yet, or the files cannot be read.
    pub fn prove(&self, index: u64) -> Result<Proof, ProofError> {
        prove(self.disk.as_ref(), &self.dir, &self.verifier, index)
    }

    /// The key that the log's checkpoints are verified with; its text form is the `vkey`.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// How the log is.
    #[must_use]
    pub fn health(&self) -> Health {
        Health {
            refusal: self.queue.refusal(),
            durable: self.progress.durable.load(Relaxed),
            published: self.progress.published.load(Relaxed),
            queued: self.queue.len(),
            anchored: self.progress.anchor_failures.load(Relaxed) == 0,
        }
    }

    /// Publishes what is durable without waiting for the next second; resolves to the checkpoint's size.
    ///
    /// # Errors
    /// If the log is sealed or closed.
    pub async fn publish(&self) -> Result<u64, AppendError> {
        let (done, published) = oneshot::channel();
        self.queue.order(|orders| orders.flush.push(done));
        published.await.map_err(|_| self.queue.refusal().unwrap_or(AppendError::Closed))
    }

    /// Stops taking entries for good. What was taken before is recorded.
    pub fn seal(&self) {
        self.queue.order(|orders| orders.seal = Some(SealReason::Ordered));
    }

    /// Records what was taken, publishes it and stops the writer. Blocks until that is done; a second call returns
    /// at once.
    pub fn close(&self) {
        self.queue.order(|orders| orders.close = true);
        let thread = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the audit writer panicked");
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.queue.order(|orders| orders.close = true);
    }
}

#[cfg(test)]
pub(crate) mod tests;
