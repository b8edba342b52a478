//! `mantlet evaluate`: how good a model's answers are. A registered model is asked through the home's doors or over TLS,
//! a package directory in the workbench; either way the report is the same document.

use std::path::Path;

use http::Method;
use mantlet_models::{
    evaluate::{Report, table},
    workbench::{EvaluationRequest, Workbench, WorkbenchError},
};
use mantlet_types::ModelRef;
use serde_json::{Value, json};

use super::{
    args::{Common, Evaluate, Which},
    attach,
    exit::{Exit, Failure},
    predict::over_tls,
    print, report,
    session::{self, Session},
    share::version_path,
};
use crate::{assemble::told, config::env_vars::API_KEY};

/// Runs the command.
pub async fn run(common: &Common, command: Evaluate) -> Result<(), Failure> {
    let report =
        if command.model.is_dir() { offline(&command)? } else { registered(common, &command).await? };
    if let Some(path) = &command.html {
        std::fs::write(path, report::page(&report))
            .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))?;
    }
    if common.json {
        return print::json(&report);
    }
    report::summary(&report)?;
    match &command.html {
        Some(path) => print::line(format!("wrote {}", path.display())),
        None => Ok(()),
    }
}

/// A directory that nobody verified yet.
fn offline(command: &Evaluate) -> Result<Report, Failure> {
    if command.version_number.is_some() {
        return Err(Failure::new("a directory is evaluated here, and has no versions").hint(
            "leave `--version-number` out; a registered model of this name is meant by `NAME@VERSION`",
        ));
    }
    if command.attach {
        return Err(Failure::new("a report of a directory is nobody's word but its maker's")
            .hint("register the package, and evaluate what the server has: `NAME@VERSION`"));
    }
    let failed = |error: WorkbenchError| told(&error, error.hint());
    let Evaluate { model, data, target, slices, .. } = command;
    let request = EvaluationRequest { data: data.clone(), target: target.clone(), slices: slices.clone() };
    let home = "home".parse().map_err(|_| Failure::new("no project"))?;
    Workbench::open(model).and_then(|bench| bench.evaluate(home, &request)).map_err(failed)
}

/// A model that is served, through the door that everybody takes.
async fn registered(common: &Common, command: &Evaluate) -> Result<Report, Failure> {
    let model: ModelRef = command.model.to_str().and_then(|name| name.parse().ok()).ok_or_else(|| {
        Failure::new(format!("`{}` is neither a directory nor a model's name", command.model.display()))
    })?;
    let which = Which { model, version_number: command.version_number.clone() };
    let path = version_path(&which.reference()?, "evaluate");
    let body = body(&command.data, &command.target, &command.slices)?;
    if command.attach {
        return attach::evaluate(common, &path, &body).await;
    }
    // Whoever has the home at hand is its owner, whatever server the shell's environment names.
    let is_remote = common.identity.is_none() && session::home(common).is_err();
    let reply = match session::url(common).filter(|_| is_remote) {
        Some(url) => {
            let key = std::env::var(API_KEY.name).ok().filter(|key| !key.is_empty());
            let key = key.ok_or_else(|| {
                let failure = Failure::new("a key is needed to ask a server by its URL");
                Failure { exit: Exit::Unauthenticated, ..failure.hint(format!("set {}", API_KEY.name)) }
            })?;
            over_tls(common, command.ca.as_deref(), Some(url), &path, &body, &key).await
        }
        None => {
            let session = Session::open(common).await?;
            let reply = session.call(Method::POST, &path, Some(&body)).await;
            session.close().await;
            reply
        }
    };
    serde_json::from_value(reply?)
        .map_err(|error| Failure::new(format!("the server's reply is no report: {error}")))
}

/// The table as it goes over the wire: cells as text, of which the server knows the types.
fn body(data: &Path, target: &str, slices: &[String]) -> Result<Value, Failure> {
    let table::Texts { columns, rows } = table::read(data).map_err(|error| told(&error, error.hint()))?;
    let rows: Vec<Vec<&str>> = rows.iter().map(|row| row.iter().collect()).collect();
    Ok(json!({ "columns": columns, "rows": rows, "target": target, "slices": slices }))
}
