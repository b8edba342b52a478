//! The verifier: checks a log from its files and its public key, and believes nothing else.
//!
//! It shares no code with the writer: formats are parsed and trees are computed a second time here, from the
//! standards, so that a mistake in one does not hide in the other. It takes no lock, runs beside a writer, and works
//! on a copied directory.

mod note;
mod proof;
mod segments;
mod tree;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use mantlet_types::{Entry, Timestamp};

use self::{
    note::{PublicKey, SignedTree},
    segments::Segments,
    tree::{Peaks, leaf},
};

pub use self::proof::{Proven, verify_consistency, verify_proof};

/// A log that is being written is looked at again so often before a gap is believed.
const ATTEMPTS: usize = 8;

/// What a log without a fault deserves to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The log agrees with itself and its key. Whoever holds the key could have made another one.
    SelfConsistent,
    /// It also continues what the anchors have seen.
    Anchored,
}

impl Verdict {
    /// The verdict's name in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SelfConsistent => "self-consistent",
            Self::Anchored => "anchored",
        }
    }
}

/// A log without a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it deserves to be called.
    pub verdict: Verdict,
    /// Its origin.
    pub origin: String,
    /// Entries under the checkpoint.
    pub size: u64,
    /// Root of the tree over them.
    pub root: [u8; 32],
    /// Entries beyond the checkpoint; `None` if no write-ahead segments were given.
    pub tail: Option<u64>,
    /// Entries under the newest anchor.
    pub anchored: Option<u64>,
    /// When the first and the last entry were made.
    pub span: Option<(Timestamp, Timestamp)>,
}

/// The first fault of a log.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file is missing or cannot be read.
    #[error("`{path}` cannot be read: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The key is not written as one.
    #[error("not a verifier key")]
    Key,
    /// A checkpoint is malformed, another log's, or not signed by the key.
    #[error("`{path}` is no checkpoint of this log: {what}")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// An entry is not what it has to be.
    #[error("entry `{index}`: {what}")]
    Entry {
        /// The entry.
        index: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A tile does not hold the hashes of the entries.
    #[error("`{path}` does not agree with the entries from `{index}` on")]
    Tile {
        /// The file.
        path: PathBuf,
        /// The first entry below the first hash that differs.
        index: u64,
    },
    /// The tree over the entries is not the signed one.
    #[error("the root over `{size}` entries is not the signed one")]
    Root {
        /// Entries under the checkpoint.
        size: u64,
    },
    /// An acknowledged entry is missing.
    #[error("entry `{index}` was acknowledged and is missing or damaged")]
    Lost {
        /// The first missing entry.
        index: u64,
    },
    /// An anchor has seen more entries than there are.
    #[error("the log was rolled back: it has {size} entries, `{path}` has seen {anchored}")]
    Rollback {
        /// The anchor.
        path: PathBuf,
        /// Entries under the log's checkpoint.
        size: u64,
        /// Entries under the anchor's.
        anchored: u64,
    },
    /// An anchor has seen another tree.
    #[error("the log is not the one that `{path}` has seen")]
    Fork {
        /// The anchor.
        path: PathBuf,
    },
    /// A proof does not prove.
    #[error("the proof does not hold: {0}")]
    Proof(&'static str),
}

impl VerifyError {
    /// The first entry that the fault touches, where one can be named.
    #[must_use]
    pub const fn index(&self) -> Option<u64> {
        match self {
            Self::Entry { index, .. } | Self::Tile { index, .. } | Self::Lost { index } => Some(*index),
            Self::Rollback { size, .. } => Some(*size),
            _ => None,
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, VerifyError> {
    fs::read(path).map_err(|error| VerifyError::Io { path: path.to_owned(), error })
}

/// Verifies the log in a directory: the checkpoint's signature, every entry, every tile of every level, and what was
/// acknowledged beyond the checkpoint. `vkey` is the log's key as c2sp.org/signed-note writes it; `anchors` are files
/// that hold checkpoints which the log must continue.
///
/// # Errors
/// The first fault found.
pub fn verify_dir(dir: &Path, vkey: &str, anchors: &[PathBuf]) -> Result<Report, VerifyError> {
    let key = PublicKey::parse(vkey).ok_or(VerifyError::Key)?;
    let mut result = verify_once(dir, &key, anchors);
    for _ in 1..ATTEMPTS {
        // Beside a writer, segments come and go between two reads; a true gap stays.
        if !matches!(result, Err(VerifyError::Lost { .. })) {
            break;
        }
        result = verify_once(dir, &key, anchors);
    }
    result
}

fn verify_once(dir: &Path, key: &PublicKey, anchors: &[PathBuf]) -> Result<Report, VerifyError> {
    // The order matters beside a writer: an anchor is never ahead of the checkpoint read after it, and segments read
    // after the checkpoint reach at least as far.
    let open = |path: PathBuf| {
        let signed = SignedTree::open(&read(&path)?, key);
        signed
            .map_err(|what| VerifyError::Checkpoint { path: path.clone(), what })
            .map(|signed| (path, signed))
    };
    let anchors: Vec<_> = anchors.iter().cloned().map(open).collect::<Result<_, _>>()?;
    let (_, signed) = open(dir.join("checkpoint"))?;
    if let Some((path, anchor)) = anchors.iter().find(|(_, anchor)| anchor.size > signed.size) {
        return Err(VerifyError::Rollback { path: path.clone(), size: signed.size, anchored: anchor.size });
    }
    let segments = Segments::read(&dir.join("wal"), signed.size)?;
    let mut walk = Walk::new(segments.as_ref(), &anchors);
    let mut files = tree::Files::new(dir, signed.size);
    while let Some(bundle) = files.next_bundle()? {
        for entry in &bundle {
            walk.entry(entry)?;
        }
        files.check_bundle(&bundle)?;
    }
    if walk.peaks.root() != signed.root {
        return Err(VerifyError::Root { size: signed.size });
    }
    files.finish()?;
    let tail = segments.as_ref().map(|segments| segments.tail.len() as u64);
    for entry in segments.iter().flat_map(|segments| &segments.tail) {
        walk.entry(entry)?;
    }
    let anchored = anchors.iter().map(|(_, anchor)| anchor.size).max();
    // An anchor that has seen nothing holds nothing in place.
    let holds = anchored.is_some_and(|anchored| anchored > 0 || signed.size == 0);
    let verdict = if holds { Verdict::Anchored } else { Verdict::SelfConsistent };
    let (size, root, span) = (signed.size, signed.root, walk.span);
    Ok(Report { verdict, origin: key.origin().to_owned(), size, root, tail, anchored, span })
}

/// What one walk over all entries keeps.
struct Walk<'a> {
    segments: Option<&'a Segments>,
    anchors: &'a [(PathBuf, SignedTree)],
    peaks: Peaks,
    span: Option<(Timestamp, Timestamp)>,
}

impl<'a> Walk<'a> {
    fn new(segments: Option<&'a Segments>, anchors: &'a [(PathBuf, SignedTree)]) -> Self {
        Self { segments, anchors, peaks: Peaks::default(), span: None }
    }

    /// Checks the next entry by itself, against the one before, the segments and the anchors.
    fn entry(&mut self, bytes: &[u8]) -> Result<(), VerifyError> {
        let index = self.peaks.leaves();
        let fault = |what| VerifyError::Entry { index, what };
        if index == 0 {
            self.meet_anchors()?;
        }
        let entry: Entry =
            serde_json::from_slice(bytes).map_err(|_| fault("not an entry of `mantlet.audit/1`"))?;
        if serde_json::to_vec(&entry).ok().as_deref() != Some(bytes) {
            return Err(fault("not in canonical form"));
        }
        if entry.v != 1 {
            return Err(fault("of an unknown version"));
        }
        if entry.idx != index {
            return Err(fault("says another index"));
        }
        let (first, last) = self.span.unwrap_or((entry.ts, entry.ts));
        if entry.ts < last {
            return Err(fault("earlier than the entry before"));
        }
        let hash = leaf(bytes);
        if self.segments.is_some_and(|segments| segments.contradicts(index, &hash)) {
            return Err(fault("differs from its write-ahead segment"));
        }
        self.span = Some((first, entry.ts));
        self.peaks.push(hash);
        self.meet_anchors()
    }

    fn meet_anchors(&self) -> Result<(), VerifyError> {
        let here = self.anchors.iter().filter(|(_, anchor)| anchor.size == self.peaks.leaves());
        match here.clone().find(|(_, anchor)| anchor.root != self.peaks.root()) {
            Some((path, _)) => Err(VerifyError::Fork { path: path.clone() }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
