//! What a language model is not to say by itself, a person decides: whole, before any of it leaves.

use serde_json::{Value, json};

use crate::{
    routes::{Assistant, chat, events, streamed},
    support::{Client, Reply, Server},
};

const CHAT: &str = "/v1/chat/completions";

/// What the upstream answers to "hi".
const ANSWER: &str = "you said: hi";

fn check_held(reply: &Reply) {
    assert_eq!(reply.status, 403, "{}", reply.text());
    let error = &reply.json()["error"];
    assert_eq!((&error["code"], &error["type"]), (&json!("held_for_review"), &json!("held_for_review")));
    assert!(!reply.text().contains("you said"), "{}", reply.text());
}

fn poll(client: &Client, asked: &Reply) -> Value {
    let reply = client.get(&format!("/v1/models/assistant/reviews/{}", asked.request_id()));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["rows"][0].clone()
}

/// The item of a request, as a reviewer sees it.
fn item(reviewer: &Client, asked: &Reply) -> String {
    let listed = reviewer.get("/admin/v1/reviews?model=assistant").json();
    let mut all = listed["reviews"].as_array().unwrap().iter();
    let found = all.find(|item| item["request_id"] == asked.request_id()).expect("it is there");
    assert_eq!((&found["route"], found.get("model")), (&json!("assistant"), None));
    found["item"].as_str().unwrap().to_owned()
}

#[test]
fn a_held_answer_waits_for_a_person_and_then_reaches_who_asked() {
    let assistant = Assistant::new("hold = \"always\"");
    let rita = assistant.home.bound("rita", "reviewer");
    let other = assistant.home.key("other", &["--route", "assistant"]).key;
    let server = Server::start(&assistant.home);
    let (app, reviewer) = (assistant.client(&server), server.client_as(&rita));
    let canary = "violet-prompt-5521";
    let (whole, pieces) = (app.post(CHAT, &chat(canary)), app.post(CHAT, &streamed("hi")));
    for held in [&whole, &pieces] {
        check_held(held);
        let entry = assistant.home.entry_of(held);
        assert_eq!((&entry["error_code"], &entry["output_tokens"]), (&json!("held_for_review"), &json!(5)));
        assert!(entry["screen"].as_array().unwrap().contains(&json!("held:1")), "{entry}");
        assert_eq!(poll(&app, held), json!({ "row": 0, "status": "pending" }));
    }
    assert_eq!(assistant.model.last().body["stream"], Value::Null, "it is asked for the whole");
    let stranger = server.client_with(&other);
    assert_eq!(stranger.get(&format!("/v1/models/assistant/reviews/{}", whole.request_id())).status, 404);
    // The reviewer sees what was asked, and what would leave.
    let (first, second) = (item(&reviewer, &whole), item(&reviewer, &pieces));
    let shown = reviewer.get(&format!("/admin/v1/reviews/{first}")).json();
    assert_eq!(shown["prompt"], json!([{ "role": "user", "content": canary }]));
    assert_eq!(shown["answer"][0]["text"], format!("you said: {canary}"));
    // Nothing of it is readable where it is kept.
    for (path, bytes) in assistant.home.bytes() {
        assert!(!bytes.windows(canary.len()).any(|at| at == canary.as_bytes()), "{}", path.display());
    }
    // Upheld it leaves as it was, and otherwise what the person says.
    let decide =
        |item: &str, ruling: Value| reviewer.post(&format!("/admin/v1/reviews/{item}/decide"), &ruling);
    assert_eq!(decide(&second, json!({ "result": "better not" })).status, 400, "a reason is missing");
    assert_eq!(decide(&first, json!({ "uphold": true })).status, 200);
    assert_eq!(decide(&second, json!({ "result": "Better not.", "reason": "so" })).status, 200);
    let upheld = poll(&app, &whole);
    assert_eq!(
        (&upheld["status"], &upheld["answer"]["object"]),
        (&json!("decided"), &json!("chat.completion"))
    );
    assert_eq!(upheld["answer"]["choices"][0]["message"]["content"], format!("you said: {canary}"));
    assert_eq!(upheld["answer"]["usage"]["total_tokens"], 12);
    assert_eq!(poll(&app, &pieces)["answer"]["choices"][0]["message"]["content"], "Better not.");
    let printed = assistant.home.run(&["review", "list", "--model", "assistant", "--status", "decided"]);
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    // What is erased is gone, for who asked as for everybody.
    assert_eq!(reviewer.send("DELETE", &format!("/admin/v1/reviews/{first}"), "").status, 200);
    assert_eq!(poll(&app, &whole), json!({ "row": 0, "status": "erased" }));
}

#[test]
fn where_only_what_was_flagged_is_held_the_rest_leaves_as_it_was_asked_for() {
    let assistant = Assistant::new("hold = \"flagged\"\n[route.output]\nredact = [\"email\"]");
    let server = Server::start(&assistant.home);
    let client = assistant.client(&server);
    assert_eq!(client.post(CHAT, &chat("hi")).json()["choices"][0]["message"]["content"], ANSWER);
    // Who has asked for pieces gets pieces, though all of it was there before the first.
    let reply = client.post(CHAT, &streamed("hi"));
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, Some("text/event-stream")),
        "{}",
        reply.text()
    );
    let data = events(&reply);
    let said: String =
        data.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!((said.as_str(), data.last()), (ANSWER, Some(&json!("[DONE]"))));
    assert_eq!(assistant.home.entry_of(&reply)["phase"], "single");
    // Something was taken out of this one.
    check_held(&client.post(CHAT, &chat("write to ann@example.com")));
}

#[test]
fn what_cannot_be_held_is_not_answered() {
    let assistant = Assistant::new("hold = \"always\"");
    assistant.home.configure("[review]\npending_per_principal = 1");
    let server = Server::start(&assistant.home);
    let client = assistant.client(&server);
    check_held(&client.post(CHAT, &chat("hi")));
    let full = client.post(CHAT, &chat("hi there"));
    assert_eq!(
        (full.status, &full.json()["error"]["code"]),
        (400, &json!("content_filter")),
        "{}",
        full.text()
    );
    let entry = assistant.home.entry_of(&full);
    assert!(entry["screen"].as_array().unwrap().contains(&json!("not_held:1")), "{entry}");
    // Vectors are no answer that a person could look at.
    assert_eq!(client.post("/v1/embeddings", &json!({ "model": "small", "input": "hi" })).status, 200);
}
