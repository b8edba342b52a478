//! Reading the log, beside a running writer and without a lock.
//!
//! A [`Reader`] is a view of the log as it was when it was opened: published entries from their bundles, newer ones
//! from the write-ahead segments. It parses but does not verify; [`verify`](crate::verify) does that.

use std::{
    io,
    path::{Path, PathBuf},
};

use mantlet_types::{
    Entry, ModelName, PrincipalId, ProjectId, RequestId, Timestamp,
    entry::{Decision, Event, Token},
};

use crate::{
    checkpoint::canonical_number,
    disk::{Disk, OsDisk},
    tile::{Level, TILE_WIDTH, bundle_entries, read_tile, tile_width},
    wal::{ScanError, scan},
};

/// A moving log is looked at again so often before a gap is believed.
const ATTEMPTS: usize = 8;

/// Entries that are asked for their generation: far more than there are requests under way.
const GENERATIONS_MAX: usize = 10_000;

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The files cannot be read.
    #[error("the log's files cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The checkpoint is none.
    #[error("the log's checkpoint does not read")]
    Checkpoint,
    /// An entry is missing or damaged.
    #[error("entry `{0}` is missing or damaged")]
    Damaged(u64),
}

/// The log as it was at one moment.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    published: u64,
    /// Entries beyond the checkpoint.
    tail: Vec<Vec<u8>>,
}

impl Reader {
    /// Takes a view of the log in a directory.
    ///
    /// # Errors
    /// If there is no log, or it has a gap.
    pub fn open(dir: &Path) -> Result<Self, ReadError> {
        let mut result = Self::look(dir);
        for _ in 1..ATTEMPTS {
            // A running writer may have written or removed segments while they were read.
            if !matches!(result, Err(ReadError::Damaged(_))) {
                break;
            }
            result = Self::look(dir);
        }
        result
    }

    fn look(dir: &Path) -> Result<Self, ReadError> {
        let note = OsDisk.read(&dir.join("checkpoint"))?;
        let size = std::str::from_utf8(&note).ok().and_then(|note| canonical_number(note.lines().nth(1)?));
        let published = size.ok_or(ReadError::Checkpoint)?;
        let (mut tail, mut first) = (Vec::new(), None);
        let scanned = scan(&OsDisk, &dir.join("wal"), |frame| {
            first.get_or_insert(frame.index);
            if frame.index >= published {
                tail.push(frame.entry.to_vec());
            }
            Ok(())
        });
        match scanned {
            Ok(_) if first.is_some_and(|first| first > published) => Err(ReadError::Damaged(published)),
            Ok(_) => Ok(Self { dir: dir.to_owned(), published, tail }),
            // A segment was removed between being listed and being read.
            Err(ScanError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                Err(ReadError::Damaged(published))
            }
            Err(ScanError::Io(error)) => Err(error.into()),
            Err(ScanError::Damaged(index)) => Err(ReadError::Damaged(index)),
        }
    }

    /// Entries in view.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.published + self.tail.len() as u64
    }

    /// One entry; `None` beyond the end.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn entry(&self, index: u64) -> Result<Option<Entry>, ReadError> {
        self.entries(index).next().transpose()
    }

    /// The first index whose entry is not earlier than this; entries are in the order of time.
    ///
    /// # Errors
    /// If an entry on the way cannot be read.
    pub fn seek(&self, at: Timestamp) -> Result<u64, ReadError> {
        let (mut low, mut high) = (0, self.size());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.entry(middle)? {
                Some(entry) if entry.ts < at => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// The entries from an index on.
    #[must_use]
    pub fn entries(&self, from: u64) -> Entries<'_> {
        Entries { reader: self, next: from, bundle: None }
    }

    /// The entries from an index on that have these bytes in them; the others are not parsed. Entries are canonical and carry
    /// no free text, so the bytes of a member stand for nothing else.
    pub fn having<'a>(
        &'a self,
        from: u64,
        needle: &'a [u8],
    ) -> impl Iterator<Item = Result<Entry, ReadError>> + 'a {
        let mut entries = self.entries(from);
        (from..self.size()).filter_map(move |index| match entries.bytes(index) {
            Ok(bytes) if !bytes.windows(needle.len()).any(|window| window == needle) => None,
            Ok(_) => Some(entries.read(index)),
            Err(error) => Some(Err(error)),
        })
    }

    /// The highest generation of policy and directory that the log's last entries name: those since the last start or
    /// stop that names one, or [`GENERATIONS_MAX`] of them. Requests name the generation that they began with, so that
    /// among the last few the order of generations is not that of entries.
    ///
    /// # Errors
    /// If an entry on the way cannot be read.
    pub fn generation(&self) -> Result<Option<u64>, ReadError> {
        let (mut highest, mut named, mut end) = (None, 0, self.size());
        while let Some(last) = end.checked_sub(1) {
            // By bundles, so that each is read once.
            let start = last - last % TILE_WIDTH;
            let entries = self.entries(start).map_while(|entry| match entry {
                Ok(entry) if entry.idx >= end => None,
                entry => Some(entry),
            });
            for entry in entries.collect::<Result<Vec<_>, _>>()?.iter().rev() {
                let Some(generation) = entry.policy_gen else { continue };
                highest = highest.max(Some(generation));
                named += 1;
                if matches!(entry.event, Event::SysStart | Event::SysStop) || named == GENERATIONS_MAX {
                    return Ok(highest);
                }
            }
            end = start;
        }
        Ok(highest)
    }

    /// What the last start, stop or replacement of the root key says that it was about; `None` if there was none, or it says
    /// nothing.
    ///
    /// # Errors
    /// If an entry on the way cannot be read.
    pub fn ring(&self) -> Result<Option<Token>, ReadError> {
        let mut end = self.size();
        while let Some(last) = end.checked_sub(1) {
            let start = last - last % TILE_WIDTH;
            let entries = self.entries(start).map_while(|entry| match entry {
                Ok(entry) if entry.idx >= end => None,
                entry => Some(entry),
            });
            let entries = entries.collect::<Result<Vec<_>, _>>()?;
            let told =
                |entry: &&Entry| matches!(entry.event, Event::SysStart | Event::SysStop | Event::SysRootKey);
            if let Some(entry) = entries.iter().rev().find(told) {
                return Ok(entry.subject.clone());
            }
            end = start;
        }
        Ok(None)
    }

    fn bundle(&self, number: u64) -> Result<Vec<Vec<u8>>, ReadError> {
        let width = tile_width(self.published, number);
        let bytes = read_tile(&OsDisk, &self.dir, Level::Entries, number, width)?;
        let entries = bundle_entries(&bytes, width).ok_or(ReadError::Damaged(number * TILE_WIDTH))?;
        Ok(entries.into_iter().map(<[u8]>::to_vec).collect())
    }
}

/// Entries in order; ends after the first that cannot be read.
#[derive(Debug)]
pub struct Entries<'a> {
    reader: &'a Reader,
    next: u64,
    bundle: Option<(u64, Vec<Vec<u8>>)>,
}

impl Entries<'_> {
    fn read(&mut self, index: u64) -> Result<Entry, ReadError> {
        let entry: Option<Entry> = serde_json::from_slice(self.bytes(index)?).ok();
        entry.filter(|entry| entry.idx == index).ok_or(ReadError::Damaged(index))
    }

    fn bytes(&mut self, index: u64) -> Result<&[u8], ReadError> {
        let bytes = if let Some(at) = index.checked_sub(self.reader.published) {
            usize::try_from(at).ok().and_then(|at| self.reader.tail.get(at))
        } else {
            let number = index / TILE_WIDTH;
            if self.bundle.as_ref().is_none_or(|(have, _)| *have != number) {
                self.bundle = Some((number, self.reader.bundle(number)?));
            }
            let at = usize::try_from(index % TILE_WIDTH).ok();
            self.bundle.as_ref().zip(at).and_then(|((_, entries), at)| entries.get(at))
        };
        bytes.map(Vec::as_slice).ok_or(ReadError::Damaged(index))
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.next;
        if index >= self.reader.size() {
            return None;
        }
        let entry = self.read(index);
        self.next = if entry.is_ok() { index + 1 } else { u64::MAX };
        Some(entry)
    }
}

/// Which entries somebody looks for; what is absent matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Not earlier than.
    pub since: Option<Timestamp>,
    /// Earlier than.
    pub until: Option<Timestamp>,
    /// Who.
    pub principal: Option<PrincipalId>,
    /// Whose part of the log.
    pub project: Option<ProjectId>,
    /// What kind.
    pub event: Option<Event>,
    /// Which model.
    pub model: Option<ModelName>,
    /// Which request.
    pub request_id: Option<RequestId>,
    /// What policy said.
    pub decision: Option<Decision>,
}

impl Filter {
    /// Whether an entry is one of those looked for.
    #[must_use]
    pub fn matches(&self, entry: &Entry) -> bool {
        fn is<T: PartialEq>(want: Option<&T>, have: Option<&T>) -> bool {
            want.is_none() || want == have
        }
        self.since.is_none_or(|since| entry.ts >= since)
            && self.until.is_none_or(|until| entry.ts < until)
            && is(self.principal.as_ref(), entry.principal.as_ref())
            && is(self.project.as_ref(), entry.project.as_ref())
            && is(self.event.as_ref(), Some(&entry.event))
            && is(self.model.as_ref(), entry.model.as_ref())
            && is(self.request_id.as_ref(), entry.request_id.as_ref())
            && is(self.decision.as_ref(), entry.decision.as_ref())
    }
}
