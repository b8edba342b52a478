//! A model from a tree. Strict: a rule that is skipped would be a rule that does not hold.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;

use super::model::{
    Balancer, Group, GroupRule, Interface, Listener, Model, Nacl, NaclRule, Ports, Route, Subnet,
};
use crate::{
    iam::policy::Invalid,
    tree::{Node, Place, Value},
};

/// Rules of one kind in one list; security groups have at most 1,000, route tables too.
const RULES_MAX: usize = 10_000;
/// Interfaces, subnets and so on of one model.
const NAMED_MAX: usize = 100_000;

type Read<T> = Result<T, Invalid>;

fn invalid<T>(place: Place, why: impl Into<String>) -> Read<T> {
    Err(Invalid { place, why: why.into() })
}

/// Reads a model; what it refers to is there.
pub(super) fn model(node: &Node) -> Read<Model> {
    let mut model = Model::default();
    for member in node.members() {
        let value = &member.value;
        match member.name.as_str() {
            "route_tables" => model.route_tables = named(value, |it| list(it, route))?,
            "subnets" => model.subnets = named(value, subnet)?,
            "nacls" => model.nacls = named(value, nacl)?,
            "security_groups" => model.groups = named(value, group)?,
            "enis" => model.interfaces = named(value, interface)?,
            "load_balancers" => model.balancers = named(value, balancer)?,
            "target" => {
                model.target = text(value, "eni")?;
                model.port = port(required(value, "port")?)?;
            }
            other => return invalid(member.place, format!("`{other}` is no part of a network")),
        }
    }
    refers(&model, node.place)?;
    Ok(model)
}

/// Names that stand for nothing make the model say less than it seems to.
fn refers(model: &Model, place: Place) -> Read<()> {
    let missing = |kind: &str, name: &str| invalid(place, format!("there is no {kind} `{name}`"));
    if !model.interfaces.contains_key(&model.target) {
        return missing("interface", &model.target);
    }
    for subnet in model.subnets.values() {
        if !model.route_tables.contains_key(&subnet.route_table) {
            return missing("route table", &subnet.route_table);
        }
        if let Some(nacl) = subnet.nacl.as_ref().filter(|nacl| !model.nacls.contains_key(*nacl)) {
            return missing("network ACL", nacl);
        }
    }
    for interface in model.interfaces.values() {
        if !model.subnets.contains_key(&interface.subnet) {
            return missing("subnet", &interface.subnet);
        }
        if let Some(group) = interface.groups.iter().find(|group| !model.groups.contains_key(*group)) {
            return missing("security group", group);
        }
    }
    for balancer in model.balancers.values() {
        let targets = balancer.listeners.iter().flat_map(|listener| &listener.targets);
        if let Some(name) =
            balancer.interfaces.iter().chain(targets).find(|it| !model.interfaces.contains_key(*it))
        {
            return missing("interface", name);
        }
    }
    Ok(())
}

fn required<'n>(node: &'n Node, name: &str) -> Read<&'n Node> {
    node.get(name).map_or_else(|| invalid(node.place, format!("`{name}` is missing")), Ok)
}

fn only(node: &Node, names: &[&str]) -> Read<()> {
    if !matches!(node.value, Value::Map(_)) {
        return invalid(node.place, "expected an object");
    }
    match node.members().iter().find(|member| !names.contains(&member.name.as_str())) {
        Some(member) => invalid(member.place, format!("`{}` is not known here", member.name)),
        None => Ok(()),
    }
}

fn named<T>(node: &Node, read: impl Fn(&Node) -> Read<T>) -> Read<BTreeMap<String, T>> {
    let Value::Map(members) = &node.value else { return invalid(node.place, "expected an object") };
    if members.len() > NAMED_MAX {
        return invalid(node.place, format!("more than `{NAMED_MAX}` members"));
    }
    members.iter().map(|member| Ok((member.name.clone(), read(&member.value)?))).collect()
}

fn list<T>(node: &Node, read: impl Fn(&Node) -> Read<T>) -> Read<Vec<T>> {
    let Value::List(items) = &node.value else { return invalid(node.place, "expected a list") };
    if items.len() > RULES_MAX {
        return invalid(node.place, format!("more than `{RULES_MAX}` items"));
    }
    items.iter().map(read).collect()
}

fn optional<T>(node: &Node, name: &str, read: impl Fn(&Node) -> Read<T>) -> Read<Vec<T>> {
    node.get(name).map_or(Ok(Vec::new()), |node| list(node, read))
}

fn string(node: &Node) -> Read<String> {
    node.text().map_or_else(|| invalid(node.place, "expected a text"), |text| Ok(text.to_owned()))
}

fn text(node: &Node, name: &str) -> Read<String> {
    string(required(node, name)?)
}

fn number<T: std::str::FromStr>(node: &Node) -> Read<T> {
    match &node.value {
        Value::Number(text) => text.parse().or_else(|_| invalid(node.place, "the number is out of range")),
        _ => invalid(node.place, "expected a number"),
    }
}

fn port(node: &Node) -> Read<u16> {
    number(node)
}

fn network(node: &Node) -> Read<IpNet> {
    match node.text().and_then(|text| text.parse::<IpNet>().ok()) {
        Some(network) => Ok(network.trunc()),
        None => invalid(node.place, "expected a network, as `10.0.0.0/16`"),
    }
}

fn address(node: &Node) -> Read<IpAddr> {
    node.text()
        .and_then(|text| text.parse().ok())
        .map_or_else(|| invalid(node.place, "expected an address"), Ok)
}

fn route(node: &Node) -> Read<Route> {
    only(node, &["cidr", "target"])?;
    let network = network(required(node, "cidr")?)?;
    Ok(Route { network, target: text(node, "target")?, place: node.place })
}

fn subnet(node: &Node) -> Read<Subnet> {
    only(node, &["cidr", "nacl", "route_table"])?;
    let nacl = match node.get("nacl") {
        None => None,
        Some(node) if node.value == Value::Null => None,
        Some(node) => Some(string(node)?),
    };
    Ok(Subnet { nacl, route_table: text(node, "route_table")? })
}

fn nacl(node: &Node) -> Read<Nacl> {
    only(node, &["ingress", "egress"])?;
    let rules = |name| -> Read<Vec<NaclRule>> {
        let mut rules = optional(node, name, nacl_rule)?;
        rules.sort_by_key(|rule| rule.number);
        Ok(rules)
    };
    Ok(Nacl { ingress: rules("ingress")?, egress: rules("egress")? })
}

fn nacl_rule(node: &Node) -> Read<NaclRule> {
    only(node, &["rule_no", "action", "cidr", "protocol", "from", "to"])?;
    let action = required(node, "action")?;
    let allow = match action.text() {
        Some("allow") => true,
        Some("deny") => false,
        _ => return invalid(action.place, "an action is `allow` or `deny`"),
    };
    Ok(NaclRule {
        number: number(required(node, "rule_no")?)?,
        allow,
        network: network(required(node, "cidr")?)?,
        ports: ports(node)?,
        place: node.place,
    })
}

fn group(node: &Node) -> Read<Group> {
    only(node, &["ingress", "egress"])?;
    Ok(Group {
        ingress: optional(node, "ingress", group_rule)?,
        egress: optional(node, "egress", group_rule)?,
    })
}

fn group_rule(node: &Node) -> Read<GroupRule> {
    only(node, &["cidrs", "sgs", "protocol", "from", "to"])?;
    Ok(GroupRule {
        networks: optional(node, "cidrs", network)?,
        groups: optional(node, "sgs", string)?,
        ports: ports(node)?,
        place: node.place,
    })
}

fn ports(node: &Node) -> Read<Ports> {
    let protocol = required(node, "protocol")?;
    match protocol.scalar().as_deref() {
        Some("-1" | "all") => Ok(Ports::All),
        Some("tcp" | "6") => Ok(Ports::Range(port(required(node, "from")?)?, port(required(node, "to")?)?)),
        Some(_) => Ok(Ports::None),
        None => invalid(protocol.place, "expected a protocol"),
    }
}

fn interface(node: &Node) -> Read<Interface> {
    only(node, &["listens", "private_ip", "public_ip", "ipv6", "sgs", "subnet"])?;
    let public = required(node, "public_ip")?;
    let Some(public) = public.boolean() else { return invalid(public.place, "expected `true` or `false`") };
    let ipv6 = node.get("ipv6").filter(|node| node.value != Value::Null).map(address).transpose()?;
    Ok(Interface {
        private: address(required(node, "private_ip")?)?,
        ipv6,
        public,
        subnet: text(node, "subnet")?,
        groups: list(required(node, "sgs")?, string)?,
        listens: optional(node, "listens", port)?,
    })
}

fn balancer(node: &Node) -> Read<Balancer> {
    only(node, &["enis", "listeners", "scheme", "type"])?;
    let one_of = |name: &str, yes: &str, no: &[&str]| -> Read<bool> {
        let node = required(node, name)?;
        match node.text() {
            Some(text) if text == yes => Ok(true),
            Some(text) if no.contains(&text) => Ok(false),
            _ => invalid(node.place, format!("`{name}` is `{yes}` or `{}`", no.join("` or `"))),
        }
    };
    Ok(Balancer {
        application: one_of("type", "application", &["network", "gateway", "classic"])?,
        public: one_of("scheme", "internet-facing", &["internal"])?,
        interfaces: list(required(node, "enis")?, string)?,
        listeners: list(required(node, "listeners")?, listener)?,
    })
}

fn listener(node: &Node) -> Read<Listener> {
    only(node, &["port", "target_port", "targets"])?;
    Ok(Listener {
        port: port(required(node, "port")?)?,
        target_port: port(required(node, "target_port")?)?,
        targets: list(required(node, "targets")?, string)?,
    })
}
