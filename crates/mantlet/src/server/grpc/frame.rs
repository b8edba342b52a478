//! Frames: a flag that says whether the message is packed, its length in four bytes, and the message.
//!
//! Every method here but one takes one message and gives one, so a body is one frame and nothing else.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use mantlet_types::{Code, Rejection};

use crate::server::{
    body::{Encoding, unpack_as},
    content::Content,
    reply::Reply,
};

/// What stands before a message.
pub(in crate::server) const PREFIX: usize = 5;

/// The content type of replies.
pub(super) const MEDIA: HeaderValue = HeaderValue::from_static("application/grpc");

/// How it went.
pub(super) const STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// How a frame's messages are packed.
pub(in crate::server) const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// Takes the one message out of a body.
///
/// # Errors
/// 400 if the body is cut off, has more than one message, or is not packed as it says; 413 over `bytes_max`.
pub(in crate::server) fn open(
    body: &Bytes,
    encoding: Encoding,
    bytes_max: usize,
) -> Result<Bytes, Rejection> {
    let wrong = || Rejection::invalid("message");
    let (prefix, rest) = body.split_first_chunk::<PREFIX>().ok_or_else(wrong)?;
    let [flag, length @ ..] = *prefix;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > bytes_max {
        return Err(Code::TooLarge.into());
    }
    if length != rest.len() {
        return Err(wrong());
    }
    let message = body.slice(PREFIX..);
    match (flag, encoding) {
        (0, _) => Ok(message),
        (1, Encoding::Gzip | Encoding::Deflate) => {
            unpack_as(encoding, message, bytes_max).map_err(|rejection| match rejection.code {
                Code::InvalidInput => wrong(),
                _ => rejection,
            })
        }
        _ => Err(wrong()),
    }
}

/// Room for a message of about this length behind its prefix.
pub(super) fn begin(length: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity(PREFIX + length);
    frame.extend_from_slice(&[0; PREFIX]);
    frame
}

/// Fills in the prefix of what [`begin`] began.
pub(super) fn end(mut frame: Vec<u8>) -> Vec<u8> {
    // INVARIANT (u32-lengths): no answer comes near 4 GiB; every size is bounded far below.
    let length = u32::try_from(frame.len().saturating_sub(PREFIX)).unwrap_or(u32::MAX);
    if let Some(place) = frame.get_mut(1..PREFIX) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    frame
}

/// A message in its frame.
pub(super) fn framed<M: prost::Message>(message: &M) -> Vec<u8> {
    let mut frame = begin(message.encoded_len());
    // A vector has room for whatever there is.
    let _ = message.encode(&mut frame);
    end(frame)
}

/// The reply that carries a frame, and behind it that all went well.
pub(super) fn reply(frame: Vec<u8>) -> Reply {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(STATUS, HeaderValue::from_static("0"));
    headed(Content::trailed(Bytes::from(frame), trailers))
}

/// A reply with this for a body.
pub(super) fn headed(content: Content) -> Reply {
    let mut reply = Response::new(content);
    reply.headers_mut().reserve(10);
    reply.headers_mut().insert(header::CONTENT_TYPE, MEDIA);
    reply
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn frame(flag: u8, length: u32, message: &[u8]) -> Bytes {
        [&[flag][..], &length.to_be_bytes(), message].concat().into()
    }

    fn check(body: &Bytes, encoding: Encoding, expect: Result<&'static [u8], Code>) {
        let opened = open(body, encoding, 10).map_err(|rejection| rejection.code);
        assert_eq!(opened, expect.map(Bytes::from_static), "{body:?}");
    }

    #[test]
    fn one_message_and_nothing_else() {
        check(&frame(0, 3, b"abc"), Encoding::Identity, Ok(b"abc"));
        check(&frame(0, 3, b"abc"), Encoding::Gzip, Ok(b"abc"));
        check(&frame(0, 0, b""), Encoding::Identity, Ok(b""));
        for body in [
            Bytes::new(),
            Bytes::from_static(&[0, 0, 0, 0]),
            frame(0, 4, b"abc"),
            frame(0, 2, b"abc"),
            frame(1, 3, b"abc"),
            frame(2, 3, b"abc"),
            [frame(0, 3, b"abc"), frame(0, 3, b"abc")].concat().into(),
        ] {
            check(&body, Encoding::Identity, Err(Code::InvalidInput));
        }
        check(&frame(0, 11, b"abc"), Encoding::Identity, Err(Code::TooLarge));
        check(&frame(0, u32::MAX, b""), Encoding::Identity, Err(Code::TooLarge));
    }

    #[test]
    fn packed_messages_unpack_within_the_same_bound() {
        let packed = |message: &[u8]| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(message).unwrap();
            let packed = encoder.finish().unwrap();
            frame(1, u32::try_from(packed.len()).unwrap(), &packed)
        };
        let open = |body: &Bytes| open(body, Encoding::Gzip, 40).map_err(|rejection| rejection.code);
        assert_eq!(open(&packed(&[7; 40])), Ok(Bytes::from_static(&[7; 40])));
        assert_eq!(open(&packed(&[7; 41])), Err(Code::TooLarge));
        assert_eq!(open(&frame(1, 3, b"abc")), Err(Code::InvalidInput));
    }

    #[test]
    fn what_was_framed_opens() {
        let sealed = Bytes::from(end([begin(3), b"abc".to_vec()].concat()));
        check(&sealed, Encoding::Identity, Ok(b"abc"));
    }
}
