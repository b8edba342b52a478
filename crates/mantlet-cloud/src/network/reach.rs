//! What the internet reaches: directly, through load balancers, and from host to host. Exact over all source addresses,
//! by sets of them; between hosts by their very addresses. Monotone where rules only allow: one more never takes a path away.

mod explain;

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
};

use serde::Serialize;

use super::{
    filter::{Filters, Way},
    model::{Interface, Model},
    ranges::{Ranges, internet},
};

/// Ports that clients take their answers on: ends of the ranges that systems choose from (RFC 6056, section 3.2).
const EPHEMERAL: [u16; 5] = [1024, 32_768, 49_152, 60_999, 65_535];

/// What the internet reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// The target itself.
    pub direct: bool,
    /// Load balancers through which it reaches the target.
    pub via_load_balancer: Vec<String>,
    /// Hosts that it reaches, and that reach the target.
    pub lateral_last_hop: Vec<String>,
    /// Nothing but application load balancers lead to the target.
    pub only_via_alb: bool,
    /// One path for each of these, hop by hop.
    pub paths: Vec<Path>,
}

/// A way from the internet to the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Path {
    /// `direct`, `load_balancer` or `lateral`.
    pub kind: &'static str,
    /// Its hops.
    pub hops: Vec<Hop>,
}

/// One hop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// From where: `internet`, or an interface.
    pub from: String,
    /// An address from which it goes.
    pub source: IpAddr,
    /// To which interface.
    pub to: String,
    /// To which port.
    pub port: u16,
    /// The rules that let it pass, each with its line.
    pub rules: Vec<String>,
}

/// Finds out what the internet reaches.
#[must_use]
pub fn reach(model: &Model) -> Reach {
    let mut walk = Walk { model, filters: Filters::new(model), internet: internet() };
    let direct = walk.enters(&model.target, model.port);
    let balancers = walk.balancers();
    let arrived = walk.hosts();
    let lateral: Vec<String> = arrived
        .keys()
        .filter(|host| walk.between(host, &model.target, model.port))
        .map(|host| (*host).to_owned())
        .collect();
    let applications =
        balancers.iter().all(|(name, ..)| model.balancers.get(name).is_some_and(|it| it.application));
    let paths = walk.paths(direct, &balancers, &lateral, &arrived);
    let mut via_load_balancer: Vec<String> = balancers.into_iter().map(|(name, ..)| name).collect();
    via_load_balancer.dedup();
    Reach {
        direct: direct.is_some(),
        only_via_alb: direct.is_none() && lateral.is_empty() && applications,
        via_load_balancer,
        lateral_last_hop: lateral,
        paths,
    }
}

/// How a host was reached: from which other one, if any, and at which port.
type Arrived<'m> = BTreeMap<&'m str, (Option<&'m str>, u16, Option<IpAddr>)>;

/// A load balancer that leads to the target: its name, its interface, the listener's port, a source.
type Via = (String, String, u16, IpAddr);

struct Walk<'m> {
    model: &'m Model,
    filters: Filters<'m>,
    internet: Ranges,
}

impl<'m> Walk<'m> {
    /// A source on the internet whose packets reach an interface at a port, and get answers.
    fn enters(&mut self, name: &str, port: u16) -> Option<IpAddr> {
        let interface = self.model.interfaces.get(name)?;
        self.enters_as(interface, port, interface.public)
    }

    /// The same for an interface of a load balancer that faces the internet: that has a public address of its own.
    fn enters_balancer(&mut self, name: &str, port: u16) -> Option<IpAddr> {
        self.enters_as(self.model.interfaces.get(name)?, port, true)
    }

    fn enters_as(&mut self, interface: &'m Interface, port: u16, public: bool) -> Option<IpAddr> {
        let mut outside = self.internet.and(&self.filters.outward(&interface.subnet));
        let mut versions = Vec::new();
        versions.extend(public.then_some("0.0.0.0/0"));
        versions.extend(interface.ipv6.map(|_| "2000::/3"));
        let versions: Vec<ipnet::IpNet> = versions.into_iter().filter_map(|text| text.parse().ok()).collect();
        outside = outside.and(&Ranges::of(&versions));
        outside = outside.and(&self.filters.nacl(&interface.subnet, Way::In, port));
        outside = outside.and(&self.filters.group(interface, Way::In, port).addresses);
        if outside.is_empty() {
            return None;
        }
        EPHEMERAL
            .iter()
            .find_map(|answer| outside.and(&self.filters.nacl(&interface.subnet, Way::Out, *answer)).first())
    }

    /// Whether an interface reaches another at a port, and gets answers.
    fn between(&mut self, from: &str, to: &str, port: u16) -> bool {
        let interfaces = &self.model.interfaces;
        let (Some(source), Some(target)) = (interfaces.get(from), interfaces.get(to)) else { return false };
        self.pass(source, target, port)
    }

    fn pass(&mut self, source: &'m Interface, target: &'m Interface, port: u16) -> bool {
        let addresses = [(Some(source.private), Some(target.private)), (source.ipv6, target.ipv6)];
        addresses.into_iter().filter_map(|(from, to)| from.zip(to)).any(|(from, to)| {
            self.filters.group(source, Way::Out, port).peer(target, to)
                && self.filters.group(target, Way::In, port).peer(source, from)
                && self.nacls_pass(source, target, from, to, port)
        })
    }

    /// Network ACLs stand between subnets, and are asked about the answer as well.
    fn nacls_pass(
        &mut self,
        source: &'m Interface,
        target: &'m Interface,
        from: IpAddr,
        to: IpAddr,
        port: u16,
    ) -> bool {
        if source.subnet == target.subnet {
            return true;
        }
        self.filters.nacl(&source.subnet, Way::Out, port).contains(to)
            && self.filters.nacl(&target.subnet, Way::In, port).contains(from)
            && EPHEMERAL.iter().any(|answer| {
                self.filters.nacl(&target.subnet, Way::Out, *answer).contains(from)
                    && self.filters.nacl(&source.subnet, Way::In, *answer).contains(to)
            })
    }

    /// Load balancers that the internet reaches and that reach the target.
    fn balancers(&mut self) -> Vec<Via> {
        let model = self.model;
        let mut found = Vec::new();
        for (name, balancer) in model.balancers.iter().filter(|(_, balancer)| balancer.public) {
            let leads = |it: &&super::model::Listener| {
                it.target_port == model.port && it.targets.contains(&model.target)
            };
            let via = balancer.listeners.iter().filter(leads).find_map(|listener| {
                balancer.interfaces.iter().find_map(|interface| {
                    let source = self.enters_balancer(interface, listener.port)?;
                    let passes = self.between(interface, &model.target, model.port);
                    passes.then(|| (name.clone(), interface.clone(), listener.port, source))
                })
            });
            found.extend(via);
        }
        found
    }

    /// Hosts that the internet reaches at a port on which they listen, in any number of hops, none of which is the target: who
    /// is past it needs no way to it.
    fn hosts(&mut self) -> Arrived<'m> {
        let model = self.model;
        let mut arrived = Arrived::new();
        let mut left: Vec<(&'m str, &'m Interface)> = Vec::new();
        let mut queue: VecDeque<(&'m str, &'m Interface)> = VecDeque::new();
        let others =
            model.interfaces.iter().filter(|(name, host)| **name != model.target && !host.listens.is_empty());
        for (name, host) in others {
            let direct = host.listens.iter().find_map(|port| Some((*port, self.enters(name, *port)?)));
            match direct.or_else(|| self.balanced(name)) {
                Some((port, source)) => {
                    arrived.insert(name, (None, port, Some(source)));
                    queue.push_back((name, host));
                }
                None => left.push((name, host)),
            }
        }
        while let Some((from, source)) = queue.pop_front() {
            left.retain(|(name, host)| {
                let port = host.listens.iter().find(|port| self.pass(source, host, **port));
                if let Some(port) = port {
                    arrived.insert(name, (Some(from), *port, None));
                    queue.push_back((name, host));
                }
                port.is_none()
            });
        }
        arrived
    }

    /// Whether a load balancer leads to a host at a port on which it listens.
    fn balanced(&mut self, host: &str) -> Option<(u16, IpAddr)> {
        let interface = self.model.interfaces.get(host)?;
        let model = self.model;
        for balancer in model.balancers.values().filter(|balancer| balancer.public) {
            for listener in
                balancer.listeners.iter().filter(|it| it.targets.iter().any(|target| target == host))
            {
                let port = listener.target_port;
                if !interface.listens.contains(&port) {
                    continue;
                }
                for front in &balancer.interfaces {
                    if let Some(source) = self.enters_balancer(front, listener.port)
                        && self.between(front, host, port)
                    {
                        return Some((port, source));
                    }
                }
            }
        }
        None
    }
}
