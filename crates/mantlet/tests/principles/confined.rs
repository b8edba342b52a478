//! Serving can only read what it serves: the kernel refuses everything else, and a process of its own writes.

use std::{collections::BTreeMap, fs};

use serde_json::Value;

use crate::support::{
    Home, Server,
    rows::{benign, question},
    until,
};

const EACCES: i64 = 13;
const EXDEV: i64 = 18;

/// Whether the kernel can do what this is about; if not, the reason is told.
#[expect(clippy::print_stdout, reason = "whoever reads the tests' output learns why nothing was tried")]
fn is_confined(server: &Server) -> bool {
    let said = server.said();
    if said.contains("not confined") {
        println!("skipped: {said}");
        return false;
    }
    assert!(said.contains("confined"), "{said}");
    true
}

fn stored(home: &Home) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut all = home.bytes();
    all.retain(|(path, _)| path.starts_with(home.path.join("registry")));
    all.sort();
    all
}

#[test]
fn the_serving_process_cannot_change_what_it_serves_nor_read_keys() {
    let home = Home::demo();
    let before = stored(&home);
    let server = Server::with(&home, &[], &[("MANTLET_ATTEMPTS", "1")]);
    if !is_confined(&server) {
        return;
    }
    let path = home.path.join("run/attempts");
    let text = until("the attempts", || fs::read_to_string(&path).ok());
    let mut tried: BTreeMap<String, i64> = serde_json::from_str(&text).unwrap();
    for allowed in ["read what is served", "write beside the control socket"] {
        assert_eq!(tried.remove(allowed), Some(0), "{allowed}");
    }
    assert_eq!(tried.len(), 22);
    for (what, error) in tried {
        // A second name elsewhere would be a move between places of different rights: landlock(7) says `EXDEV`.
        let expected = if what.ends_with("out") { [EACCES, EXDEV] } else { [EACCES, EACCES] };
        assert!(expected.contains(&error), "{what}: {error}");
    }
    assert_eq!(stored(&home), before);
    let reply = server
        .client_with(home.said("demo_key"))
        .post("/v1/models/breast-cancer/predict", &question(&benign()));
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(server.stop().success());
}

#[test]
fn packages_come_in_by_the_registrar_and_by_an_intent() {
    let home = Home::demo();
    let server = Server::start(&home);
    let confined = is_confined(&server);
    home.add_model("second");
    let intent = home.log().into_iter().find(|entry| {
        entry["event"] == "model.register" && entry["phase"] == "intent" && entry["subject"] == "second"
    });
    let shown = home.json(&["model", "list"]);
    let listed = |shown: &Value| shown.to_string().contains("second");
    assert!(listed(&shown), "{shown}");
    assert!(intent.unwrap()["model_digest"].is_string(), "an intent names what it is about");
    assert_eq!(fs::read_dir(home.path.join("registry/kept")).unwrap().count(), 0);
    // One that nobody whom the home trusts has signed comes no further than before.
    let stranger = home.package("stranger");
    let key = home.beside("stranger.key");
    home.json(&["model", "keygen", key.to_str().unwrap()]);
    let before = stored(&home);
    let add = home.run(&["model", "add", stranger.to_str().unwrap(), "--key", key.to_str().unwrap()]);
    assert!(!add.status.success());
    assert_eq!(stored(&home), before);
    server.kill();
    // The registrar went with it: the home can be served again, and has what was registered.
    let server = Server::start(&home);
    assert_eq!(is_confined(&server), confined);
    assert!(listed(&home.json(&["model", "list"])));
    assert!(server.stop().success());
}

#[test]
fn who_must_be_confined_does_not_serve_otherwise() {
    let home = Home::demo();
    home.configure("[server]\nstrict = true\n");
    match Server::try_with(&home, &[], &[]) {
        Ok(server) => {
            assert!(is_confined(&server));
            assert!(server.stop().success());
        }
        Err(said) => {
            assert!(said.contains("cannot be confined"), "{said}");
            println!("skipped: {said}");
        }
    }
    // Writing an anchor beside the home means writing the home.
    fs::write(home.beside("anchor"), "").unwrap();
    home.configure(&format!("[audit]\nanchors = [{:?}]\n", home.beside("anchor")));
    let said = Server::try_with(&home, &[], &[]).err().expect("it serves");
    assert!(said.contains("exit status: 2") && said.contains("cannot be confined"), "{said}");
}
