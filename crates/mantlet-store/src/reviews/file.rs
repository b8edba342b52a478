//! The queue's SQLite file: one table, write-ahead log, every commit synced to the disk, and nothing left in free pages.

use std::{fs, io, io::Read, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

use sqlx::{
    Row as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};

use crate::StoreError;

/// Written into the file's header (offset 68): `MNRV`. Says whose file it is before SQLite touches it.
const APPLICATION_ID: u32 = 0x4D4E_5256;

/// The schema's steps; the file's `user_version` counts those that it has taken.
const MIGRATIONS: [&str; 1] = [include_str!("../../migrations/reviews/0001_items.sql")];

/// How long to wait for another process that holds the file, such as a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A row of the table.
pub(super) struct ItemRow {
    pub(super) id: String,
    pub(super) body: String,
    pub(super) wrapped: Vec<u8>,
    pub(super) contents: Vec<u8>,
    pub(super) decision: Vec<u8>,
}

/// The file.
pub(super) struct ItemFile {
    pool: SqlitePool,
}

/// A row was changed, moved or written by somebody without the key.
pub(super) fn altered(id: &str) -> StoreError {
    StoreError::AlteredItem { id: id.to_owned() }
}

/// A row is authentic, yet nothing that this release understands.
pub(super) fn unreadable(id: &str) -> StoreError {
    StoreError::UnreadableItem { id: id.to_owned() }
}

impl ItemFile {
    /// Opens the file, or makes it (mode 0600), and takes the schema's steps that it lacks.
    pub(super) async fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            Self::make(path).await?;
        }
        check_header(path)?;
        let file = Self::connect(path).await?;
        file.check_health().await?;
        file.migrate().await?;
        file.scrub().await?;
        Ok(file)
    }

    /// Makes the file beside its place and puts it there once it says what it is: a process that ends on the way leaves
    /// nothing that the next one would not recognize.
    async fn make(path: &Path) -> Result<(), StoreError> {
        let fresh = path.with_extension("db-new");
        for ending in ["db-new", "db-new-wal", "db-new-shm"] {
            match fs::remove_file(path.with_extension(ending)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        let file = Self::connect(&fresh).await?;
        file.migrate().await?;
        file.scrub().await?;
        file.close().await;
        fs::rename(&fresh, path)?;
        if let Some(dir) = path.parent() {
            fs::File::open(dir)?.sync_all()?;
        }
        Ok(())
    }

    async fn connect(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            // In WAL mode only FULL syncs the log at every commit.
            .synchronous(SqliteSynchronous::Full)
            // A file from elsewhere must not run code of its own through views and triggers.
            .pragma("trusted_schema", "OFF")
            // No files elsewhere, where others might read them, or where this process may not write.
            .pragma("temp_store", "MEMORY")
            // What is deleted or replaced is overwritten, and not only free to be.
            .pragma("secure_delete", "ON")
            .busy_timeout(BUSY_TIMEOUT);
        // Changes come one at a time; what is opened is opened one by one.
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
        Ok(Self { pool })
    }

    pub(super) async fn close(&self) {
        // SQLite takes the log away, too, where it may; an empty one left behind is as good. What fails here, the next
        // start does.
        let _ = self.scrub().await;
        self.pool.close().await;
    }

    async fn check_health(&self) -> Result<(), StoreError> {
        let verdict: String = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_one(&self.pool)
            .await
            .map_err(|error| StoreError::Damaged(error.to_string()))?;
        if verdict == "ok" { Ok(()) } else { Err(StoreError::Damaged(verdict)) }
    }

    /// Takes the steps that the file lacks, all or none.
    async fn migrate(&self) -> Result<(), StoreError> {
        let mut step = self.pool.begin().await?;
        let version: u32 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *step).await?;
        let (known, taken) = (MIGRATIONS.len(), version as usize);
        if taken > known {
            return Err(StoreError::Newer { found: version, known: known as u32 });
        }
        if taken < known {
            for sql in MIGRATIONS.iter().skip(taken) {
                sqlx::raw_sql(*sql).execute(&mut *step).await?;
            }
            let mark = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {known}");
            // Two numbers of our own: a pragma takes no bound parameters.
            sqlx::raw_sql(sqlx::AssertSqlSafe(mark)).execute(&mut *step).await?;
        }
        step.commit().await?;
        Ok(())
    }

    /// Folds the write-ahead log into the file and empties it: it has pages as they were.
    async fn scrub(&self) -> Result<(), StoreError> {
        self.scrub_within(BUSY_TIMEOUT).await
    }

    /// The same, if nobody else is at the file just now: nobody waits for a backup to end.
    pub(super) async fn scrub_now(&self) -> Result<(), StoreError> {
        self.scrub_within(Duration::ZERO).await
    }

    async fn scrub_within(&self, patience: Duration) -> Result<(), StoreError> {
        let waiting = |patience: Duration| {
            // A number of our own: a pragma takes no bound parameters.
            sqlx::AssertSqlSafe(format!("PRAGMA busy_timeout = {}", patience.as_millis()))
        };
        let mut connection = self.pool.acquire().await?;
        sqlx::raw_sql(waiting(patience)).execute(&mut *connection).await?;
        let folded = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *connection).await;
        sqlx::raw_sql(waiting(BUSY_TIMEOUT)).execute(&mut *connection).await?;
        let busy: i64 = folded?.try_get(0)?;
        match busy {
            0 => Ok(()),
            _ => Err(StoreError::Busy),
        }
    }

    /// All rows without what is inside, and how much that is.
    pub(super) async fn known(&self) -> Result<Vec<(ItemRow, usize)>, StoreError> {
        let select = "SELECT id, body, wrapped, x'' AS contents, x'' AS decision, \
                      length(contents) + length(decision) AS bytes FROM items";
        let rows = sqlx::query(select).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                let bytes: i64 = row.try_get("bytes")?;
                Ok((item(row)?, usize::try_from(bytes).unwrap_or(0)))
            })
            .collect()
    }

    pub(super) async fn read(&self, id: &str) -> Result<Option<ItemRow>, StoreError> {
        let select = "SELECT id, body, wrapped, contents, decision FROM items WHERE id = $1";
        let row = sqlx::query(select).bind(id).fetch_optional(&self.pool).await?;
        row.as_ref().map(item).transpose()
    }

    /// Adds rows, all or none. A name that is there already is an error: it would be another's.
    pub(super) async fn insert(&self, rows: &[ItemRow]) -> Result<(), StoreError> {
        let insert = "INSERT INTO items (id, body, wrapped, contents, decision) VALUES ($1, $2, $3, $4, $5)";
        let mut transaction = self.pool.begin().await?;
        for row in rows {
            let query = sqlx::query(insert).bind(&row.id).bind(&row.body).bind(&row.wrapped);
            query.bind(&row.contents).bind(&row.decision).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Puts rows in the place of what was there under their names, and takes others out; all or nothing.
    pub(super) async fn replace(&self, rows: &[ItemRow], gone: &[String]) -> Result<(), StoreError> {
        let update = "UPDATE items SET body = $2, wrapped = $3, contents = $4, decision = $5 WHERE id = $1";
        let mut transaction = self.pool.begin().await?;
        for row in rows {
            let query = sqlx::query(update).bind(&row.id).bind(&row.body).bind(&row.wrapped);
            query.bind(&row.contents).bind(&row.decision).execute(&mut *transaction).await?;
        }
        for id in gone {
            sqlx::query("DELETE FROM items WHERE id = $1").bind(id).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

impl ItemFile {
    /// Puts other wrapped keys in the place of those that are there, all or none.
    pub(super) async fn rewrap(&self, wrapped: &[(Vec<u8>, String)]) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        for (wrapped, id) in wrapped {
            let update = sqlx::query("UPDATE items SET wrapped = $1 WHERE id = $2");
            update.bind(wrapped).bind(id).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        // Keys as they were wrapped before are in the write-ahead log, too.
        self.scrub().await
    }
}

#[cfg(test)]
impl ItemFile {
    pub(super) async fn execute_for_test(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.pool).await.unwrap();
    }
}

fn item(row: &SqliteRow) -> Result<ItemRow, StoreError> {
    Ok(ItemRow {
        id: row.try_get("id")?,
        body: row.try_get("body")?,
        wrapped: row.try_get("wrapped")?,
        contents: row.try_get("contents")?,
        decision: row.try_get("decision")?,
    })
}

/// Reads the file's header as bytes: opening somebody else's database, even to look, could change it.
fn check_header(path: &Path) -> Result<(), StoreError> {
    let mut header = Vec::new();
    fs::File::open(path)?.take(100).read_to_end(&mut header)?;
    let ours = header.starts_with(b"SQLite format 3\0")
        && header.get(68..72) == Some(APPLICATION_ID.to_be_bytes().as_slice());
    if ours { Ok(()) } else { Err(StoreError::Foreign { path: path.to_owned() }) }
}
