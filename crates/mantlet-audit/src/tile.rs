//! Tiles: where the tree's hashes and the entries lie (c2sp.org/tlog-tiles).
//!
//! A full tile holds 256 hashes; its Merkle hash is one hash of the level above. A tree of a given size has at most
//! one partial tile per level. This file knows names and numbers, and how to read a hash back out of the files.

use std::{
    cell::RefCell,
    collections::{HashMap, hash_map::Entry},
    io,
    path::{Path, PathBuf},
};

use crate::{
    disk::Disk,
    merkle::{Hash, Subtrees, perfect_hash},
};

/// Hashes in a full tile, entries in a full bundle.
pub(crate) const TILE_WIDTH: u64 = 256;

/// log2 of [`TILE_WIDTH`].
pub(crate) const TILE_HEIGHT: u32 = 8;

/// Which files a tile is one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Level {
    Entries,
    Hashes(u32),
}

/// The path of a tile below the log's directory; `width` is 256 for a full one.
pub(crate) fn tile_path(level: Level, number: u64, width: u64) -> PathBuf {
    let mut path = PathBuf::from("tile");
    match level {
        Level::Entries => path.push("entries"),
        Level::Hashes(level) => path.push(level.to_string()),
    }
    let mut groups = vec![format!("{:03}", number % 1_000)];
    let mut rest = number / 1_000;
    while rest > 0 {
        groups.push(format!("x{:03}", rest % 1_000));
        rest /= 1_000;
    }
    let last = groups.remove(0);
    path.extend(groups.iter().rev());
    if width == TILE_WIDTH {
        path.push(last);
    } else {
        path.push(format!("{last}.p"));
        path.push(width.to_string());
    }
    path
}

/// The directory that holds a tile's partial forms.
pub(crate) fn partials_dir(level: Level, number: u64) -> PathBuf {
    let mut dir = tile_path(level, number, 1);
    dir.pop();
    dir
}

/// Hashes at tile level `level` in a tree of `size` leaves.
pub(crate) const fn level_len(size: u64, level: u32) -> u64 {
    match size.checked_shr(TILE_HEIGHT * level) {
        Some(len) => len,
        None => 0,
    }
}

/// The width of tile `number` at a level that holds `len` hashes.
pub(crate) const fn tile_width(len: u64, number: u64) -> u64 {
    let before = number.saturating_mul(TILE_WIDTH);
    let left = len.saturating_sub(before);
    if left < TILE_WIDTH { left } else { TILE_WIDTH }
}

/// Reads a tile, from its full form if the partial one has been swept away since.
pub(crate) fn read_tile(
    disk: &dyn Disk,
    dir: &Path,
    level: Level,
    number: u64,
    width: u64,
) -> io::Result<Vec<u8>> {
    match disk.read(&dir.join(tile_path(level, number, width))) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && width < TILE_WIDTH => {
            disk.read(&dir.join(tile_path(level, number, TILE_WIDTH)))
        }
        result => result,
    }
}

/// Splits a tile into its first `width` hashes; `None` if it holds fewer.
pub(crate) fn tile_hashes(bytes: &[u8], width: u64) -> Option<Vec<Hash>> {
    let bytes = bytes.get(..usize::try_from(width).ok()? * 32)?;
    bytes.chunks_exact(32).map(|hash| hash.try_into().ok()).collect()
}

/// Splits a bundle into its first `width` entries; `None` if it holds fewer.
pub(crate) fn bundle_entries(mut bytes: &[u8], width: u64) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    for _ in 0..width {
        let (len, rest) = bytes.split_at_checked(2)?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([len[0], len[1]])))?;
        entries.push(entry);
        bytes = rest;
    }
    Some(entries)
}

/// The tiles of a published tree as a source of hashes. Keeps the tiles that it has read: a proof touches at most
/// two per level.
pub(crate) struct PublishedTiles<'a> {
    pub(crate) disk: &'a dyn Disk,
    pub(crate) dir: &'a Path,
    pub(crate) size: u64,
    read: RefCell<HashMap<(u32, u64), Vec<Hash>>>,
}

impl<'a> PublishedTiles<'a> {
    pub(crate) fn new(disk: &'a dyn Disk, dir: &'a Path, size: u64) -> Self {
        Self { disk, dir, size, read: RefCell::default() }
    }
}

impl Subtrees for PublishedTiles<'_> {
    type Error = io::Error;

    fn subtree(&self, height: u32, index: u64) -> io::Result<Hash> {
        let (level, above) = (height / TILE_HEIGHT, height % TILE_HEIGHT);
        let first = index << above;
        let number = first / TILE_WIDTH;
        let mut read = self.read.borrow_mut();
        let hashes = match read.entry((level, number)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let width = tile_width(level_len(self.size, level), number);
                let bytes = read_tile(self.disk, self.dir, Level::Hashes(level), number, width)?;
                unknown.insert(tile_hashes(&bytes, width).ok_or(io::ErrorKind::UnexpectedEof)?)
            }
        };
        let begin = usize::try_from(first % TILE_WIDTH).map_err(|_| io::ErrorKind::InvalidData)?;
        let hashes = hashes.get(begin..begin + (1 << above));
        hashes.map(perfect_hash).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_standard() {
        let path = |level, number, width| tile_path(level, number, width).to_str().unwrap().to_owned();
        assert_eq!(path(Level::Hashes(0), 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(path(Level::Hashes(2), 0, 17), "tile/2/000.p/17");
        assert_eq!(path(Level::Entries, 273, 112), "tile/entries/273.p/112");
        assert_eq!(path(Level::Entries, 1_000, 1), "tile/entries/x001/000.p/1");
    }

    #[test]
    fn widths_of_seventy_thousand() {
        let widths = |level| {
            let len = level_len(70_000, level);
            (len / TILE_WIDTH, tile_width(len, len / TILE_WIDTH))
        };
        assert_eq!([widths(0), widths(1), widths(2), widths(3)], [(273, 112), (1, 17), (0, 1), (0, 0)]);
    }

    #[test]
    fn short_tiles_are_no_tiles() {
        assert!(tile_hashes(&[0; 63], 2).is_none());
        assert!(bundle_entries(&[0, 2, b'a'], 1).is_none());
        assert_eq!(bundle_entries(&[0, 1, b'a', 0, 0], 2).unwrap(), [&b"a"[..], b""]);
    }
}
