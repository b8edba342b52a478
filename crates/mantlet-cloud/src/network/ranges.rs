//! Sets of addresses as sorted ranges: exact where lists of networks overlap, cover one another or have holes. Addresses
//! of both versions lie in one space, IPv4 in its mapped part (RFC 4291, section 2.5.5.2).

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

/// A set of addresses: disjoint ranges in order, both ends included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(Vec<(u128, u128)>);

impl Ranges {
    /// No address.
    #[must_use]
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Every address.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![(0, u128::MAX)])
    }

    /// The addresses of networks.
    #[must_use]
    pub fn of<'n>(networks: impl IntoIterator<Item = &'n IpNet>) -> Self {
        let mut ranges: Vec<(u128, u128)> = networks
            .into_iter()
            .map(|network| (number(network.network()), number(network.broadcast())))
            .collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::new();
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = number(address);
        let behind = self.0.partition_point(|(first, _)| *first <= address);
        behind.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, last)| address <= *last)
    }

    /// Addresses in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let (mut one, mut two) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut both = Vec::new();
        while let (Some((first, last)), Some((begin, end))) = (one.peek(), two.peek()) {
            let (from, to) = (*first.max(begin), *last.min(end));
            if from <= to {
                both.push((from, to));
            }
            if last < end {
                one.next();
            } else {
                two.next();
            }
        }
        Self(both)
    }

    /// Addresses in either.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let mut ranges: Vec<(u128, u128)> = self.0.iter().chain(&other.0).copied().collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::new();
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    /// Addresses that are not in it.
    #[must_use]
    pub fn not(&self) -> Self {
        let mut gaps = Vec::new();
        let mut next = Some(0);
        for (first, last) in &self.0 {
            if let (Some(from), Some(to)) = (next, first.checked_sub(1))
                && from <= to
            {
                gaps.push((from, to));
            }
            next = last.checked_add(1);
        }
        gaps.extend(next.map(|from| (from, u128::MAX)));
        Self(gaps)
    }

    /// Addresses of this that are not in the other.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        self.and(&other.not())
    }

    /// The lowest address.
    #[must_use]
    pub fn first(&self) -> Option<IpAddr> {
        self.0.first().map(|(first, _)| Ipv6Addr::from_bits(*first).to_canonical())
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Addresses that packets from the internet can come from: all that can be routed there (IANA special-purpose address
/// registries, RFC 6890), the blocks for documentation included, since examples and tests speak of them.
#[must_use]
pub fn internet() -> Ranges {
    const RESERVED: [&str; 10] = [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "224.0.0.0/3",
    ];
    let networks = |texts: &[&str]| -> Vec<IpNet> { texts.iter().filter_map(|it| it.parse().ok()).collect() };
    let all = Ranges::of(&networks(&["0.0.0.0/0", "2000::/3"]));
    all.minus(&Ranges::of(&networks(&RESERVED)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set() -> impl Strategy<Value = Vec<IpNet>> {
        let net = (0u32..16, 28u8..=32)
            .prop_map(|(low, prefix)| IpNet::V4(ipnet::Ipv4Net::new_assert(low.into(), prefix).trunc()));
        proptest::collection::vec(net, 0..5)
    }

    proptest! {
        #[test]
        fn sets_are_as_address_by_address(one in set(), two in set()) {
            let (a, b) = (Ranges::of(&one), Ranges::of(&two));
            for low in 0u32..20 {
                let address = IpAddr::V4(low.into());
                let in_a = one.iter().any(|net| net.contains(&address));
                let in_b = two.iter().any(|net| net.contains(&address));
                prop_assert_eq!(a.contains(address), in_a);
                prop_assert_eq!(a.and(&b).contains(address), in_a && in_b);
                prop_assert_eq!(a.or(&b).contains(address), in_a || in_b);
                prop_assert_eq!(a.minus(&b).contains(address), in_a && !in_b);
                prop_assert_eq!(a.not().contains(address), !in_a);
            }
            prop_assert_eq!(a.not().not(), a);
        }
    }

    #[test]
    fn two_halves_are_the_whole() {
        let halves: Vec<IpNet> = vec!["0.0.0.0/1".parse().unwrap(), "128.0.0.0/1".parse().unwrap()];
        let whole: IpNet = "0.0.0.0/0".parse().unwrap();
        assert_eq!(Ranges::of(&halves), Ranges::of([&whole]));
        assert!(internet().contains("8.8.8.8".parse().unwrap()));
        assert!(internet().contains("2a00::1".parse().unwrap()));
        for private in ["10.1.2.3", "192.168.0.1", "::1", "fd00::1", "255.255.255.255"] {
            assert!(!internet().contains(private.parse().unwrap()), "{private}");
        }
        assert_eq!(Ranges::all().minus(&Ranges::all()), Ranges::none());
    }
}
