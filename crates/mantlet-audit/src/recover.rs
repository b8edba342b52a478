//! Recovery: from what a directory holds to a log that may be written again, or a refusal to.
//!
//! The last signed checkpoint, the anchors, the tiles and the write-ahead segments must all tell one story. What was
//! never acknowledged may be missing; everything else is loss, damage or a rollback, and refuses the start.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use mantlet_types::{Entry, Timestamp, entry::Phase};

use crate::{
    checkpoint::{Checkpoint, CheckpointError},
    disk::{Disk, list_if_present, read_if_present, replace},
    merkle::{empty_hash, root},
    note::SigningKey,
    publish::Publisher,
    tile::{PublishedTiles, TILE_WIDTH},
    wal::{ScanError, Wal, scan},
};

/// Why a log was not opened. None of these goes away by itself: somebody has to look.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process writes this log.
    #[error("the log is in use by another process")]
    Locked,
    /// The options cannot be met.
    #[error("{0}")]
    Options(&'static str),
    /// The file system failed.
    #[error("the log's files cannot be used: {0}")]
    Io(#[from] io::Error),
    /// The checkpoint is not by this log's key.
    #[error("the checkpoint is not this log's: {0}")]
    Checkpoint(CheckpointError),
    /// The tiles do not give the signed root.
    #[error("the tiles do not agree with the signed checkpoint of {size} entries")]
    Tiles {
        /// Entries under the checkpoint.
        size: u64,
    },
    /// Entries that were acknowledged are gone.
    #[error("entry `{index}` was acknowledged and is lost")]
    Lost {
        /// The first missing entry.
        index: u64,
    },
    /// An entry is not what was written.
    #[error("entry `{index}` is damaged")]
    Damaged {
        /// The first such entry.
        index: u64,
    },
    /// The log is older than what its anchor has seen: it was rolled back.
    #[error("the log was rolled back: it has {size} entries, its anchor `{anchor}` has seen {anchored}")]
    Rollback {
        /// Entries under the log's checkpoint.
        size: u64,
        /// Entries under the anchored checkpoint.
        anchored: u64,
        /// The anchor's file.
        anchor: PathBuf,
    },
    /// The log does not contain the tree that its anchor has seen: it was rewritten.
    #[error("the log is not the one that its anchor `{anchor}` has seen")]
    Fork {
        /// The anchor's file.
        anchor: PathBuf,
    },
    /// The anchor has gone missing. For a new anchor of an old log an empty file is made by hand.
    #[error("the anchor `{anchor}` is missing; for a new anchor create it as an empty file")]
    AnchorMissing {
        /// The anchor's file.
        anchor: PathBuf,
    },
    /// The anchor holds something that is not this log's checkpoint.
    #[error("the anchor `{anchor}` is not a checkpoint of this log: {error}")]
    Anchor {
        /// The anchor's file.
        anchor: PathBuf,
        /// What is wrong with it.
        error: CheckpointError,
    },
}

impl From<ScanError> for OpenError {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Io(error) => Self::Io(error),
            ScanError::Damaged(index) => Self::Damaged { index },
        }
    }
}

/// What was found when a log was opened.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recovery {
    /// Entries in the log.
    pub size: u64,
    /// Of these, entries that no checkpoint covered yet.
    pub unpublished: u64,
    /// Bytes of entries that had not been acknowledged, and are gone.
    pub torn_bytes: u64,
    /// Intents without an outcome, oldest first: things that may or may not have been done.
    pub open_intents: Vec<Entry>,
    /// The last entry, if there is one.
    pub last: Option<Entry>,
}

/// A log's parts, ready to go on.
pub(crate) struct Recovered {
    pub(crate) wal: Wal,
    pub(crate) publisher: Publisher,
    pub(crate) recovery: Recovery,
    /// Of the last entry.
    pub(crate) ts: Timestamp,
}

/// Where a log lies and who signs it.
pub(crate) struct Place {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) key: Arc<SigningKey>,
    pub(crate) anchors: Vec<PathBuf>,
    pub(crate) segment_bytes: u64,
}

/// Checks the directory and takes it up, or makes a new log where there is nothing at all.
pub(crate) fn recover(place: &Place) -> Result<Recovered, OpenError> {
    let disk = place.disk.as_ref();
    let checkpoint = match read_if_present(disk, &place.dir.join("checkpoint"))? {
        Some(note) => Checkpoint::open(&note, &place.key.verifier()).map_err(OpenError::Checkpoint)?,
        None => begin(place)?,
    };
    let (disk, dir, key) = (Arc::clone(&place.disk), place.dir.clone(), Arc::clone(&place.key));
    let publisher = Publisher::load(disk, dir, key, place.anchors.clone(), checkpoint);
    let publisher = publisher.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::NotFound => OpenError::Tiles { size: checkpoint.size },
        _ => OpenError::Io(error),
    })?;
    check_anchors(place, checkpoint)?;
    replay(place, publisher, checkpoint.size)
}

/// Nothing there: a new log begins with a signed empty tree, so that a missing checkpoint always means loss.
fn begin(place: &Place) -> Result<Checkpoint, OpenError> {
    let disk = place.disk.as_ref();
    for part in ["wal", "tile"] {
        if !list_if_present(disk, &place.dir.join(part))?.is_empty() {
            return Err(OpenError::Lost { index: 0 });
        }
    }
    let empty = Checkpoint { size: 0, root: empty_hash() };
    check_anchors(place, empty)?;
    let note = empty.sign(&place.key);
    // The anchors first: once there is a checkpoint, an absent anchor means that somebody removed it.
    for anchor in &place.anchors {
        replace(disk, anchor, note.as_bytes())?;
    }
    replace(disk, &place.dir.join("checkpoint"), note.as_bytes())?;
    disk.sync_dir(place.dir.parent().unwrap_or(Path::new("")))?;
    Ok(empty)
}

/// An anchor is written after the log's own checkpoint is durable, so it can never be ahead in good order.
fn check_anchors(place: &Place, own: Checkpoint) -> Result<(), OpenError> {
    for anchor in &place.anchors {
        let anchored = match read_if_present(place.disk.as_ref(), anchor)? {
            Some(note) if note.is_empty() => continue,
            Some(note) => Checkpoint::open(&note, &place.key.verifier())
                .map_err(|error| OpenError::Anchor { anchor: anchor.clone(), error })?,
            None if own.size == 0 => continue,
            None => return Err(OpenError::AnchorMissing { anchor: anchor.clone() }),
        };
        if anchored.size > own.size {
            return Err(OpenError::Rollback {
                size: own.size,
                anchored: anchored.size,
                anchor: anchor.clone(),
            });
        }
        let tiles = PublishedTiles::new(place.disk.as_ref(), &place.dir, own.size);
        let same = root(&tiles, anchored.size).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => OpenError::Tiles { size: own.size },
            _ => OpenError::Io(error),
        })?;
        if same != anchored.root {
            return Err(OpenError::Fork { anchor: anchor.clone() });
        }
    }
    Ok(())
}

/// What the segments say beyond the checkpoint, and of the operations that were under way.
#[derive(Default)]
struct Tail {
    /// Index after the last frame.
    next: Option<u64>,
    last: Vec<u8>,
    /// Entries beyond the checkpoint, as they lie in the tree.
    entries: Vec<Vec<u8>>,
    intents: Vec<Entry>,
    outcomes: BTreeSet<u64>,
}

fn replay(place: &Place, mut publisher: Publisher, published: u64) -> Result<Recovered, OpenError> {
    let mut tail = Tail::default();
    let wal_dir = place.dir.join("wal");
    let first_bundled = published - published % TILE_WIDTH;
    let bundled = publisher.bundled();
    let found = scan(place.disk.as_ref(), &wal_dir, |frame| {
        if tail.next.is_none() && frame.index > published {
            return Err(ScanError::Damaged(published));
        }
        let at = frame.index.checked_sub(first_bundled).and_then(|at| usize::try_from(at).ok());
        let differs = at.and_then(|at| bundled.get(at)).is_some_and(|entry| *entry != frame.entry);
        if differs || !tail.take(frame.index, frame.entry) {
            return Err(ScanError::Damaged(frame.index));
        }
        if frame.index >= published {
            tail.entries.push(frame.entry.to_vec());
        }
        Ok(())
    })?;
    let size = tail.next.unwrap_or(0);
    if size < published {
        return Err(OpenError::Lost { index: size });
    }
    let last = match size.checked_sub(1) {
        Some(index) => Some(parse(&tail.last).ok_or(OpenError::Damaged { index })?),
        None => None,
    };
    let ts = last.as_ref().map_or(Timestamp::from_micros(0), |last| last.ts);
    tail.intents.retain(|intent| !tail.outcomes.contains(&intent.idx));
    let recovery = Recovery {
        size,
        unpublished: size - published,
        torn_bytes: found.torn_bytes,
        open_intents: std::mem::take(&mut tail.intents),
        last,
    };
    let wal = Wal::resume(Arc::clone(&place.disk), wal_dir, place.segment_bytes, found, size)?;
    for entry in &tail.entries {
        publisher.push(entry)?;
    }
    Ok(Recovered { wal, publisher, recovery, ts })
}

impl Tail {
    /// Takes note of a frame; false if its entry does not read.
    fn take(&mut self, index: u64, entry: &[u8]) -> bool {
        // Entries are canonical and carry no free text, so these bytes cannot stand for anything else. Parsing every
        // entry would make a start slow.
        let says = |phase: &[u8]| entry.windows(phase.len()).any(|window| window == phase);
        if says(br#""phase":"intent""#) || says(br#""phase":"outcome""#) {
            match parse(entry) {
                Some(entry) if entry.phase == Phase::Intent => self.intents.push(entry),
                Some(entry) => self.outcomes.extend(entry.intent_idx),
                None => return false,
            }
        }
        self.next = Some(index + 1);
        self.last.clear();
        self.last.extend_from_slice(entry);
        true
    }
}

fn parse(entry: &[u8]) -> Option<Entry> {
    serde_json::from_slice(entry).ok()
}

#[cfg(test)]
mod tests;
