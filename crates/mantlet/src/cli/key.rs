//! `mantlet key`: applications' keys.

use http::Method;
use serde_json::json;

use super::{args::Key, exit::Failure, print, session::Session};

/// Runs the command.
pub async fn run(session: &Session, command: Key, as_json: bool) -> Result<(), Failure> {
    match command {
        Key::Create { consumer, models, route, rate, expires, networks, monitor, project } => {
            if !route.is_empty() {
                return Err(Failure::new(
                    "this build serves no language-model routes, so no key can be for one",
                ));
            }
            let body = json!({
                "consumer": consumer, "project": project, "models": models, "rate_per_minute": rate,
                "expires_in_days": expires, "networks": networks, "monitor": monitor,
            });
            let reply = session.call(Method::POST, "/admin/v1/keys", Some(&body)).await?;
            if as_json {
                return print::json(&reply);
            }
            print::line(print::cell(&reply, "key"))?;
            print::note(format_args!(
                "key {} of {consumer}, valid until {}; it is not shown again",
                print::cell(&reply, "kid"),
                print::cell(&reply, "expires")
            ));
            Ok(())
        }
        Key::List => {
            let reply = session.call(Method::GET, "/admin/v1/keys", None).await?;
            print::listing(
                &reply,
                "keys",
                &["kid", "owner", "state", "expires", "days_left", "models"],
                as_json,
            )
        }
        Key::Rotate { kid, overlap } => {
            let body = json!({ "overlap_hours": overlap });
            let reply =
                session.call(Method::POST, &format!("/admin/v1/keys/{kid}/rotate"), Some(&body)).await?;
            if as_json {
                return print::json(&reply);
            }
            print::line(print::cell(&reply, "key"))?;
            print::note(format_args!("key {kid} works on until {}", print::cell(&reply, "retiring_until")));
            Ok(())
        }
        Key::Revoke { kid } => {
            let reply = session.call(Method::DELETE, &format!("/admin/v1/keys/{kid}"), None).await?;
            if as_json { print::json(&reply) } else { print::line(format!("revoked {kid}")) }
        }
    }
}
