//! SQLite as the backend: one file, write-ahead log, every commit synced to the disk.

use std::{fs, io::Read, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

use sqlx::{
    Row as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{Row, Rows, StoreError, Table, Write};

/// Written into the file's header (offset 68): `MNTL`. Says whose file it is before SQLite touches it.
const APPLICATION_ID: u32 = 0x4D4E_544C;

/// The schema's steps; the file's `user_version` counts those that it has taken.
const MIGRATIONS: [&str; 5] = [
    include_str!("../migrations/0001_records.sql"),
    include_str!("../migrations/0002_deployments.sql"),
    include_str!("../migrations/0003_second_person.sql"),
    include_str!("../migrations/0004_signed_urls.sql"),
    include_str!("../migrations/0005_secrets.sql"),
];

/// How long to wait for another process that holds the database, such as a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Rows in an SQLite file.
pub struct SqliteRows {
    pool: SqlitePool,
}

impl SqliteRows {
    /// Makes a new file, mode 0600. The write-ahead log beside it inherits the mode.
    ///
    /// # Errors
    /// If the file exists or cannot be made.
    pub async fn create(path: &Path) -> Result<Self, StoreError> {
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let rows = Self::connect(path).await?;
        rows.migrate().await?;
        rows.fold().await?;
        Ok(rows)
    }

    /// Folds the write-ahead log into the file: what a new store says of itself must be in the file, so that it is
    /// recognized without the log.
    ///
    /// # Errors
    /// If the disk fails.
    pub(crate) async fn fold(&self) -> Result<(), StoreError> {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.pool).await?;
        Ok(())
    }

    /// Leaves in the file nothing but the rows that it has: writes it anew, and overwrites the write-ahead log.
    ///
    /// # Errors
    /// If the disk fails, or another process reads the file all the while.
    pub(crate) async fn scrub(&self) -> Result<(), StoreError> {
        // What is written beside it on the way would be elsewhere on the disk.
        sqlx::raw_sql("PRAGMA temp_store = MEMORY; VACUUM").execute(&self.pool).await?;
        let folded = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&self.pool).await?;
        match folded.try_get::<i64, _>(0)? {
            0 => Ok(()),
            _ => Err(StoreError::Busy),
        }
    }

    /// Opens a file made by [`SqliteRows::create`] and takes the schema's steps that it lacks.
    ///
    /// # Errors
    /// If it is not such a file, a later release's, or damaged.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        check_header(path)?;
        let rows = Self::connect(path).await?;
        rows.check_health().await?;
        rows.migrate().await?;
        Ok(rows)
    }

    /// Ends all work on the file and folds the write-ahead log into it. What comes later fails.
    pub async fn close(&self) {
        // SQLite takes the log away, too, where it may; an empty one left behind is as good. What fails here, the next
        // start does.
        let _ = self.fold().await;
        self.pool.close().await;
    }

    async fn connect(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            // In WAL mode only FULL syncs the log at every commit.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // A file from elsewhere must not run code of its own through views and triggers.
            .pragma("trusted_schema", "OFF")
            // No files elsewhere, where others might read them, or where this process may not write.
            .pragma("temp_store", "MEMORY")
            // What is deleted or replaced is overwritten, and not only free to be.
            .pragma("secure_delete", "ON")
            .busy_timeout(BUSY_TIMEOUT);
        // Changes come one at a time, and reads at start only: one connection serves both.
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
        Ok(Self { pool })
    }

    /// SQLite's own check of its pages. A small database takes well under a millisecond.
    async fn check_health(&self) -> Result<(), StoreError> {
        let verdict: String =
            sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&self.pool).await.map_err(damaged)?;
        if verdict == "ok" { Ok(()) } else { Err(StoreError::Damaged(verdict)) }
    }

    /// Takes the steps that the file lacks, all or none.
    async fn migrate(&self) -> Result<(), StoreError> {
        let mut step = self.pool.begin().await?;
        let version: u32 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *step).await?;
        let known = MIGRATIONS.len();
        let taken = version as usize;
        if taken > known {
            return Err(StoreError::Newer { found: version, known: known as u32 });
        }
        if taken < known {
            for sql in &MIGRATIONS[taken..] {
                sqlx::raw_sql(*sql).execute(&mut *step).await?;
            }
            let mark = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {known}");
            // Two numbers of our own: a pragma takes no bound parameters.
            sqlx::raw_sql(sqlx::AssertSqlSafe(mark)).execute(&mut *step).await?;
        }
        step.commit().await?;
        Ok(())
    }
}

#[cfg(test)]
impl SqliteRows {
    pub(crate) async fn execute_for_test(&self, sql: &'static str) -> Result<(), StoreError> {
        sqlx::raw_sql(sql).execute(&self.pool).await?;
        Ok(())
    }

    /// Inserts a grant, whether or not there is one of that name.
    pub(crate) async fn insert_for_test(&self, row: &Row) -> Result<(), StoreError> {
        let insert = sqlx::query("INSERT INTO grants (id, body, sealed) VALUES ($1, $2, $3)");
        insert.bind(&row.id).bind(&row.body).bind(&row.sealed).execute(&self.pool).await?;
        Ok(())
    }
}

/// Damage that shows while SQLite reads its own pages comes under various codes.
fn damaged(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(error) => StoreError::Damaged(error.to_string()),
        other => other.into(),
    }
}

/// Reads the file's header as bytes: opening somebody else's database, even to look, could change it.
fn check_header(path: &Path) -> Result<(), StoreError> {
    let mut header = [0; 100];
    let read = fs::File::open(path)?.read_exact(&mut header);
    let ours = header.starts_with(b"SQLite format 3\0") && header[68..72] == APPLICATION_ID.to_be_bytes();
    if read.is_ok() && ours { Ok(()) } else { Err(StoreError::Foreign { path: path.to_owned() }) }
}

impl Rows for SqliteRows {
    async fn read(&self, table: Table) -> Result<Vec<Row>, StoreError> {
        let rows = sqlx::query(select(table)).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                Ok(Row { id: row.try_get("id")?, body: row.try_get("body")?, sealed: row.try_get("sealed")? })
            })
            .collect()
    }

    async fn write(&self, writes: &[Write]) -> Result<(), StoreError> {
        // A transaction that is dropped, by an error or because nobody waits any more, is rolled back.
        let mut transaction = self.pool.begin().await?;
        for write in writes {
            let query = match write {
                Write::Put(table, row) => {
                    sqlx::query(upsert(*table)).bind(&row.id).bind(&row.body).bind(&row.sealed)
                }
                Write::Remove(table, id) => sqlx::query(delete(*table)).bind(id),
            };
            query.execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// The three statements for every table, as literals: no statement is ever put together from data.
macro_rules! statements {
    ($($table:ident = $name:literal,)*) => {
        const fn select(table: Table) -> &'static str {
            match table { $(Table::$table => concat!("SELECT id, body, sealed FROM ", $name),)* }
        }

        const fn upsert(table: Table) -> &'static str {
            match table {
                $(Table::$table => concat!(
                    "INSERT INTO ", $name, " (id, body, sealed) VALUES ($1, $2, $3) \
                     ON CONFLICT (id) DO UPDATE SET body = excluded.body, sealed = excluded.sealed"
                ),)*
            }
        }

        const fn delete(table: Table) -> &'static str {
            match table { $(Table::$table => concat!("DELETE FROM ", $name, " WHERE id = $1"),)* }
        }
    };
}

statements! {
    Meta = "meta",
    Peppers = "peppers",
    Projects = "projects",
    Users = "users",
    Consumers = "consumers",
    Keys = "keys",
    Models = "models",
    Grants = "grants",
    Proposals = "proposals",
    Policies = "policies",
    Approvals = "approvals",
    UrlKeys = "url_keys",
    UrlUses = "url_uses",
    Secrets = "secrets",
}
