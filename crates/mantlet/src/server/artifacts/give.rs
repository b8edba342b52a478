//! What leaves for a signed URL: a package, a part of it, one file, or the list of files.

use std::ops::Range;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use mantlet_models::inspect::{Brought, Given, Room};
use mantlet_types::{Code, Rejection, Sha256};
use serde::Serialize;
use serde_json::json;

use crate::server::{
    content::Content,
    inspect::{CONTENT_DIGEST, MODEL_DIGEST, content_digest},
    own_value,
    range::{Conditions, Part},
    reply::{self, Reply},
    upload,
};

/// What is wanted of a package.
pub(super) enum View {
    Package,
    Index,
    File(String),
}

/// What leaves, with the room that it takes until it has.
struct Leaving {
    bytes: Vec<u8>,
    _room: Option<Room>,
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

pub(super) fn give(
    brought: &mut Brought,
    view: &View,
    conditions: &Conditions,
) -> Result<Given<Reply>, Rejection> {
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
    let room = brought.room_for(bytes.len());
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
            Piece::File(sha256, length) => bytes.extend_from_slice(&brought.part((*sha256, *length), part)?),
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
