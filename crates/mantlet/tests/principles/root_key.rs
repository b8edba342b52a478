//! The root key is replaced, and however the process ends on the way, the home opens.

use std::{fs, os::unix::process::ExitStatusExt, path::Path};

use crate::support::{
    Home, Server,
    rows::{benign, question},
};

/// Where `MANTLET_DIE_AT` ends the command, in their order.
const STEPS: [&str; 6] = [
    "root-key-begun",
    "files-resealed",
    "stores-resealed",
    "registry-rewrapped",
    "root-key-placed",
    "rotation-noted",
];

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

#[test]
fn a_kill_at_any_step_leaves_either_key_of_use() {
    let home = Home::demo();
    let place = home.path.join("keys/root.key");
    let waiting = home.path.join("keys/root.key.next");
    for step in STEPS {
        let former = fs::read(&place).unwrap();
        let output = home.command(&["root", "key", "rotate"]).env("MANTLET_DIE_AT", step).output().unwrap();
        assert_eq!(output.status.signal(), Some(9), "{step}: {}", String::from_utf8_lossy(&output.stderr));
        let new = fs::read(if waiting.exists() { &waiting } else { &place }).unwrap();
        assert_ne!(new, former, "{step}");
        assert!(opens(&home), "{step}: as it was left");
        assert!(opens_with(&home, &place, &former), "{step}: by the former key");
        assert!(opens_with(&home, &place, &new), "{step}: by the new key");
        assert_eq!(home.json(&["root", "key", "status"])["rotating"], true, "{step}");
        assert_eq!(home.json(&["root", "key", "rotate"])["finished"], true, "{step}");
        assert_eq!(home.json(&["root", "key", "status"])["rotating"], false, "{step}");
        assert_eq!(fs::read(&place).unwrap(), new, "{step}: another key than before the end");
        assert!(opens(&home) && !opens_with(&home, &place, &former), "{step}: the former key is of no use");
    }
    let rotations = home.log().iter().filter(|entry| entry["event"] == "sys.root_key").count();
    assert!(rotations >= STEPS.len(), "{rotations}");
    assert_eq!(home.verdict()["verdict"], "self-consistent");
    let server = Server::start(&home);
    let reply = server
        .client_with(home.said("demo_key"))
        .post("/v1/models/breast-cancer/predict", &question(&benign()));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let output = home.run(&["root", "key", "rotate"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && said.contains("stop the server first"), "{said}");
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
