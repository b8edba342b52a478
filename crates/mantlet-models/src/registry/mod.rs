//! The registry: packages at rest, addressed by their content and encrypted.
//!
//! Every file is a blob named by the SHA-256 of its plain bytes; a package is an index of names and digests, named by
//! the digest of that index. Nothing is ever changed in place, so what a digest names is always the same. The registry
//! keeps bytes; whether they may serve is decided by their signature when they are loaded.

mod seal;

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File},
    io::{self, Read},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use mantlet_types::Sha256;
use serde::{Deserialize, Serialize};

pub use seal::RegistryKey;

use crate::{
    artifact::{json, sha256},
    package::{FILES_MAX, MODEL_BYTES_MAX, Package, PackageError},
    write::write_atomic,
};

/// An index: each of its files takes a name and some hundred bytes.
const INDEX_BYTES_MAX: u64 = (FILES_MAX as u64) * (4_096 + 256);

/// Names a package in the registry: the digest of its index, and with it of every byte, the signature's included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PackageDigest(pub Sha256);

impl std::fmt::Display for PackageDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

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

/// A package's files.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    format: IndexFormat,
    subject: String,
    files: BTreeMap<String, Stored>,
}

#[derive(Debug, Serialize, Deserialize)]
enum IndexFormat {
    #[serde(rename = "mantlet.package/1")]
    V1,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    sha256: Sha256,
    bytes: u64,
}

/// Two kinds of stored bytes; the kind is sealed with them, so that one cannot stand for the other.
#[derive(Clone, Copy)]
enum Kind {
    Blob,
    Index,
}

impl Kind {
    const fn directory(self) -> &'static str {
        match self {
            Self::Blob => "blobs",
            Self::Index => "packages",
        }
    }
}

/// A directory of packages.
pub struct Registry {
    root: PathBuf,
    key: RegistryKey,
}

impl Registry {
    /// Opens the registry, making its directories (mode 0700) where there are none.
    ///
    /// # Errors
    /// The directories cannot be made.
    pub fn new(root: impl Into<PathBuf>, key: RegistryKey) -> Result<Self, RegistryError> {
        let root = root.into();
        for kind in [Kind::Blob, Kind::Index] {
            let path = root.join(kind.directory());
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
            made.map_err(|cause| RegistryError::Io { path, cause })?;
        }
        Ok(Self { root, key })
    }

    /// Stores a package. Storing the same bytes again changes nothing and gives the same digest; bytes that were
    /// damaged meanwhile are written anew.
    ///
    /// # Errors
    /// The disk or the provider failed; then the registry is as before, but for blobs that nothing refers to.
    pub fn add(&self, package: &Package) -> Result<PackageDigest, RegistryError> {
        let mut files = BTreeMap::new();
        for (name, bytes) in package.files() {
            let digest = sha256(bytes);
            self.store(Kind::Blob, digest, bytes)?;
            files.insert(name.to_owned(), Stored { sha256: digest, bytes: bytes.len() as u64 });
        }
        let index = Index { format: IndexFormat::V1, subject: package.subject().to_owned(), files };
        let index = serde_json::to_vec(&index).map_err(|_| RegistryError::Provider)?;
        let digest = sha256(&index);
        // Last: an index never names a blob that is not yet durable.
        self.store(Kind::Index, digest, &index)?;
        Ok(PackageDigest(digest))
    }

    /// Takes a package out, checking every digest again.
    ///
    /// # Errors
    /// No such package, or any stored byte is not what was written.
    pub fn open(&self, digest: &PackageDigest) -> Result<Package, RegistryError> {
        let index_path = self.path(Kind::Index, digest.0);
        if !index_path.exists() {
            return Err(RegistryError::Unknown(*digest));
        }
        let corrupt = || RegistryError::Corrupt { path: index_path.clone() };
        let index = self.fetch(Kind::Index, digest.0, INDEX_BYTES_MAX)?;
        let Index { subject, files, .. } = json::parse(&index).map_err(|_| corrupt())?;
        let mut content = BTreeMap::new();
        for (name, stored) in files {
            let bytes = self.fetch(Kind::Blob, stored.sha256, MODEL_BYTES_MAX)?;
            if bytes.len() as u64 != stored.bytes {
                return Err(corrupt());
            }
            content.insert(name, bytes);
        }
        Ok(Package::from_files(content, subject)?)
    }

    /// Every package, in the order of the digests.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn list(&self) -> Result<Vec<PackageDigest>, RegistryError> {
        let path = self.root.join(Kind::Index.directory());
        let io = |cause| RegistryError::Io { path: path.clone(), cause };
        let mut digests = Vec::new();
        for entry in fs::read_dir(&path).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            // Temporary files of an interrupted write are not packages.
            digests.extend(name.to_str().and_then(|name| name.parse().ok()).map(PackageDigest));
        }
        digests.sort();
        Ok(digests)
    }

    fn store(&self, kind: Kind, digest: Sha256, plain: &[u8]) -> Result<(), RegistryError> {
        let path = self.path(kind, digest);
        if path.exists() && self.fetch(kind, digest, plain.len() as u64).is_ok() {
            return Ok(());
        }
        let sealed =
            self.key.seal(&label(kind, digest), plain).map_err(|seal::Failed| RegistryError::Provider)?;
        write_atomic(&path, &sealed, 0o600).map_err(|cause| RegistryError::Io { path, cause })
    }

    fn fetch(&self, kind: Kind, digest: Sha256, bytes_max: u64) -> Result<Vec<u8>, RegistryError> {
        let path = self.path(kind, digest);
        let bound = bytes_max.saturating_add(seal::OVERHEAD as u64).saturating_add(1);
        let sealed = read(&path, bound).map_err(|cause| RegistryError::Io { path: path.clone(), cause })?;
        let plain = self.key.open(&label(kind, digest), sealed);
        plain
            .ok()
            .filter(|plain| sha256(plain) == digest)
            .ok_or_else(|| RegistryError::Corrupt { path: path.clone() })
    }

    /// Digests are the only names used here, so no name from a package ever reaches the file system.
    fn path(&self, kind: Kind, digest: Sha256) -> PathBuf {
        Path::new(&self.root).join(kind.directory()).join(digest.to_string())
    }
}

/// Reads a file up to a bound, into as much memory as it takes and no more.
fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len().min(bytes_max);
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What sealed bytes are bound to: their kind and the name they are stored under.
fn label(kind: Kind, digest: Sha256) -> String {
    format!("mantlet.registry/1 {} {digest}", kind.directory())
}

#[cfg(test)]
mod tests;
