//! What else the gate reads from people and from proxies: policies, approvals, networks and addresses.

use std::net::{IpAddr, Ipv4Addr};

use mantlet_gate::{
    approvals::{Item, Kind, Statement},
    perimeter::{client_ip, parse_network},
    policy::{Policy, TEXT_BYTES_MAX},
};

/// Custom policies: what is taken is within the bound, and bears names that no embedded policy has.
pub(super) fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(policy) = Policy::new([text]) {
        assert!(text.len() <= TEXT_BYTES_MAX);
        let names = policy.custom();
        assert!(names.iter().all(|name| name.starts_with("X_")), "{names:?}");
        // Twice the same set is one too many: names are taken once.
        assert!(names.is_empty() || Policy::new([text, text]).is_err(), "{names:?}");
    }
}

/// Approvals: a statement and an item have one spelling each.
pub(super) fn approval(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(statement) = Statement::parse(text) {
        assert_eq!(statement.text().as_deref(), Some(text));
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(value.to_string(), text, "members in the order of their names, without white space");
    }
    for kind in [Kind::Grant, Kind::Deployment, Kind::BreakGlass, Kind::Policy] {
        if let Ok(item) = Item::parse(kind, text) {
            assert_eq!((item.kind(), item.target()), (kind, text.to_owned()));
        }
    }
}

/// Networks as they are configured, and addresses as proxies report them.
pub(super) fn network(data: &[u8]) {
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let trusted = [parse_network("127.0.0.0/8").unwrap()];
    // What a proxy says is taken from its last part alone.
    let last = data.rsplit(|byte| *byte == b',').next().unwrap_or_default();
    let (all, alone) =
        (client_ip(peer, [data].into_iter(), &trusted), client_ip(peer, [last].into_iter(), &trusted));
    if let Ok(found) = &alone
        && !trusted[0].contains(found)
    {
        assert_eq!(all.as_ref().ok(), Some(found));
    }
    assert!(
        client_ip(peer, [data].into_iter(), &[]).is_ok_and(|client| client == peer),
        "nobody else is believed"
    );
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(network) = parse_network(text) {
        assert_eq!(network.addr(), network.network(), "bits beyond the prefix");
        assert_eq!(parse_network(&network.to_string()).unwrap(), network);
    }
}
