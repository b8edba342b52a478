//! What leaves: bodies, the headers that every answer has, and rejections in the dialect of their route.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use hyper::body::Body as _;
use mantlet_gate::ports::Receipt;
use mantlet_types::{Code, Rejection, RequestId, quota::Standing};

use super::{content::Content, grpc, json::Writer, llm};

/// A reply.
pub type Reply = Response<Content>;

/// The request's id.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The opaque receipt for the audit entry.
const RECEIPT: HeaderName = HeaderName::from_static("mantlet-receipt");
/// The limit (draft-ietf-httpapi-ratelimit-headers).
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// One's own standing within it.
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// OpenAI's clients try again by themselves unless they are told not to, and take no notice of a longer time to wait.
const RETRIED_WITHIN: Duration = Duration::from_secs(60);

/// How a route's clients expect errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `{"error": "…"}` and nothing else (Open Inference Protocol).
    V2,
    /// Problem details (RFC 9457).
    Problem,
    /// `{"error": {"message", "type", "param", "code"}}` (OpenAI).
    OpenAi,
    /// Status and message among the headers (gRPC).
    Grpc,
}

impl Dialect {
    /// The dialect of a path, for requests that match no route.
    #[must_use]
    pub fn of(path: &str) -> Self {
        if path == "/v2" || path.starts_with("/v2/") {
            Self::V2
        } else if llm::error::speaks(path) {
            Self::OpenAi
        } else {
            Self::Problem
        }
    }

    /// A rejection as this dialect writes it.
    #[must_use]
    pub fn reject(self, rejection: &Rejection, id: RequestId) -> Reply {
        let (media, body) = match self {
            Self::V2 => ("application/json", v2_error(rejection)),
            Self::Problem => ("application/problem+json", problem(rejection, id)),
            Self::OpenAi => ("application/json", llm::error::body(rejection)),
            Self::Grpc => return grpc::reject(rejection),
        };
        let mut reply = with_body(status(rejection.code), media, body);
        let headers = reply.headers_mut();
        if rejection.code == Code::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        hold_off(headers, rejection);
        let soon = rejection.retry_after.is_some_and(|wait| wait <= RETRIED_WITHIN);
        if self == Self::OpenAi && rejection.code.http() == 429 && !soon {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        reply
    }
}

/// Adds when to come back, and how the caller's own limit stands.
pub(super) fn hold_off(headers: &mut HeaderMap, rejection: &Rejection) {
    if let Some(wait) = rejection.retry_after {
        // Whole seconds, rounded up: who comes back when told must not be turned away again.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, seconds.max(1).into());
    }
    if let Some(standing) = rejection.standing {
        stand(headers, standing);
    }
}

fn v2_error(rejection: &Rejection) -> Vec<u8> {
    let mut json = Writer::with_capacity(96);
    json.object();
    json.member("error", &rejection.to_string());
    json.end_object();
    json.into_bytes()
}

fn problem(rejection: &Rejection, id: RequestId) -> Vec<u8> {
    let code = rejection.code;
    let mut json = Writer::with_capacity(192);
    json.object();
    // The code says what the problem is and needs no page of its own, so the type is the one that RFC 9457 has for
    // that, except where the rate limit draft registers one that clients know.
    let quota = "https://iana.org/assignments/http-problem-types#quota-exceeded";
    json.member("type", if code == Code::RateLimited { quota } else { "about:blank" });
    json.member("title", code.sentence());
    json.key("status");
    json.integer(code.http());
    if let Some(detail) = &rejection.detail {
        json.member("detail", detail);
    }
    json.member("code", code.as_str());
    if let Some(field) = &rejection.field {
        json.member("field", field);
    }
    json.member("request_id", text(&id.encode()));
    json.end_object();
    json.into_bytes()
}

fn status(code: Code) -> StatusCode {
    StatusCode::from_u16(code.http()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}

fn text(id: &[u8; 26]) -> &str {
    std::str::from_utf8(id).unwrap_or_default()
}

/// A JSON document.
#[must_use]
pub fn json(body: Vec<u8>) -> Reply {
    with_body(StatusCode::OK, "application/json", body)
}

/// A reply of this type.
#[must_use]
pub fn with_body(status: StatusCode, media: &'static str, body: Vec<u8>) -> Reply {
    let mut reply = Response::new(Content::from(Bytes::from(body)));
    *reply.status_mut() = status;
    reply.headers_mut().reserve(10);
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    reply
}

/// Leaves the headers that the body would have had, and takes the body: over HTTP/2 nobody else does.
pub fn behead(reply: &mut Reply) {
    let length = reply.body().size_hint().exact().unwrap_or(0);
    reply.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    *reply.body_mut() = Content::default();
}

/// Adds what every reply carries.
pub fn seal(reply: &mut Reply, id: RequestId, receipt: Option<&Receipt>) {
    let headers = reply.headers_mut();
    if let Ok(value) = HeaderValue::from_str(text(&id.encode())) {
        headers.insert(REQUEST_ID, value);
    }
    if let Some(value) = receipt.and_then(|receipt| HeaderValue::from_str(&receipt.token).ok()) {
        headers.insert(RECEIPT, value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Adds how the caller's own limit stands.
pub fn stand(headers: &mut HeaderMap, standing: Standing) {
    stand_all(headers, &[standing]);
}

/// Adds how each of the caller's own limits stands.
pub fn stand_all(headers: &mut HeaderMap, standings: &[Standing]) {
    let mut lines = [Vec::with_capacity(64), Vec::with_capacity(64)];
    // A limit without a window was not asked.
    for standing in standings.iter().filter(|standing| standing.window_s > 0) {
        let Standing { of, quota, window_s, remaining, reset_s } = *standing;
        let parts =
            [[(";q=", quota), (";w=", window_s.into())], [(";r=", remaining), (";t=", reset_s.into())]];
        for (line, parts) in lines.iter_mut().zip(parts) {
            if !line.is_empty() {
                line.extend_from_slice(b", ");
            }
            for text in ["\"", of.as_str(), "\""] {
                line.extend_from_slice(text.as_bytes());
            }
            for (key, value) in parts {
                line.extend_from_slice(key.as_bytes());
                line.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
            }
        }
    }
    for (name, line) in [RATELIMIT_POLICY, RATELIMIT].into_iter().zip(lines) {
        if let Ok(value) = HeaderValue::from_bytes(&line)
            && !line.is_empty()
        {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use mantlet_types::Timestamp;

    use super::*;

    fn shown(dialect: Dialect, rejection: &Rejection) -> (Reply, String) {
        let id = RequestId::new(Timestamp::from_micros(1_469_918_176_385_000), [0xFF; 10]);
        let reply = dialect.reject(rejection, id);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (parts, body) = reply.into_parts();
        let body = runtime.block_on(body.collect()).unwrap().to_bytes();
        (Response::from_parts(parts, Content::default()), String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn v2_errors_are_one_sentence() {
        let (reply, body) = shown(Dialect::V2, &Rejection::invalid("inputs[0].shape"));
        assert_eq!(reply.status(), 400);
        assert_eq!(body, r#"{"error":"invalid input format: `inputs[0].shape`"}"#);
        let (reply, body) = shown(Dialect::V2, &Rejection::unavailable("the engine's secret trouble"));
        assert_eq!(reply.status(), 503);
        assert_eq!(body, r#"{"error":"service temporarily unavailable"}"#);
    }

    #[test]
    fn problems_name_code_field_and_request() {
        let (reply, body) = shown(Dialect::Problem, &Rejection::invalid("age").because("kept inside"));
        assert_eq!(reply.headers()["content-type"], "application/problem+json");
        let expect = concat!(
            r#"{"type":"about:blank","title":"invalid input format","status":400,"code":"invalid_input","#,
            r#""field":"age","request_id":"01ARYZ6S41ZZZZZZZZZZZZZZZZ"}"#
        );
        assert_eq!(body, expect);
    }

    #[test]
    fn every_code_has_a_reply_without_its_cause_in_every_dialect() {
        for code in Code::ALL {
            for dialect in [Dialect::V2, Dialect::Problem, Dialect::OpenAi] {
                let (reply, body) = shown(dialect, &Rejection::new(*code).because("canary"));
                assert_eq!(reply.status(), code.http());
                assert!(!body.contains("canary"), "{body}");
                assert!(body.contains(code.sentence()), "{body}");
            }
        }
    }

    #[test]
    fn a_beheaded_reply_keeps_the_length_of_its_body() {
        let mut reply = json(b"{}".to_vec());
        behead(&mut reply);
        assert_eq!(reply.headers()["content-length"], "2");
        assert_eq!(reply.body().size_hint().exact(), Some(0));
    }

    #[test]
    fn limits_tell_when_to_come_back() {
        let mut rejection = Rejection::new(Code::RateLimited).retry_after(Duration::from_millis(1_200));
        rejection.standing =
            Some(Standing { quota: 60, window_s: 60, remaining: 0, reset_s: 60, ..Standing::default() });
        let (reply, _) = shown(Dialect::Problem, &rejection);
        assert_eq!(reply.headers()["retry-after"], "2");
        assert_eq!(reply.headers()["ratelimit-policy"], r#""predictions";q=60;w=60"#);
        assert_eq!(reply.headers()["ratelimit"], r#""predictions";r=0;t=60"#);
        let (reply, _) = shown(Dialect::Problem, &Rejection::new(Code::Unauthenticated));
        assert_eq!(reply.headers()["www-authenticate"], "Bearer");
    }
}
