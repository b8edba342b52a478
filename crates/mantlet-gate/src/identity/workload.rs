//! Workloads: who an application is by the certificate or the token that it shows.

use std::{
    collections::{BTreeMap, HashMap},
    sync::OnceLock,
};

use mantlet_types::{
    ConsumerId, ProjectId, Timestamp,
    workload::{IdentityId, SpiffeId, TrustDomain, WorkloadIdentity},
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

/// Which projects' applications may have which of a source's names: by how these begin. Whoever manages applications of one
/// project must not be able to say that another project's workload is theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holders(BTreeMap<ProjectId, Box<str>>);

impl Holders {
    /// Each of these projects has the names that begin like this. SPIFFE paths begin by whole segments, with `/`; a subject by
    /// its characters.
    pub fn new(projects: impl IntoIterator<Item = (ProjectId, Box<str>)>) -> Self {
        Self(projects.into_iter().collect())
    }

    /// What names begin with, by project.
    pub fn projects(&self) -> impl Iterator<Item = (&ProjectId, &str)> {
        self.0.iter().map(|(project, begin)| (project, begin.as_ref()))
    }

    /// Whether an application of this project may have this identity.
    #[must_use]
    pub fn permit(&self, project: &ProjectId, identity: &WorkloadIdentity) -> bool {
        let Some(begin) = self.0.get(project) else { return false };
        match identity {
            WorkloadIdentity::Spiffe { spiffe } => {
                let rest = spiffe.path().strip_prefix(begin.trim_end_matches('/'));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            WorkloadIdentity::Token { subject, .. } => subject.as_str().starts_with(begin.as_ref()),
        }
    }
}

/// A trust domain whose workloads are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// Its name.
    pub domain: TrustDomain,
    /// Who may have its names.
    pub holders: Holders,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_a_project_s_by_whole_segments_or_by_their_beginning() {
        let holders = |begin: &str| Holders::new([("red".parse().unwrap(), begin.into())]);
        let spiffe = |path: &str| WorkloadIdentity::Spiffe {
            spiffe: format!("spiffe://prod.example{path}").parse().unwrap(),
        };
        let subject = |text: &str| WorkloadIdentity::Token {
            issuer: "ci".parse().unwrap(),
            subject: text.parse().unwrap(),
        };
        let red = "red".parse().unwrap();
        for (begin, identity, permitted) in [
            ("/", spiffe("/ns/red"), true),
            ("/ns/red", spiffe("/ns/red"), true),
            ("/ns/red", spiffe("/ns/red/sa/a"), true),
            ("/ns/red/", spiffe("/ns/red/sa/a"), true),
            ("/ns/red", spiffe("/ns/reddish"), false),
            ("/ns/red", spiffe("/ns"), false),
            ("/ns/red", spiffe("/x/ns/red"), false),
            ("", subject("anybody"), true),
            ("repo:red/", subject("repo:red/models"), true),
            ("repo:red/", subject("repo:reddish/models"), false),
        ] {
            assert_eq!(holders(begin).permit(&red, &identity), permitted, "{begin} {identity:?}");
        }
        assert!(!holders("/").permit(&"blue".parse().unwrap(), &spiffe("/ns/red")));
        assert!(!Holders::default().permit(&red, &spiffe("/ns/red")));
    }
}
