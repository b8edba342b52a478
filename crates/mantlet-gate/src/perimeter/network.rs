//! Where requests may come from, and where they do come from behind trusted proxies.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// The text is not a network. The text is the operator's own and may be repeated by whoever reports this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Neither an address nor a network.
    #[error("a network is written as `192.0.2.0/24`, `2001:db8::/32` or a single address")]
    Form,
    /// An address within a network rather than the network: one of the two was meant, and it is not ours to choose.
    #[error("the address has bits beyond its prefix; the network is `{0}`")]
    HostBits(IpNet),
}

/// Reads a network, or a single address as the network of just this one. IPv4 in IPv6 clothes becomes IPv4, as
/// clients' addresses do.
///
/// # Errors
/// If the text is neither, or a network with host bits set.
pub fn parse_network(text: &str) -> Result<IpNet, NetworkError> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address.to_canonical()));
    }
    let network: IpNet = text.parse().map_err(|_| NetworkError::Form)?;
    if network != network.trunc() {
        return Err(NetworkError::HostBits(network.trunc()));
    }
    Ok(canonical(network))
}

/// A network of IPv4-mapped addresses as the IPv4 network that it is.
fn canonical(network: IpNet) -> IpNet {
    let mapped = network.prefix_len().checked_sub(96);
    match (network.addr().to_canonical(), mapped) {
        (IpAddr::V4(address), Some(prefix)) if matches!(network, IpNet::V6(_)) => {
            Ipv4Net::new(address, prefix).map_or(network, IpNet::V4)
        }
        _ => network,
    }
}

/// Which addresses may connect at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Allowlist {
    /// Nothing was said: this machine only.
    #[default]
    Loopback,
    /// These networks; an empty list admits nobody.
    Listed(Vec<IpNet>),
}

impl Allowlist {
    /// Reads the configuration's list; absent is something else than empty.
    ///
    /// # Errors
    /// For the first text that is not a network.
    pub fn parse<S: AsRef<str>>(listed: Option<&[S]>) -> Result<Self, NetworkError> {
        match listed {
            None => Ok(Self::Loopback),
            Some(texts) => texts
                .iter()
                .map(|text| parse_network(text.as_ref()))
                .collect::<Result<_, _>>()
                .map(Self::Listed),
        }
    }

    /// Whether this address may connect.
    #[must_use]
    pub fn admits(&self, ip: IpAddr) -> bool {
        match self {
            Self::Loopback => ip.to_canonical().is_loopback(),
            Self::Listed(networks) => contains(networks, ip),
        }
    }
}

/// A trusted proxy's report of its client is not a list of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`x-forwarded-for` of a trusted proxy is not a list of addresses")]
pub struct ForwardedError;

/// Where a request comes from: the peer, unless the peer is a trusted proxy. Then it is the last address in
/// `X-Forwarded-For` that is not itself a trusted proxy's, because each proxy appends whom it heard from: what stands
/// left of that came from a stranger and is not even read. If all are trusted, it is the first of them.
///
/// `forwarded` are the values of all `X-Forwarded-For` headers in the order in which they were received.
///
/// # Errors
/// If what a trusted proxy wrote is not an address.
pub fn client_ip<'a>(
    peer: IpAddr,
    forwarded: impl DoubleEndedIterator<Item = &'a [u8]>,
    trusted: &[IpNet],
) -> Result<IpAddr, ForwardedError> {
    let mut client = peer.to_canonical();
    let mut reports = forwarded.rev().flat_map(|value| value.rsplit(|byte| *byte == b','));
    while contains(trusted, client) {
        let Some(report) = reports.next() else { break };
        let text = std::str::from_utf8(report.trim_ascii()).map_err(|_| ForwardedError)?;
        client = text.parse::<IpAddr>().map_err(|_| ForwardedError)?.to_canonical();
    }
    Ok(client)
}

fn contains(networks: &[IpNet], ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    networks.iter().any(|network| network.contains(&ip))
}

#[cfg(test)]
mod tests;
