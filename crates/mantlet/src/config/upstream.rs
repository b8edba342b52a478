//! `[[upstream]]`: where models run that do not run here. The operator says it; a package never does.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use ipnet::IpNet;
use mantlet_types::UpstreamName;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    CertificateFiles, Danger,
    file::{Given, Source},
    resolve::Resolver,
};
use crate::egress::Destination;

/// The keys of an `[[upstream]]`.
pub(super) const UPSTREAM_KEYS: [&str; 14] = [
    "name",
    "url",
    "ca",
    "certificate",
    "key",
    "networks",
    "connect_timeout_ms",
    "timeout_ms",
    "retries",
    "concurrent_max",
    "reply_bytes_max",
    "protocol",
    "forward",
    "probe_interval_ms",
];

/// A host on the same network answers a connection within milliseconds.
const CONNECT_TIMEOUT_MS: i64 = 1_000;
/// Half of what a caller waits for a model by default, so that there is time to say what went wrong.
const TIMEOUT_MS: i64 = 5_000;
/// One more try covers a connection that the other side closed while it lay idle, and a restart behind a balancer.
const RETRIES: i64 = 1;
/// Two principals can use all of it, each as many as they may have under way.
const CONCURRENT_MAX: usize = 128;
/// As long as the longest request.
const REPLY_BYTES_MAX: usize = mantlet_types::limits::BODY_BYTES_MAX;
/// As often as orchestrators look.
const PROBE_INTERVAL_MS: i64 = 5_000;

/// `[[upstream]]` as typed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpstreamSection {
    name: Given<String>,
    url: Given<String>,
    ca: Option<Given<String>>,
    certificate: Option<Given<String>>,
    key: Option<Given<String>>,
    networks: Option<Vec<Given<String>>>,
    connect_timeout_ms: Option<Given<i64>>,
    timeout_ms: Option<Given<i64>>,
    retries: Option<Given<i64>>,
    concurrent_max: Option<Given<i64>>,
    reply_bytes_max: Option<Given<i64>>,
    protocol: Option<Given<String>>,
    forward: Option<Vec<Given<String>>>,
    probe_interval_ms: Option<Given<i64>>,
}

/// A server elsewhere, spoken to in the Open Inference Protocol, version 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Where it is: exactly this host and port.
    pub url: String,
    /// Whom its certificate must be issued by; the system's authorities if absent.
    pub ca: Option<PathBuf>,
    /// What is shown to it, if it asks.
    pub certificate: Option<CertificateFiles>,
    /// Private networks that its name may resolve to.
    pub networks: Vec<IpNet>,
    /// For a connection, with its TLS handshake.
    pub connect_timeout: Duration,
    /// For an answer.
    pub timeout: Duration,
    /// Further tries where it is certain that nothing has arrived.
    pub retries: u32,
    /// Most questions at a time.
    pub concurrent_max: usize,
    /// Longest answer.
    pub reply_bytes_max: usize,
    /// How tensors are written.
    pub protocol: TensorForm,
    /// What it is told of who asks.
    pub forward: Vec<Forward>,
    /// How often it is asked whether it is ready.
    pub probe_interval: Duration,
}

/// How tensors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorForm {
    /// In binary, where the other side announces that it reads that.
    Auto,
    /// As JSON.
    Json,
    /// In binary.
    Binary,
}

/// What an upstream can be told of who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// The request's id here, as `x-request-id`.
    RequestId,
    /// The W3C trace id, as `traceparent`.
    TraceId,
    /// Who asks, as `mantlet-principal`.
    Principal,
    /// The client's address, as `x-forwarded-for`.
    Address,
}

super::words! { TensorForm { Auto = "auto", Json = "json", Binary = "binary", } }
super::words! {
    Forward { RequestId = "request_id", TraceId = "trace_id", Principal = "principal", Address = "address", }
}

impl Resolver<'_> {
    pub(super) fn upstreams(
        &mut self,
        typed: &[UpstreamSection],
        danger: Danger,
    ) -> BTreeMap<UpstreamName, Upstream> {
        let mut upstreams = BTreeMap::new();
        for section in typed {
            let upstream = self.upstream(section, danger);
            match section.name.value.parse::<UpstreamName>() {
                Err(error) => {
                    self.fail(&section.name.source, error.to_string(), "a name such as `triton`");
                }
                Ok(name) => {
                    if upstreams.insert(name, upstream).is_some() {
                        let message = format!("two sections for upstream `{}`", section.name.value);
                        self.fail(&section.name.source, message, "give each a name of its own");
                    }
                }
            }
        }
        upstreams
    }

    fn upstream(&mut self, typed: &UpstreamSection, danger: Danger) -> Upstream {
        self.place(&typed.url, danger);
        let mut millis = |key: &str, typed: &Option<Given<i64>>, default| {
            let key = format!("upstream.{key}");
            Duration::from_millis(u64::from(self.number(&key, typed.as_ref(), default, 10..=600_000)))
        };
        let connect_timeout = millis("connect_timeout_ms", &typed.connect_timeout_ms, CONNECT_TIMEOUT_MS);
        let timeout = millis("timeout_ms", &typed.timeout_ms, TIMEOUT_MS);
        let probe_interval = millis("probe_interval_ms", &typed.probe_interval_ms, PROBE_INTERVAL_MS);
        let networks = typed.networks.as_deref().unwrap_or_default();
        let (concurrent, bytes) = (typed.concurrent_max.as_ref(), typed.reply_bytes_max.as_ref());
        Upstream {
            url: typed.url.value.clone(),
            ca: typed.ca.as_ref().map(|path| self.path("upstream.ca", path)),
            certificate: self.identity_files(typed),
            networks: self.networks("upstream.networks", networks),
            connect_timeout,
            timeout,
            retries: self.number("upstream.retries", typed.retries.as_ref(), RETRIES, 0..=3),
            concurrent_max: self.size("upstream.concurrent_max", concurrent, CONCURRENT_MAX, 1..=4_096),
            reply_bytes_max: self.size("upstream.reply_bytes_max", bytes, REPLY_BYTES_MAX, 1_024..=1 << 28),
            protocol: self.word(
                "upstream.protocol",
                typed.protocol.as_ref(),
                TensorForm::WORDS,
                TensorForm::from_word,
                TensorForm::Auto,
            ),
            forward: self.forward(typed.forward.as_deref().unwrap_or_default()),
            probe_interval,
        }
    }

    /// Checks a URL. It is not shown: people put passwords into URLs.
    fn place(&mut self, url: &Given<String>, danger: Danger) {
        let destination = match Destination::parse(&url.value) {
            Ok(destination) => destination,
            Err(error) => {
                let hint = "write `https://host[:port][/path]`, without user, query or fragment";
                return self.fail(&url.source, format!("`upstream.url`: {error}"), hint);
            }
        };
        if !(destination.is_secure() || destination.is_loopback() || danger.upstream_plaintext) {
            let hint = "use https://, or set `upstream_plaintext = true` under `[danger]`";
            self.fail(&url.source, "what is asked and answered would cross the network in the clear", hint);
        }
    }

    fn identity_files(&mut self, typed: &UpstreamSection) -> Option<CertificateFiles> {
        match (&typed.certificate, &typed.key) {
            (Some(certificate), Some(key)) => Some(CertificateFiles {
                certificate: self.path("upstream.certificate", certificate),
                key: self.path("upstream.key", key),
            }),
            (Some(alone), None) => {
                self.fail(&alone.source, "`certificate` without `key`", "name the key's file too");
                None
            }
            (None, Some(alone)) => {
                self.fail(&alone.source, "`key` without `certificate`", "name the certificate's file too");
                None
            }
            (None, None) => None,
        }
    }

    fn forward(&mut self, typed: &[Given<String>]) -> Vec<Forward> {
        let mut forward = Vec::with_capacity(typed.len());
        for word in typed {
            let errors = self.errors.len();
            let chosen = self.word(
                "upstream.forward",
                Some(word),
                Forward::WORDS,
                Forward::from_word,
                Forward::RequestId,
            );
            if self.errors.len() == errors && !forward.contains(&chosen) {
                forward.push(chosen);
            }
        }
        forward
    }

    /// The upstream of a model, which must be one that there is.
    pub(super) fn upstream_of(
        &mut self,
        typed: Option<&Given<String>>,
        upstreams: &BTreeMap<UpstreamName, Upstream>,
    ) -> Option<UpstreamName> {
        let typed = typed?;
        let found = upstreams.keys().find(|name| name.as_str() == typed.value).cloned();
        if found.is_none() {
            self.unknown_upstream(&typed.source, upstreams);
        }
        found
    }

    fn unknown_upstream(&mut self, source: &Source, upstreams: &BTreeMap<UpstreamName, Upstream>) {
        let known: Vec<&str> = upstreams.keys().map(UpstreamName::as_str).collect();
        let hint = match known.as_slice() {
            [] => "say where it is in a section `[[upstream]]`".to_owned(),
            known => format!("known upstreams: `{}`", known.join("`, `")),
        };
        self.fail(source, "`upstream` names none", hint);
    }
}

impl Upstream {
    /// As `config check` shows it.
    pub(super) fn shown(&self, name: &UpstreamName) -> Value {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        json!({
            "name": name.as_str(),
            "url": self.url,
            "ca": self.ca,
            "certificate": self.certificate.as_ref().map(|files| &files.certificate),
            "key": self.certificate.as_ref().map(|files| &files.key),
            "networks": self.networks.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "connect_timeout_ms": millis(self.connect_timeout),
            "timeout_ms": millis(self.timeout),
            "retries": self.retries,
            "concurrent_max": self.concurrent_max,
            "reply_bytes_max": self.reply_bytes_max,
            "protocol": self.protocol.as_str(),
            "forward": self.forward.iter().map(|forward| forward.as_str()).collect::<Vec<_>>(),
            "probe_interval_ms": millis(self.probe_interval),
        })
    }
}
