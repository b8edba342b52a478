//! The root key is replaced, and however the process ends on the way, the home can be gone on with.

use std::{fs, os::unix::process::ExitStatusExt, path::Path, process::Output};

use crate::support::{
    Home, Server,
    rows::{benign, question},
};

/// Where `MANTLET_DIE_AT` ends the command while either key opens the home, in their order.
const EITHER: [&str; 2] = ["root-key-begun", "root-key-placed"];

/// Where it does so once the home has a new key.
const RESEALING: [&str; 5] =
    ["home-key-made", "files-resealed", "stores-resealed", "registry-rewrapped", "rotation-noted"];

/// Whether a command that reads the store, the log and the registry succeeds.
fn opens(home: &Home) -> bool {
    let output = home.run(&["model", "list"]);
    output.status.success() && !String::from_utf8_lossy(&output.stderr).contains("could not be loaded")
}

fn opens_with(home: &Home, place: &Path, key: &[u8]) -> bool {
    let kept = fs::read(place).unwrap();
    fs::write(place, key).unwrap();
    let opened = opens(home);
    fs::write(place, kept).unwrap();
    opened
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn die_at(home: &Home, step: &str) {
    let output = home.command(&["root", "key", "rotate"]).env("MANTLET_DIE_AT", step).output().unwrap();
    assert_eq!(output.status.signal(), Some(9), "{step}: {}", said(&output));
}

#[test]
fn a_kill_at_any_step_leaves_a_home_that_opens_or_can_be_gone_on_with() {
    let home = Home::demo();
    let place = home.path.join("keys/root.key");
    let waiting = home.path.join("keys/root.key.next");
    for step in EITHER.iter().chain(&RESEALING) {
        let former = fs::read(&place).unwrap();
        die_at(&home, step);
        let new = fs::read(if waiting.exists() { &waiting } else { &place }).unwrap();
        assert_ne!(new, former, "{step}");
        let status = home.json(&["root", "key", "status"]);
        assert_eq!(status["rotating"], true, "{step}");
        if EITHER.contains(step) {
            assert_eq!(status["opened_by_either"], true, "{step}");
            assert!(opens(&home), "{step}: as it was left");
            assert!(opens_with(&home, &place, &former), "{step}: by the former key");
            assert!(opens_with(&home, &place, &new), "{step}: by the new key");
        } else {
            assert_eq!(status["opened_by_either"], false, "{step}");
            // A home with a former key of its own in the ring is finished first, and by the new root key alone.
            let output = home.run(&["model", "list"]);
            assert_eq!(output.status.code(), Some(2), "{step}");
            assert!(said(&output).contains("mantlet root key rotate"), "{step}: {}", said(&output));
            fs::write(&place, &former).unwrap();
            let output = home.run(&["root", "key", "rotate"]);
            assert_eq!(output.status.code(), Some(2), "{step}: by the former key");
            fs::write(&place, &new).unwrap();
        }
        assert_eq!(home.json(&["root", "key", "rotate"])["finished"], true, "{step}");
        assert_eq!(home.json(&["root", "key", "status"])["rotating"], false, "{step}");
        assert_eq!(fs::read(&place).unwrap(), new, "{step}: another key than before the end");
        assert!(opens(&home) && !opens_with(&home, &place, &former), "{step}: the former key is of no use");
    }
    let rotations = home.log().iter().filter(|entry| entry["event"] == "sys.root_key").count();
    assert!(rotations >= EITHER.len() + RESEALING.len(), "{rotations}");
    assert_eq!(home.verdict()["verdict"], "self-consistent");
    let server = Server::start(&home);
    let reply = server
        .client_with(home.said("demo_key"))
        .post("/v1/models/breast-cancer/predict", &question(&benign()));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let output = home.run(&["root", "key", "rotate"]);
    assert!(
        output.status.code() == Some(2) && said(&output).contains("stop the server first"),
        "{}",
        said(&output)
    );
    assert!(server.stop().success());
}

#[test]
fn the_root_key_moves_to_another_place() {
    let home = Home::demo();
    let place = home.beside("elsewhere.key");
    let to = format!("file:{}", place.display());
    let said = home.json(&["root", "key", "rotate", "--to", &to]);
    assert_eq!(said["finished"], false);
    assert!(opens(&home), "by the former key, which the configuration still names");
    let output = home.run(&["root", "key", "rotate"]);
    assert_eq!(output.status.code(), Some(2), "nobody has said yet where the key is");
    let file = home.path.join("mantlet.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"inside\"", &format!("{to:?}"))).unwrap();
    assert!(opens(&home), "by the new key");
    assert_eq!(home.json(&["root", "key", "rotate"])["finished"], true);
    assert!(opens(&home) && !opens_with(&home, &place, &fs::read(home.path.join("keys/root.key")).unwrap()));
}

/// What somebody who writes files and has no key kept from before a key was revoked.
#[test]
fn an_older_store_is_not_sealed_anew() {
    let home = Home::demo();
    home.invite("ulla");
    let store = home.path.join("store.db");
    let older = fs::read(&store).unwrap();
    home.json(&["user", "disable", "ulla"]);
    let newest = fs::read(&store).unwrap();
    let refused = |what: &str| {
        let output = home.run(&["root", "key", "rotate"]);
        assert_eq!(output.status.code(), Some(2), "{what}: {}", said(&output));
        assert!(said(&output).contains("rolled back"), "{what}: {}", said(&output));
    };
    fs::write(&store, &older).unwrap();
    refused("before the rotation");
    assert!(!opens(&home), "nor is it opened");
    fs::write(&store, &newest).unwrap();
    die_at(&home, "home-key-made");
    fs::write(&store, &older).unwrap();
    refused("while it is interrupted");
    fs::write(&store, &newest).unwrap();
    assert_eq!(home.json(&["root", "key", "rotate"])["finished"], true);
    assert!(opens(&home));
    fs::write(&store, &newest).unwrap();
    assert!(!opens(&home), "under the former key");
}

/// Two rotations: what the first let go does not come back by its files.
#[test]
fn an_older_ring_is_of_no_use() {
    let home = Home::demo();
    let ring = home.path.join("keys/ring");
    let mut older = Vec::new();
    for step in ["root-key-begun", "root-key-placed", "home-key-made", "rotation-noted"] {
        die_at(&home, step);
        older.push((step, fs::read(&ring).unwrap()));
    }
    assert_eq!(home.json(&["root", "key", "rotate"])["finished"], true);
    let newest = fs::read(&ring).unwrap();
    for (step, older) in older {
        fs::write(&ring, older).unwrap();
        assert!(!opens(&home), "{step}");
    }
    fs::write(&ring, newest).unwrap();
    assert!(opens(&home));
}

/// All that is sealed, put back together with the key that it was sealed under, agrees with itself. The log does not.
#[test]
fn a_home_from_before_a_replacement_is_refused_keys_and_all() {
    let home = Home::demo();
    let aside = home.beside("aside");
    let copy = |from: &Path, to: &Path| {
        let copied = std::process::Command::new("cp").args(["-a", "--"]).arg(from).arg(to).status().unwrap();
        assert!(copied.success());
    };
    copy(&home.path, &aside);
    assert!(opens(&home));
    assert_eq!(home.json(&["root", "key", "rotate"])["finished"], true);
    assert!(opens(&home));
    for part in ["keys", "registry", "store.db", "reviews.db", "ca.pem"] {
        let (from, to) = (aside.join(part), home.path.join(part));
        if !from.exists() {
            continue;
        }
        let _ = if to.is_dir() { fs::remove_dir_all(&to) } else { fs::remove_file(&to) };
        copy(&from, &to);
    }
    for arguments in [["model", "list"].as_slice(), &["root", "key", "rotate"]] {
        let output = home.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains("keys were rolled back"), "{arguments:?}: {}", said(&output));
    }
}

#[test]
fn a_change_is_given_up_while_either_key_opens_the_home() {
    let home = Home::demo();
    let place = home.path.join("keys/root.key");
    let present = fs::read(&place).unwrap();
    assert_eq!(home.run(&["root", "key", "rotate", "--abandon"]).status.code(), Some(2), "there is none");
    die_at(&home, "root-key-begun");
    let new = fs::read(home.path.join("keys/root.key.next")).unwrap();
    assert_eq!(home.json(&["root", "key", "rotate", "--abandon"])["abandoned"], true);
    assert!(!home.path.join("keys/root.key.next").exists());
    assert_eq!(fs::read(&place).unwrap(), present);
    assert!(opens(&home) && !opens_with(&home, &place, &new));
    let other = home.beside("abandoned.key");
    fs::write(&other, &new).unwrap();
    fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let output = home.run(&["root", "key", "rotate", "--to", &format!("file:{}", other.display())]);
    assert!(output.status.code() == Some(2) && said(&output).contains("let go"), "{}", said(&output));
    assert_eq!(home.json(&["root", "key", "rotate"])["finished"], true);
    die_at(&home, "home-key-made");
    assert_eq!(home.run(&["root", "key", "rotate", "--abandon"]).status.code(), Some(2), "it is too late");
}

#[test]
fn damaged_files_stop_the_change_unless_they_are_to_be_left() {
    let home = Home::demo();
    let blob = fs::read_dir(home.path.join("registry/blobs")).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&blob).unwrap();
    fs::write(&blob, &whole[..60]).unwrap();
    let output = home.run(&["root", "key", "rotate"]);
    assert!(
        output.status.code() == Some(2) && said(&output).contains("--leave-damaged"),
        "{}",
        said(&output)
    );
    fs::write(&blob, &whole).unwrap();
    assert_eq!(home.json(&["root", "key", "rotate"])["finished"], true);
    assert!(opens(&home));
    fs::write(&blob, b"damaged").unwrap();
    let done = home.json(&["root", "key", "rotate", "--leave-damaged"]);
    assert_eq!((&done["finished"], done["damaged"].as_array().map(Vec::len)), (&true.into(), Some(1)));
}
