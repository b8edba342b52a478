//! `mantlet audit`: reading, checking and proving from the log.
//!
//! `tail`, `search` and `prove` go through door 2. `verify` and `export` read the files, without the home's lock and
//! without a server: an auditor may have nothing but a copied directory.

use std::path::PathBuf;

use http::Method;
use mantlet_audit::{
    read::Reader,
    verify::{self, Verdict},
};
use serde_json::{Value, json};

use super::{
    args::{Audit, Common, DecisionName, Search},
    exit::Failure,
    print,
    session::Session,
};
use crate::home::Home;

/// Runs the command.
pub async fn run(common: &Common, command: Audit) -> Result<(), Failure> {
    match command {
        Audit::Tail { count } => search(common, Search { count, ..Search::default() }).await,
        Audit::Search(what) => search(common, what).await,
        Audit::Verify { log, vkey, anchor } => check(common, log, vkey, anchor),
        Audit::Prove { receipt } => prove(common, &receipt).await,
        Audit::Export { log } => export(common, log),
    }
}

async fn search(common: &Common, what: Search) -> Result<(), Failure> {
    let decision = what.decision.map(|decision| match decision {
        DecisionName::Allow => "allow",
        DecisionName::Deny => "deny",
        DecisionName::Error => "error",
    });
    let body = json!({
        "principal": what.principal, "model": what.model, "event": what.event, "request_id": what.request,
        "decision": decision, "since": what.since, "until": what.until, "project": what.project, "count": what.count,
    });
    let reply = Session::open(common).await?.call(Method::POST, "/audit/v1/search", Some(&body)).await?;
    if common.json {
        return reply["entries"].as_array().into_iter().flatten().try_for_each(print::json);
    }
    let rows: Vec<Vec<String>> = reply["entries"].as_array().into_iter().flatten().map(row).collect();
    print::table(&["idx", "time", "event", "who", "what", "decision", "status", "policy"], &rows)
}

/// One entry in one line, for a person.
fn row(entry: &Value) -> Vec<String> {
    let count = entry["count"].as_u64().map(|count| format!(" ×{count}")).unwrap_or_default();
    let who = match &entry["principal"] {
        Value::Null => print::cell(entry, "client_ip"),
        Value::String(principal) => principal.clone(),
        other => other.to_string(),
    };
    vec![
        print::cell(entry, "idx"),
        print::cell(entry, "ts"),
        format!("{}{count}", print::cell(entry, "event")),
        who,
        print::cell(entry, "resource"),
        print::cell(entry, "decision"),
        print::cell(entry, "status"),
        print::cell(entry, "policy_ids"),
    ]
}

fn directory(common: &Common, log: Option<PathBuf>) -> Result<PathBuf, Failure> {
    match log {
        Some(dir) => Ok(dir),
        None => Ok(Home::find(common.home.as_deref())?.audit_dir()),
    }
}

/// Exit 0 if the whole log holds, 1 if it does not, 2 if that could not be told.
fn check(common: &Common, log: Option<PathBuf>, vkey: Option<String>, anchors: Vec<PathBuf>) -> Result<(), Failure> {
    let (dir, vkey, anchors) = match (log, vkey) {
        (Some(dir), Some(vkey)) => (dir, vkey, anchors),
        (None, vkey) => {
            let home = Home::find(common.home.as_deref())?;
            let configured = home.read_config().map(|config| config.audit.anchors.clone())?;
            let vkey = vkey.map_or_else(|| home.audit_vkey(), Ok)?;
            (home.audit_dir(), vkey, [configured, anchors].concat())
        }
        (Some(_), None) => return Err(Failure::new("a copied log is verified with its --vkey")),
    };
    let report = match verify::verify_dir(&dir, &vkey, &anchors) {
        Ok(report) => report,
        Err(error) => {
            if common.json {
                print::json(&json!({ "verdict": "rejected", "reason": error.to_string(), "vkey": vkey }))?;
            }
            return Err(if error.is_verdict() { Failure::no(error.to_string()) } else { Failure::new(error.to_string()) });
        }
    };
    if common.json {
        return print::json(&json!({
            "verdict": report.verdict.as_str(), "size": report.size, "unpublished": report.unpublished, "vkey": vkey,
        }));
    }
    print::line(format!("{}: {} entries, {} of them beyond the checkpoint", report.verdict.as_str(), report.size, report.unpublished))?;
    print::line(format!("vkey {vkey}"))?;
    if report.verdict == Verdict::SelfConsistent {
        print::note(format_args!("no anchor was given: whoever owns the home could have rewritten all of it ([audit] anchor)"));
    }
    Ok(())
}

async fn prove(common: &Common, receipt: &str) -> Result<(), Failure> {
    let body = json!({ "receipt": receipt });
    let reply = Session::open(common).await?.call(Method::POST, "/audit/v1/prove", Some(&body)).await?;
    if common.json {
        return print::json(&reply);
    }
    print::line(reply["proof"].as_str().unwrap_or_default().trim_end())?;
    print::note(format_args!("entry: {}\nvkey: {}", reply["entry"], print::cell(&reply, "vkey")));
    Ok(())
}

fn export(common: &Common, log: Option<PathBuf>) -> Result<(), Failure> {
    let dir = directory(common, log)?;
    let unreadable = |error: mantlet_audit::read::ReadError| Failure::new(error.to_string());
    let reader = Reader::open(&dir).map_err(unreadable)?;
    reader.entries(0).try_for_each(|entry| print::json(&entry.map_err(unreadable)?))
}
