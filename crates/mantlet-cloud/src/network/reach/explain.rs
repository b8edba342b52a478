//! Paths hop by hop, with the rules that let each pass and the lines on which these stand.

use std::net::IpAddr;

use super::{Arrived, Hop, Path, Via, Walk};
use crate::network::{
    filter::is_gateway,
    model::{GroupRule, Interface, NaclRule},
};

impl Walk<'_> {
    /// One path for everything that was found.
    pub(super) fn paths(
        &self,
        direct: Option<IpAddr>,
        balancers: &[Via],
        lateral: &[String],
        arrived: &Arrived<'_>,
    ) -> Vec<Path> {
        let (target, port) = (self.model.target.as_str(), self.model.port);
        let mut paths = Vec::new();
        if let Some(source) = direct {
            paths.push(Path { kind: "direct", hops: vec![self.entry(target, port, source)] });
        }
        for (_, interface, listener, source) in balancers {
            let hops = vec![self.entry(interface, *listener, *source), self.hop(interface, target, port)];
            paths.push(Path { kind: "load_balancer", hops });
        }
        for host in lateral {
            let mut hops = self.way(host, arrived);
            hops.push(self.hop(host, target, port));
            paths.push(Path { kind: "lateral", hops });
        }
        paths
    }

    /// From the internet to a host that it reaches. Hosts were reached in order, so this comes to its end.
    fn way(&self, host: &str, arrived: &Arrived<'_>) -> Vec<Hop> {
        let mut hops = Vec::new();
        let mut at = host;
        while let Some((from, port, source)) = arrived.get(at) {
            match (from, source) {
                (Some(from), _) => {
                    hops.push(self.hop(from, at, *port));
                    at = from;
                }
                (None, Some(source)) => {
                    hops.push(self.entry(at, *port, *source));
                    break;
                }
                (None, None) => break,
            }
        }
        hops.reverse();
        hops
    }

    /// The hop from the internet to an interface.
    fn entry(&self, to: &str, port: u16, source: IpAddr) -> Hop {
        let mut rules = Vec::new();
        if let Some(interface) = self.model.interfaces.get(to) {
            rules.extend(self.route(interface, source));
            rules.extend(self.nacl(interface, port, source, true));
            rules.extend(self.group(interface, port, source, None, true));
        }
        Hop { from: "internet".to_owned(), source, to: to.to_owned(), port, rules }
    }

    /// The hop from an interface to another.
    fn hop(&self, from: &str, to: &str, port: u16) -> Hop {
        let interfaces = &self.model.interfaces;
        let mut rules = Vec::new();
        let mut source = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
        if let (Some(one), Some(other)) = (interfaces.get(from), interfaces.get(to)) {
            source = one.private;
            rules.extend(self.group(one, port, other.private, Some(other), false));
            if one.subnet != other.subnet {
                rules.extend(self.nacl(one, port, other.private, false));
                rules.extend(self.nacl(other, port, one.private, true));
            }
            rules.extend(self.group(other, port, one.private, Some(one), true));
        }
        Hop { from: from.to_owned(), source, to: to.to_owned(), port, rules }
    }

    fn route(&self, interface: &Interface, source: IpAddr) -> Option<String> {
        let table = &self.model.subnets.get(&interface.subnet)?.route_table;
        let routes = self.model.route_tables.get(table)?.iter();
        let route =
            routes.filter(|it| it.network.contains(&source)).max_by_key(|it| it.network.prefix_len())?;
        is_gateway(&route.target).then(|| {
            format!(
                "route_tables/{table}: `{}` to `{}` (line {})",
                route.network, route.target, route.place.line
            )
        })
    }

    fn nacl(&self, interface: &Interface, port: u16, peer: IpAddr, inward: bool) -> Option<String> {
        let name = self.model.subnets.get(&interface.subnet)?.nacl.as_ref()?;
        let nacl = self.model.nacls.get(name)?;
        let (way, rules) = if inward { ("ingress", &nacl.ingress) } else { ("egress", &nacl.egress) };
        let rule: &NaclRule = rules.iter().find(|it| it.ports.contain(port) && it.network.contains(&peer))?;
        Some(format!(
            "nacls/{name}/{way}: rule `{}`, `{}` (line {})",
            rule.number, rule.network, rule.place.line
        ))
    }

    fn group(
        &self,
        interface: &Interface,
        port: u16,
        peer: IpAddr,
        other: Option<&Interface>,
        inward: bool,
    ) -> Option<String> {
        let way = if inward { "ingress" } else { "egress" };
        let member = |rule: &GroupRule| {
            other.and_then(|other| rule.groups.iter().find(|group| other.groups.contains(*group))).cloned()
        };
        interface.groups.iter().find_map(|name| {
            let group = self.model.groups.get(name)?;
            let rules = if inward { &group.ingress } else { &group.egress };
            rules.iter().filter(|rule| rule.ports.contain(port)).find_map(|rule| {
                let network = rule.networks.iter().find(|network| network.contains(&peer));
                let by = network.map(ToString::to_string).or_else(|| member(rule))?;
                Some(format!("security_groups/{name}/{way}: `{by}` (line {})", rule.place.line))
            })
        })
    }
}
