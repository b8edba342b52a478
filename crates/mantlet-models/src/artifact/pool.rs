//! Hashing on all cores: whoever walks a directory hands over pieces of open files, and threads hash them while it walks on.
//!
//! What waits is bounded, and with it the number of open files. A file in one piece is one core's work, because a hash is a
//! chain; a manifest in shards has as many pieces as it has shards.

use std::{
    fs::File,
    io,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use super::hash::{BUFFER_BYTES, Digest, HashType, hash_range};

/// Pieces that wait for a thread: enough to keep all busy with small files, and far from the limit of open files (1,024).
const WAITING_MAX: usize = 64;

/// More threads than this wait for memory rather than work.
const THREADS_MAX: usize = 32;

/// Told how far hashing is. Called from several threads.
pub trait Progress: Sync {
    /// So many more bytes are to be hashed.
    fn found(&self, bytes: u64);
    /// So many more bytes are hashed.
    fn hashed(&self, bytes: u64);
}

/// Nobody looks.
impl Progress for () {
    fn found(&self, _: u64) {}
    fn hashed(&self, _: u64) {}
}

/// Bytes of an open file to hash.
pub(crate) struct Job<T> {
    pub(crate) file: Arc<File>,
    /// First byte, and how many.
    pub(crate) range: (u64, u64),
    /// Handed back with the digest.
    pub(crate) tag: T,
}

/// Takes jobs while the walk goes on.
pub(crate) struct Queue<'q, T> {
    jobs: SyncSender<Job<T>>,
    stopped: &'q AtomicBool,
    progress: &'q dyn Progress,
}

impl<T> Queue<'_, T> {
    /// Hands over one piece; waits while too many are waiting. False once a piece was found wrong: then nothing more is
    /// needed.
    pub(crate) fn push(&self, job: Job<T>) -> bool {
        self.progress.found(job.range.1);
        !self.stopped.load(Ordering::Relaxed) && self.jobs.send(job).is_ok()
    }
}

/// Hashes everything that `walk` pushes, and calls `done` with each digest. The first error, of either, ends the work.
pub(crate) fn hash_all<T: Send, E: Send>(
    hash: HashType,
    progress: &dyn Progress,
    walk: impl FnOnce(&Queue<'_, T>) -> Result<(), E>,
    done: impl Fn(T, io::Result<Digest>) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let stopped = AtomicBool::new(false);
    let failure = Mutex::new(None);
    let (jobs, waiting) = sync_channel(WAITING_MAX);
    let waiting = Mutex::new(waiting);
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(THREADS_MAX);
    let work = || {
        let mut buffer = vec![0; BUFFER_BYTES];
        while let Some(Job { file, range, tag }) = next(&waiting) {
            if stopped.load(Ordering::Relaxed) {
                // Takes what is left, so that the walk does not wait for ever.
                continue;
            }
            let mut hashed = |bytes| {
                progress.hashed(bytes);
                !stopped.load(Ordering::Relaxed)
            };
            let digest = hash_range(&file, range, hash, &mut buffer, &mut hashed);
            if let Err(error) = done(tag, digest)
                && !stopped.swap(true, Ordering::Relaxed)
            {
                *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
        }
    };
    let walked = thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
        let queue = Queue { jobs, stopped: &stopped, progress };
        let walked = walk(&queue);
        if walked.is_err() {
            stopped.store(true, Ordering::Relaxed);
        }
        walked
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => walked,
    }
}

/// The next piece; none once the walk is over.
fn next<T>(waiting: &Mutex<Receiver<Job<T>>>) -> Option<Job<T>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}
