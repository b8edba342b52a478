//! `mantlet consumer` and `mantlet project`: applications, and what keeps teams apart.

use http::Method;
use serde_json::{Value, json};

use super::{
    args::{Consumer, Project},
    exit::Failure,
    print,
    session::Session,
};

/// Runs `mantlet consumer`.
pub async fn run(session: &Session, command: Consumer, as_json: bool) -> Result<(), Failure> {
    let (method, consumer, body) = match command {
        Consumer::Change { consumer, models, rate, monitor } => {
            let models = if models.is_empty() { Value::Null } else { json!(models) };
            (
                Method::PUT,
                consumer,
                Some(json!({ "models": models, "rate_per_minute": rate, "monitor": monitor })),
            )
        }
        Consumer::Enable { consumer } => (Method::PUT, consumer, Some(json!({ "disabled": false }))),
        Consumer::Disable { consumer } => (Method::DELETE, consumer, None),
    };
    let reply = session.call(method, &format!("/admin/v1/consumers/{consumer}"), body.as_ref()).await?;
    if as_json {
        return print::json(&reply);
    }
    let columns = ["consumer", "project", "models", "rate_per_minute", "monitor", "disabled"];
    print::listing(&Value::Array(vec![reply]), "", &columns, false)
}

/// Runs `mantlet project`.
pub async fn project(session: &Session, command: Project, as_json: bool) -> Result<(), Failure> {
    let Project::Create { project } = command;
    let reply =
        session.call(Method::POST, "/admin/v1/projects", Some(&json!({ "project": project }))).await?;
    if as_json { print::json(&reply) } else { print::line(format!("made project {project}")) }
}
