//! The registry: packages at rest, addressed by their content and encrypted.
//!
//! Every file is a blob named by the SHA-256 of its plain bytes; a package is an index of names and digests, named by
//! the digest of that index. Both are objects: encrypted in chunks, each object under a key of its own. Nothing is ever changed in place, so what a digest names is always the same. The registry
//! keeps bytes; whether they may serve is decided by their signature when they are loaded.

mod collect;
mod error;
mod key;
mod object;
mod rewrap;
mod whole;

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use mantlet_types::Sha256;
use rustix::{fs::OFlags, io::Errno};
use serde::{Deserialize, Serialize};

pub use collect::Orphans;
pub use error::RegistryError;
pub use key::RegistryKey;
pub use object::Object;
pub use rewrap::Rewrapped;

use self::object::ObjectError;
use crate::{
    artifact::{json, sha256},
    package::{FILES_MAX, MODEL_BYTES_MAX, Package},
    write::replace_with,
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

/// Where indexes lie that nothing may refer to yet.
const KEPT: &str = "kept";

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

    /// The kind as a header says it.
    const fn code(self) -> u8 {
        match self {
            Self::Blob => 1,
            Self::Index => 2,
        }
    }

    const fn bytes_max(self) -> u64 {
        match self {
            Self::Blob => MODEL_BYTES_MAX,
            Self::Index => INDEX_BYTES_MAX,
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
        for directory in [Kind::Blob.directory(), Kind::Index.directory(), KEPT] {
            let path = root.join(directory);
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
        let digest = self.keep(package)?;
        self.publish(digest)?;
        Ok(digest)
    }

    /// Stores a package's files, and its index where nothing refers to it yet.
    ///
    /// # Errors
    /// As for [`Registry::add`].
    pub fn keep(&self, package: &Package) -> Result<PackageDigest, RegistryError> {
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
        if !self.path(Kind::Index, digest).exists() || self.fetch(Kind::Index, digest, None).is_err() {
            let path = self.kept_path(PackageDigest(digest));
            self.replace(&path, |file| object::write(file, &self.key, Kind::Index, digest, &index))?;
        }
        Ok(PackageDigest(digest))
    }

    /// Puts a kept package's index where versions refer to.
    ///
    /// # Errors
    /// If it was not kept, or the disk fails.
    pub fn publish(&self, package: PackageDigest) -> Result<(), RegistryError> {
        let (from, to) = (self.kept_path(package), self.path(Kind::Index, package.0));
        let io = |path: &Path, cause| RegistryError::Io { path: path.to_owned(), cause };
        match fs::rename(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && to.exists() => return Ok(()),
            renamed => renamed.map_err(|cause| io(&from, cause))?,
        }
        for path in [&from, &to] {
            let dir = path.parent().unwrap_or(&self.root);
            File::open(dir).and_then(|dir| dir.sync_all()).map_err(|cause| io(dir, cause))?;
        }
        Ok(())
    }

    /// Takes away the indexes of packages that were kept and never published.
    ///
    /// # Errors
    /// The disk fails.
    pub fn forget_kept(&self) -> Result<(), RegistryError> {
        let dir = self.root.join(KEPT);
        let io = |path: &Path, cause| RegistryError::Io { path: path.to_owned(), cause };
        for entry in fs::read_dir(&dir).map_err(|cause| io(&dir, cause))? {
            let path = entry.map_err(|cause| io(&dir, cause))?.path();
            match fs::remove_file(&path) {
                // Another registrar, whose server has died, has just done with it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.map_err(|cause| io(&path, cause))?,
            }
        }
        Ok(())
    }

    fn kept_path(&self, package: PackageDigest) -> PathBuf {
        self.root.join(KEPT).join(package.0.to_string())
    }

    /// Takes a package out, checking every digest again.
    ///
    /// # Errors
    /// No such package, or any stored byte is not what was written.
    pub fn open(&self, digest: &PackageDigest) -> Result<Package, RegistryError> {
        self.unpacked(self.index(digest)?)
    }

    /// The same for a package that is kept and may not be published yet.
    ///
    /// # Errors
    /// As for [`Registry::open`].
    pub fn open_kept(&self, digest: &PackageDigest) -> Result<Package, RegistryError> {
        let path = self.kept_path(*digest);
        match self.opened_at(path.clone(), Kind::Index, digest.0, None)? {
            Some(index) => self.unpacked(parsed(&path, index, digest)?),
            None => self.open(digest),
        }
    }

    fn unpacked(&self, index: Index) -> Result<Package, RegistryError> {
        let Index { subject, files, .. } = index;
        let mut content = BTreeMap::new();
        for (name, stored) in files {
            content.insert(name, self.fetch(Kind::Blob, stored.sha256, Some(stored.bytes))?);
        }
        Ok(Package::from_files(content, subject)?)
    }

    /// What a signature calls a package.
    ///
    /// # Errors
    /// No such package, or its index is not what was written.
    pub fn subject(&self, digest: &PackageDigest) -> Result<String, RegistryError> {
        Ok(self.index(digest)?.subject)
    }

    /// The files of a package: name, SHA-256 and bytes of each, in the order of the names.
    ///
    /// # Errors
    /// No such package, or its index is not what was written.
    pub fn files(&self, digest: &PackageDigest) -> Result<Vec<(String, Sha256, u64)>, RegistryError> {
        let files = self.index(digest)?.files.into_iter();
        Ok(files.map(|(name, stored)| (name, stored.sha256, stored.bytes)).collect())
    }

    /// One file of some package by digest and length, as its index has them, to be read in ranges. What is read is what was
    /// stored, and how much of it there is has been checked; the digest of the whole is checked by whoever reads the whole.
    ///
    /// # Errors
    /// No such file, or it is not what was written.
    pub fn object(&self, digest: Sha256, bytes: u64) -> Result<Object, RegistryError> {
        self.opened(Kind::Blob, digest, Some(bytes))?.ok_or(RegistryError::UnknownObject(digest))
    }

    fn index(&self, digest: &PackageDigest) -> Result<Index, RegistryError> {
        let path = self.path(Kind::Index, digest.0);
        let opened = self.opened(Kind::Index, digest.0, None)?.ok_or(RegistryError::Unknown(*digest))?;
        parsed(&path, opened, digest)
    }

    /// Every package, in the order of the digests.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn list(&self) -> Result<Vec<PackageDigest>, RegistryError> {
        Ok(self.names(Kind::Index)?.into_iter().map(PackageDigest).collect())
    }

    fn names(&self, kind: Kind) -> Result<Vec<Sha256>, RegistryError> {
        let path = self.root.join(kind.directory());
        let io = |cause| RegistryError::Io { path: path.clone(), cause };
        let mut digests = Vec::new();
        for entry in fs::read_dir(&path).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            // Temporary files of an interrupted write are not objects.
            digests.extend(name.to_str().and_then(|name| name.parse::<Sha256>().ok()));
        }
        digests.sort();
        Ok(digests)
    }

    fn store(&self, kind: Kind, digest: Sha256, plain: &[u8]) -> Result<(), RegistryError> {
        let path = self.path(kind, digest);
        if path.exists() && self.fetch(kind, digest, Some(plain.len() as u64)).is_ok() {
            return Ok(());
        }
        self.replace(&path, |file| object::write(file, &self.key, kind, digest, plain))
    }

    /// Puts a file in its place, once it is whole and on the disk.
    fn replace(
        &self,
        path: &Path,
        write: impl FnOnce(&mut File) -> Result<(), ObjectError>,
    ) -> Result<(), RegistryError> {
        replace_with(path, 0o600, write).map_err(|error| told(path, error))
    }

    fn opened(
        &self,
        kind: Kind,
        digest: Sha256,
        bytes: Option<u64>,
    ) -> Result<Option<Object>, RegistryError> {
        self.opened_at(self.path(kind, digest), kind, digest, bytes)
    }

    fn opened_at(
        &self,
        path: PathBuf,
        kind: Kind,
        digest: Sha256,
        bytes: Option<u64>,
    ) -> Result<Option<Object>, RegistryError> {
        // A link would lead elsewhere, and whoever opens a pipe waits for somebody to write to it.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = match File::options().read(true).custom_flags(flags).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                return Err(RegistryError::Corrupt { path });
            }
            file => file.map_err(|cause| RegistryError::Io { path: path.clone(), cause })?,
        };
        let metadata = file.metadata().map_err(|cause| RegistryError::Io { path: path.clone(), cause })?;
        if !metadata.is_file() {
            return Err(RegistryError::Corrupt { path });
        }
        let opened = Object::open(file, &self.key, kind, digest, bytes);
        opened.map(Some).map_err(|error| told(&path, error))
    }

    fn fetch(&self, kind: Kind, digest: Sha256, bytes: Option<u64>) -> Result<Vec<u8>, RegistryError> {
        let opened = self.opened(kind, digest, bytes)?.ok_or(RegistryError::UnknownObject(digest))?;
        opened.read_all(digest).map_err(|error| told(&self.path(kind, digest), error))
    }

    /// Digests are the only names used here, so no name from a package ever reaches the file system.
    fn path(&self, kind: Kind, digest: Sha256) -> PathBuf {
        Path::new(&self.root).join(kind.directory()).join(digest.to_string())
    }
}

fn parsed(path: &Path, index: Object, digest: &PackageDigest) -> Result<Index, RegistryError> {
    let index = index.read_all(digest.0).map_err(|error| told(path, error))?;
    json::parse(&index).map_err(|_| RegistryError::Corrupt { path: path.to_owned() })
}

/// An object's error, with the file that it is about.
fn told(path: &Path, error: ObjectError) -> RegistryError {
    let path = path.to_owned();
    match error {
        ObjectError::Io(cause) => RegistryError::Io { path, cause },
        ObjectError::Corrupt | ObjectError::TooLong => RegistryError::Corrupt { path },
        ObjectError::Provider => RegistryError::Provider,
    }
}

#[cfg(test)]
mod tests;
