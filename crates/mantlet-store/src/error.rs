//! Why a store cannot be used.

use std::path::PathBuf;

use crate::Table;

/// Why a store cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is there but something else made it. It has not been touched.
    #[error("`{}` is not a store of mantlet", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A later release made or migrated it.
    #[error("the store has schema version {found}; this release knows versions up to {known}")]
    Newer {
        /// The store's version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The key does not open the store's own mark: it is another home's key, or the mark was altered.
    #[error("the root key does not fit the store")]
    WrongKey,
    /// A row was changed, moved or written by somebody without the key.
    #[error("record `{id}` of table `{table}` was altered outside mantlet")]
    Altered {
        /// Where.
        table: Table,
        /// Which row.
        id: String,
    },
    /// Every row is authentic, but they are not those that were written last: some are gone, old, or there twice.
    #[error("records of the store were removed or put back outside mantlet")]
    Incomplete,
    /// Nothing says how many rows there should be.
    #[error("the store does not say what it holds")]
    Uncounted,
    /// A row is authentic, yet not a record that this release understands.
    #[error("record `{id}` of table `{table}` cannot be read")]
    Unreadable {
        /// Where.
        table: Table,
        /// Which row.
        id: String,
    },
    /// A held answer was changed, moved or written by somebody without the key.
    #[error("held answer `{id}` was altered outside mantlet, or is of another root key")]
    AlteredItem {
        /// Which one.
        id: String,
    },
    /// A held answer is authentic, yet nothing that this release understands.
    #[error("held answer `{id}` cannot be read")]
    UnreadableItem {
        /// Which one.
        id: String,
    },
    /// Another process has the file open, so that traces of what was forgotten may remain in its write-ahead log.
    #[error("another process has the file of held answers open")]
    Busy,
    /// The database file is damaged.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// Founding records were given to a store that has records.
    #[error("the store has records already")]
    NotEmpty,
    /// The file system failed.
    #[error("the store's file cannot be used")]
    Io(#[from] std::io::Error),
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(sqlx::Error),
    /// The cryptographic provider failed.
    #[error("the cryptographic provider failed")]
    Provider,
}

impl StoreError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Foreign { .. } => Some("move the file away, or name another home"),
            Self::Newer { .. } => Some("use the release that wrote the store, or a later one"),
            Self::WrongKey => Some("check `[store] root_key`: each home has its own key"),
            Self::Altered { .. } | Self::Incomplete | Self::Unreadable { .. } | Self::Damaged(_) => {
                Some("restore `store.db` from a backup; the audit log tells what changed since")
            }
            Self::AlteredItem { .. } | Self::UnreadableItem { .. } => Some(
                "restore `reviews.db` from a backup, or move it away: then the answers that it holds are lost, and \
                 nobody is asked about them",
            ),
            Self::Busy => Some("end what reads `reviews.db`, such as a backup; the next sweep clears up"),
            Self::Uncounted => Some(
                "a build from before the first release made it, and its home has to be made anew; or a record was \
                 removed outside mantlet, and `store.db` has to be restored from a backup",
            ),
            Self::Io(_) => Some("check the file's owner and the space left on the disk"),
            Self::NotEmpty | Self::Database(_) | Self::Provider => None,
        }
    }
}

/// SQLite's primary result codes for damage: `SQLITE_CORRUPT` and `SQLITE_NOTADB`.
const DAMAGE: [i32; 2] = [11, 26];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
        match code {
            // The low byte of an extended result code is the primary one.
            Some(code) if DAMAGE.contains(&(code & 0xFF)) => Self::Damaged(error.to_string()),
            _ => Self::Database(error),
        }
    }
}
