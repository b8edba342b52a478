//! Issuers of tokens and their keys: read from files, or fetched from where the configuration says and nowhere else.
//!
//! Fetching is a task per issuer, and no request ever waits for it. It fetches when the keys are due, and once sooner
//! when a token named a key that nobody knows; but never twice within [`PAUSE`], however many strangers ask. So an
//! issuer gets at most six requests a minute, one at a time, and a reply that is too long, too slow or no key set
//! changes nothing: the keys of the last good one go on until they are too old (`limits::ISSUER_KEYS_STALE`). A key set
//! without keys is a key set: then none of the issuer's tokens count from that moment on.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use mantlet_gate::{
    identity::token::{Issuer, KeyRing, KeySet},
    ports::Clock,
};
use mantlet_types::{id::IssuerName, limits::JWKS_BYTES_MAX};
use tokio::task::AbortHandle;

use crate::{
    config::{IssuerSettings, KeySource},
    egress::{Destination, Options, Outbound, Roots},
    ledger::SystemClock,
};

/// Between two fetches from one issuer. A new key is in use ten seconds after it is first seen, at the latest.
const PAUSE: Duration = Duration::from_secs(10);

/// Until the next try after one that failed; well within the hour that the last keys are believed.
const RETRY: Duration = Duration::from_secs(30);

/// To reach an issuer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// For all of a fetch.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// The issuers of a running server.
#[derive(Default)]
pub struct Issuers {
    listed: Mutex<Vec<Listed>>,
    /// Whether keys are fetched: a command without a server has no use for them.
    fetching: AtomicBool,
}

/// One issuer.
struct Listed {
    settings: IssuerSettings,
    ring: Arc<KeyRing>,
    /// How its keys are fetched, unless they are in a file.
    way: Option<Way>,
    task: Option<AbortHandle>,
}

/// The way to an issuer's keys.
#[derive(Clone)]
struct Way {
    issuer: IssuerName,
    outbound: Outbound,
    path: String,
    max_age: Duration,
}

/// Issuers that were read and are not in force yet.
pub struct Prepared(Vec<Listed>);

impl Drop for Listed {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Issuers {
    /// Reads files and prepares ways; changes nothing. Keys that were fetched from the same place are kept.
    ///
    /// # Errors
    /// If a file cannot be read or is none of what it should be.
    pub fn prepare(&self, settings: &[IssuerSettings]) -> Result<Prepared, String> {
        let known = self.listed();
        let prepared = settings.iter().map(|one| {
            let (ring, way) = match &one.keys {
                KeySource::File(path) => (Arc::new(KeyRing::pinned(key_file(path)?)), None),
                KeySource::Fetched { .. } => {
                    let same = known.iter().find(|listed| listed.settings.keys == one.keys);
                    let ring = same.map_or_else(|| Arc::new(KeyRing::awaited()), |it| Arc::clone(&it.ring));
                    (ring, Way::of(one)?)
                }
            };
            Ok(Listed { settings: one.clone(), ring, way, task: None })
        });
        prepared.collect::<Result<_, String>>().map(Prepared)
    }

    /// Puts what was prepared in force; gives what the gate needs of it.
    pub fn adopt(&self, prepared: Prepared) -> Vec<Arc<Issuer>> {
        let mut listed = self.listed();
        *listed = prepared.0;
        if self.fetching.load(Ordering::Relaxed) {
            listed.iter_mut().for_each(Listed::fetch);
        }
        let issuer = |one: &Listed| {
            let IssuerSettings { name, rules, .. } = one.settings.clone();
            Arc::new(Issuer::new(name, rules, Arc::clone(&one.ring)))
        };
        listed.iter().map(issuer).collect()
    }

    /// From now on, fetches keys. Takes a runtime.
    pub fn fetch(&self) {
        self.fetching.store(true, Ordering::Relaxed);
        self.listed().iter_mut().for_each(Listed::fetch);
    }

    /// Fetches no more.
    pub fn stop(&self) {
        self.fetching.store(false, Ordering::Relaxed);
        self.listed().clear();
    }

    fn listed(&self) -> MutexGuard<'_, Vec<Listed>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listed {
    fn fetch(&mut self) {
        if let (None, Some(way)) = (&self.task, &self.way) {
            let task = tokio::spawn(way.clone().keep(Arc::clone(&self.ring)));
            self.task = Some(task.abort_handle());
        }
    }
}

fn key_file(path: &std::path::Path) -> Result<KeySet, String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(JWKS_BYTES_MAX as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    KeySet::parse(&bytes).map_err(|error| format!("`{}`: {error}", path.display()))
}

impl Way {
    fn of(settings: &IssuerSettings) -> Result<Option<Self>, String> {
        let KeySource::Fetched { origin, path, ca, networks, max_age } = &settings.keys else {
            return Ok(None);
        };
        let told = |error: &dyn std::fmt::Display| format!("issuer `{}`: {error}", settings.name);
        let roots = match ca {
            None => Roots::System,
            Some(file) => Roots::Pem(
                std::fs::read(file).map_err(|error| format!("cannot read `{}`: {error}", file.display()))?,
            ),
        };
        let options = Options {
            roots,
            identity: None,
            networks: networks.clone(),
            plaintext: false,
            connect_timeout: CONNECT_TIMEOUT,
            reply_timeout: REPLY_TIMEOUT,
            reply_bytes_max: JWKS_BYTES_MAX,
            // Minutes pass between two requests.
            idle_connections: 0,
        };
        let destination = Destination::parse(origin).map_err(|error| told(&error))?;
        let outbound = Outbound::new(destination, options).map_err(|error| told(&error))?;
        let (issuer, path) = (settings.name.clone(), path.clone());
        Ok(Some(Self { issuer, outbound, path, max_age: *max_age }))
    }

    /// Keeps a ring's keys new, for ever.
    async fn keep(self, ring: Arc<KeyRing>) {
        let mut failing = None;
        loop {
            // When the fetch began: what it brought is as old as that.
            let began = SystemClock.now();
            let wait = match self.fetch().await {
                // None at all is what it says when it withdraws them: nothing that it signed counts any more. Should it be
                // a mistake, it is not ours to repair, but soon asked about again.
                Ok(keys) if keys.is_empty() => {
                    tracing::warn!(issuer = %self.issuer, "an issuer lists no keys; none of its tokens count");
                    failing = Some(true);
                    ring.replace(keys, began);
                    RETRY.min(self.max_age)
                }
                Ok(keys) => {
                    if failing != Some(false) {
                        tracing::info!(issuer = %self.issuer, keys = keys.len(), "an issuer's keys were fetched");
                    }
                    failing = Some(false);
                    ring.replace(keys, began);
                    self.max_age
                }
                Err(why) => {
                    tracing::warn!(issuer = %self.issuer, %why, "an issuer's keys could not be fetched");
                    failing = Some(true);
                    RETRY.min(self.max_age)
                }
            };
            tokio::time::sleep(PAUSE).await;
            tokio::select! {
                () = ring.wanted() => {}
                () = tokio::time::sleep(wait.saturating_sub(PAUSE)) => {}
            }
        }
    }

    async fn fetch(&self) -> Result<KeySet, String> {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::ACCEPT, http::HeaderValue::from_static("application/json"));
        let sent = self.outbound.send(Method::GET, &self.path, headers, Bytes::new()).await;
        let reply = sent.map_err(|error| error.to_string())?;
        if reply.status != StatusCode::OK {
            return Err(format!("status {}", reply.status.as_u16()));
        }
        KeySet::listed(&reply.body).map_err(|error| error.to_string())
    }
}
