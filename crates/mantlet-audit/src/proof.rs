//! Offline proofs (c2sp.org/tlog-proof@v1): an entry, its place in the tree, and the checkpoint over it in one text.

use std::{fmt::Write, io, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    checkpoint::{Checkpoint, CheckpointError},
    disk::Disk,
    merkle::{consistency_proof, inclusion_proof},
    note::VerifierKey,
    tile::{Level, PublishedTiles, TILE_WIDTH, bundle_entries, read_tile, tile_width},
};

/// An entry that anybody with the log's key can check, without the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The entry's index.
    pub index: u64,
    /// The entry, as it lies in the tree.
    pub entry: Vec<u8>,
    /// The tlog-proof; its `extra` line carries the entry.
    pub text: String,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// No checkpoint covers the entry yet; within a second one will, if there is such an entry.
    #[error("entry `{index}` is not published: the checkpoint covers {size} entries")]
    Unpublished {
        /// The entry asked for.
        index: u64,
        /// Entries under the last checkpoint.
        size: u64,
    },
    /// The checkpoint is not this log's.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The files cannot be read.
    #[error("the log's files cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// Proves an entry under the checkpoint in a log's directory.
///
/// # Errors
/// If it is not published, or the files cannot be read.
pub fn prove(disk: &dyn Disk, dir: &Path, key: &VerifierKey, index: u64) -> Result<Proof, ProofError> {
    let note = disk.read(&dir.join("checkpoint"))?;
    let checkpoint = Checkpoint::open(&note, key)?;
    if index >= checkpoint.size {
        return Err(ProofError::Unpublished { index, size: checkpoint.size });
    }
    let hashes = inclusion_proof(&PublishedTiles::new(disk, dir, checkpoint.size), index, checkpoint.size)?;
    let width = tile_width(checkpoint.size, index / TILE_WIDTH);
    let bundle = read_tile(disk, dir, Level::Entries, index / TILE_WIDTH, width)?;
    let nth = |entries: Vec<&[u8]>| {
        entries.get(usize::try_from(index % TILE_WIDTH).ok()?).map(|entry| entry.to_vec())
    };
    let entry = bundle_entries(&bundle, width).and_then(nth);
    let entry = entry.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    let mut text = format!("c2sp.org/tlog-proof@v1\nextra {}\nindex {index}\n", STANDARD.encode(&entry));
    for hash in hashes {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", STANDARD.encode(hash));
    }
    text.push('\n');
    text.push_str(std::str::from_utf8(&note).map_err(|_| CheckpointError::Malformed)?);
    Ok(Proof { index, entry, text })
}

/// The hashes that show that the first `old` entries are still the beginning of the published log (RFC 6962
/// §2.1.2), and the checkpoint that they lead to. Empty for `old` of 0 or the checkpoint's own size.
///
/// # Errors
/// If the published log is shorter, or the files cannot be read.
pub fn prove_consistency(
    disk: &dyn Disk,
    dir: &Path,
    key: &VerifierKey,
    old: u64,
) -> Result<(Vec<crate::merkle::Hash>, Checkpoint), ProofError> {
    let checkpoint = Checkpoint::open(&disk.read(&dir.join("checkpoint"))?, key)?;
    if old > checkpoint.size {
        return Err(ProofError::Unpublished { index: old - 1, size: checkpoint.size });
    }
    let tiles = PublishedTiles::new(disk, dir, checkpoint.size);
    Ok((consistency_proof(&tiles, old, checkpoint.size)?, checkpoint))
}
