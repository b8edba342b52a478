//! What goes wrong with what is kept.

use std::{io, path::PathBuf};

use mantlet_types::Sha256;

use super::PackageDigest;
use crate::package::PackageError;

/// Why a package cannot be stored or taken out.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The disk said no.
    #[error("`{}`: {cause}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// No package of this digest.
    #[error("the registry has no package `{0}`")]
    Unknown(PackageDigest),
    /// Stored bytes are not those that were written, or were written under another key.
    #[error("`{}` was altered, or was written under another key", path.display())]
    Corrupt {
        /// The file in the registry.
        path: PathBuf,
    },
    /// No file of this digest.
    #[error("the registry has no object `{0}`")]
    UnknownObject(Sha256),
    /// The bytes do not make a package.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The cryptographic provider failed.
    #[error("the cryptographic provider failed")]
    Provider,
}

impl RegistryError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Corrupt { .. } => Some("restore the file from a backup, or add the package again".into()),
            Self::Package(error) => error.hint(),
            _ => None,
        }
    }
}
