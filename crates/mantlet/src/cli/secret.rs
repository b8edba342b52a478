//! `mantlet secret`: secrets of other people's services that the home keeps.

use std::{
    fs::File,
    io::{IsTerminal, Read, Write},
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Method;
use mantlet_types::{Secret, SecretName, limits::SECRET_BYTES_MAX};
use serde_json::{Value, json};

use super::{args::SecretCommand, exit::Failure, print, session::Session};

/// Runs the command.
pub async fn run(session: &Session, command: SecretCommand, as_json: bool) -> Result<(), Failure> {
    match command {
        SecretCommand::Set { name, value, project } => {
            let mut body = read(value.from_file.as_deref())?;
            body["project"] = json!(project);
            let reply = session.call(Method::PUT, &path(&name), Some(&body)).await?;
            said(&reply, as_json, "kept")
        }
        SecretCommand::Rotate { name, value } => {
            let body = read(value.from_file.as_deref())?;
            let reply = session.call(Method::POST, &format!("{}/rotate", path(&name)), Some(&body)).await?;
            said(&reply, as_json, "replaced")
        }
        SecretCommand::List => {
            let reply = session.call(Method::GET, "/admin/v1/secrets", None).await?;
            print::listing(&reply, "secrets", &["secret", "project", "version", "changed", "by"], as_json)
        }
        SecretCommand::Get { name } => {
            let reply = session.call(Method::GET, &path(&name), None).await?;
            if as_json { print::json(&reply) } else { show(&reply) }
        }
        SecretCommand::Remove { name } => {
            let reply = session.call(Method::DELETE, &path(&name), None).await?;
            said(&reply, as_json, "forgot")
        }
    }
}

fn path(name: &SecretName) -> String {
    format!("/admin/v1/secrets/{name}")
}

fn said(reply: &Value, as_json: bool, done: &str) -> Result<(), Failure> {
    if as_json {
        return print::json(reply);
    }
    let (secret, version) = (print::cell(reply, "secret"), print::cell(reply, "version"));
    print::line(format!("{done} {secret}, value {version}"))
}

/// The value as it is, to the last byte: what comes out is what was put in.
fn show(reply: &Value) -> Result<(), Failure> {
    let other = || reply["value_base64"].as_str().and_then(|text| STANDARD.decode(text).ok());
    let bytes = reply["value"].as_str().map(|text| text.as_bytes().to_vec()).or_else(other);
    let bytes = bytes.ok_or_else(|| Failure::new("the server's reply has no value"))?;
    let mut out = std::io::stdout().lock();
    if out.is_terminal() {
        return print::line(String::from_utf8_lossy(&bytes));
    }
    let written = out.write_all(&bytes).and_then(|()| out.flush());
    written.map_err(|error| Failure::new(format!("cannot write to standard output: {error}")))
}

/// Reads a value and makes a body of it.
fn read(from: Option<&Path>) -> Result<Value, Failure> {
    let secret = match from {
        Some(path) => {
            let unreadable = |error| Failure::new(format!("cannot read `{}`: {error}", path.display()));
            bounded(File::open(path).map_err(unreadable)?).map_err(unreadable)?
        }
        None if std::io::stdin().is_terminal() => {
            return Err(Failure::new("where is the value?").hint(
                "pipe it in (`pass show openai | mantlet secret set openai`) or name a file by --from-file",
            ));
        }
        None => bounded(std::io::stdin().lock())
            .map_err(|error| Failure::new(format!("cannot read standard input: {error}")))?,
    };
    let secret = Secret::of_line(secret).map_err(|error| Failure::new(error.to_string()))?;
    Ok(match secret.expose_str() {
        Some(text) => json!({ "value": text }),
        None => json!({ "value_base64": STANDARD.encode(secret.expose()) }),
    })
}

fn bounded(from: impl Read) -> std::io::Result<Vec<u8>> {
    // Room for a line's end, and for one byte that is too many.
    let mut bytes = Vec::with_capacity(SECRET_BYTES_MAX + 3);
    from.take(SECRET_BYTES_MAX as u64 + 3).read_to_end(&mut bytes)?;
    Ok(bytes)
}
