//! Looking into models: their features, their weights, and their packages, each by a deed of its own right.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, header};
use mantlet_gate::{Gate, releases::alias::number_or_live};
use mantlet_models::inspect::{Export, Exported, InspectFeatures, ViewWeights, Which, Window};
use mantlet_types::{ModelName, Rejection, VersionRef, entry::Event};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    call::{Call, Params, Replying},
    content::Content,
    own_value,
    reply::Reply,
    upload,
};

/// Digest of a package's signed manifest: what audit entries and listings name it by.
pub const MODEL_DIGEST: HeaderName = HeaderName::from_static("mantlet-model-digest");

/// Digest of the body (RFC 9530).
pub const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// The model, or the version of it, that a path names.
pub(super) fn which(gate: &Gate, params: &Params) -> Result<Which, Rejection> {
    let (model, version): (ModelName, Option<VersionRef>) =
        (params.require("model")?, params.optional("version")?);
    let version = number_or_live(&gate.snapshot().directory, &model, version.as_ref());
    Ok(Which { model, version })
}

/// `GET /v2/models/{model}/features`.
pub(super) fn features(call: Call) -> Replying {
    let (shelf, gate) = (call.server.facilities.shelf.clone(), Arc::clone(&call.server.gate));
    call.deed(Event::ModelRead, &[], move |params, _| {
        Ok(InspectFeatures { which: which(&gate, params)?, shelf })
    })
}

/// `GET /v2/models/{model}/weights`.
pub(super) fn weights(call: Call) -> Replying {
    let (shelf, gate) = (call.server.facilities.shelf.clone(), Arc::clone(&call.server.gate));
    call.deed(Event::ModelRead, &["tensor", "offset", "limit"], move |params, query| {
        let offset: Option<usize> = query.optional("offset")?;
        let window = Window {
            tensor: query.optional("tensor")?,
            offset: offset.unwrap_or(0),
            limit: query.optional("limit")?,
        };
        Ok(ViewWeights { which: which(&gate, params)?, window, shelf })
    })
}

/// `POST /v2/models/{model}/export`.
pub(super) fn export(call: Call) -> Replying {
    let (shelf, gate) = (call.server.facilities.shelf.clone(), Arc::clone(&call.server.gate));
    let make = move |params: &Params| Ok(Export { which: which(&gate, params)?, shelf });
    call.deed_shown(Event::ModelExport, make, packed)
}

/// A SHA-256 digest as RFC 9530 writes it.
pub(super) fn content_digest(sha256: &[u8]) -> HeaderValue {
    own_value(&format!("sha-256=:{}:", STANDARD.encode(sha256)))
}

/// Bytes of a package that give back its room once they have left.
struct Leaving {
    bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Leaving {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A package in the form in which packages are registered.
fn packed(exported: Exported) -> Result<Reply, Rejection> {
    let Exported { package, digest, version: _, room } = exported;
    let bytes = upload::encode(package.subject(), package.files());
    drop(package);
    let content = content_digest(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes).as_ref());
    let mut reply = Response::new(Content::from(Bytes::from_owner(Leaving { bytes, _room: room })));
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(upload::CONTENT_TYPE));
    headers.insert(CONTENT_DIGEST, content);
    headers.insert(MODEL_DIGEST, own_value(&digest.to_string()));
    Ok(reply)
}
