//! Fetching a secret from where it is.

use std::{
    ffi::OsString, fs::File, future::Future, io::Read, os::unix::ffi::OsStringExt, path::Path, pin::Pin,
    sync::Arc,
};

use mantlet_types::{Secret, SecretName, limits::SECRET_BYTES_MAX, secret::SecretValueError};
use rustix::fs::{FileType, Mode, OFlags};

use crate::SecretRef;

/// Why a secret could not be had. It names where the secret should be, and nothing of what it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("secret `{reference}`: {fault}")]
pub struct SecretError {
    /// Where it should be.
    pub reference: SecretRef,
    /// What is the matter.
    pub fault: Fault,
}

/// What is the matter with a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing is there.
    #[error("there is none")]
    Missing,
    /// The path ends in a link, which somebody else may turn elsewhere.
    #[error("the file is a symbolic link")]
    Link,
    /// A directory, a device, a pipe.
    #[error("it is not a regular file")]
    NoFile,
    /// Others can read or write the file.
    #[error("the file is not its owner's alone; `chmod 600` it")]
    Open,
    /// The file is another user's.
    #[error("the file belongs to another user")]
    Foreign,
    /// The disk, or a permission.
    #[error("it cannot be read")]
    Unreadable,
    /// What is there cannot be a secret.
    #[error(transparent)]
    Value(#[from] SecretValueError),
    /// Fetching took too long.
    #[error("fetching it took too long")]
    Slow,
}

/// A secret on its way.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Arc<Secret>, Fault>> + Send + 'a>>;

/// What fetches secrets.
pub trait Provider: Send + Sync {
    /// Fetches one. It may be asked for several at the same time, and for one and the same once.
    fn fetch<'a>(&'a self, reference: &'a SecretRef) -> Fetching<'a>;

    /// Whether what this reference names is in memory anyway and always the newest, so that keeping it would only make it older.
    fn is_at_hand(&self, reference: &SecretRef) -> bool;
}

/// The home's own store of secrets, as the rest of the program has it.
pub trait Kept: Send + Sync {
    /// The newest value of a secret.
    fn value(&self, name: &SecretName) -> Option<Arc<Secret>>;
}

/// A home's store that keeps none.
impl Kept for () {
    fn value(&self, _: &SecretName) -> Option<Arc<Secret>> {
        None
    }
}

/// The providers there are: the environment, files, the home's own store.
pub struct Providers<K> {
    kept: K,
    variable: fn(&str) -> Option<OsString>,
}

impl<K: Kept> Providers<K> {
    /// The process' environment, the machine's files, and this store.
    #[must_use]
    pub fn new(kept: K) -> Self {
        Self { kept, variable: |name| std::env::var_os(name) }
    }

    /// The same with other variables.
    #[must_use]
    pub fn with_variables(kept: K, variable: fn(&str) -> Option<OsString>) -> Self {
        Self { kept, variable }
    }

    /// Fetches a secret at once, without keeping it. Reading a file may wait for the disk.
    ///
    /// # Errors
    /// If it is not there, or must not be used.
    pub fn resolve(&self, reference: &SecretRef) -> Result<Arc<Secret>, SecretError> {
        self.found(reference).map_err(|fault| SecretError { reference: reference.clone(), fault })
    }

    fn found(&self, reference: &SecretRef) -> Result<Arc<Secret>, Fault> {
        match reference {
            SecretRef::Env(name) => {
                let value = (self.variable)(name).ok_or(Fault::Missing)?;
                Ok(Arc::new(Secret::of_line(value.into_vec())?))
            }
            SecretRef::File(path) => read(path).map(Arc::new),
            SecretRef::Kept(name) => self.kept.value(name).ok_or(Fault::Missing),
        }
    }
}

impl<K: Kept> Provider for Providers<K> {
    fn fetch<'a>(&'a self, reference: &'a SecretRef) -> Fetching<'a> {
        match reference {
            SecretRef::File(path) => {
                let path = path.clone();
                // A file may lie on a disk that is far away.
                Box::pin(async move {
                    let read = tokio::task::spawn_blocking(move || read(&path)).await;
                    read.map_err(|_| Fault::Unreadable)?.map(Arc::new)
                })
            }
            SecretRef::Env(_) | SecretRef::Kept(_) => Box::pin(std::future::ready(self.found(reference))),
        }
    }

    fn is_at_hand(&self, reference: &SecretRef) -> bool {
        matches!(reference, SecretRef::Kept(_))
    }
}

/// Reads a file that is its owner's alone: what is checked is what was opened, not what lies at the path later.
fn read(path: &Path) -> Result<Secret, Fault> {
    // Not blocking: opening a pipe would wait for its other end.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let opened = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| match error {
        rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR => Fault::Missing,
        rustix::io::Errno::LOOP => Fault::Link,
        _ => Fault::Unreadable,
    })?;
    let state = rustix::fs::fstat(&opened).map_err(|_| Fault::Unreadable)?;
    if FileType::from_raw_mode(state.st_mode) != FileType::RegularFile {
        return Err(Fault::NoFile);
    }
    // What root has put there for us is as good as our own.
    let us = rustix::process::geteuid();
    if state.st_uid != us.as_raw() && state.st_uid != 0 {
        return Err(Fault::Foreign);
    }
    if state.st_mode & 0o177 != 0 {
        return Err(Fault::Open);
    }
    // Once, so that no copy stays behind where the vector grew; two bytes more for a line's end.
    let mut bytes = Vec::with_capacity(SECRET_BYTES_MAX + 3);
    let most = SECRET_BYTES_MAX as u64 + 3;
    File::from(opened).take(most).read_to_end(&mut bytes).map_err(|_| Fault::Unreadable)?;
    Ok(Secret::of_line(bytes)?)
}

#[cfg(test)]
mod tests;
