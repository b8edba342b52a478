//! Taking away what nothing names: objects of a registration that ended before its version was there, packages of versions
//! that are forgotten, and what was left of files that were being written.
//!
//! INVARIANT (alone): whoever collects has the home to themselves. A registration may find a file in place that nothing names yet,
//! and count on it. Besides, what is younger than a day stays.

use std::{
    collections::BTreeSet,
    fs, io,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use mantlet_types::Sha256;

use super::{KEPT, Kind, PackageDigest, Registry, RegistryError};

/// What is younger than this stays.
const YOUNG: Duration = Duration::from_hours(24);

/// Files that are taken away at once; the next time goes on.
const COLLECTED_MAX: usize = 10_000;

/// Files that nothing names.
#[derive(Debug, Default)]
pub struct Orphans {
    /// Where they are, what names others before what it names.
    pub paths: Vec<PathBuf>,
    /// How much they take, in bytes.
    pub bytes: u64,
}

impl Registry {
    /// The files that nothing names, given the packages that versions do.
    ///
    /// # Errors
    /// If a directory or an index cannot be read: what it names is not known then, and nothing may be taken away.
    pub fn orphans(&self, named: &BTreeSet<PackageDigest>) -> Result<Orphans, RegistryError> {
        let mut orphans = Orphans::default();
        let mut blobs = BTreeSet::<Sha256>::new();
        for (path, digest) in self.entries(Kind::Index.directory())? {
            let package = digest.map(PackageDigest);
            let is_named = package.is_some_and(|package| named.contains(&package));
            if is_named || !self.note(&mut orphans, path)? {
                // Whatever stays keeps what it names.
                let files = package.map(|package| self.files(&package)).transpose()?;
                blobs.extend(files.into_iter().flatten().map(|(_, blob, _)| blob));
            }
        }
        for (path, _) in self.entries(KEPT)? {
            self.note(&mut orphans, path)?;
        }
        for (path, digest) in self.entries(Kind::Blob.directory())? {
            if !digest.is_some_and(|digest| blobs.contains(&digest)) {
                self.note(&mut orphans, path)?;
            }
        }
        Ok(orphans)
    }

    /// Takes files away that nothing names. One that has gone meanwhile is gone.
    ///
    /// # Errors
    /// The disk says no; what was taken away is.
    pub fn remove(&self, orphans: &Orphans) -> Result<(), RegistryError> {
        for path in &orphans.paths {
            match fs::remove_file(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.map_err(|cause| RegistryError::Io { path: path.clone(), cause })?,
            }
        }
        Ok(())
    }

    /// The files of a directory, and the digests that they are named by, in order.
    fn entries(&self, directory: &str) -> Result<Vec<(PathBuf, Option<Sha256>)>, RegistryError> {
        let dir = self.root.join(directory);
        let io = |cause| RegistryError::Io { path: dir.clone(), cause };
        let mut entries = Vec::new();
        for entry in fs::read_dir(&dir).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let digest = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
            entries.push((path, digest));
        }
        entries.sort();
        Ok(entries)
    }

    /// Takes a file for an orphan, unless it is young, no file, or one too many.
    fn note(&self, orphans: &mut Orphans, path: PathBuf) -> Result<bool, RegistryError> {
        let metadata = fs::symlink_metadata(&path);
        let metadata = metadata.map_err(|cause| RegistryError::Io { path: path.clone(), cause })?;
        // A moment ahead of the clock is young, too.
        let age = metadata.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        let is_old = age.is_some_and(|age| age >= YOUNG);
        if !is_old || !metadata.is_file() || orphans.paths.len() >= COLLECTED_MAX {
            return Ok(false);
        }
        orphans.bytes = orphans.bytes.saturating_add(metadata.len());
        orphans.paths.push(path);
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
