//! `mantlet user`: people, their keys and their certificates.

use std::{
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use http::Method;
use mantlet_types::{ProjectId, UserId};
use serde_json::json;

use super::{args::User, exit::Failure, print, session::Session};

/// Runs the command.
pub async fn run(session: &Session, command: User, as_json: bool) -> Result<(), Failure> {
    match command {
        User::Invite { user, project, out } => invite(session, &user, &project, out, as_json).await,
        User::List => {
            let reply = session.call(Method::GET, "/admin/v1/users", None).await?;
            print::listing(
                &reply,
                "users",
                &["user", "disabled", "projects", "roles", "certificate"],
                as_json,
            )
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
    fs::DirBuilder::new().mode(0o700).create(&out).map_err(|error| {
        Failure::new(format!("cannot make `{}`: {error}", out.display()))
            .hint("name another place with --out")
    })?;
    let issued = session.issue_user_certificate(user)?;
    let body = json!({ "user": user, "project": project, "certificate": issued.digest });
    let reply = session.call(Method::POST, "/admin/v1/users", Some(&body)).await.inspect_err(|_| {
        // Nothing was made, so nothing stays behind.
        let _ = fs::remove_dir(&out);
    })?;
    let key = print::cell(&reply, "key");
    write_secret(&out.join("key"), key.as_bytes())?;
    write_secret(&out.join("certificate.pem"), issued.certificate_pem.as_bytes())?;
    write_secret(&out.join("certificate.key"), issued.key_pem.as_bytes())?;
    if as_json {
        let paths =
            json!({ "user": user, "kid": reply["kid"], "expires": reply["expires"], "directory": out });
        return print::json(&paths);
    }
    print::line(format!("wrote {user}'s key and certificate to {}", out.display()))?;
    print::note(format_args!(
        "hand them over in a way that nobody else can read; next: mantlet role assign {user} ROLE"
    ));
    Ok(())
}

/// Issues another certificate for a person who is known already.
async fn certify(
    session: &Session,
    user: &UserId,
    out: Option<PathBuf>,
    as_json: bool,
) -> Result<(), Failure> {
    let out = out.unwrap_or_else(|| PathBuf::from(format!("{user}.mantlet")));
    fs::DirBuilder::new().mode(0o700).create(&out).map_err(|error| {
        Failure::new(format!("cannot make `{}`: {error}", out.display()))
            .hint("name another place with --out")
    })?;
    let issued = session.issue_user_certificate(user)?;
    let path = format!("/admin/v1/users/{user}/certificates");
    let reply = session
        .call(Method::POST, &path, Some(&json!({ "digest": issued.digest })))
        .await
        .inspect_err(|_| {
            let _ = fs::remove_dir(&out);
        })?;
    write_secret(&out.join("certificate.pem"), issued.certificate_pem.as_bytes())?;
    write_secret(&out.join("certificate.key"), issued.key_pem.as_bytes())?;
    if as_json {
        return print::json(&reply);
    }
    print::line(format!("wrote {user}'s certificate to {}", out.display()))
}

/// Writes a file that only its owner reads, and that was not there before.
pub fn write_secret(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("cannot write `{}`: {error}", path.display()));
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)
}
