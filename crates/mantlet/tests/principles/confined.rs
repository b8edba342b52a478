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

fn kill(pid: u32) {
    assert!(std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

#[test]
fn a_registrar_that_ends_is_started_again_and_the_server_says_when_there_is_none() {
    let home = Home::demo();
    let server = Server::start(&home);
    if !is_confined(&server) {
        return;
    }
    let ready = || server.client().get("/v2/health/ready").status;
    assert_eq!(ready(), 200);
    let watcher = started_by_any(server.pid()).expect("who starts the registrar");
    let registrar = || until("a registrar", || started_by_any(watcher));
    let first = registrar();
    kill(first);
    until("another registrar", || started_by_any(watcher).filter(|pid| *pid != first));
    until("the server to be ready", || (ready() == 200).then_some(()));
    home.add_model("second");
    let said = server.said();
    assert!(said.contains("the registrar has ended, and is started again"), "{said}");
    // Without anybody who would start it, there is none any more, and everybody is told at once.
    kill(watcher);
    until("the server to say so", || (ready() != 200).then_some(()));
    let add = home.run(&["model", "add", home.package("third").to_str().unwrap()]);
    assert!(!add.status.success());
    let asked = server
        .client_with(home.said("demo_key"))
        .post("/v1/models/breast-cancer/predict", &question(&benign()));
    assert_eq!(asked.status, 200, "what is served is served all the same: {}", asked.text());
    assert!(server.said().contains("ended for good"));
    assert!(server.stop().success());
}

/// A process that any thread of this one has started.
fn started_by_any(pid: u32) -> Option<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let mut started = threads.flatten().flat_map(|thread| {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        children.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<u32>>()
    });
    started.next()
}
