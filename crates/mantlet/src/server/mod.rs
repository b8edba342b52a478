//! The HTTP face of the gate: listeners, one route table, protocols. It decides nothing about anybody: it takes
//! requests apart, hands them to one of the two doors, and puts what the doors release into the protocol's words.
//!
//! [`Server::dispatch`] is the whole of it, with or without a socket: the command line sends the same request in
//! process where no server runs.

pub mod address;
mod admin;
mod artifacts;
pub mod body;
pub mod bounds;
pub mod call;
mod catalog;
pub mod compare;
pub mod content;
pub mod credential;
pub mod evaluate;
pub mod explain;
pub mod grpc;
pub mod inspect;
pub mod json;
pub mod listen;
pub mod llm;
mod llm_metrics;
mod monitor;
pub mod openapi;
mod patience;
mod peer;
mod places;
pub mod range;
mod releases;
pub mod reply;
mod reviews;
pub mod routes;
mod second;
mod secrets;
pub mod simple;
pub mod statistics;
pub mod tensor;
#[cfg(test)]
pub(crate) mod testing;
pub mod tls;
pub mod trust;
mod update;
pub mod upload;
mod upstreams;
pub mod v2;

use std::{
    net::IpAddr,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header, request::Parts};
use mantlet_audit::Log;
use mantlet_gate::{
    Gate, administer,
    identity::{Arrival, Channel, Credential},
    mediate::{self, Ask, Payload, examine, mediate},
    output::Answer,
    ports::Receipt,
    releases::alias::number_or_live,
};
use mantlet_models::register::Shelf;
use mantlet_types::{Action, Code, ModelName, Rejection, RequestId, VersionRef, limits, rejection::Blame};

pub use self::peer::Peer;
use self::{
    address::Addresses,
    body::{Body, Parcel},
    bounds::Bounds,
    call::{Call, Params},
    range::Conditions,
    reply::{Dialect, Reply},
    routes::{Found, Protocol, Route, Router, Way},
    statistics::Statistics,
    trust::Trust,
};
use crate::{deeds::reload::Reloader, upstream::Switchboard};

/// What administrative routes reach beside the gate.
pub struct Facilities {
    /// The open log.
    pub log: Arc<Log>,
    /// Where the log lies.
    pub audit_dir: PathBuf,
    /// Where models come from.
    pub shelf: Shelf,
    /// Where models run that do not run here.
    pub switchboard: Arc<Switchboard>,
    /// What reads the configuration again.
    pub reloader: Arc<dyn Reloader>,
    /// Who vouches for workloads' certificates.
    pub trust: Arc<Trust>,
    /// Whether callers are shown what the gRPC services look like.
    pub reflection: bool,
}

/// The gate's HTTP face.
pub struct Server {
    gate: Arc<Gate>,
    router: Router,
    addresses: ArcSwap<Addresses>,
    bounds: Bounds,
    facilities: Facilities,
    statistics: Arc<Statistics>,
}

/// The route table contradicts itself.
#[derive(Debug, thiserror::Error)]
#[error("two routes of the table conflict: {0}")]
pub struct Conflict(#[from] matchit::InsertError);

/// What came of a request.
pub struct Outcome {
    /// The answer or the rejection.
    pub reply: Result<Reply, Rejection>,
    /// The receipt for the entry.
    pub receipt: Option<Receipt>,
}

impl From<Rejection> for Outcome {
    fn from(rejection: Rejection) -> Self {
        Self { reply: Err(rejection), receipt: None }
    }
}

impl Server {
    /// A face for this gate.
    ///
    /// # Errors
    /// If two routes of the table conflict.
    pub fn new(
        gate: Arc<Gate>,
        addresses: Addresses,
        bounds: Bounds,
        facilities: Facilities,
    ) -> Result<Self, Conflict> {
        Ok(Self {
            gate,
            router: Router::new()?,
            addresses: ArcSwap::from_pointee(addresses),
            bounds,
            facilities,
            statistics: Arc::default(),
        })
    }

    /// The gate.
    #[must_use]
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Who vouches for workloads' certificates.
    #[must_use]
    pub fn trust(&self) -> &Arc<Trust> {
        &self.facilities.trust
    }

    /// What connections and requests may take.
    #[must_use]
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// From now on, takes connections from these addresses.
    pub fn hear(&self, addresses: Addresses) {
        self.addresses.store(Arc::new(addresses));
    }

    /// Answers one request.
    pub async fn dispatch(self: &Arc<Self>, request: Request<Body>, peer: &Peer) -> Reply {
        let began = Instant::now();
        let id = self.gate.request_id();
        let (parts, body) = request.into_parts();
        let found = self.router.find(&parts.method, parts.uri.path());
        let route = match &found {
            Found::Route(route, _) => Some(*route),
            Found::Methods(_) | Found::Nothing => None,
        };
        let rpc = grpc::is_call(&parts);
        let dialect = if rpc { Dialect::Grpc } else { Dialect::of(parts.uri.path()) };
        let outcome = self.outcome(&parts, body, peer, id, found);
        let Outcome { reply, receipt } =
            if rpc { grpc::in_time(&parts, outcome).await } else { outcome.await };
        // gRPC says in HTTP's status that there is a reply, and nothing of what is in it.
        let rejected = reply.as_ref().err().map(|rejection| rejection.code.http());
        let mut reply = match reply {
            Ok(reply) => reply,
            Err(rejection) => dialect.reject(&rejection, id),
        };
        if reply.status() == StatusCode::METHOD_NOT_ALLOWED {
            self.router.allow(parts.uri.path(), reply.headers_mut());
        }
        reply::seal(&mut reply, id, receipt.as_ref());
        if parts.method == Method::HEAD {
            reply::behead(&mut reply);
        }
        let latency = began.elapsed();
        let status = rejected.unwrap_or(reply.status().as_u16());
        self.statistics.replied(route, status, latency);
        log(id, &parts.method, route, status, latency);
        reply
    }

    /// Answers a probe: the published pages, and nothing else exists here.
    #[must_use]
    pub fn probe(&self, method: &Method, path: &str) -> Reply {
        let id = self.gate.request_id();
        let mut reply = match self.router.find(method, path) {
            Found::Route(route @ Route { way: Way::Open(page), .. }, _) if !route.is_rpc() => {
                page(self.is_ready())
            }
            _ => Dialect::of(path).reject(&Rejection::new(Code::NotFound), id),
        };
        reply::seal(&mut reply, id, None);
        if *method == Method::HEAD {
            reply::behead(&mut reply);
        }
        reply
    }

    async fn outcome(
        self: &Arc<Self>,
        parts: &Parts,
        body: Body,
        peer: &Peer,
        id: RequestId,
        found: Found<'_, '_>,
    ) -> Outcome {
        let arrival = match self.arrival(parts, peer, id) {
            Ok(arrival) => arrival,
            Err(code) => return self.turned_away(code, peer.ip),
        };
        let ip = arrival.ip;
        if let Credential::InUrl(_) = arrival.credential {
            return self.leaked(arrival).await;
        }
        if grpc::is_call(parts)
            && let Err(rejection) = grpc::timeout(&parts.headers)
        {
            self.gate.turned_away(rejection.code, ip);
            return rejection.into();
        }
        let (route, params) = match found {
            Found::Route(route, params) => (route, params),
            Found::Methods(_) => return self.turned_away(Code::MethodNotAllowed, ip),
            // That a service has no such method is what gRPC says of every name that it does not know.
            Found::Nothing if grpc::is_call(parts) => return self.turned_away(Code::MethodNotAllowed, ip),
            Found::Nothing => return self.turned_away(Code::NotFound, ip),
        };
        if route.is_rpc() {
            if !grpc::is_call(parts) {
                return self.turned_away(Code::UnsupportedMedia, ip);
            }
            return self.call(route.way, arrival, parts, body).await;
        }
        match route.way {
            Way::Open(page) => Outcome { reply: Ok(page(self.is_ready())), receipt: None },
            Way::Ask(_, Protocol::Llm(endpoint)) => {
                let parcel = Parcel::new(&parts.headers, body);
                self.complete(arrival, endpoint, parcel).await
            }
            Way::Ask(action, protocol) => match ask(action, &params) {
                Ok(ask) => self.ask(arrival, ask, protocol, parts, body).await,
                Err(code) => self.turned_away(code, ip),
            },
            Way::Deed(action, handler) => {
                let arrival = if action == Action::RedeemUrl {
                    Arrival { credential: artifacts::credential(parts, &params), ..arrival }
                } else {
                    arrival
                };
                let params = Params::from(params);
                let parcel = Parcel::new(&parts.headers, body);
                let query = parts.uri.query().map(Into::into);
                let conditions = Conditions::of(&parts.headers);
                handler(Call { server: Arc::clone(self), arrival, params, query, parcel, conditions }).await
            }
        }
    }

    /// A request that reaches neither door: told why, and counted.
    fn turned_away(&self, code: Code, ip: IpAddr) -> Outcome {
        self.gate.turned_away(code, ip);
        Rejection::new(code).into()
    }

    /// What the gate is told of a request before anybody is asked anything.
    fn arrival(&self, parts: &Parts, peer: &Peer, id: RequestId) -> Result<Arrival, Code> {
        let headers = &parts.headers;
        bounded(parts)?;
        let ip = if peer.channel == Channel::Control {
            peer.ip
        } else {
            self.addresses.load().client(peer.ip, headers)?
        };
        let credential = match (credential::leaked(&parts.uri), credential::presented(headers)) {
            (Some(leaked), _) => leaked,
            // At the control socket the kernel has said who it is; a key presented there narrows that.
            (None, Credential::Nothing) if peer.channel == Channel::Control => Credential::LocalOwner,
            (None, presented) => presented,
        };
        let trace_id = credential::trace_id(headers);
        // A proxy's own certificate says who the proxy is, and nothing of those whom it carries.
        let is_carried = peer.workload.is_some() && self.addresses.load().is_proxy(peer.ip);
        let channel = if is_carried { Channel::Tls(None) } else { peer.channel(self.trust()) };
        Ok(Arrival { request_id: id, ip, trace_id, channel, credential })
    }

    /// Door 1.
    async fn ask(
        &self,
        arrival: Arrival,
        ask: Ask,
        protocol: Protocol,
        parts: &Parts,
        body: Body,
    ) -> Outcome {
        let parcel = Parcel::new(&parts.headers, body);
        match protocol {
            Protocol::Simple => self.simple(arrival, ask, parcel).await,
            Protocol::V2 => self.v2(arrival, ask, parcel, &parts.headers).await,
            Protocol::Explanation => self.explain(arrival, ask, parcel, &parts.headers).await,
            Protocol::Evaluation => self.evaluation(arrival, ask, parcel).await,
            Protocol::Comparison => self.comparison(arrival, ask, parcel).await,
            // Its paths name no model, so that there is never anything to ask.
            Protocol::Grpc | Protocol::Llm(_) => self.turned_away(Code::UnsupportedMedia, arrival.ip),
        }
    }

    /// Evaluations count as requests of their route, but not among a model's answers: nobody was served one.
    async fn evaluation(&self, arrival: Arrival, ask: Ask, parcel: Parcel) -> Outcome {
        let exam = evaluate::Table { parcel };
        let (marked, receipt) = examine(Arc::clone(&self.gate), arrival, ask, exam).await.into_parts();
        Outcome { reply: marked.map(evaluate::reply), receipt }
    }

    /// Comparisons count as evaluations do.
    async fn comparison(&self, arrival: Arrival, ask: Ask, parcel: Parcel) -> Outcome {
        let trial = compare::Table { parcel };
        let released = mediate::compare(Arc::clone(&self.gate), arrival, ask, trial).await;
        let (compared, receipt) = released.into_parts();
        Outcome { reply: compared.map(compare::reply), receipt }
    }

    async fn simple(&self, arrival: Arrival, ask: Ask, parcel: Parcel) -> Outcome {
        let id = arrival.request_id;
        let batch = Arc::new(AtomicBool::new(false));
        let payload = simple::Predict { parcel, batch: Arc::clone(&batch) };
        let (answer, receipt) = self.mediated(arrival, ask, payload).await;
        let reply = answer.map(|answer| {
            let mut reply = reply::json(simple::write(&answer, batch.load(Ordering::Relaxed), id));
            reply::stand(reply.headers_mut(), answer.standing);
            reply
        });
        Outcome { reply, receipt }
    }

    async fn v2(&self, arrival: Arrival, ask: Ask, parcel: Parcel, headers: &HeaderMap) -> Outcome {
        let (form, id) = (Arc::new(OnceLock::new()), arrival.request_id);
        let packing = v2::Packing::accepted(headers);
        let payload = v2::Infer { parcel, header_bytes: v2::header_bytes(headers), form: Arc::clone(&form) };
        let (answer, receipt) = self.mediated(arrival, ask, payload).await;
        let reply = answer.and_then(|answer| {
            let form = form.get().ok_or_else(|| Rejection::unavailable("an answer without a request"))?;
            let mut reply = v2::reply(v2::write(&answer, form, id), packing);
            reply::stand(reply.headers_mut(), answer.standing);
            Ok(reply)
        });
        Outcome { reply, receipt }
    }

    /// Door 1 itself, with what came of it counted.
    async fn mediated<P: Payload>(
        &self,
        arrival: Arrival,
        ask: Ask,
        payload: P,
    ) -> (Result<Answer, Rejection>, Option<Receipt>) {
        let (began, asked) = (Instant::now(), (ask.model.clone(), ask.version.clone()));
        let released = mediate(Arc::clone(&self.gate), arrival, ask, payload).await;
        let (answer, receipt) = released.into_parts();
        self.count(&answer, Some(&asked), began);
        (answer, receipt)
    }

    /// Counts what came of a question to this model, if it is known which.
    fn count(
        &self,
        answer: &Result<Answer, Rejection>,
        asked: Option<&(ModelName, Option<VersionRef>)>,
        began: Instant,
    ) {
        match (answer, asked) {
            (Ok(answer), _) => {
                self.statistics.answered(&answer.contract, &answer.rows, self.gate.now(), began.elapsed());
            }
            (Err(rejection), Some((model, version))) if rejection.code.blame() == Blame::Server => {
                self.failed(model, version.as_ref(), began);
            }
            (Err(_), _) => {}
        }
    }

    /// Whether it answers, and can do what answering it is to go on needs: whoever writes its packages and certificates is there.
    fn is_ready(&self) -> bool {
        self.gate.is_ready() && self.facilities.shelf.keeper.is_there()
    }

    /// Counts a question to this model that the server failed to answer.
    fn failed(&self, model: &ModelName, version: Option<&VersionRef>, began: Instant) {
        let snapshot = self.gate.snapshot();
        let version = number_or_live(&snapshot.directory, model, version);
        if let Some(served) = snapshot.model(model, version) {
            self.statistics.failed(model, served.contract().version, began.elapsed());
        }
    }

    /// A key in the URL: whatever was asked for, it is not answered.
    async fn leaked(&self, arrival: Arrival) -> Outcome {
        let (refused, receipt) =
            administer::revoke_leaked(Arc::clone(&self.gate), arrival).await.into_parts();
        Outcome { reply: refused.map(|never| match never {}), receipt }
    }
}

/// The model and version that a path names. A name that no model can have is like one that none has.
fn ask(action: mantlet_types::Action, params: &matchit::Params<'_, '_>) -> Result<Ask, Code> {
    let model: ModelName = params.get("model").and_then(|name| name.parse().ok()).ok_or(Code::NotFound)?;
    let version = params.get("version").map(str::parse).transpose().map_err(|_| Code::NotFound)?;
    Ok(Ask { model, version, action })
}

/// Bounds that hold for every request, whichever version of HTTP brought it.
fn bounded(parts: &Parts) -> Result<(), Code> {
    let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > limits::PATH_BYTES_MAX {
        return Err(Code::InvalidInput);
    }
    let size: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if parts.headers.len() > limits::HEADERS_MAX || size > limits::HEADERS_BYTES_MAX {
        return Err(Code::HeadersTooLarge);
    }
    Ok(())
}

/// One line per request, for whoever debugs: paths only as the table writes them. Who asked what of which model, and what
/// came of it, is in the audit log; a second record of every request would cost more than the request's model.
fn log(id: RequestId, method: &Method, route: Option<&Route>, status: u16, latency: Duration) {
    let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    let route = route.map_or("", |route| route.path);
    tracing::debug!(target: "mantlet::request", request_id = %id, %method, route, status, latency_us);
}

/// A value of our own for a header.
fn own_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

impl Router {
    /// Says which methods a path takes.
    fn allow(&self, path: &str, headers: &mut HeaderMap) {
        if let Found::Methods(methods) = self.find(&Method::OPTIONS, path) {
            headers.insert(header::ALLOW, own_value(&methods));
        }
    }
}
