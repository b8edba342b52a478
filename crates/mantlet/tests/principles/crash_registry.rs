//! Fail securely: a process that is killed in the middle of a step leaves the registry as it was before the step or as it is
//! after it, and never a third thing.

use std::process::Output;

use serde_json::{Value, json};

use crate::{
    promotion::{Team, said},
    support::{
        Home, Person, Server,
        rows::{benign, question},
    },
};

/// What those see who deploy: every version, and how far it is.
fn versions(home: &Home, server: &Server) -> Value {
    let reply = server.client_as(&home.invited("mel")).get("/admin/v1/models");
    assert_eq!(reply.status, 200, "{}", reply.text());
    let rows = reply.json()["models"].as_array().unwrap().clone();
    let row = |row: &Value| {
        json!([row["version"], row["status"], row["state"], row["aliases"], row["deployment"]["state"]])
    };
    rows.iter().map(row).collect()
}

/// A step, killed at this moment of the first change that the store takes.
fn killed(home: &Home, person: &Person, arguments: &[&str], moment: &str) -> Output {
    let server = Server::with(home, &[], &[("MANTLET_DIE_AT", moment)]);
    let output = server.command_as(person, arguments).output().unwrap();
    assert!(!output.status.success(), "{arguments:?} was answered by a dead server: {}", said(&output));
    assert!(server.has_died(), "nothing died {moment} {arguments:?}: {}", said(&output));
    output
}

#[test]
fn a_kill_in_the_middle_of_a_step_leaves_the_old_registry_or_the_new_one() {
    let Team { server, home, bob, dora, mel, max, package, .. } = Team::new();
    let app = home.key("shop", &["--model", "tumors", "--rate", "6000000/min"]);
    assert!(server.stop().success());
    let steps: [(&Person, Vec<&str>); 11] = [
        (&mel, vec!["model", "request", "tumors", "1"]),
        (&bob, vec!["model", "approve", "tumors", "1"]),
        (&max, vec!["model", "promote", "tumors", "1"]),
        (&dora, vec!["model", "register", &package]),
        (&mel, vec!["model", "alias", "set", "tumors", "stable", "--version", "1"]),
        (&mel, vec!["model", "request", "tumors", "2"]),
        (&bob, vec!["model", "approve", "tumors", "2"]),
        (&max, vec!["model", "promote", "tumors", "2"]),
        (&mel, vec!["model", "rollback", "tumors"]),
        (&mel, vec!["model", "retire", "tumors", "2"]),
        (&dora, vec!["model", "register", &package]),
    ];
    let server = Server::start(&home);
    let mut before = versions(&home, &server);
    server.kill();
    let packages = || std::fs::read_dir(home.path.join("registry/packages")).unwrap().count();
    for (person, arguments) in &steps {
        // Before the change is durable nothing has happened but that the log knows of the intent.
        let known = packages();
        killed(&home, person, arguments, "change-decided");
        let server = Server::start(&home);
        assert_eq!(versions(&home, &server), before, "killed before {arguments:?}");
        // A package that no version refers to is no harm: the same one is registered as if it were not there.
        assert!(packages() >= known);
        server.kill();
        // And after it, although nobody was told, all of it has.
        killed(&home, person, arguments, "change-durable");
        let server = Server::start(&home);
        let after = versions(&home, &server);
        assert_ne!(after, before, "killed after {arguments:?}");
        // What is live answers, as one version and the same.
        let live = after.as_array().unwrap().iter().find(|row| row[1] == "live");
        let answer = server.client_with(&app.key).post("/v1/models/tumors/predict", &question(&benign()));
        assert_eq!(answer.status, if live.is_some() { 200 } else { 404 }, "{arguments:?}: {}", answer.text());
        let metadata = server.client_with(&app.key).get("/v2/models/tumors");
        if let Some(live) = live {
            assert_eq!(metadata.json()["versions"], json!([live[0].to_string()]), "{arguments:?}");
        }
        before = after;
        server.kill();
    }
    // The log holds, and its last word on each of these steps is that they were about to be taken.
    assert_eq!(home.verdict()["verdict"], "self-consistent");
    let server = Server::start(&home);
    let history = server.client_as(&home.invited("mel")).get("/admin/v1/models/tumors/history").json();
    for story in history["versions"].as_array().unwrap() {
        for step in story["steps"].as_array().unwrap().iter().filter(|step| step["by"] != "dora") {
            assert_eq!(step["log"], "intent", "{story}");
        }
        assert!(story["steps"].as_array().unwrap().iter().all(|step| step["log"] != "missing"), "{story}");
    }
}
