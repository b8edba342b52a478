//! Separation of duties: critical operations are divided among several people, so that nobody controls a process alone.

use std::{fs, process::Output};

use mantlet::server::upload;
use serde_json::{Value, json};

use crate::support::{
    Client, Home, Person, Reply, Server, mantlet,
    rows::{benign, labelled, question},
};

const PREDICT: &str = "/v1/models/tumors/predict";

/// A team at work: alice operates, bob oversees, and each alone knows their key.
struct Team {
    // Before the home, which goes with everything in it.
    server: Server,
    home: Home,
    alice: Person,
    bob: Person,
    /// The signing key of somebody whose models the home trusts.
    author: String,
}

impl Team {
    fn new() -> Self {
        let home = Home::init(&["--operator", "alice", "--security", "bob"]);
        let author = author(&home);
        let server = Server::start(&home);
        let alice = home.founder("alice");
        let bob = server.take_over(home.founder("bob"));
        Self { home, server, alice, bob, author }
    }

    fn alice(&self) -> Client {
        self.server.client_as(&self.alice)
    }

    fn bob(&self) -> Client {
        self.server.client_as(&self.bob)
    }

    /// Invites a person, who takes the key over.
    fn join(&self, user: &str) -> Person {
        self.server.take_over(self.home.invite(user))
    }

    /// Proposes as the operator; the grant's number.
    fn propose(&self, user: &str, role: &str) -> u64 {
        let proposed = self.home.json(&["role", "assign", user, role]);
        assert_eq!(proposed["state"], "pending", "{proposed}");
        proposed["grant"].as_u64().unwrap()
    }

    /// Binds a person to a duty the way that a team does: one proposes, another approves, the first applies.
    fn bind(&self, user: &str, role: &str) {
        let grant = self.propose(user, role);
        self.server.approve(&self.bob, &grant.to_string());
        assert_eq!(self.home.json(&["role", "apply", &grant.to_string()])["state"], "bound");
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Signs the bundled model as this person, in the form that goes over the wire.
fn signed(home: &Home, key: &str) -> Vec<u8> {
    let package = home.package("tumors");
    let dir = package.to_str().unwrap();
    let signed = mantlet().args(["model", "sign", dir, "--key", key]).output().unwrap();
    assert!(signed.status.success(), "{}", said(&signed));
    let files: Vec<(String, Vec<u8>)> = fs::read_dir(&package)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap()))
        .collect();
    upload::encode("tumors", files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())))
}

/// An author's signing key; the home trusts it.
fn author(home: &Home) -> String {
    let key = home.beside("author.key");
    let made = mantlet().args(["model", "keygen", key.to_str().unwrap()]).output().unwrap();
    assert!(made.status.success(), "{}", said(&made));
    fs::copy(format!("{}.pub", key.display()), home.path.join("keys/trusted/author.pem")).unwrap();
    key.to_str().unwrap().to_owned()
}

fn register(client: &Client, package: &[u8]) -> Reply {
    let client = client.clone().header("content-type", upload::CONTENT_TYPE);
    client.send("POST", "/admin/v1/models/tumors?project=home", package.to_vec())
}

#[test]
fn a_duty_needs_a_second_person() {
    let team = Team::new();
    team.join("dora");
    let (home, server, alice, bob) = (&team.home, &team.server, team.alice(), &team.bob);
    let grant = team.propose("dora", "data_scientist");
    let step =
        |client: &Client, step: &str| client.post(&format!("/admin/v1/grants/{grant}/{step}"), &json!({}));
    // Not applied before it is approved, and not approved by who proposed it, with whatever credential.
    assert_eq!(step(&alice, "apply").status, 403);
    assert_eq!(step(&alice, "approve").status, 403);
    let own = home.run(&["role", "approve", &grant.to_string()]);
    assert_eq!(own.status.code(), Some(1), "{}", said(&own));
    // The approver's key alone is not enough: who has found it is not the approver.
    let without_certificate = step(&server.client_with(&bob.key), "approve");
    assert_eq!(without_certificate.status, 403);
    assert_eq!(home.entry_of(&without_certificate)["authn"], "api_key");
    // Somebody else's certificate beside it is no second factor either.
    let mut mixed = home.founder("alice");
    mixed.key.clone_from(&bob.key);
    assert_eq!(step(&server.client_as(&mixed), "approve").status, 403);
    // Nor is both together, without the approver's signature.
    let unsigned = step(&server.client_as(bob), "approve");
    assert_eq!(unsigned.status, 403);
    assert!(unsigned.text().contains("not signed"), "{}", unsigned.text());
    server.approve(bob, &grant.to_string());
    assert_eq!(step(&alice, "apply").status, 200);
    // Both are in the log by name.
    let names: Vec<Value> = home
        .log()
        .into_iter()
        .filter(|entry| {
            entry["event"] == "role.change" && entry["phase"] == "outcome" && entry["status"] == 200
        })
        .map(|entry| entry["principal"].clone())
        .collect();
    assert_eq!(names, [json!("user:alice"), json!("user:bob"), json!("user:alice")]);
    // What was applied cannot be applied again.
    assert_eq!(step(&alice, "apply").status, 404);
}

#[test]
fn a_key_that_somebody_else_has_seen_holds_no_duty() {
    let home = Home::init(&["--operator", "alice", "--security", "bob"]);
    let dora = home.invite("dora");
    let server = Server::start(&home);
    // Whoever made the home has seen the overseer's key, and would be both.
    let bob = home.founder("bob");
    let reply = server.client_as(&bob).post("/audit/v1/search", &json!({}));
    assert_eq!(reply.status, 403, "{}", reply.text());
    let bob = server.take_over(bob);
    assert_eq!(server.client_as(&bob).post("/audit/v1/search", &json!({})).status, 200);
    // The same holds for whoever invites.
    let seen = home.run(&["role", "assign", "dora", "ml_engineer"]);
    assert_eq!(seen.status.code(), Some(1), "{}", said(&seen));
    assert!(said(&seen).contains("mantlet --as DIR key rotate"), "{}", said(&seen));
    let old = dora.key.clone();
    let dora = server.take_over(dora);
    assert_eq!(home.json(&["role", "assign", "dora", "ml_engineer"])["state"], "pending");
    assert_eq!(server.client_with(&old).get("/openapi.json").status, 401);
    assert_eq!(server.client_with(&dora.key).get("/openapi.json").status, 200);
}

#[test]
fn nobody_gives_themselves_anything() {
    let team = Team::new();
    let home = &team.home;
    for role in ["reader", "admin", "security", "ml_engineer"] {
        let output = home.run(&["role", "assign", "alice", role]);
        assert_eq!(output.status.code(), Some(1), "{role}: {}", said(&output));
    }
    // Nor does the overseer operate.
    let bob = team.bob();
    home.invite("dora");
    for (path, body) in [
        ("/admin/v1/roles", json!({ "user": "dora", "role": "reader", "project": "home" })),
        ("/admin/v1/users", json!({ "user": "eve", "project": "home" })),
        ("/admin/v1/keys", json!({ "consumer": "app", "project": "home", "models": [], "monitor": true })),
        ("/admin/v1/reload", json!({})),
    ] {
        let reply = bob.post(path, &body);
        assert_eq!(reply.status, 403, "{path}: {}", reply.text());
        assert_eq!(home.entry_of(&reply)["decision"], "deny");
    }
    let bindings = home.json(&["role", "list"]);
    assert_eq!(bindings["bindings"].as_array().unwrap().len(), 2, "{bindings}");
}

#[test]
fn nobody_holds_two_duties() {
    let team = Team::new();
    let home = &team.home;
    team.join("dora");
    team.bind("dora", "data_engineer");
    for role in ["data_scientist", "ml_engineer", "security", "operator", "admin"] {
        let output = home.run(&["role", "assign", "dora", role]);
        assert_eq!(output.status.code(), Some(1), "{role}: {}", said(&output));
        assert!(
            said(&output).contains("data_engineer"),
            "the duty in the way is not named: {}",
            said(&output)
        );
    }
    // What is no duty goes with one, but for reviewing what was asked of models made of one's own data.
    let output = home.run(&["role", "assign", "dora", "reviewer"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("data_engineer"), "{}", said(&output));
    assert_eq!(home.json(&["role", "assign", "dora", "reader"])["state"], "bound");
}

#[test]
fn each_duty_does_its_own_work_and_no_other() {
    let team = Team::new();
    let clients = ["data_engineer", "data_scientist", "ml_engineer"].map(|duty| {
        let user = duty.replace('_', "-");
        let person = team.join(&user);
        team.bind(&user, duty);
        team.server.client_as(&person)
    });
    let [engineer, scientist, deployer] = &clients;
    let (home, alice, bob) = (&team.home, team.alice(), team.bob());
    let package = signed(home, &team.author);
    // Only the data scientist registers models: not who deploys, operates or oversees.
    for client in [engineer, deployer, &alice, &bob] {
        let reply = register(client, &package);
        assert_eq!(reply.status, 403, "{}", reply.text());
        assert_eq!(home.entry_of(&reply)["action"], "register_version");
    }
    let registered = register(scientist, &package);
    assert_eq!(registered.status, 200, "{}", registered.text());
    assert_eq!(registered.json()["status"], "candidate");
    // Only the overseer reads the log, and reading is all that they do with models.
    for client in [engineer, scientist, deployer, &alice] {
        assert_eq!(client.post("/audit/v1/search", &json!({})).status, 403);
    }
    assert_eq!(bob.post("/audit/v1/search", &json!({})).status, 200);
    // Only the operator manages people and keys.
    for client in [engineer, scientist, deployer, &bob] {
        assert_eq!(client.post("/admin/v1/users", &json!({ "user": "eve", "project": "home" })).status, 403);
    }
    // What is no candidate of theirs answers nobody here: there is no live version.
    for client in [engineer, deployer, &alice, &bob] {
        let reply = client.post(PREDICT, &question(&benign()));
        assert!([403, 404].contains(&reply.status), "{}", reply.text());
    }
}

#[test]
fn a_candidate_answers_its_author_alone() {
    let team = Team::new();
    let (home, server) = (&team.home, &team.server);
    let [dora, carl, mel] = ["dora", "carl", "mel"].map(|user| team.join(user));
    team.bind("dora", "data_scientist");
    team.bind("carl", "data_scientist");
    team.bind("mel", "ml_engineer");
    let author = server.client_as(&dora);
    assert_eq!(register(&author, &signed(home, &team.author)).status, 200);
    let candidate = "/v1/models/tumors/versions/1/predict";
    let reply = author.post(candidate, &question(&benign()));
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["candidate"], true, "{}", reply.text());
    let entry = home.entry_of(&reply);
    assert_eq!((&entry["action"], &entry["principal"]), (&json!("try_candidate"), &json!("user:dora")));
    // What its author does by the right of a role takes that right, and is written down by its name.
    let explained = author.post("/v2/models/tumors/versions/1/explain", &question(&benign()));
    let evaluated = author.post("/v2/models/tumors/versions/1/evaluate", &labelled(&benign(), "benign"));
    for (reply, action) in [(explained, "explain"), (evaluated, "evaluate")] {
        assert_eq!(reply.status, 200, "{action}: {}", reply.text());
        let entry = home.entry_of(&reply);
        let policies = json!(["P11_own_candidate", "P05_data_scientist"]);
        assert_eq!((&entry["action"], &entry["policy_ids"]), (&json!(action), &policies), "{entry}");
        assert_eq!(
            (&entry["resource"], &entry["model_version"]),
            (&json!("ModelVersion:tumors@1"), &json!(1))
        );
    }
    for client in [server.client_as(&mel), server.client_as(&carl), team.alice(), team.bob()] {
        let reply = client.post(candidate, &question(&benign()));
        let unknown = client.post("/v1/models/tumors/versions/7/predict", &question(&benign()));
        assert_eq!((reply.status, reply.shape()), (404, unknown.shape()));
    }
    // Those who register or deploy know that it is there; who operates or oversees has nothing to do with it.
    let listed = |person: &Person| {
        let reply = server.client_as(person).get("/admin/v1/models");
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["models"].as_array().unwrap().len()
    };
    assert_eq!([&dora, &mel, &team.alice, &team.bob].map(listed), [1, 1, 0, 0]);
    // Nothing is live, so nobody asks the model itself, its author included.
    assert_ne!(author.post(PREDICT, &question(&benign())).status, 200);
    // With the role goes what was the role's, and the candidate stays its author's to try.
    home.json(&["role", "revoke", "dora", "data_scientist"]);
    home.json(&["role", "assign", "dora", "reviewer"]);
    assert_eq!(author.post(candidate, &question(&benign())).status, 200);
    let evaluated = author.post("/v2/models/tumors/versions/1/evaluate", &labelled(&benign(), "benign"));
    assert_eq!(evaluated.status, 403, "{}", evaluated.text());
    assert_eq!(home.entries_in_time(evaluated.request_id(), 1)[0]["action"], "evaluate");
}

#[test]
fn a_package_that_nobody_trusted_signed_is_not_registered() {
    let team = Team::new();
    let home = &team.home;
    let dora = team.join("dora");
    team.bind("dora", "data_scientist");
    let client = team.server.client_as(&dora);
    let stranger = home.beside("stranger.key");
    assert!(
        mantlet().args(["model", "keygen", stranger.to_str().unwrap()]).output().unwrap().status.success()
    );
    let package = signed(home, stranger.to_str().unwrap());
    let reply = register(&client, &package);
    assert_eq!(reply.status, 400, "{}", reply.text());
    let registered = || client.get("/admin/v1/models").json()["models"].as_array().unwrap().len();
    assert_eq!(registered(), 0);
    // Signed by who is trusted, and changed by one byte afterwards.
    fs::remove_dir_all(home.beside("tumors")).unwrap();
    let mut package = signed(home, &team.author);
    let last = package.len() - 1;
    package[last] ^= 1;
    assert_eq!(register(&client, &package).status, 400);
    assert_eq!(registered(), 0);
    // As it was signed, it is taken: nothing else was wrong with it.
    package[last] ^= 1;
    assert_eq!(register(&client, &package).status, 200);
    assert_eq!(registered(), 1);
}
