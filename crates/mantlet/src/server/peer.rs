//! Who is at the other end of a connection, as far as the connection itself tells.

use std::{net::IpAddr, sync::Arc};

use mantlet_gate::identity::Channel;

use super::trust::{Shown, Trust};

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The address of the other end; loopback for what does not come over a network.
    pub ip: IpAddr,
    /// How the connection is protected.
    pub channel: Channel,
    /// The workload's certificate that was shown, if one was: then the channel of each request is what it is worth by
    /// then.
    pub workload: Option<Arc<Shown>>,
}

impl Peer {
    /// The channel of a request that arrives now: what a certificate is worth may have changed since it was shown.
    pub(super) fn channel(&self, trust: &Trust) -> Channel {
        self.workload.as_ref().map_or_else(|| self.channel.clone(), |shown| trust.channel(shown))
    }

    /// The owner of the home, at the control socket or in process.
    #[must_use]
    pub fn local_owner() -> Self {
        Self { ip: IpAddr::from([127, 0, 0, 1]), channel: Channel::Control, workload: None }
    }
}
