//! Least privilege, of what is done to models: each role does exactly what the matrix says, over the real routes; what a
//! model's answers are worth shows without showing the answers; and what is taken away is what was put in.

use std::{collections::BTreeSet, fs};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::support::{
    Client, Home, Reply, Server,
    rows::{benign, copies, labelled, question, test_set},
};

const MODEL: &str = "/v2/models/breast-cancer";

/// The actions that have a route, each with a request that is answered where it is allowed.
fn requests() -> [(&'static str, &'static str, String, Value); 5] {
    [
        ("predict", "POST", "/v1/models/breast-cancer/predict".to_owned(), question(&benign())),
        ("evaluate", "POST", format!("{MODEL}/evaluate"), labelled(&benign(), "benign")),
        ("inspect_features", "GET", format!("{MODEL}/features"), Value::Null),
        ("view_weights", "GET", format!("{MODEL}/weights"), Value::Null),
        ("export", "POST", format!("{MODEL}/export"), json!({})),
    ]
}

fn send(client: &Client, method: &str, path: &str, body: &Value) -> Reply {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    client.clone().header("content-type", "application/json").send(method, path, body)
}

#[test]
fn every_role_does_to_a_model_exactly_what_the_matrix_says() {
    let home = Home::demo();
    let matrix = home.json(&["role", "matrix"]);
    let roles =
        ["reader", "analyst", "admin", "ml_engineer", "data_engineer", "security", "operator", "reviewer"];
    let people: Vec<_> = roles.iter().map(|role| home.bound(role.replace('_', "-").as_str(), role)).collect();
    let stranger = home.invite("nobody");
    let key = home.busy_key("app");
    let server = Server::start(&home);
    for (role, person) in roles.iter().zip(&people) {
        let client = server.client_as(person);
        let allowed: BTreeSet<&str> = matrix
            .as_array()
            .unwrap()
            .iter()
            .filter(|cell| cell["role"] == *role && cell["decision"] == "allow")
            .filter_map(|cell| cell["action"].as_str())
            .collect();
        for (action, method, path, body) in requests() {
            let reply = send(&client, method, &path, &body);
            let entry = home.entry_of(&reply);
            let what = format!(
                "{role} {action}: {} {}",
                reply.status,
                String::from_utf8_lossy(&reply.body[..reply.body.len().min(200)])
            );
            assert_eq!(reply.status == 200, allowed.contains(action), "{what}");
            assert_eq!(
                (&entry["action"], &entry["model"]),
                (&json!(action), &json!("breast-cancer")),
                "{what}"
            );
            assert_eq!(entry["decision"], if reply.status == 200 { "allow" } else { "deny" }, "{what}");
            if reply.status != 200 {
                assert!([403, 404].contains(&reply.status), "{what}");
                reply.assert_discreet();
            }
        }
    }
    for (who, client) in
        [("no role", server.client_as(&stranger)), ("an application", server.client_with(&key.key))]
    {
        for (action, method, path, body) in requests() {
            let reply = send(&client, method, &path, &body);
            let may = who == "an application" && action == "predict";
            assert_eq!(reply.status == 200, may, "{who} {action}: {}", reply.status);
        }
    }
}

#[test]
fn weights_and_packages_leave_only_with_the_second_factor() {
    let home = Home::demo();
    let admin = home.bound("adam", "admin");
    let server = Server::start(&home);
    let (with, without) = (server.client_as(&admin), server.client_with(&admin.key));
    for (method, path) in [("GET", format!("{MODEL}/weights")), ("POST", format!("{MODEL}/export"))] {
        assert_eq!(send(&with, method, &path, &Value::Null).status, 200, "{path}");
        let reply = send(&without, method, &path, &Value::Null);
        assert_eq!(reply.status, 403, "{path}");
        assert!(home.entry_of(&reply)["policy_ids"].as_array().unwrap().contains(&json!("F04_mfa")));
    }
    assert_eq!(send(&without, "GET", &format!("{MODEL}/features"), &Value::Null).status, 200);
}

#[test]
fn an_evaluation_tells_of_all_rows_and_of_none() {
    let home = Home::demo();
    let analyst = home.bound("ana", "analyst");
    let server = Server::start(&home);
    let client = server.client_as(&analyst);
    let mut table = test_set();
    table["slices"] = json!(["mean_radius", "target"]);
    let reply = send(&client, "POST", &format!("{MODEL}/evaluate"), &table);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let report = reply.json();
    assert_eq!(report["rows"], json!({ "given": 171, "refused": 0, "evaluated": 171 }));
    let all = &report["classification"];
    assert_eq!(all["accuracy"]["value"], json!(162.0 / 171.0));
    let sum: u64 = all["confusion"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap())
        .map(|n| n.as_u64().unwrap())
        .sum();
    assert_eq!(sum, 171);
    for sliced in report["slices"].as_array().unwrap() {
        let rows: u64 =
            sliced["groups"].as_array().unwrap().iter().map(|group| group["rows"].as_u64().unwrap()).sum();
        assert_eq!(rows, 171, "{}", sliced["column"]);
    }
    // One entry, of numbers only.
    let entry = home.entry_of(&reply);
    assert_eq!(
        (&entry["event"], &entry["batch"], &entry["status"]),
        (&json!("inference"), &json!(171), &json!(200))
    );
    assert_eq!((&entry["confidence_bp"], &entry["output_class"]), (&Value::Null, &Value::Null));
    // The same rows, the same report.
    assert_eq!(send(&client, "POST", &format!("{MODEL}/evaluate"), &table).json(), report);
    // Rows that the contract refuses are counted, and said to be so.
    table["rows"][0][0] = json!("1e9");
    table["rows"][1][3] = json!("canary");
    let partial = send(&client, "POST", &format!("{MODEL}/evaluate"), &table).json();
    assert_eq!(partial["rows"], json!({ "given": 171, "refused": 2, "evaluated": 169 }));
    assert!(!partial.to_string().contains("canary"));
    // Of few rows, or of a group of few, a report would tell their answers.
    let mut few = labelled(&benign(), "benign");
    few["rows"].as_array_mut().unwrap().truncate(29);
    let mut drowned = labelled(&benign(), "benign");
    let more = copies(drowned.clone(), 100)["rows"].as_array().unwrap().clone();
    drowned["rows"].as_array_mut().unwrap().extend(more);
    let mut rare = labelled(&benign(), "benign");
    rare["rows"].as_array_mut().unwrap().push(labelled(&benign(), "malignant")["rows"][0].clone());
    rare["slices"] = json!(["target"]);
    let told = send(&client, "POST", &format!("{MODEL}/evaluate"), &rare).json();
    assert_eq!(told["slices"], json!([{ "column": "target", "groups": [], "left_out": 2 }]), "{told}");
    // Nor is it told by the classes, of which one has this row alone.
    let all = &told["classification"];
    let absent = [&all["confusion"], &all["roc"], &all["roc_auc"]];
    assert_eq!((&all["classes"], &all["left_out"], absent), (&json!([]), &json!(2), [&Value::Null; 3]));
    for (wrong, told) in [
        (few, "at least 30 different rows"),
        (copies(labelled(&benign(), "benign"), 300), "these are 1"),
        (drowned, "more than half of the rows are one row"),
        (json!({ "columns": ["canary"], "rows": [[1]], "target": "target" }), "no column has the name"),
        (json!({ "columns": ["target", "canary"], "rows": [[1, 2]], "target": "target" }), "is missing"),
        (json!({ "columns": ["target"], "rows": [], "target": "target", "canary": 1 }), "`body`"),
    ] {
        let reply = send(&client, "POST", &format!("{MODEL}/evaluate"), &wrong);
        assert_eq!(reply.status, 400);
        assert!(reply.text().contains(told) && !reply.text().contains("canary"), "{}", reply.text());
    }
}

#[test]
fn a_directory_and_a_registered_model_are_evaluated_alike() {
    let home = Home::demo();
    let data = home.beside("test.csv");
    fs::write(&data, include_str!("../../../../testdata/models/breast_cancer/test.csv")).unwrap();
    let (data, page) = (data.to_str().unwrap(), home.beside("report.html"));
    let package = home.package("again");
    let evaluate =
        |what: &str, more: &[&str]| home.json(&[&["evaluate", what, "--data", data], more].concat());
    let mut offline = evaluate(package.to_str().unwrap(), &["--slice", "mean_area"]);
    home.json(&["model", "add", package.to_str().unwrap()]);
    let sliced = ["--slice", "mean_area", "--html", page.to_str().unwrap()];
    let mut in_process = evaluate("again", &sliced);
    let server = Server::start(&home);
    assert_eq!(evaluate("again", &["--slice", "mean_area"]), in_process, "with a server and without one");
    drop(server);
    assert_eq!((&in_process["version"], &offline["version"]), (&json!(1), &Value::Null));
    for member in ["version", "digest"] {
        offline[member] = in_process[member].clone();
    }
    // Of few rows a directory tells more than a served model does.
    let [offline_bins, told_bins] =
        [&mut offline, &mut in_process].map(|report| report["classification"]["reliability"].take());
    let offline_bins = offline_bins.as_array().unwrap();
    for bin in told_bins.as_array().unwrap() {
        assert!(offline_bins.contains(bin) && bin["rows"].as_u64().unwrap() >= 10, "{bin}");
    }
    assert!(told_bins.as_array().unwrap().len() < offline_bins.len());
    for report in [&mut offline, &mut in_process] {
        for group in report["slices"][0]["groups"].as_array_mut().unwrap() {
            group["classification"]["roc_auc"].take();
        }
    }
    let served = |report: &mut Value| report["classification"]["served"]["accuracy"].take();
    let (offline_served, told_served) = (served(&mut offline), served(&mut in_process));
    assert!(told_served == offline_served || told_served.is_null());
    assert_eq!(offline, in_process);
    let page = fs::read_to_string(page).unwrap();
    for outside in ["http:", "https:", "src=", "href=", "<script", "@import", "url("] {
        assert!(!page.contains(outside), "the page needs something from elsewhere: {outside}");
    }
    assert!(page.contains("<svg") && page.contains("prefers-color-scheme: dark"));
    // Names of columns and groups are whatever a table has.
    let hostile = home.beside("hostile.csv");
    let text = fs::read_to_string(data).unwrap();
    let lines = text.lines().enumerate().map(|(index, line)| {
        format!("{line},{}\n", if index == 0 { "<script>alert(1)</script>" } else { "\"\"\"><img src=x>\"" })
    });
    fs::write(&hostile, lines.collect::<String>()).unwrap();
    let out = home.beside("hostile.html");
    home.json(&[
        "evaluate",
        "again",
        "--data",
        hostile.to_str().unwrap(),
        "--slice",
        "<script>alert(1)</script>",
        "--html",
        out.to_str().unwrap(),
    ]);
    let page = fs::read_to_string(out).unwrap();
    assert!(!page.contains("<script") && !page.contains("<img") && page.contains("&lt;script&gt;"));
    // What cannot be read says so.
    let damaged = home.beside("rows.csv");
    fs::write(&damaged, b"PAR1 and nothing else").unwrap();
    let output = home.run(&["evaluate", "again", "--data", damaged.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the Parquet file is"));
}

#[test]
fn features_and_weights_are_those_of_the_registered_package() {
    let home = Home::demo();
    let features = home.json(&["model", "features", "breast-cancer"]);
    let bundled = include_str!("../../demo/breast-cancer/profile.json");
    let profile: Value = serde_json::from_str(bundled).unwrap();
    assert_eq!(features["reference"]["rows"], profile["rows"]);
    let (shown, made) = (features["features"].as_array().unwrap(), profile["features"].as_array().unwrap());
    assert_eq!(shown.len(), made.len());
    for (shown, made) in shown.iter().zip(made) {
        assert_eq!(
            (&shown["name"], &shown["missing"], &shown["distribution"]),
            (&made["name"], &made["missing"], &made["summary"])
        );
    }
    let weights = home.json(&["model", "weights", "breast-cancer"]);
    let coefficients = weights["tensors"]
        .as_array()
        .unwrap()
        .iter()
        .find(|tensor| tensor["name"].as_str().unwrap().ends_with(".coefficients"))
        .unwrap();
    assert_eq!((&coefficients["shape"], &coefficients["datatype"]), (&json!([60]), &json!("FP32")));
    let name = coefficients["name"].as_str().unwrap();
    let page = |offset: &str, limit: &str| {
        home.json(&[
            "model",
            "weights",
            "breast-cancer",
            "--tensor",
            name,
            "--offset",
            offset,
            "--limit",
            limit,
        ])
    };
    let (whole, first, second) = (page("0", "60"), page("0", "40"), page("40", "40"));
    let values = |page: &Value| page["page"]["values"].as_array().unwrap().clone();
    assert_eq!(values(&whole).len(), 60);
    assert_eq!([values(&first), values(&second)].concat(), values(&whole));
    assert_eq!(
        (&first["next_offset"], &second["next_offset"], &whole["next_offset"]),
        (&json!(40), &Value::Null, &Value::Null)
    );
    let numbers: Vec<f64> = values(&whole).iter().map(|value| value.as_f64().unwrap()).collect();
    let mean = numbers.iter().sum::<f64>() / 60.0;
    let std = (numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / 60.0).sqrt();
    for (member, value) in [("mean", mean), ("std", std)] {
        assert!((coefficients[member].as_f64().unwrap() - value).abs() < 1e-9, "{member}");
    }
    let server = Server::start(&home);
    let admin = server.client_as(&home.founder(home.said("operator")));
    for query in ["limit=0", "limit=10001", "tensor=canary", "offset=-1", "limit=x", "canary=1"] {
        let reply = admin.get(&format!("{MODEL}/weights?{query}"));
        assert_eq!(reply.status, 400, "{query}: {}", reply.text());
        assert!(!reply.text().contains("canary"), "{}", reply.text());
    }
    assert_eq!(admin.get(&format!("{MODEL}/versions/7/weights")).status, 404);
}

#[test]
fn what_is_exported_is_what_was_registered() {
    let home = Home::demo();
    let package = home.package("taken");
    fs::create_dir(package.join("notes")).unwrap();
    fs::write(package.join("notes/reading me.txt"), "twice\n").unwrap();
    let added = home.json(&["model", "add", package.to_str().unwrap()]);
    let to = home.beside("away");
    let told = home.json(&["model", "export", "taken", "--to", to.to_str().unwrap()]);
    assert_eq!(told["digest"], added["digest"]);
    for file in ["model.onnx", "mantlet-model.toml", "profile.json", "notes/reading me.txt"] {
        assert_eq!(fs::read(to.join(file)).unwrap(), fs::read(package.join(file)).unwrap(), "{file}");
    }
    let trusted = home.path.join("keys/trusted/owner.pem");
    let verified =
        home.json(&["model", "verify", to.to_str().unwrap(), "--public-key", trusted.to_str().unwrap()]);
    assert_eq!(verified["verdict"], "accept");
    // It can be registered elsewhere as it is, and never overwrites anything.
    assert_eq!(home.run(&["model", "export", "taken", "--to", to.to_str().unwrap()]).status.code(), Some(2));
    let exports = || home.log().iter().filter(|entry| entry["event"] == "model.export").count();
    assert_eq!(exports(), 1, "one that cannot be written is not asked for");
    let again = home.json(&["model", "add", to.to_str().unwrap()]);
    assert_eq!((&again["digest"], &again["version"]), (&added["digest"], &json!(2)));
    // Over the wire: the form in which packages are registered, with its digests.
    let server = Server::start(&home);
    let admin = server.client_as(&home.founder(home.said("operator")));
    let reply = send(&admin, "POST", "/v2/models/taken/export", &Value::Null);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("application/vnd.mantlet.package"));
    assert_eq!(reply.header("mantlet-model-digest"), added["digest"].as_str());
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &reply.body);
    assert_eq!(
        reply.header("content-digest"),
        Some(format!("sha-256=:{}:", STANDARD.encode(digest)).as_str())
    );
    assert!(reply.header("mantlet-receipt").is_some());
    let entry = home.entry_of(&reply);
    assert_eq!((&entry["event"], &entry["action"]), (&json!("model.export"), &json!("export")));
    assert_eq!(entry["resource"], "ModelVersion:taken@2");
    let registered = admin.clone().header("content-type", "application/vnd.mantlet.package").send(
        "POST",
        "/admin/v1/models/taken?project=home",
        reply.body.clone(),
    );
    assert_eq!(registered.json()["digest"], added["digest"], "{}", registered.text());
}
