//! A new version is compared with the live one before it takes its place: what the comparison says is what single answers
//! say, nobody gets an answer of the new version by it, and only a comparison that the log vouches for counts.

use std::{collections::BTreeMap, fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    promotion::{Team, run, said},
    support::{
        Client, Home, Reply, Server,
        rows::{benign, labelled, question, test_set},
    },
};

const MODEL: &str = "breast-cancer";

/// A file of the data that the demo model was made from.
fn testdata(name: &str) -> String {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/models/breast_cancer");
    dir.join(name).to_str().unwrap().to_owned()
}

/// A package of the demo model's name and features with another model in it, or with its own under another threshold.
pub fn package(home: &Home, name: &str, model: &str, settings: &str) -> String {
    let dir = home.package(name);
    let text = fs::read_to_string(dir.join("mantlet-model.toml")).unwrap();
    fs::write(dir.join("mantlet-model.toml"), format!("{settings}\n{}", text.replace(name, MODEL))).unwrap();
    let dir = dir.to_str().unwrap().to_owned();
    fs::copy(testdata(model), format!("{dir}/model.onnx")).unwrap();
    let (train, calibration) = (testdata("train.csv"), testdata("calib.csv"));
    home.json(&["model", "profile", &dir, "--reference", &train, "--calibration", &calibration]);
    dir
}

/// What a caller is told of each row of the test set: the class or none, by asking for one row at a time.
fn told(client: &Client, version: u64) -> Vec<(String, Option<f64>)> {
    let path = format!("/v1/models/{MODEL}/versions/{version}/predict");
    let table = test_set();
    let rows = table["rows"].as_array().unwrap();
    let ask = |row: &Value| {
        let cells = row.as_array().unwrap();
        let numbers: Vec<f64> =
            cells[..cells.len() - 1].iter().map(|cell| cell.as_str().unwrap().parse().unwrap()).collect();
        let reply = client.post(&path, &question(&numbers));
        assert_eq!(reply.status, 200, "{}", reply.text());
        let said = reply.json();
        (said["result"].as_str().unwrap().to_owned(), said["confidence"].as_f64())
    };
    rows.iter().map(ask).collect()
}

fn truths() -> Vec<String> {
    let table = test_set();
    let of = |row: &Value| row.as_array().unwrap().last().unwrap().as_str().unwrap().to_owned();
    let name = |truth: String| if truth == "1" { "benign".to_owned() } else { "malignant".to_owned() };
    table["rows"].as_array().unwrap().iter().map(of).map(name).collect()
}

fn live(home: &Home) -> u64 {
    let listed = home.json(&["model", "list"]);
    let models = listed["models"].as_array().unwrap();
    models.iter().find(|model| model["status"] == "live").unwrap()["version"].as_u64().unwrap()
}

#[test]
fn a_comparison_says_what_single_answers_say() {
    let home = Home::demo();
    home.configure("[limits]\nrate_per_minute = 1000000\n");
    // Both answer everything with so low a threshold, so that single answers show every class.
    let settings = "threshold = 0.01";
    let first = package(&home, "first", "bc-lr.onnx", settings);
    home.json(&["model", "update", MODEL, &first, "--data", &testdata("test.csv"), "--activate"]);
    assert_eq!(live(&home), 2);
    let second = package(&home, "second", "bc-gbdt.onnx", settings);
    let server = Server::start(&home);
    let update = ["model", "update", MODEL, &second, "--data", &testdata("test.csv")];
    let compared = home.json(&update);
    let said = &compared["comparison"];
    assert_eq!((live(&home), &compared["stage"]), (2, &Value::Null), "nothing goes live unasked");
    assert_eq!((&said["live"]["version"], &said["candidate"]["version"]), (&json!(2), &json!(3)));
    let owner = server.client_as(&home.founder(home.said("operator")));
    let (before, after) = (told(&owner, 2), told(&owner, 3));
    let mut moves = BTreeMap::new();
    for ((before, _), (after, _)) in before.iter().zip(&after).filter(|(before, after)| before.0 != after.0) {
        *moves.entry((before.clone(), after.clone())).or_insert(0) += 1;
    }
    assert!(!moves.is_empty(), "two models that never differ show nothing");
    let changes: BTreeMap<(String, String), i32> =
        serde_json::from_value::<Vec<Value>>(said["answers"]["changes"].clone())
            .unwrap()
            .into_iter()
            .map(|change| {
                let text = |member: &str| change[member].as_str().unwrap().to_owned();
                ((text("from"), text("to")), i32::try_from(change["rows"].as_i64().unwrap()).unwrap())
            })
            .collect();
    // Of fewer than ten rows it is not said from what to what.
    let listed: i32 = changes.values().sum();
    assert!(changes.iter().all(|(change, rows)| moves[change] == *rows && *rows >= 10), "{changes:?}");
    let further = i32::try_from(said["answers"]["further"].as_i64().unwrap_or(0)).unwrap();
    assert_eq!(listed + further, moves.values().sum::<i32>());
    let total: i32 = moves.values().sum();
    assert_eq!((&said["changed"]["rows"], &said["rows"]["compared"]), (&json!(total), &json!(before.len())));
    // Confidence as callers are told it, rounded for them and not here.
    let mean =
        before.iter().zip(&after).map(|(before, after)| after.1.unwrap() - before.1.unwrap()).sum::<f64>();
    let mean = mean / before.len() as f64;
    assert!((said["confidence"]["mean"]["value"].as_f64().unwrap() - mean).abs() < 1e-3, "{said}");
    // Which of the two is right, and by how much.
    let truths = truths();
    let right = |told: &[(String, Option<f64>)]| {
        told.iter().zip(&truths).map(|(told, truth)| told.0 == *truth).collect::<Vec<_>>()
    };
    let (before, after) = (right(&before), right(&after));
    let only =
        |one: &[bool], other: &[bool]| one.iter().zip(other).filter(|(one, other)| **one && !**other).count();
    let test = &said["truth"]["mcnemar"];
    assert_eq!(
        (&test["only_live_right"], &test["only_candidate_right"]),
        (&json!(only(&before, &after)), &json!(only(&after, &before)))
    );
    // The entry names both ends: who compared what, and what they were told.
    let entry = home.log().into_iter().rfind(|entry| entry["action"] == "evaluate").unwrap();
    let digest = entry["subject"].as_str().unwrap().strip_prefix("comparison:").unwrap().to_owned();
    assert_eq!(
        (digest.len(), &entry["model_version"], &entry["batch"]),
        (64, &json!(3), &json!(truths.len()))
    );
    assert_eq!((&entry["decision"], &entry["model_digest"]), (&json!("allow"), &said["candidate"]["digest"]));
    assert!(entry["policy_ids"].as_array().unwrap().contains(&json!("P11_own_candidate")), "{entry}");
}

#[test]
fn nothing_goes_live_that_differs_by_more_than_was_accepted() {
    let home = Home::demo();
    let other = package(&home, "other", "bc-gbdt.onnx", "");
    let data = testdata("test.csv");
    let server = Server::start(&home);
    let key = home.busy_key("shop");
    let consumer = server.client_with(&key.key);
    let refused = home.run(&["model", "update", MODEL, &other, "--data", &data, "--max-changed", "0"]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("accepted at most"), "{}", said(&refused));
    assert!(String::from_utf8_lossy(&refused.stdout).contains("served → fallback"));
    assert_eq!(live(&home), 1);
    // What is registered and compared answers nobody but its author.
    let candidate = consumer.post(&format!("/v1/models/{MODEL}/versions/2/predict"), &question(&benign()));
    assert_eq!(candidate.status, 404);
    let compared =
        consumer.post(&format!("/v2/models/{MODEL}/versions/2/compare"), &labelled(&benign(), "benign"));
    assert_eq!(compared.status, 403, "{}", compared.text());
    // The bound is the server's too.
    let owner = server.client_as(&home.founder(home.said("operator")));
    let comparison = compare(&owner, 2, &test_set());
    let put = |member: &str, value: Value| {
        let mut body = brought(&comparison, 2);
        body[member] = value;
        owner.clone().header("content-type", "application/json").send(
            "PUT",
            "/v2/models/breast-cancer",
            body.to_string(),
        )
    };
    for (member, value, status) in [
        ("max_changed", json!(0.0), 409),
        ("max_changed", json!(7), 400),
        ("receipt", json!("no receipt"), 400),
        ("comparison", json!(comparison.text().replace("0.", "1.")), 400),
        ("comparison", json!("{}"), 400),
        ("version", json!(1), 409),
        ("version", json!(3), 404),
    ] {
        let reply = put(member, value);
        assert_eq!(reply.status, status, "{member}: {}", reply.text());
        assert_eq!(live(&home), 1);
    }
    let within = ["model", "update", MODEL, "--version-number", "2", "--data", &data, "--max-changed", "1"];
    let done = home.json(&within);
    assert_eq!((&done["stage"]["state"], &done["stage"]["replaced"]), (&json!("live"), &json!(1)));
    assert_eq!(live(&home), 2);
    let entry = home.log().into_iter().rfind(|entry| entry["event"] == "model.activate").unwrap();
    assert_eq!((&entry["action"], &entry["status"]), (&json!("update_model"), &json!(200)));
    // It was a comparison with version 1, which is live no more.
    assert_eq!(put("version", json!(2)).status, 409);
    // Back in one command, and then the comparison is of what is live again.
    assert_eq!(home.json(&["model", "rollback", MODEL])["version"], 1);
    assert_eq!(put("max_changed", json!(1)).status, 200);
    assert_eq!(live(&home), 2);
}

fn compare(client: &Client, version: u32, table: &Value) -> Reply {
    let reply = client.post(&format!("/v2/models/{MODEL}/versions/{version}/compare"), table);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &reply.body);
    assert_eq!(
        reply.header("content-digest").unwrap(),
        format!("sha-256=:{}:", STANDARD.encode(sum.as_ref()))
    );
    reply
}

fn brought(comparison: &Reply, version: u32) -> Value {
    json!({ "version": version, "comparison": comparison.text(), "receipt": comparison.header("mantlet-receipt") })
}

/// The test set without its truth.
pub fn unlabelled(home: &Home) -> String {
    let path = home.beside("rows.csv");
    let text = fs::read_to_string(testdata("test.csv")).unwrap();
    let rows: Vec<&str> = text.lines().map(|line| line.rsplit_once(',').unwrap().0).collect();
    fs::write(&path, rows.join("\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_comparison_speaks_of_many_rows_and_takes_tables_without_their_truth() {
    let home = Home::demo();
    let other = package(&home, "other", "bc-gbdt.onnx", "");
    let without = unlabelled(&home);
    let text = fs::read_to_string(&without).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let compared = home.json(&["model", "update", MODEL, &other, "--data", &without]);
    assert_eq!(compared["comparison"]["truth"], Value::Null);
    assert_eq!(compared["comparison"]["rows"]["compared"], lines.len() - 1);
    fs::write(&without, lines[..30].join("\n")).unwrap();
    let few = ["model", "update", MODEL, "--version-number", "2", "--data", &without];
    let refused = home.run(&few);
    assert!(
        !refused.status.success() && said(&refused).contains("at least 30 different rows"),
        "{}",
        said(&refused)
    );
    // With a truth that no version answers, and with a column that none takes.
    let server = Server::start(&home);
    let owner = server.client_as(&home.founder(home.said("operator")));
    let mut table = test_set();
    table["target"] = json!("nothing");
    let path = format!("/v2/models/{MODEL}/versions/2/compare");
    for (table, status) in [(table, 400), (labelled(&benign(), "canary"), 400), (json!({}), 400)] {
        let reply = owner.post(&path, &table);
        assert_eq!(reply.status, status, "{}", reply.text());
        assert!(!reply.text().contains("canary"));
    }
    // A row is answered twice and charged twice: half an allowance is as much as one comparison has.
    let mut table = labelled(&benign(), "benign");
    let row = table["rows"][0].clone();
    table["rows"] = vec![row; 50_001].into();
    assert!(owner.post(&path, &table).status == 413);
}

#[test]
fn a_team_sees_what_was_found_out_before_it_approves() {
    let team = Team::new();
    let Team { bob, dora, mel, max, home, package: dir, .. } = &team;
    team.promote("1");
    let data = testdata("test.csv");
    // The author makes the version. What the live one answers is not for the author to measure.
    let settings = format!("{dir}/mantlet-model.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, format!("threshold = 0.99\n{text}")).unwrap();
    team.register();
    let by_number = ["model", "update", "tumors", "--version-number", "2", "--data", &data];
    team.may_not(dora, &by_number, "");
    // Neither is it for who oversees, or for who may merely evaluate.
    team.may_not(bob, &by_number, "");
    home.invite("ana");
    home.json(&["role", "assign", "ana", "analyst"]);
    team.may_not(&home.invited("ana"), &by_number, "");
    // Who deploys compares, and asks with what came of it.
    let asked = team.may(mel, &[&by_number[..], &["--activate"]].concat());
    assert_eq!(asked["stage"]["state"], "requested");
    assert!(asked["comparison"]["outcomes"]["served_to_fallback"].as_u64().unwrap() > 0, "{asked}");
    assert_eq!(team.live(), Some(1));
    team.may_not(
        max,
        &[&by_number[..], &["--activate"]].concat(),
        "it waits for approval, by request of `mel`",
    );
    // Who approves sees it, with the digest that the log has.
    let shown = team.may(bob, &["model", "show", "tumors", "2"]);
    assert_eq!(shown["comparison"], asked["comparison"]);
    let digest = format!("comparison:{}", shown["deployment"]["comparison_digest"].as_str().unwrap());
    let entries: Vec<Value> = home.log().into_iter().filter(|entry| entry["subject"] == digest).collect();
    assert!(entries.len() == 1 && entries[0]["principal"] == "user:mel", "{entries:?}");
    let approved = run(&team.server, bob, &["model", "approve", "tumors", "2"], 0);
    let printed = String::from_utf8_lossy(&approved.stdout).into_owned();
    assert!(printed.contains("served → fallback") && printed.contains("is approved"), "{printed}");
    // Strangers to the project's models learn nothing of it.
    team.may_not(&home.invited("rita"), &["model", "show", "tumors", "2"], "");
    // An approved version goes live by who deploys, or by an admin; not by who approved.
    team.may_not(dora, &[&by_number[..], &["--activate"]].concat(), "");
    let live = team.may(max, &[&by_number[..], &["--max-changed", "1"]].concat());
    assert_eq!((&live["stage"]["state"], &live["stage"]["replaced"]), (&json!("live"), &json!(1)));
    assert_eq!(team.live(), Some(2));
    assert_eq!(team.may(mel, &["model", "rollback", "tumors"])["version"], 1);
}
