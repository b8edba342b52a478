//! `/artifacts/v1/…`: packages for whoever brings a signed URL, and having such URLs signed.
//!
//! ```text
//! /artifacts/v1/MODEL/VERSION/PACKAGE            the package as it is registered
//! /artifacts/v1/MODEL/VERSION/PACKAGE/files      what is in it
//! /artifacts/v1/MODEL/VERSION/PACKAGE/files/NAME one file of it
//!     ?expires=SECONDS&kid=KEY&by=USER&id=ID[&net=CIDR][&use=once][&scope=file]&sig=HMAC
//! ```
//!
//! One signature is for the package, and opens all three, or for one file. Whatever is not such a URL, or not a good one
//! any more, is not found.

mod give;
mod url;

use std::sync::Arc;

use ipnet::IpNet;
use mantlet_gate::{
    administer::administer,
    identity::Credential,
    urls::{UrlMethod, UrlTerms, UrlWish, draw_id, keys},
};
use mantlet_models::{
    inspect::{Brought, Elsewhere, Lend, Lent, Redemption, SignUrl, Signed},
    package::Package,
};
use mantlet_types::{
    Code, Rejection, Sha256,
    entry::Event,
    limits::{PATH_BYTES_MAX, URL_SECONDS_DEFAULT},
};
use serde::Deserialize;
use serde_json::json;

pub(super) use self::url::credential;
use self::{
    give::{View, give},
    url::{decoded, path_of},
};
use super::{
    Outcome,
    call::{Call, Params, Replying},
    inspect::which,
    reply::{self, Reply},
    upload,
};

/// What somebody wants a URL for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wish {
    seconds: Option<u32>,
    method: UrlMethod,
    network: Option<IpNet>,
    once: bool,
    file: Option<String>,
}

/// `POST /v2/models/{model}/export/url`.
pub(super) fn sign(call: Call) -> Replying {
    let (shelf, gate) = (call.server.facilities.shelf.clone(), Arc::clone(&call.server.gate));
    let most = call.server.gate.snapshot().settings.url_minutes_max.saturating_mul(60);
    call.deed_of_optional_shown(
        Event::UrlSign,
        move |params, wish: Wish| {
            let Wish { seconds, method, network, once, file } = wish;
            let seconds = seconds.unwrap_or(URL_SECONDS_DEFAULT.min(most));
            let file = file.map(Into::into);
            let wish = UrlWish { id: draw_id()?, method, seconds, network, once, file };
            Ok(SignUrl { which: which(&gate, params)?, wish, measure, shelf })
        },
        shown,
    )
}

/// The one reply that carries the signature.
fn shown(signed: Signed) -> Result<Reply, Rejection> {
    let Signed { terms, signature, digest, bytes, sha256 } = signed;
    let path = path_of(&terms, &signature);
    if path.len() > PATH_BYTES_MAX {
        return Err(Rejection::argument("the file's name is too long for a URL"));
    }
    let UrlTerms { method, model, version, file, expires, kid, id, network, once, .. } = terms;
    let document = json!({
        "path": path, "method": method, "model": model, "version": version, "file": file,
        "digest": digest, "bytes": bytes, "sha256": sha256,
        "expires": expires.to_string(), "kid": kid, "id": id, "network": network, "once": once,
    });
    Ok(reply::json(document.to_string().into_bytes()))
}

/// What a URL of a bucket's own is to give, which somebody is about to make.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lending {
    at: Elsewhere,
    #[serde(default)]
    method: UrlMethod,
    seconds: u32,
}

/// `POST /v2/models/{model}/export/elsewhere`.
pub(super) fn lend(call: Call) -> Replying {
    let (shelf, gate) = (call.server.facilities.shelf.clone(), Arc::clone(&call.server.gate));
    call.deed_of_shown(
        Event::UrlSign,
        move |params, Lending { at, method, seconds }| {
            Ok(Lend { which: which(&gate, params)?, at, method, seconds, measure, shelf })
        },
        |Lent { model, version, digest, bytes, sha256 }| {
            let document = json!({
                "model": model, "version": version, "digest": digest, "bytes": bytes, "sha256": sha256,
            });
            Ok(reply::json(document.to_string().into_bytes()))
        },
    )
}

/// Length and digest of a file, or of the whole package on the wire.
fn measure(package: &Package, file: Option<&str>) -> Option<(u64, Sha256)> {
    let head;
    let pieces: Vec<&[u8]> = match file {
        Some(name) => vec![package.file(name)?],
        None => {
            head = upload::head(package.subject(), sizes(package));
            std::iter::once(head.as_slice()).chain(package.files().map(|(_, bytes)| bytes)).collect()
        }
    };
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    pieces.iter().for_each(|piece| context.update(piece));
    let digest = context.finish().as_ref().try_into().ok().map(Sha256)?;
    Some((pieces.iter().map(|piece| piece.len() as u64).sum(), digest))
}

fn sizes(package: &Package) -> impl Iterator<Item = (&str, u64)> {
    package.files().map(|(name, bytes)| (name, bytes.len() as u64))
}

/// `GET /artifacts/v1/{model}/{version}/{package}`.
pub(super) fn package(call: Call) -> Replying {
    redeem(call, |_| Some(View::Package))
}

/// `GET /artifacts/v1/{model}/{version}/{package}/files`.
pub(super) fn index(call: Call) -> Replying {
    redeem(call, |_| Some(View::Index))
}

/// `GET /artifacts/v1/{model}/{version}/{package}/files/{*file}`.
pub(super) fn file(call: Call) -> Replying {
    redeem(call, |params| {
        let name: String = params.require("file").ok()?;
        decoded(&name).map(View::File)
    })
}

fn redeem(call: Call, view: fn(&Params) -> Option<View>) -> Replying {
    let brought = match &call.arrival.credential {
        Credential::SignedUrl(Some(brought)) => Some(brought.terms.clone()),
        _ => None,
    };
    let (Some(terms), Some(view)) = (brought, view(&call.params)) else {
        return call.rejected(Event::UrlRedeem, Code::NotFound.into());
    };
    let Call { server, arrival, conditions, .. } = call;
    let from = arrival.ip;
    Box::pin(async move {
        let gate = Arc::clone(&server.gate);
        let give = move |brought: &mut Brought| give(brought, &view, &conditions);
        let shelf = server.facilities.shelf.clone();
        let petition = Redemption { terms, from, shelf, give };
        let (given, receipt) = administer(gate, arrival, petition).await.into_parts();
        Outcome { reply: given.map(|given| given.reply), receipt }
    })
}

/// `GET /admin/v1/url-keys`.
pub(super) fn list_keys(call: Call) -> Replying {
    call.deed(Event::UrlKeyRead, &[], |_, _| Ok(keys::ListUrlKeys))
}

/// `POST /admin/v1/url-keys/rotate`.
pub(super) fn rotate_key(call: Call) -> Replying {
    call.deed(Event::UrlKeyChange, &[], |_, _| Ok(keys::RotateUrlKey))
}

/// `DELETE /admin/v1/url-keys/{kid}`.
pub(super) fn revoke_key(call: Call) -> Replying {
    call.deed(Event::UrlKeyChange, &[], |params, _| Ok(keys::RevokeUrlKey { kid: params.require("kid")? }))
}

#[cfg(test)]
mod tests;
