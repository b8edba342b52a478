//! `mantlet model update`: a new version is registered, its answers are compared with those of the live one, and then, if
//! that is what was asked for, it takes its place. Each step is a request of its own; what callers see changes with the
//! last one alone, and only with `--activate` or within `--max-changed`.

use std::path::Path;

use http::Method;
use mantlet_models::{
    evaluate::{compare::Comparison, table},
    package::Package,
};
use mantlet_types::{ModelName, Version, VersionRef};
use serde_json::{Value, json};

use super::{
    args::{Common, Step, Update},
    exit::Failure,
    init::{Origin, register},
    model::{signed, stage},
    print, release, report,
    session::Session,
    transport,
};
use crate::assemble::told;

/// The column with the truth, unless it is named otherwise.
const TARGET: &str = "target";

/// A comparison as it came, with what proves it.
struct Answered {
    document: String,
    receipt: String,
    comparison: Comparison,
}

/// Runs the command.
pub async fn run(common: &Common, command: Update) -> Result<(), Failure> {
    let body = table_body(&command.data, command.target.as_deref())?;
    let session = Session::open(common).await?;
    let outcome = update(common, &session, &command, &body).await;
    session.close().await;
    outcome
}

async fn update(common: &Common, session: &Session, command: &Update, body: &Value) -> Result<(), Failure> {
    let (version, fresh) = match (&command.dir, &command.number) {
        (Some(dir), _) => (candidate(session, command, &signed(session, dir)?).await?, true),
        (None, Some(named)) => (numbered(session, &command.model, named).await?, false),
        (None, None) => return Err(Failure::new("name a package directory or a version")),
    };
    let model = &command.model;
    if fresh && !common.json {
        print::line(format!("{model} version {version} is registered as a candidate"))?;
    }
    let answered = compare(session, model, version, body).await.map_err(|failure| {
        let left = format!(
            "version {version} is a candidate; who may compare it goes on with: mantlet --as DIR model update {model} \
             --version-number {version} --data FILE"
        );
        if fresh && failure.hint.is_none() { failure.hint(left) } else { failure }
    })?;
    if let Some(path) = &command.report {
        std::fs::write(path, &answered.document)
            .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))?;
    }
    if !common.json {
        report::comparison(&answered.comparison)?;
    }
    let reached = go_on(session, command, version, &answered).await;
    // Whoever reads the document gets it whatever came of the rest.
    if common.json {
        let stage = reached.as_ref().ok().cloned().flatten();
        let document: Value = serde_json::from_str(&answered.document)
            .map_err(|error| Failure::new(format!("the server's reply is no comparison: {error}")))?;
        let told = json!({
            "model": model, "version": version, "comparison": document, "receipt": answered.receipt, "stage": stage,
        });
        print::json(&told)?;
        return reached.map(|_| ());
    }
    match reached? {
        Some(reached) => stage(&reached),
        None => {
            let again =
                format!("mantlet model update {model} --version-number {version} --data FILE --activate");
            print::note(format_args!("nothing has changed for callers; to go on: {again}"));
            Ok(())
        }
    }
}

/// The number of a registered version. It is asked for once: what is compared is then what goes live, whatever the name
/// stands for by then.
async fn numbered(session: &Session, model: &ModelName, named: &VersionRef) -> Result<Version, Failure> {
    if let VersionRef::Number(version) = named {
        return Ok(*version);
    }
    let path = format!("/admin/v1/models/{model}/versions/{named}");
    let shown = session.call(Method::GET, &path, None).await?;
    serde_json::from_value(shown["version"].clone())
        .map_err(|error| Failure::new(format!("the server's reply names no version: {error}")))
}

/// Registers a package that answers nobody but its author.
async fn candidate(session: &Session, command: &Update, package: &Package) -> Result<Version, Failure> {
    let settings = package.settings().map_err(|error| told(&error, error.hint()))?;
    if settings.name != command.model {
        return Err(Failure::new(format!("the package is of the model `{}`", settings.name)));
    }
    let (project, data_authors) = (command.project.clone(), command.data_authors.clone());
    let origin = Origin { project, data_authors, data_digests: command.data_digests.clone() };
    let reply = register(session, package, &origin, true).await?;
    serde_json::from_value(reply["version"].clone())
        .map_err(|error| Failure::new(format!("the server's reply names no version: {error}")))
}

/// The table as it goes over the wire, with the truth if it has one.
fn table_body(data: &Path, target: Option<&str>) -> Result<Value, Failure> {
    let table::Texts { columns, rows } = table::read(data).map_err(|error| told(&error, error.hint()))?;
    let has_usual = || columns.iter().any(|column| column == TARGET).then_some(TARGET);
    let target = target.or_else(has_usual);
    let rows: Vec<Vec<&str>> = rows.iter().map(|row| row.iter().collect()).collect();
    let mut body = json!({ "columns": columns, "rows": rows });
    if let Some(target) = target {
        body["target"] = target.into();
    }
    Ok(body)
}

async fn compare(
    session: &Session,
    model: &ModelName,
    version: Version,
    body: &Value,
) -> Result<Answered, Failure> {
    let path = format!("/v2/models/{model}/versions/{version}/compare");
    let reply = session.send(transport::request(Method::POST, &path, Some(body))?).await?;
    let receipt = reply.headers.get("mantlet-receipt").and_then(|receipt| receipt.to_str().ok());
    let receipt = receipt.unwrap_or_default().to_owned();
    let document = String::from_utf8(reply.body.to_vec()).unwrap_or_default();
    let value = reply.json()?;
    let comparison = serde_json::from_value(value)
        .map_err(|error| Failure::new(format!("the server's reply is no comparison: {error}")))?;
    Ok(Answered { document, receipt, comparison })
}

/// The last step, if it was asked for and the comparison allows it: live, or asked for where that takes others.
async fn go_on(
    session: &Session,
    command: &Update,
    version: Version,
    answered: &Answered,
) -> Result<Option<Value>, Failure> {
    let model = &command.model;
    let changed = answered.comparison.changed.share.value;
    match command.max_changed {
        Some(most) if changed > most => {
            let message = format!(
                "{changed:.4} of the rows are answered differently, and `{most}` is accepted at most"
            );
            let hint = format!("version {version} stays a candidate, and what is live has not changed");
            return Err(Failure::no(message).hint(hint));
        }
        None if !command.activate => return Ok(None),
        _ => {}
    }
    let path = format!("/admin/v1/models/{model}/versions/{version}");
    let shown = session.call(Method::GET, &path, None).await?;
    let (document, receipt) = (&answered.document, &answered.receipt);
    match shown["next"].as_str() {
        Some("update") => {
            let mut body = json!({ "version": version, "comparison": document, "receipt": receipt });
            if let Some(most) = command.max_changed {
                body["max_changed"] = most.into();
            }
            session.call(Method::PUT, &format!("/v2/models/{model}"), Some(&body)).await.map(Some)
        }
        Some("request") => {
            let body = json!({ "comparison": document, "receipt": receipt });
            session.call(Method::POST, &format!("{path}/request"), Some(&body)).await.map(Some)
        }
        Some("approve") => {
            let way = &shown["deployment"];
            Err(Failure::no(format!(
                "it waits for approval, by request of `{}`",
                print::cell(way, "requested_by")
            )))
        }
        _ => Err(Failure::no(format!("version {version} of `{model}` is live"))),
    }
}

/// Shows one version.
pub async fn show(common: &Common, step: &Step) -> Result<(), Failure> {
    let shown = shown(common, step).await?;
    if common.json {
        return print::json(&shown);
    }
    let rows =
        ["model", "version", "status", "state", "aliases", "project", "author", "registered", "digest"]
            .map(|member| vec![member.to_owned(), print::cell(&shown, member)]);
    print::table(&["version", "shown"], &rows)?;
    if let Some(way) = Some(&shown["deployment"]).filter(|way| !way.is_null()) {
        let [state, by, ends] = ["state", "requested_by", "ends"].map(|member| print::cell(way, member));
        print::line(format!("{state}, by request of {by}, until {ends}"))?;
        if !way["approved_by"].as_array().is_none_or(Vec::is_empty) {
            print::line(format!("approved by {}", print::cell(way, "approved_by")))?;
        }
    }
    release::lineage(&shown["lineage"])?;
    release::conditions(&shown)?;
    release::steps(&shown["steps"])?;
    attached(&shown)
}

/// Before somebody approves, they see what the version was compared with, and what came of it.
pub async fn told_before_approval(common: &Common, step: &Step) -> Result<(), Failure> {
    if common.json {
        return Ok(());
    }
    match shown(common, step).await {
        Ok(shown) => {
            release::lineage(&shown["lineage"])?;
            release::conditions(&shown)?;
            attached(&shown)
        }
        // What may not be seen may not be approved either, and that is for the next request to say.
        Err(_) => Ok(()),
    }
}

async fn shown(common: &Common, step: &Step) -> Result<Value, Failure> {
    let path = step.path()?;
    let session = Session::open(common).await?;
    let reply = session.call(Method::GET, &path, None).await;
    session.close().await;
    reply
}

/// The comparison that a deployment was asked for with.
fn attached(shown: &Value) -> Result<(), Failure> {
    let Some(digest) = shown["deployment"]["comparison_digest"].as_str() else { return Ok(()) };
    print::line(format!("comparison {digest}"))?;
    let comparison = serde_json::from_value(shown["comparison"].clone())
        .map_err(|error| Failure::new(format!("the server's reply is no comparison: {error}")))?;
    report::comparison(&comparison)
}
