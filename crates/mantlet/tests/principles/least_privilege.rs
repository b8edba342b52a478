//! Least privilege: every user, process and system has only the access that its work needs, and nothing more.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{
    Home, Reply, Server,
    rows::{batch, benign, question},
};

const PREDICT: &str = "/v1/models/breast-cancer/predict";

#[test]
fn a_consumer_reaches_its_own_model_and_knows_of_no_other() {
    let home = Home::demo();
    home.add_model("salaries");
    let key = home.key("app", &["--model", "breast-cancer"]);
    let server = Server::start(&home);
    let client = server.client_with(&key.key);
    assert_eq!(client.post(PREDICT, &question(&benign())).json()["result"], "benign");
    for path in ["/v1/models/{}/predict", "/v1/models/{}/versions/1/predict", "/v2/models/{}/infer"] {
        let ask = |model: &str| client.post(&path.replace("{}", model), &question(&benign()));
        let (foreign, unknown) = (ask("salaries"), ask("unknown"));
        assert_eq!(foreign.status, 404, "{path}");
        assert_eq!(foreign.shape(), unknown.shape(), "{path}");
    }
    for path in ["/v2/models/{}", "/v2/models/{}/ready", "/v2/models/{}/config", "/v2/models/{}/stats"] {
        let (foreign, unknown) =
            (client.get(&path.replace("{}", "salaries")), client.get(&path.replace("{}", "unknown")));
        assert_eq!((foreign.status, foreign.shape()), (404, unknown.shape()), "{path}");
    }
    let index = client.post("/v2/repository/index", &json!({})).json();
    let listed: Vec<&str> =
        index.as_array().unwrap().iter().filter_map(|model| model["name"].as_str()).collect();
    assert_eq!(listed, ["breast-cancer"]);
    // The log knows both: what was asked for, and that it was denied.
    let reply = client.post("/v1/models/salaries/predict", &question(&benign()));
    let entry = home.entry_of(&reply);
    assert_eq!(entry["decision"], "deny");
    assert_eq!((&entry["action"], &entry["resource"]), (&json!("predict"), &json!("Model:salaries")));
    assert_eq!((&entry["principal"], &entry["status"]), (&json!("consumer:app"), &json!(404)));
}

#[test]
fn reader_analyst_and_admin_do_exactly_what_their_roles_say() {
    let home = Home::demo();
    let matrix = home.json(&["role", "matrix"]);
    let cells = matrix.as_array().unwrap();
    let reader = ["predict", "explain"];
    let analyst = ["predict", "explain", "evaluate", "inspect_features"];
    let admin = [&analyst[..], &["update_model", "view_weights", "export"]].concat();
    // What comes with using a model's features is not an action on the model.
    let model_actions: BTreeSet<&str> = admin.iter().copied().collect();
    for (role, actions) in [("reader", &reader[..]), ("analyst", &analyst), ("admin", &admin)] {
        let allowed: BTreeSet<&str> = cells
            .iter()
            .filter(|cell| cell["role"] == role && cell["decision"] == "allow")
            .filter_map(|cell| cell["action"].as_str())
            .filter(|action| !action.ends_with("_feature"))
            .collect();
        assert_eq!(allowed, actions.iter().copied().collect(), "{role}");
        assert!(allowed.is_subset(&model_actions));
    }
    for cell in cells {
        let members = ["role", "action", "resource", "decision", "policy"];
        assert!(members.iter().all(|member| cell[*member].is_string()), "{cell}");
        assert_ne!((&cell["role"], &cell["decision"]), (&json!("none"), &json!("allow")), "{cell}");
        assert_ne!((&cell["action"], &cell["decision"]), (&json!("delete_audit"), &json!("allow")), "{cell}");
    }
}

#[test]
fn an_unknown_role_is_an_error_that_names_the_known_ones() {
    let home = Home::demo();
    let output = home.run(&["role", "assign", "somebody", "superuser"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    for role in [
        "reader",
        "analyst",
        "admin",
        "data_engineer",
        "data_scientist",
        "ml_engineer",
        "security",
        "operator",
    ] {
        assert!(said.contains(role), "{said}");
    }
    // Over the wire as well.
    let server = Server::start(&home);
    let owner = server.client_as(&home.founder(home.said("operator")));
    home.invite("somebody");
    let reply =
        owner.post("/admin/v1/roles", &json!({ "user": "somebody", "role": "superuser", "project": "home" }));
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("reader, analyst, admin"), "{}", reply.text());
}

#[test]
fn without_a_role_everything_is_denied() {
    let home = Home::demo();
    let nobody = home.invite("nobody");
    let server = Server::start(&home);
    let client = server.client_as(&nobody);
    let reply = client.post(PREDICT, &question(&benign()));
    assert_eq!(reply.status, 404);
    assert_eq!(reply.json()["detail"], "no role assigned");
    let entry = home.entry_of(&reply);
    assert_eq!((&entry["decision"], &entry["principal"]), (&json!("deny"), &json!("user:nobody")));
    assert!(entry["policy_ids"].as_array().unwrap().contains(&json!("no_role_assigned")), "{entry}");
    // A role makes the difference, for the very next request; nothing else about the person changed.
    home.json(&["role", "assign", "nobody", "reader"]);
    assert_eq!(client.post(PREDICT, &question(&benign())).status, 200);
    home.json(&["role", "revoke", "nobody", "reader"]);
    assert_eq!(client.post(PREDICT, &question(&benign())).status, 404);
}

#[test]
fn a_reader_predicts_and_does_nothing_else() {
    let home = Home::demo();
    let reader = home.bound("reader", "reader");
    let server = Server::start(&home);
    let client = server.client_as(&reader);
    assert_eq!(client.post(PREDICT, &question(&benign())).status, 200);
    assert_eq!(client.get("/v2/models/breast-cancer").status, 200);
    let denied: [(&str, &str, Value); 7] = [
        (
            "POST",
            "/admin/v1/keys",
            json!({ "consumer": "x", "project": "home", "models": ["breast-cancer"] }),
        ),
        ("POST", "/admin/v1/users", json!({ "user": "x", "project": "home" })),
        ("POST", "/admin/v1/roles", json!({ "user": "reader", "role": "admin", "project": "home" })),
        ("POST", "/admin/v1/reload", json!({})),
        ("POST", "/audit/v1/search", json!({})),
        ("GET", "/metrics", json!({})),
        ("GET", "/v2/models/breast-cancer/stats", json!({})),
    ];
    for (method, path, body) in denied {
        let reply =
            client.clone().header("content-type", "application/json").send(method, path, body.to_string());
        assert!([403, 404].contains(&reply.status), "{method} {path}: {} {}", reply.status, reply.text());
        assert_eq!(home.entry_of(&reply)["decision"], "deny", "{method} {path}");
    }
}

#[test]
fn nobody_gives_more_than_they_may_give() {
    let home = Home::demo();
    let analyst = home.bound("analyst", "analyst");
    let server = Server::start(&home);
    let key = |rate: u64| json!({ "consumer": "app", "project": "home", "models": ["breast-cancer"], "rate_per_minute": rate });
    let owner = server.client_as(&home.founder(home.said("operator")));
    // The founding operator's ceiling is 60,000,000 a minute.
    let reply = owner.post("/admin/v1/keys", &key(60_000_001));
    assert_eq!(reply.status, 403, "{}", reply.text());
    assert_eq!(home.entry_of(&reply)["decision"], "deny");
    // Who may ask a model may not therefore hand it on.
    assert_eq!(server.client_as(&analyst).post("/admin/v1/keys", &key(1)).status, 403);
    let unknown = json!({ "consumer": "app", "project": "home", "models": ["breast-cancer", "unknown"] });
    assert_eq!(owner.post("/admin/v1/keys", &unknown).status, 404);
    let listed = home.json(&["key", "list"]);
    assert!(listed.as_array().unwrap().iter().all(|key| key["owner"] != "consumer:app"), "{listed}");
    // Another key of the same application neither widens nor narrows what the first may do.
    home.key("app", &["--model", "breast-cancer", "--rate", "5/min"]);
    assert_eq!(owner.post("/admin/v1/keys", &key(6)).status, 409);
}

#[test]
fn sixty_predictions_a_minute_and_then_a_wait() {
    let home = Home::demo();
    let key = home.key("app", &["--model", "breast-cancer"]);
    let other = home.key("other", &["--model", "breast-cancer"]);
    let server = Server::start(&home);
    let client = server.client_with(&key.key);
    let first = client.post(PREDICT, &question(&benign()));
    assert_eq!(first.header("ratelimit-policy"), Some("\"predictions\";q=60;w=60"));
    assert_eq!(remaining(&first), 59);
    // A batch costs what it asks for; more than a minute's worth will never fit.
    let seventy = client.post(PREDICT, &batch(&benign(), 70));
    assert_eq!(seventy.status, 413, "{}", seventy.text());
    let fifty = client.post(PREDICT, &batch(&benign(), 50));
    assert_eq!(fifty.status, 200);
    // One a second comes back meanwhile; nothing else does.
    assert!((8..=20).contains(&remaining(&fifty)), "{}", remaining(&fifty));
    let beyond = client.post(PREDICT, &batch(&benign(), 55));
    assert_eq!(beyond.status, 429, "{}", beyond.text());
    let wait: u64 = beyond.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(beyond.json()["code"], "rate_limited");
    beyond.assert_discreet();
    assert_eq!(home.entry_of(&beyond)["status"], 429);
    // Nobody's use uses up another's.
    assert_eq!(remaining(&server.client_with(&other.key).post(PREDICT, &question(&benign()))), 59);
}

#[test]
fn the_request_beyond_the_limit_is_429() {
    let home = Home::demo();
    let key = home.key("app", &["--model", "breast-cancer", "--rate", "3/min"]);
    let server = Server::start(&home);
    let client = server.client_with(&key.key);
    let statuses: Vec<u16> = (0..4).map(|_| client.post(PREDICT, &question(&benign())).status).collect();
    assert_eq!(statuses, [200, 200, 200, 429]);
}

fn remaining(reply: &Reply) -> u32 {
    let header = reply.header("ratelimit").expect("an answer says how one's own limit stands");
    let rest = header.split(";r=").nth(1).unwrap();
    rest.split(';').next().unwrap().parse().unwrap()
}

#[test]
fn an_explanation_shows_what_sensitive_features_added_to_nobody() {
    let home = Home::demo();
    for (name, sensitive) in [("two", "mean_area = 2\nmean_texture = 3\n"), ("one", "mean_area = 2\n")] {
        let package = home.package(name);
        let settings = package.join("mantlet-model.toml");
        let text = std::fs::read_to_string(&settings).unwrap();
        std::fs::write(&settings, format!("{text}\n[sensitivity]\n{sensitive}")).unwrap();
        home.json(&["model", "add", package.to_str().unwrap()]);
    }
    let key = home.key("app", &["--model", "two", "--model", "one", "--model", "breast-cancer"]);
    let foreign = home.key("foreign", &["--model", "breast-cancer"]);
    let server = Server::start(&home);
    let explain = |client: &crate::support::Client, model: &str| {
        client.post(&format!("/v2/models/{model}/explain"), &question(&benign()))
    };
    let client = server.client_with(&key.key);
    let open = explain(&client, "breast-cancer").json();
    let two = explain(&client, "two");
    assert_eq!(two.status, 200, "{}", two.text());
    let (open, two) = (&open["explanation"], &two.json()["explanation"]);
    let value = |explanation: &Value, feature: &str| -> Option<f64> {
        let items = explanation["attributions"].as_array().unwrap();
        items.iter().find(|item| item["feature"] == feature)?["value"].as_f64()
    };
    assert_eq!((value(two, "mean_area"), value(two, "mean_texture")), (None, None));
    assert_eq!(two["attributions"].as_array().unwrap().len(), 28);
    assert_eq!(two["withheld"]["features"], 2);
    let together = value(open, "mean_area").unwrap() + value(open, "mean_texture").unwrap();
    assert!((two["withheld"]["value"].as_f64().unwrap() - together).abs() < 1e-5);
    assert_eq!(value(two, "mean_radius"), value(open, "mean_radius"));
    assert!(open["withheld"].is_null());
    // The remainder would be the one feature's.
    let one = explain(&client, "one");
    assert_eq!(one.status, 403, "{}", one.text());
    let entry = home.entry_of(&one);
    assert_eq!((&entry["action"], &entry["error_code"]), (&json!("explain"), &json!("forbidden")));
    // By grant only: another application's model is as good as none.
    let denied = explain(&server.client_with(&foreign.key), "two");
    let unknown = explain(&server.client_with(&foreign.key), "unknown");
    assert_eq!((denied.status, denied.shape()), (404, unknown.shape()));
}
