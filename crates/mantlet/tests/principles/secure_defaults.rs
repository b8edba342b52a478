//! Secure defaults: the default configuration is the most restrictive one, and reducing security takes explicit action.

use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    sync::Arc,
};

use flate2::{Compression, write::GzEncoder};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde_json::{Value, json};

use crate::support::{
    Client, Home, Reply, Server, mantlet,
    people::forged,
    rows::{benign, named, question},
    until,
};

const PREDICT: &str = "/v1/models/breast-cancer/predict";

#[test]
fn an_empty_configuration_is_the_strictest() {
    let home = Home::init(&["--operator", "alice", "--security", "bob"]);
    let typed = fs::read_to_string(home.path.join("mantlet.toml")).unwrap();
    assert!(!typed.contains("[danger]"), "{typed}");
    let report = home.json(&["config", "check"]).to_string();
    for danger in ["single_person", "plaintext", "audit_os", "threshold_lowered"] {
        assert!(report.contains(danger), "`{danger}` is not in the report");
    }
    let server = Server::start(&home);
    assert!(server.address.ip().is_loopback());
    assert!(!server.said().contains("[danger]"), "{}", server.said());
    assert_eq!(server.client().post("/v2/repository/index", &json!({})).status, 401);
    // A one-person home has one danger switched on, and says so at every start.
    let single = Home::init(&["--single-person"]);
    let server = Server::start(&single);
    assert!(server.said().contains("single_person"), "{}", server.said());
}

#[test]
fn plain_text_is_spoken_on_loopback_alone() {
    let home = Home::demo();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let output = home.run(&["serve", "--listen", address, "--plaintext-loopback"]);
        assert_eq!(output.status.code(), Some(2), "{address}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("hint:"), "{said}");
    }
    // Without the switch, a plain request finds nobody to talk to.
    let server = Server::start(&home);
    let mut stream = std::net::TcpStream::connect(server.address).unwrap();
    stream.write_all(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn an_unknown_key_of_the_configuration_is_an_error_with_a_place_and_a_hint() {
    let home = Home::demo();
    home.configure("[limits]\nrate_per_minut = 5\n");
    for arguments in [&["config", "check"][..], &["serve", "--listen", "127.0.0.1:0"], &["key", "list"]] {
        let output = home.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        for part in ["rate_per_minut", "mantlet.toml:", "hint: did you mean `rate_per_minute`?"] {
            assert!(said.contains(part), "no `{part}` in {said}");
        }
    }
}

#[test]
fn older_tls_is_not_negotiated() {
    let home = Home::demo();
    let server = Server::start(&home);
    let handshake = |versions: &[&'static rustls::SupportedProtocolVersion]| {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&server.ca).unwrap()).unwrap();
        let config = ClientConfig::builder_with_protocol_versions(versions)
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::IpAddress(server.address.ip().into());
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = StreamOwned::new(connection, std::net::TcpStream::connect(server.address).unwrap());
        stream.write_all(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let mut answer = vec![0; 12];
        stream.read_exact(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    assert_eq!(handshake(&[&rustls::version::TLS13]).unwrap(), b"HTTP/1.1 200");
    assert!(handshake(&[&rustls::version::TLS12]).is_err());
}

#[test]
fn the_home_is_its_owners_alone() {
    let home = Home::demo();
    let server = Server::start(&home);
    home.json(&["key", "list"]);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home.path), 0o700);
    for (path, _) in home.bytes() {
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
    }
    assert_eq!(mode(&home.path.join("run/control.sock")) & 0o077, 0);
    server.stop();
    // And one that is not any more is refused.
    fs::set_permissions(home.path.join("keys"), fs::Permissions::from_mode(0o755)).unwrap();
    let output = home.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("hint: close it: chmod"));
}

#[test]
fn without_a_terminal_the_operators_key_goes_to_a_private_file() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let output =
        mantlet().args(["init", "--single-person", "--operator", "olivia"]).arg(&home).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let path = home.join("keys/people/olivia/key");
    let key = fs::read_to_string(&path).unwrap();
    assert!(key.starts_with("mtk_live_"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for stream in [&output.stdout, &output.stderr] {
        assert!(!String::from_utf8_lossy(stream).contains(&key), "the key is in what was printed");
    }
    assert!(String::from_utf8_lossy(&output.stdout).contains(path.to_str().unwrap()));
}

#[test]
fn a_key_in_a_url_is_refused_and_revoked_if_it_is_real() {
    let home = Home::demo();
    let key = home.busy_key("app");
    let server = Server::start(&home);
    let ask = || server.client_with(&key.key).post(PREDICT, &question(&benign()));
    // Ids are no secrets: whoever knows one cannot end the key by it.
    let made_up = forged(&key.kid);
    for path in [format!("{PREDICT}?key={made_up}"), format!("/{made_up}"), format!("/v2?api-key={made_up}")]
    {
        let reply = server.client().post(&path, &question(&benign()));
        assert_eq!((reply.status, reply.text().contains(&made_up)), (400, false), "{}", reply.text());
    }
    assert_eq!(ask().status, 200);
    // The real one is refused even where it would have been answered, and is out from then on.
    let leaked =
        server.client_with(&key.key).post(&format!("{PREDICT}?key={}", key.key), &question(&benign()));
    assert_eq!(leaked.status, 400);
    leaked.assert_discreet();
    assert!(leaked.text().contains("must not be sent in a URL"));
    assert_eq!(ask().status, 401);
    let revoked =
        home.log().into_iter().find(|entry| entry["event"] == "key.revoke" && entry["phase"] == "outcome");
    assert_eq!(revoked.unwrap()["subject"], key.kid.as_str());
    let escaped = home.busy_key("escaped");
    let path = format!("/v2?x={}", escaped.key.replace('_', "%5F"));
    assert_eq!(server.client().get(&path).status, 400);
    assert_eq!(server.client_with(&escaped.key).post(PREDICT, &question(&benign())).status, 401);
}

/// A question with one value replaced by this text, which need not be JSON.
fn with_raw(value: &str) -> String {
    let mut row = named(&benign());
    row.insert("mean_area".to_owned(), json!("@"));
    json!({ "features": row }).to_string().replace("\"@\"", value)
}

fn rejected(reply: &Reply, statuses: &[u16], what: &str) {
    assert!(statuses.contains(&reply.status), "{what}: {} {}", reply.status, reply.text());
    reply.assert_discreet();
    let said = reply.json();
    let known = ["type", "title", "status", "code", "field", "request_id"];
    assert!(
        said.as_object().unwrap().keys().all(|member| known.contains(&member.as_str())),
        "{what}: {said}"
    );
}

#[test]
fn unexpected_formats_are_rejected() {
    let home = Home::demo();
    let key = home.busy_key("app");
    let server = Server::start(&home);
    let client = server.client_with(&key.key).header("content-type", "application/json");
    let post = |body: String| client.send("POST", PREDICT, body);
    let twice = question(&benign()).to_string();
    let cases = [
        ("not JSON", "features=1".to_owned()),
        ("nothing", String::new()),
        ("half of it", twice[..twice.len() / 2].to_owned()),
        ("something after it", format!("{twice}{{}}")),
        ("a duplicate member", format!("{{\"features\":{},{}", named_text(), &twice[1..])),
        ("a duplicate feature", with_raw("1,\"mean_area\":2")),
        ("NaN", with_raw("NaN")),
        ("infinity", with_raw("Infinity")),
        ("minus infinity", with_raw("-Infinity")),
        ("a number beyond a double", with_raw("1e999")),
        ("a number of ten thousand digits", with_raw(&"9".repeat(10_000))),
        ("a hexadecimal number", with_raw("0x10")),
        ("a leading zero", with_raw("007")),
        ("a leading plus", with_raw("+1")),
        ("deep nesting", with_raw(&format!("{}{}", "[".repeat(5_000), "]".repeat(5_000)))),
        ("deep objects", format!("{}1{}", "{\"features\":".repeat(5_000), "}".repeat(5_000))),
        ("a comment", format!("/* x */{twice}")),
        ("a trailing comma", twice.replace("}}", ",}}")),
        ("single quotes", twice.replace('"', "'")),
        ("a byte order mark", format!("\u{feff}{twice}")),
        ("a name in another alphabet", twice.replace("mean_area", "me\u{430}n_area")),
        ("a name with a zero byte", twice.replace("mean_area", "mean_area\\u0000")),
        ("a lone surrogate", twice.replace("mean_area", "\\ud800")),
        ("more rows than a batch has", json!({ "features": vec![benign(); 1_001] }).to_string()),
    ];
    for (what, body) in cases {
        let reply = post(body);
        rejected(&reply, &[400, 413], what);
        assert_eq!(home.entry_of(&reply)["status"], reply.status, "{what}");
    }
    let mut bytes = twice.clone().into_bytes();
    bytes[5] = 0xFF;
    rejected(&client.send("POST", PREDICT, bytes), &[400], "no UTF-8");
    assert_eq!(post(twice).status, 200);
}

fn named_text() -> Value {
    Value::Object(named(&benign()))
}

#[test]
fn bodies_and_headers_have_bounds() {
    let home = Home::demo();
    let key = home.busy_key("app");
    let server = Server::start(&home);
    let client = server.client_with(&key.key);
    let send = |headers: &[(&str, &str)], body: Vec<u8>| {
        let client = headers.iter().fold(client.clone(), |client, (name, value)| client.header(name, value));
        client.send("POST", PREDICT, body)
    };
    let text = question(&benign()).to_string().into_bytes();
    let json = ("content-type", "application/json");
    let packed = |plain: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    };
    assert_eq!(send(&[json, ("content-encoding", "gzip")], packed(&text)).status, 200);
    let bomb = packed(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 1 << 17);
    rejected(&send(&[json, ("content-encoding", "gzip")], bomb), &[413], "a bomb");
    rejected(&send(&[json, ("content-encoding", "gzip")], text.clone()), &[400], "not packed");
    rejected(&send(&[json, ("content-encoding", "br")], text.clone()), &[415], "an unknown packing");
    rejected(
        &send(&[json, ("content-encoding", "gzip, gzip")], packed(&packed(&text))),
        &[415],
        "packed twice",
    );
    for media in ["text/xml", "text/html", "multipart/form-data; boundary=x", "application/octet-stream"] {
        rejected(&send(&[("content-type", media)], text.clone()), &[415], media);
    }
    too_large(&client);
    // Headers: too many, too long, a path too long.
    let many = (0..80).fold(client.clone(), |client, number| client.header(&format!("x-{number}"), "1"));
    assert_eq!(many.post(PREDICT, &question(&benign())).status, 431);
    let long = client.clone().header("x-long", &"a".repeat(20 << 10));
    assert_eq!(long.post(PREDICT, &question(&benign())).status, 431);
    let path = format!("{PREDICT}?{}", "a".repeat(2_000));
    assert!([400, 414].contains(&client.post(&path, &question(&benign())).status));
    assert_eq!(client.post(PREDICT, &question(&benign())).status, 200);
}

/// The server may end the connection before all of a body that it will not take has been sent.
fn too_large(client: &Client) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = client.clone().header("content-type", "application/json");
    let outcome = until("a word on a body over the bound", || {
        let body = bytes::Bytes::from(vec![b' '; (8 << 20) + 1]);
        runtime.block_on(client.exchange("POST", PREDICT, body)).ok()
    });
    rejected(&outcome, &[413], "a body over the bound");
}
