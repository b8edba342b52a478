//! The publisher: turns durable entries into tiles, bundles and signed checkpoints.
//!
//! It is given entries only once they are durable, computes the tree incrementally and signs only what its files
//! hold: files first, then their directories, then the checkpoint, then the anchors. It never reads the clock.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    checkpoint::Checkpoint,
    disk::{Disk, replace, write_all_at},
    merkle::{Hash, empty_hash, leaf_hash, node_hash, perfect_hash},
    note::SigningKey,
    tile::{
        Level, TILE_WIDTH, bundle_entries, level_len, partials_dir, read_tile, tile_hashes, tile_path,
        tile_width,
    },
};

/// The right edge of the tree, and where it goes.
pub(crate) struct Publisher {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    key: Arc<SigningKey>,
    anchors: Vec<PathBuf>,
    /// Entries in the tree.
    size: u64,
    /// Entries under the last signed checkpoint.
    published: u64,
    /// The partial tile of each level; never full.
    edges: Vec<Vec<Hash>>,
    /// The partial bundle.
    bundle: Vec<u8>,
    known_dirs: BTreeSet<PathBuf>,
    unsynced_dirs: BTreeSet<PathBuf>,
}

/// How publishing to the anchors went; the log itself went well.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) anchor_error: Option<io::Error>,
}

impl Publisher {
    /// Reads the right edge of a published tree. The files must give the checkpoint's root.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if they do not; else as the file system says.
    pub(crate) fn load(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        key: Arc<SigningKey>,
        anchors: Vec<PathBuf>,
        checkpoint: Checkpoint,
    ) -> io::Result<Self> {
        let mut edges = Vec::new();
        while level_len(checkpoint.size, edges.len() as u32) > 0 {
            let level = edges.len() as u32;
            let len = level_len(checkpoint.size, level);
            let (number, width) = (len / TILE_WIDTH, tile_width(len, len / TILE_WIDTH));
            edges.push(if width == 0 {
                Vec::new()
            } else {
                let bytes = read_tile(disk.as_ref(), &dir, Level::Hashes(level), number, width)?;
                tile_hashes(&bytes, width).ok_or(io::ErrorKind::InvalidData)?
            });
        }
        let bundle = match edges.first() {
            Some(leaves) if !leaves.is_empty() => load_bundle(disk.as_ref(), &dir, checkpoint.size, leaves)?,
            _ => Vec::new(),
        };
        let (size, published) = (checkpoint.size, checkpoint.size);
        let (known_dirs, unsynced_dirs) = (BTreeSet::new(), BTreeSet::new());
        let publisher =
            Self { disk, dir, key, anchors, size, published, edges, bundle, known_dirs, unsynced_dirs };
        if publisher.root() == checkpoint.root {
            Ok(publisher)
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
    }

    /// Entries in the tree.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// The entries of the partial bundle, the first of which has index `size - size % 256`.
    pub(crate) fn bundled(&self) -> Vec<&[u8]> {
        bundle_entries(&self.bundle, self.size % TILE_WIDTH).unwrap_or_default()
    }

    /// Whether there is something to publish.
    pub(crate) const fn is_behind(&self) -> bool {
        self.published < self.size
    }

    /// The tree's root: perfect subtrees from the smallest, folded to the left (RFC 6962 §2.1).
    pub(crate) fn root(&self) -> Hash {
        let mut root: Option<Hash> = None;
        for edge in &self.edges {
            let mut end = edge.len();
            while end > 0 {
                let begin = end & (end - 1); // without its lowest bit: the subtree before `end` is this wide
                let left = perfect_hash(&edge[begin..end]);
                root = Some(root.map_or(left, |right| node_hash(&left, &right)));
                end = begin;
            }
        }
        root.unwrap_or_else(empty_hash)
    }

    /// Adds a durable entry; writes the tiles that it fills.
    pub(crate) fn push(&mut self, entry: &[u8]) -> io::Result<()> {
        let length = u16::try_from(entry.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.bundle.extend_from_slice(&length.to_be_bytes());
        self.bundle.extend_from_slice(entry);
        self.size += 1;
        if self.size.is_multiple_of(TILE_WIDTH) {
            let bundle = std::mem::take(&mut self.bundle);
            self.write_tile(Level::Entries, self.size / TILE_WIDTH - 1, TILE_WIDTH, &bundle)?;
        }
        let (mut level, mut hash) = (0, leaf_hash(entry));
        loop {
            if self.edges.len() == level {
                self.edges.push(Vec::new());
            }
            self.edges[level].push(hash);
            if (self.edges[level].len() as u64) < TILE_WIDTH {
                return Ok(());
            }
            let full = std::mem::take(&mut self.edges[level]);
            let number = level_len(self.size, level as u32) / TILE_WIDTH - 1;
            self.write_tile(Level::Hashes(level as u32), number, TILE_WIDTH, full.as_flattened())?;
            hash = perfect_hash(&full);
            level += 1;
        }
    }

    /// Writes the partial tiles and signs a checkpoint over everything pushed.
    pub(crate) fn publish(&mut self) -> io::Result<Published> {
        let checkpoint = Checkpoint { size: self.size, root: self.root() };
        self.write_partials()?;
        for dir in std::mem::take(&mut self.unsynced_dirs) {
            self.disk.sync_dir(&dir)?;
        }
        let note = checkpoint.sign(&self.key);
        replace(self.disk.as_ref(), &self.dir.join("checkpoint"), note.as_bytes())?;
        let before = std::mem::replace(&mut self.published, self.size);
        let mut anchor_error = None;
        for anchor in &self.anchors {
            if let Err(error) = replace(self.disk.as_ref(), anchor, note.as_bytes()) {
                anchor_error = Some(error);
            }
        }
        self.sweep(before)?;
        Ok(Published { checkpoint, anchor_error })
    }

    fn write_partials(&mut self) -> io::Result<()> {
        for level in 0..self.edges.len() {
            let edge = std::mem::take(&mut self.edges[level]);
            let len = level_len(self.size, level as u32);
            let grown = len > level_len(self.published, level as u32);
            let width = edge.len() as u64;
            let written = if grown && width > 0 {
                self.write_tile(Level::Hashes(level as u32), len / TILE_WIDTH, width, edge.as_flattened())
            } else {
                Ok(())
            };
            self.edges[level] = edge;
            written?;
        }
        let width = self.size % TILE_WIDTH;
        if self.is_behind() && width > 0 {
            let bundle = std::mem::take(&mut self.bundle);
            let written = self.write_tile(Level::Entries, self.size / TILE_WIDTH, width, &bundle);
            self.bundle = bundle;
            written?;
        }
        Ok(())
    }

    /// Removes the partial forms of tiles that are full since the checkpoint of size `before`.
    pub(crate) fn sweep(&self, before: u64) -> io::Result<()> {
        for level in 0..self.edges.len() as u32 {
            let (old, new) =
                (level_len(before, level) / TILE_WIDTH, level_len(self.size, level) / TILE_WIDTH);
            if old == new {
                continue;
            }
            for level in
                [Some(Level::Hashes(level)), (level == 0).then_some(Level::Entries)].into_iter().flatten()
            {
                match self.disk.remove(&self.dir.join(partials_dir(level, old))) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn write_tile(&mut self, level: Level, number: u64, width: u64, bytes: &[u8]) -> io::Result<()> {
        let path = self.dir.join(tile_path(level, number, width));
        let dir = path.parent().unwrap_or(&self.dir).to_owned();
        if !self.known_dirs.contains(&dir) {
            self.disk.create_dir(&dir)?;
            let above =
                dir.ancestors().take_while(|ancestor| ancestor.starts_with(&self.dir)).map(Path::to_owned);
            self.unsynced_dirs.extend(above);
            // Only the newest directories are written to again; forgetting the others costs a system call.
            if self.known_dirs.len() > 64 {
                self.known_dirs.clear();
            }
            self.known_dirs.insert(dir.clone());
        }
        // Under another name until it is whole: a tile that was cut off by a full disk would stay beside the log and
        // speak against it.
        let fresh = dir.join("new");
        let mut file = self.disk.create(&fresh, 0)?;
        write_all_at(file.as_mut(), bytes, 0)?;
        file.sync()?;
        drop(file);
        self.disk.rename(&fresh, &path)?;
        self.unsynced_dirs.insert(dir);
        Ok(())
    }
}

/// The partial bundle of a tree of this size, whose entries must hash to these leaves.
fn load_bundle(disk: &dyn Disk, dir: &Path, size: u64, leaves: &[Hash]) -> io::Result<Vec<u8>> {
    let width = leaves.len() as u64;
    let mut bundle = read_tile(disk, dir, Level::Entries, size / TILE_WIDTH, width)?;
    let entries = bundle_entries(&bundle, width).ok_or(io::ErrorKind::InvalidData)?;
    if entries.iter().zip(leaves).any(|(entry, leaf)| leaf_hash(entry) != *leaf) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let bytes = entries.iter().map(|entry| entry.len() + 2).sum();
    bundle.truncate(bytes);
    Ok(bundle)
}
