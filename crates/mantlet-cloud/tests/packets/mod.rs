//! Networks, packet by packet: the oracle sends packets from chosen addresses through the rules, one at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;
use mantlet_cloud::{
    network::{
        model::{Group, GroupRule, Interface, Model, Nacl, NaclRule, Ports, Route, Subnet},
        reach::reach,
    },
    tree::Place,
};
use proptest::prelude::*;

/// Ends of the networks that rules are made of, and what lies behind them.
const SOURCES: [&str; 9] = [
    "8.0.0.0",
    "8.0.0.127",
    "8.0.0.128",
    "8.0.0.255",
    "8.0.1.0",
    "9.0.0.0",
    "127.0.0.1",
    "200.0.0.1",
    "1.0.0.0",
];
const NETWORKS: [&str; 7] =
    ["0.0.0.0/0", "8.0.0.0/24", "8.0.0.0/25", "8.0.0.128/25", "128.0.0.0/1", "10.0.0.0/16", "10.0.1.0/24"];
const ANSWERS: [u16; 5] = [1024, 32_768, 49_152, 60_999, 65_535];
const PORT: u16 = 8000;

fn network() -> impl Strategy<Value = IpNet> {
    prop::sample::select(NETWORKS.to_vec()).prop_map(|text| text.parse().unwrap())
}

fn ports() -> impl Strategy<Value = Ports> {
    prop_oneof![
        Just(Ports::All),
        Just(Ports::None),
        prop::sample::select(vec![(22, 22), (8000, 8000), (1024, 65_535), (0, 8000), (40_000, 50_000)])
            .prop_map(|(from, to)| Ports::Range(from, to)),
    ]
}

fn nacl_rules() -> impl Strategy<Value = Vec<NaclRule>> {
    let rule = (prop::bool::weighted(0.7), network(), ports());
    proptest::collection::vec(rule, 1..4).prop_map(|rules| {
        let rule = |(number, (allow, network, ports))| NaclRule {
            number,
            allow,
            network,
            ports,
            place: Place::default(),
        };
        (1..).zip(rules).map(rule).collect()
    })
}

fn group_rules() -> impl Strategy<Value = Vec<GroupRule>> {
    let groups = proptest::collection::vec(prop::sample::select(vec!["g0", "g1"]), 0..2);
    let rule = (proptest::collection::vec(network(), 0..3), groups, ports());
    let rule = rule.prop_map(|(networks, groups, ports)| GroupRule {
        networks,
        groups: groups.into_iter().map(str::to_owned).collect(),
        ports,
        place: Place::default(),
    });
    proptest::collection::vec(rule, 0..3)
}

fn routes() -> impl Strategy<Value = Vec<Route>> {
    let target = prop::sample::select(vec!["igw-1", "nat-1", "local"]);
    proptest::collection::vec((network(), target), 1..4).prop_map(|routes| {
        let mut seen = BTreeSet::new();
        let routes = routes.into_iter().filter(|(network, _)| seen.insert(*network)).collect::<Vec<_>>();
        let route = |(network, target): (IpNet, &str)| Route {
            network,
            target: target.to_owned(),
            place: Place::default(),
        };
        routes.into_iter().map(route).collect()
    })
}

prop_compose! {
    fn model()(
        routes in routes(),
        nacls in proptest::collection::vec((nacl_rules(), nacl_rules()), 2),
        with_nacl in proptest::collection::vec(any::<bool>(), 2),
        groups in proptest::collection::vec((group_rules(), group_rules()), 2),
        public in proptest::collection::vec(any::<bool>(), 3),
        members in proptest::collection::vec(0usize..2, 3),
    ) -> Model {
        let mut model = Model { target: "e0".to_owned(), port: PORT, ..Model::default() };
        model.route_tables.insert("r".to_owned(), routes);
        for (index, (ingress, egress)) in nacls.into_iter().enumerate() {
            model.nacls.insert(format!("n{index}"), Nacl { ingress, egress });
            let nacl = with_nacl[index].then(|| format!("n{index}"));
            model.subnets.insert(format!("s{index}"), Subnet { nacl, route_table: "r".to_owned() });
        }
        for (index, (ingress, egress)) in groups.into_iter().enumerate() {
            model.groups.insert(format!("g{index}"), Group { ingress, egress });
        }
        for index in 0..3 {
            let interface = Interface {
                private: format!("10.0.{}.{}", index % 2, index + 1).parse().unwrap(),
                ipv6: None,
                public: public[index],
                subnet: format!("s{}", index % 2),
                groups: vec![format!("g{}", members[index])],
                listens: vec![22, PORT],
            };
            model.interfaces.insert(format!("e{index}"), interface);
        }
        model
    }
}

fn passes_nacl(model: &Model, subnet: &str, ingress: bool, peer: IpAddr, port: u16) -> bool {
    let Some(name) = &model.subnets[subnet].nacl else { return true };
    let nacl = &model.nacls[name];
    for rule in if ingress { &nacl.ingress } else { &nacl.egress } {
        if rule.network.contains(&peer) && rule.ports.contain(port) {
            return rule.allow;
        }
    }
    false
}

fn passes_groups(
    model: &Model,
    of: &Interface,
    ingress: bool,
    peer: IpAddr,
    other: Option<&Interface>,
    port: u16,
) -> bool {
    of.groups.iter().any(|name| {
        let group = &model.groups[name];
        let rules = if ingress { &group.ingress } else { &group.egress };
        rules.iter().any(|rule| {
            let member = other.is_some_and(|other| other.groups.iter().any(|it| rule.groups.contains(it)));
            rule.ports.contain(port) && (member || rule.networks.iter().any(|it| it.contains(&peer)))
        })
    })
}

fn enters(model: &Model, to: &Interface, port: u16) -> bool {
    SOURCES.iter().map(|text| text.parse().unwrap()).any(|source: IpAddr| {
        let route = model.route_tables["r"].iter().filter(|it| it.network.contains(&source));
        let route = route.max_by_key(|it| it.network.prefix_len());
        to.public
            && !["127.0.0.1"].contains(&source.to_string().as_str())
            && route.is_some_and(|route| route.target.starts_with("igw"))
            && passes_nacl(model, &to.subnet, true, source, port)
            && passes_groups(model, to, true, source, None, port)
            && ANSWERS.iter().any(|answer| passes_nacl(model, &to.subnet, false, source, *answer))
    })
}

fn goes(model: &Model, from: &Interface, to: &Interface, port: u16) -> bool {
    passes_groups(model, from, false, to.private, Some(to), port)
        && passes_groups(model, to, true, from.private, Some(from), port)
        && (from.subnet == to.subnet
            || passes_nacl(model, &from.subnet, false, to.private, port)
                && passes_nacl(model, &to.subnet, true, from.private, port)
                && ANSWERS.iter().any(|answer| {
                    passes_nacl(model, &to.subnet, false, from.private, *answer)
                        && passes_nacl(model, &from.subnet, true, to.private, *answer)
                }))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 4000, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn sets_of_packets_go_where_packets_go(model in model()) {
        let found = reach(&model);
        let others: BTreeMap<&String, &Interface> = model.interfaces.iter().filter(|(name, _)| *name != "e0").collect();
        let target = &model.interfaces["e0"];
        let mut reached: BTreeSet<&String> = BTreeSet::new();
        loop {
            let more: Vec<&String> = others.iter().filter(|(name, host)| {
                !reached.contains(**name) && host.listens.iter().any(|port| {
                    enters(&model, host, *port) || reached.iter().any(|from| goes(&model, others[from], host, *port))
                })
            }).map(|(name, _)| *name).collect();
            if more.is_empty() {
                break;
            }
            reached.extend(more);
        }
        let lateral: Vec<String> =
            reached.into_iter().filter(|from| goes(&model, others[from], target, PORT)).cloned().collect();
        prop_assert_eq!(found.direct, enters(&model, target, PORT));
        prop_assert_eq!(&found.lateral_last_hop, &lateral);
        prop_assert_eq!(found.only_via_alb, !found.direct && lateral.is_empty());
    }

    #[test]
    fn one_more_allowance_takes_no_path_away(model in model(), rule in group_rules()) {
        let before = reach(&model);
        let mut wider = model;
        wider.groups.get_mut("g0").unwrap().ingress.extend(rule);
        let after = reach(&wider);
        prop_assert!(!before.direct || after.direct);
        prop_assert!(before.lateral_last_hop.iter().all(|host| after.lateral_last_hop.contains(host)));
    }
}
