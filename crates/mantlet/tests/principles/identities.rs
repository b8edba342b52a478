//! Everybody acts as themselves: the command line of whoever has a key and a certificate, without the home's files.

use std::{fs, os::unix::fs::PermissionsExt, process::Output};

use serde_json::json;

use crate::support::{Home, Person, Server, mantlet, rows::benign};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a command as a person and expects this exit code.
fn run(server: &Server, person: &Person, arguments: &[&str], code: i32) -> Output {
    let output = server.command_as(person, arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}{}", printed(&output), said(&output));
    output
}

fn team() -> (Server, Home, Person) {
    let home = Home::init(&["--operator", "alice", "--security", "bob"]);
    let server = Server::start(&home);
    let bob = home.founder("bob");
    (server, home, bob)
}

#[test]
fn a_person_acts_by_a_directory_alone() {
    let (server, home, bob) = team();
    // What was handed over is good for one thing, and the message names the command.
    let confined = run(&server, &bob, &["audit", "tail"], 1);
    assert!(said(&confined).contains("mantlet --as DIR key rotate"), "{}", said(&confined));
    let rotated = run(&server, &bob, &["key", "rotate"], 0);
    let key = bob.dir.join("key");
    let new = fs::read_to_string(&key).unwrap();
    assert!(new.starts_with("mtk_live_") && new != bob.key);
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    for text in [printed(&rotated), said(&rotated)] {
        assert!(!text.contains(&new) && !text.contains("until -"), "{text}");
    }
    // A duty goes to dora by two people, each at their own place.
    let dora = home.invite("dora");
    let url = fs::read_to_string(dora.dir.join("url")).unwrap();
    assert_eq!(url.trim(), format!("https://{}", server.address));
    // Her directory says where the server is, and needs nothing beside it.
    let own = mantlet().args(["key", "rotate", "--as"]).arg(&dora.dir).output().unwrap();
    assert!(own.status.success(), "{}", said(&own));
    let grant = home.json(&["role", "assign", "dora", "data_scientist"])["grant"].to_string();
    assert_eq!(home.run(&["role", "approve", &grant]).status.code(), Some(1));
    run(&server, &dora, &["role", "approve", &grant], 1);
    let approved = run(&server, &bob, &["role", "approve", &grant], 0);
    assert!(printed(&approved).contains(&format!("an operator: mantlet role apply {grant}")));
    assert_eq!(home.json(&["role", "apply", &grant])["state"], "bound");
    // Each does their own work and no other.
    let log = run(&server, &bob, &["audit", "tail", "--json"], 0);
    assert!(printed(&log).contains("role.change"), "{}", printed(&log));
    run(&server, &dora, &["audit", "tail"], 1);
    run(&server, &bob, &["user", "list"], 0);
    assert!(printed(&run(&server, &dora, &["key", "list"], 0)).contains("user:dora"));
}

#[test]
fn an_author_registers_and_tries_a_model_from_where_they_work() {
    let (server, home, bob) = team();
    let dora = home.invite("dora");
    for person in [&bob, &dora] {
        run(&server, person, &["key", "rotate"], 0);
    }
    let grant = home.json(&["role", "assign", "dora", "data_scientist"])["grant"].to_string();
    run(&server, &bob, &["role", "approve", &grant], 0);
    home.json(&["role", "apply", &grant]);
    let package = home.package("tumors");
    let (package, key) = (package.to_str().unwrap(), home.beside("author.key"));
    let key = key.to_str().unwrap();
    for arguments in [&["model", "keygen", key][..], &["model", "sign", package, "--key", key]] {
        assert!(mantlet().args(arguments).output().unwrap().status.success());
    }
    // Who is not trusted learns what to do, and what then is done needs no restart.
    let refused = run(&server, &dora, &["model", "add", package], 2);
    assert!(
        said(&refused).contains("keys/trusted") && said(&refused).contains("config reload"),
        "{}",
        said(&refused)
    );
    let trusted = home.path.join("keys/trusted");
    fs::copy(format!("{key}.pub"), trusted.join("dora.pem")).unwrap();
    fs::write(trusted.join("junk.pem"), "no key").unwrap();
    let whole_or_not = home.run(&["config", "reload"]);
    assert_eq!(whole_or_not.status.code(), Some(1), "{}", said(&whole_or_not));
    run(&server, &dora, &["model", "add", package], 2);
    fs::remove_file(trusted.join("junk.pem")).unwrap();
    assert!(home.run(&["config", "reload"]).status.success());
    let added = run(&server, &dora, &["model", "add", package], 0);
    assert!(printed(&added).contains("tumors version 1 is candidate"), "{}", printed(&added));
    let row = home.beside("row.json");
    fs::write(&row, json!(benign()).to_string()).unwrap();
    let row = row.to_str().unwrap();
    let tried = run(&server, &dora, &["predict", "tumors", "--version-number", "1", "--input", row], 0);
    assert!(printed(&tried).contains("\"candidate\":true"), "{}", printed(&tried));
    // Nothing is live. That is no failure of the server's.
    let nothing = run(&server, &dora, &["predict", "tumors", "--input", row], 1);
    assert!(!said(&nothing).contains("unavailable"), "{}", said(&nothing));
    // A signer who is not trusted any more registers nothing more.
    fs::remove_file(trusted.join("dora.pem")).unwrap();
    assert!(home.run(&["config", "reload"]).status.success());
    run(&server, &dora, &["model", "add", package], 2);
}

#[test]
fn only_the_directory_says_who_acts_and_whom_to_trust() {
    let (server, home, bob) = team();
    run(&server, &bob, &["key", "rotate"], 0);
    // Another's key in the environment does not make this somebody else.
    let mut listing = server.command_as(&bob, &["key", "list"]);
    let listed = listing.env("MANTLET_API_KEY", home.said("operator_key")).output().unwrap();
    assert!(
        printed(&listed).contains("user:bob") && !printed(&listed).contains("user:alice"),
        "{}",
        printed(&listed)
    );
    // Nor does the environment choose who gets to see the key: another home's authority counts for nothing.
    let other = Home::init(&["--operator", "olga", "--security", "oscar"]);
    fs::copy(other.path.join("ca.pem"), bob.dir.join("ca.pem")).unwrap();
    let mut listing = server.command_as(&bob, &["key", "list"]);
    let refused = listing.env("MANTLET_CA", &server.ca).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert!(said(&refused).contains("TLS failed"), "{}", said(&refused));
    fs::copy(&server.ca, bob.dir.join("ca.pem")).unwrap();
    // A key that others can read is not used.
    let key = bob.dir.join("key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let open = run(&server, &bob, &["key", "list"], 2);
    assert!(said(&open).contains("hint: chmod 600"), "{}", said(&open));
    fs::remove_file(&key).unwrap();
    run(&server, &bob, &["key", "list"], 4);
}

#[test]
fn a_certificate_is_renewed_where_the_old_one_was() {
    let (server, home, _) = team();
    let dora = home.invite("dora");
    run(&server, &dora, &["key", "rotate"], 0);
    let old = fs::read(dora.dir.join("certificate.pem")).unwrap();
    let renewed = home.run(&["user", "certify", "dora", "--out", dora.dir.to_str().unwrap()]);
    assert!(renewed.status.success(), "{}", said(&renewed));
    assert_ne!(fs::read(dora.dir.join("certificate.pem")).unwrap(), old);
    // It is a second factor beside the key that stayed.
    run(&server, &dora, &["key", "rotate"], 0);
    // People see by which digest to withdraw one.
    let users = home.json(&["user", "list"]);
    let dora = users.as_array().unwrap().iter().find(|user| user["user"] == "dora").unwrap();
    let digests = dora["certificates"].as_array().unwrap();
    assert_eq!(digests.len(), 2);
    let table = printed(&home.run(&["user", "list"]));
    assert!(digests.iter().all(|digest| table.contains(digest.as_str().unwrap())), "{table}");
    assert!(!table.contains('{'), "{table}");
}

#[test]
fn a_server_with_a_certificate_from_elsewhere_is_trusted_as_the_system_says() {
    let home = Home::demo();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let (chain, private) = (home.beside("server.pem"), home.beside("server.key"));
    fs::write(&chain, certificate.pem()).unwrap();
    fs::write(&private, key.serialize_pem()).unwrap();
    fs::set_permissions(&private, fs::Permissions::from_mode(0o600)).unwrap();
    let shown = |path: &std::path::Path| path.display().to_string();
    home.configure(&format!("[server]\ncertificate = {:?}\nkey = {:?}\n", shown(&chain), shown(&private)));
    let server = Server::start(&home);
    let row = home.beside("row.json");
    fs::write(&row, json!(benign()).to_string()).unwrap();
    let ask = |system: &std::path::Path| {
        let mut command = home.command(&["predict", "breast-cancer", "--input", row.to_str().unwrap()]);
        command.env("MANTLET_API_KEY", home.said("demo_key")).env("SSL_CERT_FILE", system).output().unwrap()
    };
    let answered = ask(&chain);
    assert!(answered.status.success(), "{}", said(&answered));
    // A system that does not know the authority does not trust the server.
    let other = Home::init(&["--single-person"]);
    assert_eq!(ask(&other.path.join("ca.pem")).status.code(), Some(2));
    // What `mantlet env` names knows it too.
    let env = home.command(&["env", "--json"]).env("SSL_CERT_FILE", &chain).output().unwrap();
    let env: serde_json::Value = serde_json::from_slice(&env.stdout).unwrap();
    for variable in ["MANTLET_CA", "CURL_CA_BUNDLE"] {
        let bundle = fs::read_to_string(env[variable].as_str().unwrap()).unwrap();
        assert!(bundle.contains(certificate.pem().lines().nth(1).unwrap()), "{variable}");
    }
    // Who is invited gets no authority that would be the wrong one.
    let ann = home.invite("ann");
    assert!(!ann.dir.join("ca.pem").exists());
    let mut command = server.command_as(&ann, &["key", "list"]);
    assert!(command.env("SSL_CERT_FILE", &chain).output().unwrap().status.success());
}
