//! `mantlet user`: people, their keys and their certificates.

use std::{fs, path::PathBuf};

use http::Method;
use mantlet_types::{ProjectId, UserId};
use serde_json::{Value, json};

use super::{
    args::User,
    exit::Failure,
    identity, print,
    session::{self, Session},
};

/// Runs the command.
pub async fn run(session: &Session, command: User, as_json: bool) -> Result<(), Failure> {
    match command {
        User::Invite { user, project, out } => invite(session, &user, &project, out, as_json).await,
        User::List => {
            let reply = session.call(Method::GET, "/admin/v1/users", None).await?;
            if as_json { print::json(&reply) } else { table(&reply) }
        }
        User::Enable { user } => {
            let reply = session.call(Method::POST, &format!("/admin/v1/users/{user}/enable"), None).await?;
            if as_json { print::json(&reply) } else { print::line(format!("enabled {user}")) }
        }
        User::Certify { user, out } => certify(session, &user, out, as_json).await,
        User::Withdraw { user, digest } => {
            let path = format!("/admin/v1/users/{user}/certificates/{digest}");
            let reply = session.call(Method::DELETE, &path, None).await?;
            if as_json {
                print::json(&reply)
            } else {
                print::line(format!("withdrew a certificate of {user}"))
            }
        }
        User::Disable { user } => {
            let reply = session.call(Method::DELETE, &format!("/admin/v1/users/{user}"), None).await?;
            if as_json { print::json(&reply) } else { print::line(format!("disabled {user}")) }
        }
    }
}

/// People with their roles, and the digest of each certificate in full: that is how one is withdrawn.
fn table(reply: &Value) -> Result<(), Failure> {
    let users = reply.as_array().or_else(|| reply["users"].as_array());
    let rows = users.into_iter().flatten().map(|user| {
        let roles = user["roles"].as_object().into_iter().flatten().map(|(role, projects)| {
            let projects: Vec<&str> =
                projects.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            format!("{role}@{}", projects.join("+"))
        });
        let roles = roles.collect::<Vec<_>>().join(",");
        let or_none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
        let [name, disabled, projects, certificates] =
            ["user", "disabled", "projects", "certificates"].map(|member| or_none(print::cell(user, member)));
        vec![name, disabled, projects, or_none(roles), certificates]
    });
    print::table(&["user", "disabled", "projects", "roles", "certificates"], &rows.collect::<Vec<_>>())
}

/// Issues the certificate here, where the home's owner is, and tells the server its digest alone: the server never
/// holds the key of the certificate authority.
async fn invite(
    session: &Session,
    user: &UserId,
    project: &ProjectId,
    out: Option<PathBuf>,
    as_json: bool,
) -> Result<(), Failure> {
    let out = out.unwrap_or_else(|| PathBuf::from(format!("{user}.mantlet")));
    let home = session.authority_home()?;
    let place = session::place(&home, &session::config(&home)?)?;
    identity::make_dir(&out)?;
    // Where nothing was made, nothing stays behind.
    let undo = |_: &Failure| drop(fs::remove_dir(&out));
    let issued = session::issue_user_certificate(&home, user).inspect_err(undo)?;
    let body = json!({ "user": user, "project": project, "certificate": issued.digest });
    let reply = session.call(Method::POST, "/admin/v1/users", Some(&body)).await.inspect_err(undo)?;
    identity::write(&out, reply["key"].as_str(), &issued, &place)?;
    if as_json {
        let paths =
            json!({ "user": user, "kid": reply["kid"], "expires": reply["expires"], "directory": out });
        return print::json(&paths);
    }
    print::line(format!("wrote {user}'s key and certificate to {}", out.display()))?;
    print::note(format_args!(
        "hand the directory over in a way that nobody else can read. next, {user}: mantlet --as {} key rotate; then \
         you: mantlet role assign {user} ROLE",
        out.display()
    ));
    Ok(())
}

/// Issues another certificate for a person who is known already: into a new directory, or in the place of the old one
/// in the directory that they act by.
async fn certify(
    session: &Session,
    user: &UserId,
    out: Option<PathBuf>,
    as_json: bool,
) -> Result<(), Failure> {
    let out = out.unwrap_or_else(|| PathBuf::from(format!("{user}.mantlet")));
    let home = session.authority_home()?;
    let place = session::place(&home, &session::config(&home)?)?;
    let made = !out.is_dir();
    if made {
        identity::make_dir(&out)?;
    }
    let undo = |_: &Failure| {
        if made {
            let _ = fs::remove_dir(&out);
        }
    };
    let issued = session::issue_user_certificate(&home, user).inspect_err(undo)?;
    let path = format!("/admin/v1/users/{user}/certificates");
    let body = json!({ "digest": issued.digest });
    let reply = session.call(Method::POST, &path, Some(&body)).await.inspect_err(undo)?;
    identity::write(&out, None, &issued, &place)?;
    if as_json {
        return print::json(&reply);
    }
    print::line(format!("wrote {user}'s certificate to {}", out.display()))
}
