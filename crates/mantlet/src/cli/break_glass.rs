//! `mantlet break-glass`: for a quarter of an hour, stop models without the duty for it.

use http::Method;
use serde_json::json;

use super::{approve, args::BreakGlassCommand, exit::Failure, print, session::Session};

/// Runs the command.
pub async fn run(session: &Session, command: BreakGlassCommand, as_json: bool) -> Result<(), Failure> {
    let reply = match command {
        BreakGlassCommand::Request { project, reason_code, user } => {
            let body = json!({ "project": project, "reason": reason_code, "user": user });
            session.call(Method::POST, "/admin/v1/break-glass", Some(&body)).await?
        }
        BreakGlassCommand::Begin { number } => {
            let path = format!("/admin/v1/break-glass/{number}/begin");
            session.call(Method::POST, &path, Some(&json!({}))).await?
        }
    };
    if as_json {
        return print::json(&reply);
    }
    let cell = |member| print::cell(&reply, member);
    if reply["until"].is_string() {
        approve::running(&json!({ "break_glass": [reply] }))?;
    } else {
        print::line(format!("change {}: {}, until {}", cell("change"), cell("what"), cell("expires")))?;
    }
    approve::next(&reply);
    Ok(())
}
