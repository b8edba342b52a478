//! Defence in depth: several layers of security, so that where one fails, others remain; each can stop a request alone.

use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
};

use serde_json::{Value, json};

use crate::support::{
    Home, Reply, Server,
    rows::{benign, doubtful, inference, named, question},
};

const PREDICT: &str = "/v1/models/breast-cancer/predict";

fn asking(home: &Home, server: &Server) -> impl Fn(&Value) -> Reply {
    let client = server.client_with(home.said("demo_key"));
    move |body| client.post(PREDICT, body)
}

/// Sends all of a body that nobody will read, and only then looks for the answer, as many clients do.
fn stubborn(stream: &mut (impl Read + Write), head: &str) -> String {
    const BODY_BYTES: usize = 4 << 20;
    write!(stream, "{head}content-type: application/json\r\ncontent-length: {BODY_BYTES}\r\n\r\n").unwrap();
    stream.write_all(&vec![b' '; BODY_BYTES]).unwrap();
    stream.flush().unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

#[test]
fn who_is_refused_while_they_still_send_hears_why() {
    let home = Home::demo();
    let key = home.key("shop", &["--model", "breast-cancer", "--rate", "1/min"]).key;
    let server = Server::start(&home);
    let post = |credential: &str| {
        format!("POST /v1/models/breast-cancer/predict HTTP/1.1\r\nhost: localhost\r\n{credential}")
    };
    let over_tls = |head: &str| {
        let config =
            rustls::ClientConfig::builder().with_root_certificates(crate::support::client::roots(&server.ca));
        let name = rustls_pki_types::ServerName::IpAddress(server.address.ip().into());
        let session =
            rustls::ClientConnection::new(std::sync::Arc::new(config.with_no_client_auth()), name).unwrap();
        let mut stream = rustls::StreamOwned::new(session, TcpStream::connect(server.address).unwrap());
        stubborn(&mut stream, head)
    };
    let known = format!("authorization: Bearer {key}\r\n");
    let answer = over_tls(&post(""));
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert_eq!(
        server.client_with(&key).post("/v1/models/breast-cancer/predict", &question(&benign())).status,
        200
    );
    let answer = over_tls(&post(&known));
    assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
    let answer = over_tls("POST /nowhere HTTP/1.1\r\nhost: localhost\r\n");
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    let mut socket = UnixStream::connect(home.path.join("run/control.sock")).unwrap();
    let answer = stubborn(&mut socket, "POST /admin/v1/users HTTP/1.1\r\nhost: localhost\r\n");
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    // Who sends on and on is not listened to for ever.
    let mut socket = UnixStream::connect(home.path.join("run/control.sock")).unwrap();
    let began = std::time::Instant::now();
    let head = "POST /nowhere HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000000000\r\n\r\n";
    socket.write_all(head.as_bytes()).unwrap();
    while socket.write_all(&[b' '; 1 << 16]).is_ok() {
        assert!(began.elapsed() < crate::support::PATIENCE, "still taken");
    }
}

#[test]
fn the_perimeter_admits_nobody_if_nobody_is_on_the_list() {
    let home = Home::demo();
    home.configure("[server]\nallow = []\n");
    let server = Server::start(&home);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for client in [server.client(), server.client_with(home.said("demo_key"))] {
        for path in ["/v2/health/live", PREDICT] {
            let outcome = runtime.block_on(client.exchange("GET", path, bytes::Bytes::new()));
            assert!(outcome.is_err(), "{path}: {outcome:?}");
        }
    }
    // The owner's way in is not the network.
    assert!(!home.json(&["key", "list"]).as_array().unwrap().is_empty());
}

#[test]
fn the_perimeter_knows_networks() {
    let home = Home::demo();
    home.configure("[server]\nallow = [\"192.0.2.0/24\"]\ntrusted_proxies = [\"127.0.0.0/8\"]\n");
    let server = Server::start(&home);
    let client = server.client_with(home.said("demo_key"));
    let ask = |from: Option<&str>| {
        let client = from.map_or(client.clone(), |from| client.clone().header("x-forwarded-for", from));
        client.post(PREDICT, &question(&benign()))
    };
    let inside = ask(Some("192.0.2.7"));
    assert_eq!(inside.status, 200, "{}", inside.text());
    assert_eq!(home.entry_of(&inside)["client_ip"], "192.0.2.7");
    assert_eq!(ask(Some("203.0.113.9")).status, 403);
    // What a client writes in front of what the proxy saw does not count.
    assert_eq!(ask(Some("192.0.2.7, 203.0.113.9")).status, 403);
    assert_eq!(ask(None).status, 403, "the proxy itself is no client");
    assert_eq!(ask(Some("not an address")).status, 400);
}

#[test]
fn a_key_holds_only_where_it_was_meant_for() {
    let home = Home::demo();
    let key = home.key("app", &["--model", "breast-cancer", "--network", "192.0.2.0/24"]);
    let server = Server::start(&home);
    assert_eq!(server.client_with(&key.key).post(PREDICT, &question(&benign())).status, 401);
}

#[test]
fn guessing_is_slowed_down_by_address_and_does_not_stop_others() {
    let home = Home::demo();
    home.configure("[limits]\nfailures_per_minute = 5\n");
    let server = Server::start(&home);
    let guess = server.client_with("mtk_live_guess");
    let statuses: Vec<u16> = (0..8).map(|_| guess.post(PREDICT, &question(&benign())).status).collect();
    assert_eq!(statuses[..5], [401; 5]);
    assert_eq!(statuses[7], 429);
    let held = guess.post(PREDICT, &question(&benign()));
    assert!(held.header("retry-after").is_some());
    held.assert_discreet();
    assert!(home.json(&["key", "list"]).is_array(), "the owner's socket is no address");
}

#[test]
fn the_schema_stops_what_the_model_was_not_made_for() {
    let home = Home::demo();
    let key = home.busy_key("app");
    let server = Server::start(&home);
    let client = server.client_with(&key.key);
    let with = |name: &str, value: Value| {
        let mut row = named(&benign());
        row.insert(name.to_owned(), value);
        json!({ "features": row })
    };
    let mut lacking = named(&benign());
    lacking.remove("mean_area");
    let short = &benign()[1..];
    let cases = [
        ("a string for a number", with("mean_area", json!("357.6")), "mean_area"),
        ("null for a number", with("mean_area", Value::Null), "mean_area"),
        ("a list for a number", with("mean_area", json!([1])), "mean_area"),
        ("a truth for a number", with("mean_area", json!(true)), "mean_area"),
        ("a feature too many", with("postal_code", json!(1)), "features"),
        ("a feature too few", json!({ "features": lacking }), "mean_area"),
        ("a row too short", json!({ "features": short }), "features"),
        ("no row", json!({ "features": [] }), "features"),
        ("no features", json!({}), "features"),
        ("another member", json!({ "features": named(&benign()), "model": "x" }), "body"),
        (
            "an option that the model does not know",
            json!({ "features": named(&benign()), "options": { "temperature": 1 } }),
            "options",
        ),
        ("a number beyond a float", with("mean_area", json!(1e300)), "mean_area"),
    ];
    for (what, body, field) in cases {
        let reply = client.post(PREDICT, &body);
        assert_eq!(reply.status, 400, "{what}: {}", reply.text());
        let said = reply.json();
        assert_eq!(
            (&said["code"], &said["title"]),
            (&json!("invalid_input"), &json!("invalid input format")),
            "{what}"
        );
        assert_eq!(said["field"], field, "{what}");
        reply.assert_discreet();
        let entry = home.entry_of(&reply);
        assert_eq!(
            (&entry["status"], &entry["error_code"]),
            (&json!(400), &json!("invalid_input")),
            "{what}"
        );
    }
    let v2 = "/v2/models/breast-cancer/infer";
    let mut wrong = inference(&benign());
    wrong["inputs"][0]["shape"] = json!([2, 30]);
    let mut named_wrong = inference(&benign());
    named_wrong["inputs"][0]["name"] = json!("inputs");
    let mut typed_wrong = inference(&benign());
    typed_wrong["inputs"][0]["datatype"] = json!("BYTES");
    for body in [wrong, named_wrong, typed_wrong, json!({ "inputs": [] }), json!([])] {
        let reply = client.post(v2, &body);
        assert_eq!(reply.status, 400, "{body}");
        assert!(
            reply.json()["error"].as_str().unwrap().starts_with("invalid input format"),
            "{}",
            reply.text()
        );
        reply.assert_discreet();
    }
}

#[test]
fn a_value_far_from_all_that_was_seen_is_rejected_and_one_nearby_remarked_on() {
    let home = Home::demo();
    let server = Server::start(&home);
    let ask = asking(&home, &server);
    let mut row = named(&benign());
    row.insert("mean_area".to_owned(), json!(1e9));
    let far = ask(&json!({ "features": row }));
    assert_eq!((far.status, &far.json()["field"]), (400, &json!("mean_area")));
    assert_eq!(home.entry_of(&far)["error_code"], "invalid_input");
    // This row has a texture just below all of the reference.
    let near = ask(&question(&benign()));
    assert_eq!(near.status, 200);
    let entry = home.entry_of(&near);
    assert!(
        entry["screen"].as_array().is_some_and(|remarks| remarks.contains(&json!("out_of_range:1"))),
        "{entry}"
    );
}

#[test]
fn an_uncertain_answer_falls_back_to_a_person() {
    let home = Home::demo();
    let server = Server::start(&home);
    let ask = asking(&home, &server);
    let sure = ask(&question(&benign()));
    assert_eq!(sure.json()["result"], "benign");
    assert!(sure.json()["confidence"].as_f64().unwrap() >= 0.7, "{}", sure.text());
    assert_eq!(home.entry_of(&sure)["output_class"], "benign");
    let unsure = ask(&question(&doubtful()));
    assert_eq!(unsure.status, 200);
    let said = unsure.json();
    assert_eq!((&said["result"], &said["action"]), (&json!("uncertain"), &json!("manual_review")));
    assert!(!unsure.text().contains("benign") && !unsure.text().contains("malignant"), "{}", unsure.text());
    let entry = home.entry_of(&unsure);
    assert_eq!((&entry["output_class"], &entry["status"]), (&json!("__uncertain"), &json!(200)));
    assert!(entry["confidence_bp"].as_u64().unwrap() < 7_000, "{entry}");
    // In a batch the sure ones are answered and the unsure one is not, in both protocols.
    let both = ask(&json!({ "features": [benign(), doubtful()] })).json();
    assert_eq!(
        (&both["results"][0]["result"], &both["results"][1]["result"]),
        (&json!("benign"), &json!("uncertain"))
    );
    let v2 = server
        .client_with(home.said("demo_key"))
        .post("/v2/models/breast-cancer/infer", &inference(&doubtful()));
    assert_eq!(v2.status, 200, "{}", v2.text());
    assert!(v2.text().contains("fallback"), "{}", v2.text());
    // The client says so with its exit code.
    std::fs::write(home.beside("row.json"), question(&doubtful()).to_string()).unwrap();
    let output =
        home.run(&["predict", "breast-cancer", "--input", home.beside("row.json").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_threshold_can_be_raised_but_not_quietly_lowered() {
    let home = Home::demo();
    home.configure("[[model]]\nname = \"breast-cancer\"\nthreshold = 1.0\n");
    let server = Server::start(&home);
    assert_eq!(asking(&home, &server)(&question(&benign())).json()["result"], "uncertain");
    server.stop();
    let lowered = Home::demo();
    lowered.configure("[[model]]\nname = \"breast-cancer\"\nthreshold = 0.5\n");
    match Server::try_with(&lowered, &[], &[]) {
        Err(said) => assert!(said.contains("threshold"), "{said}"),
        Ok(server) => {
            let reply = asking(&lowered, &server)(&question(&doubtful()));
            assert_ne!(
                reply.status,
                200,
                "a lowered threshold was taken without `[danger]`: {}",
                reply.text()
            );
        }
    }
}
