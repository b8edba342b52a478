//! The Open Inference Protocol, version 2, over gRPC: the same doors, models, bounds and words as over REST.
//!
//! A call is an HTTP/2 `POST` whose path is `/package.Service/Method` and whose body is one message in a frame of five
//! bytes. That is little enough to stand on the own listener and the own table of routes, so there is no second server
//! beside the first. What differs from REST is where the model's name is: in the message, which therefore is opened in
//! the door, once it is known who asks.

mod answer;
pub(in crate::server) mod frame;
mod messages;
pub(super) mod methods;
#[cfg(test)]
mod oracle;
pub mod reflection;
mod request;
mod status;
mod wire;

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Version as HttpVersion, header, request::Parts};
use mantlet_gate::{
    identity::Arrival,
    mediate::{Ask, Envelope, Payload, mediate_envelope},
};
use mantlet_types::{Action, Code, Contract, ModelName, Rejection, VersionRef, question::Question};

pub use answer::write;
pub use request::{Form, asked, decode};
pub(super) use status::reject;

use super::{
    Outcome, Server,
    body::{Body, Parcel},
    call::{Call, Params},
    reply::{self, Reply},
    routes::{EXTENSIONS, NAME, PROTOCOL_VERSION, Protocol, Way},
};
use messages::{Health, Readiness, ServerMetadata};

/// Digits of a `grpc-timeout`, by the specification.
const TIMEOUT_DIGITS_MAX: usize = 8;

/// Whether a path is one of a gRPC method: `/package.Service/Method`.
#[must_use]
pub fn names_method(path: &str) -> bool {
    let parts = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    parts
        .is_some_and(|(service, method)| service.contains('.') && !method.is_empty() && !method.contains('/'))
}

/// Whether a request is a call of gRPC: its path, its content type and the version of HTTP all say so.
#[must_use]
pub fn is_call(parts: &Parts) -> bool {
    parts.version == HttpVersion::HTTP_2 && is_media(&parts.headers) && names_method(parts.uri.path())
}

/// `application/grpc`, in the one encoding of messages that there is here.
fn is_media(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/grpc") || essence.eq_ignore_ascii_case("application/grpc+proto")
}

/// What comes of a call within the time that its caller gives it; our own bounds hold as well. When that is over, the
/// call is seen through to its end and to its entry, as if its client had hung up.
pub(super) async fn in_time(parts: &Parts, outcome: impl Future<Output = Outcome>) -> Outcome {
    match timeout(&parts.headers) {
        Ok(Some(timeout)) => {
            let late = |_| Rejection::new(Code::DeadlineExceeded).into();
            tokio::time::timeout(timeout, outcome).await.unwrap_or_else(late)
        }
        // What is wrong with it is told where other faults of a known caller's request are.
        Ok(None) | Err(_) => outcome.await,
    }
}

/// The caller's own deadline: up to eight digits and a unit.
pub(super) fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Rejection> {
    let wrong = || Rejection::invalid("grpc-timeout");
    let mut values = headers.get_all("grpc-timeout").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| values.next().is_none()).ok_or_else(wrong)?;
    let (digits, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let fits = digits.len() <= TIMEOUT_DIGITS_MAX && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count: u64 = digits.parse().ok().filter(|_| fits).ok_or_else(wrong)?;
    Ok(Some(match unit {
        "H" => Duration::from_secs(count * 3_600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return Err(wrong()),
    }))
}

/// `grpc.health.v1.Health/Check`. It is about the node, whichever service is named: a stranger's message is not read.
pub(super) fn health(ready: bool) -> Reply {
    frame::reply(frame::framed(&Health { status: if ready { 1 } else { 2 } }))
}

/// `ServerLive`.
pub(super) fn live(_: bool) -> Reply {
    frame::reply(frame::framed(&Readiness { ready: true }))
}

/// `ServerReady`.
pub(super) fn ready(ready: bool) -> Reply {
    frame::reply(frame::framed(&Readiness { ready }))
}

/// `ServerMetadata`: as over REST, nothing of the software but its name.
pub(super) fn server(_: bool) -> Reply {
    frame::reply(frame::framed(&ServerMetadata {
        name: NAME.to_owned(),
        version: PROTOCOL_VERSION.to_owned(),
        extensions: EXTENSIONS.map(str::to_owned).to_vec(),
    }))
}

/// The model and version that a message names, by its number or a name; the empty version is the live one. A name that nothing can have is like
/// one that nothing has.
fn which(model: &str, version: &str) -> Result<(ModelName, Option<VersionRef>), Rejection> {
    let model = model.parse().map_err(|_| Code::NotFound)?;
    let version = (!version.is_empty()).then(|| version.parse()).transpose().map_err(|_| Code::NotFound)?;
    Ok((model, version))
}

impl Server {
    /// A call on its way through the doors.
    pub(super) async fn call(
        self: &Arc<Self>,
        way: Way,
        arrival: Arrival,
        parts: &Parts,
        body: Body,
    ) -> Outcome {
        let parcel = Parcel::message(&parts.headers, body);
        match way {
            Way::Open(page) => Outcome { reply: Ok(page(self.is_ready())), receipt: None },
            Way::Ask(action, Protocol::Grpc) => self.infer(arrival, action, parcel).await,
            Way::Ask(..) => self.turned_away(Code::MethodNotAllowed, arrival.ip),
            Way::Deed(_, handler) => {
                let (params, query) = (Params::default(), None);
                handler(Call {
                    server: Arc::clone(self),
                    arrival,
                    params,
                    query,
                    parcel,
                    conditions: super::range::Conditions::default(),
                })
                .await
            }
        }
    }

    async fn infer(&self, arrival: Arrival, action: Action, parcel: Parcel) -> Outcome {
        let (began, noted, id) = (Instant::now(), Arc::new(Noted::default()), arrival.request_id);
        let envelope = Infer { parcel, action, noted: Arc::clone(&noted) };
        let released = mediate_envelope(Arc::clone(&self.gate), arrival, envelope).await;
        let (answer, receipt) = released.into_parts();
        self.count(&answer, noted.asked.get(), began);
        let reply = answer.and_then(|answer| {
            let form =
                noted.form.get().ok_or_else(|| Rejection::unavailable("an answer without a request"))?;
            let mut reply = frame::reply(write(&answer, form, id));
            reply::stand(reply.headers_mut(), answer.standing);
            Ok(reply)
        });
        Outcome { reply, receipt }
    }
}

/// What is known of a call to `ModelInfer` once its message is opened, and once it is decoded.
#[derive(Debug, Default)]
struct Noted {
    asked: OnceLock<(ModelName, Option<VersionRef>)>,
    form: OnceLock<Form>,
}

/// A call to `ModelInfer`, not yet read.
struct Infer {
    parcel: Parcel,
    action: Action,
    noted: Arc<Noted>,
}

impl Envelope for Infer {
    type Payload = Message;

    fn action(&self) -> Action {
        self.action
    }

    async fn open(self) -> Result<(Ask, Message), Rejection> {
        let Self { parcel, action, noted } = self;
        let bytes = parcel.read_question().await?;
        let (model, version) = asked(&bytes)?;
        let _ = noted.asked.set((model.clone(), version.clone())); // set nowhere else
        Ok((Ask { model, version, action }, Message { bytes, noted }))
    }
}

/// A message that names a model which its caller may ask.
struct Message {
    bytes: Bytes,
    noted: Arc<Noted>,
}

impl Payload for Message {
    async fn read(self, contract: &Contract) -> Result<Question, Rejection> {
        let (question, form) = decode(&self.bytes, contract)?;
        let _ = self.noted.form.set(form); // set nowhere else
        Ok(question)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};

    use super::*;

    #[test]
    fn a_method_has_a_service_with_a_dot_and_nothing_behind() {
        for path in ["/inference.GRPCInferenceService/ModelInfer", "/a.b.C/D"] {
            assert!(names_method(path), "{path}");
        }
        for path in ["/", "", "/openapi.json", "/v2/models", "/a.b.C/", "/a.b.C/D/E", "a.b.C/D", "/healthz"] {
            assert!(!names_method(path), "{path}");
        }
    }

    #[test]
    fn a_call_is_one_by_path_version_and_type() {
        let is = |version, media: &'static str, path: &str| {
            let request =
                Request::post(path).version(version).header("content-type", media).body(()).unwrap();
            is_call(&request.into_parts().0)
        };
        for media in ["application/grpc", "application/grpc+proto", "application/GRPC; charset=x"] {
            assert!(is(HttpVersion::HTTP_2, media, "/a.B/C"), "{media}");
        }
        for media in
            ["application/grpc-web", "application/grpc+json", "application/json", "", "application/grpcx"]
        {
            assert!(!is(HttpVersion::HTTP_2, media, "/a.B/C"), "{media}");
        }
        assert!(!is(HttpVersion::HTTP_11, "application/grpc", "/a.B/C"));
        assert!(!is(HttpVersion::HTTP_2, "application/grpc", "/v2/models/a/infer"));
    }

    #[test]
    fn deadlines_are_eight_digits_and_a_unit() {
        let read = |value: &'static str| {
            let headers =
                HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), HeaderValue::from_static(value))]);
            timeout(&headers).map_err(|rejection| rejection.code)
        };
        assert_eq!(read("99999999H"), Ok(Some(Duration::from_secs(99_999_999 * 3_600))));
        assert_eq!(read("2M"), Ok(Some(Duration::from_secs(120))));
        assert_eq!(read("1S"), Ok(Some(Duration::from_secs(1))));
        assert_eq!(read("250m"), Ok(Some(Duration::from_millis(250))));
        assert_eq!(read("7u"), Ok(Some(Duration::from_micros(7))));
        assert_eq!(read("0n"), Ok(Some(Duration::ZERO)));
        for wrong in ["", "S", "1", "1s", "-1S", "+1S", "123456789S", "1.5S", " 1S", "1 S"] {
            assert_eq!(read(wrong), Err(Code::InvalidInput), "{wrong}");
        }
        assert_eq!(timeout(&HeaderMap::new()).map_err(|rejection| rejection.code), Ok(None));
    }

    #[test]
    fn names_that_nothing_can_have_are_of_nothing() {
        assert_eq!(which("loans", "").unwrap(), ("loans".parse().unwrap(), None));
        for version in ["3", "champion", "live"] {
            assert_eq!(which("loans", version).unwrap().1.unwrap().to_string(), version);
        }
        for (model, version) in [("", ""), ("a/b", ""), ("loans", "X"), ("loans", "0"), ("loans", "-1")] {
            assert_eq!(which(model, version).unwrap_err().code, Code::NotFound, "{model} {version}");
        }
    }
}
