//! `mantlet key`: applications' keys.

use http::Method;
use mantlet_types::Kid;
use serde_json::{Value, json};

use super::{args::Key, exit::Failure, print, session::Session};

/// Runs the command.
pub async fn run(session: &Session, command: Key, as_json: bool) -> Result<(), Failure> {
    match command {
        Key::Create { consumer, models, routes, rate, budget, expires, networks, monitor, project } => {
            let body = json!({
                "consumer": consumer, "project": project, "models": models, "routes": routes, "rate_per_minute": rate,
                "budget": budget,
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
        Key::Rotate { kid, overlap } => rotate(session, kid, overlap, as_json).await,
        Key::Revoke { kid } => {
            let reply = session.call(Method::DELETE, &format!("/admin/v1/keys/{kid}"), None).await?;
            if as_json { print::json(&reply) } else { print::line(format!("revoked {kid}")) }
        }
    }
}

/// Replaces a key. One's own goes straight to where the old one was: nobody has to carry it there.
async fn rotate(
    session: &Session,
    kid: Option<Kid>,
    overlap: Option<u32>,
    as_json: bool,
) -> Result<(), Failure> {
    let own = match session.identity() {
        Some(identity) => Some((identity, identity.kid()?)),
        None => None,
    };
    let kid = kid.or(own.as_ref().map(|(_, kid)| *kid)).ok_or_else(|| {
        Failure::new("which key?").hint("name it by its public id, which `mantlet key list` shows")
    })?;
    let own = own.filter(|(_, own)| *own == kid);
    let room = own.map(|(identity, _)| identity.make_room()).transpose()?;
    let body = json!({ "overlap_hours": overlap });
    let mut reply = session.call(Method::POST, &format!("/admin/v1/keys/{kid}/rotate"), Some(&body)).await?;
    let key = print::cell(&reply, "key");
    match room {
        None if as_json => return print::json(&reply),
        None => print::line(&key)?,
        Some(room) => {
            let path = room.place(&key).inspect_err(|_| {
                // The old key may have ended already: the new one must not be lost with it.
                let _ = print::line(&key);
            })?;
            if as_json {
                reply["key"] = Value::Null;
                reply["key_file"] = json!(path);
                return print::json(&reply);
            }
            print::line(format!("wrote the new key to {}", path.display()))?;
        }
    }
    print::note(format_args!(
        "key {kid} works until {}, and its replacement until {}",
        print::cell(&reply, "retiring_until"),
        print::cell(&reply, "expires")
    ));
    Ok(())
}
