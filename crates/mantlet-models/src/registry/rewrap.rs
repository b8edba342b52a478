//! Wrapping the objects' keys anew, once the registry has another key.

use std::{collections::BTreeMap, path::PathBuf};

use mantlet_types::Sha256;

use super::{Kind, Registry, RegistryError};

/// What wrapping the keys anew came to.
#[derive(Debug, Default)]
pub struct Rewrapped {
    /// Objects whose key is wrapped by the newest key since.
    pub rewrapped: usize,
    /// Objects whose key was.
    pub kept: usize,
    /// Files that no key opens: damaged before, and left as they are.
    pub damaged: Vec<PathBuf>,
}

impl Registry {
    /// Wraps every object's key by the newest of the registry's keys, and brings objects of the first form into the
    /// present one. An object is put in the place of its former self once it is whole; the rest of it is copied as it is.
    ///
    /// # Errors
    /// The disk or the provider failed; then some objects are done, all can be read as before, and the rest is done by
    /// calling again.
    pub fn rewrap(&self) -> Result<Rewrapped, RegistryError> {
        let (mut done, sizes) = (Rewrapped::default(), self.sizes()?);
        for kind in [Kind::Blob, Kind::Index] {
            for digest in self.names(kind)? {
                let path = self.path(kind, digest);
                let bytes = sizes.get(&digest).copied().filter(|_| matches!(kind, Kind::Blob));
                match self.opened(kind, digest, bytes) {
                    Ok(Some(object)) if object.is_current() => done.kept += 1,
                    Ok(Some(object)) => {
                        self.replace(&path, |file| object.rewrap(file, &self.key, kind, digest))?;
                        done.rewrapped += 1;
                    }
                    Ok(None) => {}
                    // No key opens it, neither now nor later.
                    Err(RegistryError::Corrupt { path }) => done.damaged.push(path),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(done)
    }

    /// How long files are, by what the indexes say that can be read.
    fn sizes(&self) -> Result<BTreeMap<Sha256, u64>, RegistryError> {
        let indexes = self.list()?.into_iter().filter_map(|package| self.index(&package).ok());
        let files = indexes.flat_map(|index| index.files.into_values());
        Ok(files.map(|stored| (stored.sha256, stored.bytes)).collect())
    }
}
