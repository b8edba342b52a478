//! What a model is not to say by itself, a person decides: durably, once, and never on their own request.

use std::fs;

use serde_json::{Value, json};

use crate::{
    promotion::Team,
    support::{
        Client, Home, Reply, Server,
        rows::{benign, doubtful, first_of, inference, names, question},
    },
};

const MODEL: &str = "breast-cancer";
const PREDICT: &str = "/v1/models/breast-cancer/predict";

/// A one-person home whose model's answers are held like this.
fn home(hold: &str) -> Home {
    let home = Home::demo();
    home.configure(&format!("[[model]]\nname = \"{MODEL}\"\n{hold}\n"));
    home
}

fn decide(client: &Client, item: &str, ruling: &Value) -> Reply {
    client.post(&format!("/admin/v1/reviews/{item}/decide"), ruling)
}

/// The items that a reviewer sees.
fn items(client: &Client, query: &str) -> Vec<Value> {
    let reply = client.get(&format!("/admin/v1/reviews{query}"));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["reviews"].as_array().unwrap().clone()
}

fn name(item: &Value) -> String {
    item["item"].as_str().unwrap().to_owned()
}

fn poll(client: &Client, asked: &Reply) -> Reply {
    client.get(&format!("/v1/models/{MODEL}/reviews/{}", asked.request_id()))
}

/// Whether anything in an answer says what the model said.
fn assert_withheld(reply: &Reply) {
    for guess in ["benign", "malignant"] {
        assert!(!reply.text().contains(guess), "{}", reply.text());
    }
}

#[test]
fn a_held_answer_waits_for_a_person_and_then_reaches_who_asked() {
    let home = home("hold = \"always\"");
    let rita = home.bound("rita", "reviewer");
    let (own, other) = (home.busy_key("own"), home.busy_key("other"));
    let server = Server::start(&home);
    let (app, reviewer) = (server.client_with(&own.key), server.client_as(&rita));
    let asked = app.post(PREDICT, &question(&benign()));
    let answer = asked.json();
    assert_eq!(
        (asked.status, &answer["result"], &answer["action"], &answer["outcome"]),
        (200, &json!("uncertain"), &json!("manual_review"), &json!("review"))
    );
    assert_withheld(&asked);
    // The entry says that it waits, and not what the model said.
    let entry = home.entry_of(&asked);
    assert_eq!(entry["output_class"], "__uncertain");
    assert!(entry["screen"].as_array().unwrap().contains(&json!("held:1")), "{entry}");
    let expect = json!({ "request_id": asked.request_id(), "model": MODEL, "rows": [{ "row": 0, "status": "pending" }] });
    assert_eq!(poll(&app, &asked).json(), expect);
    // Another application does not learn that there is such a request, and the reviewer is not who asked.
    for stranger in [server.client_with(&other.key), reviewer.clone()] {
        let told = poll(&stranger, &asked);
        assert_eq!(told.status, 404, "{}", told.text());
        assert_eq!(
            told.shape(),
            stranger.get(&format!("/v1/models/{MODEL}/reviews/01ARYZ6S41ZZZZZZZZZZZZZZZZ")).shape()
        );
    }
    // The reviewer sees what was asked, in the model's order, and what it said.
    let listed = items(&reviewer, "?model=breast-cancer&status=pending");
    assert_eq!(listed.len(), 1);
    let item = name(&listed[0]);
    assert_eq!(listed[0]["requester"], "consumer:own");
    assert!(listed[0].get("features").is_none() && listed[0].get("guess").is_none());
    let opened = reviewer.get(&format!("/admin/v1/reviews/{item}"));
    let shown = opened.json();
    assert_eq!((&shown["guess"], &shown["labels"]), (&json!("benign"), &json!(["malignant", "benign"])));
    assert!(shown["confidence"].as_f64().unwrap() > 0.9, "{shown}");
    let text = opened.text();
    let places: Vec<usize> =
        names().iter().map(|name| text.find(&format!("\"{name}\":")).expect(name)).collect();
    assert!(places.is_sorted(), "the features are not in the contract's order");
    for (name, value) in names().iter().zip(benign()) {
        // The model takes FP32, and that is what was kept; written as short as it can be.
        assert_eq!(shown["features"][name].as_f64().map(|shown| shown as f32), Some(value as f32), "{name}");
    }
    // Taken on, decided, and told.
    let assigned = reviewer.post(&format!("/admin/v1/reviews/{item}/assign"), &json!({})).json();
    assert_eq!((&assigned["status"], &assigned["assigned_to"]), (&json!("assigned"), &json!("rita")));
    assert_eq!(poll(&app, &asked).json(), expect, "who is at it is nobody's business");
    for (wrong, told) in [
        (json!({ "result": "canary", "reason": "so" }), "none of the model's labels"),
        (json!({ "result": "malignant" }), "`reason` is missing"),
        (json!({ "result": "malignant", "reason": " " }), "`reason` is missing"),
        (json!({ "result": "malignant", "reason": "x".repeat(1_001) }), "at most 1000 characters"),
        (json!({ "result": "malignant", "uphold": true, "reason": "so" }), "either `result`"),
        (json!({ "uphold": false }), "either `result`"),
    ] {
        let reply = decide(&reviewer, &item, &wrong);
        assert_eq!(reply.status, 400, "{wrong}");
        assert!(reply.text().contains(told) && !reply.text().contains("canary"), "{}", reply.text());
    }
    let decided = decide(&reviewer, &item, &json!({ "result": "malignant", "reason": "the biopsy says so" }));
    assert_eq!((decided.status, &decided.json()["status"]), (200, &json!("decided")), "{}", decided.text());
    let rows = &poll(&app, &asked).json()["rows"];
    assert_eq!(*rows, json!([{ "row": 0, "status": "decided", "result": "malignant" }]));
    assert_eq!(decide(&reviewer, &item, &json!({ "uphold": true })).status, 409, "what is decided stays");
    // Every act has its entries, with the item and nothing of what is in it.
    let log = home.log();
    for (event, action) in [
        ("review.read", "read_review"),
        ("review.assign", "decide_review"),
        ("review.decide", "decide_review"),
    ] {
        let entry = log
            .iter()
            .find(|entry| {
                entry["event"] == event && entry["subject"] == item.as_str() && entry["status"] == 200
            })
            .unwrap_or_else(|| panic!("no {event}"));
        assert_eq!((&entry["action"], &entry["principal"]), (&json!(action), &json!("user:rita")));
        assert_eq!(entry["resource"], format!("ReviewItem:{item}"));
        assert_eq!((&entry["model"], &entry["project"]), (&json!(MODEL), &json!("home")));
    }
    assert!(!json!(log).to_string().contains("biopsy"));
}

#[test]
fn a_team_reviews_and_nobody_their_own_requests() {
    let team = Team::new();
    let (home, server) = (&team.home, &team.server);
    home.configure("[[model]]\nname = \"tumors\"\nhold = \"always\"\n");
    assert!(home.run(&["config", "reload"]).status.success());
    // What the candidate says to its author nobody reviews.
    let dora = server.client_as(&home.invited("dora"));
    let tried = dora.post("/v1/models/tumors/versions/1/predict", &question(&benign()));
    assert_eq!((&tried.json()["result"], &tried.json()["candidate"]), (&json!("benign"), &json!(true)));
    team.promote("1");
    // Rita reads and reviews; rolf reviews; rob does so in another project.
    home.json(&["project", "create", "elsewhere"]);
    let [rolf, rob] = ["rolf", "rob"].map(|user| home.invite(user));
    let rita = home.invited("rita"); // of the team already, and reads
    for (user, role) in [("rita", "reviewer"), ("rolf", "reviewer")] {
        home.json(&["role", "assign", user, role]);
    }
    home.json(&["role", "assign", "rob", "reviewer", "--project", "elsewhere"]);
    let [rita, rolf, rob] = [rita, rolf, rob].map(|person| server.client_as(&person));
    let asked = rita.post("/v1/models/tumors/predict", &question(&benign()));
    assert_eq!(asked.json()["outcome"], "review", "{}", asked.text());
    let item = name(&items(&rolf, "")[0]);
    assert!(items(&rita, "").is_empty() && items(&rob, "").is_empty());
    let path = format!("/admin/v1/reviews/{item}");
    for reply in
        [rita.get(&path), decide(&rita, &item, &json!({ "uphold": true })), rita.send("DELETE", &path, "")]
    {
        assert_eq!(reply.status, 403, "{}", reply.text());
        assert!(reply.text().contains("F15_own_review"), "{}", reply.text());
    }
    // Another project's reviewer, and colleagues who do not review, learn what strangers learn.
    for outsider in [&rob, &server.client_as(&home.invited("mel"))] {
        for (method, path, body) in [
            ("GET", path.clone(), String::new()),
            ("DELETE", path.clone(), String::new()),
            ("POST", format!("{path}/decide"), json!({ "uphold": true }).to_string()),
            ("POST", format!("{path}/assign"), String::new()),
            ("POST", "/admin/v1/reviews/export".to_owned(), json!({ "model": "tumors" }).to_string()),
        ] {
            let send = |path: &str, body: &str| {
                outsider.clone().header("content-type", "application/json").send(
                    method,
                    path,
                    body.to_owned(),
                )
            };
            let told = send(&path, &body);
            let (nothing, none) =
                (path.replace(&item, "01ARYZ6S41ZZZZZZZZZZZZZZZZ"), body.replace("tumors", "none"));
            let nothing = send(&nothing, &none);
            if path.ends_with("/export") && told.status == 403 {
                continue; // a colleague may know of the model
            }
            assert_eq!((told.status, told.shape()), (404, nothing.shape()), "{method} {path}");
        }
    }
    assert_eq!(decide(&rolf, &item, &json!({ "uphold": true })).status, 200);
    let polled = rita.get(&format!("/v1/models/tumors/reviews/{}", asked.request_id()));
    assert_eq!(polled.json()["rows"], json!([{ "row": 0, "status": "decided", "result": "benign" }]));
}

#[test]
fn who_has_handed_out_an_application_s_key_does_not_decide_what_it_asks() {
    let team = Team::new();
    let (home, server) = (&team.home, &team.server);
    home.configure("[[model]]\nname = \"tumors\"\nhold = \"always\"\n");
    assert!(home.run(&["config", "reload"]).status.success());
    team.promote("1");
    // Olga operates for a while, and hands out a key; afterwards she reviews.
    let olga = server.take_over(home.invite("olga"));
    let grant = home.json(&["role", "assign", "olga", "operator"])["grant"].to_string();
    team.may(&team.bob, &["role", "approve", &grant]);
    home.json(&["role", "apply", &grant]);
    let made = team.may(&olga, &["key", "create", "--consumer", "till", "--model", "tumors"]);
    let barred = home.run(&["role", "assign", "olga", "reviewer"]);
    assert_eq!(barred.status.code(), Some(1));
    home.json(&["role", "revoke", "olga", "operator"]);
    home.json(&["role", "assign", "olga", "reviewer"]);
    let till = server.client_with(made["key"].as_str().unwrap());
    let asked = [till, team.consumer()].map(|app| {
        let asked = app.post("/v1/models/tumors/predict", &question(&benign()));
        assert_eq!(asked.json()["outcome"], "review", "{}", asked.text());
        asked.request_id().to_owned()
    });
    let reviewer = server.client_as(&olga);
    let seen = items(&reviewer, "");
    assert_eq!(seen.iter().map(|item| item["request_id"].as_str().unwrap()).collect::<Vec<_>>(), [&asked[1]]);
    assert_eq!(decide(&reviewer, &name(&seen[0]), &json!({ "uphold": true })).status, 200);
    home.invite("rolf");
    home.json(&["role", "assign", "rolf", "reviewer"]);
    let rolf = server.client_as(&home.invited("rolf"));
    let other = items(&rolf, "");
    let refused = decide(&reviewer, &name(&other[0]), &json!({ "uphold": true }));
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(refused.text().contains("F15_own_review"), "{}", refused.text());
    assert_eq!(decide(&rolf, &name(&other[0]), &json!({ "uphold": true })).status, 200);
}

#[test]
fn only_what_the_model_is_not_sure_of_waits_in_every_protocol() {
    let home = home("hold = \"below_threshold\"\nthreshold = 0.99");
    let own = home.busy_key("own");
    let server = Server::start(&home);
    let app = server.client_with(&own.key);
    let batch = json!({ "features": [benign(), doubtful(), first_of("0")] });
    let answer = app.post(PREDICT, &batch).json();
    let results: Vec<&Value> =
        answer["results"].as_array().unwrap().iter().map(|row| &row["result"]).collect();
    assert_eq!(results, [&json!("benign"), &json!("uncertain"), &json!("malignant")]);
    assert_eq!(answer["results"][1]["outcome"], "review");
    assert!(answer["results"][0].get("outcome").is_none());
    let mut tensor = inference(&benign());
    tensor["inputs"][0]["shape"] = json!([2, benign().len()]);
    tensor["inputs"][0]["data"] = json!([benign(), doubtful()].concat());
    let reply = app.post(&format!("/v2/models/{MODEL}/infer"), &tensor);
    let parameters = &reply.json()["parameters"];
    assert_eq!(
        (&parameters["outcome"], &parameters["row_outcome"]),
        (&json!("review"), &json!("served,review"))
    );
    assert_eq!(parameters["request_id"], reply.request_id());
    for output in reply.json()["outputs"].as_array().unwrap() {
        let data = output["data"].as_array().unwrap();
        let second = &data[data.len() / 2..];
        assert!(
            second.iter().all(|value| *value == 0.0 || *value == -1 || *value == "uncertain"),
            "{output}"
        );
    }
    assert_eq!(poll(&app, &reply).json()["rows"], json!([{ "row": 1, "status": "pending" }]));
    // Asking for the reasons is no way around.
    let explained = app.post(&format!("/v2/models/{MODEL}/explain"), &question(&doubtful()));
    assert_eq!(
        (&explained.json()["explanation"], &explained.json()["outcome"]),
        (&Value::Null, &json!("review"))
    );
    assert_withheld(&explained);
    // What was sure is nobody's to review, and a reload changes when answers are held.
    let sure = app.post(PREDICT, &question(&benign()));
    assert_eq!((&sure.json()["result"], poll(&app, &sure).status), (&json!("benign"), 404));
    let file = home.path.join("mantlet.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("below_threshold", "always")).unwrap();
    assert!(home.run(&["config", "reload"]).status.success());
    let reply = app.post(&format!("/v2/models/{MODEL}/explain"), &question(&benign()));
    assert_eq!((&reply.json()["explanation"], &reply.json()["outcome"]), (&Value::Null, &json!("review")));
    assert_eq!(app.post(PREDICT, &question(&benign())).json()["outcome"], "review");
    fs::write(&file, text.replace("below_threshold", "sometimes")).unwrap();
    let refused = home.run(&["config", "reload"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no such choice"));
}

#[test]
fn a_share_of_all_answers_is_sampled_and_asking_again_is_no_way_around() {
    let home = home("hold = \"sampled\"\nhold_sample = 0.5\n[review]\npending_per_principal = 1000");
    let own = home.busy_key("own");
    let server = Server::start(&home);
    let app = server.client_with(&own.key);
    let rows: Vec<Vec<f64>> = (0..100_u32)
        .map(|number| {
            let mut row = benign();
            row[0] += f64::from(number) / 1_000.0;
            row
        })
        .collect();
    let outcomes = || -> Vec<bool> {
        let answer = app.post(PREDICT, &json!({ "features": rows })).json();
        answer["results"].as_array().unwrap().iter().map(|row| row["outcome"] == "review").collect()
    };
    let first = outcomes();
    let held = first.iter().filter(|held| **held).count();
    assert!((30..=70).contains(&held), "{held} of 100"); // four standard deviations
    assert_eq!(outcomes(), first);
    drop(server);
    let server = Server::start(&home);
    let again = server.client_with(&own.key).post(PREDICT, &json!({ "features": rows })).json();
    let again: Vec<bool> =
        again["results"].as_array().unwrap().iter().map(|row| row["outcome"] == "review").collect();
    assert_eq!(again, first, "a restart is no way around either");
}

#[test]
fn one_application_cannot_bury_what_others_wait_for() {
    let home = home("hold = \"always\"\n[review]\npending_per_principal = 2");
    let (own, other) = (home.busy_key("own"), home.busy_key("other"));
    let rita = home.bound("rita", "reviewer");
    let server = Server::start(&home);
    let (app, reviewer) = (server.client_with(&own.key), server.client_as(&rita));
    let asked = app.post(PREDICT, &json!({ "features": [benign(), benign(), benign()] }));
    let outcomes: Vec<Value> =
        asked.json()["results"].as_array().unwrap().iter().map(|row| row["outcome"].clone()).collect();
    assert_eq!(outcomes, [json!("review"), json!("review"), Value::Null]);
    assert_withheld(&asked);
    let screen = home.entry_of(&asked)["screen"].clone();
    assert!(screen.as_array().unwrap().contains(&json!("not_held:1")), "{screen}");
    assert_eq!(
        server.client_with(&other.key).post(PREDICT, &question(&benign())).json()["outcome"],
        "review"
    );
    let owner = server.client_as(&home.founder(home.said("operator")));
    assert!(owner.get("/metrics").text().contains("mantlet_reviews_pending{model=\"breast-cancer\"} 3"));
    for item in items(&reviewer, "?model=breast-cancer") {
        assert_eq!(decide(&reviewer, &name(&item), &json!({ "uphold": true })).status, 200);
    }
    assert!(owner.get("/metrics").text().contains("mantlet_reviews_pending{model=\"breast-cancer\"} 0"));
    assert_eq!(app.post(PREDICT, &question(&benign())).json()["outcome"], "review", "there is room again");
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill_and_gone_when_its_time_is_over() {
    let home = home("hold = \"always\"\n[review]\ndays = 2");
    let own = home.busy_key("own");
    let rita = home.bound("rita", "reviewer");
    let server = Server::start(&home);
    let app = server.client_with(&own.key);
    let (first, second) =
        (app.post(PREDICT, &question(&benign())), app.post(PREDICT, &question(&first_of("0"))));
    server.kill();
    let server = Server::start(&home);
    let (app, reviewer) = (server.client_with(&own.key), server.client_as(&rita));
    let pending = json!([{ "row": 0, "status": "pending" }]);
    assert_eq!(
        (&poll(&app, &first).json()["rows"], &poll(&app, &second).json()["rows"]),
        (&pending, &pending)
    );
    let listed = items(&reviewer, "");
    let of = |request: &Reply| {
        name(listed.iter().find(|item| item["request_id"] == request.request_id()).unwrap())
    };
    let (kept, decided) = (of(&first), of(&second));
    assert_eq!(decide(&reviewer, &decided, &json!({ "uphold": true })).status, 200);
    server.kill();
    let ahead = |seconds: &str| Server::with(&home, &[], &[("MANTLET_CLOCK_AHEAD", seconds)]);
    let server = ahead("172000");
    let (app, reviewer) = (server.client_with(&own.key), server.client_as(&rita));
    assert_eq!(poll(&app, &first).json()["rows"], pending);
    assert_eq!(poll(&app, &second).json()["rows"][0]["result"], "malignant");
    assert_eq!(reviewer.get(&format!("/admin/v1/reviews/{kept}")).json()["guess"], "benign");
    server.kill();
    let server = ahead("172900");
    let (app, reviewer) = (server.client_with(&own.key), server.client_as(&rita));
    for asked in [&first, &second] {
        assert_eq!(poll(&app, asked).json()["rows"], json!([{ "row": 0, "status": "expired" }]));
    }
    assert_eq!(items(&reviewer, "?status=expired").len(), 2);
    let shown = reviewer.get(&format!("/admin/v1/reviews/{decided}")).json();
    for member in ["features", "guess", "result"] {
        assert!(shown.get(member).is_none(), "{shown}");
    }
    let ended: Vec<Value> =
        home.log().into_iter().filter(|entry| entry["event"] == "review.expire").collect();
    assert_eq!(ended.len(), 2, "an intent and an outcome");
    assert!(ended.iter().all(|entry| entry["count"] == 2), "{ended:?}");
    server.kill();
    let server = ahead("800000");
    assert_eq!(poll(&server.client_with(&own.key), &first).status, 404);
}

#[test]
fn nothing_of_a_held_row_lies_open_anywhere() {
    let home = home("hold = \"always\"");
    let own = home.busy_key("own");
    let rita = home.bound("rita", "reviewer");
    let server = Server::with(&home, &[], &[("MANTLET_LOG", "trace")]);
    let (app, reviewer) = (server.client_with(&own.key), server.client_as(&rita));
    let mut row = benign();
    row[1] = 17.253_117;
    let asked = app.post(PREDICT, &question(&row));
    let item = name(&items(&reviewer, "")[0]);
    let shown = reviewer.get(&format!("/admin/v1/reviews/{item}"));
    let secrets = ["17.253", "canary-reason", "canary-wrong"];
    assert!(shown.text().contains(secrets[0]), "{}", shown.text());
    decide(&reviewer, &item, &json!({ "result": "canary-wrong", "reason": "canary-reason" }));
    let ruling = json!({ "result": "malignant", "reason": "canary-reason: she said so" });
    assert_eq!(decide(&reviewer, &item, &ruling).status, 200);
    assert!(reviewer.get(&format!("/admin/v1/reviews/{item}")).text().contains(secrets[1]));
    reviewer.post("/admin/v1/reviews/export", &json!({ "model": MODEL }));
    let look = || {
        let contains = |bytes: &[u8], secret: &str| {
            bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
        };
        for secret in secrets {
            for (path, bytes) in home.bytes() {
                assert!(!contains(&bytes, secret), "{secret} in {}", path.display());
            }
            assert!(!server.said().contains(secret), "{secret} in what the server said");
        }
    };
    look();
    let erased = reviewer.send("DELETE", &format!("/admin/v1/reviews/{item}"), "");
    assert_eq!((erased.status, &erased.json()["status"]), (200, &json!("erased")));
    assert_eq!(poll(&app, &asked).json()["rows"], json!([{ "row": 0, "status": "erased" }]));
    let shown = reviewer.get(&format!("/admin/v1/reviews/{item}")).json();
    assert!(shown.get("features").is_none() && shown.get("reason").is_none(), "{shown}");
    assert_eq!(reviewer.send("DELETE", &format!("/admin/v1/reviews/{item}"), "").status, 409);
    look();
}

#[test]
fn decisions_are_labelled_rows_that_an_evaluation_takes() {
    let home = home("hold = \"always\"");
    let own = home.busy_key("own");
    let rita = home.bound("rita", "reviewer");
    let server = Server::start(&home);
    let app = server.client_with(&own.key);
    // Rows that differ a little: copies are one row to an evaluation.
    let vary = |mut row: Vec<f64>, number: u32| {
        row[0] += f64::from(number) / 1_000.0;
        row
    };
    let of = |row: fn() -> Vec<f64>| (0..20).map(move |number| vary(row(), number));
    let rows: Vec<Vec<f64>> = of(benign).chain(of(|| first_of("0"))).collect();
    assert_eq!(app.post(PREDICT, &json!({ "features": rows })).status, 200);
    let said = |arguments: &[&str]| {
        let output = server.command_as(&rita, arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let document = |arguments: &[&str]| -> Value {
        let (code, out, err) = said(&[arguments, &["--json"]].concat());
        assert_eq!(code, Some(0), "{arguments:?}: {err}");
        serde_json::from_str(&out).unwrap()
    };
    let listed = document(&["review", "list", "--model", MODEL]);
    let listed = listed["reviews"].as_array().unwrap();
    assert_eq!(listed.len(), 40);
    assert!(
        listed.iter().map(|item| item["row"].as_u64().unwrap()).is_sorted(),
        "not in the order of the rows"
    );
    let (first, second) = (name(&listed[0]), name(&listed[1]));
    assert!(said(&["review", "list"]).1.lines().count() == 41);
    assert_eq!(document(&["review", "assign", &first])["assigned_to"], "rita");
    let shown = said(&["review", "show", &first]).1;
    assert!(shown.contains("guess        benign") && shown.contains("mean_radius"), "{shown}");
    // She disagrees with the first, has the second forgotten, and upholds the others.
    let decided = document(&["review", "decide", &first, "--result", "malignant", "--reason", "seen"]);
    assert_eq!(decided["status"], "decided");
    assert_eq!(said(&["review", "decide", &first, "--uphold"]).0, Some(1));
    assert_eq!(said(&["review", "decide", &second, "--result", "benign"]).0, Some(2), "without a reason");
    assert_eq!(
        said(&["review", "erase", &second]),
        (Some(0), format!("{second} is erased\n"), String::new())
    );
    let reviewer = server.client_as(&rita);
    for item in &listed[2..] {
        assert_eq!(decide(&reviewer, &name(item), &json!({ "uphold": true })).status, 200);
    }
    let out = home.beside("labelled.csv");
    let out = out.to_str().unwrap();
    document(&["review", "export", MODEL, "--out", out]);
    assert_eq!(said(&["review", "export", MODEL, "--out", out]).0, Some(2), "nothing is overwritten");
    let text = fs::read_to_string(out).unwrap();
    assert_eq!(text.lines().count(), 40, "a header and 39 rows");
    assert!(
        text.lines().next().unwrap().ends_with(",target")
            && text.lines().nth(1).unwrap().ends_with(",malignant")
    );
    let report = home.json(&["evaluate", MODEL, "--data", out]);
    assert_eq!(report["rows"], json!({ "given": 39, "refused": 0, "evaluated": 39 }));
    assert_eq!(report["classification"]["accuracy"]["value"], json!(38.0 / 39.0), "she disagreed once");
    // What is not known, and what there is too much of.
    for (body, status) in [
        (json!({ "model": "nothing" }), 404),
        (json!({ "model": MODEL, "target": "mean_radius" }), 400),
        (json!({ "model": MODEL, "since": "2999-01-01T00:00:00Z" }), 200),
        (json!({}), 400),
    ] {
        let reply = reviewer.post("/admin/v1/reviews/export", &body);
        assert_eq!(reply.status, status, "{body}: {}", reply.text());
        assert!(status != 200 || reply.text().lines().count() == 1);
    }
}

#[test]
fn the_command_line_says_how_to_come_back() {
    let home = home("hold = \"always\"");
    let (key, rita) = (home.busy_key("own").key, home.bound("rita", "reviewer"));
    let server = Server::start(&home);
    let row = home.beside("row.json");
    fs::write(&row, question(&benign()).to_string()).unwrap();
    let run = |arguments: &[&str]| {
        let output = home.command(arguments).env("MANTLET_API_KEY", &key).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, out, err) = run(&["predict", MODEL, "--input", row.to_str().unwrap()]);
    let request = serde_json::from_str::<Value>(&out).unwrap()["request_id"].as_str().unwrap().to_owned();
    assert_eq!(code, Some(1));
    assert!(err.contains(&format!("mantlet review poll {MODEL} {request}")), "{err}");
    let poll = || run(&["review", "poll", MODEL, &request]);
    assert_eq!(poll().0, Some(1), "a person has not decided yet");
    let item = name(&items(&server.client_as(&rita), "")[0]);
    assert_eq!(decide(&server.client_as(&rita), &item, &json!({ "uphold": true })).status, 200);
    let (code, out, _) = poll();
    assert_eq!(code, Some(0));
    let rows = &serde_json::from_str::<Value>(&out).unwrap()["rows"];
    assert_eq!(*rows, json!([{ "row": 0, "status": "decided", "result": "benign" }]));
    assert_eq!(run(&["review", "poll", MODEL, "01ARYZ6S41ZZZZZZZZZZZZZZZZ"]).0, Some(1));
    // A damaged queue is not served from.
    assert!(server.stop().success());
    let file = home.path.join("reviews.db");
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.windows(7).position(|window| window == b"decided").unwrap();
    bytes[at..at + 7].copy_from_slice(b"pending");
    fs::write(&file, bytes).unwrap();
    let refused = Server::try_with(&home, &[], &[]).err().unwrap();
    assert!(refused.contains("was altered outside mantlet") && refused.contains("move it away"), "{refused}");
}
