//! The directory's store over any database.

use std::{path::Path, pin::Pin};

use mantlet_gate::{
    administer::Warrant,
    directory::{Change, Directory},
    identity::Peppers,
    ports::{Store, StoreFault},
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::{
    Row, Rows, SqliteRows, StoreError, StoreKey, Table, Write, records,
    tally::{Knowledge, Tally},
};

/// The directory's store over SQLite.
pub type SqliteStore = DirectoryStore<SqliteRows>;

/// The row of [`Table::Meta`] that says whose store it is.
const MARK: &str = "home";

/// The version of the first pepper.
const FIRST_PEPPER: u32 = 1;

/// The directory's records and the peppers, sealed, in a database.
pub struct DirectoryStore<R> {
    rows: R,
    key: StoreKey,
    home: String,
    /// What the database holds. While a change is under way it is one of two: should nobody learn how it ended, because
    /// it failed or its caller went away, then what is there is counted again.
    known: Mutex<Knowledge>,
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

    /// Overwrites whatever the file still has of rows as they were: after a change of keys, under the former one.
    ///
    /// # Errors
    /// If the disk fails, or another process reads the file all the while.
    pub async fn scrub(&self) -> Result<(), StoreError> {
        self.rows.scrub().await
    }

    /// Ends all work on the file and folds the write-ahead log into it, so that it may be moved. Changes that come later
    /// are refused.
    pub async fn close(&self) {
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
        let store =
            Self { rows, key, home: mark.home, known: Mutex::new(Knowledge::Counted(Tally::default())) };
        store.write(writes.into(), 0).await?;
        Ok(store)
    }

    /// Goes on with the store in a database.
    ///
    /// # Errors
    /// If the key does not fit, the database fails, or what it holds is not what was last written there.
    pub async fn resume(rows: R, key: StoreKey) -> Result<Self, StoreError> {
        let meta = rows.read(Table::Meta).await?;
        let row = meta.iter().find(|row| row.id == MARK).ok_or(StoreError::WrongKey)?;
        let mark = records::open::<Mark, 0>(&key, Table::Meta, row);
        let (Mark { home }, _) = mark.map_err(|error| match error {
            StoreError::Altered { .. } => StoreError::WrongKey,
            other => other,
        })?;
        let tally = Tally::read(&rows, &key).await?;
        Ok(Self { rows, key, home, known: Mutex::new(Knowledge::Counted(tally)) })
    }

    /// The id of the home that the store belongs to.
    #[must_use]
    pub fn home(&self) -> &str {
        &self.home
    }

    /// How many changes the store has taken. An older copy of it has a smaller number.
    ///
    /// # Errors
    /// If the database fails or was altered outside Mantlet.
    pub async fn generation(&self) -> Result<u64, StoreError> {
        let mut known = self.known.lock().await;
        Ok(self.counted_again(&mut known).await?.generation())
    }

    /// Goes on behind a generation that a newer copy of this store had, so that no later one is taken for that copy's.
    /// Changes no record.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn advance(&self, beyond: u64) -> Result<u64, StoreError> {
        self.write(Vec::new(), beyond).await
    }

    /// Seals every row under another key, in one change: until it is done, the former key fits, and from then on the other.
    /// The generation stays: an older copy must not become a newer store by being sealed again.
    ///
    /// # Errors
    /// If a row was altered outside Mantlet, or the database fails; then the former key fits.
    pub async fn rekey(self, key: StoreKey) -> Result<Self, StoreError> {
        let generation = self.generation().await?;
        let mut writes = Vec::new();
        for table in Table::ALL {
            for row in self.counted(table).await? {
                if Tally::is_own(table, &row.id) {
                    continue;
                }
                let secret = self.key.open(table, &row.id, &row.body, &row.sealed)?;
                let sealed = key.seal(table, &row.id, &row.body, &secret)?;
                writes.push(Write::Put(table, Row { sealed, ..row }));
            }
        }
        let mut tally = Tally::default();
        writes.push(tally.follow(&key, &writes, generation)?);
        self.rows.write(&writes).await?;
        Ok(Self { rows: self.rows, key, home: self.home, known: Mutex::new(Knowledge::Counted(tally)) })
    }

    /// All records. Every one is authenticated before it is parsed.
    ///
    /// # Errors
    /// If any record was altered outside Mantlet or cannot be read: a directory with holes could allow what the
    /// missing record forbids.
    pub async fn load(&self) -> Result<Directory, StoreError> {
        let mut directory = Directory::default();
        for table in Table::ALL {
            for row in self.counted(table).await? {
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
        for row in self.counted(table).await? {
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
    pub(crate) async fn found(&self, changes: &[Change]) -> Result<u64, StoreError> {
        for table in Table::ALL {
            let founded = !matches!(table, Table::Meta | Table::Peppers);
            if founded && !self.rows.read(table).await?.is_empty() {
                return Err(StoreError::NotEmpty);
            }
        }
        self.apply(changes).await
    }

    async fn apply(&self, changes: &[Change]) -> Result<u64, StoreError> {
        let writes = changes.iter().map(|change| records::write(&self.key, change));
        self.write(writes.collect::<Result<_, _>>()?, 0).await
    }

    /// Writes rows, and with them the next generation, which comes after `beyond`.
    async fn write(&self, mut writes: Vec<Write>, beyond: u64) -> Result<u64, StoreError> {
        let mut known = self.known.lock().await;
        let tally = self.counted_again(&mut known).await?;
        let next = tally.generation().max(beyond).checked_add(1);
        let next = next.ok_or(StoreError::Incomplete)?;
        let before = tally.state();
        let followed = tally.follow(&self.key, &writes, next);
        // Until the write is done. A future that is dropped on the way leaves it at that.
        let after = tally.state();
        let Knowledge::Counted(tally) = std::mem::replace(&mut *known, Knowledge::Either([before, after]))
        else {
            return Err(StoreError::Incomplete);
        };
        writes.push(followed?);
        self.rows.write(&writes).await?;
        *known = Knowledge::Counted(tally);
        Ok(next)
    }

    /// What the database holds, counted again if a write failed: then it must be what it was before or what it was to be,
    /// or somebody has put something else there meanwhile.
    async fn counted_again<'a>(&self, known: &'a mut Knowledge) -> Result<&'a mut Tally, StoreError> {
        if let Knowledge::Either(states) = known {
            let tally = Tally::read(&self.rows, &self.key).await?;
            if !states.contains(&tally.state()) {
                return Err(StoreError::Incomplete);
            }
            *known = Knowledge::Counted(tally);
        }
        match known {
            Knowledge::Counted(tally) => Ok(tally),
            Knowledge::Either(_) => Err(StoreError::Incomplete),
        }
    }

    /// The rows of a table, if they are those that were counted.
    async fn counted(&self, table: Table) -> Result<Vec<Row>, StoreError> {
        let rows = self.rows.read(table).await?;
        let mut known = self.known.lock().await;
        if self.counted_again(&mut known).await?.holds(&self.key, table, &rows) {
            return Ok(rows);
        }
        // That a row was altered says more than that they are not all there.
        for row in &rows {
            self.key.open(table, &row.id, &row.body, &row.sealed)?;
        }
        Err(StoreError::Incomplete)
    }
}

impl<R: Rows> Store for DirectoryStore<R> {
    fn commit<'a>(
        &'a self,
        _warrant: &'a Warrant,
        changes: &'a [Change],
    ) -> Pin<Box<dyn Future<Output = Result<u64, StoreFault>> + Send + 'a>> {
        Box::pin(async move { self.apply(changes).await.map_err(|error| StoreFault(error.to_string())) })
    }
}

#[cfg(test)]
impl<R: Rows> DirectoryStore<R> {
    /// What a commit does, without the warrant that only door 2 can make.
    pub(crate) async fn apply_for_test(&self, changes: &[Change]) -> Result<u64, StoreError> {
        self.apply(changes).await
    }

    pub(crate) fn rows(&self) -> &R {
        &self.rows
    }
}
