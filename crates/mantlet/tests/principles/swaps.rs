//! No request is lost while versions are swapped: whatever is asked over connections that stay open is answered, wholly
//! by one version, and written down as that.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};

use crate::{
    support::{
        Client, Home, Server,
        client::Stream,
        rows::{benign, inference, question, test_set},
        until,
    },
    updates::{package, unlabelled},
};

const MODEL: &str = "breast-cancer";

/// How often what is live changes.
const SWAPS: usize = 24;

/// A way to ask: over which HTTP, by which protocol.
#[derive(Clone, Copy)]
struct Manner {
    http2: bool,
    v2: bool,
}

impl Manner {
    fn body(self) -> Bytes {
        let body = if self.v2 { inference(&benign()) } else { question(&benign()) };
        body.to_string().into()
    }

    fn path(self) -> String {
        if self.v2 { format!("/v2/models/{MODEL}/infer") } else { format!("/v1/models/{MODEL}/predict") }
    }

    fn path_of(self, version: u64) -> String {
        self.path().replace(MODEL, &format!("{MODEL}/versions/{version}"))
    }

    /// All of an answer that is the model's.
    fn said(self, answer: &Value) -> Value {
        if self.v2 { answer["outputs"].clone() } else { json!([answer["result"], answer["confidence"]]) }
    }
}

/// Asks over one connection until told to stop; the version that answered each request, by the request's id. `expect` is
/// what versions 1 and 2 say.
async fn hammer(
    client: Client,
    manner: Manner,
    expect: [Value; 2],
    done: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
) -> BTreeMap<String, u64> {
    let mut seen = BTreeMap::new();
    let mut sender = Sender::open(client.connect(manner.http2).await.unwrap(), manner.http2).await;
    while !done.load(Ordering::SeqCst) {
        let request = client.request("POST", &manner.path(), manner.body()).unwrap();
        // A connection that breaks, and any answer but 200, ends the test.
        let reply = sender.send(request).await.unwrap();
        let (parts, body) = reply.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        assert_eq!(parts.status, 200, "{}", String::from_utf8_lossy(&body));
        let answer: Value = serde_json::from_slice(&body).unwrap();
        let said = manner.said(&answer);
        let place = expect.iter().position(|expect| *expect == said);
        let version = place.unwrap_or_else(|| panic!("no version's answer: {answer}")) as u64 + 1;
        if manner.v2 {
            assert_eq!(answer["model_version"], version.to_string(), "{answer}");
        }
        let id = parts.headers["x-request-id"].to_str().unwrap().to_owned();
        assert!(seen.insert(id, version).is_none());
        answered.fetch_add(1, Ordering::SeqCst);
    }
    seen
}

enum Sender {
    Http1(hyper::client::conn::http1::SendRequest<Full<Bytes>>),
    Http2(hyper::client::conn::http2::SendRequest<Full<Bytes>>),
}

impl Sender {
    async fn open(stream: Stream, http2: bool) -> Self {
        if http2 {
            let (sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                    .await
                    .unwrap();
            tokio::spawn(connection);
            return Self::Http2(sender);
        }
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self::Http1(sender)
    }

    async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> hyper::Result<http::Response<hyper::body::Incoming>> {
        match self {
            Self::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Self::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }
}

#[test]
fn no_request_is_lost_while_versions_are_swapped() {
    let home = Home::demo();
    home.configure("[limits]\nrate_per_minute = 1000000\n");
    // Another model with another word for a class: whichever version an answer is of shows in it.
    let dir = package(&home, "second", "bc-gbdt.onnx", "");
    let settings = fs::read_to_string(format!("{dir}/mantlet-model.toml")).unwrap();
    fs::write(format!("{dir}/mantlet-model.toml"), settings.replace("\"benign\"", "\"harmless\"")).unwrap();
    let key = home.busy_key("shop").key;
    let server = Server::start(&home);
    home.json(&["model", "update", MODEL, &dir, "--data", &unlabelled(&home)]);
    let owner = server.client_as(&home.founder(home.said("operator")));
    let mut table = test_set();
    table.as_object_mut().unwrap().remove("target");
    table["columns"].as_array_mut().unwrap().pop();
    table["rows"].as_array_mut().unwrap().iter_mut().for_each(|row| drop(row.as_array_mut().unwrap().pop()));
    let compared = owner.post(&format!("/v2/models/{MODEL}/versions/2/compare"), &table);
    assert_eq!(compared.status, 200, "{}", compared.text());
    let brought =
        json!({ "version": 2, "comparison": compared.text(), "receipt": compared.header("mantlet-receipt") });
    let owner = owner.header("content-type", "application/json");
    let forward = || owner.send("PUT", &format!("/v2/models/{MODEL}"), brought.to_string());
    // The longer way forward, of which only the last step changes what is live.
    let promote = || {
        let step =
            |name: &str| owner.send("POST", &format!("/admin/v1/models/{MODEL}/versions/2/{name}"), "{}");
        for name in ["request", "approve"] {
            let reply = step(name);
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        step("activate")
    };
    let back = || owner.send("POST", &format!("/admin/v1/models/{MODEL}/rollback"), "{}");

    let (done, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let manners = [(false, false), (false, true), (true, false), (true, true)];
    let hammering: Vec<_> = manners
        .into_iter()
        .map(|(http2, v2)| {
            let client = server.client_with(&key).header("content-type", "application/json");
            let manner = Manner { http2, v2 };
            let expect = [1, 2].map(|version| {
                let reply = owner.send("POST", &manner.path_of(version), manner.body());
                assert_eq!(reply.status, 200, "{}", reply.text());
                manner.said(&reply.json())
            });
            assert_ne!(expect[0], expect[1]);
            runtime.spawn(hammer(client, manner, expect, Arc::clone(&done), Arc::clone(&answered)))
        })
        .collect();
    let alive =
        || assert!(!hammering.iter().any(tokio::task::JoinHandle::is_finished), "a client has given up");
    // Each swap has requests before and behind it.
    let more = || {
        let goal = answered.load(Ordering::SeqCst) + manners.len() * 5;
        until("more answers", || {
            alive();
            (answered.load(Ordering::SeqCst) >= goal).then_some(())
        });
    };
    for swap in 0..SWAPS {
        more();
        let reply = match swap % 4 {
            0 => forward(),
            2 => promote(),
            _ => back(),
        };
        assert_eq!(reply.status, 200, "{}", reply.text());
        if swap % 6 == 5 {
            // The configuration is read again in between.
            server.signal("HUP");
        }
    }
    more();
    done.store(true, Ordering::SeqCst);
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for task in hammering {
        seen.extend(runtime.block_on(task).unwrap());
    }
    assert_eq!(seen.len(), answered.load(Ordering::SeqCst), "each request has an id of its own");
    let versions: BTreeSet<u64> = seen.values().copied().collect();
    assert_eq!(versions, BTreeSet::from([1, 2]));
    // As many entries as requests, each naming the version that its answer is of.
    let log = home.log();
    let asked: Vec<&Value> = log.iter().filter(|entry| entry["principal"] == "consumer:shop").collect();
    assert_eq!(asked.len(), seen.len());
    for entry in asked {
        let version = seen[entry["request_id"].as_str().unwrap()];
        assert_eq!((&entry["model_version"], &entry["status"]), (&json!(version), &json!(200)), "{entry}");
    }
    let swaps = log.iter().filter(|entry| entry["phase"] == "outcome" && entry["status"] == 200);
    let by = |event: &str| swaps.clone().filter(|entry| entry["event"] == event).count();
    assert_eq!((by("model.activate"), by("model.rollback")), (SWAPS / 2, SWAPS / 2));
    assert!(by("config.reload") >= 1, "nothing was read again");
}
