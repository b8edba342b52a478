//! One server that runs language models: its connections, its key, who may use it at a time, and when nobody asks it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use mantlet_gate::routes::{self, Asking, Forwarded, Reply, Upstream, UpstreamFault, prompt::Task};
use mantlet_types::entry::Token;
use tokio::sync::Semaphore;

use super::{
    read,
    secret::{Keys, bearer},
    stream::{Patience, Stream},
    write,
};
use crate::{
    config::{RouteSettings, RouteUpstream},
    egress::{Destination, EgressError, Options, Outbound, Roots},
    upstream::breaker::{Attempt, Breaker, State},
};

/// When it makes sense to come back to an upstream that too many are asking.
const FULL_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The longest that an upstream can have callers told to wait.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// Bytes of the protocol around each piece of an answer, as a multiple of its text: a token of four bytes comes in some
/// 250.
const STREAM_OVERHEAD: usize = 64;

/// Bytes of a whole answer as a multiple of its text, which JSON may write in escapes of six bytes.
const WHOLE_TIMES: usize = 6;

/// What may stand around a whole answer.
const WHOLE_OVERHEAD: usize = 1 << 20;

/// Vectors for as many texts as one request may have.
const VECTORS_MAX: usize = 32 << 20;

/// A server elsewhere, in use.
pub(super) struct Peer {
    settings: RouteUpstream,
    ca: Option<Vec<u8>>,
    keys: Arc<Keys>,
    outbound: Outbound,
    breaker: Arc<Breaker>,
    places: Arc<Semaphore>,
    answer_bytes_max: usize,
}

impl Peer {
    /// Takes an upstream into use.
    ///
    /// # Errors
    /// If its file cannot be read or used; for an operator.
    pub(super) fn new(
        route: &RouteSettings,
        settings: &RouteUpstream,
        keys: Arc<Keys>,
    ) -> Result<Self, String> {
        let destination = Destination::parse(&settings.url).map_err(|error| error.to_string())?;
        let unreadable = |error: std::io::Error| format!("`ca` cannot be read: {error}");
        let ca = settings.ca.as_ref().map(std::fs::read).transpose().map_err(unreadable)?;
        let options = Options {
            roots: ca.clone().map_or(Roots::System, Roots::Pem),
            identity: None,
            networks: settings.networks.clone(),
            plaintext: true, // the configuration has been asked whether it may
            connect_timeout: settings.connect_timeout,
            reply_timeout: settings.timeout,
            reply_bytes_max: 0, // bodies are taken by whoever opens them
            idle_connections: settings.concurrent_max.min(64),
        };
        let outbound = Outbound::new(destination, options).map_err(|error| error.to_string())?;
        Ok(Self {
            settings: settings.clone(),
            ca,
            keys,
            outbound,
            breaker: Arc::default(),
            places: Arc::new(Semaphore::new(settings.concurrent_max)),
            answer_bytes_max: route.rules.answer_bytes_max,
        })
    }

    /// Why it cannot be asked, if its secret is not there.
    pub(super) fn lacks(&self) -> Option<String> {
        self.keys.lacks(self.settings.secret.as_ref()?)
    }

    /// Whether it is this one.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.settings == other.settings
            && self.ca == other.ca
            && self.answer_bytes_max == other.answer_bytes_max
    }

    async fn send(&self, forwarded: &Forwarded) -> Result<Reply, UpstreamFault> {
        let model = self.settings.models.get(forwarded.model());
        let model = model.ok_or_else(|| broken(&"it does not run the model"))?;
        let full = |_| UpstreamFault::Busy {
            why: "as many as may ask the upstream do".to_owned(),
            retry_after: FULL_RETRY_AFTER,
        };
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(full)?;
        let (path, body) = write::request(forwarded, model);
        let (body, streams) = (Bytes::from(body), forwarded.prompt().stream);
        let ends = tokio::time::Instant::now() + self.settings.timeout;
        let (response, attempt) = self.keyed(path, &body, streams).await?;
        let (response, attempt) = judged(response, attempt, streams)?;
        if streams {
            let bytes_max = self.answer_bytes_max.saturating_mul(STREAM_OVERHEAD);
            let patience = Patience { begins: ends, idle: self.settings.idle_timeout };
            let stream = Stream::new(response.into_body(), patience, bytes_max, attempt, place);
            return Ok(Reply::Stream(Box::new(stream)));
        }
        self.whole(response, attempt, forwarded, ends).await
    }

    /// Asks by the upstream's key, and once more where that is refused and has been replaced.
    async fn keyed(
        &self,
        path: &str,
        body: &Bytes,
        streams: bool,
    ) -> Result<(Response<Incoming>, Attempt), UpstreamFault> {
        let Some(place) = &self.settings.secret else {
            return self.exchange(path, body, headers(streams, None)).await;
        };
        let secret = self.keys.get(place).await.map_err(|why| broken(&why))?;
        let authorization = bearer(place, &secret).map_err(|why| broken(&why))?;
        let (response, attempt) = self.exchange(path, body, headers(streams, Some(authorization))).await?;
        if !matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Ok((response, attempt));
        }
        let Some(other) = self.keys.after_refusal(place, &secret).await else {
            return Ok((response, attempt));
        };
        attempt.answered();
        drop(response);
        let authorization = bearer(place, &other).map_err(|why| broken(&why))?;
        self.exchange(path, body, headers(streams, Some(authorization))).await
    }

    /// Sends a request and takes the head of its reply.
    async fn exchange(
        &self,
        path: &str,
        body: &Bytes,
        headers: HeaderMap,
    ) -> Result<(Response<Incoming>, Attempt), UpstreamFault> {
        let open = |retry_after| UpstreamFault::Busy {
            why: "the upstream has failed too often".to_owned(),
            retry_after,
        };
        // How long an answer takes is the caller's choice, so that no wait says anything of the upstream.
        let attempt = self.breaker.admit(Instant::now(), None).map_err(open)?;
        match self.outbound.open(Method::POST, path, headers, body.clone()).await {
            Ok(response) => Ok((response, attempt)),
            Err(error) => {
                match error {
                    EgressError::Timeout => attempt.undecided(),
                    _ => attempt.failed(),
                }
                Err(if error.sent() { lost(&error) } else { broken(&error) })
            }
        }
    }

    async fn whole(
        &self,
        response: Response<Incoming>,
        attempt: Attempt,
        forwarded: &Forwarded,
        ends: tokio::time::Instant,
    ) -> Result<Reply, UpstreamFault> {
        let bytes_max = match forwarded.prompt().task {
            Task::Embed(_) => VECTORS_MAX,
            Task::Chat(_) | Task::Text { .. } => {
                self.answer_bytes_max.saturating_mul(WHOLE_TIMES).saturating_add(WHOLE_OVERHEAD)
            }
        };
        let taking = Limited::new(response.into_body(), bytes_max).collect();
        let body: Bytes = match tokio::time::timeout_at(ends, taking).await {
            Ok(Ok(body)) => body.to_bytes(),
            // Its length is the caller's choice too.
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                attempt.answered();
                return Err(lost(&"its answer is longer than the route allows"));
            }
            Ok(Err(_)) => {
                attempt.failed();
                return Err(lost(&"its answer breaks off"));
            }
            Err(_) => {
                attempt.undecided();
                return Err(lost(&EgressError::Timeout));
            }
        };
        attempt.answered();
        let answer = match forwarded.prompt().task {
            Task::Embed(_) => read::embeddings(&body),
            Task::Chat(_) | Task::Text { .. } => read::completion(&body),
        };
        answer.map(Reply::Whole).map_err(|why| lost(&why))
    }
}

/// Nothing of who asks, and no key but the operator's.
fn headers(streams: bool, authorization: Option<HeaderValue>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(3);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let accept = if streams { "text/event-stream" } else { "application/json" };
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    headers.extend(authorization.map(|value| (header::AUTHORIZATION, value)));
    headers
}

/// What a reply's head says: that an answer follows, in the form that was asked for, or why none does.
fn judged(
    response: Response<Incoming>,
    attempt: Attempt,
    streams: bool,
) -> Result<(Response<Incoming>, Attempt), UpstreamFault> {
    let status = response.status();
    let answers = || broken(&format_args!("it answers {}", status.as_u16()));
    match status {
        StatusCode::OK => {}
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
            attempt.answered();
            return Err(UpstreamFault::Refused(format!("the upstream answers {}", status.as_u16())));
        }
        StatusCode::TOO_MANY_REQUESTS => {
            attempt.answered();
            let retry_after = retry_after(response.headers()).unwrap_or(FULL_RETRY_AFTER);
            return Err(UpstreamFault::Busy { why: "the upstream answers 429".to_owned(), retry_after });
        }
        // Of these no single prompt can be the cause; of a plain 500 it can, and must not close the way for others.
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => {
            attempt.failed();
            return Err(answers());
        }
        // Whoever is behind it has the prompt, and works on it for as long as it asks for.
        StatusCode::GATEWAY_TIMEOUT => {
            attempt.undecided();
            return Err(lost(&"it answers 504"));
        }
        // Proxies say so of work that was done. Of these a single prompt can be the cause.
        _ if status.is_server_error() => {
            attempt.answered();
            return Err(lost(&format_args!("it answers {}", status.as_u16())));
        }
        // Among them are those by which it says that the operator's key or URL is wrong.
        _ => {
            attempt.answered();
            return Err(answers());
        }
    }
    let expected = if streams { "text/event-stream" } else { "application/json" };
    let plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !response.headers().get_all(header::CONTENT_ENCODING).iter().all(plain) {
        attempt.answered();
        return Err(lost(&"its answer is packed"));
    }
    let media = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media.and_then(|media| media.split(';').next()).unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(expected) {
        attempt.answered();
        return Err(lost(&"its answer is of another type than was asked for"));
    }
    Ok((response, attempt))
}

/// How long the upstream wants to be left alone, in seconds; dates are not read.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

fn broken(why: &dyn std::fmt::Display) -> UpstreamFault {
    UpstreamFault::Broken(format!("the upstream: {why}"))
}

/// As [`broken`], of one that has the prompt.
fn lost(why: &dyn std::fmt::Display) -> UpstreamFault {
    UpstreamFault::Lost(format!("the upstream: {why}"))
}

impl Upstream for Peer {
    fn serves(&self, model: &Token) -> bool {
        self.settings.models.contains_key(model)
    }

    fn ask<'a>(&'a self, forwarded: &'a Forwarded) -> Asking<'a> {
        Box::pin(self.send(forwarded))
    }

    fn concurrent_max(&self) -> usize {
        self.settings.concurrent_max
    }

    fn breaker(&self) -> routes::Breaker {
        match self.breaker.state() {
            State::Closed => routes::Breaker::Closed,
            State::HalfOpen => routes::Breaker::HalfOpen,
            State::Open => routes::Breaker::Open,
        }
    }
}
