//! `mantlet model url` and `mantlet model url-keys`: handing a package on without handing out a key.

use http::Method;
use mantlet_types::reference::{ModelRef, VersionRef};
use serde_json::{Value, json};

use super::{
    args::{Common, SignUrl, UrlKeys},
    bucket,
    exit::Failure,
    print,
    session::{self, Session},
};

/// The path of a version's route; the live one's, unless another is named.
pub(super) fn version_path(reference: &ModelRef, of: &str) -> String {
    path_in("v2", reference, of)
}

/// The same in this protocol.
pub(super) fn path_in(protocol: &str, ModelRef { model, version }: &ModelRef, of: &str) -> String {
    match version {
        None | Some(VersionRef::Live) => format!("/{protocol}/models/{model}/{of}"),
        Some(version) => format!("/{protocol}/models/{model}/versions/{version}/{of}"),
    }
}

/// Has a URL signed, and prints it.
pub async fn url(common: &Common, command: SignUrl) -> Result<(), Failure> {
    if let Some(via) = command.via.clone() {
        return bucket::url(common, command, &via).await;
    }
    let SignUrl { model, seconds, method, network, once, file, via: _, endpoint: _ } = command;
    let session = Session::open(common).await?;
    let wish = json!({
        "seconds": seconds, "method": method, "network": network, "once": once, "file": file,
    });
    let reply = session.call(Method::POST, &version_path(&model, "export/url"), Some(&wish)).await;
    let base = session.base_url();
    session.close().await;
    let (mut reply, base) = (reply?, base?);
    let url = format!("{base}{}", print::cell(&reply, "path"));
    if common.json {
        if let Some(members) = reply.as_object_mut() {
            members.remove("path");
            members.insert("url".to_owned(), Value::from(url));
        }
        return print::json(&reply);
    }
    print::line(url)?;
    let said = |member| print::cell(&reply, member);
    print::note(format_args!(
        "good until {} for {}; {} bytes with SHA-256 {}; key {}: `mantlet model url-keys revoke {}` voids it",
        said("expires"),
        said("method"),
        said("bytes"),
        said("sha256"),
        said("kid"),
        said("kid"),
    ));
    Ok(())
}

/// Lists, rotates or revokes the keys that sign URLs.
pub async fn keys(common: &Common, command: UrlKeys) -> Result<(), Failure> {
    let (method, path) = match &command {
        UrlKeys::List => (Method::GET, "/admin/v1/url-keys".to_owned()),
        UrlKeys::Rotate => (Method::POST, "/admin/v1/url-keys/rotate".to_owned()),
        UrlKeys::Revoke { kid } => (Method::DELETE, format!("/admin/v1/url-keys/{kid}")),
    };
    let session = Session::open(common).await?;
    let reply = session.call(method, &path, None).await;
    session.close().await;
    let reply = reply?;
    if common.json {
        return print::json(&reply);
    }
    let one = std::slice::from_ref(&reply);
    let keys = reply.as_array().map_or(one, Vec::as_slice);
    let row = |key: &Value| {
        let revoked = &key["revoked"];
        let mut cells: Vec<String> =
            ["kid", "state", "made"].iter().map(|member| print::cell(key, member)).collect();
        cells.extend(["at", "by"].map(|member| print::cell(revoked, member)));
        cells
    };
    let rows: Vec<Vec<String>> = keys.iter().map(row).collect();
    print::table(&["key", "state", "made", "revoked", "by"], &rows)
}

impl Session {
    /// Where others find the server that this talks to: what a URL for them begins with.
    fn base_url(&self) -> Result<String, Failure> {
        match self.identity() {
            Some(identity) => Ok(identity.url().to_owned()),
            None => {
                let home = session::home(self.common())?;
                Ok(session::place(&home, &session::config(&home)?)?.url)
            }
        }
    }
}
