//! `mantlet model`: packages, and what is served.

use std::{
    fs,
    path::{Path, PathBuf},
};

use http::Method;
use mantlet_gate::approvals::Item;
use mantlet_models::{
    artifact::{SigningKey, generate_signing_key, sign},
    package::{Package, SIGNATURE_FILE},
    workbench::{ProfileRequest, Workbench},
};
use mantlet_types::{ModelName, VersionRef};
use serde_json::{Value, json};

use super::{
    approve,
    args::{Common, Model, Step},
    bucket, collect,
    exit::Failure,
    identity::write_secret,
    import,
    init::{Origin, register},
    inspect, print, release, scan,
    session::Session,
    share, signing, update,
};
use crate::assemble::told;

/// Runs the command.
pub async fn run(common: &Common, command: Model) -> Result<(), Failure> {
    match command {
        Model::Add { dir, project, data_authors, data_digests } => {
            add(common, &dir, &Origin { project, data_authors, data_digests }).await
        }
        Model::List => {
            let session = Session::open(common).await?;
            let reply = session.call(Method::GET, "/admin/v1/models", None).await;
            session.close().await;
            let reply = reply?;
            if common.json { print::json(&reply) } else { table(&reply) }
        }
        Model::Update(command) => update::run(common, command).await,
        Model::Show(step) => update::show(common, &step).await,
        Model::Request(step) => take(common, &step, "request").await,
        Model::Approve(step) => {
            update::told_before_approval(common, &step).await?;
            let session = Session::open(common).await?;
            let reply = approval(&session, &step).await;
            session.close().await;
            let reply = reply?;
            if common.json { print::json(&reply) } else { stage(&reply) }
        }
        Model::History { model } => release::history(common, &model).await,
        Model::Bom(step) => release::document(common, &step, "bom", None).await,
        Model::Provenance { step, key } => {
            let key = key.as_deref().map(signing::read).transpose()?;
            release::document(common, &step, "provenance", key.as_deref()).await
        }
        Model::Retire(step) => take(common, &step, "retire").await,
        Model::Alias(command) => release::alias(common, command).await,
        Model::Disable { model } => stand(common, &model, "disable").await,
        Model::Enable { model } => stand(common, &model, "enable").await,
        Model::Promote(step) => take(common, &step, "activate").await,
        Model::Rollback { model, to } => {
            let body = json!({ "version": to.map(|to| to.to_string()) });
            staged(common, &format!("/admin/v1/models/{model}/rollback"), &body).await
        }
        Model::Features { which } => inspect::features(common, &which.reference()?).await,
        Model::Weights { which, tensor, offset, limit } => {
            inspect::weights(common, &which.reference()?, tensor.as_deref(), offset, limit).await
        }
        Model::Export { which, to } => inspect::export(common, &which.reference()?, &to).await,
        Model::Collect { dry_run } => collect::run(common, dry_run).await,
        Model::Url(command) => share::url(common, command).await,
        Model::Publish(command) => bucket::publish(common, command).await,
        Model::Import(command) => import::run(common, command).await,
        Model::UrlKeys(command) => share::keys(common, command).await,
        Model::Profile { dir, reference, calibration, target, coverage, background } => {
            let request = ProfileRequest { reference, calibration, target, coverage, background };
            profile(common, &dir, &request)
        }
        Model::Keygen { out } => keygen(common, &out),
        Model::Sign(command) => signing::sign(common, &command),
        Model::Scan(command) => scan::run(common.json, &command),
        Model::Verify(command) => signing::verify(common, &command),
    }
}

/// Versions, with who has asked for or approved those that are on their way.
fn table(reply: &Value) -> Result<(), Failure> {
    let rows = reply["models"].as_array().into_iter().flatten().map(|version| {
        let mut row: Vec<String> =
            ["model", "version", "status", "state", "aliases", "project", "author", "registered", "digest"]
                .map(|member| print::cell(version, member))
                .into();
        let way = &version["deployment"];
        let by = if way["state"] == "approved" { "approved_by" } else { "requested_by" };
        row.push(match way {
            Value::Null => String::new(),
            way => format!(
                "{} by {} until {}",
                print::cell(way, "state"),
                print::cell(way, by),
                print::cell(way, "ends")
            ),
        });
        row
    });
    let columns = [
        "model",
        "version",
        "status",
        "state",
        "aliases",
        "project",
        "author",
        "registered",
        "digest",
        "deployment",
    ];
    print::table(&columns, &rows.collect::<Vec<_>>())
}

/// One step of a version to production.
async fn take(common: &Common, step: &Step, name: &str) -> Result<(), Failure> {
    staged(common, &format!("{}/{name}", step.path()?), &json!({})).await
}

/// Approves a version by its number, which is what a statement has: an alias may stand for another one tomorrow.
async fn approval(session: &Session, step: &Step) -> Result<Value, Failure> {
    let (model, version) = match step.named()? {
        (model, VersionRef::Number(version)) => (model, version),
        (model, _) => {
            let shown = session.call(Method::GET, &step.path()?, None).await?;
            let version = serde_json::from_value(shown["version"].clone());
            (
                model,
                version
                    .map_err(|error| Failure::new(format!("the server's reply names no version: {error}")))?,
            )
        }
    };
    approve::sign(session, &Item::Deployment(model, version)).await
}

/// Sends what changes a version's stage, and says what came of it.
async fn staged(common: &Common, path: &str, body: &Value) -> Result<(), Failure> {
    let session = Session::open(common).await?;
    let reply = session.call(Method::POST, path, Some(body)).await;
    session.close().await;
    let reply = reply?;
    if common.json {
        return print::json(&reply);
    }
    stage(&reply)
}

/// Stops a model, or lets it answer again.
async fn stand(common: &Common, model: &ModelName, verb: &str) -> Result<(), Failure> {
    let session = Session::open(common).await?;
    let path = format!("/admin/v1/models/{model}/{verb}");
    let reply = session.call(Method::POST, &path, Some(&json!({}))).await;
    session.close().await;
    let reply = reply?;
    if common.json {
        return print::json(&reply);
    }
    let cell = |member| print::cell(&reply, member);
    print::line(format!("{} version {} is {}", cell("model"), cell("version"), cell("state")))?;
    approve::next(&reply);
    Ok(())
}

/// Says how far a version is.
pub(super) fn stage(reply: &Value) -> Result<(), Failure> {
    let cell = |member| print::cell(reply, member);
    let replaced = reply["replaced"]
        .as_u64()
        .map(|version| format!(", in the place of version {version}"))
        .unwrap_or_default();
    let until = reply["ends"].as_str().map(|ends| format!(" until {ends}")).unwrap_or_default();
    print::line(format!(
        "{} version {} is {}{until}{replaced}",
        cell("model"),
        cell("version"),
        cell("state")
    ))?;
    print::line(format!("digest {}", cell("digest")))?;
    print::note(format_args!("next, {}", cell("next")));
    Ok(())
}

async fn add(common: &Common, dir: &Path, origin: &Origin) -> Result<(), Failure> {
    let session = Session::open(common).await?;
    let package = signed(&session, dir);
    let reply = match package {
        Ok(package) => register(&session, &package, origin, false).await,
        Err(failure) => Err(failure),
    };
    session.close().await;
    let reply = reply?;
    if common.json {
        return print::json(&reply);
    }
    let cell = |member| print::cell(&reply, member);
    print::line(format!("{} version {} is {}", cell("model"), cell("version"), cell("status")))?;
    for unmet in reply["unmet"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        print::line(format!("not met: {unmet}"))?;
    }
    print::note(format_args!("next: {}", cell("next")));
    Ok(())
}

/// Reads the package, and signs it with the home's author key where one person holds all duties.
pub(super) fn signed(session: &Session, dir: &Path) -> Result<Package, Failure> {
    let package = Package::read(dir).map_err(|error| told(&error, error.hint()))?;
    let key = if package.signature().is_none() { session.author_key()? } else { None };
    let Some(key) = key else { return Ok(package) };
    let key = SigningKey::from_pem(&key).map_err(|error| Failure::new(error.to_string()))?;
    let signature = sign(&package, &key).map_err(|error| told(&error, error.hint()))?;
    Ok(package.with_file(SIGNATURE_FILE, signature))
}

fn profile(common: &Common, dir: &Path, request: &ProfileRequest) -> Result<(), Failure> {
    let failed = |error: mantlet_models::workbench::WorkbenchError| told(&error, error.hint());
    let made = Workbench::open(dir).and_then(|bench| bench.profile(request)).map_err(failed)?;
    Workbench::write_profile(dir, &made).map_err(failed)?;
    if common.json {
        return print::json(&made);
    }
    print::line(format!("wrote {}", dir.join(mantlet_models::package::PROFILE_FILE).display()))
}

fn keygen(common: &Common, out: &Path) -> Result<(), Failure> {
    let (private, public) = generate_signing_key().map_err(|error| Failure::new(error.to_string()))?;
    let public_path = PathBuf::from(format!("{}.pub", out.display()));
    write_secret(out, private.as_bytes())?;
    fs::write(&public_path, public)
        .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", public_path.display())))?;
    if common.json {
        return print::json(&json!({ "private_key": out, "public_key": public_path }));
    }
    print::line(format!("wrote {} and {}", out.display(), public_path.display()))
}
