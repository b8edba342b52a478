//! Somebody who can write the database file, lacks the root key, and has kept what was in it before.

use mantlet_gate::directory::Change;
use mantlet_types::Role;

use super::{file, key, memory::MemoryRows, run, sample, sqlite};
use crate::{DirectoryStore, Row, Rows, SqliteStore, StoreError, Table, Write};

const KID: &str = "AAAAAAAAAAAA";

/// Alice's key, a grant, and then the key with another secret and the grant gone; before opening it again, the file is
/// edited with the rows of before and after at hand.
fn check(edit: impl AsyncFnOnce(&SqliteStore, Rowset, Rowset)) {
    let (_dir, path) = file();
    run(async {
        let store = sqlite(&path).await;
        store
            .found(&[sample::key_of(KID, 1), sample::user_with("alice", Role::Reader), grant()])
            .await
            .unwrap();
        let before = Rowset::of(&store).await;
        store.apply_for_test(&[sample::key_of(KID, 2), Change::RemoveGrant(7)]).await.unwrap();
        let after = Rowset::of(&store).await;
        edit(&store, before, after).await;
        assert!(matches!(store.load().await.map(drop), Err(StoreError::Incomplete)), "while it is open");
        store.close().await;
        let opened = SqliteStore::open(&path, key(1)).await.map(drop);
        assert!(matches!(opened, Err(StoreError::Incomplete)), "{opened:?}");
        assert!(opened.unwrap_err().hint().is_some());
    });
}

fn grant() -> Change {
    use mantlet_gate::directory::Grant;
    use mantlet_types::Timestamp;
    let grant = Grant {
        project: "home".parse().unwrap(),
        role: Role::Admin,
        beneficiary: "alice".parse().unwrap(),
        proposed_by: "bob".parse().unwrap(),
        approved_by: ["carol".parse().unwrap()].into_iter().collect(),
        expires: Timestamp::from_micros(4_000_000_000_000_000),
    };
    Change::PutGrant(7, grant)
}

/// All rows at one moment.
struct Rowset(Vec<(Table, Row)>);

impl Rowset {
    async fn of(store: &SqliteStore) -> Self {
        let mut all = Vec::new();
        for table in Table::ALL {
            all.extend(store.rows().read(table).await.unwrap().into_iter().map(|row| (table, row)));
        }
        Self(all)
    }

    fn table(&self, table: Table) -> Row {
        self.0.iter().find(|(of, _)| *of == table).unwrap().1.clone()
    }

    fn tally(&self) -> Row {
        self.0.iter().find(|(of, row)| *of == Table::Meta && row.id == "tally").unwrap().1.clone()
    }
}

#[test]
fn an_old_row_cannot_be_put_back() {
    check(async |store, before, _| {
        store.rows().write(&[Write::Put(Table::Keys, before.table(Table::Keys))]).await.unwrap();
    });
}

#[test]
fn a_row_cannot_be_taken_away() {
    check(async |store, _, _| {
        store.rows().write(&[Write::Remove(Table::Users, "alice".to_owned())]).await.unwrap();
    });
}

#[test]
fn a_row_that_is_gone_cannot_come_back() {
    check(async |store, before, _| {
        store.rows().write(&[Write::Put(Table::Grants, before.table(Table::Grants))]).await.unwrap();
    });
}

/// Under an exclusive or, two of the same would cancel each other out.
#[test]
fn a_row_that_is_gone_cannot_come_back_twice() {
    check(async |store, before, _| {
        let table = "DROP TABLE grants; CREATE TABLE grants (id TEXT, body TEXT, sealed BLOB)";
        store.rows().execute_for_test(table).await.unwrap();
        let row = before.table(Table::Grants);
        for _ in 0..2 {
            store.rows().insert_for_test(&row).await.unwrap();
        }
    });
}

#[test]
fn an_old_tally_fits_the_old_rows_only() {
    check(async |store, before, _| {
        let tally = before.tally();
        store
            .rows()
            .write(&[Write::Put(Table::Meta, tally), Write::Put(Table::Keys, before.table(Table::Keys))])
            .await
            .unwrap();
    });
}

#[test]
fn a_store_without_a_tally_is_refused() {
    let (_dir, path) = file();
    run(async {
        let store = sqlite(&path).await;
        store.rows().write(&[Write::Remove(Table::Meta, "tally".to_owned())]).await.unwrap();
        store.close().await;
        let opened = SqliteStore::open(&path, key(1)).await.map(drop);
        assert!(matches!(opened, Err(StoreError::Uncounted)), "{opened:?}");
    });
}

#[test]
fn a_tally_cannot_be_written_into_the_file() {
    let (_dir, path) = file();
    run(async {
        let store = sqlite(&path).await;
        let mut tally = Rowset::of(&store).await.tally();
        tally.body = tally.body.replace('1', "9");
        store.rows().write(&[Write::Put(Table::Meta, tally)]).await.unwrap();
        store.close().await;
        let opened = SqliteStore::open(&path, key(1)).await.map(drop);
        assert!(matches!(opened, Err(StoreError::Altered { table: Table::Meta, .. })), "{opened:?}");
    });
}

/// An old file as a whole agrees with itself: what tells is its generation.
#[test]
fn each_change_makes_the_next_generation() {
    let (_dir, path) = file();
    run(async {
        let store = sqlite(&path).await;
        assert_eq!(store.generation().await.unwrap(), 1);
        for expected in 2..5 {
            assert_eq!(store.apply_for_test(&[sample::key_of(KID, 1)]).await.unwrap(), expected);
        }
        store.close().await;
        let store = SqliteStore::open(&path, key(1)).await.unwrap();
        assert_eq!(store.generation().await.unwrap(), 4);
        // One that was accepted although a newer one has been seen goes on behind that one.
        assert_eq!(store.advance(9).await.unwrap(), 10);
        assert_eq!(store.advance(9).await.unwrap(), 11);
        store.close().await;
        assert_eq!(SqliteStore::open(&path, key(1)).await.unwrap().generation().await.unwrap(), 11);
    });
}

/// A caller that goes away while its change is under way leaves nobody who knows whether it was made.
#[test]
fn a_change_that_nobody_waited_for_is_counted() {
    run(async {
        let rows = Interrupted(MemoryRows::default(), tokio::sync::Semaphore::new(1));
        let store = DirectoryStore::begin(rows, key(1), "home-1").await.unwrap();
        let change = [sample::key_of(KID, 1)];
        tokio::select! {
            biased;
            _ = store.apply_for_test(&change) => panic!("was to be interrupted"),
            () = std::future::ready(()) => {}
        }
        store.rows().1.add_permits(10);
        assert_eq!(store.generation().await.unwrap(), 2, "the change was made");
        assert_eq!(store.load().await.unwrap().keys.len(), 1);
        assert_eq!(store.apply_for_test(&[sample::key_of(KID, 2)]).await.unwrap(), 3);
        store.load().await.unwrap();
    });
}

/// Somebody who makes a write fail, and puts an older copy there before it is counted again.
#[test]
fn what_is_counted_again_is_not_what_it_was_long_ago() {
    run(async {
        let rows = Interrupted(MemoryRows::default(), tokio::sync::Semaphore::new(2));
        let store = DirectoryStore::begin(rows, key(1), "home-1").await.unwrap();
        let old = store.rows().0.copy();
        store.apply_for_test(&[sample::key_of(KID, 1)]).await.unwrap();
        let newest = store.rows().0.copy();
        let interrupted = [sample::key_of(KID, 2)];
        tokio::select! {
            biased;
            _ = store.apply_for_test(&interrupted) => panic!("was to be interrupted"),
            () = std::future::ready(()) => {}
        }
        store.rows().1.add_permits(10);
        store.rows().0.put_back(&old);
        assert!(matches!(store.generation().await, Err(StoreError::Incomplete)));
        let change = store.apply_for_test(&[sample::key_of(KID, 3)]).await;
        assert!(matches!(change, Err(StoreError::Incomplete)), "{change:?}");
        // The state before the write that failed is one of the two that it can be.
        store.rows().0.put_back(&newest);
        assert_eq!(store.generation().await.unwrap(), 2);
    });
}

/// Rows that are written, but whose writer hears of it only with a permit.
struct Interrupted(MemoryRows, tokio::sync::Semaphore);

impl Rows for Interrupted {
    async fn read(&self, table: Table) -> Result<Vec<Row>, StoreError> {
        self.0.read(table).await
    }

    async fn write(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.0.write(writes).await?;
        self.1.acquire().await.unwrap().forget();
        Ok(())
    }
}
