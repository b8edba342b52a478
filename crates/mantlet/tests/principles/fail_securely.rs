//! Fail securely: when a system fails, it fails in a way that keeps it secure.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::support::{
    Client, Home, Reply, Server, mantlet,
    rows::{benign, question},
    until,
};

const PREDICT: &str = "/v1/models/breast-cancer/predict";

/// Asks until the log fails, at most so often; the replies before, and the first that was not answered.
fn until_it_fails(client: &Client) -> (Vec<Reply>, Reply) {
    let mut answered = Vec::new();
    for _ in 0..400 {
        let reply = client.post(PREDICT, &question(&benign()));
        if reply.status != 200 {
            return (answered, reply);
        }
        answered.push(reply);
    }
    panic!("the fault that was ordered never came");
}

/// With a log that fails as planned: what cannot be written down is not answered, then or later.
fn check_failing_log(plan: &str) {
    let home = Home::demo();
    let key = home.busy_key("app");
    let owner = home.founder(home.said("operator"));
    let server = Server::with(&home, &[], &[("MANTLET_FAULTS", plan)]);
    let client = server.client_with(&key.key);
    assert_eq!(client.get("/v2/health/ready").status, 200);
    let (answered, failed) = until_it_fails(&client);
    assert!(!answered.is_empty(), "{plan}: nothing was answered before the fault");
    assert_eq!(failed.status, 503, "{plan}: {}", failed.text());
    assert_eq!(failed.json()["title"], "service temporarily unavailable");
    failed.assert_discreet();
    // Sealed: nothing is answered any more, whoever asks and whatever for, and readiness says so.
    for _ in 0..3 {
        let reply = client.post(PREDICT, &question(&benign()));
        assert_eq!((reply.status, reply.header("mantlet-receipt")), (503, None), "{plan}: {}", reply.text());
        reply.assert_discreet();
    }
    let deed =
        server.client_as(&owner).post("/admin/v1/users", &json!({ "user": "late", "project": "home" }));
    assert_eq!(deed.status, 503, "{plan}: {}", deed.text());
    assert_eq!(server.client_as(&owner).get("/admin/v1/keys").status, 503);
    let ready = client.get("/v2/health/ready");
    assert_eq!((ready.status, ready.json()), (503, json!({ "ready": false })));
    assert_eq!(client.get("/v2/health/live").status, 200);
    server.kill();
    // What was answered is in the log; what was refused changed nothing; and on a sound disk the node serves again.
    let server = Server::start(&home);
    let log = home.log();
    for reply in &answered {
        assert!(
            log.iter().any(|entry| entry["request_id"] == reply.request_id()),
            "{plan}: an answer without entry"
        );
    }
    assert!(home.json(&["user", "list"]).as_array().unwrap().iter().all(|user| user["user"] != "late"));
    assert_eq!(server.client_with(&key.key).post(PREDICT, &question(&benign())).status, 200);
    assert_eq!(home.verdict()["verdict"], "self-consistent");
}

#[test]
fn nothing_is_answered_once_a_sync_has_failed() {
    check_failing_log("sync:40:io");
}

#[test]
fn nothing_is_answered_once_the_disk_is_full() {
    check_failing_log("write:40:nospace+");
}

#[test]
fn a_model_that_is_not_what_was_signed_is_not_served() {
    let home = Home::demo();
    let blobs = home.path.join("registry/blobs");
    for entry in fs::read_dir(blobs).unwrap() {
        flip(&entry.unwrap().path());
    }
    let server = Server::start(&home);
    let client = server.client_with(home.said("demo_key"));
    let reply = client.post(PREDICT, &question(&benign()));
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!(reply.json()["title"], "service temporarily unavailable");
    reply.assert_discreet();
    assert_eq!(home.entry_of(&reply)["status"], 503);
    // The node says that it is not ready, what is wrong with the model, and to its operator why.
    assert_eq!(client.get("/v2/health/ready").status, 503);
    assert_ne!(client.get("/v2/models/breast-cancer/ready").status, 200);
    assert_eq!(home.json(&["model", "list"])["models"][0]["status"], "broken");
    assert!(server.said().contains("breast-cancer"), "{}", server.said());
}

/// Changes one bit in the middle of a file.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Puts one text in another's place, wherever it stands in the store's file.
fn forge(home: &Home, old: &str, new: &str) {
    assert_eq!(old.len(), new.len());
    let path = home.path.join("store.db");
    let places = |bytes: &[u8]| -> Vec<usize> {
        let windows = bytes.windows(old.len()).enumerate();
        windows.filter(|(_, window)| *window == old.as_bytes()).map(|(at, _)| at).collect()
    };
    // SQLite moves what it has in its own log into the file when it is done with it, which a command's end may forestall.
    let (mut bytes, found) = until("the text in the store's file", || {
        home.json(&["key", "list"]);
        let bytes = fs::read(&path).unwrap();
        let found = places(&bytes);
        (!found.is_empty()).then_some((bytes, found))
    });
    for at in found {
        bytes[at..at + new.len()].copy_from_slice(new.as_bytes());
    }
    fs::write(path, bytes).unwrap();
}

/// Everything that a home keeps: not who has it, and not what SQLite has beside its files
/// while they are open, which a confined server makes empty beforehand.
fn kept(home: &Home, reached: Reached) -> BTreeMap<PathBuf, Vec<u8>> {
    let passing = ["run/lock", "store.db-shm", "store.db-wal", "reviews.db-shm", "reviews.db-wal"];
    let passing = passing.map(|name| home.path.join(name));
    let opened = ["store.db", "audit"].map(|name| home.path.join(name));
    let opened =
        |path: &Path| reached == Reached::Everything && opened.iter().any(|part| path.starts_with(part));
    home.bytes().into_iter().filter(|(path, _)| !passing.contains(path) && !opened(path)).collect()
}

/// How far a start got before it was refused.
#[derive(Clone, Copy, PartialEq)]
enum Reached {
    /// Nothing was opened.
    Nothing,
    /// Store and log were open: the log then tells of the start, and SQLite has put its file in order.
    Everything,
}

/// A home in which something was altered is refused, with what to do, and is not changed any further.
fn check_refused(what: &str, reached: Reached, alter: impl FnOnce(&Home)) {
    let home = Home::demo();
    alter(&home);
    let before = kept(&home, reached);
    let said = match Server::try_with(&home, &[], &[]) {
        Ok(_) => panic!("a home with {what} is served"),
        Err(said) => said,
    };
    assert!(
        said.contains("exit status: 2") && said.contains("error:") && said.contains("hint:"),
        "{what}: {said}"
    );
    let after = kept(&home, reached);
    assert!(before.keys().eq(after.keys()), "{what}: a refused start made or removed files");
    let changed: Vec<&PathBuf> =
        after.iter().filter(|(path, bytes)| before.get(*path) != Some(bytes)).map(|(path, _)| path).collect();
    assert!(changed.is_empty(), "{what}: a refused start changed {changed:?}");
}

#[test]
fn altered_keys_are_refused() {
    check_refused("an altered audit key", Reached::Nothing, |home| flip(&home.path.join("keys/audit.key")));
    check_refused("an altered authority", Reached::Everything, |home| flip(&home.path.join("keys/ca.key")));
}

#[test]
fn an_altered_store_is_refused() {
    // Whoever can write the file, but has not the root key, cannot help themselves to anything.
    check_refused("a raised limit", Reached::Nothing, |home| {
        forge(home, "\"rate_per_minute\":60,", "\"rate_per_minute\":99,");
    });
    check_refused("a broken store", Reached::Nothing, |home| {
        fs::write(home.path.join("store.db"), "no database").unwrap();
    });
}

#[test]
fn an_altered_log_is_refused() {
    check_refused("an altered checkpoint", Reached::Nothing, |home| {
        flip(&home.path.join("audit/checkpoint"));
    });
}

#[test]
fn an_altered_entry_is_found() {
    let home = Home::demo();
    let bundles: Vec<_> = home
        .bytes()
        .into_iter()
        .filter(|(path, _)| path.to_string_lossy().contains("tile/entries"))
        .collect();
    let (path, bytes) = bundles.first().expect("a closed log has its entries in tiles");
    let text = String::from_utf8_lossy(bytes).replace("user.change", "user.chance");
    assert_ne!(text.as_bytes(), bytes.as_slice());
    fs::write(path, text).unwrap();
    let output = home.command(&["audit", "verify", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&said["verdict"], &said["index"]), (&json!("rejected"), &json!(1)), "{said}");
}

#[test]
fn a_home_that_could_not_be_finished_was_never_there() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    // The bundled model has no room: the home's place is taken while it is being made.
    fs::create_dir(&home).unwrap();
    fs::write(home.join("something"), "else").unwrap();
    let output = mantlet().args(["init", "--demo"]).arg(&home).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("hint:"));
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["home"]);
    assert_eq!(fs::read_to_string(home.join("something")).unwrap(), "else");
}

#[test]
fn anonymous_floods_stay_small_and_seal_nothing() {
    let home = Home::demo();
    home.configure(
        "[server]\nallow = [\"192.0.2.0/24\", \"198.51.100.0/24\"]\ntrusted_proxies = [\"127.0.0.0/8\"]\n",
    );
    let server = Server::with(&home, &["--plaintext-loopback"], &[]);
    let from = |address: &str| Client::plain(server.address).header("x-forwarded-for", address);
    let stranger = from("198.51.100.7");
    let refused = 300;
    for _ in 0..refused {
        assert_ne!(stranger.post(PREDICT, &json!({})).status, 200);
    }
    let entries = until("the whole flood in the log", || {
        let counted: u64 = home.strangers().values().sum();
        (counted == refused)
            .then(|| home.log().into_iter().filter(|entry| entry["event"] == "auth.fail").count())
    });
    assert!(entries <= 60, "{entries} entries for {refused} requests");
    let known = from("192.0.2.7").bearer(home.said("demo_key"));
    assert_eq!(known.post(PREDICT, &question(&benign())).status, 200);
    assert_eq!(known.get("/v2/health/ready").status, 200);
}
