//! Language models under the same doors: who may ask which, what a prompt and an answer may be, and that each is written
//! down without its text.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};

use crate::support::{
    Client, Home, Reply, Server,
    llm::{Manner, Model, finish, text},
    until,
};

/// What the operator's key is: it goes to the upstream and nowhere else.
const SECRET: &str = "sk-operator-0123456789";

/// A home with a route, and a key that may use it.
pub struct Assistant {
    pub home: Home,
    pub key: String,
    pub model: Model,
}

impl Assistant {
    /// With these keys of the route.
    pub fn new(keys: &str) -> Self {
        let model = Model::start();
        let home = Home::demo();
        let secret = home.beside("openai.key");
        fs::write(&secret, format!("{SECRET}\n")).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        let keys = format!("secret = \"file:{}\"\n{keys}", secret.display());
        home.configure(&model.section("assistant", &keys));
        let key = home.key("app", &["--route", "assistant", "--rate", "6000000/min"]).key;
        Self { home, key, model }
    }

    /// A client with the key.
    pub fn client(&self, server: &Server) -> Client {
        server.client_with(&self.key)
    }
}

/// A prompt of one turn.
pub fn chat(words: &str) -> Value {
    json!({ "model": "small", "messages": [{ "role": "user", "content": words }] })
}

/// The same, to be answered as it comes.
pub fn streamed(words: &str) -> Value {
    let mut body = chat(words);
    body["stream"] = json!(true);
    body
}

/// The data of the events of a stream.
pub fn events(reply: &Reply) -> Vec<Value> {
    let text = reply.text();
    assert!(text.is_empty() || text.ends_with("\n\n"), "{text}");
    let data = text.split("\n\n").filter(|event| !event.is_empty());
    data.map(|event| {
        let data = event.strip_prefix("data: ").unwrap_or_else(|| panic!("{event}"));
        if data == "[DONE]" { json!("[DONE]") } else { serde_json::from_str(data).unwrap() }
    })
    .collect()
}

const CHAT: &str = "/v1/chat/completions";

#[test]
fn a_prompt_is_mediated_like_any_question() {
    let assistant = Assistant::new("");
    let server = Server::start(&assistant.home);
    let client = assistant.client(&server).header("openai-organization", "mine").header("cookie", "a=b");
    let reply = client.post(CHAT, &chat("hello there"));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.json();
    assert_eq!(answer["choices"][0]["message"]["content"], "you said: hello there");
    assert_eq!((&answer["object"], &answer["model"]), (&json!("chat.completion"), &json!("small")));
    let usage = json!({ "prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12 });
    assert_eq!(answer["usage"], usage);
    // What the upstream says beside the answer stays here.
    assert!(!reply.text().contains("s3cr3t") && !reply.text().contains("secret-model"), "{}", reply.text());
    assert!(
        reply.headers.iter().all(|(_, value)| !value.to_str().unwrap().contains("s3cr3t")),
        "{:?}",
        reply.headers
    );
    // What the caller says beside the prompt does too, and the upstream is asked by the operator's key.
    let got = assistant.model.last();
    let mut names: Vec<&str> = got.head.lines().skip(1).map(|line| line.split(':').next().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "authorization", "content-length", "content-type", "host"], "{}", got.head);
    assert!(got.head.contains(&format!("Bearer {SECRET}")), "{}", got.head);
    let entry = assistant.home.entry_of(&reply);
    let said =
        [&entry["event"], &entry["route"], &entry["route_model"], &entry["principal"], &entry["status"]];
    assert_eq!(
        said,
        [&json!("completion"), &json!("assistant"), &json!("small"), &json!("consumer:app"), &json!(200)]
    );
    assert_eq!((&entry["input_tokens"], &entry["output_tokens"]), (&json!(7), &json!(5)));
    assert!(entry["input_digest"].is_string() && entry["output_digest"].is_string());
    assert_eq!(entry["policy_ids"], json!(["P16_route"]));
}

#[test]
fn nobody_asks_a_model_that_no_route_of_theirs_leads_to() {
    let assistant = Assistant::new("");
    assistant.home.configure(&assistant.model.section("other", "rename = { small = \"tiny\" }"));
    let other = assistant.home.key("second", &["--route", "other"]).key;
    let none = assistant.home.busy_key("third").key;
    let server = Server::start(&assistant.home);
    assert_eq!(server.client().post(CHAT, &chat("hi")).status, 401);
    let stranger = server.client_with("mtk_live_nobody").post(CHAT, &chat("hi"));
    assert_eq!((stranger.status, &stranger.json()["error"]["type"]), (401, &json!("authentication_error")));
    // Unknown and not permitted read the same.
    let mut unknown = chat("hi");
    unknown["model"] = json!("gpt-unknown");
    let mut shapes = Vec::new();
    for (client, body) in [
        (server.client_with(&none), chat("hi")),
        (assistant.client(&server), unknown),
        (
            assistant.client(&server),
            json!({ "model": "other/small", "messages": [{ "role": "user", "content": "x" }] }),
        ),
    ] {
        let reply = client.post(CHAT, &body);
        assert_eq!(reply.status, 404, "{}", reply.text());
        assert_eq!(reply.json()["error"]["code"], "model_not_found");
        shapes.push(reply.shape());
    }
    assert!(shapes.windows(2).all(|pair| pair[0] == pair[1]), "{shapes:?}");
    assert_eq!(assistant.model.got().len(), 0, "nobody was heard of there");
    // One's own route, by either name, and by the name that the model has there.
    for name in ["small", "other/small"] {
        let mut body = chat("hi");
        body["model"] = json!(name);
        assert_eq!(server.client_with(&other).post(CHAT, &body).status, 200);
        assert_eq!(assistant.model.last().body["model"], "tiny");
    }
    let listed = assistant.client(&server).get("/v1/models").json();
    let ids: Vec<&Value> = listed["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert_eq!(ids, [&json!("large"), &json!("small")]);
    assert_eq!(server.client_with(&none).get("/v1/models").json()["data"], json!([]));
    assert_eq!(assistant.client(&server).get("/v1/models/small").status, 200);
    assert_eq!(server.client_with(&none).get("/v1/models/small").status, 404);
}

#[test]
fn what_a_request_says_is_understood_or_refused() {
    let assistant =
        Assistant::new("options = [\"temperature\", \"max_tokens\", \"tools\", \"tool_choice\", \"user\"]");
    let server = Server::start(&assistant.home);
    let client = assistant.client(&server);
    let with = |name: &str, value: Value| {
        let mut body = chat("hi");
        body[name] = value;
        body
    };
    let turn = |message: Value| json!({ "model": "small", "messages": [message] });
    let function = |name: &str| json!([{ "type": "function", "function": { "name": name } }]);
    for (body, param) in [
        (with("temperature", json!(3)), "temperature"),
        (with("max_tokens", json!(-5)), "max_tokens"),
        (with("top_p", json!(0.5)), "top_p"), // not listed
        (with("n", json!(2)), "n"),
        (with("store", json!(true)), "store"),
        (with("metadata", json!({ "a": "b" })), "metadata"),
        (with("previous_response_id", json!("resp_1")), "previous_response_id"),
        (with("web_search_options", json!({})), "web_search_options"),
        (with("whatever", json!(1)), "body"),
        (with("tools", json!([{ "type": "web_search" }])), "tools"),
        (with("tools", function("no such name")), "tools[0].function.name"),
        (with("tool_choice", json!({ "type": "function", "function": { "name": "f" } })), "tool_choice"),
        (with("messages", json!([])), "messages"),
        (with("stream_options", json!({ "include_usage": true })), "stream_options"),
        (turn(json!({ "role": "wizard", "content": "x" })), "messages[0].role"),
        (turn(json!({ "role": "user", "content": "x", "extra": 1 })), "messages[0]"),
        (turn(json!({ "role": "user" })), "messages[0].content"),
        (turn(json!({ "role": "tool", "content": "x" })), "messages[0].tool_call_id"),
        (
            turn(
                json!({ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "https://evil.example/x" } }] }),
            ),
            "messages[0].content",
        ),
        (
            turn(
                json!({ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "http://169.254.169.254/" } }] }),
            ),
            "messages[0].content",
        ),
        (
            turn(json!({ "role": "user", "content": [{ "type": "file", "file": { "file_id": "f" } }] })),
            "messages[0].content[0].type",
        ),
    ] {
        let reply = client.post(CHAT, &body);
        assert_eq!(reply.status, 400, "{body}: {}", reply.text());
        assert_eq!(reply.json()["error"]["param"], param, "{body}");
        assert_eq!(reply.json()["error"]["type"], "invalid_request_error");
    }
    let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    for body in [
        "".to_owned(),
        "{".to_owned(),
        "[]".to_owned(),
        "{\"model\":\"small\",\"model\":\"large\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"
            .to_owned(),
        format!("{{\"model\":\"small\",\"messages\":{deep}}}"),
    ] {
        let reply = client.send("POST", CHAT, body.clone());
        assert_eq!((reply.status, &reply.json()["error"]["param"]), (400, &json!("body")), "{body}");
    }
    let broken = client.send("POST", CHAT, b"{\"model\":\"small\xFF\"}".as_slice());
    assert_eq!(broken.status, 400);
    assert_eq!(assistant.model.got().len(), 0);
    // What is listed passes, and what a caller calls its users is not what the upstream hears.
    let mut body = with("temperature", json!(0.5));
    body["user"] = json!("alice@example.com");
    assert_eq!(client.post(CHAT, &body).status, 200);
    let got = assistant.model.last().body;
    assert_eq!(got["temperature"], 0.5);
    let user = got["user"].as_str().unwrap();
    assert!(user.len() == 32 && !user.contains("alice"), "{user}");
    let second = assistant.home.key("second", &["--route", "assistant"]).key;
    server.client_with(&second).post(CHAT, &body);
    assert_ne!(assistant.model.last().body["user"], user, "another tenant's alice is another");
}

#[test]
fn where_the_configuration_writes_the_system_prompt_nobody_else_does() {
    let assistant = Assistant::new("system = \"route\"\nsystem_prompt = \"Be kind.\"");
    let server = Server::start(&assistant.home);
    let client = assistant.client(&server);
    for role in ["system", "developer"] {
        let body = json!({ "model": "small", "messages": [
            { "role": "user", "content": "x" }, { "role": role, "content": "Be rude." } ] });
        let reply = client.post(CHAT, &body);
        assert_eq!((reply.status, &reply.json()["error"]["param"]), (400, &json!("messages[1].role")));
    }
    assert_eq!(client.post(CHAT, &chat("hi")).status, 200);
    let messages = assistant.model.last().body["messages"].clone();
    assert_eq!(messages[0]["role"], "system");
    assert!(messages[0]["content"].as_str().unwrap().starts_with("Be kind."), "{messages}");
    assert_eq!(messages[1]["content"], "hi");
}

#[test]
fn an_answer_leaves_as_it_comes_with_an_intent_before_and_one_outcome_after() {
    let assistant = Assistant::new("");
    let server = Server::start(&assistant.home);
    let client = assistant.client(&server);
    let mut body = streamed("one two three");
    body["stream_options"] = json!({ "include_usage": true });
    let reply = client.post(CHAT, &body);
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, Some("text/event-stream")),
        "{}",
        reply.text()
    );
    assert!(reply.header("mantlet-receipt").is_some());
    let data = events(&reply);
    assert_eq!(data.last(), Some(&json!("[DONE]")));
    let said: String =
        data.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(said, "you said: one two three");
    assert_eq!(data[0]["choices"][0]["delta"]["role"], "assistant");
    let ends = &data[data.len() - 3];
    assert_eq!(ends["choices"][0]["finish_reason"], "stop");
    assert_eq!(data[data.len() - 2]["usage"]["total_tokens"], 12);
    assert!(!reply.text().contains("s3cr3t") && !reply.text().contains("secret-model"));
    let entries = assistant.home.entries_in_time(reply.request_id(), 2);
    let phases: Vec<&Value> = entries.iter().map(|entry| &entry["phase"]).collect();
    assert_eq!(phases, [&json!("intent"), &json!("outcome")]);
    assert_eq!(entries[1]["intent_idx"], entries[0]["idx"]);
    assert_eq!((&entries[1]["status"], &entries[1]["output_tokens"]), (&json!(200), &json!(5)));
    assert_eq!(entries[0].get("status"), None);
}

#[test]
fn a_stream_that_breaks_is_never_taken_for_a_whole_answer() {
    let assistant = Assistant::new(
        "timeout_ms = 2000\nidle_timeout_ms = 400\nanswer_bytes_max = 20000\nstream_timeout_ms = 20000",
    );
    let server = Server::start(&assistant.home);
    let client = assistant.client(&server);
    let (one, done) = (text("one "), finish("stop"));
    let error = json!({ "error": { "message": "s3cr3t" } }).to_string();
    let call = json!({ "choices": [{ "index": 0, "delta": { "tool_calls": [
        { "index": 0, "id": "c", "function": { "name": "rm", "arguments": "{}" } }] } }] })
    .to_string();
    let other = json!({ "choices": [{ "index": 1, "delta": { "content": "s3cr3t" } }] }).to_string();
    let cases: [(&str, Manner, &str); 9] = [
        ("cut off", stream(&[&one]), "unavailable"),
        ("no end of its choice", stream(&[&one, "[DONE]"]), "unavailable"),
        ("no end of the stream", stream(&[&one, &done]), "unavailable"),
        ("no JSON", stream(&[&one, "{s3cr3t"]), "unavailable"),
        ("an error", stream(&[&one, &error]), "unavailable"),
        ("another choice", stream(&[&one, &other]), "unavailable"),
        ("a function that nobody has", stream(&[&one, &call]), "content_filter"),
        ("a pause", Manner::Stall(vec![one.clone()]), "unavailable"),
        ("no end", Manner::Endless, "unavailable"),
    ];
    for (what, manner, code) in cases {
        assistant.model.answer(manner);
        let reply = client.post(CHAT, &streamed("hi"));
        assert_eq!(reply.status, 200, "{what}: {}", reply.text());
        let data = events(&reply);
        assert_eq!(data.last().unwrap()["error"]["code"], code, "{what}");
        assert!(!data.contains(&json!("[DONE]")), "{what}");
        assert!(!reply.text().contains("s3cr3t"), "{what}: {}", reply.text());
        let entries = assistant.home.entries_in_time(reply.request_id(), 2);
        assert_eq!(entries.len(), 2, "{what}");
        assert_eq!(entries[1]["phase"], "outcome", "{what}");
        assert!(entries[1]["error_code"].is_string(), "{what}");
    }
    // Before the first piece it is an ordinary rejection.
    for manner in [stream(&["{s3cr3t"]), stream(&[]), Manner::Reset, Manner::Stall(Vec::new())] {
        assistant.model.answer(manner);
        let reply = client.post(CHAT, &streamed("hi"));
        assert_eq!((reply.status, &reply.json()["error"]["type"]), (503, &json!("server_error")));
        assert_eq!(assistant.home.entry_of(&reply)["phase"], "single");
    }
}

fn stream(data: &[&str]) -> Manner {
    let events: String = data.iter().map(|data| format!("data: {data}\n\n")).collect();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    Manner::Bytes(format!("{head}{events}").into_bytes())
}

#[test]
fn whatever_is_no_answer_is_none_and_nothing_of_it_shows() {
    let assistant = Assistant::new("timeout_ms = 500");
    let server = Server::start(&assistant.home);
    let client = assistant.client(&server);
    let json_type = "content-type: application/json\r\n";
    let good = r#"{"choices":[{"index":0,"message":{"content":"s3cr3t"},"finish_reason":"stop"}]}"#;
    let cases = [
        (200, json_type, "{", 503),
        (200, json_type, "{}", 503),
        (200, json_type, r#"{"choices":[],"s3cr3t":1}"#, 503),
        (200, json_type, r#"{"error":{"message":"s3cr3t"}}"#, 503),
        (200, "content-type: text/html\r\n", good, 503),
        (200, "content-type: application/json\r\ncontent-encoding: gzip\r\n", good, 503),
        (
            200,
            json_type,
            r#"{"choices":[{"index":5,"message":{"content":"s3cr3t"},"finish_reason":"stop"}]}"#,
            503,
        ),
        (500, json_type, r#"{"error":{"message":"s3cr3t"}}"#, 503),
        (401, json_type, r#"{"error":{"message":"s3cr3t key"}}"#, 503),
        (404, json_type, r#"{"error":{"message":"s3cr3t"}}"#, 503),
        (302, "location: http://127.0.0.1:1/s3cr3t\r\n", "", 503),
        (429, "retry-after: 7\r\n", "s3cr3t", 503),
        (400, json_type, r#"{"error":{"message":"s3cr3t"}}"#, 400),
    ];
    for (status, headers, body, expect) in cases {
        assistant.model.reply(status, headers, body);
        let reply = client.post(CHAT, &chat("hi"));
        assert_eq!(reply.status, expect, "{status} {body}: {}", reply.text());
        assert!(!reply.text().contains("s3cr3t"), "{}", reply.text());
        assert_eq!(reply.header("retry-after"), (status == 429).then_some("7"));
        let entry = assistant.home.entry_of(&reply);
        assert_eq!((&entry["status"], &entry["route"]), (&json!(expect), &json!("assistant")));
    }
    for manner in [Manner::Never, Manner::Reset] {
        assistant.model.answer(manner);
        assert_eq!(client.post(CHAT, &chat("hi")).status, 503);
    }
    assistant.model.answer(Manner::Well);
    assert_eq!(client.post(CHAT, &chat("hi")).status, 200, "{}", server.said());
}

#[test]
fn a_client_that_hangs_up_ends_the_upstream_s_work_and_has_its_outcome() {
    let assistant = Assistant::new("");
    let server = Server::start(&assistant.home);
    assistant.model.answer(Manner::Stall(vec![text("one ")]));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = assistant.client(&server);
    let body = streamed("hi").to_string();
    runtime.block_on(async {
        let work = client.exchange("POST", CHAT, body.into());
        // The first word comes, the rest never does.
        let waited = tokio::time::timeout(std::time::Duration::from_millis(700), work).await;
        assert!(waited.is_err());
    });
    drop(runtime);
    until("the upstream's connection to end", || (assistant.model.open() == 0).then_some(()));
    let outcome = until("the outcome", || {
        assistant
            .home
            .log()
            .into_iter()
            .find(|entry| entry["event"] == "completion" && entry["phase"] == "outcome")
    });
    assert_eq!(outcome["error_code"], "cancelled");
    let intents = assistant
        .home
        .log()
        .into_iter()
        .filter(|entry| entry["phase"] == "intent" && entry["event"] == "completion");
    assert_eq!(intents.count(), 1);
}

#[test]
fn another_upstream_answers_where_the_first_does_not() {
    let second = Model::start();
    let fallback =
        format!("[[route.fallback]]\nupstream = \"{}\"\nrename = {{ small = \"spare\" }}", second.url());
    let assistant = Assistant::new(&format!("timeout_ms = 1000\n{fallback}"));
    let server = Server::start(&assistant.home);
    let client = assistant.client(&server);
    assistant.model.reply(503, "", "");
    for _ in 0..8 {
        let reply = client.post(CHAT, &chat("hi"));
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.json()["model"], "small");
    }
    assert_eq!(second.last().body["model"], "spare");
    assert!(!second.last().head.contains(SECRET), "each upstream has a key of its own");
    assert!(assistant.model.got().len() < 8, "nobody waits for it any more");
}

#[test]
fn vectors_and_texts_take_the_same_way() {
    let assistant = Assistant::new("");
    let server = Server::start(&assistant.home);
    let client = assistant.client(&server);
    let reply = client.post("/v1/embeddings", &json!({ "model": "small", "input": ["a", "b"] }));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.json();
    assert_eq!(answer["data"][1]["embedding"], json!([0.5, 1.0]));
    assert_eq!((&answer["data"][0]["index"], &answer["model"]), (&json!(0), &json!("small")));
    assert_eq!(answer["usage"], json!({ "prompt_tokens": 7, "total_tokens": 7 }));
    assert_eq!(assistant.home.entry_of(&reply)["batch"], 2);
    let reply =
        client.post("/v1/completions", &json!({ "model": "small", "prompt": "once", "max_tokens": 5 }));
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["choices"][0]["text"], " and so on");
    assert_eq!(reply.json()["object"], "text_completion");
    for (path, body) in [
        ("/v1/embeddings", json!({ "model": "small", "input": [1, 2, 3] })),
        ("/v1/completions", json!({ "model": "small", "prompt": "x", "echo": true })),
        ("/v1/completions", json!({ "model": "small", "prompt": [] })),
    ] {
        assert_eq!(client.post(path, &body).status, 400, "{body}");
    }
}

#[test]
fn no_prompt_answer_or_key_turns_up_where_it_does_not_belong() {
    let assistant = Assistant::new("");
    let server = Server::with(&assistant.home, &[], &[("MANTLET_LOG", "trace")]);
    let client = assistant.client(&server);
    let canary = "xylophone-canary-4711";
    for body in [
        chat(canary),
        streamed(canary),
        json!({ "model": canary, "messages": [{ "role": canary, "content": 1 }] }),
    ] {
        client.post(CHAT, &body);
    }
    assistant.model.reply(500, "", canary);
    let failed = client.post(CHAT, &chat(canary));
    assert!(!failed.text().contains(canary));
    let metrics =
        server.client_with(&assistant.home.key("watcher", &["--monitor"]).key).get("/metrics").text();
    let said = server.said();
    for (place, text) in [("log", &said), ("metrics", &metrics)] {
        for secret in [canary, SECRET, assistant.key.as_str()] {
            assert!(!text.contains(secret), "`{secret}` is in the {place}");
        }
    }
    assert!(server.stop().success());
    for (path, bytes) in assistant.home.bytes() {
        for secret in [canary, SECRET] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "`{secret}` is in {}", path.display());
        }
    }
}
