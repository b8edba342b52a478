//! `mantlet consumer` and `mantlet project`: applications, and what keeps teams apart.

use http::Method;
use mantlet_gate::identity::workload;
use mantlet_types::ConsumerId;
use serde_json::{Value, json};

use super::{
    args::{Consumer, Identity, Project, ShownIdentity},
    exit::Failure,
    print,
    session::Session,
};

/// Runs `mantlet consumer`.
pub async fn run(session: &Session, command: Consumer, as_json: bool) -> Result<(), Failure> {
    let (method, consumer, body) = match command {
        Consumer::Identity(command) => return identity(session, command, as_json).await,
        Consumer::Create { consumer, models, rate, budget, monitor, expires, project } => {
            let body = json!({
                "consumer": consumer, "project": project, "models": models, "rate_per_minute": rate,
                "budget": budget, "monitor": monitor, "expires_in_days": expires,
            });
            let reply = session.call(Method::POST, "/admin/v1/consumers", Some(&body)).await?;
            return shown(reply, as_json);
        }
        Consumer::Change { consumer, models, rate, budget, monitor, expires } => {
            let models = if models.is_empty() { Value::Null } else { json!(models) };
            (
                Method::PUT,
                consumer,
                Some(json!({
                    "models": models, "rate_per_minute": rate, "budget": budget, "monitor": monitor,
                    "expires_in_days": expires,
                })),
            )
        }
        Consumer::Enable { consumer } => (Method::PUT, consumer, Some(json!({ "disabled": false }))),
        Consumer::Disable { consumer } => (Method::DELETE, consumer, None),
    };
    let reply = session.call(method, &format!("/admin/v1/consumers/{consumer}"), body.as_ref()).await?;
    shown(reply, as_json)
}

fn shown(reply: Value, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return print::json(&reply);
    }
    let columns = ["consumer", "project", "models", "rate_per_minute", "monitor", "disabled"];
    print::listing(&Value::Array(vec![reply]), "", &columns, false)
}

/// Runs `mantlet consumer identity`.
async fn identity(session: &Session, command: Identity, as_json: bool) -> Result<(), Failure> {
    let meant = |shown: ShownIdentity| shown.identity().ok_or_else(|| Failure::new("no identity is given"));
    let reply = match command {
        Identity::Add { consumer, shown } => {
            let body = json!(meant(shown)?);
            session.call(Method::POST, &path(&consumer), Some(&body)).await?
        }
        Identity::Remove { consumer, shown } => {
            let id = workload::id(&meant(shown)?);
            session.call(Method::DELETE, &format!("{}/{id}", path(&consumer)), None).await?
        }
        Identity::List { consumer } => session.call(Method::GET, &path(&consumer), None).await?,
    };
    if as_json {
        return print::json(&reply);
    }
    let rows = if reply.is_array() { reply } else { Value::Array(vec![reply]) };
    print::listing(&rows, "", &["id", "spiffe", "issuer", "subject", "removed"], false)
}

fn path(consumer: &ConsumerId) -> String {
    format!("/admin/v1/consumers/{consumer}/identities")
}

/// Runs `mantlet project`.
pub async fn project(session: &Session, command: Project, as_json: bool) -> Result<(), Failure> {
    let Project::Create { project } = command;
    let reply =
        session.call(Method::POST, "/admin/v1/projects", Some(&json!({ "project": project }))).await?;
    if as_json { print::json(&reply) } else { print::line(format!("made project {project}")) }
}
