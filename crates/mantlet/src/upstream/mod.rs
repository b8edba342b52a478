//! Models that run elsewhere: in Triton, KServe, MLServer or whatever else speaks the Open Inference Protocol, version 2.
//!
//! A package says what such a model takes and gives; where it runs is the operator's word alone, in `[[upstream]]` and
//! `[[model]] upstream`. This module gives the gate a [`Remote`] for it and decides nothing: what comes back is raw output
//! like a local engine's, whole and exactly as declared, or it is no answer. Nothing is told there of who asks, unless
//! the operator says so.

pub mod breaker;
pub mod counts;
mod files;
mod link;
pub mod metadata;
mod peer;
pub mod request;
pub mod response;
mod watch;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mantlet_gate::ports::{Elsewhere, Reach, Remote};
use mantlet_types::{Contract, ModelName, UpstreamName};
use tokio::runtime::Handle;

use self::{
    counts::{Figures, ModelFigures},
    files::Files,
    link::Link,
    peer::Peer,
    watch::Watched,
};
use crate::config::Config;

/// The upstreams of one configuration, and which model runs where.
#[derive(Clone, Default)]
pub struct Upstreams {
    peers: BTreeMap<UpstreamName, Arc<Peer>>,
    models: BTreeMap<ModelName, Place>,
}

/// Where a model runs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    upstream: UpstreamName,
    /// What it may be called there, beside its own name. A package's author does not choose whose model is asked.
    served_as: Vec<String>,
}

impl Upstreams {
    /// Those of a configuration. One that is as it was before keeps its connections and what is known of it.
    ///
    /// # Errors
    /// If a file cannot be read or used; for an operator.
    pub fn new(config: &Config, before: &Self) -> Result<Self, String> {
        let mut peers = BTreeMap::new();
        for (name, settings) in &config.upstreams {
            let files = Files::read(settings).map_err(|why| format!("upstream `{name}`: {why}"))?;
            let patience = patience(settings.timeout.min(config.server.inference_timeout));
            let same = before.peers.get(name).filter(|peer| peer.is(settings, patience, &files));
            let peer = match same {
                Some(peer) => Arc::clone(peer),
                None => Arc::new(Peer::new(name, settings, patience, files)?),
            };
            peers.insert(name.clone(), peer);
        }
        let at = |(model, settings): (&ModelName, &crate::config::ModelSettings)| {
            let upstream = settings.upstream.clone()?;
            Some((model.clone(), Place { upstream, served_as: settings.served_as.clone() }))
        };
        Ok(Self { peers, models: config.models.iter().filter_map(at).collect() })
    }

    /// Whether every model runs where it does in the other one.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.models == other.models
            && self.peers.keys().eq(other.peers.keys())
            && self.peers.values().zip(other.peers.values()).all(|(one, other)| Arc::ptr_eq(one, other))
    }
}

/// How long an upstream that was asked at once has been given when the deadline is over: nearly all of it. Whoever waited for
/// their own turn first comes with less, and finds out nothing about it.
fn patience(deadline: Duration) -> Duration {
    deadline / 10 * 9
}

/// The upstreams in use, and all models that run there.
#[derive(Default)]
pub struct Switchboard(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    current: Upstreams,
    watched: Watched,
}

impl Switchboard {
    /// Begins with these upstreams.
    #[must_use]
    pub fn new(upstreams: Upstreams) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Inner { current: upstreams, watched: Watched::default() })))
    }

    /// The upstreams in use.
    #[must_use]
    pub fn current(&self) -> Upstreams {
        self.lock().current.clone()
    }

    /// From now on, models that are loaded run where these say.
    pub fn go_over(&self, upstreams: Upstreams) {
        self.lock().current = upstreams;
    }

    /// What reaches models: at these upstreams, or at those in use when a model is loaded.
    #[must_use]
    pub fn reach(self: &Arc<Self>, upstreams: Option<Upstreams>) -> Arc<Reach> {
        let switchboard = Arc::clone(self);
        Arc::new(move |contract: &Arc<Contract>, elsewhere: &Elsewhere| {
            switchboard.connect(upstreams.as_ref(), contract, elsewhere)
        })
    }

    fn connect(
        &self,
        upstreams: Option<&Upstreams>,
        contract: &Arc<Contract>,
        elsewhere: &Elsewhere,
    ) -> Option<Arc<dyn Remote>> {
        let mut inner = self.lock();
        let upstreams = upstreams.unwrap_or(&inner.current);
        let place = upstreams.models.get(&contract.model)?;
        let peer = Arc::clone(upstreams.peers.get(&place.upstream)?);
        let named = |name: &str| *name == *elsewhere.model;
        if !named(contract.model.as_str()) && !place.served_as.iter().any(|name| named(name)) {
            tracing::error!(
                model = %contract.model, version = %contract.version,
                "the package asks for a model by a name that `served_as` does not list"
            );
            return None;
        }
        let known = inner.watched.find(|link| link.is(&peer, contract, elsewhere));
        let link = known.unwrap_or_else(|| {
            let link = Arc::new(Link::new(peer, Arc::clone(contract), elsewhere.clone()));
            inner.watched.add(&link);
            link
        });
        Some(link)
    }

    /// From now on, looks again and again whether models answer.
    pub fn watch(&self) {
        self.lock().watched.begin(Handle::current());
    }

    /// The numbers of every upstream in use, and which models run there.
    #[must_use]
    pub fn figures(&self) -> Vec<Figures> {
        let mut inner = self.lock();
        let links = inner.watched.links();
        let of = |peer: &Arc<Peer>| {
            let own = links.iter().filter(|link| Arc::ptr_eq(link.peer(), peer));
            let model = |link: &Arc<Link>| ModelFigures {
                model: link.contract().model.clone(),
                version: link.contract().version,
                ready: link.is_ready(),
                state: link.state(),
            };
            Figures { models: own.map(model).collect(), ..peer.figures() }
        };
        inner.current.peers.values().map(of).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Each change is one step, so a panic elsewhere cannot have left half of one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
