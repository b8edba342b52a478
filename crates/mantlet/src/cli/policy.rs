//! `mantlet policy`: custom policies beside the embedded ones.

use std::{fs, io::Read, path::Path};

use http::Method;
use mantlet_gate::policy::TEXT_BYTES_MAX;
use mantlet_types::PolicyName;
use serde_json::{Value, json};

use super::{
    approve,
    args::PolicyCommand,
    exit::{Exit, Failure},
    print,
    session::Session,
};

/// Runs the command.
pub async fn run(session: &Session, command: PolicyCommand, as_json: bool) -> Result<(), Failure> {
    match command {
        PolicyCommand::Test { file, name, from, at } => {
            let (name, text) = read(&file, name)?;
            let body = json!({ "name": name, "text": text, "from": from, "at": at });
            let reply = session.call(Method::POST, "/admin/v1/policies/test", Some(&body)).await;
            tested(&file, reply, as_json)
        }
        PolicyCommand::Propose { file, name } => {
            let (name, text) = read(&file, name)?;
            proposed(session, &json!({ "name": name, "text": text }), as_json).await
        }
        PolicyCommand::Withdraw { name } => proposed(session, &json!({ "name": name }), as_json).await,
        PolicyCommand::Apply { number } => {
            let path = format!("/admin/v1/policies/changes/{number}/apply");
            let reply = session.call(Method::POST, &path, Some(&json!({}))).await?;
            if as_json {
                return print::json(&reply);
            }
            let state = if reply["state"] == "in_force" { "are in force" } else { "are withdrawn" };
            print::line(format!("policies {} {state}", print::cell(&reply, "name")))
        }
        PolicyCommand::List => {
            let reply = session.call(Method::GET, "/admin/v1/policies", None).await?;
            let columns =
                ["name", "policies", "proposed_by", "approved_by", "applied_by", "applied", "digest"];
            print::listing(&reply, "in_force", &columns, as_json)
        }
        PolicyCommand::Show { name } => {
            let reply = session.call(Method::GET, &format!("/admin/v1/policies/{name}"), None).await?;
            if as_json { print::json(&reply) } else { print::line(print::cell(&reply, "text").trim_end()) }
        }
    }
}

/// A set's text, and its name: the one given, or the file's.
fn read(file: &Path, name: Option<PolicyName>) -> Result<(PolicyName, String), Failure> {
    let unreadable =
        |why: &dyn std::fmt::Display| Failure::new(format!("cannot read `{}`: {why}", file.display()));
    let named = || {
        let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let name = stem.to_ascii_lowercase().parse();
        name.map_err(|error| unreadable(&error).hint("name the set with --name"))
    };
    let name = name.map_or_else(named, Ok)?;
    let mut text = String::new();
    let opened = fs::File::open(file).map_err(|error| unreadable(&error))?;
    // One byte more than there may be: then the server says what the bound is.
    let bytes_max = TEXT_BYTES_MAX as u64 + 1;
    opened.take(bytes_max).read_to_string(&mut text).map_err(|error| unreadable(&error))?;
    Ok((name, text))
}

async fn proposed(session: &Session, body: &Value, as_json: bool) -> Result<(), Failure> {
    let reply = session.call(Method::POST, "/admin/v1/policies", Some(body)).await?;
    if as_json {
        return print::json(&reply);
    }
    let cell = |member| print::cell(&reply, member);
    print::line(format!("change {}: {}, until {}", cell("change"), cell("what"), cell("expires")))?;
    print::note(format_args!("to see what it changes: mantlet approve show {}", cell("change")));
    approve::next(&reply);
    Ok(())
}

/// Whether a set can be added without allowing anything new: a no to either is an answer, and not a failure to give one.
fn tested(file: &Path, reply: Result<Value, Failure>, as_json: bool) -> Result<(), Failure> {
    let reply = reply.map_err(|failure| {
        let invalid = failure.exit == Exit::Unable && failure.message.contains("polic");
        let message = format!("`{}`: {}", file.display(), failure.message);
        if invalid { Failure { exit: Exit::No, message, ..failure } } else { failure }
    })?;
    if as_json {
        print::json(&reply)?;
    } else {
        changes(&reply)?;
    }
    match reply["newly_allowed"].as_u64().unwrap_or(0) + new_cells(&reply) {
        0 => Ok(()),
        _ => Err(Failure::no("it would allow what is denied today")),
    }
}

/// Cells of the matrix in which a role gains something.
fn new_cells(reply: &Value) -> u64 {
    let cells = reply["matrix"].as_array().into_iter().flatten();
    cells.filter(|cell| cell["after"] == "allow" && cell["before"] != "allow").count() as u64
}

/// What a change of policy would do, for a person.
pub fn changes(changes: &Value) -> Result<(), Failure> {
    if !changes.is_object() {
        return Ok(());
    }
    let cell = |member| print::cell(changes, member);
    print::line(format!("\ncustom policies then in force: {}", cell("policies")))?;
    let touched = changes["invariants"].as_array().map_or(0, Vec::len);
    if touched == 0 {
        print::line("invariants touched: none")?;
    } else {
        print::line("invariants touched:")?;
        print::listing(changes, "invariants", &["policy", "action", "invariants"], false)?;
    }
    section(changes, "matrix", "roles", &["role", "action", "before", "after", "condition", "policy"])?;
    let columns = ["principal", "mfa", "action", "resource", "before", "after", "policies"];
    section(changes, "decisions", "decisions in this home", &columns)?;
    let all = if changes["complete"] == true { "all that could differ" } else { "more could differ" };
    print::line(format!(
        "\n{} newly allowed, {} newly denied, of {} decisions compared ({all})",
        cell("newly_allowed"),
        cell("newly_denied"),
        cell("compared")
    ))
}

fn section(changes: &Value, member: &str, what: &str, columns: &[&str]) -> Result<(), Failure> {
    if changes[member].as_array().is_none_or(Vec::is_empty) {
        return print::line(format!("\n{what}: nothing changes"));
    }
    print::line(format!("\n{what}:"))?;
    print::listing(changes, member, columns, false)
}
