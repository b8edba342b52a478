//! The walk over gRPC: every method of the table, over real HTTP/2, with every kind of credential.

use std::collections::BTreeSet;

use http_body_util::Full;
use mantlet::server::routes::{Route, TABLE, Verb, Way};
use mantlet_types::Action;
use serde_json::json;

use crate::{
    support::{
        Client, Home, Server,
        people::forged,
        rows::benign,
        rpc::{Called, field, framed, infer},
        until,
    },
    walk::{MODEL, WIDE},
};

/// The statuses that callers see.
const OK: i32 = 0;
const INVALID_ARGUMENT: i32 = 3;
const NOT_FOUND: i32 = 5;
const PERMISSION_DENIED: i32 = 7;
const FAILED_PRECONDITION: i32 = 9;
const UNIMPLEMENTED: i32 = 12;
const UNAUTHENTICATED: i32 = 16;

/// A message that the right caller gets an answer for, and which. A new method fails the walk until it has one.
fn sample(route: &Route, model: &str) -> (Vec<u8>, i32) {
    match route.path.rsplit('/').next().unwrap() {
        "Check" | "ServerLive" | "ServerReady" | "ServerMetadata" | "RepositoryIndex" => (Vec::new(), OK),
        "ModelInfer" => (infer(model, &benign()), OK),
        "ModelReady" | "ModelMetadata" | "ModelConfig" | "ModelStatistics" => {
            (field(1, model.as_bytes()), OK)
        }
        // Loading and unloading by name is known, and refused to everybody.
        "RepositoryModelLoad" | "RepositoryModelUnload" => (field(2, model.as_bytes()), PERMISSION_DENIED),
        // Not shown unless the operator wants it.
        "ServerReflectionInfo" => (field(7, b""), UNIMPLEMENTED),
        method => panic!("the walk has no message for {method}"),
    }
}

fn methods() -> impl Iterator<Item = &'static Route> {
    TABLE.iter().filter(|route| route.is_rpc())
}

fn mediated() -> impl Iterator<Item = &'static Route> {
    methods().filter(|route| !matches!(route.way, Way::Open(_)))
}

fn call(client: &Client, route: &Route, model: &str) -> Called {
    client.call(route.path, &sample(route, model).0)
}

fn home() -> Home {
    let home = Home::demo();
    home.configure(WIDE);
    home.add_model("other");
    home
}

#[test]
fn nobody_is_answered_over_grpc_without_a_credential_that_holds() {
    let home = home();
    let kid = home.key("leaving", &["--model", MODEL]).kid;
    let revoked = home.key("gone", &["--model", MODEL]);
    home.json(&["key", "revoke", &revoked.kid]);
    let disabled = home.bound("left", "analyst");
    home.json(&["user", "disable", "left"]);
    let server = Server::start(&home);
    let callers = [
        ("no credential", server.client()),
        ("a header that names a user", server.client().header("x-user", "alice")),
        ("no key", server.client_with("let-me-in")),
        ("another scheme", server.client().header("authorization", "Basic YWxpY2U6YWxpY2U=")),
        ("an unknown key", server.client_with(&forged("AAAAAAAAAAAA"))),
        ("a known key's id with another secret", server.client_with(&forged(&kid))),
        ("two keys", server.client_with(home.said("demo_key")).header("api-key", &forged(&kid))),
        ("a revoked key", server.client_with(&revoked.key)),
        ("a disabled person's key", server.client_as(&disabled)),
    ];
    let mut turned_away = 0;
    for route in mediated() {
        let mut shapes = BTreeSet::new();
        for (who, client) in &callers {
            let called = call(client, route, MODEL);
            assert_eq!(called.status(), UNAUTHENTICATED, "{who}: {}", route.path);
            called.assert_discreet();
            shapes.insert(called.shape());
            turned_away += 1;
        }
        assert_eq!(shapes.len(), 1, "what was wrong with a credential shows in {shapes:?}");
    }
    until("all failures in the log", || {
        (home.strangers().get("unauthenticated") == Some(&turned_away)).then_some(())
    });
}

#[test]
fn published_methods_reveal_nothing() {
    let home = home();
    let server = Server::start(&home);
    let owner = server.client_as(&home.founder(home.said("operator")));
    for route in methods().filter(|route| matches!(route.way, Way::Open(_))) {
        let stranger = call(&server.client(), route, MODEL);
        assert_eq!((stranger.status(), stranger.http), (OK, 200), "{}", route.path);
        assert_eq!(stranger.body, call(&owner, route, MODEL).body, "{}", route.path);
        let text = String::from_utf8_lossy(&stranger.body).into_owned();
        for secret in [MODEL, "other", home.said("operator"), env!("CARGO_PKG_VERSION")] {
            assert!(!text.contains(secret), "{text}");
        }
        // Nobody reads what a stranger sends, whatever it is.
        assert_eq!(server.client().call_with(route.path, Full::from("no frame")).status(), OK);
    }
}

#[test]
fn the_wrong_key_opens_nothing_over_grpc_and_leaves_its_trace() {
    let home = home();
    let foreign = home.key("foreign", &["--model", "other", "--rate", "6000000/min"]);
    let own = home.busy_key("own");
    let roleless = home.invite("roleless");
    let server = Server::start(&home);
    let callers = [
        ("consumer:foreign", server.client_with(&foreign.key)),
        ("consumer:own", server.client_with(&own.key)),
        ("user:roleless", server.client_as(&roleless)),
    ];
    let mut asked = Vec::new();
    for route in mediated() {
        let asks = matches!(route.way, Way::Ask(..) | Way::Deed(Action::Predict, _));
        for (who, client) in &callers {
            if *who == "consumer:own" && asks {
                continue; // that would be the right key
            }
            let called = call(client, route, MODEL);
            let what = format!("{who}: {} → {:?}", route.path, called.shape());
            if route.path.ends_with("/RepositoryIndex") {
                // To those who may see nothing the list is empty, and that is their answer.
                assert_eq!(called.status(), OK, "{what}");
                assert!(!String::from_utf8_lossy(called.message()).contains(MODEL), "{what}");
            } else if route.path.ends_with("/ServerReflectionInfo") {
                assert_eq!(called.status(), UNIMPLEMENTED, "{what}");
            } else {
                assert!([NOT_FOUND, PERMISSION_DENIED].contains(&called.status()), "{what}");
                called.assert_discreet();
                // A model that one may not ask, and one that does not exist, are one answer.
                assert_eq!(called.shape(), call(client, route, "nothing").shape(), "{what}");
            }
            asked.push((*who, called));
        }
    }
    recorded(&home, &asked);
}

#[test]
fn the_right_caller_is_answered_over_grpc_and_leaves_its_trace() {
    let home = home();
    let own = home.busy_key("own");
    let server = Server::start(&home);
    let owner = format!("user:{}", home.said("operator"));
    let operator = server.client_as(&home.founder(home.said("operator")));
    let consumer = server.client_with(&own.key);
    let mut asked = Vec::new();
    for route in mediated() {
        let (who, client) = match route.way {
            Way::Ask(..) => ("consumer:own", &consumer),
            _ => (owner.as_str(), &operator),
        };
        let called = call(client, route, MODEL);
        assert_eq!(called.status(), sample(route, MODEL).1, "{}: {:?}", route.path, called.shape());
        if called.status() == OK {
            assert!(called.said("mantlet-receipt").is_some(), "{}: no receipt", route.path);
        }
        asked.push((who, called));
    }
    recorded(&home, &asked);
}

#[test]
fn methods_are_answered_over_http_2_in_their_own_type_alone() {
    let home = home();
    let server = Server::start(&home);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = server.client_with(home.said("demo_key"));
    for route in methods() {
        assert_eq!(route.verb, Verb::Post);
        let body = framed(&sample(route, MODEL).0);
        let over_1 =
            client.clone().header("content-type", "application/grpc").send("POST", route.path, body.clone());
        assert_eq!(over_1.status, 415, "{}", route.path);
        over_1.assert_discreet();
        for media in ["application/json", "application/grpc-web", "application/grpc+json"] {
            let client = client.clone().header("content-type", media);
            let called =
                runtime.block_on(client.stream("POST", route.path, Full::from(body.clone()))).unwrap();
            assert_eq!((called.http, called.said("grpc-status")), (415, None), "{media} {}", route.path);
        }
        let typed = client.clone().header("content-type", "application/grpc");
        let called = runtime.block_on(typed.stream("GET", route.path, Full::default())).unwrap();
        assert_eq!(called.status(), UNIMPLEMENTED, "{}", route.path);
    }
}

#[test]
fn what_is_not_offered_is_unimplemented_for_everybody() {
    let home = home();
    let server = Server::start(&home);
    for client in [server.client(), server.client_with(home.said("demo_key"))] {
        for path in [
            "/inference.GRPCInferenceService/ModelStreamInfer",
            "/inference.GRPCInferenceService/SystemSharedMemoryStatus",
            "/inference.GRPCInferenceService/LogSettings",
            "/inference.GRPCInferenceService/modelinfer",
            "/grpc.health.v1.Health/Watch",
            "/no.Such/Thing",
        ] {
            let called = client.call(path, b"");
            assert_eq!(called.status(), UNIMPLEMENTED, "{path}");
            called.assert_discreet();
        }
    }
}

#[test]
fn probes_do_not_speak_grpc() {
    let home = home();
    home.configure("[server]\nprobe_listen = \"127.0.0.2:0\"\n");
    let server = Server::start(&home);
    let probe = Client::plain(server.probe.expect("serve says where it answers probes"));
    for route in methods() {
        let reply =
            probe.clone().header("content-type", "application/grpc").send("POST", route.path, framed(b""));
        assert_eq!(reply.status, 404, "{}", route.path);
    }
}

/// Every call of somebody known is in the log, under their name, with what they were told.
fn recorded(home: &Home, asked: &[(&str, Called)]) {
    let http = |called: &Called| match called.status() {
        OK => 200,
        INVALID_ARGUMENT => 400,
        NOT_FOUND => 404,
        PERMISSION_DENIED => 403,
        FAILED_PRECONDITION => 409,
        UNIMPLEMENTED => 405,
        status => panic!("unexpected status {status}"),
    };
    until("every call in the log", || {
        let log = home.log();
        let missing = asked.iter().find(|(principal, called)| {
            !log.iter().any(|entry| {
                entry["request_id"] == called.request_id()
                    && entry["principal"] == *principal
                    && entry["status"] == json!(http(called))
            })
        });
        missing.is_none().then_some(())
    });
}
