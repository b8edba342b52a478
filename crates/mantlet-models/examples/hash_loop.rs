//! What verification is measured beside (`bench/verify.py`): the plainest loop that reads files and hashes them, with the
//! buffer and the hashes that verification uses, and nothing else of it.
//!
//! `hash_loop read|sha256|blake3 THREADS FILE…`

use std::{
    env,
    fs::File,
    io::{self, Read, Write},
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use aws_lc_rs::digest::{Context, SHA256};
use mantlet_models::artifact::BUFFER_BYTES;

/// A hash, or none.
enum Hash {
    None,
    Sha256(Context),
    Blake3(Box<blake3::Hasher>),
}

impl Hash {
    fn new(name: &str) -> io::Result<Self> {
        match name {
            "read" => Ok(Self::None),
            "sha256" => Ok(Self::Sha256(Context::new(&SHA256))),
            "blake3" => Ok(Self::Blake3(Box::new(blake3::Hasher::new()))),
            _ => Err(io::Error::other("hash_loop read|sha256|blake3 THREADS FILE…")),
        }
    }

    /// Hashes one file; its first digest byte, so that nothing can be left out.
    fn file(mut self, path: &PathBuf, buffer: &mut [u8]) -> io::Result<u8> {
        let mut file = File::open(path)?;
        let mut last = 0;
        loop {
            let count = file.read(buffer)?;
            let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else { break };
            match &mut self {
                Self::None => last = read[count - 1],
                Self::Sha256(context) => context.update(read),
                Self::Blake3(hasher) => {
                    hasher.update(read);
                }
            }
        }
        Ok(match self {
            Self::None => last,
            Self::Sha256(context) => context.finish().as_ref()[0],
            Self::Blake3(hasher) => hasher.finalize().as_bytes()[0],
        })
    }
}

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let threads: usize = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1);
    let files: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
    Hash::new(&name)?;
    let next = AtomicUsize::new(0);
    let work = || -> io::Result<u8> {
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut sum = 0;
        while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            sum ^= Hash::new(&name)?.file(path, &mut buffer)?;
        }
        Ok(sum)
    };
    let sums = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, io::Result<u8>>| {
            thread.join().map_err(|_| io::Error::other("a thread failed"))?
        };
        running.into_iter().map(join).collect::<io::Result<Vec<u8>>>()
    })?;
    writeln!(io::stdout(), "{:02x}", sums.iter().fold(0, |all, sum| all ^ sum))
}
