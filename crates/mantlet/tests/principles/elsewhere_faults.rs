//! Failing securely, of models that run elsewhere: who is not who it should be is not spoken to, and an upstream that is
//! gone, full or slow costs its own model's callers a clear word, and nobody else anything.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};

use crate::{
    elsewhere::Coin,
    support::{
        Server,
        rows::{benign, question},
        until,
        upstream::{Manner, Upstream},
    },
};

/// An authority of the tests' own, with the files that a configuration names.
struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A certificate for a name and its key, both as PEM.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// A server that shows this authority's certificate, and wants one of it if so told.
    fn upstream(&self, name: &str, mutual: bool) -> Upstream {
        let (chain, key) = self.issue(name);
        let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if mutual {
            let mut roots = RootCertStore::empty();
            roots.add(self.certificate.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        Upstream::tls(builder.with_single_cert(chain, key).unwrap())
    }
}

fn write(path: PathBuf, text: &str) -> PathBuf {
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn who_is_not_who_it_should_be_is_not_spoken_to() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let right = ours.upstream("127.0.0.1", false);
    let coin = Coin::at(&right, "");
    let (home, file) = (&coin.home, coin.home.path.join("mantlet.toml"));
    let ca = write(home.beside("ca.pem"), &ours.certificate.pem());
    let (certificate, key) = ours.issue("mantlet");
    let certificate = write(home.beside("own.pem"), &certificate);
    let key = write(home.beside("own.key"), &key);
    let (foreign, foreign_key) = theirs.issue("mantlet");
    let foreign = write(home.beside("foreign.pem"), &foreign);
    let foreign_key = write(home.beside("foreign.key"), &foreign_key);
    let text = fs::read_to_string(&file).unwrap();
    let server = Server::start(home);
    let ask_at = |upstream: &Upstream, keys: &str| {
        let old = text.lines().find(|line| line.starts_with("url = ")).unwrap();
        let new = format!("url = \"https://{}\"\n{keys}", upstream.address);
        fs::write(&file, text.replace(old, &new)).unwrap();
        let reload = home.run(&["config", "reload"]);
        assert!(reload.status.success(), "{}", String::from_utf8_lossy(&reload.stderr));
        coin.ask(&server, 0.75)
    };
    let vouched = format!("ca = \"{}\"", ca.display());
    assert_eq!(ask_at(&right, &vouched).status, 200);
    let wrong_name = ours.upstream("elsewhere.example", false);
    let wrong_issuer = theirs.upstream("127.0.0.1", false);
    for (what, upstream) in [("another name", &wrong_name), ("another authority", &wrong_issuer)] {
        coin.assert_unavailable(&ask_at(upstream, &vouched), what);
        assert!(upstream.got().is_empty(), "{what}");
    }
    let plain = Upstream::start();
    coin.assert_unavailable(&ask_at(&plain, &vouched), "no TLS");
    assert!(plain.questions().is_empty());
    let mutual = ours.upstream("127.0.0.1", true);
    let shown = |certificate: &PathBuf, key: &PathBuf| {
        format!("{vouched}\ncertificate = \"{}\"\nkey = \"{}\"", certificate.display(), key.display())
    };
    coin.assert_unavailable(&ask_at(&mutual, &vouched), "no certificate of ours");
    coin.assert_unavailable(&ask_at(&mutual, &shown(&foreign, &foreign_key)), "a foreign certificate");
    assert!(mutual.got().is_empty());
    assert_eq!(ask_at(&mutual, &shown(&certificate, &key)).status, 200);
    // The same section with other files is another upstream.
    fs::copy(&foreign, &certificate).unwrap();
    fs::copy(&foreign_key, &key).unwrap();
    coin.assert_unavailable(&ask_at(&mutual, &shown(&certificate, &key)), "a certificate replaced");
    fs::remove_file(&certificate).unwrap();
    let reload = home.run(&["config", "reload"]);
    assert!(!reload.status.success(), "a file that is gone is no configuration");
}

#[test]
fn an_upstream_that_dies_under_load_is_left_alone_and_taken_back() {
    let upstream = Upstream::start();
    let address = upstream.address.to_string();
    let coin = Coin::at(&upstream, "timeout_ms = 2000");
    let operator = coin.home.founder("olivia");
    let server = Server::start(&coin.home);
    let local = coin.home.busy_key("local").key;
    let (stop, answered, failed) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let (coin, server) = (&coin, &server);
    let state = || coin.metric(&server.client_as(&operator), "mantlet_upstream_breaker{upstream=\"there\"}");
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let reply = coin.ask(server, 0.75);
                    match reply.status {
                        200 => {
                            let answer = reply.json();
                            assert_eq!(
                                (&answer["result"], &answer["confidence"]),
                                (&json!("heads"), &json!(0.75))
                            );
                            answered.fetch_add(1, Ordering::SeqCst);
                        }
                        503 => {
                            reply.assert_discreet();
                            failed.fetch_add(1, Ordering::SeqCst);
                        }
                        status => panic!("{status}: {}", reply.text()),
                    }
                }
            });
        }
        let more = |what: &str, counter: &AtomicUsize| {
            let enough = counter.load(Ordering::SeqCst) + 20;
            until(what, || (counter.load(Ordering::SeqCst) >= enough).then_some(()));
        };
        more("answers", &answered);
        assert_eq!(state(), 0.0);
        upstream.kill();
        more("rejections", &failed);
        until("the breaker to open", || (state() == 2.0).then_some(()));
        let open = until("an answer that says when to come back", || {
            Some(coin.ask(server, 0.75)).filter(|reply| reply.header("retry-after").is_some())
        });
        assert_eq!(open.status, 503);
        assert!(!coin.ready(server));
        let own = server.client_with(&local).post("/v1/models/breast-cancer/predict", &question(&benign()));
        assert_eq!(own.status, 200, "models here go on answering");
        let again = Upstream::at(&address, None);
        until("the breaker to close", || (state() == 0.0).then_some(()));
        more("answers again", &answered);
        until("the model to be ready again", || coin.ready(server).then_some(()));
        stop.store(true, Ordering::SeqCst);
        drop(again);
    });
    // Each of them is in the log: answers by an entry of their own, rejections beyond some counted in common, a moment later.
    let of = |member: &str, value: &Value| {
        let of = |entry: &&Value| entry["event"] == "inference" && entry[member] == *value;
        let log = coin.home.log();
        log.iter().filter(of).map(|entry| entry["count"].as_u64().unwrap_or(1)).sum::<u64>()
    };
    let log = coin.home.log();
    let rejected = log.iter().find(|entry| entry["model"] == "coin" && entry["status"] == 503).unwrap();
    let own = 1; // of the model that runs here
    assert_eq!(of("status", &json!(200)), answered.load(Ordering::SeqCst) as u64 + own);
    until("every rejection to be in the log", || {
        (of("error_code", &rejected["error_code"]) >= failed.load(Ordering::SeqCst) as u64).then_some(())
    });
    assert_eq!(coin.home.verdict()["verdict"], "self-consistent");
}

#[test]
fn an_upstream_takes_no_more_questions_at_a_time_than_it_should() {
    let upstream = Upstream::start();
    let coin = Coin::at(&upstream, "concurrent_max = 1\ntimeout_ms = 3000");
    let server = Server::start(&coin.home);
    assert_eq!(coin.ask(&server, 0.75).status, 200);
    until("the model to be ready", || coin.ready(&server).then_some(()));
    upstream.answer(Manner::Never);
    let other = coin.home.key("second", &["--model", "coin"]).key;
    let local = coin.home.busy_key("local").key;
    thread::scope(|scope| {
        let waiting = scope.spawn(|| coin.ask(&server, 0.75));
        until("the question to be there", || (upstream.questions().len() == 2).then_some(()));
        let question = json!({ "features": { "bias": 0.75, "wind": 1.0 } });
        let turned_away = server.client_with(&other).post("/v1/models/coin/predict", &question);
        assert_eq!((turned_away.status, turned_away.header("retry-after")), (503, Some("1")));
        let own =
            server.client_with(&local).post("/v1/models/breast-cancer/predict", &self::question(&benign()));
        assert_eq!(own.status, 200);
        coin.assert_unavailable(&waiting.join().unwrap(), "a question that nobody answers");
    });
    assert_eq!(upstream.questions().len(), 2);
    upstream.answer(Manner::Well);
    assert_eq!(coin.ask(&server, 0.75).status, 200, "its place is free again");
}

#[test]
fn a_candidate_that_is_not_ready_takes_nothing_from_what_is_live() {
    let upstream = Upstream::start();
    let coin = Coin::new();
    coin.home.configure(&upstream.section("there", ""));
    coin.home.configure("[[model]]\nname = \"coin\"\nupstream = \"there\"\nserved_as = [\"unready\"]");
    let owner = coin.home.founder("olivia");
    let server = Server::start(&coin.home);
    assert_eq!(coin.ask(&server, 0.75).status, 200);
    // The next version names another model there, which says itself that it cannot answer; so it stays beside.
    let package = coin.home.beside("coin");
    let settings = package.join("mantlet-model.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, text + "\n[served_as]\nmodel = \"unready\"\n").unwrap();
    let (package, rows) = (package.to_str().unwrap(), coin.home.beside("rows.csv"));
    let rows = rows.to_str().unwrap();
    coin.home.json(&["model", "profile", package, "--reference", rows, "--background", "7"]);
    let updated = coin.home.run(&["model", "update", "coin", package, "--data", rows]);
    let said = String::from_utf8_lossy(&updated.stderr);
    assert!(!updated.status.success() && said.contains("unavailable"), "{said}");
    let version = 2;
    let client = server.client_as(&owner);
    let question = json!({ "features": { "bias": 0.75, "wind": 1.0 } });
    let candidate = format!("/v1/models/coin/versions/{version}/predict");
    let replies: Vec<_> = (0..12).map(|_| client.post(&candidate, &question)).collect();
    let last = replies.last().unwrap();
    assert_eq!((last.status, last.header("retry-after").is_some()), (503, true), "it rests: {}", last.text());
    // The one that is live has answered all the time, and does.
    assert_eq!(coin.ask(&server, 0.75).status, 200);
    let metric = |series: &str| coin.metric(&client, series);
    assert_eq!(metric("mantlet_upstream_breaker{upstream=\"there\"}"), 0.0);
    // What has never been live is nobody's to be told of.
    let live = "mantlet_upstream_model_breaker{upstream=\"there\",model=\"coin\",version=\"1\"}";
    assert_eq!(metric(live), 0.0);
    let told = client.get("/metrics").text();
    let of_candidate: Vec<_> = told
        .lines()
        .filter(|line| line.starts_with("mantlet_upstream") && line.contains("version=\"2\""))
        .collect();
    assert!(of_candidate.is_empty(), "{of_candidate:?}");
}
