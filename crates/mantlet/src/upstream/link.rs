//! A model at its upstream: what the gate asks, and what is known of whether it answers.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU8, AtomicU64, Ordering},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use mantlet_gate::{
    infer::ModelInput,
    ports::{Asked, Behalf, Elsewhere, EngineFault, RawOutput, Remote},
};
use mantlet_types::{Contract, entry::Token};

use super::{
    breaker::{Breaker, State},
    counts::End,
    metadata,
    peer::Peer,
    request, response,
};
use crate::config::{Forward, TensorForm};

const HEADER_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE: HeaderName = HeaderName::from_static("traceparent");
const PRINCIPAL: HeaderName = HeaderName::from_static("mantlet-principal");
const ADDRESS: HeaderName = HeaderName::from_static("x-forwarded-for");

/// One version of a model, at the upstream that the operator chose for it.
pub(super) struct Link {
    peer: Arc<Peer>,
    contract: Arc<Contract>,
    elsewhere: Elsewhere,
    breaker: Arc<Breaker>,
    /// `/v2/models/{model}[/versions/{version}]`: what a package may call its model stands in a path as it is.
    path: String,
    infer_path: String,
    condition: AtomicU8,
    form: AtomicU8,
    checking: tokio::sync::Mutex<()>,
}

/// What is known of a model there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Condition {
    /// Nothing yet.
    Unknown,
    /// It answers.
    Ready,
    /// It does not.
    NotReady,
    /// It is another model than the package declares.
    Another,
}

/// How tensors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Form {
    Unknown,
    Json,
    Binary,
}

impl Link {
    pub(super) fn new(peer: Arc<Peer>, contract: Arc<Contract>, elsewhere: Elsewhere) -> Self {
        let version = elsewhere.version.as_ref().map(|version| format!("/versions/{version}"));
        let path = format!("/v2/models/{}{}", elsewhere.model, version.unwrap_or_default());
        let form = match peer.settings().protocol {
            TensorForm::Auto => Form::Unknown,
            TensorForm::Json => Form::Json,
            TensorForm::Binary => Form::Binary,
        };
        Self {
            peer,
            contract,
            elsewhere,
            breaker: Arc::default(),
            infer_path: format!("{path}/infer"),
            path,
            condition: AtomicU8::new(Condition::Unknown as u8),
            form: AtomicU8::new(form as u8),
            checking: tokio::sync::Mutex::new(()),
        }
    }

    pub(super) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// Whether anybody is let through to the model.
    pub(super) fn state(&self) -> State {
        self.breaker.state()
    }

    pub(super) fn contract(&self) -> &Arc<Contract> {
        &self.contract
    }

    /// Whether it is the one that this contract asks for.
    pub(super) fn is(&self, peer: &Arc<Peer>, contract: &Contract, elsewhere: &Elsewhere) -> bool {
        Arc::ptr_eq(&self.peer, peer)
            && self.elsewhere == *elsewhere
            && self.contract.digest == contract.digest
            && self.contract.version == contract.version
    }

    /// Looks whether the model answers there, and whether it is the one that the package declares.
    pub(super) async fn probe(&self) {
        match self.look().await {
            Ok(()) => self.is_now(Condition::Ready, ""),
            Err((condition, why)) => {
                // It may come back as something else.
                if self.peer.settings().protocol == TensorForm::Auto && condition == Condition::NotReady {
                    self.form.store(Form::Unknown as u8, Ordering::Relaxed);
                }
                self.is_now(condition, &why);
            }
        }
    }

    async fn look(&self) -> Result<(), (Condition, String)> {
        let down = |why: String| (Condition::NotReady, why);
        let ready = self.peer.look(&format!("{}/ready", self.path)).await.map_err(down)?;
        if ready.status != StatusCode::OK {
            return Err(down(format!("it answers {} to whether it is ready", ready.status.as_u16())));
        }
        let said = self.peer.look(&self.path).await.map_err(down)?;
        self.compare(said.status, &said.body)?;
        if self.form() == Form::Unknown {
            let server = self.peer.look("/v2").await.map_err(down)?;
            self.learn(server.status, &server.body).map_err(down)?;
        }
        Ok(())
    }

    fn compare(&self, status: StatusCode, body: &[u8]) -> Result<(), (Condition, String)> {
        if status != StatusCode::OK {
            let why = format!("it answers {} to what the model is", status.as_u16());
            return Err((Condition::NotReady, why));
        }
        metadata::check(body, &self.contract).map_err(|why| (Condition::Another, why))
    }

    /// What the server says of itself. One that says nothing is spoken to in what all understand.
    fn learn(&self, status: StatusCode, body: &[u8]) -> Result<(), String> {
        let binary = match status {
            StatusCode::OK => metadata::reads_binary(body)?,
            StatusCode::NOT_FOUND => false,
            status => return Err(format!("it answers {} to what it is", status.as_u16())),
        };
        let form = if binary { Form::Binary } else { Form::Json };
        self.form.store(form as u8, Ordering::Relaxed);
        Ok(())
    }

    fn form(&self) -> Form {
        match self.form.load(Ordering::Relaxed) {
            1 => Form::Json,
            2 => Form::Binary,
            _ => Form::Unknown,
        }
    }

    fn condition(&self) -> Condition {
        match self.condition.load(Ordering::Relaxed) {
            1 => Condition::Ready,
            2 => Condition::NotReady,
            3 => Condition::Another,
            _ => Condition::Unknown,
        }
    }

    fn is_now(&self, condition: Condition, why: &str) {
        let before = self.condition.swap(condition as u8, Ordering::Relaxed);
        if before == condition as u8 {
            return;
        }
        let (model, version) = (&self.contract.model, self.contract.version);
        let upstream = self.peer.name();
        match condition {
            Condition::Unknown => {}
            Condition::Ready => tracing::info!(%model, %version, %upstream, "the model answers"),
            Condition::NotReady => {
                tracing::warn!(%model, %version, %upstream, why, "the model does not answer");
            }
            Condition::Another => tracing::error!(
                %model, %version, %upstream, why, "the model there is not the one that its package declares"
            ),
        }
    }

    /// What has to be known before the first question: that it is this model, and how to write to it. One caller finds
    /// out, the others wait.
    async fn acquainted(&self) -> Result<bool, EngineFault> {
        let known = || match (self.condition(), self.form()) {
            (Condition::Another, _) => Some(Err(self.another())),
            (Condition::Unknown, _) | (_, Form::Unknown) => None,
            (_, form) => Some(Ok(form == Form::Binary)),
        };
        if let Some(known) = known() {
            return known;
        }
        let _one = self.checking.lock().await;
        if let Some(known) = known() {
            return known;
        }
        let get = |path: String| async move {
            self.peer.call(&self.breaker, &Method::GET, &path, HeaderMap::new(), Bytes::new()).await
        };
        let said = get(self.path.clone()).await?;
        if let Err((condition, why)) = self.compare(said.status, &said.body) {
            self.is_now(condition, &why);
            return Err(self.peer.broken(&why));
        }
        if self.form() == Form::Unknown {
            let server = get("/v2".to_owned()).await?;
            self.learn(server.status, &server.body).map_err(|why| self.peer.broken(&why))?;
        }
        self.is_now(Condition::Ready, "");
        Ok(self.form() == Form::Binary)
    }

    fn another(&self) -> EngineFault {
        self.peer.broken(&"the model there is not the one that its package declares")
    }

    async fn infer(&self, input: ModelInput, behalf: &Behalf) -> Result<RawOutput, EngineFault> {
        let binary = self.acquainted().await?;
        let tensors = input.into_tensors();
        let rows = tensors.first().and_then(|tensor| tensor.shape.first()).copied().unwrap_or(0);
        let id = question_id();
        let written = request::write(&id, &tensors, &self.contract.outputs, binary);
        drop(tensors);
        let request::Written { body, header_bytes } =
            written.map_err(|unsayable| self.peer.broken(&unsayable))?;
        let headers = self.headers(header_bytes, behalf);
        let reply =
            self.peer.call(&self.breaker, &Method::POST, &self.infer_path, headers, body.into()).await?;
        let refused = |why: &dyn std::fmt::Display| {
            self.peer.counts.ended(End::Refused);
            self.peer.broken(why)
        };
        if reply.status != StatusCode::OK {
            return Err(refused(&format!("it answers {}", reply.status.as_u16())));
        }
        let header_bytes = header_length(&reply.headers).map_err(|why| refused(&why))?;
        let asked = response::Asked {
            id: &id,
            model: &self.elsewhere.model,
            version: self.elsewhere.version.as_deref(),
            outputs: &self.contract.outputs,
            rows,
        };
        response::read(&reply.body, header_bytes, &asked).map(RawOutput).map_err(|why| refused(&why))
    }

    fn headers(&self, header_bytes: Option<usize>, behalf: &Behalf) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(4);
        let media = if header_bytes.is_some() { "application/octet-stream" } else { "application/json" };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        if let Some(length) = header_bytes {
            headers.insert(HEADER_LENGTH, length.into());
        }
        for forward in &self.peer.settings().forward {
            let (name, value) = match forward {
                Forward::RequestId => (REQUEST_ID, behalf.request_id.map(|id| id.to_string())),
                // A span of ours that nobody collects: the question's place in the trace is under the caller's.
                Forward::TraceId => {
                    let parent = |trace: &Token| format!("00-{}-{}-00", trace.as_str(), question_id());
                    (TRACE, behalf.trace_id.as_ref().map(parent))
                }
                Forward::Principal => (PRINCIPAL, behalf.principal.as_ref().map(ToString::to_string)),
                Forward::Address => (ADDRESS, behalf.ip.map(|ip| ip.to_string())),
            };
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                headers.insert(name, value);
            }
        }
        headers
    }
}

impl Remote for Link {
    fn ask<'a>(&'a self, input: ModelInput, behalf: &'a Behalf) -> Asked<'a> {
        Box::pin(self.infer(input, behalf))
    }

    fn concurrent_max(&self) -> usize {
        self.peer.settings().concurrent_max
    }

    fn is_ready(&self) -> bool {
        let asked = [self.peer.state(), self.state()].iter().all(|state| *state != State::Open);
        self.condition() == Condition::Ready && asked
    }
}

/// The length of an answer's JSON header, if elements lie behind it. A packed answer is none that was asked for.
fn header_length(headers: &HeaderMap) -> Result<Option<usize>, &'static str> {
    let plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(header::CONTENT_ENCODING).iter().all(plain) {
        return Err("the answer is packed");
    }
    let mut values = headers.get_all(&HEADER_LENGTH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.parse().ok());
    match (length, values.next()) {
        (Some(length), None) => Ok(Some(length)),
        _ => Err("the length of the answer's header is none"),
    }
}

/// A question's id there: one that answers another question is thereby found out. It is no id of ours, so that the
/// other side cannot tell questions apart by who asks, nor count them.
fn question_id() -> String {
    static BEGIN: OnceLock<u64> = OnceLock::new();
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let begin = *BEGIN.get_or_init(|| {
        let mut bytes = [0; 8];
        // Without entropy ids begin at the same number at every start, which harms nobody.
        let _ = aws_lc_rs::rand::fill(&mut bytes);
        u64::from_le_bytes(bytes)
    });
    let count = ASKED.fetch_add(1, Ordering::Relaxed);
    format!("{:016x}", scattered(begin.wrapping_add(count.wrapping_mul(0x9E37_79B9_7F4A_7C15))))
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014): one to
/// one, so that no two questions of a process have the same id.
fn scattered(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
