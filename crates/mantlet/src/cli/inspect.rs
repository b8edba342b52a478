//! `mantlet model features|weights|export`: looking into registered models, through door 2.

use std::{collections::BTreeMap, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::Method;
use mantlet_models::package::Package;
use mantlet_types::ModelRef;
use serde_json::{Value, json};

use super::{
    args::Common,
    exit::Failure,
    files::write_anew,
    print,
    session::{self, Session},
    share::version_path,
    transport::{self, Reply},
};
use crate::{
    assemble::{told, trusted},
    server::{
        inspect::{CONTENT_DIGEST, MODEL_DIGEST},
        upload,
    },
};

async fn get(common: &Common, path: &str) -> Result<Value, Failure> {
    let session = Session::open(common).await?;
    let reply = session.call(Method::GET, path, None).await;
    session.close().await;
    reply
}

/// Prints a model's features.
pub async fn features(common: &Common, which: &ModelRef) -> Result<(), Failure> {
    let reply = get(common, &version_path(which, "features")).await?;
    if common.json {
        return print::json(&reply);
    }
    let reference = &reply["reference"];
    if reference.is_null() {
        print::note(format_args!("there is no profile, hence nothing to say of reference data"));
    } else {
        let rows = print::cell(reference, "rows");
        let (model, version) = (&which.model, print::cell(&reply, "version"));
        print::line(format!("{model} version {version}: {rows} reference rows"))?;
    }
    let row = |feature: &Value| {
        let cell = |member| print::cell(feature, member);
        let missing =
            feature["missing"].as_f64().map_or("-".to_owned(), |share| format!("{:.1} %", share * 100.0));
        vec![cell("name"), cell("type"), missing, distribution(&feature["distribution"])]
    };
    let rows: Vec<Vec<String>> = reply["features"].as_array().into_iter().flatten().map(row).collect();
    print::table(&["feature", "type", "missing", "reference"], &rows)
}

/// A distribution in a few words.
fn distribution(of: &Value) -> String {
    let number = |value: &Value| value.as_f64().map_or("-".to_owned(), short);
    match of["type"].as_str() {
        Some("number") => {
            let median =
                of["quantiles"].as_array().and_then(|all| all.get(all.len() / 2)).unwrap_or(&Value::Null);
            format!("{} to {}, median {}", number(&of["min"]), number(&of["max"]), number(median))
        }
        Some("category") => match of["values"].as_array() {
            Some(values) => {
                let mut by_share: Vec<&Value> = values.iter().collect();
                by_share.sort_by(|a, b| {
                    b["share"].as_f64().unwrap_or(0.0).total_cmp(&a["share"].as_f64().unwrap_or(0.0))
                });
                let first: Vec<&str> =
                    by_share.iter().filter_map(|known| known["value"].as_str()).take(3).collect();
                let rest = if values.len() > first.len() { ", …" } else { "" };
                format!("{} categories: {}{rest}", values.len(), first.join(", "))
            }
            None => "too many categories to list".to_owned(),
        },
        Some("text") => format!("text of up to {} characters", print::cell(of, "chars_max")),
        _ => "-".to_owned(),
    }
}

/// Six significant digits.
fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs().log10().floor();
    if !(-4.0..9.0).contains(&magnitude) {
        return format!("{value:.5e}");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within 0 and 9 by the line above"
    )]
    let decimals = (5.0 - magnitude).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Prints a model's tensors, or a page of one's values.
pub async fn weights(
    common: &Common,
    which: &ModelRef,
    tensor: Option<&str>,
    offset: usize,
    limit: Option<usize>,
) -> Result<(), Failure> {
    let mut query = format!("offset={offset}");
    if let Some(limit) = limit {
        query.push_str(&format!("&limit={limit}"));
    }
    if let Some(tensor) = tensor {
        query.push_str("&tensor=");
        query.extend(tensor.bytes().map(|byte| format!("%{byte:02X}")));
    }
    let reply = get(common, &format!("{}?{query}", version_path(which, "weights"))).await?;
    if common.json {
        return print::json(&reply);
    }
    match reply["page"]["values"].as_array() {
        Some(values) => {
            for value in values {
                print::line(value.as_str().map_or_else(|| value.to_string(), str::to_owned))?;
            }
        }
        None => {
            let number = |item: &Value, member: &str| item[member].as_f64().map_or("-".to_owned(), short);
            let row = |item: &Value| {
                let shape: Vec<String> =
                    item["shape"].as_array().into_iter().flatten().map(Value::to_string).collect();
                let statistics = ["min", "max", "mean", "std"].map(|member| number(item, member));
                let mut row = vec![print::cell(item, "name"), print::cell(item, "operator")];
                row.extend([print::cell(item, "datatype"), format!("[{}]", shape.join(","))]);
                row.extend(statistics);
                row.push(print::cell(item, "zeros"));
                row
            };
            let rows: Vec<Vec<String>> = reply["tensors"].as_array().into_iter().flatten().map(row).collect();
            let header = ["tensor", "operator", "type", "shape", "min", "max", "mean", "std", "zeros"];
            print::table(&header, &rows)?;
        }
    }
    if let Some(next) = reply["next_offset"].as_u64() {
        print::note(format_args!("there is more: --offset {next}"));
    }
    Ok(())
}

/// Writes a model's package into a new directory, and verifies what is there then.
pub async fn export(common: &Common, which: &ModelRef, to: &Path) -> Result<(), Failure> {
    if to.symlink_metadata().is_ok() {
        let failure = Failure::new(format!("`{}` is there already", to.display()));
        return Err(failure.hint("name a directory to be made; nothing is overwritten"));
    }
    // Before anything is asked for: what nobody can verify is not written.
    let signers = session::home(common).and_then(|home| trusted(&home.trusted_signers_dir()))?;
    let session = Session::open(common).await?;
    let reply = match transport::request(Method::POST, &version_path(which, "export"), None) {
        Ok(request) => session.send(request).await,
        Err(failure) => Err(failure),
    };
    session.close().await;
    let (package, digest) = received(reply?)?;
    write_anew(package.files(), to)
        .map_err(|error| Failure::new(format!("cannot write the package to `{}`: {error}", to.display())))?;
    // What counts is what is on the disk now.
    let verified = Package::read(to).map_err(|error| told(&error, error.hint()))?.verify(&signers);
    let verified = verified.map_err(|error| told(&error, error.hint()))?;
    if verified.digest().to_string() != digest {
        return Err(Failure::no("what was written is not the package that the server named"));
    }
    let files = package.files().count();
    if common.json {
        return print::json(&json!({ "model": which.model, "to": to, "digest": digest, "files": files }));
    }
    print::line(format!("wrote {files} files to {}; the signature holds (digest {digest})", to.display()))
}

/// The package in a reply, and the digest of its manifest.
fn received(reply: Reply) -> Result<(Package, String), Failure> {
    if reply.status != 200 {
        reply.json()?;
        return Err(Failure::new("the server sent no package"));
    }
    let header = |name| reply.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content = STANDARD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &reply.body));
    if header(CONTENT_DIGEST) != format!("sha-256=:{content}:") {
        return Err(Failure::new("the package was damaged on its way"));
    }
    let digest = header(MODEL_DIGEST).to_owned();
    let (subject, files): (String, BTreeMap<String, Vec<u8>>) =
        upload::decode(&reply.body).map_err(|error| Failure::new(error.to_string()))?;
    let package = Package::from_files(files, subject).map_err(|error| told(&error, error.hint()))?;
    Ok((package, digest))
}
