//! What surrounds going live: aliases, and what is known of a version, for people.

use http::Method;
use mantlet_models::{artifact::SigningKey, documents};
use mantlet_types::{ModelName, ModelRef, VersionRef};
use serde_json::{Value, json};

use super::{
    args::{AliasCommand, Common, Step},
    exit::Failure,
    print,
    session::Session,
};

impl Step {
    /// The model and the version that are meant.
    pub fn named(&self) -> Result<(ModelName, VersionRef), Failure> {
        let Self { model: ModelRef { model, version: within }, number } = self;
        match (within, number) {
            (Some(version), None) | (None, Some(version)) => Ok((model.clone(), version.clone())),
            (None, None) => Err(Failure::new("which version is meant is not said")
                .hint(format!("name it as `{model}@VERSION` or `{model} VERSION`; see: mantlet model list"))),
            (Some(_), Some(_)) => Err(Failure::new("the version is named twice")),
        }
    }

    /// Where the version is.
    pub fn path(&self) -> Result<String, Failure> {
        let (model, version) = self.named()?;
        Ok(format!("/admin/v1/models/{model}/versions/{version}"))
    }
}

/// `mantlet model alias …`.
pub async fn alias(common: &Common, command: AliasCommand) -> Result<(), Failure> {
    let (method, path, body) = match &command {
        AliasCommand::Set { model, alias, number } => {
            let body = json!({ "version": number.to_string() });
            (Method::PUT, format!("/admin/v1/models/{model}/aliases/{alias}"), Some(body))
        }
        AliasCommand::Remove { model, alias } => {
            (Method::DELETE, format!("/admin/v1/models/{model}/aliases/{alias}"), None)
        }
        AliasCommand::List { .. } => (Method::GET, "/admin/v1/models".to_owned(), None),
    };
    let session = Session::open(common).await?;
    let reply = session.call(method, &path, body.as_ref()).await;
    session.close().await;
    let reply = reply?;
    if let AliasCommand::List { model } = &command {
        return listed(common, model, &reply);
    }
    if common.json {
        return print::json(&reply);
    }
    let cell = |member| print::cell(&reply, member);
    let before = |words: &str| match reply["before"].as_u64() {
        Some(version) => format!("{words}{version}"),
        None => String::new(),
    };
    print::line(if reply["version"].is_null() {
        format!("{} has no `{}` any more{}", cell("model"), cell("alias"), before("; it was version "))
    } else {
        let (model, alias, version) = (cell("model"), cell("alias"), cell("version"));
        format!("{model}@{alias} is version {version}{}", before("; it was version "))
    })
}

/// The aliases of one model, as far as the caller may know of what they stand for.
fn listed(common: &Common, model: &ModelName, reply: &Value) -> Result<(), Failure> {
    let versions = reply["models"].as_array().into_iter().flatten();
    let of_model = versions.filter(|version| version["model"] == model.as_str());
    let mut rows: Vec<(String, &Value)> = of_model
        .flat_map(|version| {
            let aliases = version["aliases"].as_array().into_iter().flatten();
            aliases.filter_map(move |alias| Some((alias.as_str()?.to_owned(), version)))
        })
        .collect();
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
    if common.json {
        let all = rows.iter().map(|(alias, version)| {
            json!({ "alias": alias, "version": version["version"], "state": version["state"] })
        });
        return print::json(&json!({ "model": model, "aliases": all.collect::<Vec<_>>() }));
    }
    let row = |(alias, version): &(String, &Value)| {
        vec![alias.clone(), print::cell(version, "version"), print::cell(version, "state")]
    };
    print::table(&["alias", "version", "state"], &rows.iter().map(row).collect::<Vec<_>>())
}

/// `mantlet model history`: exit 1 if the log does not bear out what the directory says.
pub async fn history(common: &Common, ModelRef { model, version }: &ModelRef) -> Result<(), Failure> {
    let path = match version {
        Some(version) => format!("/admin/v1/models/{model}/versions/{version}/history"),
        None => format!("/admin/v1/models/{model}/history"),
    };
    let session = Session::open(common).await?;
    let reply = session.call(Method::GET, &path, None).await;
    session.close().await;
    let reply = reply?;
    let stories = || reply["versions"].as_array().into_iter().flatten();
    if common.json {
        print::json(&reply)?;
    } else {
        for story in stories() {
            let [version, state, digest] =
                ["version", "state", "digest"].map(|member| print::cell(story, member));
            print::line(format!("{model} version {version}: {state}"))?;
            print::line(format!("digest {digest}"))?;
            lineage(&story["lineage"])?;
            steps(&story["steps"])?;
        }
        print::note(format_args!(
            "who may prove from the log has a line proved by: mantlet --as DIR audit prove RECEIPT"
        ));
    }
    let mut all = stories().flat_map(|story| story["steps"].as_array().into_iter().flatten());
    if all.any(|step| step["log"] == "missing") {
        return Err(Failure::no("the audit log does not bear out every step"));
    }
    Ok(())
}

/// A document about a version, signed if a key is given. It is JSON whatever is asked for.
pub async fn document(common: &Common, step: &Step, kind: &str, key: Option<&str>) -> Result<(), Failure> {
    let key = key.map(SigningKey::from_pem).transpose().map_err(|error| Failure::new(error.to_string()))?;
    let path = format!("{}/{kind}", step.path()?);
    let session = Session::open(common).await?;
    let reply = session.call(Method::GET, &path, None).await;
    session.close().await;
    let reply = reply?;
    match key {
        Some(key) => {
            let signed = documents::envelope(&reply.to_string(), &key);
            print::json(&signed.map_err(|error| Failure::new(error.to_string()))?)
        }
        None => print::json(&reply),
    }
}

/// Where a version comes from, and what was found out about it.
pub fn lineage(lineage: &Value) -> Result<(), Failure> {
    let told = |label: &str, member: &str| match &lineage[member] {
        Value::Null => Ok(()),
        Value::Array(items) if items.is_empty() => Ok(()),
        _ => print::line(format!("{label} {}", print::cell(lineage, member))),
    };
    told("data by", "data_authors")?;
    told("data sets", "datasets")?;
    told("profile", "profile")?;
    told("signed by key", "signer")?;
    if !lineage["scan"].is_null() {
        let [verdict, scanner, at] =
            ["verdict", "scanner", "at"].map(|member| print::cell(&lineage["scan"], member));
        print::line(format!("scanned: {verdict}, by {scanner} at {at}"))?;
    }
    for found in lineage["evaluations"].as_array().into_iter().flatten() {
        let [data, rows, by, at, report] =
            ["data", "rows", "by", "at", "report"].map(|member| print::cell(found, member));
        let figures = found["figures"].as_object().into_iter().flatten();
        let figures: Vec<String> = figures.map(|(name, value)| format!("{name} {value}")).collect();
        print::line(format!("evaluated on {data} ({rows} rows) by {by} at {at}: {}", figures.join(", ")))?;
        print::line(format!("    report {report}"))?;
    }
    Ok(())
}

/// What a version must be to go live, and is not.
pub fn conditions(shown: &Value) -> Result<(), Failure> {
    let lines = |member: &str| shown[member].as_array().into_iter().flatten().filter_map(Value::as_str);
    lines("conditions").try_for_each(|line| print::line(format!("condition: {line}")))?;
    lines("unmet").try_for_each(|line| print::line(format!("not met: {line}")))
}

/// Who took which step.
pub fn steps(steps: &Value) -> Result<(), Failure> {
    let steps: Vec<&Value> = steps.as_array().into_iter().flatten().collect();
    let has_log = steps.iter().any(|step| !step["log"].is_null());
    let row = |step: &&Value| {
        let mut row = ["step", "by", "at"].map(|member| print::cell(step, member)).to_vec();
        row.push(if step["single_person"] == true { "one person".to_owned() } else { String::new() });
        if has_log {
            row.extend(["log", "receipt"].map(|member| print::cell(step, member)));
        }
        row
    };
    let header: &[&str] =
        if has_log { &["step", "by", "at", "", "log", "receipt"] } else { &["step", "by", "at", ""] };
    print::table(header, &steps.iter().map(row).collect::<Vec<_>>())
}
