//! `mantlet audit`: reading, checking and proving from the log.
//!
//! `tail`, `search` and `prove` go through door 2. `verify` and `export` read the files, without the home's lock and
//! without a server: an auditor may have nothing but a copied directory.

use std::path::{Path, PathBuf};

use http::Method;
use mantlet_audit::{
    read::Reader,
    verify::{self, Verdict, VerifyError},
};
use serde_json::{Value, json};

use super::{
    args::{Audit, Common, DecisionName, Search},
    exit::Failure,
    print,
    session::{self, Session},
};
use crate::{assemble::audit_key, config::env_vars};

/// Runs the command.
pub async fn run(common: &Common, command: Audit) -> Result<(), Failure> {
    if matches!(command, Audit::Verify { .. } | Audit::Export { .. })
        && (common.identity.is_some() || common.url.is_some())
    {
        let failure =
            Failure::new("this reads the log's files and asks no server, so that it is nobody's request");
        return Err(failure.hint(format!(
            "leave --as, --url and {} out, and name the home or a copy of the log by --home or --log; as yourself over \
             the network: mantlet --as DIR audit search",
            env_vars::IDENTITY.name
        )));
    }
    match command {
        Audit::Tail { count } => search(common, Search { count, ..Search::default() }).await,
        Audit::Search(what) => search(common, what).await,
        Audit::Verify { proof: Some(proof), vkey, .. } => {
            check_proof(common, &proof, &vkey.unwrap_or_default())
        }
        Audit::Verify { log, vkey, anchor, proof: None } => check(common, log, vkey, anchor),
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
    let reply = ask(common, "/audit/v1/search", &body).await?;
    if common.json {
        return reply["entries"].as_array().into_iter().flatten().try_for_each(print::json);
    }
    let rows: Vec<Vec<String>> = reply["entries"].as_array().into_iter().flatten().map(row).collect();
    print::table(&["idx", "time", "event", "who", "what", "decision", "status", "policy"], &rows)
}

/// One question to the log, in a session of its own.
async fn ask(common: &Common, path: &str, body: &Value) -> Result<Value, Failure> {
    let session = Session::open(common).await?;
    let reply = session.call(Method::POST, path, Some(body)).await;
    session.close().await;
    reply
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
        None => Ok(session::home(common)?.audit_dir()),
    }
}

/// Exit 0 if the whole log holds, 1 if it does not, 2 if that could not be told.
fn check(
    common: &Common,
    log: Option<PathBuf>,
    vkey: Option<String>,
    anchors: Vec<PathBuf>,
) -> Result<(), Failure> {
    let (dir, vkey, anchors) = match (log, vkey) {
        (Some(dir), Some(vkey)) => (dir, vkey, anchors),
        (None, vkey) => {
            let home = session::home(common)?;
            let config = session::config(&home)?;
            let own = || {
                let root = session::root_key(&home, &config)?;
                Ok::<_, Failure>(audit_key(&home, &root, &config)?.verifier().to_string())
            };
            (home.audit_dir(), vkey.map_or_else(own, Ok)?, [config.audit.anchors.clone(), anchors].concat())
        }
        (Some(_), None) => return Err(Failure::new("a copied log is verified with its --vkey")),
    };
    let report = match verify::verify_dir(&dir, &vkey, &anchors) {
        Ok(report) => report,
        Err(error) => return Err(fault(common, &error, &vkey)?),
    };
    let beyond = report.tail.unwrap_or(0);
    let (verdict, size) = (report.verdict.as_str(), report.size + beyond);
    if common.json {
        let anchored = report.anchored;
        return print::json(&json!({
            "verdict": verdict, "size": size, "checkpoint": report.size, "anchored": anchored, "vkey": vkey,
            "origin": report.origin,
        }));
    }
    print::line(format!("{verdict}: {size} entries, {beyond} of them beyond the checkpoint"))?;
    print::line(format!("vkey {vkey}"))?;
    if report.verdict == Verdict::SelfConsistent {
        print::note(format_args!(
            "no anchor was given: whoever owns the home could have rewritten all of it (`[audit] anchors`)"
        ));
    }
    Ok(())
}

/// What a fault means for a script: files that cannot be read and keys that are none are no verdict.
fn fault(common: &Common, error: &VerifyError, vkey: &str) -> Result<Failure, Failure> {
    let message = error.to_string();
    if matches!(error, VerifyError::Io { .. } | VerifyError::Key) {
        return Ok(Failure::new(message));
    }
    if common.json {
        print::json(
            &json!({ "verdict": "rejected", "reason": message, "index": error.index(), "vkey": vkey }),
        )?;
    }
    Ok(Failure::no(message))
}

/// Checks a proof that somebody was given, with nothing but the log's key.
fn check_proof(common: &Common, proof: &Path, vkey: &str) -> Result<(), Failure> {
    let text = std::fs::read_to_string(proof)
        .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", proof.display())))?;
    match verify::verify_proof(&text, vkey) {
        Ok(proven) => print::line(String::from_utf8_lossy(&proven.entry)),
        Err(error) => Err(fault(common, &error, vkey)?),
    }
}

async fn prove(common: &Common, receipt: &str) -> Result<(), Failure> {
    let body = json!({ "receipt": receipt });
    let reply = ask(common, "/audit/v1/prove", &body).await?;
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
