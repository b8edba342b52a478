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
        assert_eq!(store.generation().await.unwrap(), generation, "an older copy would pass for a newer one");
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

/// Every sealed value of a row that is there or was, and what is left of it in the files.
#[test]
fn nothing_that_the_former_key_opens_is_left_in_the_file() {
    let (dir, path) = file();
    run(async {
        let store = sqlite(&path).await;
        store.found(&[sample::key_of(KID, 1), sample::user_with("alice", Role::Reader)]).await.unwrap();
        let mut sealed = Vec::new();
        for table in Table::ALL {
            sealed.extend(store.rows().read(table).await.unwrap().into_iter().map(|row| row.sealed));
        }
        store.apply_for_test(&[sample::key_of(KID, 2)]).await.unwrap();
        let left = || {
            let mut left = 0;
            for entry in std::fs::read_dir(dir.path()).unwrap() {
                let bytes = std::fs::read(entry.unwrap().path()).unwrap();
                left +=
                    sealed.iter().filter(|row| bytes.windows(row.len()).any(|part| part == **row)).count();
            }
            left
        };
        assert!(left() > 0, "there is something to be found");
        let store = store.rekey(key(2)).await.unwrap();
        store.scrub().await.unwrap();
        assert_eq!(left(), 0);
        store.load().await.unwrap();
        store.close().await;
        SqliteStore::open(&path, key(2)).await.unwrap();
    });
}
