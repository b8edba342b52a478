//! The Open Inference Protocol, version 2, over REST: with the binary tensor, repository index, statistics and model
//! configuration extensions as Triton's and KServe's clients use them.

mod answer;
mod request;

use std::io::Write as _;

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use mantlet_types::Code;

pub(super) use answer::{Parameter, Parameters};
pub use answer::{Written, write};
pub use request::{Form, Infer, decode, decode_body, decode_raw};
pub(super) use request::{binary_data_output, is_id, known, listed, place};

use super::reply::{self, Reply};

/// Length of the JSON part of a body that has tensors behind it.
const HEADER_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

/// Shorter answers are not worth packing for clients that would merely take it.
const PACKED_BYTES_MIN: usize = 1_024;

/// The length of a request's JSON header, if it says that tensors follow.
///
/// # Errors
/// 400 if it is no number, or said twice.
pub fn header_bytes(headers: &HeaderMap) -> Result<Option<usize>, Code> {
    let mut values = headers.get_all(&HEADER_LENGTH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let length = value.to_str().ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    match (length.and_then(|text| text.parse().ok()), values.next()) {
        (Some(length), None) => Ok(Some(length)),
        _ => Err(Code::InvalidInput),
    }
}

/// How an answer may be packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// RFC 1952, from this length on.
    Gzip(usize),
    /// RFC 1950, from this length on.
    Deflate(usize),
}

impl Packing {
    /// What `Accept-Encoding` allows. A client that names one encoding alone wants it; one that lists all it knows, as
    /// HTTP libraries do by themselves, gets it only where it saves something.
    #[must_use]
    pub fn accepted(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()) else {
            return Self::Plain;
        };
        let bytes_min = if value.contains(',') { PACKED_BYTES_MIN } else { 0 };
        let offered = |name: &str| {
            value.split(',').any(|item| {
                let (coding, weight) = item.split_once(';').unwrap_or((item, ""));
                let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
                coding.trim().eq_ignore_ascii_case(name) && !refused
            })
        };
        if offered("gzip") {
            Self::Gzip(bytes_min)
        } else if offered("deflate") {
            Self::Deflate(bytes_min)
        } else {
            Self::Plain
        }
    }

    fn pack(self, body: &[u8]) -> Option<(&'static str, Vec<u8>)> {
        // Writing to memory cannot fail; if it did, the answer would leave as it is.
        match self {
            Self::Gzip(bytes_min) if body.len() >= bytes_min => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(body).ok()?;
                Some(("gzip", encoder.finish().ok()?))
            }
            Self::Deflate(bytes_min) if body.len() >= bytes_min => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(body).ok()?;
                Some(("deflate", encoder.finish().ok()?))
            }
            Self::Plain | Self::Gzip(_) | Self::Deflate(_) => None,
        }
    }
}

/// The reply that carries a written answer.
#[must_use]
pub fn reply(written: Written, packing: Packing) -> Reply {
    let Written { body, header_bytes } = written;
    let media = if header_bytes.is_some() { "application/octet-stream" } else { "application/json" };
    let packed = packing.pack(&body);
    let (coding, body) = packed.map_or((None, body), |(coding, packed)| (Some(coding), packed));
    let mut reply = reply::with_body(StatusCode::OK, media, body);
    let headers = reply.headers_mut();
    if let Some(length) = header_bytes {
        headers.insert(HEADER_LENGTH, length.into());
    }
    if let Some(coding) = coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    if packing != Packing::Plain {
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    reply
}
