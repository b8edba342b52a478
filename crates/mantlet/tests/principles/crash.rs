//! Whatever was answered is in the log, however the process ended.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::support::{
    Home, Server,
    rows::{benign, question},
};

const ROUNDS: usize = 3;
const CLIENTS: usize = 4;

/// Load before the process is killed: at least so many answers, and at least so long.
const ANSWERS: usize = 40;
const LOAD: Duration = Duration::from_millis(500);

#[test]
fn a_kill_under_load_loses_no_acknowledged_entry() {
    let home = Home::demo();
    let key = home.busy_key("app");
    let mut answered = Vec::new();
    for _ in 0..ROUNDS {
        let server = Server::start(&home);
        let over = Arc::new(AtomicBool::new(false));
        let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (client, over, count) =
                    (server.client_with(&key.key), Arc::clone(&over), Arc::clone(&count));
                thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    let client = client.header("content-type", "application/json");
                    let body = Bytes::from(question(&benign()).to_string());
                    let mut answered = Vec::new();
                    while !over.load(Ordering::Relaxed) {
                        let exchange =
                            client.exchange("POST", "/v1/models/breast-cancer/predict", body.clone());
                        // A connection that breaks is what this is about.
                        if let Ok(reply) = runtime.block_on(exchange) {
                            assert_eq!(reply.status, 200, "{}", reply.text());
                            answered.push(reply.request_id().to_owned());
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    answered
                })
            })
            .collect();
        let began = Instant::now();
        crate::support::until("some load", || {
            (count.load(Ordering::Relaxed) >= ANSWERS && began.elapsed() >= LOAD).then_some(())
        });
        server.kill();
        over.store(true, Ordering::Relaxed);
        answered.extend(clients.into_iter().flat_map(|client| client.join().unwrap()));
    }
    // Before anything recovers the log, and after: acknowledged is acknowledged.
    for recovered in [false, true] {
        if recovered {
            assert!(Server::start(&home).stop().success());
        }
        let log = home.log();
        let lost: Vec<&String> = answered
            .iter()
            .filter(|id| !log.iter().any(|entry| entry["request_id"] == id.as_str()))
            .collect();
        assert!(lost.is_empty(), "{} of {} answered requests are not in the log", lost.len(), answered.len());
        assert_eq!(home.verdict()["verdict"], "self-consistent");
        assert!(log.iter().enumerate().all(|(index, entry)| entry["idx"] == index), "the log has a gap");
    }
}
