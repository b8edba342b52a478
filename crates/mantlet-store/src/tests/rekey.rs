//! Another root key: the same records, under another key.

use mantlet_types::Role;

use super::{file, key, loaded, run, sample, sqlite};
use crate::{Rows, SqliteStore, StoreError, Table};

const KID: &str = "AAAAAAAAAAAA";

#[test]
fn the_same_records_open_under_the_other_key_alone() {
    let (_dir, path) = file();
    run(async {
        let store = sqlite(&path).await;
        store.found(&[sample::key_of(KID, 1), sample::user_with("alice", Role::Reader)]).await.unwrap();
        let (before, generation) = (loaded(&store).await, store.generation().await.unwrap());
        let old = store.rows().read(Table::Users).await.unwrap();
        let store = store.rekey(key(2)).await.unwrap();
        assert_eq!(loaded(&store).await, before);
        assert_eq!(store.generation().await.unwrap(), generation + 1);
        assert_ne!(store.rows().read(Table::Users).await.unwrap(), old);
        // It takes changes, as ever.
        store.apply_for_test(&[sample::user_with("bob", Role::Reader)]).await.unwrap();
        let after = loaded(&store).await;
        store.close().await;
        assert!(matches!(SqliteStore::open(&path, key(1)).await.map(drop), Err(StoreError::WrongKey)));
        let store = SqliteStore::open(&path, key(2)).await.unwrap();
        assert_eq!(loaded(&store).await, after);
        assert!(store.peppers().await.unwrap().current().is_some());
    });
}

#[test]
fn a_change_of_keys_that_fails_half_way_leaves_the_former_one() {
    let (_dir, path) = file();
    run(async {
        let store = sqlite(&path).await;
        store.found(&[sample::user_with("alice", Role::Reader), sample::key_of(KID, 1)]).await.unwrap();
        let before = loaded(&store).await;
        let poison = "CREATE TRIGGER poison BEFORE UPDATE ON keys BEGIN SELECT RAISE(ABORT, 'poison'); END";
        store.rows().execute_for_test(poison).await.unwrap();
        assert!(store.rekey(key(2)).await.is_err());
        assert!(matches!(SqliteStore::open(&path, key(2)).await.map(drop), Err(StoreError::WrongKey)));
        let store = SqliteStore::open(&path, key(1)).await.unwrap();
        assert_eq!(loaded(&store).await, before);
    });
}
