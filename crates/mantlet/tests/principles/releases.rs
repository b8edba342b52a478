//! Separation of duties, on record: where a version comes from, what it has to be to go live, what it is called and when it
//! is withdrawn are facts that the log bears out, and nobody alone can get around them.

use std::fs;

use serde_json::{Value, json};

use crate::{
    promotion::{Team, run, said},
    support::{
        Home, Person, Server,
        people::Key,
        rows::{benign, question, test_set},
    },
};

/// Of no data set here.
const ELSEWHERE: &str = "5e1fb0a3c0ffee00000000000000000000000000000000000000000000000000";

/// The test set as a file, with the truth in `target`.
fn table(home: &Home) -> String {
    let path = home.beside("test.csv");
    let table = test_set();
    let line = |cells: &Value| {
        let cells = cells.as_array().unwrap().iter().map(|cell| cell.as_str().unwrap());
        cells.collect::<Vec<_>>().join(",")
    };
    let mut text = line(&table["columns"]);
    for row in table["rows"].as_array().unwrap() {
        text = format!("{text}\n{}", line(row));
    }
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The digest of that table, computed as its documentation says and not by what is tested.
fn digest_of_table() -> String {
    let table = test_set();
    let mut text = format!("{}\n\"target\"\n", table["columns"]);
    for row in table["rows"].as_array().unwrap() {
        text = format!("{text}{row}\n");
    }
    let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn reload(team: &Team, lines: &str) {
    let path = team.home.path.join("mantlet.toml");
    let text = fs::read_to_string(&path).unwrap();
    let kept = text.split("[[model]]").next().unwrap();
    fs::write(&path, format!("{kept}\n{lines}\n")).unwrap();
    let reloaded = team.home.run(&["config", "reload"]);
    assert!(reloaded.status.success(), "{}", said(&reloaded));
}

fn evaluate(team: &Team, person: &Person, data: &str) -> Value {
    team.may(person, &["evaluate", "tumors", "--version-number", "1", "--data", data, "--attach"])
}

#[test]
fn a_version_goes_live_that_meets_what_the_operator_has_said() {
    let team = Team::new();
    let Team { home, bob, dora, mel, max, .. } = &team;
    let data = table(home);
    let release = |least: f64| {
        format!(
            "[[model]]\nname = \"tumors\"\n[model.release]\nevaluated_on = \"sha256:{}\"\nat_least = {{ roc_auc = {least} }}",
            digest_of_table()
        )
    };
    reload(&team, &release(0.9));
    let step = |name: &'static str| ["model", name, "tumors", "1"];
    team.may_not(mel, &step("request"), "no evaluation on");
    // The author evaluates the own candidate, and what is attached is what the log has seen.
    let report = evaluate(&team, dora, &data);
    assert_eq!(report["data_digest"], digest_of_table());
    let auc = report["classification"]["roc_auc"]["value"].as_f64().unwrap();
    assert!(auc > 0.9, "{report}");
    let shown = team.may(mel, &step("show"));
    let found = &shown["lineage"]["evaluations"][0];
    assert_eq!((&found["by"], &found["figures"]["roc_auc"]), (&json!("user:dora"), &json!(auc)));
    assert_eq!((&shown["state"], &shown["unmet"]), (&json!("evaluated"), &Value::Null));
    // Nobody makes a report up, nor brings one that is of something else.
    let client = team.server.client_as(&home.invited("dora"));
    let path = "/admin/v1/models/tumors/versions/1/evaluations";
    let mut better = report.clone();
    better["classification"]["roc_auc"]["value"] = json!(1.0);
    let entry = home
        .log()
        .into_iter()
        .rfind(|entry| entry["subject"].as_str().is_some_and(|subject| subject.starts_with("evaluation:")));
    assert_eq!(entry.unwrap()["principal"], "user:dora");
    let forged = client.post(path, &json!({ "report": better.to_string(), "receipt": "A".repeat(32) }));
    assert_eq!(forged.status, 400, "{}", forged.text());
    // A lower condition later is no way around the one that it was asked for under.
    let requested = team.may(mel, &step("request"));
    team.may(bob, &step("approve"));
    reload(&team, &release(0.999_999));
    team.may_not(max, &step("promote"), "roc_auc is");
    reload(&team, "");
    team.may(max, &step("promote"));
    assert_eq!(team.live(), Some(1));
    // What the approver signed names what was found, and what had to be.
    let approvals = run(&team.server, bob, &["approve", "export"], 0);
    let approvals = String::from_utf8_lossy(&approvals.stdout).into_owned();
    assert!(approvals.contains("roc_auc >= 0.9"), "{approvals}");
    assert!(approvals.contains(found["report"].as_str().unwrap()), "{approvals}");
    assert_eq!(requested["state"], "requested");
}

#[test]
fn a_history_is_borne_out_by_the_log() {
    let team = Team::new();
    let Team { home, bob, mel, dora, max, .. } = &team;
    let _ = fs::remove_file(format!("{}/model.sig", team.package));
    team.promote("1");
    let history = team.may(mel, &["model", "history", "tumors@1"]);
    let [story] = history["versions"].as_array().unwrap().as_slice() else { panic!("{history}") };
    let steps: Vec<_> = story["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| {
            assert_eq!(step["single_person"], Value::Null, "{step}");
            json!([step["step"], step["by"], step["log"]])
        })
        .collect();
    let expect = [
        json!(["registered", "dora", "outcome"]),
        json!(["requested", "mel", "outcome"]),
        json!(["approved", "bob", "outcome"]),
        json!(["live", "max", "outcome"]),
    ];
    assert_eq!(steps, expect);
    assert!(story["lineage"]["signer"].is_string() && story["lineage"]["profile"].is_string(), "{story}");
    // Whoever may prove has any line proved, and nobody else.
    let receipt = story["steps"][2]["receipt"].as_str().unwrap();
    let proved = team.may(bob, &["audit", "prove", receipt]);
    assert_eq!(
        (&proved["entry"]["event"], &proved["entry"]["principal"]),
        (&json!("model.approve"), &json!("user:bob"))
    );
    let statement = story["steps"][2]["statement"].as_str().unwrap();
    assert!(proved["entry"]["subject"].as_str().unwrap().ends_with(statement));
    team.may_not(mel, &["audit", "prove", receipt], "");
    // Who has no part in it learns nothing, whether or not there is something.
    let rita = home.invited("rita");
    let without_id =
        |output: std::process::Output| said(&output).split(" (request").next().map(str::to_owned);
    let known = run(&team.server, &rita, &["model", "history", "tumors@2"], 1);
    let unknown = run(&team.server, &rita, &["model", "history", "tumors@9"], 1);
    assert_eq!(without_id(known), without_id(unknown));
    for person in [dora, max] {
        team.may(person, &["model", "history", "tumors"]);
    }
    // And people can read it.
    let told = run(&team.server, mel, &["model", "history", "tumors@live"], 0);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("approved") && told.contains("bob") && told.contains("signed by key"), "{told}");
}

#[test]
fn a_version_has_the_names_that_it_may_have() {
    let team = Team::new();
    let Team { bob, dora, mel, .. } = &team;
    let set = ["model", "alias", "set", "tumors", "champion", "--version", "1"];
    team.may_not(mel, &set, "approved, or live now or before");
    team.promote("1");
    for person in [dora, bob] {
        team.may_not(person, &set, "`request_deployment`");
    }
    team.may(mel, &set);
    let reserved = run(&team.server, mel, &["model", "alias", "set", "tumors", "live", "--version", "1"], 2);
    assert!(said(&reserved).contains("is not `live`"), "{}", said(&reserved));
    let shown = team.may(mel, &["model", "show", "tumors@champion"]);
    assert_eq!(
        (&shown["version"], &shown["aliases"], &shown["state"]),
        (&json!(1), &json!(["champion"]), &json!("live"))
    );
    // A name is resolved to a number before anything is signed or done.
    team.register();
    team.may(mel, &["model", "request", "tumors", "2"]);
    team.may(bob, &["model", "approve", "tumors", "2"]);
    let moved = team.may(mel, &["model", "alias", "set", "tumors", "champion", "--version", "2"]);
    assert_eq!((&moved["version"], &moved["before"]), (&json!(2), &json!(1)));
    assert_eq!(team.live(), Some(1), "a name changes nothing of what is live");
    let live = team.may(&team.max, &["model", "promote", "tumors@champion"]);
    assert_eq!(live["version"], 2);
    team.may(mel, &["model", "alias", "set", "tumors", "before", "--version", "1"]);
    let back = team.may(mel, &["model", "rollback", "tumors", "--to", "before"]);
    assert_eq!(back["version"], 1);
    let listed = team.may(mel, &["model", "alias", "list", "tumors"]);
    let listed: Vec<_> = listed["aliases"].as_array().unwrap().iter().map(|a| a["alias"].clone()).collect();
    assert_eq!(listed, [json!("before"), json!("champion")]);
    team.may(mel, &["model", "alias", "remove", "tumors", "before"]);
    team.may_not(mel, &["model", "show", "tumors@before"], "");
    let events = team.home.log();
    let named = events.iter().filter(|entry| entry["event"] == "model.alias" && entry["status"] == 200);
    assert_eq!(named.map(|entry| entry["principal"].clone()).collect::<Vec<_>>(), vec![json!("user:mel"); 4]);
}

#[test]
fn what_is_retired_answers_nobody_and_stays_on_record() {
    let team = Team::new();
    let Team { home, bob, dora, mel, .. } = &team;
    team.promote("1");
    team.register();
    team.promote("2");
    let consumer = team.consumer();
    let old = team.server.client_as(&home.invited("dora"));
    team.may_not(mel, &["model", "retire", "tumors@2"], "is live");
    team.may_not(bob, &["model", "retire", "tumors@1"], "`request_deployment`");
    // It was live once, so that it is no more its author's to withdraw.
    team.may_not(dora, &["model", "retire", "tumors@1"], "`request_deployment`");
    team.may(mel, &["model", "retire", "tumors", "1"]);
    team.may_not(mel, &["model", "rollback", "tumors"], "");
    team.may_not(mel, &["model", "rollback", "tumors", "--to", "1"], "F22_rollback");
    team.may_not(mel, &["model", "request", "tumors", "1"], "is retired");
    // An author withdraws an own candidate, and cannot try it any more.
    team.register();
    let candidate = "/v1/models/tumors/versions/3/predict";
    assert_eq!(old.post(candidate, &question(&benign())).status, 200);
    team.may(dora, &["model", "retire", "tumors@3"]);
    let gone = old.post(candidate, &question(&benign()));
    assert!([404, 503].contains(&gone.status), "{}", gone.text());
    assert_eq!(consumer.post("/v1/models/tumors/predict", &question(&benign())).status, 200);
    // All of that holds after a restart, which is ready without them.
    assert!(team.server.stop().success());
    let home = &team.home;
    let server = Server::start(home);
    assert_eq!(server.client().get("/v2/health/ready").status, 200, "{}", server.said());
    let old = server.client_as(&home.invited("dora"));
    assert!([404, 503].contains(&old.post(candidate, &question(&benign())).status));
    let listed = server.client_as(&home.invited("mel")).get("/admin/v1/models").json();
    let states: Vec<_> =
        listed["models"].as_array().unwrap().iter().map(|model| model["state"].clone()).collect();
    assert_eq!(states, [json!("retired"), json!("live"), json!("retired")]);
    let events = home.log();
    let retired = events.iter().filter(|entry| entry["event"] == "model.retire" && entry["status"] == 200);
    assert_eq!(retired.count(), 2);
}

#[test]
fn a_home_of_one_says_so_in_every_record() {
    let home = Home::demo();
    home.configure(&format!(
        "[[model]]\nname = \"tumors\"\n[model.release]\nsigned_by = [\"{ELSEWHERE}\"]\n"
    ));
    let package = home.package("tumors");
    // Of one's own conditions one is not rid by being alone.
    let added = home.json(&["model", "register", package.to_str().unwrap(), "--data-digest", ELSEWHERE]);
    assert_eq!(added["status"], "candidate", "{added}");
    assert!(added["unmet"][0].as_str().unwrap().contains("`signed_by`"), "{added}");
    let shown = home.json(&["model", "show", "tumors@1"]);
    assert_eq!(shown["lineage"]["datasets"], json!([ELSEWHERE]));
    let history = home.json(&["model", "history", "breast-cancer"]);
    let steps = history["versions"][0]["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 2, "{history}");
    assert!(steps.iter().all(|step| step["single_person"] == true && step["log"] == "outcome"), "{history}");
    let Key { key, .. } = home.key("app", &["--model", "breast-cancer"]);
    let server = Server::start(&home);
    assert_eq!(
        server.client_with(&key).post("/v1/models/breast-cancer/predict", &question(&benign())).status,
        200
    );
}
