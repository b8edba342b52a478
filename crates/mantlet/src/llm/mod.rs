//! Language models elsewhere: servers that speak OpenAI's protocol, as upstreams of routes.
//!
//! Where they are and by which key they are asked is the operator's word alone. They are told the prompt that the gate lets
//! pass and nothing of who asks. What comes back is read as exactly what the protocol has, within bounds; whatever else
//! an upstream says (headers, fields that nobody asked for, the text of its errors) goes nowhere.

mod peer;
pub mod read;
mod secret;
pub mod sse;
mod stream;
mod write;

use std::{collections::BTreeMap, sync::Arc};

use mantlet_gate::{
    Gate,
    routes::{Route, Routes, Upstream},
};
use mantlet_secrets::SecretRef;
use mantlet_types::RouteName;

use self::{peer::Peer, secret::Keys};
use crate::config::{Config, RouteSettings};

/// The upstreams of all routes, by route and place. Those that a reload leaves as they were keep their connections and
/// what is known of them.
#[derive(Clone, Default)]
pub struct Peers {
    peers: BTreeMap<(RouteName, usize), Arc<Peer>>,
    keys: Arc<Keys>,
}

/// Routes whose upstreams cannot be asked by this process, and why: their secrets are in no variable or file that it has. What
/// the home itself keeps is not looked for.
pub fn lacking(config: &Config) -> Vec<(RouteName, String)> {
    let keys = Keys::default();
    let upstreams = config.routes.iter().flat_map(|route| {
        let secrets = route.upstreams.iter().filter_map(|upstream| upstream.secret.as_ref());
        secrets.map(|secret| (route.name.clone(), secret))
    });
    let outside = upstreams.filter(|(_, secret)| !matches!(secret, SecretRef::Kept(_)));
    outside.filter_map(|(route, secret)| Some((route, keys.lacks(secret)?))).collect()
}

impl Peers {
    /// Those of a configuration.
    ///
    /// # Errors
    /// If a secret or a file cannot be read or used; for an operator.
    pub fn new(config: &Config, before: &Self) -> Result<Self, String> {
        let mut peers = BTreeMap::new();
        let keys = Arc::clone(&before.keys);
        for route in &config.routes {
            for (place, settings) in route.upstreams.iter().enumerate() {
                let key = (route.name.clone(), place);
                let peer = Peer::new(route, settings, Arc::clone(&keys));
                let peer = peer.map_err(|why| format!("route `{}`: {why}", route.name))?;
                let same = before.peers.get(&key).filter(|known| known.is(&peer));
                peers.insert(key, same.map_or_else(|| Arc::new(peer), Arc::clone));
            }
        }
        Ok(Self { peers, keys })
    }

    /// Whose kept secrets their keys may be, from now on.
    pub fn attach(&self, gate: &Arc<Gate>) {
        self.keys.attach(gate);
    }

    /// Tells the operator of upstreams that cannot be asked, before anybody asks.
    pub fn look(&self) {
        for ((route, place), peer) in &self.peers {
            if let Some(why) = peer.lacks() {
                tracing::error!(%route, place, why, "a route's upstream cannot be asked");
            }
        }
    }

    /// The routes of the same configuration, over these upstreams.
    #[must_use]
    pub fn routes(&self, config: &Config) -> Routes {
        Routes::new(config.routes.iter().map(|route| self.route(route)).collect())
    }

    fn route(&self, settings: &RouteSettings) -> Route {
        let RouteSettings { name, project, models, rules, .. } = settings.clone();
        let own = self.peers.range((name.clone(), 0)..=(name.clone(), usize::MAX));
        let upstreams = own.map(|(_, peer)| Arc::clone(peer) as Arc<dyn Upstream>).collect();
        Route { name, project, models, upstreams, rules }
    }
}
