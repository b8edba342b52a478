//! All or nothing: a change that fails half-way, and a machine that stops half-way.

use std::fs;

use mantlet_gate::directory::Directory;
use mantlet_types::Role;

use super::{Contents, file, key, loaded, run, sample, sqlite};
use crate::SqliteStore;

#[test]
fn a_commit_that_fails_half_way_leaves_nothing() {
    let (_dir, path) = file();
    run(async {
        let store = sqlite(&path).await;
        let poison = "CREATE TRIGGER poison BEFORE INSERT ON keys BEGIN SELECT RAISE(ABORT, 'poison'); END";
        store.rows().execute_for_test(poison).await.unwrap();
        let changes = [sample::user_with("alice", Role::Reader), sample::key_of("AAAAAAAAAAAA", 1)];
        assert!(store.apply_for_test(&changes).await.is_err());
        assert_eq!(loaded(&store).await, Contents::from(Directory::default()));
        store.apply_for_test(&changes[..1]).await.expect("the connection is usable afterwards");
        assert_eq!(store.load().await.unwrap().users.len(), 1);
    });
}

/// The write-ahead log cut off at every eighth of a page: the store opens with exactly the commits before some
/// moment, each of them whole.
#[test]
fn a_torn_write_ahead_log_loses_whole_commits_only() {
    let (dir, path) = file();
    run(async {
        let store = sqlite(&path).await;
        let mut states = vec![Contents::from(Directory::default())];
        let mut expected = Directory::default();
        for round in 0..4 {
            let changes = [
                sample::user_with(&format!("user-{round}"), Role::Reader),
                sample::key_of(&format!("AAAAAAAAAAA{round}"), round),
            ];
            store.apply_for_test(&changes).await.unwrap();
            expected = expected.with(&changes);
            states.push(Contents::from(expected.clone()));
        }
        let (main, log) = (fs::read(&path).unwrap(), fs::read(dir.path().join("store.db-wal")).unwrap());
        let mut seen = vec![false; states.len()];
        for cut in (0..log.len()).step_by(512).chain([log.len()]) {
            let (_dir, copy) = file();
            fs::write(&copy, &main).unwrap();
            fs::write(copy.with_file_name("store.db-wal"), &log[..cut]).unwrap();
            let found = loaded(&SqliteStore::open(&copy, key(1)).await.unwrap()).await;
            let state = states.iter().position(|state| *state == found);
            seen[state.unwrap_or_else(|| panic!("cut at {cut}: {found:?}"))] = true;
        }
        assert_eq!(seen, vec![true; seen.len()], "every commit is a possible last one");
    });
}

#[test]
fn what_was_committed_is_there_after_reopening() {
    let (_dir, path) = file();
    run(async {
        let store = sqlite(&path).await;
        store.found(&[sample::user_with("alice", Role::Reader)]).await.unwrap();
        let before = loaded(&store).await;
        drop(store); // without an orderly close
        assert_eq!(loaded(&SqliteStore::open(&path, key(1)).await.unwrap()).await, before);
    });
}
