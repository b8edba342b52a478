//! One suite over every backend, and what only a file can suffer.

mod conformance;
mod crash;
mod memory;
mod rekey;
mod rollback;
mod sample;
mod tamper;

use std::path::PathBuf;

use mantlet_gate::directory::Directory;
use zeroize::Zeroizing;

use crate::{DirectoryStore, Rows, SqliteStore, StoreKey};

fn key(seed: u8) -> StoreKey {
    StoreKey::new(&Zeroizing::new([seed; 32])).unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A new store's file in a directory of its own.
fn file() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    (dir, path)
}

async fn sqlite(path: &std::path::Path) -> SqliteStore {
    SqliteStore::create(path, key(1), "home-1").await.unwrap()
}

async fn loaded<R: Rows>(store: &DirectoryStore<R>) -> Contents {
    Contents::from(store.load().await.unwrap())
}

/// A directory that can be compared.
#[derive(Debug, PartialEq)]
struct Contents(Vec<String>);

impl From<Directory> for Contents {
    fn from(directory: Directory) -> Self {
        let Directory {
            projects,
            users,
            consumers,
            keys,
            models,
            grants,
            proposals,
            policies,
            approvals,
            url_keys,
            url_uses,
            routes: _, // the configuration's
            secrets,
        } = directory;
        let mut lines = Vec::new();
        lines.extend(projects.into_iter().map(|id| format!("project {id}")));
        lines.extend(users.into_iter().map(|record| format!("user {record:?}")));
        lines.extend(consumers.into_iter().map(|record| format!("consumer {record:?}")));
        // `Key` shows neither its HMAC nor its dates: spelled out here.
        lines.extend(keys.into_iter().map(|(kid, key)| {
            let dates = (key.created, key.expires, key.pepper_version);
            format!("key {kid} {key:?} {:?} {dates:?} {:?} {}", key.hmac, key.networks, key.handed_over)
        }));
        lines.extend(models.into_iter().map(|record| format!("model {record:?}")));
        lines.extend(grants.into_iter().map(|record| format!("grant {record:?}")));
        lines.extend(proposals.into_iter().map(|record| format!("proposal {record:?}")));
        lines.extend(policies.into_iter().map(|record| format!("policies {record:?}")));
        lines.extend(approvals.into_iter().map(|record| format!("approval {record:?}")));
        lines.extend(url_keys.into_iter().map(|record| format!("url key {record:?}")));
        lines.extend(url_uses.into_iter().map(|record| format!("url use {record:?}")));
        // A secret's value is shown nowhere else.
        lines.extend(
            secrets
                .into_iter()
                .map(|(name, kept)| format!("secret {name} {:?} {:?}", kept.about, kept.value.expose())),
        );
        lines.sort();
        Self(lines)
    }
}
