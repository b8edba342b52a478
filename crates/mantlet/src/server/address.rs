//! Where a request comes from, and whether anything from there is heard at all.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use mantlet_gate::perimeter;
use mantlet_types::Code;

/// Whose connections and requests are taken.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Clients that are heard. Empty admits nobody.
    pub allowed: Vec<IpNet>,
    /// Proxies whose `X-Forwarded-For` is believed. Only they may speak for others.
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for Addresses {
    /// Loopback only: a home that says nothing serves its own machine.
    fn default() -> Self {
        let networks = [(IpAddr::from([127, 0, 0, 0]), 8), (IpAddr::from(Ipv6Addr::LOCALHOST), 128)];
        let allowed = networks.into_iter().filter_map(|(ip, bits)| IpNet::new(ip, bits).ok()).collect();
        Self { allowed, trusted_proxies: Vec::new() }
    }
}

impl Addresses {
    /// Whether a connection from this address is worth accepting.
    #[must_use]
    pub fn hears(&self, peer: SocketAddr) -> bool {
        let ip = peer.ip().to_canonical();
        self.is_proxy(ip) || self.admits(ip)
    }

    /// The client behind a connection: the peer itself, or whom the trusted proxies in front report.
    ///
    /// # Errors
    /// 400 if a trusted proxy's header cannot be read, 403 if the client is not on the allowlist.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Result<IpAddr, Code> {
        let forwarded = headers.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes);
        let client =
            perimeter::client_ip(peer, forwarded, &self.trusted_proxies).map_err(|_| Code::InvalidInput)?;
        if self.admits(client) { Ok(client) } else { Err(Code::Forbidden) }
    }

    fn admits(&self, ip: IpAddr) -> bool {
        self.allowed.iter().any(|net| net.contains(&ip))
    }

    fn is_proxy(&self, ip: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|net| net.contains(&ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn check(peer: &str, forwarded: &[&'static str], expect: Result<&str, Code>) {
        let addresses = Addresses {
            allowed: nets(&["192.0.2.0/24", "2001:db8::/32"]),
            trusted_proxies: nets(&["10.0.0.0/8"]),
        };
        let headers = forwarded
            .iter()
            .map(|value| {
                (http::HeaderName::from_static("x-forwarded-for"), http::HeaderValue::from_static(value))
            })
            .collect();
        let client = addresses.client(peer.parse().unwrap(), &headers);
        assert_eq!(client, expect.map(|ip| ip.parse().unwrap()), "{peer} {forwarded:?}");
    }

    #[test]
    fn only_trusted_proxies_speak_for_others() {
        check("192.0.2.7", &[], Ok("192.0.2.7"));
        check("192.0.2.7", &["203.0.113.9"], Ok("192.0.2.7"));
        check("203.0.113.9", &["192.0.2.7"], Err(Code::Forbidden));
        check("10.0.0.1", &["192.0.2.7"], Ok("192.0.2.7"));
        check("10.0.0.1", &["2001:db8::1"], Ok("2001:db8::1"));
        check("::ffff:10.0.0.1", &["192.0.2.7, 10.1.1.1"], Ok("192.0.2.7"));
        check("10.0.0.1", &["192.0.2.7", "203.0.113.9"], Err(Code::Forbidden));
        check("10.0.0.1", &["192.0.2.7, 203.0.113.9"], Err(Code::Forbidden));
        check("10.0.0.1", &["unknown"], Err(Code::InvalidInput));
        check("10.0.0.1", &[], Err(Code::Forbidden));
    }

    #[test]
    fn an_empty_allowlist_admits_nobody_and_an_absent_one_loopback() {
        let nobody = Addresses { allowed: Vec::new(), trusted_proxies: Vec::new() };
        assert!(!nobody.hears("127.0.0.1:1".parse().unwrap()));
        let own = Addresses::default();
        for local in ["127.0.0.1:1", "127.0.0.2:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(own.hears(local.parse().unwrap()), "{local}");
        }
        assert!(!own.hears("192.0.2.7:1".parse().unwrap()));
    }
}
