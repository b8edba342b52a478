//! Complete mediation: every access to every object is checked, every time, and written down.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::{Value, json};

use crate::support::{
    Home, Server, mantlet,
    rows::{batch, benign, doubtful, question},
    until,
};

const PREDICT: &str = "/v1/models/breast-cancer/predict";

#[test]
fn every_answer_has_its_entry_and_every_entry_its_answer() {
    let home = Home::demo();
    let key = home.busy_key("app");
    let server = Server::start(&home);
    let client = server.client_with(&key.key);
    let mut answered = Vec::new();
    for body in [question(&benign()), question(&doubtful()), batch(&benign(), 3), json!({ "features": [] })] {
        let reply = client.post(PREDICT, &body);
        answered.extend((reply.status == 200).then(|| reply.request_id().to_owned()));
    }
    answered.push(
        client
            .post("/v2/models/breast-cancer/infer", &crate::support::rows::inference(&benign()))
            .request_id()
            .to_owned(),
    );
    server.stop();
    let log = home.log();
    let recorded: Vec<&str> = log
        .iter()
        .filter(|entry| entry["event"] == "inference" && entry["status"] == 200)
        .filter_map(|entry| entry["request_id"].as_str())
        .collect();
    assert_eq!(recorded, answered);
    assert_eq!(log.iter().filter(|entry| entry["event"] == "inference").count(), answered.len() + 1);
    // Who, what, when, from where, how much, what came of it, how long: and indices without a gap.
    let entry = log.iter().find(|entry| entry["request_id"] == answered[2].as_str()).unwrap();
    for member in [
        "ts",
        "request_id",
        "client_ip",
        "input_length",
        "output_class",
        "latency_us",
        "model_version",
        "model_digest",
        "key_id",
        "policy_ids",
    ] {
        assert!(!entry[member].is_null(), "`{member}` in {entry}");
    }
    assert_eq!(
        (&entry["batch"], &entry["action"], &entry["decision"]),
        (&json!(3), &json!("predict"), &json!("allow"))
    );
    assert!(log.iter().enumerate().all(|(index, entry)| entry["idx"] == index), "the log has a gap");
}

#[test]
fn a_receipt_proves_its_entry_offline() {
    let home = Home::demo();
    let server = Server::start(&home);
    let reply = server.client_with(home.said("demo_key")).post(PREDICT, &question(&benign()));
    let receipt = reply.header("mantlet-receipt").expect("an answer has a receipt");
    let proved = home.json(&["audit", "prove", receipt]);
    assert_eq!(proved["entry"]["request_id"], reply.request_id());
    server.stop();
    // From here on there is nothing but the proof and the log's public key.
    let (proof, key) = (home.beside("proof"), proved["vkey"].as_str().unwrap());
    std::fs::write(&proof, proved["proof"].as_str().unwrap()).unwrap();
    let check = |path: &std::path::Path, key: &str| {
        let mut command = mantlet();
        command.args(["audit", "verify", "--proof", path.to_str().unwrap(), "--vkey", key]).output().unwrap()
    };
    let output = check(&proof, key);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let entry: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(entry["request_id"], reply.request_id());
    // A changed entry, or another log's key, proves nothing.
    let forged = proved["proof"].as_str().unwrap();
    let at = forged.len() / 2;
    let swapped = if forged.as_bytes()[at] == b'A' { "B" } else { "A" };
    std::fs::write(&proof, format!("{}{swapped}{}", &forged[..at], &forged[at + 1..])).unwrap();
    assert_ne!(check(&proof, key).status.code(), Some(0));
    std::fs::write(&proof, forged).unwrap();
    let other = Home::demo().verdict()["vkey"].as_str().unwrap().to_owned();
    assert_ne!(check(&proof, &other).status.code(), Some(0));
    // Receipts are opaque, and a made-up one finds nothing.
    assert_eq!(home.run(&["audit", "prove", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]).status.code(), Some(1));
    assert_eq!(home.run(&["audit", "prove", "1"]).status.code(), Some(1));
}

#[test]
fn hanging_up_skips_no_entry() {
    let home = Home::demo();
    let key = home.busy_key("app");
    let server = Server::with(&home, &["--plaintext-loopback"], &[]);
    let body = question(&benign()).to_string();
    let trace = |number: usize| format!("{number:032x}");
    // The server asks for the body once it mediates. From then on, nobody gets out of being written down.
    let begin = |number: usize| {
        let mut stream = TcpStream::connect(server.address).unwrap();
        let head = format!(
            "POST {PREDICT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nexpect: 100-continue\r\n\
             traceparent: 00-{}-00f067aa0ba902b7-01\r\ncontent-length: {}\r\n\r\n",
            key.key,
            trace(number),
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut go_on = [0; 12];
        stream.read_exact(&mut go_on).unwrap();
        assert_eq!(&go_on, b"HTTP/1.1 100");
        stream
    };
    let parts = [body.len(), body.len(), body.len() / 2, 1, 0];
    for (number, part) in (1..).zip(parts) {
        begin(number).write_all(&body.as_bytes()[..part]).unwrap();
    }
    for (number, part) in (1..).zip(parts) {
        let entry = until("the entry of a client that hung up", || {
            home.log().into_iter().find(|entry| entry["trace_id"] == trace(number).as_str())
        });
        assert_eq!(
            (&entry["event"], &entry["principal"]),
            (&json!("inference"), &json!("consumer:app")),
            "{entry}"
        );
        assert!(part == body.len() || entry["status"] != 200, "{entry}");
    }
}

#[test]
fn one_connection_is_checked_at_every_request() {
    let home = Home::demo();
    let key = home.busy_key("app");
    let server = Server::with(&home, &["--plaintext-loopback"], &[]);
    let mut stream = TcpStream::connect(server.address).unwrap();
    let body = question(&benign()).to_string();
    let mut ask = |credential: &str| {
        let request = format!(
            "POST {PREDICT} HTTP/1.1\r\nhost: x\r\n{credential}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut read = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let count = stream.read(&mut buffer).unwrap();
            read.extend_from_slice(&buffer[..count]);
            let text = String::from_utf8_lossy(&read);
            if text.trim_end().ends_with('}') {
                return text.split(' ').nth(1).unwrap().to_owned();
            }
        }
    };
    let credential = format!("authorization: Bearer {}\r\n", key.key);
    assert_eq!(ask(&credential), "200");
    assert_eq!(ask(""), "401", "what the connection's last request showed counts for this one");
    assert_eq!(ask(&credential), "200");
    home.json(&["key", "revoke", &key.kid]);
    assert_eq!(ask(&credential), "401", "a revoked key still opens an old connection");
}

#[test]
fn requests_for_nothing_are_counted() {
    let home = Home::demo();
    let server = Server::start(&home);
    let client = server.client_with(home.said("demo_key"));
    for path in ["/nothing", "/v1/models/Not%20A%20Name/predict"] {
        assert_eq!(client.post(path, &json!({})).status, 404);
    }
    assert_eq!(client.send("DELETE", PREDICT, "").status, 405);
    server.stop();
    let counted: u64 = home.strangers().values().sum();
    let named = home.log().iter().filter(|entry| [json!(404), json!(405)].contains(&entry["status"])).count();
    assert_eq!(
        counted + named as u64,
        3,
        "requests that match no route leave no trace: {:?}",
        home.strangers()
    );
}

#[test]
fn the_log_tells_who_read_it() {
    let home = Home::demo();
    let server = Server::start(&home);
    let owner = server.client_as(&home.founder(home.said("operator")));
    let reply = owner.post("/audit/v1/search", &json!({ "event": "key.create", "project": "home" }));
    assert_eq!(reply.status, 200);
    let found = reply.json();
    assert!(
        found["entries"].as_array().unwrap().iter().all(|entry| entry["event"] == "key.create"),
        "{found}"
    );
    let entry = home.entry_of(&reply);
    assert_eq!((&entry["event"], &entry["action"]), (&json!("audit.read"), &json!("read_audit")));
}

#[test]
fn a_change_is_in_the_log_before_it_is_made() {
    let home = Home::demo();
    let key = home.key("app", &["--model", "breast-cancer"]);
    let log = home.log();
    let made: Vec<&Value> = log
        .iter()
        .filter(|entry| entry["subject"].as_str().is_some_and(|subject| subject.contains(&key.kid)))
        .collect();
    let phases: Vec<&Value> = made.iter().map(|entry| &entry["phase"]).collect();
    assert_eq!(phases, [&json!("intent"), &json!("outcome")]);
    assert_eq!(made[1]["intent_idx"], made[0]["idx"]);
    assert_eq!(made[1]["status"], 200);
}
