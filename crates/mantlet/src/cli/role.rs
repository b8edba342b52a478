//! `mantlet role`: bindings of people, and the matrix of what roles may do.

use http::Method;
use serde_json::{Value, json};

use super::{args::RoleCommand, exit::Failure, print, session::Session};

/// Runs the command.
pub async fn run(session: &Session, command: RoleCommand, as_json: bool) -> Result<(), Failure> {
    match command {
        RoleCommand::Assign { user, role, project } => {
            let body = json!({ "user": user, "role": role, "project": project });
            said(&session.call(Method::POST, "/admin/v1/roles", Some(&body)).await?, as_json)
        }
        RoleCommand::Revoke { user, role, project } => {
            let body = json!({ "user": user, "role": role, "project": project });
            said(&session.call(Method::POST, "/admin/v1/roles/revoke", Some(&body)).await?, as_json)
        }
        RoleCommand::Approve { number } => {
            let path = format!("/admin/v1/grants/{number}/approve");
            said(&session.call(Method::POST, &path, Some(&json!({}))).await?, as_json)
        }
        RoleCommand::Apply { number } => {
            let path = format!("/admin/v1/grants/{number}/apply");
            said(&session.call(Method::POST, &path, Some(&json!({}))).await?, as_json)
        }
        RoleCommand::List => {
            let reply = session.call(Method::GET, "/admin/v1/roles", None).await?;
            if as_json {
                return print::json(&reply);
            }
            print::listing(&reply, "bindings", &["user", "role", "project"], false)?;
            let pending = reply["pending"].as_array().is_some_and(|pending| !pending.is_empty());
            if pending {
                let columns = ["number", "beneficiary", "role", "project", "proposed_by", "approved_by", "expires"];
                print::line("\npending")?;
                print::listing(&reply, "pending", &columns, false)?;
            }
            Ok(())
        }
        RoleCommand::Matrix => {
            let reply = session.call(Method::GET, "/admin/v1/roles/matrix", None).await?;
            if as_json {
                return print::json(&reply);
            }
            print::listing(&reply, "matrix", &["role", "action", "resource", "decision", "policy"], false)
        }
    }
}

/// A reply's own sentence.
fn said(reply: &Value, as_json: bool) -> Result<(), Failure> {
    if as_json { print::json(reply) } else { print::line(print::cell(reply, "message")) }
}
