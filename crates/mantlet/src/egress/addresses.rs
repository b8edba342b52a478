//! To which addresses a name may lead.
//!
//! A name server's answer is input. A public name may lead to public addresses; to private ones only as far as an
//! operator listed their networks; and never to link-local ones, where clouds keep the credentials of machines.
//! Ranges: IANA's special-purpose address registries (RFC 6890).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Whether a connection may be made to this address of a name.
pub(super) fn may_connect(address: IpAddr, networks: &[IpNet]) -> bool {
    // An IPv4 address in IPv6's clothes is what it is.
    let address = address.to_canonical();
    if is_never(address) || within(address).is_some_and(is_never_v4) {
        return false;
    }
    is_public(address) || networks.iter().any(|network| network.contains(&address))
}

/// Where clouds give machines their credentials, beside the link-local networks.
const CREDENTIALS_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
const CREDENTIALS_V6: [[u16; 2]; 2] = [[0xfd00, 0x0ec2], [0xfd20, 0x00ce]];

/// No network that is listed reaches these.
fn is_never(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_never_v4(address),
        IpAddr::V6(address) => {
            address.is_unicast_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || CREDENTIALS_V6.iter().any(|network| address.segments().starts_with(network))
        }
    }
}

fn is_never_v4(address: Ipv4Addr) -> bool {
    address.is_link_local()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_broadcast()
        || CREDENTIALS_V4.contains(&address)
}

/// The IPv4 address to which a translator or a relay would carry on: NAT64 (RFC 6052) and 6to4 (RFC 3056).
fn within(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let (high, low) = match address.segments() {
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_documentation()
        || first == 0
        || first >= 240
        || (first == 100 && second & 0xc0 == 64) // shared by carriers, RFC 6598
        || (first == 192 && second == 0 && third == 0) // protocol assignments, RFC 6890
        || (first == 192 && second == 88 && third == 99) // relays to IPv6, RFC 7526
        || (first == 198 && second & 0xfe == 18); // benchmarks, RFC 2544
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let [first, second, ..] = segments;
    // Global unicast, without what carries an IPv4 address inside and would be routed to it.
    let special = match first {
        // Protocol assignments, tunnels among them (RFC 2928), and documentation (RFC 3849).
        0x2001 => second < 0x0200 || second == 0x0db8,
        0x2002 => true,            // 6to4, RFC 3056
        0x3fff => second < 0x1000, // documentation, RFC 9637
        _ => false,
    };
    first & 0xe000 == 0x2000 && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, networks: &[&str], expect: bool) {
        let networks: Vec<IpNet> = networks.iter().map(|network| network.parse().unwrap()).collect();
        assert_eq!(may_connect(address.parse().unwrap(), &networks), expect, "{address} {networks:?}");
    }

    #[test]
    fn names_lead_to_public_addresses() {
        for public in
            ["1.1.1.1", "172.32.0.1", "100.128.0.1", "198.20.0.1", "2606:4700::1", "2001:4860::8888"]
        {
            check(public, &[], true);
        }
    }

    #[test]
    fn names_lead_inside_only_where_that_is_listed() {
        for (inside, network) in [
            ("10.1.2.3", "10.0.0.0/8"),
            ("127.0.0.1", "127.0.0.0/8"),
            ("172.16.0.1", "172.16.0.0/12"),
            ("192.168.1.1", "192.168.0.0/16"),
            ("100.64.0.1", "100.64.0.0/10"),
            ("192.0.0.8", "192.0.0.0/24"),
            ("198.19.0.1", "198.18.0.0/15"),
            ("0.1.2.3", "0.0.0.0/8"),
            ("::1", "::1/128"),
            ("fd12::1", "fd00::/8"),
            ("2002:7f00:1::", "2002::/16"),
            ("64:ff9b::7f00:1", "64:ff9b::/96"),
            ("2001:db8::1", "2001:db8::/32"),
        ] {
            check(inside, &[], false);
            check(inside, &["203.0.113.0/24"], false);
            check(inside, &[network], true);
        }
        check("::ffff:10.0.0.1", &[], false);
        check("::ffff:10.0.0.1", &["10.0.0.0/8"], true);
    }

    #[test]
    fn no_list_leads_to_a_machines_credentials() {
        for never in [
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "fd20:ce::254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "0.0.0.0",
            "::",
            "224.0.0.1",
        ] {
            check(never, &["0.0.0.0/0", "::/0"], false);
        }
    }
}
