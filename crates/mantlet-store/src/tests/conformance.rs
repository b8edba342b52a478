//! What every backend must do. A new backend adds one test per function here.

use mantlet_gate::directory::{Change, Directory};
use mantlet_types::Role;
use proptest::prelude::*;

use super::{Contents, file, key, loaded, memory::MemoryRows, run, sample, sqlite};
use crate::{DirectoryStore, Rows, StoreError};

/// The store holds what the directory itself would, whatever the changes and however they are divided.
async fn keeps_what_the_directory_keeps<R: Rows>(store: &DirectoryStore<R>, commits: &[Vec<Change>]) {
    let mut expected = Directory::default();
    for changes in commits {
        store.apply_for_test(changes).await.unwrap();
        expected = expected.with(changes);
    }
    assert_eq!(loaded(store).await, Contents::from(expected));
}

async fn founds_once<R: Rows>(store: &DirectoryStore<R>) {
    store.found(&[sample::user_with("alice", Role::Operator)]).await.unwrap();
    let again = store.found(&[sample::user_with("mallory", Role::Operator)]).await;
    assert!(matches!(again, Err(StoreError::NotEmpty)), "{again:?}");
    assert_eq!(store.load().await.unwrap().users.len(), 1);
}

async fn begins_with_one_pepper<R: Rows>(store: &DirectoryStore<R>) {
    assert_eq!(store.peppers().await.unwrap().current(), Some(1));
    assert_eq!(store.home(), "home-1");
}

async fn memory() -> DirectoryStore<MemoryRows> {
    DirectoryStore::begin(MemoryRows::default(), key(1), "home-1").await.unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_changes_in_sqlite(commits in prop::collection::vec(prop::collection::vec(sample::change(), 0..6), 0..4)) {
        let (_dir, path) = file();
        run(async { keeps_what_the_directory_keeps(&sqlite(&path).await, &commits).await });
    }

    #[test]
    fn any_changes_in_memory(commits in prop::collection::vec(prop::collection::vec(sample::change(), 0..6), 0..4)) {
        run(async { keeps_what_the_directory_keeps(&memory().await, &commits).await });
    }
}

#[test]
fn founding() {
    let (_dir, path) = file();
    run(async {
        founds_once(&sqlite(&path).await).await;
        founds_once(&memory().await).await;
    });
}

#[test]
fn peppers() {
    let (_dir, path) = file();
    run(async {
        begins_with_one_pepper(&sqlite(&path).await).await;
        begins_with_one_pepper(&memory().await).await;
    });
}

#[test]
fn a_store_begins_only_in_an_empty_database() {
    let (_dir, path) = file();
    run(async {
        drop(sqlite(&path).await);
        let rows = crate::SqliteRows::open(&path).await.unwrap();
        let again = DirectoryStore::begin(rows, key(1), "home-2").await;
        assert!(matches!(again.map(drop), Err(StoreError::NotEmpty)));
    });
}
