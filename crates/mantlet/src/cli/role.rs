//! `mantlet role`: bindings of people, and the matrix of what roles may do.

use http::Method;
use mantlet_gate::approvals::Item;
use serde_json::{Value, json};

use super::{approve, args::RoleCommand, exit::Failure, print, session::Session};

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
            said(&approve::sign(session, &Item::Grant(number)).await?, as_json)
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
            approve::running(&reply)?;
            print::listing(&reply, "bindings", &["user", "role", "project"], false)?;
            let pending = reply["pending"].as_array().is_some_and(|pending| !pending.is_empty());
            if pending {
                let columns = ["grant", "user", "role", "project", "proposed_by", "approved_by", "expires"];
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

/// What became of a binding, in a sentence.
fn said(reply: &Value, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return print::json(reply);
    }
    let cell = |member| print::cell(reply, member);
    let binding = format!("`{}` as `{}` in `{}`", cell("user"), cell("role"), cell("project"));
    match (reply["state"].as_str(), reply["grant"].is_number()) {
        (Some("bound"), _) => print::line(format!("bound {binding}")),
        (_, true) => {
            print::line(format!("grant {}: {binding}, until {}", cell("grant"), cell("expires")))?;
            let who = if reply["state"].is_null() { "an operator" } else { "a security person" };
            print::line(format!("next, {who}: {}", cell("next")))
        }
        _ => print::line(format!("no longer bound: {binding}")),
    }
}
