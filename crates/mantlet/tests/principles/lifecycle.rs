//! A home has one writer, which starts only on what it can trust, takes changes whole or not at all, and ends in good
//! order.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
};

use serde_json::{Value, json};

use crate::support::{
    Home, Server,
    rows::{benign, question},
    until,
};

const PREDICT: &str = "/v1/models/breast-cancer/predict";

#[test]
fn one_home_has_one_server() {
    let home = Home::demo();
    let server = Server::start(&home);
    let second = home.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(2));
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains(&server.pid().to_string()) && said.contains("hint:"), "{said}");
    assert_eq!(server.client().get("/v2/health/ready").status, 200);
    // A lock is never stale: the next server starts where the last one was killed.
    server.kill();
    assert_eq!(Server::start(&home).client().get("/v2/health/ready").status, 200);
}

#[test]
fn commands_work_with_and_without_a_server() {
    let home = Home::demo();
    let without = home.key("early", &["--model", "breast-cancer"]);
    let server = Server::start(&home);
    let with = home.key("late", &["--model", "breast-cancer"]);
    for key in [&without, &with] {
        assert_eq!(server.client_with(&key.key).post(PREDICT, &question(&benign())).status, 200);
    }
    let tail = home.command(&["audit", "tail", "-n", "3", "--json"]).output().unwrap();
    assert_eq!(tail.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count(), 3);
    fs::write(home.beside("row.json"), question(&benign()).to_string()).unwrap();
    let predict =
        home.run(&["predict", "breast-cancer", "--input", home.beside("row.json").to_str().unwrap()]);
    assert!(predict.status.success(), "{}", String::from_utf8_lossy(&predict.stderr));
    let said: Value = serde_json::from_slice(&predict.stdout).unwrap();
    assert_eq!(said["result"], "benign");
    assert!(said["request_id"].is_string() && said["confidence"].is_f64(), "{said}");
    server.stop();
    home.json(&["key", "revoke", &with.kid]);
    assert_eq!(Server::start(&home).client_with(&with.key).post(PREDICT, &question(&benign())).status, 401);
}

#[test]
fn revocation_and_rotation_hold_for_the_next_request() {
    let home = Home::demo();
    let key = home.busy_key("app");
    let server = Server::start(&home);
    let ask = |key: &str| server.client_with(key).post(PREDICT, &question(&benign())).status;
    assert_eq!(ask(&key.key), 200);
    let new = home.json(&["key", "rotate", &key.kid]);
    let new = new["key"].as_str().unwrap();
    assert_eq!((ask(&key.key), ask(new)), (200, 200), "both work while the new one is rolled out");
    home.json(&["key", "revoke", &key.kid]);
    assert_eq!((ask(&key.key), ask(new)), (401, 200));
    let person = home.bound("reader", "reader");
    let client = server.client_as(&person);
    assert_eq!(client.post(PREDICT, &question(&benign())).status, 200);
    home.json(&["user", "disable", "reader"]);
    assert_eq!(client.post(PREDICT, &question(&benign())).status, 401);
}

#[test]
fn a_request_under_way_ends_before_the_server() {
    let home = Home::demo();
    let key = home.busy_key("app");
    let server = Server::with(&home, &["--plaintext-loopback"], &[]);
    let body = question(&benign()).to_string();
    let mut stream = TcpStream::connect(server.address).unwrap();
    let head = format!(
        "POST {PREDICT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        key.key,
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The server has begun with the request once it asks for the body.
    let mut go_on = [0; 12];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100");
    server.signal("TERM");
    until("the listener to close", || TcpStream::connect(server.address).is_err().then_some(()));
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("HTTP/1.1 200") && answer.contains("benign"), "{answer}");
    assert!(server.stop().success());
    let log = home.log();
    assert_eq!(log.last().unwrap()["event"], "sys.stop");
    assert!(!home.path.join("run/control.sock").exists());
    assert_eq!(home.verdict()["verdict"], "self-consistent");
}

/// Writes the configuration anew and has the server read it; the entry that tells how that went.
fn reload(home: &Home, server: &Server, text: &str) -> Value {
    let outcomes = || -> Vec<Value> {
        let log = home.log().into_iter();
        log.filter(|entry| entry["event"] == "config.reload" && entry["phase"] != "intent").collect()
    };
    let before = outcomes().len();
    fs::write(home.path.join("mantlet.toml"), text).unwrap();
    server.signal("HUP");
    until("the reload in the log", || outcomes().into_iter().nth(before))
}

#[test]
fn a_new_configuration_is_taken_whole_or_not_at_all() {
    let home = Home::demo();
    let good = fs::read_to_string(home.path.join("mantlet.toml")).unwrap();
    let client_key = home.key("app", &["--model", "breast-cancer"]);
    let server = Server::start(&home);
    let heard = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = server.client_with(&client_key.key);
        runtime
            .block_on(client.exchange("GET", "/v2/models/breast-cancer", bytes::Bytes::new()))
            .is_ok_and(|reply| reply.status == 200)
    };
    let nobody = format!("{good}\n[server]\nallow = []\n");
    assert!(heard());
    assert_eq!(reload(&home, &server, &nobody)["status"], 200);
    assert!(!heard(), "an emptied allowlist still admits");
    assert_eq!(reload(&home, &server, &good)["status"], 200);
    assert!(heard());
    // One bad key, and the good ones beside it do not count either.
    for (what, text) in [
        ("an unknown key", format!("{nobody}\n[limits]\nrate_per_minut = 5\n")),
        ("no TOML", format!("{nobody}\n[[[\n")),
        ("a value out of range", format!("{nobody}\n[limits]\nrate_per_minute = 0\n")),
        ("a new danger", nobody.replace("[danger]", "[danger]\nthreshold_lowered = true")),
        ("what takes a restart", format!("{nobody}\n[audit]\ndurability = \"every\"\n")),
    ] {
        let entry = reload(&home, &server, &text);
        assert_ne!(entry["status"], 200, "{what} was taken: {entry}");
        assert!(heard(), "{what}: half of a configuration was taken");
        let output = home.run(&["config", "reload"]);
        assert_eq!(output.status.code(), Some(1), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let why = server.said();
    for reason in ["rate_per_minut", "threshold_lowered", "audit.durability"] {
        assert!(why.contains(reason), "`{reason}` is not in {why}");
    }
    fs::write(home.path.join("mantlet.toml"), &good).unwrap();
    assert!(home.run(&["config", "reload"]).status.success());
}

#[test]
fn a_certificate_is_replaced_without_a_restart() {
    let home = Home::demo();
    let other = Home::init(&["--single-person"]);
    let server = Server::start(&home);
    assert_eq!(server.client().get("/v2/health/live").status, 200);
    // A certificate from elsewhere: here, of another authority.
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let (chain, private) = (other.beside("server.pem"), other.beside("server.key"));
    fs::write(&chain, certificate.pem()).unwrap();
    fs::write(&private, key.serialize_pem()).unwrap();
    fs::set_permissions(&private, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let good = fs::read_to_string(home.path.join("mantlet.toml")).unwrap();
    let text = format!(
        "{good}\n[server]\ncertificate = {:?}\nkey = {:?}\n",
        chain.display().to_string(),
        private.display().to_string()
    );
    let entry = reload(&home, &server, &text);
    assert_eq!(entry["status"], 200, "{}", server.said());
    let get = |ca: &Path| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = crate::support::Client::new(server.address, ca);
        runtime.block_on(client.exchange("GET", "/v2/health/live", bytes::Bytes::new()))
    };
    assert!(get(&home.path.join("ca.pem")).is_err(), "the old certificate is still shown");
    assert_eq!(get(&chain).unwrap().status, 200);
}

/// Copies a directory as a backup would.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.metadata() {
            Ok(metadata) if metadata.is_dir() => copy(&path, &target),
            Ok(metadata) if metadata.is_file() => drop(fs::copy(&path, &target).unwrap()),
            _ => {}
        }
    }
}

#[test]
fn a_home_behind_its_anchor_does_not_start() {
    let home = Home::demo();
    let anchor = home.beside("anchor");
    home.configure(&format!("[audit]\nanchors = [{:?}]\n", anchor.display().to_string()));
    // An anchor that is gone could have told of a rollback: without it nothing is said, and nothing starts.
    assert_eq!(home.run(&["audit", "verify"]).status.code(), Some(2));
    let said = Server::try_with(&home, &[], &[]).err().unwrap();
    assert!(said.contains("anchor") && said.contains("put the anchor back"), "{said}");
    fs::write(&anchor, "").unwrap();
    assert!(Server::start(&home).stop().success());
    let old = home.beside("old");
    copy(&home.path, &old);
    let server = Server::start(&home);
    assert_eq!(server.client_with(home.said("demo_key")).post(PREDICT, &question(&benign())).status, 200);
    assert!(server.stop().success());
    let verdict = home.verdict();
    assert_eq!(verdict["verdict"], "anchored");
    assert_eq!(verdict["anchored"], verdict["size"]);
    // Somebody puts the older copy back, to be rid of what happened since.
    fs::remove_dir_all(&home.path).unwrap();
    fs::rename(&old, &home.path).unwrap();
    let said = match Server::try_with(&home, &[], &[]) {
        Ok(_) => panic!("a home that was rolled back is served"),
        Err(said) => said,
    };
    assert!(said.contains("exit status: 2") && said.contains("hint:"), "{said}");
    assert_eq!(home.run(&["audit", "verify"]).status.code(), Some(1));
    assert_ne!(home.run(&["key", "list"]).status.code(), Some(0), "a command writes behind the anchor");
}

#[test]
fn a_copied_log_is_verified_with_nothing_but_its_key() {
    let home = Home::demo();
    let verdict = home.verdict();
    let copied = home.beside("log");
    copy(&home.path.join("audit"), &copied);
    let verify = |key: &str| {
        let mut command = crate::support::mantlet();
        command.args(["audit", "verify", "--json", "--vkey", key, "--log"]).arg(&copied).output().unwrap()
    };
    let output = verify(verdict["vkey"].as_str().unwrap());
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&said["verdict"], &said["size"]), (&json!("self-consistent"), &verdict["size"]));
    let other = Home::demo().verdict()["vkey"].as_str().unwrap().to_owned();
    assert_eq!(verify(&other).status.code(), Some(1));
}

#[test]
fn a_reload_judges_anew() {
    let home = Home::demo();
    let good = fs::read_to_string(home.path.join("mantlet.toml")).unwrap();
    let key = home.busy_key("app");
    let server = Server::start(&home);
    let result = || server.client_with(&key.key).post(PREDICT, &question(&benign())).json()["result"].clone();
    let with = |threshold: &str| {
        let text = format!("{good}\n[[model]]\nname = \"breast-cancer\"\nthreshold = {threshold}\n");
        reload(&home, &server, &text)["status"].clone()
    };
    assert_eq!(result(), "benign");
    assert_eq!((with("1.0"), result()), (json!(200), json!("uncertain")));
    // Less than the package asks for is a danger: it is refused, and what was holds on.
    assert_eq!((with("0.5"), result()), (json!(409), json!("uncertain")));
    assert!(server.said().contains("threshold 0.5"), "{}", server.said());
    assert_eq!((reload(&home, &server, &good)["status"].clone(), result()), (json!(200), json!("benign")));
    assert_eq!(server.client().get("/v2/health/ready").status, 200);
    // What was not served because of its threshold is, once that is mended.
    assert!(server.stop().success());
    let lowered = format!("{good}\n[[model]]\nname = \"breast-cancer\"\nthreshold = 0.5\n");
    fs::write(home.path.join("mantlet.toml"), lowered).unwrap();
    let server = Server::start(&home);
    assert_eq!(server.client().get("/v2/health/ready").status, 503);
    assert_eq!(reload(&home, &server, &good)["status"], 200);
    assert_eq!(server.client_with(&key.key).post(PREDICT, &question(&benign())).json()["result"], "benign");
}

/// Whether there is anything that has not been folded into the store. A server may not take the log's file away.
fn has_log(home: &Home) -> bool {
    fs::metadata(home.path.join("store.db-wal")).is_ok_and(|log| log.len() > 0)
}

#[test]
fn a_server_that_cannot_serve_ends_in_good_order() {
    let home = Home::demo();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let output = home.run(&["serve", "--listen", &taken.local_addr().unwrap().to_string()]);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    let log = home.log();
    let events: Vec<_> = log.iter().rev().take(2).map(|entry| entry["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["sys.stop", "sys.start"]);
    assert!(!has_log(&home), "the store was not closed");
}

#[test]
fn what_has_ended_in_good_order_leaves_one_whole_store() {
    let home = Home::demo();
    let open = || has_log(&home);
    assert!(!open(), "after `init`");
    let key = home.key("app", &["--model", "breast-cancer"]);
    assert!(!open(), "after a command");
    home.configure("[server]\ndrain_timeout_ms = 1500\n");
    let server = Server::start(&home);
    assert_eq!(server.client_with(&key.key).get("/v2/models/breast-cancer").status, 200);
    home.json(&["key", "revoke", &key.kid]);
    assert!(open(), "a server that runs has the store open");
    server.signal("TERM");
    let said = until("the server to say that it stops", || {
        Some(server.said()).filter(|said| said.contains("stopping"))
    });
    assert!(said.contains("1.5"), "the configured time is not the one that is told: {said}");
    assert!(server.stop().success());
    assert!(!open(), "after a server");
}

#[test]
fn an_older_store_is_not_served() {
    let home = Home::demo();
    let key = home.busy_key("app");
    let (store, old) = (home.path.join("store.db"), home.beside("old.db"));
    fs::copy(&store, &old).unwrap();
    let server = Server::start(&home);
    let ask = |server: &Server| server.client_with(&key.key).post(PREDICT, &question(&benign())).status;
    assert_eq!(ask(&server), 200);
    home.json(&["key", "revoke", &key.kid]);
    assert_eq!(ask(&server), 401);
    // Nothing is left behind but the outcome of the revocation.
    server.kill();
    let newest = ["store.db", "store.db-wal", "store.db-shm"].map(|name| {
        let path = home.path.join(name);
        (fs::read(&path).ok(), path)
    });
    for (_, path) in &newest {
        let _ = fs::remove_file(path);
    }
    fs::copy(&old, &store).unwrap();
    let refused = |why: &str| {
        let said = Server::try_with(&home, &[], &[]).err().unwrap_or_else(|| panic!("{why} is served"));
        assert!(said.contains("exit status: 2") && said.contains("rolled back"), "{said}");
        assert!(said.contains("hint:") && said.contains("--accept-older-store"), "{said}");
    };
    refused("a store without the last revocation");
    let output = home.run(&["key", "list"]);
    assert_eq!(output.status.code(), Some(2), "a command uses it");
    // The newest one put back is all that it takes.
    let _ = fs::remove_file(&store);
    for (bytes, path) in newest {
        if let Some(bytes) = bytes {
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        }
    }
    let server = Server::start(&home);
    assert_eq!(ask(&server), 401);
    assert!(server.stop().success());
    // After an orderly end, too; and who has nothing newer can go on, knowingly.
    fs::copy(&store, home.beside("newest.db")).unwrap();
    fs::copy(&old, &store).unwrap();
    refused("an older store after an orderly end");
    let server = Server::with(&home, &["--accept-older-store"], &[]);
    assert!(server.said().contains("older store"), "{}", server.said());
    assert_eq!(ask(&server), 200, "what was revoked since is valid again");
    assert!(home.log().iter().any(|entry| entry["event"] == "sys.restore"), "nobody would know later");
    home.json(&["key", "revoke", &key.kid]);
    assert!(server.stop().success());
    assert!(Server::start(&home).stop().success(), "once is enough");
    // From here on the other one is the older.
    fs::copy(home.beside("newest.db"), &store).unwrap();
    refused("a store that another was accepted for");
}
