//! Whose connections and requests are taken. The gate's perimeter says what its lists mean; here they meet sockets and
//! headers.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use mantlet_gate::perimeter::{self, Allowlist};
use mantlet_types::Code;

/// Whom this server hears, and whose word on that it takes.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    /// Clients that are heard.
    pub allowed: Allowlist,
    /// Proxies whose `X-Forwarded-For` is believed. Only they may speak for others.
    pub trusted_proxies: Vec<IpNet>,
}

impl Addresses {
    /// Whether a connection from this address is worth accepting.
    #[must_use]
    pub fn hears(&self, peer: SocketAddr) -> bool {
        self.is_proxy(peer.ip()) || self.allowed.admits(peer.ip())
    }

    /// Whether this is a proxy: the connections of many clients come from it.
    #[must_use]
    pub fn is_proxy(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.trusted_proxies.iter().any(|net| net.contains(&ip))
    }

    /// The client behind a connection: the peer itself, or whom the trusted proxies in front report.
    ///
    /// # Errors
    /// 400 if a trusted proxy's header cannot be read, 403 if the client is not on the allowlist.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Result<IpAddr, Code> {
        let forwarded = headers.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes);
        let client =
            perimeter::client_ip(peer, forwarded, &self.trusted_proxies).map_err(|_| Code::InvalidInput)?;
        if self.allowed.admits(client) { Ok(client) } else { Err(Code::Forbidden) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_behind_a_proxy_must_be_on_the_allowlist_itself() {
        let nets = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let addresses = Addresses {
            allowed: Allowlist::Listed(nets(&["192.0.2.0/24"])),
            trusted_proxies: nets(&["10.0.0.0/8"]),
        };
        let check = |peer: &str, forwarded: &'static str, expect: Result<&str, Code>| {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static("x-forwarded-for"),
                HeaderValue::from_static(forwarded),
            )]);
            let client = addresses.client(peer.parse().unwrap(), &headers);
            assert_eq!(client, expect.map(|ip| ip.parse().unwrap()), "{peer} {forwarded}");
        };
        check("192.0.2.7", "203.0.113.9", Ok("192.0.2.7"));
        check("203.0.113.9", "192.0.2.7", Err(Code::Forbidden));
        check("10.0.0.1", "192.0.2.7", Ok("192.0.2.7"));
        check("10.0.0.1", "192.0.2.7, 203.0.113.9", Err(Code::Forbidden));
        check("10.0.0.1", "unknown", Err(Code::InvalidInput));
    }

    #[test]
    fn an_empty_allowlist_takes_no_connection_and_an_absent_one_those_of_this_machine() {
        let nobody = Addresses { allowed: Allowlist::Listed(Vec::new()), ..Addresses::default() };
        assert!(!nobody.hears("127.0.0.1:1".parse().unwrap()));
        assert!(Addresses::default().hears("[::ffff:127.0.0.1]:1".parse().unwrap()));
        assert!(!Addresses::default().hears("192.0.2.7:1".parse().unwrap()));
    }
}
