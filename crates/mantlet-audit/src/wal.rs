//! Write-ahead segments: where an entry lies before it is acknowledged.
//!
//! Segments are preallocated files `wal/NNNNNN.wal` of [frames](crate::frame); their order is the log's order. Two
//! spares lie ready, so that running out of space is noticed while there is still room to say so. This file knows
//! when a frame is durable, not what an entry means.

use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    disk::{Disk, DiskFile, list_if_present, write_all_at},
    frame,
};

/// Segments that lie ready.
const SPARES: usize = 2;

/// The end of every segment that only a sealing entry may use.
pub(crate) const RESERVE_BYTES: u64 = 8 << 10;

/// Smallest segment: the reserve and a few of the longest entries.
pub(crate) const SEGMENT_BYTES_MIN: u64 = 32 << 10;

/// A segment's file name.
pub(crate) fn segment_name(number: u64) -> String {
    format!("{number:06}.wal")
}

/// The numbers of the segments in a directory, ascending.
pub(crate) fn segment_numbers(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<u64>> {
    let names = list_if_present(disk, dir)?;
    let number = |name: &String| name.strip_suffix(".wal").and_then(|digits| digits.parse().ok());
    let mut numbers: Vec<u64> = names.iter().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// What a scan found.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Segments with frames: number, and index after the last frame.
    pub(crate) segments: Vec<(u64, u64)>,
    /// Where the last of them ends in bytes.
    pub(crate) end_bytes: u64,
    /// Bytes after that which are not zero.
    pub(crate) torn_bytes: u64,
    /// Numbers of the segments after the last with frames.
    pub(crate) behind: Vec<u64>,
}

/// The segments do not hold together: entries that were acknowledged are missing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("entry {0} was durable and is damaged or missing")]
    Damaged(u64),
}

/// Reads every segment, handing each frame to `visit` in the log's order.
///
/// Only what was never acknowledged may be missing: a frame that does not read ends the log, unless a later one
/// proves that it had been durable.
pub(crate) fn scan(
    disk: &dyn Disk,
    dir: &Path,
    mut visit: impl FnMut(frame::Frame<'_>) -> Result<(), ScanError>,
) -> Result<Scan, ScanError> {
    let mut found = Scan::default();
    let (mut expected, mut torn_before): (Option<u64>, _) = (None, false);
    for number in segment_numbers(disk, dir)? {
        let bytes = disk.read(&dir.join(segment_name(number)))?;
        let mut at = 0;
        for frame in frame::frames(&bytes) {
            // Torn bytes are cleared before the log goes on, so those with frames behind them have been damaged since.
            if torn_before || expected.is_some_and(|expected| expected != frame.index) {
                return Err(ScanError::Damaged(expected.unwrap_or(frame.index.saturating_sub(1))));
            }
            at += frame.bytes();
            expected = Some(frame.index + 1);
            visit(frame)?;
        }
        let torn = frame::without_zeros(&bytes[at..]);
        let index = expected.unwrap_or(0);
        if frame::proves_durable(torn, index) {
            return Err(ScanError::Damaged(index));
        }
        torn_before |= !torn.is_empty();
        if at > 0 {
            found.segments.push((number, index));
            (found.end_bytes, found.torn_bytes) = (at as u64, torn.len() as u64);
            found.behind.clear();
        } else {
            found.behind.push(number);
        }
    }
    Ok(found)
}

/// The writing end.
pub(crate) struct Wal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    segment_bytes: u64,
    file: Box<dyn DiskFile>,
    number: u64,
    at: u64,
    /// Older segments: number, and index after the last frame.
    old: VecDeque<(u64, u64)>,
    spares: VecDeque<u64>,
    next: u64,
    durable: u64,
}

impl Wal {
    /// Goes on where a scan ended; clears what was torn and lays the spares ready. `next` is the index after the
    /// last frame.
    pub(crate) fn resume(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        segment_bytes: u64,
        mut found: Scan,
        next: u64,
    ) -> io::Result<Self> {
        disk.create_dir(&dir)?;
        disk.sync_dir(dir.parent().unwrap_or(Path::new("")))?;
        for number in &found.behind {
            disk.remove(&dir.join(segment_name(*number)))?;
        }
        let (number, at) = match found.segments.pop() {
            Some((number, _)) => (number, found.end_bytes),
            None => (0, 0),
        };
        let path = dir.join(segment_name(number));
        let mut file = if at == 0 { disk.create(&path, segment_bytes)? } else { disk.open(&path)? };
        disk.sync_dir(&dir)?;
        // What a crash tore would otherwise be read as frames again once the log has grown up to it. The sync also
        // makes durable what a process killed under `os` durability had only written.
        let torn = usize::try_from(found.torn_bytes).map_err(|_| io::ErrorKind::InvalidData)?;
        write_all_at(file.as_mut(), &vec![0; torn], at)?;
        file.sync()?;
        let (old, spares) = (found.segments.into(), VecDeque::new());
        let mut wal = Self { disk, dir, segment_bytes, file, number, at, old, spares, next, durable: next };
        wal.replenish()?;
        Ok(wal)
    }

    /// The index of the next entry.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// How many entries are durable.
    pub(crate) const fn durable(&self) -> u64 {
        self.durable
    }

    /// Whether fewer spares lie ready than there should.
    pub(crate) fn lacks_spares(&self) -> bool {
        self.spares.len() < SPARES
    }

    /// Bytes that the current or a fresh segment takes at once.
    pub(crate) const fn batch_bytes_max(&self) -> u64 {
        self.segment_bytes - RESERVE_BYTES
    }

    /// Writes frames in one piece; durable after the next [`Self::sync`]. At most [`Self::batch_bytes_max`] bytes.
    pub(crate) fn append(&mut self, frames: &[u8], count: u64) -> io::Result<()> {
        if self.at + frames.len() as u64 > self.batch_bytes_max() {
            self.rotate()?;
        }
        self.append_here(frames, count)
    }

    /// As [`Self::append`], into the current segment's reserve if need be.
    pub(crate) fn append_reserved(&mut self, frames: &[u8], count: u64) -> io::Result<()> {
        if self.at + frames.len() as u64 > self.segment_bytes {
            self.rotate()?;
        }
        self.append_here(frames, count)
    }

    fn append_here(&mut self, frames: &[u8], count: u64) -> io::Result<()> {
        write_all_at(self.file.as_mut(), frames, self.at)?;
        self.at += frames.len() as u64;
        self.next += count;
        Ok(())
    }

    /// Makes everything appended durable.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if self.durable < self.next {
            self.file.sync()?;
            self.durable = self.next;
        }
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        // A frame in the next segment may call everything before it durable.
        self.sync()?;
        let number = self.spares.pop_front().ok_or(io::ErrorKind::StorageFull)?;
        self.file = self.disk.open(&self.dir.join(segment_name(number)))?;
        if self.at > 0 {
            self.old.push_back((self.number, self.next));
        }
        (self.number, self.at) = (number, 0);
        match self.replenish() {
            // Not yet an error: the writer sees that spares are lacking and takes no more.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(()),
            result => result,
        }
    }

    /// Lays spares ready until there are enough.
    pub(crate) fn replenish(&mut self) -> io::Result<()> {
        while self.lacks_spares() {
            let number = self.spares.back().unwrap_or(&self.number) + 1;
            self.disk.create(&self.dir.join(segment_name(number)), self.segment_bytes)?;
            self.disk.sync_dir(&self.dir)?;
            self.spares.push_back(number);
        }
        Ok(())
    }

    /// Removes segments whose entries all lie before `floor`. The last frame of the log always stays: it shows that
    /// nothing after it was acknowledged.
    pub(crate) fn release(&mut self, floor: u64) -> io::Result<()> {
        while let Some((number, end)) = self.old.front().copied()
            && end <= floor
            && (self.old.len() > 1 || self.at > 0)
        {
            self.disk.remove(&self.dir.join(segment_name(number)))?;
            // One at a time: a crash must not bring back an older one without its successor.
            self.disk.sync_dir(&self.dir)?;
            self.old.pop_front();
        }
        Ok(())
    }
}
