//! Secrets of other people's services: kept under seal, shown to whoever may manage them, and nowhere else.

use std::{
    fs,
    io::Write,
    process::{Output, Stdio},
};

use serde_json::{Value, json};

use crate::support::{Home, Server};

const CANARY: &str = "sk-canary-5f1d93aa77";
const SECOND: &str = "sk-second-0b6e21cc41";

/// Runs a command with a value on its standard input.
fn with_value(home: &Home, arguments: &[&str], value: &[u8]) -> Output {
    let mut command = home.command(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(value).unwrap();
    child.wait_with_output().unwrap()
}

fn set(home: &Home, name: &str, value: &[u8]) {
    let output = with_value(home, &["secret", "set", name], value);
    assert!(output.status.success(), "{output:?}");
}

fn got(home: &Home, name: &str) -> Vec<u8> {
    let output = home.run(&["secret", "get", name]);
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

#[test]
fn a_secret_comes_back_to_the_byte_and_is_replaced_and_forgotten() {
    let home = Home::demo();
    set(&home, "openai", format!("{CANARY}\n").as_bytes());
    assert_eq!(got(&home, "openai"), CANARY.as_bytes(), "without the line's end");
    set(&home, "binary", &[0, 255, 10, 13, 0]);
    assert_eq!(got(&home, "binary"), [0, 255, 10, 13, 0]);
    let file = home.path.join("value");
    fs::write(&file, SECOND).unwrap();
    let rotated = home.json(&["secret", "rotate", "openai", "--from-file", file.to_str().unwrap()]);
    assert_eq!((&rotated["secret"], &rotated["version"]), (&json!("openai"), &json!(2)));
    assert_eq!(got(&home, "openai"), SECOND.as_bytes());
    let listed = home.json(&["secret", "list"]);
    let names: Vec<&Value> = listed.as_array().unwrap().iter().map(|one| &one["secret"]).collect();
    assert_eq!(names, ["binary", "openai"]);
    assert_eq!(with_value(&home, &["secret", "rotate", "openia"], b"x").status.code(), Some(1), "misspelled");
    assert!(home.run(&["secret", "remove", "openai"]).status.success());
    assert_eq!(home.run(&["secret", "get", "openai"]).status.code(), Some(1));
    for value in [&b""[..], b"\n", &[b'x'; (16 << 10) + 1]] {
        assert_eq!(with_value(&home, &["secret", "set", "bad"], value).status.code(), Some(2));
    }
    assert_eq!(
        with_value(&home, &["secret", "set", "x", "value"], b"x").status.code(),
        Some(2),
        "no argument"
    );
}

#[test]
fn a_secret_survives_restarts_and_changes_of_the_root_key() {
    let home = Home::demo();
    set(&home, "openai", CANARY.as_bytes());
    {
        let _server = Server::start(&home);
        assert_eq!(got(&home, "openai"), CANARY.as_bytes(), "beside a running server");
        let output = with_value(&home, &["secret", "rotate", "openai"], SECOND.as_bytes());
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(got(&home, "openai"), SECOND.as_bytes());
    for _ in 0..2 {
        let output = home.run(&["root", "key", "rotate"]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(got(&home, "openai"), SECOND.as_bytes());
    }
}

#[test]
fn no_value_is_in_the_home_the_log_or_an_error() {
    let home = Home::demo();
    set(&home, "openai", CANARY.as_bytes());
    let mut told = Vec::new();
    {
        let server = Server::start(&home);
        let owner = server.client_as(&home.founder(home.said("operator")));
        got(&home, "openai");
        // A value in the wrong place is not repeated.
        for body in [
            json!({ "valu": CANARY }),
            json!({ "value": [CANARY] }),
            json!(CANARY),
            json!({ "value_base64": CANARY }),
        ] {
            let reply = owner.send("PUT", "/admin/v1/secrets/openai", body.to_string());
            assert_eq!(reply.status, 400, "{body}");
            told.extend(reply.body.to_vec());
        }
        let name = format!("/admin/v1/secrets/{}", CANARY.to_uppercase());
        told.extend(owner.send("GET", &name, "").body.to_vec());
    }
    for arguments in
        [&["secret", "get", "other"][..], &["secret", "set", "openai", CANARY], &["secret", "list"]]
    {
        let output = home.run(arguments);
        // What clap refuses it repeats to whoever typed it; everything else says nothing of it.
        if !arguments.contains(&CANARY) {
            told.extend(output.stdout.into_iter().chain(output.stderr));
        }
    }
    told.extend(home.run(&["audit", "export"]).stdout);
    let log = String::from_utf8_lossy(&told).into_owned();
    assert!(!log.contains(CANARY) && !log.contains(SECOND), "{log}");
    let secret = |event: &str| log.matches(&format!("\"{event}\"")).count();
    assert!(secret("secret.change") >= 2 && secret("secret.read") >= 1, "{log}");
    for (path, bytes) in home.bytes() {
        assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()), "{}", path.display());
    }
}
