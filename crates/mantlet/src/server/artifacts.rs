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

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Response, header, request::Parts};
use ipnet::IpNet;
use mantlet_gate::{
    administer::administer,
    identity::Credential,
    urls::{BroughtUrl, Signature, UrlMethod, UrlTerms, UrlWish, draw_id, keys},
};
use mantlet_models::{
    inspect::{Brought, Given, Redemption, SignUrl, Signed},
    package::Package,
};
use mantlet_types::{
    Code, Rejection, Sha256, Timestamp, entry::Event, limits::PATH_BYTES_MAX, limits::URL_SECONDS_DEFAULT,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    Outcome,
    call::{Call, Params, Replying},
    content::Content,
    credential,
    inspect::{CONTENT_DIGEST, MODEL_DIGEST, content_digest, which},
    own_value,
    range::{Conditions, Part},
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
    let shelf = call.server.facilities.shelf.clone();
    let most = call.server.gate.snapshot().settings.url_minutes_max.saturating_mul(60);
    call.deed_of_optional_shown(
        Event::UrlSign,
        move |params, wish: Wish| {
            let Wish { seconds, method, network, once, file } = wish;
            let seconds = seconds.unwrap_or(URL_SECONDS_DEFAULT.min(most));
            let file = file.map(Into::into);
            let wish = UrlWish { id: draw_id()?, method, seconds, network, once, file };
            Ok(SignUrl { which: which(params)?, wish, measure, shelf })
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

/// Path and query.
fn path_of(terms: &UrlTerms, signature: &Signature) -> String {
    let UrlTerms { model, version, package, file, kid, user, id, network, once, .. } = terms;
    let mut path = format!("/artifacts/v1/{model}/{version}/{package}");
    if let Some(name) = file {
        path.push_str("/files/");
        path.push_str(&encoded(name, b"-._~/"));
    }
    path.push_str(&format!("?expires={}&kid={kid}&by={user}&id={id}", terms.expires_seconds()));
    if let Some(network) = network {
        path.push_str(&format!("&net={}", encoded(&network.to_string(), b"-._~:/")));
    }
    for (said, text) in [(*once, "&use=once"), (file.is_some(), "&scope=file")] {
        path.push_str(if said { text } else { "" });
    }
    path.push_str("&sig=");
    path.push_str(&signature.reveal());
    path
}

fn encoded(text: &str, plain: &[u8]) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

/// The arguments of a signed URL, as they stand in the query.
#[derive(Default)]
struct Arguments<'a> {
    expires: Option<&'a str>,
    kid: Option<&'a str>,
    by: Option<&'a str>,
    id: Option<&'a str>,
    net: Option<&'a str>,
    uses: Option<&'a str>,
    scope: Option<&'a str>,
    sig: Option<&'a str>,
}

impl<'a> Arguments<'a> {
    /// `None` for an unknown argument, or one that is given twice.
    fn parse(query: &'a str) -> Option<Self> {
        let mut all = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=')?;
            let slot = match name {
                "expires" => &mut all.expires,
                "kid" => &mut all.kid,
                "by" => &mut all.by,
                "id" => &mut all.id,
                "net" => &mut all.net,
                "use" => &mut all.uses,
                "scope" => &mut all.scope,
                "sig" => &mut all.sig,
                _ => return None,
            };
            if slot.replace(value).is_some() {
                return None;
            }
        }
        Some(all)
    }
}

/// What a request at these routes brought: its URL, if that has the form of one. A key beside it leaves open who asks.
pub(super) fn credential(parts: &Parts, params: &matchit::Params<'_, '_>) -> Credential {
    let alone = matches!(credential::presented(&parts.headers), Credential::Nothing);
    let brought = if alone { brought(parts, params) } else { None };
    Credential::SignedUrl(brought.map(Box::new))
}

fn brought(parts: &Parts, params: &matchit::Params<'_, '_>) -> Option<BroughtUrl> {
    let Arguments { expires, kid, by, id, net, uses, scope, sig } = Arguments::parse(parts.uri.query()?)?;
    let method = match parts.method {
        http::Method::GET => UrlMethod::Get,
        http::Method::HEAD => UrlMethod::Head,
        _ => return None,
    };
    let seconds = expires.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let once = match uses {
        None => false,
        Some("once") => true,
        Some(_) => return None,
    };
    let file = match scope {
        None => None,
        Some("file") => Some(decoded(params.get("file")?)?.into()),
        Some(_) => return None,
    };
    let network = match net {
        Some(text) => Some(decoded(text)?.parse().ok()?),
        None => None,
    };
    let terms = UrlTerms {
        method,
        model: params.get("model")?.parse().ok()?,
        version: params.get("version")?.parse().ok()?,
        package: params.get("package")?.parse().ok()?,
        file,
        expires: Timestamp::from_micros(seconds.parse::<i64>().ok()?.checked_mul(1_000_000)?),
        kid: kid?.parse().ok()?,
        user: by?.parse().ok()?,
        id: id?.parse().ok()?,
        network,
        once,
    };
    Some(BroughtUrl { terms, signature: Signature::parse(sig?)? })
}

/// Resolves percent-encoding; `None` for a broken escape or what is then no UTF-8.
fn decoded(text: &str) -> Option<String> {
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'%' => u8::try_from(digit(bytes.next())? << 4 | digit(bytes.next())?).ok()?,
            byte => byte,
        });
    }
    String::from_utf8(plain).ok()
}

/// What is wanted of a package.
enum View {
    Package,
    Index,
    File(String),
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
    Box::pin(async move {
        let gate = Arc::clone(&server.gate);
        let give = move |brought: &Brought| give(brought, &view, &conditions);
        let shelf = server.facilities.shelf.clone();
        let petition = Redemption { terms, shelf, give };
        let (given, receipt) = administer(gate, arrival, petition).await.into_parts();
        Outcome { reply: given.map(|given| given.reply), receipt }
    })
}

/// What leaves, with the room that it takes until it has.
struct Leaving {
    bytes: Vec<u8>,
    _room: Arc<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Leaving {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A file as the index of a package lists it.
#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    bytes: u64,
    sha256: Sha256,
}

/// A piece of what leaves.
enum Piece {
    Head(Vec<u8>),
    File(Sha256, u64),
}

impl Piece {
    fn length(&self) -> u64 {
        match self {
            Self::Head(bytes) => bytes.len() as u64,
            Self::File(_, bytes) => *bytes,
        }
    }
}

fn give(brought: &Brought, view: &View, conditions: &Conditions) -> Result<Given<Reply>, Rejection> {
    let listed = |(name, sha256, bytes): &(String, Sha256, u64)| (name.clone(), *sha256, *bytes);
    let (media, name, tag, pieces) = match view {
        View::Index => return Ok(Given { reply: listing(brought), status: 200 }),
        View::Package => {
            let sizes = brought.files.iter().map(|(name, _, bytes)| (name.as_str(), *bytes));
            let head = Piece::Head(upload::head(&brought.subject, sizes));
            let files = brought.files.iter().map(|(_, sha256, bytes)| Piece::File(*sha256, *bytes));
            let name = format!("{}.package", brought.subject);
            (upload::CONTENT_TYPE, name, brought.package.0, std::iter::once(head).chain(files).collect())
        }
        View::File(name) => {
            let known = brought.files.iter().find(|(known, ..)| known == name);
            let (name, sha256, bytes) = known.map(listed).ok_or(Code::NotFound)?;
            let name = name.rsplit('/').next().unwrap_or_default().to_owned();
            ("application/octet-stream", name, sha256, vec![Piece::File(sha256, bytes)])
        }
    };
    let tag = format!("\"{tag}\"");
    let length = pieces.iter().map(Piece::length).sum();
    let part = conditions.part(length, &tag);
    let (status, bytes, whole) = match &part {
        Part::Whole => {
            let (bytes, digest) = whole(brought, view)?;
            (200, bytes, Some(digest))
        }
        Part::Bytes(range) => (206, cut(brought, &pieces, range.clone())?, None),
        Part::Unsatisfiable => (416, Vec::new(), None),
    };
    let content =
        whole.map(|_| content_digest(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes).as_ref()));
    let room = Arc::clone(&brought.room);
    let mut reply = Response::new(Content::from(Bytes::from_owner(Leaving { bytes, _room: room })));
    *reply.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    let headers = reply.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, own_value(&tag));
    if let (Some(digest), Some(content)) = (whole, content) {
        headers.insert(MODEL_DIGEST, own_value(&digest.to_string()));
        headers.insert(CONTENT_DIGEST, content);
    }
    let range = match part {
        Part::Whole => None,
        Part::Bytes(range) => Some(format!("bytes {}-{}/{length}", range.start, range.end - 1)),
        Part::Unsatisfiable => Some(format!("bytes */{length}")),
    };
    if let Some(range) = range {
        headers.insert(header::CONTENT_RANGE, own_value(&range));
    }
    if status != 416 {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        let disposition = format!("attachment; filename=\"{}\"", plain_name(&name));
        headers.insert(header::CONTENT_DISPOSITION, own_value(&disposition));
    }
    discreet(&mut reply);
    Ok(Given { reply, status })
}

/// What is in a package.
fn listing(brought: &Brought) -> Reply {
    let files =
        brought.files.iter().map(|(name, sha256, bytes)| Listed { name, bytes: *bytes, sha256: *sha256 });
    let files: Vec<Listed<'_>> = files.collect();
    let document = json!({ "subject": brought.subject, "files": files });
    let mut reply = reply::json(document.to_string().into_bytes());
    discreet(&mut reply);
    reply
}

/// All of it, out of the package as a whole, which is verified once more.
fn whole(brought: &Brought, view: &View) -> Result<(Vec<u8>, Sha256), Rejection> {
    let (package, digest) = brought.whole()?;
    let bytes = match view {
        View::File(name) => package.file(name).ok_or(Code::NotFound)?.to_vec(),
        View::Package | View::Index => upload::encode(package.subject(), package.files()),
    };
    Ok((bytes, digest))
}

/// These bytes of what the pieces are together; no others are read.
fn cut(brought: &Brought, pieces: &[Piece], range: Range<u64>) -> Result<Vec<u8>, Rejection> {
    let mut bytes = Vec::with_capacity(usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0));
    let mut at = 0_u64;
    for piece in pieces {
        let end = at.saturating_add(piece.length());
        let within = |position: u64| position.clamp(at, end).saturating_sub(at);
        let part = within(range.start)..within(range.end);
        match piece {
            _ if part.is_empty() => {}
            Piece::Head(head) => {
                let index = |position: u64| usize::try_from(position).unwrap_or(usize::MAX);
                bytes.extend_from_slice(head.get(index(part.start)..index(part.end)).unwrap_or_default());
            }
            Piece::File(sha256, _) => bytes.extend_from_slice(&brought.part(*sha256, part)?),
        }
        at = end;
    }
    Ok(bytes)
}

/// Whoever follows a link out of a reply does not take the URL along.
fn discreet(reply: &mut Reply) {
    reply.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

/// A name for a saved file that no shell and no header stumbles over.
fn plain_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect()
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
