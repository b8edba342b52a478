//! Write-ahead segments, as the writer's documentation describes them, read without it.
//!
//! `u32 length, u32 crc, u64 index, u64 durable, entry`, little endian; the crc-32 is over everything but itself.

use std::{collections::BTreeMap, fs, io, path::Path};

use mantlet_types::limits::ENTRY_BYTES_MAX;

use super::{
    VerifyError, read,
    tree::{Hash, leaf},
};

/// What the segments hold.
pub(super) struct Segments {
    /// Leaf hashes of entries that are also in tiles.
    hashes: BTreeMap<u64, Hash>,
    /// Entries beyond the checkpoint.
    pub(super) tail: Vec<Vec<u8>>,
    /// Whether a segment ended in bytes that are no frame; then it has to be the last.
    broken: bool,
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Index, durable count and entry of the frame at this place.
fn frame(bytes: &[u8], at: usize) -> Option<(u64, u64, &[u8])> {
    let length = half(bytes, at)? as usize;
    if length == 0 || length > ENTRY_BYTES_MAX {
        return None;
    }
    let covered = bytes.get(at + 8..at + 24 + length)?;
    let mut crc = crc32fast::Hasher::new_with_initial(crc32fast::hash(&bytes[at..at + 4]));
    crc.update(covered);
    if crc.finalize() != half(bytes, at + 4)? {
        return None;
    }
    // A log has fewer than 2^64 entries, so its last index is below the largest number.
    let index = word(bytes, at + 8).filter(|index| *index < u64::MAX)?;
    Some((index, word(bytes, at + 16)?, &covered[16..]))
}

/// How many zeros these bytes end in. A segment is laid out whole before anything is written to it, so that most of
/// one may be spare room: it is compared in pieces, as fast as memory is read.
pub(super) fn blank(bytes: &[u8]) -> usize {
    const PIECE: [u8; 4_096] = [0; 4_096];
    let pieces = bytes.rchunks(PIECE.len());
    let whole: usize = pieces.map_while(|piece| PIECE.starts_with(piece).then_some(piece.len())).sum();
    let rest = bytes[..bytes.len() - whole].iter().rev();
    whole + rest.take_while(|byte| **byte == 0).count()
}

impl Segments {
    /// Reads all segments; they must reach from at most `size` entries to at least as many, without a gap among
    /// what was durable. `None` if there is no directory of them.
    pub(super) fn read(dir: &Path, size: u64) -> Result<Option<Self>, VerifyError> {
        let io = |error| VerifyError::Io { path: dir.to_owned(), error };
        let names = match fs::read_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            names => names.map_err(io)?,
        };
        let mut paths = Vec::new();
        for name in names {
            let path = name.map_err(io)?.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
            if path.extension().is_some_and(|extension| extension == "wal") {
                paths.extend(number.map(|number| (number, path)));
            }
        }
        paths.sort();
        let (mut segments, mut next) =
            (Self { hashes: BTreeMap::new(), tail: Vec::new(), broken: false }, None);
        for (_, path) in paths {
            match read(&path) {
                // Removed by the writer in this moment: what it held is published by now.
                Err(VerifyError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {}
                bytes => segments.take(&bytes?, size, &mut next)?,
            }
        }
        match next.unwrap_or(0) {
            end if end < size => Err(VerifyError::Lost { index: end }),
            _ => Ok(Some(segments)),
        }
    }

    fn take(&mut self, bytes: &[u8], size: u64, next: &mut Option<u64>) -> Result<(), VerifyError> {
        let mut at = 0;
        while let Some((index, _, entry)) = frame(bytes, at) {
            match *next {
                _ if self.broken => {
                    return Err(VerifyError::Lost { index: next.unwrap_or(index.saturating_sub(1)) });
                }
                None if index > size => return Err(VerifyError::Lost { index: size }),
                // Where a gap shows only at a segment's start, it is one; within one, the rest decides below.
                Some(expected) if index != expected && at == 0 => {
                    return Err(VerifyError::Lost { index: expected });
                }
                Some(expected) if index != expected => break,
                _ => {}
            }
            if index < size {
                self.hashes.insert(index, leaf(entry));
            } else {
                self.tail.push(entry.to_vec());
            }
            *next = index.checked_add(1);
            at += 24 + entry.len();
        }
        // A frame begins with its length, which is not zero: none begins in the spare room at the end.
        let written = bytes.len() - blank(&bytes[at..]);
        self.broken |= written > at;
        // A frame that knew more entries to be durable than are left says that some are missing.
        let end = next.unwrap_or(0);
        let known = (at..written).filter(|at| half(bytes, *at) != Some(0)).filter_map(|at| frame(bytes, at));
        match known.map(|(_, durable, _)| durable).max() {
            Some(durable) if durable > end => Err(VerifyError::Lost { index: end }),
            _ => Ok(()),
        }
    }

    /// Whether a segment holds another entry at this index.
    pub(super) fn contradicts(&self, index: u64, hash: &Hash) -> bool {
        self.hashes.get(&index).is_some_and(|known| known != hash)
    }
}
