//! Why a home cannot be used or made.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{AuthorityError, RootKeyError};

/// Why a home cannot be used or made.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "fields name the file or process that the sentence is about")]
pub enum HomeError {
    /// Nothing there, or something else.
    #[error("`{}` is not a mantlet home", dir.display())]
    Missing { dir: PathBuf },
    /// A later release made it.
    #[error("`{}` is the home of a later release", dir.display())]
    Newer { dir: PathBuf },
    /// There is a home already.
    #[error("`{}` is a mantlet home already", dir.display())]
    Exists { dir: PathBuf },
    /// The directory has other things in it.
    #[error("`{}` is not empty", dir.display())]
    NotEmpty { dir: PathBuf },
    /// Others can get at it.
    #[error("`{}` is open to others (mode {mode:03o})", path.display())]
    Open { path: PathBuf, mode: u32 },
    /// Somebody else's.
    #[error("`{}` belongs to another user (uid {uid})", path.display())]
    Owner { path: PathBuf, uid: u32 },
    /// Neither a plain file nor a directory.
    #[error("`{}` is a link or a special file", path.display())]
    Kind { path: PathBuf },
    /// Another process has the home.
    #[error("the home is in use by process {pid}")]
    InUse { pid: u32 },
    /// Another process has the home and has not said which it is.
    #[error("the home is in use by another process")]
    InUseBySomebody,
    /// A sealed file does not open: altered, or of another root key.
    #[error("`{}` does not open with the root key", path.display())]
    Altered { path: PathBuf },
    /// The root key has been replaced, and not everything is sealed under the home's new key.
    #[error("the root key is being replaced, and not everything is sealed anew yet")]
    Resealing,
    /// The root key inside a home that several people use.
    #[error("a team's root key cannot be kept inside the home")]
    RootKeyInside,
    /// No place for a team's root key.
    #[error("neither `$XDG_CONFIG_HOME` nor `$HOME` says where to keep the root key")]
    NoConfigDir,
    /// A new home was given a key that does not exist.
    #[error(transparent)]
    RootKey(#[from] RootKeyError),
    /// The authority failed.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] mantlet_store::StoreError),
    /// The file system failed.
    #[error("`{}` cannot be used: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// The cryptographic provider failed.
    #[error("the cryptographic provider failed")]
    Provider,
}

impl HomeError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { dir } => Some(format!("make one: mantlet init {}", dir.display())),
            Self::Newer { .. } => Some("use the release that made it, or a later one".into()),
            Self::Exists { dir } => Some(format!("use it: mantlet serve --home {}", dir.display())),
            Self::NotEmpty { .. } => Some("name an empty or new directory".into()),
            Self::Open { path, .. } => Some(format!("close it: chmod go= {}", path.display())),
            Self::Owner { .. } => Some("run mantlet as the user who owns the home".into()),
            Self::Kind { .. } => Some("put the file itself there".into()),
            Self::InUse { .. } | Self::InUseBySomebody => {
                Some("commands reach a running server by themselves; only one `serve` fits a home".into())
            }
            Self::Altered { .. } => {
                Some("check `[store] root_key`, or restore the file from a backup".into())
            }
            Self::Resealing => Some("go on with it: mantlet root key rotate".into()),
            Self::RootKeyInside => Some("keep it in a file elsewhere: `root_key = \"file:/…\"`".into()),
            Self::NoConfigDir => Some("say where: `root_key = \"file:/…\"`".into()),
            Self::RootKey(error) => error.hint(),
            Self::Store(error) => error.hint().map(str::to_owned),
            Self::Authority(error) => error.hint(),
            Self::Io { .. } | Self::Provider => None,
        }
    }
}
