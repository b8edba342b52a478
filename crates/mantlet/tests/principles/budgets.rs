//! What language models take in tokens and money is bounded, by application and by route: estimated before, settled after,
//! and never forgotten within its day.

use std::fs;

use serde_json::{Value, json};

use crate::{
    routes::{Assistant, chat, events, streamed},
    support::{
        Reply, Server,
        llm::{Manner, text},
        until,
    },
};

const CHAT: &str = "/v1/chat/completions";

/// The upstream says 7 and 5 of every answer. "hi" is estimated at 10: two bytes, and eight for a message.
const TAKEN: u64 = 12;

/// A route whose models cost 1 and 3 millionths a token.
const PRICED: &str =
    "[route.limits.prices]\nsmall = { input = 1, output = 3 }\nlarge = { input = 0, output = 0.0 }";

fn check_refused(reply: &Reply, code: &str, policy: &str) {
    assert_eq!(reply.status, 429, "{}", reply.text());
    let error = &reply.json()["error"];
    let kind = if code == "insufficient_quota" { code } else { "rate_limit_error" };
    assert_eq!((&error["code"], &error["type"], &error["param"]), (&json!(code), &json!(kind), &Value::Null));
    assert!(error["message"].is_string());
    let named = |name: &str| reply.header(name).unwrap_or_default().starts_with(&format!("\"{policy}\";"));
    assert!(named("ratelimit-policy") && named("ratelimit"), "{:?}", reply.headers);
}

#[test]
fn an_application_gets_no_further_than_its_tokens() {
    let assistant = Assistant::new("");
    let poor = assistant.home.key("poor", &["--route", "assistant", "--tokens-per-day", "30"]).key;
    let server = Server::start(&assistant.home);
    let client = server.client_with(&poor);
    let first = client.post(CHAT, &chat("hi"));
    assert_eq!(first.status, 200, "{}", first.text());
    let policy = first.header("ratelimit-policy").unwrap();
    assert!(
        policy.starts_with("\"predictions\";") && policy.contains("\"tokens_per_day\";q=30;w=86400"),
        "{policy}"
    );
    // What a stream took is asked of the upstream, and not told to whoever has not asked.
    let second = client.post(CHAT, &streamed("hi"));
    assert_eq!(second.status, 200, "{}", second.text());
    assert_eq!(assistant.model.last().body["stream_options"], json!({ "include_usage": true }));
    assert!(!second.text().contains("usage"), "{}", second.text());
    let outcome = assistant.home.entries_in_time(second.request_id(), 2).remove(1);
    assert_eq!((&outcome["input_tokens"], &outcome["output_tokens"]), (&json!(7), &json!(5)));
    let asked = assistant.model.got().len();
    let third = client.post(CHAT, &chat("hi"));
    check_refused(&third, "insufficient_quota", "tokens_per_day");
    assert!(
        third.header("ratelimit").unwrap().contains(&format!(";r={};", 30 - 2 * TAKEN)),
        "{:?}",
        third.headers
    );
    let wait: u64 = third.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=86_401).contains(&wait), "{wait}");
    assert_eq!(third.header("x-should-retry"), (wait > 60).then_some("false"));
    assert_eq!(assistant.model.got().len(), asked, "nobody was asked");
    let entry = assistant.home.entry_of(&third);
    assert_eq!((&entry["error_code"], entry.get("input_tokens")), (&json!("insufficient_quota"), None));
    assert_eq!(assistant.client(&server).post(CHAT, &chat("hi")).status, 200, "others have their own");
    // The same for a minute, which comes back sooner; and what never fits is not to be tried again.
    let slow = assistant.home.key("slow", &["--route", "assistant", "--tokens-per-minute", "15"]).key;
    let client = server.client_with(&slow);
    assert_eq!(client.post(CHAT, &chat("hi")).status, 200);
    let refused = client.post(CHAT, &chat("hi"));
    check_refused(&refused, "rate_limit_exceeded", "tokens_per_minute");
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() <= 61);
    let mut long = chat("hi");
    long["max_tokens"] = json!(16);
    let never = client.post(CHAT, &long);
    check_refused(&never, "rate_limit_exceeded", "tokens_per_minute");
    assert_eq!((never.header("retry-after"), never.header("x-should-retry")), (None, Some("false")));
}

#[test]
fn money_is_counted_by_the_route_s_prices() {
    let limits = format!("[route.limits]\ncost_per_day = 0.00005\n{PRICED}");
    let assistant = Assistant::new(&limits);
    let server = Server::start(&assistant.home);
    let client = assistant.client(&server);
    let first = client.post(CHAT, &chat("hi"));
    assert_eq!(first.status, 200, "{}", first.text());
    assert_eq!(assistant.home.entry_of(&first)["cost_micros"], 7 + 3 * 5);
    assert_eq!(client.post(CHAT, &chat("hi")).status, 200);
    check_refused(&client.post(CHAT, &chat("hi")), "insufficient_quota", "cost_per_day");
    let mut free = chat("hi");
    free["model"] = json!("large");
    let free = client.post(CHAT, &free);
    assert_eq!(free.status, 200, "what costs nothing is no matter of cost: {}", free.text());
    assert_eq!(assistant.home.entry_of(&free)["cost_micros"], 0);
    let monitor = assistant.home.key("watcher", &["--monitor"]).key;
    let metrics = server.client_with(&monitor).get("/metrics").text();
    for line in [
        r#"mantlet_route_prompts_total{route="assistant",model="small",end="answered"} 2"#,
        r#"mantlet_route_prompts_total{route="assistant",model="small",end="limited"} 1"#,
        r#"mantlet_route_prompts_total{route="assistant",model="large",end="answered"} 1"#,
        r#"mantlet_route_tokens_total{route="assistant",model="small",direction="in"} 14"#,
        r#"mantlet_route_tokens_total{route="assistant",model="small",direction="out"} 10"#,
        r#"mantlet_route_cost_total{route="assistant",model="small"} 0.000044"#,
        r#"mantlet_route_guard_total{route="assistant",model="small",verdict="clean"} 2"#,
        r#"mantlet_route_upstream_calls_total{route="assistant",upstream="0",end="answered"} 3"#,
        r#"mantlet_route_upstream_breaker{route="assistant",upstream="0"} 0"#,
    ] {
        assert!(metrics.lines().any(|have| have == line), "{line} in\n{metrics}");
    }
}

#[test]
fn a_budget_of_money_lets_nothing_pass_that_has_no_price() {
    let assistant = Assistant::new("");
    let thrifty = assistant.home.key("thrifty", &["--route", "assistant", "--cost-per-day", "2.50"]).key;
    let server = Server::start(&assistant.home);
    let reply = server.client_with(&thrifty).post(CHAT, &chat("hi"));
    assert_eq!((reply.status, assistant.model.got().len()), (503, 0), "{}", reply.text());
    assert!(server.said().contains("has no price"), "{}", server.said());
}

#[test]
fn all_applications_of_a_route_have_one_budget_together() {
    let assistant = Assistant::new("[route.limits.total]\ntokens_per_day = 30");
    let other = assistant.home.key("other", &["--route", "assistant"]).key;
    let server = Server::start(&assistant.home);
    assert_eq!(assistant.client(&server).post(CHAT, &chat("hi")).status, 200);
    assert_eq!(server.client_with(&other).post(CHAT, &chat("hi")).status, 200);
    let refused = server.client_with(&other).post(CHAT, &chat("hi"));
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (429, &json!("insufficient_quota")));
    // How much of it others have used is nobody's business.
    assert_eq!((refused.header("ratelimit"), refused.header("ratelimit-policy")), (None, None));
    assert!(refused.header("retry-after").is_some());
}

#[test]
fn what_nobody_has_taken_is_given_back_and_what_somebody_has_is_not() {
    let assistant = Assistant::new("timeout_ms = 2000\n[route.limits]\ntokens_per_day = 36");
    let server = Server::start(&assistant.home);
    let client = assistant.client(&server);
    let json_type = "content-type: application/json\r\n";
    for (status, body) in [(503, ""), (429, ""), (400, "{}"), (404, "{}")] {
        assistant.model.reply(status, json_type, body);
        let reply = client.post(CHAT, &chat("hi"));
        assert_ne!(reply.status, 200);
        assert_eq!(assistant.home.entry_of(&reply).get("input_tokens"), None, "{status}");
    }
    let invalid = client.post(CHAT, &json!({ "model": "small", "n": 99, "messages": [] }));
    assert_eq!(invalid.status, 400);
    assistant.model.answer(Manner::Well);
    assert_eq!(client.post(CHAT, &chat("hi")).status, 200, "all of it was given back");
    // One that has the prompt and gives no answer may charge for it: 12 of 36 are left after this.
    let mut short = chat("hi");
    short["max_tokens"] = json!(2);
    assistant.model.reply(200, json_type, "{");
    let lost = client.post(CHAT, &short);
    assert_eq!(lost.status, 503, "{}", lost.text());
    let entry = assistant.home.entry_of(&lost);
    assert_eq!((&entry["input_tokens"], &entry["output_tokens"]), (&json!(10), &json!(2)));
    assistant.model.answer(Manner::Well);
    short["max_tokens"] = json!(3);
    check_refused(&client.post(CHAT, &short), "insufficient_quota", "tokens_per_day");
    short["max_tokens"] = json!(2);
    assert_eq!(client.post(CHAT, &short).status, 200);
}

#[test]
fn answers_count_as_many_times_as_there_are_of_them() {
    let assistant = Assistant::new("[route.limits]\ntokens_per_day = 100");
    let server = Server::start(&assistant.home);
    let mut body = chat("hi");
    (body["n"], body["max_tokens"]) = (json!(3), json!(31));
    let refused = assistant.client(&server).post(CHAT, &body);
    check_refused(&refused, "insufficient_quota", "tokens_per_day");
    body["max_tokens"] = json!(30);
    assert_ne!(assistant.client(&server).post(CHAT, &body).status, 429);
}

/// Begins a stream whose first word comes and whose rest never does, and lets go of it.
fn hang_up(assistant: &Assistant, server: &Server, body: &Value) {
    assistant.model.answer(Manner::Stall(vec![text("one ")]));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = assistant.client(server);
    runtime.block_on(async {
        let work = client.exchange("POST", CHAT, body.to_string().into());
        let waited = tokio::time::timeout(std::time::Duration::from_millis(700), work).await;
        assert!(waited.is_err());
    });
}

#[test]
fn who_hangs_up_is_charged_what_was_reserved() {
    let assistant = Assistant::new("[route.limits]\ntokens_per_day = 1000");
    let server = Server::start(&assistant.home);
    let mut body = streamed("hi");
    body["max_tokens"] = json!(900);
    hang_up(&assistant, &server, &body);
    let outcome = until("the outcome", || {
        let ended = |entry: &Value| entry["event"] == "completion" && entry["phase"] == "outcome";
        assistant.home.log().into_iter().find(ended)
    });
    assert_eq!(outcome["error_code"], "cancelled");
    let (input, output) =
        (outcome["input_tokens"].as_u64().unwrap(), outcome["output_tokens"].as_u64().unwrap());
    // What a model thinks before it speaks is told at the end alone, which nobody waited for.
    assert_eq!((input, output), (10, 900), "{outcome}");
    assistant.model.answer(Manner::Well);
    let mut rest = chat("hi");
    rest["max_tokens"] = json!(1_000 - input - output - 10);
    assert_eq!(assistant.client(&server).post(CHAT, &rest).status, 200);
}

#[test]
fn no_end_of_the_process_gives_back_what_a_day_has_seen() {
    let assistant = Assistant::new("[route.limits]\ntokens_per_day = 1000");
    let small = assistant.home.key("small", &["--route", "assistant", "--tokens-per-day", "30"]).key;
    let server = Server::start(&assistant.home);
    for _ in 0..2 {
        assert_eq!(server.client_with(&small).post(CHAT, &chat("hi")).status, 200);
    }
    // An answer is under way, and has not ended when the process does: what was reserved for it is what it took.
    assistant.model.answer(Manner::Stall(vec![text("one ")]));
    let mut body = streamed("hi");
    body["max_tokens"] = json!(900);
    let client = assistant.client(&server);
    let waiting = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { drop(client.exchange("POST", CHAT, body.to_string().into()).await) });
    });
    until("the intent", || {
        let begun = |entry: &Value| entry["event"] == "completion" && entry["phase"] == "intent";
        assistant.home.log().into_iter().find(begun)
    });
    server.kill();
    waiting.join().unwrap();
    assistant.model.answer(Manner::Well);
    // Once after a kill, and once more after an orderly end: what the first start wrote down counts once.
    for _ in 0..2 {
        let server = Server::start(&assistant.home);
        check_refused(
            &server.client_with(&small).post(CHAT, &chat("hi")),
            "insufficient_quota",
            "tokens_per_day",
        );
        let mut more = chat("hi");
        more["max_tokens"] = json!(81);
        check_refused(&assistant.client(&server).post(CHAT, &more), "insufficient_quota", "tokens_per_day");
        assert!(server.stop().success());
    }
    let server = Server::start(&assistant.home);
    let mut rest = chat("hi");
    rest["max_tokens"] = json!(80);
    assert_eq!(assistant.client(&server).post(CHAT, &rest).status, 200, "10 and 900 of 1000 are gone");
}

#[test]
fn a_reload_changes_limits_and_not_what_was_spent() {
    let assistant = Assistant::new("[route.limits]\ntokens_per_day = 1000");
    let server = Server::start(&assistant.home);
    assert_eq!(assistant.client(&server).post(CHAT, &chat("hi")).status, 200);
    let file = assistant.home.path.join("mantlet.toml");
    for (limit, status) in [("20", 429), ("1000", 200)] {
        let old = fs::read_to_string(&file).unwrap();
        let line = old.lines().find(|line| line.starts_with("tokens_per_day")).unwrap().to_owned();
        fs::write(&file, old.replace(&line, &format!("tokens_per_day = {limit}"))).unwrap();
        assistant.home.json(&["config", "reload"]);
        assert_eq!(assistant.client(&server).post(CHAT, &chat("hi")).status, status, "{limit}");
    }
}

#[test]
fn a_limit_that_cannot_be_kept_is_no_configuration() {
    for (keys, says) in [
        ("[route.limits]\ncost_per_day = 5", "without a price"),
        ("[route.limits.total]\ncost_per_day = 5", "without a price"),
        ("[route.limits]\ntokens_per_day = 0", "out of range"),
        ("[route.limits]\ntoken_per_day = 10", "tokens_per_day"),
        ("[route.limits.prices]\nsmaller = { input = 1, output = 1 }", "does not list"),
        ("[route.limits.prices]\nsmall = { input = -1, output = 1 }", "out of range"),
        ("[route.limits.prices]\nsmall = { input = nan, output = 1 }", "out of range"),
        ("[route.limits.prices]\nsmall = { input = 1 }", "output"),
    ] {
        let home = crate::support::Home::demo();
        let section = format!(
            "[[route]]\nname = \"assistant\"\nupstream = \"http://127.0.0.1:1/v1\"\nmodels = [\"small\"]\n{keys}"
        );
        home.configure(&section);
        let output = home.run(&["config", "check"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(says), "{keys}: {said}");
    }
}

#[test]
fn a_second_key_has_the_budget_of_the_first() {
    let assistant = Assistant::new("");
    let create = |budget: &[&str]| {
        let mut arguments = vec!["key", "create", "--consumer", "poor", "--route", "assistant"];
        arguments.extend(budget);
        assistant.home.run(&arguments)
    };
    for wrong in [["--tokens-per-day", "0"], ["--cost-per-day", "-1"], ["--cost-per-day", "0"]] {
        assert!(!create(&wrong).status.success(), "{wrong:?}");
    }
    assert!(create(&["--tokens-per-day", "30", "--cost-per-day", "1.5"]).status.success());
    assert!(create(&[]).status.success());
    assert!(!create(&["--tokens-per-day", "3000"]).status.success(), "another key does not widen it");
    let listed = assistant.home.json(&["key", "list"]);
    let keys = listed.as_array().or_else(|| listed["keys"].as_array()).unwrap();
    let budgets: Vec<&Value> =
        keys.iter().filter(|key| key["owner"] == "consumer:poor").map(|key| &key["budget"]).collect();
    let expect = json!({ "tokens_per_day": 30, "cost_per_day_micros": 1_500_000 });
    assert_eq!(budgets, [&expect, &expect]);
    let changed = assistant.home.json(&["consumer", "change", "poor", "--tokens-per-minute", "7"]);
    let expect = json!({ "tokens_per_minute": 7, "tokens_per_day": 30, "cost_per_day_micros": 1_500_000 });
    assert_eq!(changed["budget"], expect);
}

#[test]
fn what_is_told_of_a_stream_is_told_to_whoever_asks() {
    let assistant = Assistant::new("");
    let server = Server::start(&assistant.home);
    // An upstream that says nothing of what it took: what is counted stands.
    let events_of = |data: &[String]| {
        let events: String = data.iter().map(|data| format!("data: {data}\n\n")).collect();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        Manner::Bytes(format!("{head}{events}").into_bytes())
    };
    let end = crate::support::llm::finish("stop");
    assistant.model.answer(events_of(&[text("one two three four"), end, "[DONE]".to_owned()]));
    let mut body = streamed("hi");
    body["stream_options"] = json!({ "include_usage": true });
    let reply = assistant.client(&server).post(CHAT, &body);
    let told = events(&reply).into_iter().find(|event| event["usage"].is_object()).unwrap();
    let entry = assistant.home.entries_in_time(reply.request_id(), 2).remove(1);
    assert_eq!(told["usage"]["completion_tokens"], entry["output_tokens"]);
    let output = entry["output_tokens"].as_u64().unwrap();
    assert!((4..=18).contains(&output), "{output}");
}
