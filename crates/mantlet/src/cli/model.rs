//! `mantlet model`: packages, and what is served.

use std::{
    fs,
    path::{Path, PathBuf},
};

use http::Method;
use mantlet_gate::approvals::Item;
use mantlet_models::{
    artifact::{SigningKey, Verdict, generate_signing_key, sign, sign_package, verify_package},
    package::{Package, SIGNATURE_FILE},
    workbench::{ProfileRequest, Workbench},
};
use mantlet_types::{ModelName, ProjectId, UserId};
use serde_json::{Value, json};

use super::{
    approve,
    args::{Common, Model, Step},
    bucket,
    exit::Failure,
    identity::write_secret,
    import,
    init::register,
    inspect, print, scan,
    session::Session,
    share, update,
};
use crate::assemble::told;

/// Runs the command.
pub async fn run(common: &Common, command: Model) -> Result<(), Failure> {
    match command {
        Model::Add { dir, project, data_authors } => add(common, &dir, &project, &data_authors).await,
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
            let item = Item::Deployment(step.model, step.number);
            let session = Session::open(common).await?;
            let reply = approve::sign(&session, &item).await;
            session.close().await;
            let reply = reply?;
            if common.json { print::json(&reply) } else { stage(&reply) }
        }
        Model::Disable { model } => stand(common, &model, "disable").await,
        Model::Enable { model } => stand(common, &model, "enable").await,
        Model::Promote(step) => take(common, &step, "activate").await,
        Model::Rollback { model, to } => {
            let body = json!({ "version": to });
            staged(common, &format!("/admin/v1/models/{model}/rollback"), &body).await
        }
        Model::Features { model, version_number } => inspect::features(common, &model, version_number).await,
        Model::Weights { model, version_number, tensor, offset, limit } => {
            inspect::weights(common, &model, version_number, tensor.as_deref(), offset, limit).await
        }
        Model::Export { model, to, version_number } => {
            inspect::export(common, &model, version_number, &to).await
        }
        Model::Url(command) => share::url(common, command).await,
        Model::Publish(command) => bucket::publish(common, command).await,
        Model::Import(command) => import::run(common, command).await,
        Model::UrlKeys(command) => share::keys(common, command).await,
        Model::Profile { dir, reference, calibration, target, coverage, background } => {
            let request = ProfileRequest { reference, calibration, target, coverage, background };
            profile(common, &dir, &request)
        }
        Model::Keygen { out } => keygen(common, &out),
        Model::Sign { dir, key, signature } => {
            let out = signature.unwrap_or_else(|| dir.join(SIGNATURE_FILE));
            sign_package(&dir, &read(&key)?, &out).map_err(|error| told(&error, error.hint()))?;
            if common.json {
                return print::json(&json!({ "package": dir, "signature": out }));
            }
            print::line(format!("signed {} in {}", dir.display(), out.display()))
        }
        Model::Scan(command) => scan::run(common.json, &command),
        Model::Verify { dir, signature, public_key, ignore_unsigned_files } => {
            let signature = signature.unwrap_or_else(|| dir.join(SIGNATURE_FILE));
            let keys = public_key.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
            verify(common, &dir, &signature, &keys, ignore_unsigned_files)
        }
    }
}

/// Versions, with who has asked for or approved those that are on their way.
fn table(reply: &Value) -> Result<(), Failure> {
    let rows = reply["models"].as_array().into_iter().flatten().map(|version| {
        let mut row: Vec<String> =
            ["model", "version", "status", "project", "author", "registered", "digest"]
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
    let columns = ["model", "version", "status", "project", "author", "registered", "digest", "deployment"];
    print::table(&columns, &rows.collect::<Vec<_>>())
}

/// One step of a version to production.
async fn take(common: &Common, step: &Step, name: &str) -> Result<(), Failure> {
    let Step { model, number } = step;
    staged(common, &format!("/admin/v1/models/{model}/versions/{number}/{name}"), &json!({})).await
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

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", path.display())))
}

async fn add(
    common: &Common,
    dir: &Path,
    project: &ProjectId,
    data_authors: &[UserId],
) -> Result<(), Failure> {
    let session = Session::open(common).await?;
    let package = signed(&session, dir);
    let reply = match package {
        Ok(package) => register(&session, &package, project, data_authors, false).await,
        Err(failure) => Err(failure),
    };
    session.close().await;
    let reply = reply?;
    if common.json {
        return print::json(&reply);
    }
    let cell = |member| print::cell(&reply, member);
    print::line(format!("{} version {} is {}", cell("model"), cell("version"), cell("status")))?;
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

/// Exit 0 if the signature holds, 1 if not.
fn verify(
    common: &Common,
    dir: &Path,
    signature: &Path,
    keys: &[String],
    ignore: bool,
) -> Result<(), Failure> {
    let report = verify_package(dir, signature, keys, ignore).map_err(|error| told(&error, error.hint()))?;
    if common.json {
        print::json(&report)?;
    } else if report.verdict == Verdict::Accept {
        print::line(format!("{} is what was signed", dir.display()))?;
    }
    match report.verdict {
        Verdict::Accept => Ok(()),
        Verdict::Reject => Err(Failure { hint: report.hint, ..Failure::no(report.reason) }),
    }
}
