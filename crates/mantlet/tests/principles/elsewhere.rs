//! Complete mediation and failing securely, of models that run elsewhere: the same steps, the same judgment, the same
//! entry; and from an upstream that is wrong, slow or gone there is no answer, and nothing of why.

use std::fs;

use serde_json::{Value, json};

use crate::support::{
    Client, Home, Reply, Server, until,
    upstream::{Manner, Upstream},
};

const PREDICT: &str = "/v1/models/coin/predict";

/// A home with a package of a model that runs elsewhere, and a key that may ask it.
pub struct Coin {
    /// The home.
    pub home: Home,
    /// The key.
    pub key: String,
}

impl Coin {
    /// A model of which nobody has said where it runs.
    pub fn new() -> Self {
        let home = Home::demo();
        let dir = home.beside("coin");
        fs::create_dir(&dir).unwrap();
        let settings = r#"
            name = "coin"
            backend = "v2"
            features = ["bias", "wind"]
            labels = ["tails", "heads"]
            [[input]]
            name = "x"
            datatype = "FP32"
            shape = [-1, 2]
            [[output]]
            name = "p"
            datatype = "FP32"
            shape = [-1, 2]
        "#;
        fs::write(dir.join("mantlet-model.toml"), settings).unwrap();
        let rows: String =
            (0..40).map(|i| format!("{},{},{}\n", f64::from(i % 10) / 10.0, i, "heads")).collect();
        fs::write(home.beside("rows.csv"), format!("bias,wind,target\n{rows}")).unwrap();
        let rows = home.beside("rows.csv");
        let dir = dir.to_str().unwrap();
        home.json(&["model", "profile", dir, "--reference", rows.to_str().unwrap(), "--background", "7"]);
        let added = home.json(&["model", "add", dir]);
        assert_eq!(added["status"], "live");
        assert!(added["next"].as_str().unwrap().contains("upstream"), "{added}");
        let key = home.key("app", &["--model", "coin", "--rate", "6000000/min"]).key;
        Self { home, key }
    }

    /// The same, run at an upstream with further keys.
    pub fn at(upstream: &Upstream, keys: &str) -> Self {
        let coin = Self::new();
        coin.home.configure(&upstream.section("there", keys));
        coin.home.configure("[[model]]\nname = \"coin\"\nupstream = \"there\"");
        coin
    }

    /// Asks as the application.
    pub fn ask(&self, server: &Server, bias: f64) -> Reply {
        server.client_with(&self.key).post(PREDICT, &json!({ "features": { "bias": bias, "wind": 1.0 } }))
    }

    /// Whether the model is said to answer.
    pub fn ready(&self, server: &Server) -> bool {
        server.client_with(&self.key).get("/v2/models/coin/ready").status == 200
    }

    /// The one number of a metric's series.
    pub fn metric(&self, client: &Client, series: &str) -> f64 {
        let text = client.get("/metrics").text();
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        line.unwrap_or_else(|| panic!("no {series} in\n{text}")).trim().parse().unwrap()
    }

    /// Checks that a reply and its entry say that there is no answer, and nothing of why.
    #[track_caller]
    pub fn assert_unavailable(&self, reply: &Reply, what: &str) {
        assert_eq!(reply.status, 503, "{what}: {}", reply.text());
        reply.assert_discreet();
        assert!(!reply.text().contains("there") && !reply.text().contains("secret"), "{}", reply.text());
        let entry = self.home.entry_of(reply);
        let said = [&entry["status"], &entry["error_code"], &entry["model"], &entry["output_class"]];
        assert_eq!(said, [&json!(503), &json!("unavailable"), &json!("coin"), &Value::Null], "{what}");
    }
}

#[test]
fn a_model_elsewhere_is_mediated_like_any_other() {
    for extensions in [json!([]), json!(["binary_tensor_data"])] {
        let upstream = Upstream::start();
        upstream.announce(extensions.clone());
        let coin = Coin::at(&upstream, "");
        let server = Server::start(&coin.home);
        let sure = coin.ask(&server, 0.75);
        assert_eq!((sure.status, &sure.json()["result"]), (200, &json!("heads")), "{}", sure.text());
        assert_eq!(sure.json()["confidence"], 0.75);
        let unsure = coin.ask(&server, 0.5);
        assert_eq!((unsure.status, &unsure.json()["result"]), (200, &json!("uncertain")));
        let entry = coin.home.entry_of(&unsure);
        assert_eq!((&entry["model"], &entry["output_class"]), (&json!("coin"), &json!("__uncertain")));
        let asked = upstream.questions().len();
        assert_eq!(asked, 2);
        // What a local model would not be asked either.
        let out_of_range = coin.ask(&server, 99.0);
        assert_eq!((out_of_range.status, &out_of_range.json()["field"]), (400, &json!("bias")));
        assert_eq!(server.client().post(PREDICT, &json!({ "features": [0.9, 1.0] })).status, 401);
        let other = coin.home.busy_key("other").key;
        let denied = server.client_with(&other).post(PREDICT, &json!({ "features": [0.9, 1.0] }));
        assert_eq!(denied.status, 404);
        assert_eq!(upstream.questions().len(), asked, "nobody else was heard of there");
        let binary = upstream.questions()[0].head.contains("inference-header-content-length");
        assert_eq!(binary, extensions != json!([]));
        until("the model to be ready", || coin.ready(&server).then_some(()));
        assert!(server.stop().success());
    }
}

#[test]
fn who_asks_is_told_elsewhere_only_if_the_operator_says_so() {
    let upstream = Upstream::start();
    let coin = Coin::at(&upstream, "");
    let server = Server::start(&coin.home);
    let asking = server
        .client_with(&coin.key)
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .header("x-request-id", "my-own-id")
        .header("cookie", "a=b");
    let question = json!({ "features": { "bias": 0.75, "wind": 1.0 } });
    let reply = asking.post(PREDICT, &question);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let got = upstream.questions().remove(0);
    let names: Vec<String> =
        got.head.lines().skip(1).map(|line| line.split(':').next().unwrap().to_ascii_lowercase()).collect();
    assert_eq!(names, ["content-type", "host", "content-length"], "{}", got.head);
    let body = String::from_utf8(got.body).unwrap();
    for told in [
        reply.request_id(),
        "app",
        "127.0.0.1",
        "0af7651916cd43dd8448eb211c80319c",
        "bias",
        coin.key.as_str(),
    ] {
        assert!(!body.contains(told), "`{told}` in {body}");
    }
    drop(server);
    let text = fs::read_to_string(coin.home.path.join("mantlet.toml")).unwrap();
    let words = r#"forward = ["request_id", "trace_id", "principal", "address"]"#;
    fs::write(
        coin.home.path.join("mantlet.toml"),
        text.replace("probe_interval_ms = 50", &format!("probe_interval_ms = 50\n{words}")),
    )
    .unwrap();
    let server = Server::start(&coin.home);
    let asking = server
        .client_with(&coin.key)
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let reply = asking.post(PREDICT, &question);
    let head = upstream.questions().pop().unwrap().head.to_lowercase();
    for told in [
        format!("x-request-id: {}", reply.request_id().to_lowercase()),
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-".to_owned(),
        "mantlet-principal: consumer:app".to_owned(),
        "x-forwarded-for: 127.0.0.1".to_owned(),
    ] {
        assert!(head.contains(&told), "no `{told}` in {head}");
    }
}

#[test]
fn whatever_is_not_the_answer_asked_for_is_none() {
    let upstream = Upstream::start();
    let coin = Coin::at(&upstream, "timeout_ms = 400\nreply_bytes_max = 100000");
    let server = Server::start(&coin.home);
    let manners: [(&str, Manner); 29] = [
        ("another shape", Manner::Document(|answer| answer["outputs"][0]["shape"] = json!([2, 1]))),
        (
            "more rows",
            Manner::Document(|answer| {
                answer["outputs"][0]["shape"] = json!([2, 2]);
                answer["outputs"][0]["data"] = json!([0.1, 0.9, 0.1, 0.9]);
            }),
        ),
        ("another type", Manner::Document(|answer| answer["outputs"][0]["datatype"] = json!("FP64"))),
        ("no outputs", Manner::Document(|answer| answer["outputs"] = json!([]))),
        ("another output", Manner::Document(|answer| answer["outputs"][0]["name"] = json!("q"))),
        (
            "one output more",
            Manner::Document(|answer| {
                let mut more = answer["outputs"][0].clone();
                more["name"] = json!("secret");
                answer["outputs"].as_array_mut().unwrap().push(more);
            }),
        ),
        (
            "an output twice",
            Manner::Document(|answer| {
                let more = answer["outputs"][0].clone();
                answer["outputs"].as_array_mut().unwrap().push(more);
            }),
        ),
        ("too few elements", Manner::Document(|answer| answer["outputs"][0]["data"] = json!([0.9]))),
        ("text for numbers", Manner::Document(|answer| answer["outputs"][0]["data"] = json!(["0.1", "0.9"]))),
        ("null", Manner::Document(|answer| answer["outputs"][0]["data"] = json!([null, 0.9]))),
        ("NaN", Manner::Text(|text| text.replace("0.75", "NaN"))),
        ("infinity", Manner::Text(|text| text.replace("0.75", "1e999"))),
        ("no distribution", Manner::Text(|text| text.replace("0.75", "3.75"))),
        ("another id", Manner::Document(|answer| answer["id"] = json!("0000000000000000"))),
        (
            "no id",
            Manner::Document(|answer| {
                answer.as_object_mut().unwrap().remove("id");
            }),
        ),
        ("another model", Manner::Document(|answer| answer["model_name"] = json!("other"))),
        (
            "deep nesting",
            Manner::Document(|answer| {
                let deep = "[".repeat(500) + &"]".repeat(500);
                answer["parameters"] = serde_json::from_str(&format!("[{}]", &deep[460..540])).unwrap();
            }),
        ),
        ("garbage", Manner::Text(|_| "<html>secret</html>".to_owned())),
        ("half of it", Manner::Text(|text| text[..text.len() / 2].to_owned())),
        ("no HTTP", Manner::Bytes(b"\x00\x01\x02secret\r\n\r\n")),
        (
            "a partial body",
            Manner::Bytes(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n{\"id\":",
            ),
        ),
        ("500", Manner::Bytes(b"HTTP/1.1 500 Oh\r\nconnection: close\r\ncontent-length: 18\r\n\r\n{\"error\":\"secret\"}")),
        ("400", Manner::Bytes(b"HTTP/1.1 400 Oh\r\nconnection: close\r\ncontent-length: 18\r\n\r\n{\"error\":\"secret\"}")),
        (
            "a redirect",
            Manner::Bytes(
                b"HTTP/1.1 307 Go\r\nconnection: close\r\nlocation: http://127.0.0.1:1/secret\r\ncontent-length: 0\r\n\r\n",
            ),
        ),
        (
            "a packed body",
            Manner::Bytes(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}"),
        ),
        ("a reset", Manner::Reset),
        ("slow headers", Manner::Drop(b"HTTP/1.1 200 OK\r\nx-slow: ")),
        ("a slow body", Manner::Drop(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n{")),
        ("a huge body", Manner::Endless),
    ];
    for (what, manner) in manners {
        upstream.answer(manner);
        let reply = coin.ask(&server, 0.75);
        coin.assert_unavailable(&reply, what);
        upstream.answer(Manner::Well);
        let well = coin.ask(&server, 0.75);
        assert_eq!((well.status, &well.json()["result"]), (200, &json!("heads")), "after {what}");
    }
    upstream.answer(Manner::Never);
    coin.assert_unavailable(&coin.ask(&server, 0.75), "nothing");
    // Why it was, the operator can read; what was sent, nobody.
    let said = server.said();
    assert!(said.contains("upstream `there`: the answer has an output that was not asked for"), "{said}");
    assert!(!said.contains("secret") && !said.contains("0.75"), "{said}");
    assert_eq!(coin.home.verdict()["verdict"], "self-consistent");
}

#[test]
fn nobody_is_asked_before_the_operator_says_where() {
    let (one, other) = (Upstream::start(), Upstream::start());
    let coin = Coin::new();
    let server = Server::start(&coin.home);
    coin.assert_unavailable(&coin.ask(&server, 0.75), "without an upstream");
    assert!(!coin.ready(&server));
    let everybody = server.client().get("/v2/health/ready");
    assert_eq!(everybody.status, 200, "models here go on answering");
    coin.home.configure(&one.section("one", ""));
    coin.home.configure(&other.section("other", ""));
    assert!(coin.home.run(&["config", "reload"]).status.success());
    coin.assert_unavailable(&coin.ask(&server, 0.75), "with upstreams of which none is the model's");
    assert!(one.got().is_empty() && other.got().is_empty(), "nobody was spoken to");
    let file = coin.home.path.join("mantlet.toml");
    let text = fs::read_to_string(&file).unwrap();
    let choose = |name: &str| {
        fs::write(&file, format!("{text}\n[[model]]\nname = \"coin\"\nupstream = \"{name}\"\n")).unwrap();
        coin.home.run(&["config", "reload"])
    };
    assert!(choose("one").status.success());
    assert_eq!(coin.ask(&server, 0.75).status, 200);
    until("the model to be ready", || coin.ready(&server).then_some(()));
    // Nothing of a configuration that is not whole is taken.
    assert!(!choose("nowhere").status.success());
    assert_eq!(coin.ask(&server, 0.75).status, 200);
    assert!(choose("other").status.success());
    let before = one.questions().len();
    assert_eq!(coin.ask(&server, 0.75).status, 200);
    assert_eq!((one.questions().len(), other.questions().len()), (before, 1));
    // Where it no longer runs, nobody looks any more; a look that had begun may have ended.
    let looked = |times: usize| {
        let until_then = other.got().len() + times;
        until("looks", || (other.got().len() >= until_then).then_some(()));
        one.got().len()
    };
    assert_eq!(looked(12), looked(12));
}

#[test]
fn another_model_than_the_package_declares_is_not_asked() {
    let upstream = Upstream::start();
    upstream.declare(
        json!({ "name": "coin", "inputs": [{ "name": "x", "datatype": "FP64", "shape": [-1, 2] }] }),
    );
    let coin = Coin::at(&upstream, "");
    let server = Server::start(&coin.home);
    coin.assert_unavailable(&coin.ask(&server, 0.75), "another model");
    assert!(!coin.ready(&server));
    assert!(upstream.questions().is_empty());
    until("the operator to be told", || {
        server.said().contains("the input `x` is of another type there than FP32").then_some(())
    });
    // A server that declares nothing is not contradicted, and is checked by what it answers.
    upstream.declare(json!({ "name": "coin", "platform": "", "inputs": [], "outputs": [] }));
    until("the model to be ready", || coin.ready(&server).then_some(()));
    assert_eq!(coin.ask(&server, 0.75).status, 200);
}

#[test]
fn answers_from_elsewhere_are_explained_and_evaluated() {
    let upstream = Upstream::start();
    let coin = Coin::at(&upstream, "");
    coin.home.configure("[limits]\nrate_per_minute = 10000");
    let analyst = coin.home.bound("ana", "analyst");
    let server = Server::start(&coin.home);
    let client = server.client_as(&analyst);
    let question = json!({ "features": { "bias": 0.75, "wind": 3.0 }, "options": { "evaluations": 40 } });
    let reply = client.post("/v2/models/coin/explain", &question);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let explanation = &reply.json()["explanation"];
    assert_eq!(explanation["method"], "sampling");
    let of = |name: &str| {
        let all = explanation["attributions"].as_array().unwrap();
        all.iter().find(|item| item["feature"] == name).unwrap()["value"].as_f64().unwrap()
    };
    let base = explanation["base_value"].as_f64().unwrap();
    assert!((of("bias") - (0.75 - base)).abs() < 1e-6 && of("wind").abs() < 1e-6, "{explanation}");
    let mut rows: Vec<Value> = Vec::new();
    for index in 0..40 {
        let bias = if index % 2 == 0 { "0.9" } else { "0.1" };
        rows.push(json!([
            bias,
            index.to_string(),
            if index % 2 == 0 || index == 1 { "heads" } else { "tails" }
        ]));
    }
    let table = json!({ "columns": ["bias", "wind", "target"], "rows": rows, "target": "target" });
    let report = client.post("/v2/models/coin/evaluate", &table);
    assert_eq!(report.status, 200, "{}", report.text());
    assert_eq!(report.json()["classification"]["accuracy"]["value"], json!(39.0 / 40.0));
    upstream.answer(Manner::Text(|_| "garbage".to_owned()));
    for (path, body) in [("explain", &question), ("evaluate", &table)] {
        let reply = client.post(&format!("/v2/models/coin/{path}"), body);
        coin.assert_unavailable(&reply, path);
    }
    let admin = coin.home.bound("adam", "admin");
    let weights = server.client_as(&admin).get("/v2/models/coin/weights");
    assert_eq!(weights.status, 409, "{}", weights.text());
}
