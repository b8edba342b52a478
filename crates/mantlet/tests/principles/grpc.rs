//! gRPC from outside: what is asked over it is what is asked over REST, and hostile frames get a status and nothing else.

use std::{io::Write, time::Duration};

use flate2::{Compression, write::GzEncoder};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::{
    Client, Home, Server,
    rows::{benign, doubtful, inference},
    rpc::{Called, Pieces, SERVICE, field, framed, infer},
    until,
};

const MODEL: &str = "breast-cancer";

fn method(name: &str) -> String {
    format!("{SERVICE}/{name}")
}

fn ask(client: &Client, row: &[f64]) -> Called {
    client.call(&method("ModelInfer"), &infer(MODEL, row))
}

/// Whether a message holds this text.
fn holds(message: &[u8], text: &str) -> bool {
    message.windows(text.len()).any(|window| window == text.as_bytes())
}

/// An entry without what differs between any two requests.
fn comparable(mut entry: Value) -> Value {
    let members = entry.as_object_mut().unwrap();
    for name in ["idx", "ts", "request_id", "latency_us", "input_length"] {
        members.remove(name);
    }
    entry
}

#[test]
fn a_call_leaves_the_entry_that_the_same_question_over_rest_leaves() {
    let home = Home::demo();
    let key = home.busy_key("app");
    let server = Server::start(&home);
    let client = server.client_with(&key.key);
    for (row, outcome) in [(benign(), "served"), (doubtful(), "fallback")] {
        let rest = client.post("/v2/models/breast-cancer/infer", &inference(&row));
        let called = ask(&client, &row);
        assert_eq!((rest.status, called.status()), (200, 0));
        assert!(holds(called.message(), outcome), "no `{outcome}` in {:?}", called.message());
        assert_eq!(rest.json()["parameters"]["outcome"], outcome);
        let of = |id: &str| comparable(home.entries_in_time(id, 1).remove(0));
        assert_eq!(of(called.request_id()), of(rest.request_id()));
        for header in ["ratelimit", "ratelimit-policy", "mantlet-receipt"] {
            assert!(called.said(header).is_some(), "no {header}");
        }
        let proved = home.json(&["audit", "prove", called.said("mantlet-receipt").unwrap()]);
        assert_eq!(proved["entry"]["request_id"], called.request_id());
    }
    // Rejections too: a model that there is not, and a row that the contract does not describe.
    let short = benign()[1..].to_vec();
    for (model, row, status) in [("nothing", benign(), (404, 5)), (MODEL, short, (400, 3))] {
        let rest = client.post(&format!("/v2/models/{model}/infer"), &inference(&row));
        let called = client.call(&method("ModelInfer"), &infer(model, &row));
        assert_eq!((rest.status, called.status()), status);
        assert_eq!(rest.json()["error"], called.said("grpc-message").unwrap());
        let of = |id: &str| comparable(home.entries_in_time(id, 1).remove(0));
        assert_eq!(of(called.request_id()), of(rest.request_id()));
    }
}

#[test]
fn one_limit_holds_over_both_protocols_and_tells_when_to_come_back() {
    let home = Home::demo();
    let key = home.key("app", &["--model", MODEL, "--rate", "3/min"]);
    let server = Server::start(&home);
    let client = server.client_with(&key.key);
    assert_eq!(ask(&client, &benign()).status(), 0);
    assert_eq!(client.post("/v2/models/breast-cancer/infer", &inference(&benign())).status, 200);
    assert_eq!(ask(&client, &benign()).status(), 0);
    let called = ask(&client, &benign());
    assert_eq!(called.status(), 8);
    called.assert_discreet();
    let seconds: u64 = called.said("retry-after").unwrap().parse().unwrap();
    let millis: u64 = called.said("grpc-retry-pushback-ms").unwrap().parse().unwrap();
    assert!(seconds >= 1 && millis <= seconds * 1_000, "{seconds} s, {millis} ms");
    assert!(called.said("grpc-status-details-bin").is_some());
    assert!(called.said("ratelimit").unwrap().contains("r=0"));
    assert_eq!(client.post("/v2/models/breast-cancer/infer", &inference(&benign())).status, 429);
}

#[test]
fn hostile_frames_are_rejected_and_written_down() {
    let home = Home::demo();
    home.configure("[limits]\ndenials_per_minute = 1000000\n[server]\nbody_bytes_max = 65536\n");
    let key = home.busy_key("app");
    let server = Server::start(&home);
    let client = server.client_with(&key.key);
    let good = framed(&infer(MODEL, &benign()));
    let packed = |message: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(message).unwrap();
        let packed = encoder.finish().unwrap();
        [&[1][..], &u32::try_from(packed.len()).unwrap().to_be_bytes(), &packed].concat()
    };
    let gzip = client.clone().header("grpc-encoding", "gzip");
    let infer_path = method("ModelInfer");
    assert_eq!(gzip.call_with(&infer_path, Full::from(packed(&good[5..]))).status(), 0);
    assert_eq!(gzip.call_with(&infer_path, Full::from(good.clone())).status(), 0, "the flag says unpacked");
    let huge = packed(&vec![0; 1 << 20]);
    assert!(huge.len() < 65_536, "a small bomb");
    let with_length = |length: u32| [&[0][..], &length.to_be_bytes(), &good[5..]].concat();
    let mut sent = 0;
    for (what, client, body, status) in [
        ("nothing", &client, Vec::new(), 3),
        ("half a prefix", &client, good[..3].to_vec(), 3),
        ("half a message", &client, good[..good.len() / 2].to_vec(), 3),
        ("a length beyond the bound", &client, with_length(u32::MAX), 3),
        ("a length that is too short", &client, with_length(7), 3),
        ("two messages", &client, good.repeat(2), 3),
        ("an unknown flag", &client, [&[2], &good[1..]].concat(), 3),
        ("a packed message without an encoding", &client, packed(&good[5..]), 3),
        ("what is not packed as it says", &gzip, [&[1], &good[1..]].concat(), 3),
        ("a bomb", &gzip, huge, 3),
        ("too much", &client, framed(&vec![0; 70_000]), 3),
        ("no message", &client, framed(&[0xFF; 40]), 3),
        ("a message about nothing", &client, framed(b""), 5),
        ("an unknown encoding", &client.clone().header("grpc-encoding", "br"), good.clone(), 12),
        ("a deadline that is none", &client.clone().header("grpc-timeout", "soon"), good.clone(), 3),
    ] {
        let called = client.call_with(&infer_path, Full::from(body));
        assert_eq!(called.status(), status, "{what}: {:?}", called.shape());
        called.assert_discreet();
        if what == "an unknown encoding" {
            assert_eq!(called.said("grpc-accept-encoding"), Some("identity,gzip,deflate"));
        }
        // What no deadline can be read from has not come as far as a door.
        sent += usize::from(what != "a deadline that is none");
    }
    until("an entry for each", || {
        let log = home.log();
        let rejected = log.iter().filter(|entry| {
            entry["event"] == "inference"
                && entry["status"] != 200
                && (&entry["principal"], &entry["action"]) == (&json!("consumer:app"), &json!("predict"))
        });
        (rejected.count() == sent).then_some(())
    });
    assert_eq!(ask(&client, &benign()).status(), 0, "the server answers as before");
}

#[test]
fn a_callers_deadline_holds_and_the_entry_is_written_all_the_same() {
    let home = Home::demo();
    let key = home.busy_key("app");
    let server = Server::start(&home);
    let patient = server.client_with(&key.key).header("grpc-timeout", "30S");
    assert_eq!(ask(&patient, &benign()).status(), 0);
    // Half a message, and then nothing: the deadline passes while the server reads.
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let hasty = server
        .client_with(&key.key)
        .header("grpc-timeout", "200m")
        .header("content-type", "application/grpc")
        .header("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01"));
    let good = framed(&infer(MODEL, &benign()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let called = runtime.block_on(async {
        let body = Pieces::stalling(&good[..good.len() / 2]);
        hasty.stream("POST", &method("ModelInfer"), body).await.unwrap()
    });
    assert_eq!(called.status(), 4);
    called.assert_discreet();
    let entry = until("the entry of a call whose time was over", || {
        home.log().into_iter().find(|entry| entry["trace_id"] == trace)
    });
    assert_eq!(entry["principal"], "consumer:app");
}

#[test]
fn a_cancelled_call_skips_no_entry() {
    let home = Home::demo();
    let key = home.busy_key("app");
    let server = Server::start(&home);
    let trace = "1af7651916cd43dd8448eb211c80319c";
    let client = server
        .client_with(&key.key)
        .header("content-type", "application/grpc")
        .header("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let path = method("ModelInfer");
        let call = client.stream("POST", &path, Pieces::stalling(&[0, 0, 0]));
        // Long enough for the headers to arrive; then the stream ends with its connection.
        assert!(tokio::time::timeout(Duration::from_secs(2), call).await.is_err());
    });
    drop(runtime);
    let entry = until("the entry of a cancelled call", || {
        home.log().into_iter().find(|entry| entry["trace_id"] == trace)
    });
    assert_eq!((&entry["principal"], &entry["event"]), (&json!("consumer:app"), &json!("inference")));
}

#[test]
fn nothing_that_was_sent_over_grpc_is_kept() {
    let home = Home::demo();
    let key = home.busy_key("app");
    let server = Server::with(&home, &[], &[("MANTLET_LOG", "trace")]);
    let canary = |place: &str| format!("Canary-{place}-hK2vQ9xW7z");
    let client = server
        .client_with(&key.key)
        .header("x-note", &canary("metadata"))
        .header("user-agent", &canary("agent"))
        .header("grpc-accept-encoding", &canary("encoding"));
    let text = |place: &str| canary(place).into_bytes();
    let input = |name: &[u8], datatype: &[u8]| field(5, &[field(1, name), field(2, datatype)].concat());
    let parameter = field(2, &field(3, &text("parameter")));
    for (message, status) in [
        (field(1, &text("model")), 5),
        ([field(1, MODEL.as_bytes()), field(2, &text("version"))].concat(), 5),
        ([infer(MODEL, &benign()), field(3, &text("id"))].concat(), 0),
        ([infer(MODEL, &benign()), field(4, &[field(1, &text("option")), parameter].concat())].concat(), 3),
        ([infer(MODEL, &benign()), field(6, &field(1, &text("output")))].concat(), 3),
        ([field(1, MODEL.as_bytes()), input(&text("input"), b"FP32")].concat(), 3),
        (
            [field(1, MODEL.as_bytes()), input(b"input", &text("datatype")), field(7, &text("raw"))].concat(),
            3,
        ),
    ] {
        let called = client.call(&method("ModelInfer"), &message);
        assert_eq!(called.status(), status, "{:?}", called.shape());
        assert!(!format!("{:?}", called.headers).contains("Canary"), "{:?}", called.headers);
    }
    let path = format!("/{}.Service/Method", canary("service"));
    assert_eq!(client.call(&path, b"").status(), 12);
    let said = server.said();
    server.stop();
    assert!(!said.contains("Canary"), "the log tells what was sent");
    for (path, bytes) in home.bytes() {
        assert!(!holds(&bytes, "Canary"), "{}", path.display());
    }
    assert!(home.bytes().iter().any(|(_, bytes)| holds(bytes, MODEL)), "the search finds what is there");
}

#[test]
fn health_follows_the_node() {
    let home = Home::demo();
    let server = Server::start(&home);
    let check = |service: &[u8]| server.client().call("/grpc.health.v1.Health/Check", &field(1, service));
    for service in [&b""[..], b"inference.GRPCInferenceService"] {
        assert_eq!(check(service).message(), [0x08, 1], "SERVING");
    }
    assert_eq!(server.client().call(&method("ServerLive"), b"").message(), [0x08, 1]);
    assert_eq!(server.client().call(&method("ServerReady"), b"").message(), [0x08, 1]);
}

#[test]
fn descriptions_are_shown_where_the_operator_wants_it_to_those_who_are_known() {
    let home = Home::demo();
    home.configure("[server]\ngrpc_reflection = true\n");
    let server = Server::start(&home);
    let list = framed(&field(7, b""));
    let symbol = framed(&field(4, b"inference.GRPCInferenceService"));
    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        let stranger = server.client().call_with(&path, Full::from(list.clone()));
        assert_eq!(stranger.status(), 16);
        let client = server.client_with(home.said("demo_key"));
        let called = client.call_with(&path, Full::from([list.clone(), symbol.clone()].concat()));
        assert_eq!(called.status(), 0);
        assert!(holds(&called.body, "inference.GRPCInferenceService"));
        assert!(holds(&called.body, "grpc.health.v1.Health"));
        assert!(holds(&called.body, "ModelInferRequest"), "no descriptor");
        assert!(!holds(&called.body, MODEL));
        let slow = client.call_with(&path, Pieces::slowly(&list));
        assert_eq!((slow.status(), slow.body), (0, client.call_with(&path, Full::from(list.clone())).body));
        let entry = home.entries_in_time(called.request_id(), 1).remove(0);
        assert_eq!((&entry["event"], &entry["status"]), (&json!("monitor.read"), &json!(200)));
    }
}
