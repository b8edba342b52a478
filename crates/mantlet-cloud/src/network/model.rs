//! What a network consists of, as far as packets care: interfaces in subnets, routes, network ACLs, security groups,
//! load balancers. Every rule has its place, so that a path can say whose fault it is.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;

use crate::tree::Place;

/// A network and what is asked of it.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Routes, by the name of their table.
    pub route_tables: BTreeMap<String, Vec<Route>>,
    /// Subnets.
    pub subnets: BTreeMap<String, Subnet>,
    /// Network ACLs.
    pub nacls: BTreeMap<String, Nacl>,
    /// Security groups.
    pub groups: BTreeMap<String, Group>,
    /// Network interfaces.
    pub interfaces: BTreeMap<String, Interface>,
    /// Load balancers.
    pub balancers: BTreeMap<String, Balancer>,
    /// The interface that is asked about.
    pub target: String,
    /// The port that is asked about.
    pub port: u16,
}

/// A route.
#[derive(Clone, Debug)]
pub struct Route {
    /// To which addresses.
    pub network: IpNet,
    /// By what: `local`, or the name of a gateway.
    pub target: String,
    /// Where it is said.
    pub place: Place,
}

/// A subnet.
#[derive(Clone, Debug)]
pub struct Subnet {
    /// The network ACL; without one everything passes.
    pub nacl: Option<String>,
    /// The route table.
    pub route_table: String,
}

/// A network ACL: the first rule that is about a packet decides, and without one it does not pass.
#[derive(Clone, Debug, Default)]
pub struct Nacl {
    /// For what comes in, in the order of numbers.
    pub ingress: Vec<NaclRule>,
    /// For what goes out.
    pub egress: Vec<NaclRule>,
}

/// A rule of a network ACL.
#[derive(Clone, Debug)]
pub struct NaclRule {
    /// Its number.
    pub number: u32,
    /// Whether it lets packets pass.
    pub allow: bool,
    /// From or to which addresses.
    pub network: IpNet,
    /// To which ports.
    pub ports: Ports,
    /// Where it is said.
    pub place: Place,
}

/// A security group: allows what one rule of it allows, and the answers to that.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// For what comes in.
    pub ingress: Vec<GroupRule>,
    /// For what goes out.
    pub egress: Vec<GroupRule>,
}

/// A rule of a security group.
#[derive(Clone, Debug)]
pub struct GroupRule {
    /// From or to which addresses.
    pub networks: Vec<IpNet>,
    /// From or to interfaces in which groups.
    pub groups: Vec<String>,
    /// To which ports.
    pub ports: Ports,
    /// Where it is said.
    pub place: Place,
}

/// Ports of TCP that a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// All.
    All,
    /// From, to; both included.
    Range(u16, u16),
    /// None: it is about another protocol.
    None,
}

impl Ports {
    /// Whether a port is among them.
    #[must_use]
    pub fn contain(self, port: u16) -> bool {
        match self {
            Self::All => true,
            Self::Range(from, to) => (from..=to).contains(&port),
            Self::None => false,
        }
    }
}

/// A network interface.
#[derive(Clone, Debug)]
pub struct Interface {
    /// The address within the network.
    pub private: IpAddr,
    /// The IPv6 address, which is the same from outside.
    pub ipv6: Option<IpAddr>,
    /// Whether it has a public IPv4 address.
    pub public: bool,
    /// Its subnet.
    pub subnet: String,
    /// Its security groups.
    pub groups: Vec<String>,
    /// Ports on which something listens there.
    pub listens: Vec<u16>,
}

/// A load balancer.
#[derive(Clone, Debug)]
pub struct Balancer {
    /// Whether it terminates requests (`application`) and does not just pass packets on.
    pub application: bool,
    /// Whether it faces the internet.
    pub public: bool,
    /// Its interfaces.
    pub interfaces: Vec<String>,
    /// Its listeners.
    pub listeners: Vec<Listener>,
}

/// A listener of a load balancer.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its port.
    pub port: u16,
    /// The port that it passes on to.
    pub target_port: u16,
    /// The interfaces that it passes on to.
    pub targets: Vec<String>,
}
