//! What filters let pass, as sets of addresses: worked out once for each port and kept.

use std::{collections::HashMap, net::IpAddr, rc::Rc};

use super::{
    model::{GroupRule, Interface, Model, NaclRule},
    ranges::Ranges,
};

/// Which way packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way {
    In,
    Out,
}

/// What security groups of an interface let pass at a port.
#[derive(Debug)]
pub(super) struct Passes<'m> {
    pub(super) addresses: Ranges,
    groups: Vec<&'m str>,
}

impl Passes<'_> {
    /// Whether packets of another interface pass.
    pub(super) fn peer(&self, peer: &Interface, address: IpAddr) -> bool {
        self.addresses.contains(address)
            || peer.groups.iter().any(|group| self.groups.binary_search(&group.as_str()).is_ok())
    }
}

type Sets<'m, K, V> = HashMap<(K, Way, u16), Rc<V>>;

/// The filters of a model, with what was worked out so far.
pub(super) struct Filters<'m> {
    model: &'m Model,
    nacls: Sets<'m, &'m str, Ranges>,
    groups: Sets<'m, &'m [String], Passes<'m>>,
    routes: HashMap<&'m str, Rc<Ranges>>,
}

impl<'m> Filters<'m> {
    pub(super) fn new(model: &'m Model) -> Self {
        Self { model, nacls: HashMap::new(), groups: HashMap::new(), routes: HashMap::new() }
    }

    /// Addresses whose packets to a port pass the network ACL of a subnet.
    pub(super) fn nacl(&mut self, subnet: &'m str, way: Way, port: u16) -> Rc<Ranges> {
        let name = self.model.subnets.get(subnet).and_then(|subnet| subnet.nacl.as_deref());
        let Some((name, nacl)) = name.and_then(|name| self.model.nacls.get_key_value(name)) else {
            return Rc::new(Ranges::all());
        };
        let passing = || {
            let rules = if way == Way::In { &nacl.ingress } else { &nacl.egress };
            Rc::new(passing(rules, port))
        };
        Rc::clone(self.nacls.entry((name, way, port)).or_insert_with(passing))
    }

    /// What the security groups of an interface let pass.
    pub(super) fn group(&mut self, interface: &'m Interface, way: Way, port: u16) -> Rc<Passes<'m>> {
        let key = (interface.groups.as_slice(), way, port);
        if let Some(passes) = self.groups.get(&key) {
            return Rc::clone(passes);
        }
        let groups = interface.groups.iter().filter_map(|name| self.model.groups.get(name));
        let rules = groups.flat_map(|group| if way == Way::In { &group.ingress } else { &group.egress });
        let rules: Vec<&'m GroupRule> = rules.filter(|rule| rule.ports.contain(port)).collect();
        let mut groups: Vec<&str> = rules.iter().flat_map(|rule| &rule.groups).map(String::as_str).collect();
        groups.sort_unstable();
        let addresses = Ranges::of(rules.iter().flat_map(|rule| &rule.networks));
        let passes = Rc::new(Passes { addresses, groups });
        self.groups.insert(key, Rc::clone(&passes));
        passes
    }

    /// Addresses that a subnet routes to an internet gateway: the longest prefix decides.
    pub(super) fn outward(&mut self, subnet: &str) -> Rc<Ranges> {
        let table = self.model.subnets.get(subnet).map(|subnet| subnet.route_table.as_str());
        let Some((name, routes)) = table.and_then(|name| self.model.route_tables.get_key_value(name)) else {
            return Rc::new(Ranges::none());
        };
        let routed = || {
            let mut routes: Vec<_> = routes.iter().collect();
            routes.sort_by_key(|route| std::cmp::Reverse(route.network.prefix_len()));
            let (mut gateway, mut decided) = (Ranges::none(), Ranges::none());
            for route in routes {
                let network = Ranges::of([&route.network]);
                if is_gateway(&route.target) {
                    gateway = gateway.or(&network.minus(&decided));
                }
                decided = decided.or(&network);
            }
            Rc::new(gateway)
        };
        Rc::clone(self.routes.entry(name.as_str()).or_insert_with(routed))
    }
}

/// Whether a route leads to an internet gateway, which lets packets in; a NAT or an egress-only gateway does not.
pub(super) fn is_gateway(target: &str) -> bool {
    target.starts_with("igw-")
}

/// The first rule that is about a packet decides.
fn passing(rules: &[NaclRule], port: u16) -> Ranges {
    let (mut allowed, mut decided) = (Ranges::none(), Ranges::none());
    for rule in rules.iter().filter(|rule| rule.ports.contain(port)) {
        let network = Ranges::of([&rule.network]);
        if rule.allow {
            allowed = allowed.or(&network.minus(&decided));
        }
        decided = decided.or(&network);
    }
    allowed
}
