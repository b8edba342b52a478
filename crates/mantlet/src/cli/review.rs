//! `mantlet review`: the reviewers' desk, and coming back for what was decided.

use std::path::Path;

use http::Method;
use mantlet_types::{ModelName, RequestId};
use serde_json::{Value, json};

use super::{
    args::{Common, Review},
    exit::Failure,
    identity::write_secret,
    predict, print,
    session::Session,
    transport, with_session,
};

/// Runs the command.
pub async fn run(common: &Common, command: Review) -> Result<(), Failure> {
    match command {
        Review::Poll { model, request, ca } => poll(common, &model, request, ca.as_deref()).await,
        command => with_session(common, async |session| desk(session, command, common.json).await).await,
    }
}

async fn desk(session: &Session, command: Review, as_json: bool) -> Result<(), Failure> {
    match command {
        Review::List { model, status } => {
            let model = model.map(|model| format!("model={model}"));
            let status = status.map(|status| format!("status={}", status.as_str()));
            let query = [model, status].into_iter().flatten().collect::<Vec<_>>().join("&");
            let reply = session.call(Method::GET, &format!("/admin/v1/reviews?{query}"), None).await?;
            list(&reply, as_json)
        }
        Review::Show { item } => {
            let reply = session.call(Method::GET, &format!("/admin/v1/reviews/{item}"), None).await?;
            if as_json { print::json(&reply) } else { show(&reply) }
        }
        Review::Assign { item, to, take_over } => {
            let body = json!({ "to": to, "take_over": take_over });
            let reply =
                session.call(Method::POST, &format!("/admin/v1/reviews/{item}/assign"), Some(&body)).await?;
            said(&reply, as_json, |cell| format!("assigned to {}", cell("assigned_to")))
        }
        Review::Decide { item, result, uphold, reason } => {
            let body = json!({ "result": result, "uphold": uphold, "reason": reason });
            let reply =
                session.call(Method::POST, &format!("/admin/v1/reviews/{item}/decide"), Some(&body)).await?;
            said(&reply, as_json, |cell| format!("decided by {}", cell("decided_by")))
        }
        Review::Erase { item } => {
            let reply = session.call(Method::DELETE, &format!("/admin/v1/reviews/{item}"), None).await?;
            said(&reply, as_json, |_| "erased".to_owned())
        }
        Review::Export { model, out, target, since, until } => {
            let body = json!({ "model": model, "target": target, "since": since, "until": until });
            export(session, &body, &out, as_json).await
        }
        Review::Poll { .. } => Err(Failure::new("to poll is no reviewer's business")),
    }
}

fn list(reply: &Value, as_json: bool) -> Result<(), Failure> {
    let columns = ["item", "model", "route", "version", "status", "requester", "held", "ends", "assigned_to"];
    print::listing(reply, "reviews", &columns, as_json)?;
    if !as_json && reply["more"] == true {
        print::note(format_args!("there are more; name a model or a state"));
    }
    Ok(())
}

/// One item: what it is about, what was asked, what was said and decided.
fn show(reply: &Value) -> Result<(), Failure> {
    let about = [
        "item",
        "model",
        "route",
        "version",
        "status",
        "request_id",
        "row",
        "requester",
        "held",
        "ends",
        "assigned_to",
        "decided_by",
        "guess",
        "confidence",
        "labels",
        "result",
        "reason",
    ];
    for member in about.into_iter().filter(|member| !reply[*member].is_null()) {
        print::line(format!("{member:<12} {}", print::cell(reply, member)))?;
    }
    for member in ["prompt", "answer"].into_iter().filter(|member| !reply[*member].is_null()) {
        // One value, however it is nested; a terminal's control characters are escaped in it.
        print::line(format!("{member:<12} {}", reply[member]))?;
    }
    let inputs = reply["inputs"].as_array().into_iter().flatten();
    let tensors = inputs.map(|tensor| vec![print::cell(tensor, "name"), tensor["data"].to_string()]);
    let features = reply["features"].as_object().into_iter().flatten();
    let values = features.map(|(name, _)| vec![name.clone(), print::cell(&reply["features"], name)]);
    let rows: Vec<Vec<String>> = values.chain(tensors).collect();
    if rows.is_empty() {
        return Ok(());
    }
    print::line("")?;
    print::table(&["feature", "value"], &rows)
}

/// What an item has come to.
fn said(
    reply: &Value,
    as_json: bool,
    what: impl FnOnce(&dyn Fn(&str) -> String) -> String,
) -> Result<(), Failure> {
    if as_json {
        return print::json(reply);
    }
    let cell = |member: &str| print::cell(reply, member);
    print::line(format!("{} is {}", cell("item"), what(&cell)))
}

async fn export(session: &Session, body: &Value, out: &Path, as_json: bool) -> Result<(), Failure> {
    let request = transport::request(Method::POST, "/admin/v1/reviews/export", Some(body))?;
    let reply = session.send(request).await?;
    if reply.status != 200 {
        return reply.json().map(drop);
    }
    write_secret(out, &reply.body)?;
    if as_json {
        return print::json(&json!({ "out": out, "bytes": reply.body.len() }));
    }
    print::line(format!("wrote {}", out.display()))
}

/// Exit code 1 while something is to be decided, so that a script can wait.
async fn poll(
    common: &Common,
    model: &ModelName,
    request: RequestId,
    ca: Option<&Path>,
) -> Result<(), Failure> {
    let path = format!("/v1/models/{model}/reviews/{request}");
    let reply = predict::reach(common, ca, Method::GET, &path, None).await?;
    print::json(&reply)?;
    let rows = reply["rows"].as_array();
    match rows.is_some_and(|rows| rows.iter().any(|row| row["status"] == "pending")) {
        true => Err(Failure::no("a person has not decided yet")),
        false => Ok(()),
    }
}
