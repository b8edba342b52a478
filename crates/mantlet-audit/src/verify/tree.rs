//! The tree, computed from the entries upward, and the files that must agree with it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA256, digest};

use super::{VerifyError, read};

pub(super) type Hash = [u8; 32];

fn hash(bytes: &[u8]) -> Hash {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// RFC 6962 §2.1: the hash of an entry.
pub(super) fn leaf(entry: &[u8]) -> Hash {
    let mut bytes = vec![0];
    bytes.extend_from_slice(entry);
    hash(&bytes)
}

/// RFC 6962 §2.1: the hash of two subtrees.
pub(super) fn inner(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [1; 65];
    bytes[1..33].copy_from_slice(left);
    bytes[33..].copy_from_slice(right);
    hash(&bytes)
}

/// The perfect subtrees of a growing tree, largest first; as in adding one to a binary number, equal neighbors merge.
#[derive(Default)]
pub(super) struct Peaks {
    leaves: u64,
    peaks: Vec<Hash>,
}

impl Peaks {
    pub(super) const fn leaves(&self) -> u64 {
        self.leaves
    }

    pub(super) fn push(&mut self, mut hash: Hash) {
        let mut carries = self.leaves.trailing_ones();
        while carries > 0
            && let Some(left) = self.peaks.pop()
        {
            hash = inner(&left, &hash);
            carries -= 1;
        }
        self.peaks.push(hash);
        self.leaves += 1;
    }

    pub(super) fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return hash(b"") };
        peaks.fold(*last, |right, left| inner(left, &right))
    }
}

/// Entries or hashes per tile.
const WIDTH: usize = 256;

/// `1234067` is `x001/x234/067`.
fn number_path(number: u64) -> String {
    let last = format!("{:03}", number % 1_000);
    let above =
        std::iter::successors(Some(number / 1_000), |rest| Some(rest / 1_000)).take_while(|rest| *rest > 0);
    above.fold(last, |path, rest| format!("x{:03}/{path}", rest % 1_000))
}

/// Walks the bundles of a log and compares the tiles of every level.
pub(super) struct Files<'a> {
    dir: &'a Path,
    size: u64,
    /// Entries read.
    done: u64,
    /// Per level the hashes since the last full tile, and the number of full tiles.
    levels: Vec<(Vec<Hash>, u64)>,
}

impl<'a> Files<'a> {
    pub(super) const fn new(dir: &'a Path, size: u64) -> Self {
        Self { dir, size, done: 0, levels: Vec::new() }
    }

    fn path(&self, level: &str, number: u64) -> PathBuf {
        self.dir.join("tile").join(level).join(number_path(number))
    }

    /// The next bundle's entries, in full.
    pub(super) fn next_bundle(&mut self) -> Result<Option<Vec<Vec<u8>>>, VerifyError> {
        let want = (self.size - self.done).min(WIDTH as u64);
        if want == 0 {
            return Ok(None);
        }
        let path = self.path("entries", self.done / WIDTH as u64);
        let (bytes, exact) = read_form(&path, want)?;
        let fault =
            |entries: usize| VerifyError::Tile { path: path.clone(), index: self.done + entries as u64 };
        let (mut entries, mut rest) = (Vec::new(), &bytes[..]);
        while (entries.len() as u64) < want {
            let (length, after) = rest.split_first_chunk::<2>().ok_or_else(|| fault(entries.len()))?;
            let length = usize::from(u16::from_be_bytes(*length));
            let entry = after.get(..length).ok_or_else(|| fault(entries.len()))?;
            entries.push(entry.to_vec());
            rest = &after[length..];
        }
        if exact && !rest.is_empty() {
            return Err(fault(entries.len() - 1));
        }
        self.done += want;
        Ok(Some(entries))
    }

    /// Adds a bundle's hashes to the levels, comparing the tiles that they fill and older forms of the bundle.
    pub(super) fn check_bundle(&mut self, entries: &[Vec<u8>]) -> Result<(), VerifyError> {
        let first = self.done - entries.len() as u64;
        let path = self.path("entries", first / WIDTH as u64);
        older_forms(&path, entries.len(), first, |width| {
            entries[..width]
                .iter()
                .flat_map(|entry| [&(entry.len() as u16).to_be_bytes()[..], entry].concat())
                .collect()
        })?;
        entries.iter().try_for_each(|entry| self.add(0, leaf(entry)))
    }

    fn add(&mut self, level: usize, hash: Hash) -> Result<(), VerifyError> {
        if self.levels.len() == level {
            self.levels.push((Vec::new(), 0));
        }
        self.levels[level].0.push(hash);
        if self.levels[level].0.len() < WIDTH {
            return Ok(());
        }
        self.compare(level)?;
        let (full, number) = std::mem::take(&mut self.levels[level]);
        self.levels[level].1 = number + 1;
        let mut peaks = Peaks::default();
        full.into_iter().for_each(|hash| peaks.push(hash));
        self.add(level + 1, peaks.root())
    }

    /// Compares the partial tiles at the right edge.
    pub(super) fn finish(&self) -> Result<(), VerifyError> {
        let partial = (0..self.levels.len()).filter(|level| !self.levels[*level].0.is_empty());
        partial.into_iter().try_for_each(|level| self.compare(level))
    }

    fn compare(&self, level: usize) -> Result<(), VerifyError> {
        let (hashes, number) = &self.levels[level];
        let path = self.path(&level.to_string(), *number);
        let (bytes, exact) = read_form(&path, hashes.len() as u64)?;
        let below = |hash: usize| (*number * WIDTH as u64 + hash as u64) << (8 * level);
        let fault = |hash: usize| VerifyError::Tile { path: path.clone(), index: below(hash) };
        for (at, hash) in hashes.iter().enumerate() {
            if bytes.get(at * 32..at * 32 + 32) != Some(&hash[..]) {
                return Err(fault(at));
            }
        }
        if exact && bytes.len() != hashes.len() * 32 {
            return Err(fault(hashes.len() - 1));
        }
        older_forms(&path, hashes.len(), below(0), |width| hashes[..width].concat())
    }
}

/// A tile of this width: its own file, or the beginning of the full one if that has come since. Says which.
fn read_form(path: &Path, width: u64) -> Result<(Vec<u8>, bool), VerifyError> {
    if width == WIDTH as u64 {
        return Ok((read(path)?, true));
    }
    let partial = partials(path).join(width.to_string());
    match read(&partial) {
        Err(VerifyError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound && path.exists() => {
            Ok((read(path)?, false))
        }
        result => Ok((result?, true)),
    }
}

fn partials(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".p");
    name.into()
}

/// Partial forms of a tile for earlier checkpoints must be beginnings of it.
fn older_forms(
    path: &Path,
    known: usize,
    first: u64,
    beginning: impl Fn(usize) -> Vec<u8>,
) -> Result<(), VerifyError> {
    let Ok(forms) = fs::read_dir(partials(path)) else { return Ok(()) };
    for form in forms.flatten() {
        let width: Option<usize> = form.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(width) = width.filter(|width| *width <= known) else { continue };
        match fs::read(form.path()) {
            Ok(bytes) if bytes != beginning(width) => {
                return Err(VerifyError::Tile { path: form.path(), index: first });
            }
            // Swept away by the writer in this moment.
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(VerifyError::Io { path: form.path(), error });
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_groups_of_three() {
        let paths = [0, 7, 999, 1_000, 1_234_067].map(number_path);
        assert_eq!(paths, ["000", "007", "999", "x001/000", "x001/x234/067"]);
    }
}
