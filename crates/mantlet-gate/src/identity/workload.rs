//! Workloads: who an application is by the certificate or the token that it shows.

use std::{collections::HashMap, sync::OnceLock};

use mantlet_types::{
    ConsumerId, Timestamp,
    workload::{IdentityId, SpiffeId, WorkloadIdentity},
};

use crate::directory::Directory;

/// The certificate of a workload (X.509-SVID), as the listener has verified it: it names one workload, and chained to
/// the bundle of that workload's own trust domain when it was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Svid {
    /// Who.
    pub id: SpiffeId,
    /// From here on it does not count. The handshake has looked too, but connections outlive certificates.
    pub expires: Timestamp,
    /// Whether the trust domain's bundle still vouches for it; bundles change while connections are open.
    pub vouched: bool,
}

/// Whose each identity is, for one generation of the directory. Made when the first workload asks.
#[derive(Debug, Default)]
pub struct Workloads(OnceLock<HashMap<WorkloadIdentity, Option<Known>>>);

/// An application by one of its identities.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) consumer: ConsumerId,
    pub(super) identity: IdentityId,
}

impl Workloads {
    /// Whose identity this is. One that two applications have is nobody's: no command makes such a directory.
    pub(super) fn find(&self, directory: &Directory, identity: &WorkloadIdentity) -> Option<&Known> {
        self.0.get_or_init(|| index(directory)).get(identity)?.as_ref()
    }
}

fn index(directory: &Directory) -> HashMap<WorkloadIdentity, Option<Known>> {
    let mut index: HashMap<WorkloadIdentity, Option<Known>> = HashMap::new();
    for (consumer, record) in &directory.consumers {
        for identity in &record.identities {
            let known = Known { consumer: consumer.clone(), identity: id(identity) };
            index.entry(identity.clone()).and_modify(|taken| *taken = None).or_insert(Some(known));
        }
    }
    index
}

/// The short form of an identity.
#[must_use]
pub fn id(identity: &WorkloadIdentity) -> IdentityId {
    // Neither names nor subjects have a line feed, so no two identities are written alike.
    let text = match identity {
        WorkloadIdentity::Spiffe { spiffe } => format!("spiffe\n{spiffe}"),
        WorkloadIdentity::Token { issuer, subject } => format!("token\n{issuer}\n{subject}"),
    };
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let mut short = [0; 16];
    short.iter_mut().zip(digest.as_ref()).for_each(|(slot, byte)| *slot = *byte);
    IdentityId(short)
}
