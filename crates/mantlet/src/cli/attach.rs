//! `mantlet evaluate --attach`: an evaluation that stays with the version that it is of.
//!
//! The report goes back to the server byte for byte as it came, with the receipt of the answer that it was: the server keeps
//! no reports, and believes this one because its log names its digest.

use http::Method;
use mantlet_models::evaluate::Report;
use serde_json::{Value, json};

use super::{args::Common, exit::Failure, print, session::Session, transport};

/// Evaluates at this path, and attaches what comes of it.
pub async fn evaluate(common: &Common, path: &str, body: &Value) -> Result<Report, Failure> {
    let session = Session::open(common).await?;
    let attached = attached(&session, path, body).await;
    session.close().await;
    let (report, attached) = attached?;
    if !common.json {
        let cell = |member| print::cell(&attached, member);
        print::line(format!("attached to {} version {}", cell("model"), cell("version")))?;
        super::release::conditions(&attached)?;
    }
    Ok(report)
}

async fn attached(session: &Session, path: &str, body: &Value) -> Result<(Report, Value), Failure> {
    let reply = session.send(transport::request(Method::POST, path, Some(body))?).await?;
    let receipt = reply.headers.get("mantlet-receipt").and_then(|receipt| receipt.to_str().ok());
    let receipt = receipt.unwrap_or_default().to_owned();
    let document = String::from_utf8(reply.body.to_vec()).unwrap_or_default();
    let report: Report = serde_json::from_value(reply.json()?)
        .map_err(|error| Failure::new(format!("the server's reply is no report: {error}")))?;
    let version = report.version.ok_or_else(|| Failure::new("the report names no version"))?;
    let path = format!("/admin/v1/models/{}/versions/{version}/evaluations", report.model);
    let body = json!({ "report": document, "receipt": receipt });
    let attached = session.call(Method::POST, &path, Some(&body)).await?;
    Ok((report, attached))
}
