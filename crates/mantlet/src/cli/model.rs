//! `mantlet model`: packages, and what is served.

use std::{
    fs,
    path::{Path, PathBuf},
};

use http::Method;
use mantlet_models::{
    artifact::{SigningKey, Verdict, generate_signing_key, sign, sign_package, verify_package},
    package::{Package, SIGNATURE_FILE},
    workbench::{ProfileRequest, Workbench},
};
use mantlet_types::ProjectId;
use serde_json::json;

use super::{
    args::{Common, Model},
    exit::Failure,
    init::register,
    inspect, print,
    session::Session,
    user::write_secret,
};
use crate::assemble::told;

/// Runs the command.
pub async fn run(common: &Common, command: Model) -> Result<(), Failure> {
    match command {
        Model::Add { dir, project } => add(common, &dir, &project).await,
        Model::List => {
            let session = Session::open(common).await?;
            let reply = session.call(Method::GET, "/admin/v1/models", None).await;
            session.close().await;
            let reply = reply?;
            let columns = ["model", "version", "status", "project", "author", "registered", "digest"];
            print::listing(&reply, "models", &columns, common.json)
        }
        Model::Features { model, version_number } => inspect::features(common, &model, version_number).await,
        Model::Weights { model, version_number, tensor, offset, limit } => {
            inspect::weights(common, &model, version_number, tensor.as_deref(), offset, limit).await
        }
        Model::Export { model, to, version_number } => {
            inspect::export(common, &model, version_number, &to).await
        }
        Model::Profile { dir, reference, calibration, target, coverage, background } => {
            let request = ProfileRequest { reference, calibration, target, coverage, background };
            profile(common, &dir, &request)
        }
        Model::Keygen { out } => keygen(common, &out),
        Model::Sign { dir, key, signature } => {
            let out = signature.unwrap_or_else(|| dir.join(SIGNATURE_FILE));
            sign_package(&dir, &read(&key)?, &out).map_err(|error| told(&error, error.hint()))?;
            print::line(format!("signed {} in {}", dir.display(), out.display()))
        }
        Model::Verify { dir, signature, public_key, ignore_unsigned_files } => {
            let signature = signature.unwrap_or_else(|| dir.join(SIGNATURE_FILE));
            let keys = public_key.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
            verify(common, &dir, &signature, &keys, ignore_unsigned_files)
        }
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", path.display())))
}

/// Reads the package, signs it with the home's author key where one person holds all duties, and sends it.
async fn add(common: &Common, dir: &Path, project: &ProjectId) -> Result<(), Failure> {
    let session = Session::open(common).await?;
    let mut package = Package::read(dir).map_err(|error| told(&error, error.hint()))?;
    if package.signature().is_none()
        && let Some(key) = session.author_key()?
    {
        let key = SigningKey::from_pem(&key).map_err(|error| Failure::new(error.to_string()))?;
        let signature = sign(&package, &key).map_err(|error| told(&error, error.hint()))?;
        package = package.with_file(SIGNATURE_FILE, signature);
    }
    let reply = register(&session, &package, project.as_str()).await;
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
