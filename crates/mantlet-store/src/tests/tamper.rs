//! Somebody who can write the database file but lacks the root key.

use std::{fs, os::unix::fs::PermissionsExt};

use mantlet_types::Role;

use super::{file, key, run, sample, sqlite};
use crate::{Row, Rows, SqliteRows, SqliteStore, StoreError, Table, Write};

const KID_A: &str = "AAAAAAAAAAAA";
const KID_B: &str = "BBBBBBBBBBBB";

/// Two keys and two users; then the rows of a table are edited, and loading must name the table.
fn check(table: Table, edit: impl FnOnce(&mut Vec<Row>)) {
    let (_dir, path) = file();
    run(async {
        let store = sqlite(&path).await;
        let changes = [
            sample::key_of(KID_A, 0xA1),
            sample::key_of(KID_B, 0xB2),
            sample::user_with("alice", Role::Reader),
            sample::user_with("mallory", Role::Admin),
        ];
        store.found(&changes).await.unwrap();
        let mut rows = store.rows().read(table).await.unwrap();
        rows.sort_by(|a, b| a.id.cmp(&b.id));
        edit(&mut rows);
        let writes: Vec<Write> = rows.into_iter().map(|row| Write::Put(table, row)).collect();
        store.rows().write(&writes).await.unwrap();
        let result = store.load().await.map(drop);
        assert!(matches!(&result, Err(StoreError::Altered { table: t, .. }) if *t == table), "{result:?}");
    });
}

#[test]
fn a_flipped_bit_anywhere_in_a_sealed_value_is_noticed() {
    for at in [0, 11, 12, 30, 43, 44, 59] {
        check(Table::Keys, |rows| rows[0].sealed[at] ^= 1);
    }
}

#[test]
fn a_truncated_sealed_value_is_noticed() {
    for length in [0, 11, 12, 27, 59] {
        check(Table::Keys, |rows| rows[0].sealed.truncate(length));
    }
}

#[test]
fn sealed_values_cannot_be_swapped_between_rows() {
    check(Table::Keys, |rows| {
        let (a, b) = rows.split_at_mut(1);
        std::mem::swap(&mut a[0].sealed, &mut b[0].sealed);
    });
}

#[test]
fn a_whole_record_cannot_be_given_another_name() {
    check(Table::Users, |rows| {
        let (alice, mallory) = rows.split_at_mut(1);
        alice[0].body.clone_from(&mallory[0].body);
        alice[0].sealed.clone_from(&mallory[0].sealed);
    });
}

#[test]
fn a_key_cannot_be_lent_to_another_owner() {
    check(Table::Keys, |rows| rows[0].body = rows[0].body.replace("user:alice", "user:mallory"));
}

#[test]
fn a_role_cannot_be_written_into_the_file() {
    check(Table::Users, |rows| rows[0].body = rows[0].body.replace("reader", "admin"));
}

#[test]
fn secrets_are_not_in_the_file() {
    let (_dir, path) = file();
    run(async {
        let store = sqlite(&path).await;
        store.found(&[sample::key_of(KID_A, 0xA1)]).await.unwrap();
        store.close().await;
        let bytes = fs::read(&path).unwrap();
        assert!(
            bytes.windows(KID_A.len()).any(|window| window == KID_A.as_bytes()),
            "the key is in the file"
        );
        assert!(!bytes.windows(8).any(|window| window == [0xA1; 8]), "its hmac is not");
    });
}

#[test]
fn another_homes_key_is_refused() {
    let (_dir, path) = file();
    run(async {
        sqlite(&path).await.close().await;
        let opened = SqliteStore::open(&path, key(2)).await.map(drop);
        assert!(matches!(opened, Err(StoreError::WrongKey)), "{opened:?}");
        assert!(SqliteStore::open(&path, key(1)).await.is_ok());
    });
}

#[test]
fn the_file_is_its_owners_alone() {
    let (dir, path) = file();
    run(async {
        let store = sqlite(&path).await;
        store.found(&[sample::user_with("alice", Role::Reader)]).await.unwrap();
        for entry in fs::read_dir(dir.path()).unwrap() {
            let mode = entry.as_ref().unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{entry:?}");
        }
    });
}

#[test]
fn somebody_elses_file_is_refused_and_left_alone() {
    let (dir, path) = file();
    run(async {
        for contents in [&b""[..], b"SQLite format 3\0", &[0x41; 4096]] {
            fs::write(&path, contents).unwrap();
            let opened = SqliteRows::open(&path).await.map(drop);
            assert!(matches!(opened, Err(StoreError::Foreign { .. })), "{opened:?}");
            assert_eq!(fs::read(&path).unwrap(), contents);
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was laid beside it");
        }
    });
}

#[test]
fn a_later_releases_store_is_refused() {
    let (_dir, path) = file();
    run(async {
        let store = sqlite(&path).await;
        store.rows().execute_for_test("PRAGMA user_version = 7").await.unwrap();
        store.close().await;
        let opened = SqliteRows::open(&path).await.map(drop);
        assert!(matches!(opened, Err(StoreError::Newer { found: 7, known: 5 })), "{opened:?}");
    });
}

#[test]
fn a_damaged_file_is_refused() {
    let (_dir, path) = file();
    run(async {
        let store = sqlite(&path).await;
        store.found(&[sample::key_of(KID_A, 1)]).await.unwrap();
        store.close().await;
        let mut bytes = fs::read(&path).unwrap();
        for byte in &mut bytes[4096..] {
            *byte = 0x5A;
        }
        fs::write(&path, bytes).unwrap();
        let opened = SqliteStore::open(&path, key(1)).await.map(drop);
        assert!(matches!(opened, Err(StoreError::Damaged(_))), "{opened:?}");
    });
}
