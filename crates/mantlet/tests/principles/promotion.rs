//! Separation of duties, from data to production: nobody brings a model live alone, whichever way they try.

use std::{fs, process::Output};

use serde_json::{Value, json};

use crate::support::{
    Client, Home, Person, Server, mantlet,
    rows::{benign, question},
};

const PREDICT: &str = "/v1/models/tumors/predict";

/// People of a team, each of whom alone knows their key.
pub struct Team {
    // Before the home, which goes with everything in it.
    pub server: Server,
    pub home: Home,
    pub bob: Person,
    pub dora: Person,
    pub mel: Person,
    pub max: Person,
    pub package: String,
    author_key: String,
}

pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

impl Team {
    /// Alice operates, bob oversees, dora makes models, mel and max deploy them.
    pub fn new() -> Self {
        let home = Home::init(&["--operator", "alice", "--security", "bob"]);
        let server = Server::start(&home);
        let bob = home.founder("bob");
        run(&server, &bob, &["key", "rotate"], 0);
        let [dora, mel, max] = ["dora", "mel", "max"].map(|user| home.invite(user));
        for (person, user, role) in
            [(&dora, "dora", "data_scientist"), (&mel, "mel", "ml_engineer"), (&max, "max", "ml_engineer")]
        {
            run(&server, person, &["key", "rotate"], 0);
            let grant = home.json(&["role", "assign", user, role])["grant"].to_string();
            run(&server, &bob, &["role", "approve", &grant], 0);
            home.json(&["role", "apply", &grant]);
        }
        home.invite("rita");
        home.json(&["role", "assign", "rita", "reader"]);
        let package = home.package("tumors").to_str().unwrap().to_owned();
        let author_key = home.beside("author.key").to_str().unwrap().to_owned();
        assert!(mantlet().args(["model", "keygen", &author_key]).output().unwrap().status.success());
        fs::copy(format!("{author_key}.pub"), home.path.join("keys/trusted/dora.pem")).unwrap();
        assert!(home.run(&["config", "reload"]).status.success());
        let team = Self { server, home, bob, dora, mel, max, package, author_key };
        team.register();
        team
    }

    /// Signs and registers the package once more.
    pub fn register(&self) {
        self.register_with(&[]);
    }

    fn register_with(&self, options: &[&str]) {
        let _ = fs::remove_file(format!("{}/model.sig", self.package));
        let signed =
            mantlet().args(["model", "sign", &self.package, "--key", &self.author_key]).output().unwrap();
        assert!(signed.status.success(), "{}", said(&signed));
        self.may(&self.dora, &[&["model", "add", &self.package], options].concat());
    }

    /// A command that is done; its document.
    pub fn may(&self, person: &Person, arguments: &[&str]) -> Value {
        let output = run(&self.server, person, &[arguments, &["--json"]].concat(), 0);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A command that the server refuses, for this reason.
    pub fn may_not(&self, person: &Person, arguments: &[&str], reason: &str) {
        let refused = run(&self.server, person, arguments, 1);
        assert!(said(&refused).contains(reason), "{arguments:?}: {}", said(&refused));
    }

    /// From registered to live in the way that is meant.
    pub fn promote(&self, version: &str) {
        self.may(&self.mel, &["model", "request", "tumors", version]);
        self.may(&self.bob, &["model", "approve", "tumors", version]);
        self.may(&self.max, &["model", "promote", "tumors", version]);
    }

    /// A consumer's view of the model.
    pub fn consumer(&self) -> Client {
        let key = self.home.key("shop", &["--model", "tumors", "--rate", "6000000/min"]);
        self.server.client_with(&key.key)
    }

    /// The version that is live, as those see it who deploy.
    pub fn live(&self) -> Option<u64> {
        let listed = self.may(&self.mel, &["model", "list"]);
        let models = listed["models"].as_array().unwrap();
        models.iter().find(|model| model["status"] == "live").and_then(|model| model["version"].as_u64())
    }
}

pub fn run(server: &Server, person: &Person, arguments: &[&str], code: i32) -> Output {
    let output = server.command_as(person, arguments).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {printed}{}", said(&output));
    output
}

#[test]
fn a_model_goes_live_by_the_hands_of_four() {
    let team = Team::new();
    let consumer = team.consumer();
    assert_eq!(consumer.post(PREDICT, &question(&benign())).status, 404);
    // An approver sees nothing before there is something to approve, and then what it is.
    let listed = |person: &Person| team.may(person, &["model", "list"])["models"].as_array().unwrap().clone();
    assert!(listed(&team.bob).is_empty());
    let requested = team.may(&team.mel, &["model", "request", "tumors", "1"]);
    let seen = listed(&team.bob);
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (&seen[0]["digest"], &seen[0]["deployment"]["requested_by"]),
        (&requested["digest"], &json!("mel"))
    );
    let approved = team.may(&team.bob, &["model", "approve", "tumors", "1"]);
    assert_eq!((&approved["state"], &approved["approved_by"]), (&json!("approved"), &json!(["bob"])));
    assert_eq!(team.live(), None);
    let live = team.may(&team.max, &["model", "promote", "tumors", "1"]);
    assert_eq!((&live["state"], &live["digest"]), (&json!("live"), &requested["digest"]));
    let reply = consumer.post(PREDICT, &question(&benign()));
    assert_eq!((reply.status, &reply.json()["candidate"]), (200, &Value::Null), "{}", reply.text());
    // Every step is in the log: who, what, and the digest that it was about.
    let steps: Vec<Value> = team
        .home
        .log()
        .into_iter()
        .filter(|entry| {
            let of_models = entry["event"].as_str().is_some_and(|event| event.starts_with("model."));
            of_models && entry["phase"] == "outcome" && entry["event"] != "model.register"
        })
        .map(|entry| {
            assert_eq!(entry["model_digest"], requested["digest"], "{entry}");
            // An approval's names its signed statement beside the version.
            let subject = entry["subject"].as_str().unwrap().split('/').next();
            json!([entry["event"], entry["principal"], entry["action"], subject, entry["decision"]])
        })
        .collect();
    let expect = [
        json!(["model.request", "user:mel", "request_deployment", "tumors@1", "allow"]),
        json!(["model.approve", "user:bob", "approve_deployment", "tumors@1", "allow"]),
        json!(["model.activate", "user:max", "activate_deployment", "tumors@1", "allow"]),
    ];
    assert_eq!(steps, expect);
    // And all of it holds after a restart.
    team.server.stop();
    let server = Server::start(&team.home);
    let key = team.home.key("other", &["--model", "tumors"]);
    assert_eq!(server.client_with(&key.key).post(PREDICT, &question(&benign())).status, 200);
}

#[test]
fn every_shortcut_is_refused() {
    let team = Team::new();
    let Team { bob, dora, mel, max, home, .. } = &team;
    let step = |name: &'static str| ["model", name, "tumors", "1"];
    let (request, approve, promote) = (step("request"), step("approve"), step("promote"));
    // Only who deploys requests: not the author, not the overseer, not the operator.
    team.may_not(dora, &request, "`request_deployment`");
    team.may_not(bob, &request, "`request_deployment`");
    assert_eq!(home.run(&request).status.code(), Some(1));
    // Nothing is approved or live that was not requested.
    team.may_not(bob, &approve, "F05_requested");
    team.may_not(max, &promote, "F06_approved");
    team.may(mel, &request);
    // Nor live that was not approved, by whomever.
    team.may_not(mel, &promote, "F06_approved");
    team.may_not(max, &promote, "F06_approved");
    // Nobody approves what they requested or made; operators approve nothing.
    team.may_not(mel, &approve, "F05_four_eyes");
    team.may_not(dora, &approve, "`approve_deployment`");
    assert_eq!(home.run(&approve).status.code(), Some(1));
    // Asked for twice is asked for once.
    team.may_not(max, &request, "requested already");
    // Whoever is bound to nothing here, or may only ask, does not learn that there is a candidate.
    let rita = home.invited("rita");
    for name in ["request", "approve", "promote"] {
        let known = run(&team.server, &rita, &step(name), 1);
        let unknown = run(&team.server, &rita, &["model", name, "tumors", "7"], 1);
        let without_id = |output: &Output| said(output).split(" (request").next().map(str::to_owned);
        assert_eq!(without_id(&known), without_id(&unknown));
    }
    // The approver's key without the certificate is not the approver.
    let path = "/admin/v1/models/tumors/versions/1/approve";
    let key = fs::read_to_string(bob.dir.join("key")).unwrap();
    assert_eq!(team.server.client_with(&key).post(path, &json!({})).status, 403);
    // Facts come from history. A body cannot bring its own.
    let own = json!({ "approved_by": ["bob"], "requested_by": "max" });
    assert_eq!(team.server.client_as(&home.invited("mel")).post(path, &own).status, 400);
    team.may(max, &approve);
    // Who approved does not activate, and neither does who oversees or made it.
    team.may_not(max, &promote, "F06_four_eyes");
    team.may_not(bob, &promote, "`activate_deployment`");
    team.may_not(dora, &promote, "`activate_deployment`");
    assert_eq!(team.live(), None);
    // An approval goes with the approver's right to give it.
    home.json(&["role", "revoke", "max", "ml_engineer"]);
    team.may_not(mel, &promote, "F06_approved");
    // So it is requested anew, and approved by somebody who may.
    team.may(mel, &request);
    team.may(bob, &approve);
    team.may(mel, &promote);
    assert_eq!(team.live(), Some(1));
    // An approval is used once.
    team.may_not(mel, &promote, "F06_approved");
}

#[test]
fn who_made_the_data_takes_no_part_in_bringing_it_live() {
    let team = Team::new();
    let Team { bob, mel, max, dora, .. } = &team;
    // Only people of the project can be named, and naming somebody makes their hands bound, not free.
    let stranger = run(&team.server, dora, &["model", "add", &team.package, "--data-author", "zoe"], 2);
    assert!(said(&stranger).contains("`zoe`"), "{}", said(&stranger));
    team.register_with(&["--data-author", "max"]);
    let step = |name: &'static str| ["model", name, "tumors", "2"];
    team.may_not(max, &step("request"), "F21_request");
    team.may(mel, &step("request"));
    team.may_not(max, &step("approve"), "F05_four_eyes");
    team.may(bob, &step("approve"));
    team.may_not(max, &step("promote"), "F06_four_eyes");
    team.may(mel, &step("promote"));
    assert_eq!(team.live(), Some(2));
}

#[test]
fn a_rollback_goes_to_what_was_live_and_nowhere_else() {
    let team = Team::new();
    let Team { bob, dora, mel, .. } = &team;
    team.may_not(mel, &["model", "rollback", "tumors"], "");
    team.promote("1");
    team.may_not(mel, &["model", "rollback", "tumors"], "no version of `tumors` was live before");
    team.register();
    // A candidate is nothing to roll back to: that would be a way around approval.
    team.may_not(mel, &["model", "rollback", "tumors", "--to", "2"], "F22_rollback");
    team.promote("2");
    assert_eq!(team.live(), Some(2));
    for person in [bob, dora] {
        team.may_not(person, &["model", "rollback", "tumors"], "`rollback`");
    }
    let back = team.may(mel, &["model", "rollback", "tumors"]);
    assert_eq!((&back["version"], &back["replaced"]), (&json!(1), &json!(2)));
    assert_eq!(team.live(), Some(1));
    // The version that was rolled back from was live, too; but going forward takes a second person.
    team.may_not(mel, &["model", "rollback", "tumors", "--to", "2"], "ask that it go live again");
    assert_eq!(team.live(), Some(1));
    team.promote("2");
    assert_eq!(team.live(), Some(2));
    let log = team.home.log();
    let rollbacks = log.iter().filter(|entry| entry["event"] == "model.rollback" && entry["status"] == 200);
    assert_eq!(rollbacks.count(), 1);
}
