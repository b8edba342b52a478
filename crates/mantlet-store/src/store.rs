//! The directory's store over any database.

use std::{path::Path, pin::Pin};

use mantlet_gate::{
    administer::Warrant,
    directory::{Change, Directory},
    identity::Peppers,
    ports::{Store, StoreFault},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{Rows, SqliteRows, StoreError, StoreKey, Table, Write, records};

/// The directory's store over SQLite.
pub type SqliteStore = DirectoryStore<SqliteRows>;

/// The one row of [`Table::Meta`].
const MARK: &str = "home";

/// The version of the first pepper.
const FIRST_PEPPER: u32 = 1;

/// The directory's records and the peppers, sealed, in a database.
pub struct DirectoryStore<R> {
    rows: R,
    key: StoreKey,
    home: String,
}

/// What the store says of itself. Opening this row shows that the key fits before anything else is believed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    home: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PepperBody {}

impl SqliteStore {
    /// Makes the database file (mode 0600) of a new home, with a first pepper and no record.
    ///
    /// # Errors
    /// If the file exists or cannot be made.
    pub async fn create(path: &Path, key: StoreKey, home: &str) -> Result<Self, StoreError> {
        let store = Self::begin(SqliteRows::create(path).await?, key, home).await?;
        store.rows.fold().await?;
        Ok(store)
    }

    /// Opens a home's database and migrates it to this release's schema.
    ///
    /// # Errors
    /// If it is not a store, a later release's, damaged, or of another root key.
    pub async fn open(path: &Path, key: StoreKey) -> Result<Self, StoreError> {
        Self::resume(SqliteRows::open(path).await?, key).await
    }

    /// Ends all work on the file, so that it may be moved.
    pub async fn close(self) {
        self.rows.close().await;
    }
}

impl<R: Rows> DirectoryStore<R> {
    /// Begins a store in an empty database.
    ///
    /// # Errors
    /// If the database is not empty or fails.
    pub async fn begin(rows: R, key: StoreKey, home: &str) -> Result<Self, StoreError> {
        for table in Table::ALL {
            if !rows.read(table).await?.is_empty() {
                return Err(StoreError::NotEmpty);
            }
        }
        let mut pepper = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(pepper.as_mut_slice()).map_err(|_| StoreError::Provider)?;
        let mark = Mark { home: home.to_owned() };
        let writes = [
            records::put(&key, Table::Meta, MARK, &mark, &[])?,
            records::put(&key, Table::Peppers, &FIRST_PEPPER.to_string(), &PepperBody {}, pepper.as_slice())?,
        ];
        rows.write(&writes).await?;
        Ok(Self { rows, key, home: mark.home })
    }

    /// Goes on with the store in a database.
    ///
    /// # Errors
    /// If the key does not fit or the database fails.
    pub async fn resume(rows: R, key: StoreKey) -> Result<Self, StoreError> {
        let meta = rows.read(Table::Meta).await?;
        let row = meta.iter().find(|row| row.id == MARK).ok_or(StoreError::WrongKey)?;
        let mark = records::open::<Mark, 0>(&key, Table::Meta, row);
        let (Mark { home }, _) = mark.map_err(|error| match error {
            StoreError::Altered { .. } => StoreError::WrongKey,
            other => other,
        })?;
        Ok(Self { rows, key, home })
    }

    /// The id of the home that the store belongs to.
    #[must_use]
    pub fn home(&self) -> &str {
        &self.home
    }

    /// All records. Every one is authenticated before it is parsed.
    ///
    /// # Errors
    /// If any record was altered outside Mantlet or cannot be read: a directory with holes could allow what the
    /// missing record forbids.
    pub async fn load(&self) -> Result<Directory, StoreError> {
        let mut directory = Directory::default();
        for table in Table::ALL {
            for row in self.rows.read(table).await? {
                records::add(&self.key, &mut directory, table, &row)?;
            }
        }
        Ok(directory)
    }

    /// The peppers of API keys, by version.
    ///
    /// # Errors
    /// If one was altered outside Mantlet, or there is none.
    pub async fn peppers(&self) -> Result<Peppers, StoreError> {
        let table = Table::Peppers;
        let mut peppers = Peppers::default();
        for row in self.rows.read(table).await? {
            let (PepperBody {}, pepper) = records::open::<_, 32>(&self.key, table, &row)?;
            peppers.add(records::name(table, &row)?, &pepper);
        }
        match peppers.current() {
            Some(_) => Ok(peppers),
            None => Err(StoreError::Unreadable { table, id: FIRST_PEPPER.to_string() }),
        }
    }

    /// Writes first records without a warrant, which a test has no way to get.
    #[cfg(test)]
    pub(crate) async fn found(&self, changes: &[Change]) -> Result<(), StoreError> {
        for table in Table::ALL {
            let founded = !matches!(table, Table::Meta | Table::Peppers);
            if founded && !self.rows.read(table).await?.is_empty() {
                return Err(StoreError::NotEmpty);
            }
        }
        self.apply(changes).await
    }

    async fn apply(&self, changes: &[Change]) -> Result<(), StoreError> {
        let writes: Vec<Write> =
            changes.iter().map(|change| records::write(&self.key, change)).collect::<Result<_, _>>()?;
        self.rows.write(&writes).await
    }
}

impl<R: Rows> Store for DirectoryStore<R> {
    fn commit<'a>(
        &'a self,
        _warrant: &'a Warrant,
        changes: &'a [Change],
    ) -> Pin<Box<dyn Future<Output = Result<(), StoreFault>> + Send + 'a>> {
        Box::pin(async move { self.apply(changes).await.map_err(|error| StoreFault(error.to_string())) })
    }
}

#[cfg(test)]
impl<R: Rows> DirectoryStore<R> {
    /// What a commit does, without the warrant that only door 2 can make.
    pub(crate) async fn apply_for_test(&self, changes: &[Change]) -> Result<(), StoreError> {
        self.apply(changes).await
    }

    pub(crate) fn rows(&self) -> &R {
        &self.rows
    }
}
