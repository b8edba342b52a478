//! Rejections over gRPC: the same code, sentence and headers as over REST, and nothing else.
//!
//! A rejection has no message, so that it is a reply of headers alone ("Trailers-Only"). When to come back is told in the
//! three ways that clients look for it: `retry-after` as over REST, `google.rpc.RetryInfo` in the status details, and
//! `grpc-retry-pushback-ms` for clients that retry by themselves.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use http::{HeaderName, HeaderValue};
use mantlet_types::{Code, Rejection};
use prost::Message;

use super::frame::{STATUS, headed};
use crate::server::{
    content::Content,
    own_value,
    reply::{self, Reply},
};

const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Duration>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
struct Duration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// The reply that rejects.
pub(in crate::server) fn reject(rejection: &Rejection) -> Reply {
    let mut reply = headed(Content::default());
    let headers = reply.headers_mut();
    let message = rejection.to_string();
    headers.insert(STATUS, rejection.code.grpc().into());
    headers.insert(MESSAGE, own_value(&escaped(&message)));
    if rejection.code == Code::UnsupportedMedia {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity,gzip,deflate"));
    }
    reply::hold_off(headers, rejection);
    if let Some(wait) = rejection.retry_after {
        let delay = Duration {
            seconds: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            nanos: wait.subsec_nanos().cast_signed(), // below 10⁹
        };
        let info = RetryInfo { retry_delay: Some(delay) }.encode_to_vec();
        let detail = Any { type_url: "type.googleapis.com/google.rpc.RetryInfo".into(), value: info };
        let status = Status { code: rejection.code.grpc(), message, details: vec![detail] };
        headers.insert(DETAILS, own_value(&STANDARD_NO_PAD.encode(status.encode_to_vec())));
        headers.insert(PUSHBACK, u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1).into());
    }
    reply
}

/// Text as `grpc-message` carries it: what is not printable ASCII, and the percent sign, as `%XX`.
fn escaped(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    for byte in message.bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}"); // writing to a string cannot fail
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use hyper::body::Body as _;

    use super::*;

    #[test]
    fn every_code_is_told_without_its_cause() {
        for code in Code::ALL {
            let reply = reject(&Rejection::new(*code).because("canary"));
            assert_eq!(reply.status(), 200);
            assert!(reply.body().is_end_stream());
            assert_eq!(reply.headers()["grpc-status"], code.grpc().to_string());
            assert!((1..=16).contains(&code.grpc()), "{code} is no gRPC status");
            assert_eq!(reply.headers()["grpc-message"], code.sentence());
            assert!(!format!("{:?}", reply.headers()).contains("canary"));
        }
    }

    #[test]
    fn messages_are_escaped() {
        assert_eq!(escaped("50 % of `x`\n"), "50 %25 of `x`%0A");
        assert_eq!(escaped("ü"), "%C3%BC");
    }

    #[test]
    fn who_must_wait_is_told_how_long() {
        let wait = std::time::Duration::from_millis(1_200);
        let reply = reject(&Rejection::new(Code::RateLimited).retry_after(wait));
        let headers = reply.headers();
        assert_eq!(
            (&headers["retry-after"], &headers["grpc-retry-pushback-ms"]),
            (&"2".parse().unwrap(), &"1200".parse().unwrap())
        );
        let status =
            Status::decode(STANDARD_NO_PAD.decode(&headers["grpc-status-details-bin"]).unwrap().as_slice())
                .unwrap();
        assert_eq!(status.code, 8);
        let info = RetryInfo::decode(status.details[0].value.as_slice()).unwrap();
        assert_eq!(info.retry_delay, Some(Duration { seconds: 1, nanos: 200_000_000 }));
    }
}
