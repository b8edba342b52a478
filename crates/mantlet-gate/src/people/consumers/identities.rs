//! Deeds about what an application may show in place of a key: a certificate's SPIFFE id, a token's subject.
//!
//! Whoever adds one opens all that the application may do to whoever has that identity, so it takes the same rights as
//! making a key. An identity is one application's: it is an answer to "who is that?", and there is one.

use mantlet_types::{
    Action, Code, ConsumerId, ProjectId, Rejection,
    entry::{Event, Token},
    limits::{IDENTITIES_MAX, IDENTITIES_REMOVED_MAX},
    workload::{IdentityId, WorkloadIdentity},
};
use serde::Serialize;

use super::{check_scope, on_consumer, scope};
use crate::{
    administer::{Claims, Deed, Done, Office},
    directory::{Change, Consumer, Directory},
    identity::{Principal, workload},
    people::{
        issue::conflict,
        keys::{on_project, unknown},
    },
};

/// Lets a workload in as an application.
#[derive(Clone, Debug)]
pub struct AddIdentity {
    /// As which.
    pub consumer: ConsumerId,
    /// By what it shows.
    pub identity: WorkloadIdentity,
}

/// Takes an identity from an application: the next request that shows it fails.
#[derive(Clone, Debug)]
pub struct RemoveIdentity {
    /// From which.
    pub consumer: ConsumerId,
    /// Which, by its short form.
    pub identity: IdentityId,
}

/// Lists what an application may show, and what it once might.
#[derive(Clone, Debug)]
pub struct ListIdentities {
    /// Which.
    pub consumer: ConsumerId,
}

/// An identity with its short form, by which the log names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IdentityInfo {
    /// The short form.
    pub id: IdentityId,
    /// The identity.
    #[serde(flatten)]
    pub identity: WorkloadIdentity,
    /// Whether it was taken from the application: what the log names by its short form stays known.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
}

impl IdentityInfo {
    fn of(identity: &WorkloadIdentity) -> Self {
        Self { id: workload::id(identity), identity: identity.clone(), removed: false }
    }
}

fn subject(consumer: &ConsumerId, identity: IdentityId) -> Option<Token> {
    Some(Token::of(&format!("consumer:{consumer}/{identity}")))
}

impl Deed for AddIdentity {
    type Reply = IdentityInfo;

    fn event(&self) -> Event {
        Event::ConsumerChange
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        subject(&self.consumer, workload::id(&self.identity))
    }

    fn claims(&self, _: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        let Some(consumer) = directory.consumers.get(&self.consumer) else {
            return Ok(unknown(Action::ManageConsumers));
        };
        let manage = on_project(Action::ManageConsumers, &consumer.project);
        Ok(Claims::All(vec![manage, (Action::Grant, scope(directory, consumer))]))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<IdentityInfo>, Rejection> {
        let directory = &office.snapshot.directory;
        let consumer = directory.consumers.get(&self.consumer).ok_or(Code::NotFound)?;
        check_scope(office, consumer)?;
        if consumer.disabled {
            return Err(conflict(format!("consumer `{}` is disabled", self.consumer)));
        }
        check_source(office, &consumer.project, &self.identity)?;
        let reply = IdentityInfo::of(&self.identity);
        if consumer.identities.contains(&self.identity) {
            return Ok(Done::read(reply));
        }
        // That somebody has it is all that is told: whose it is may be another project's matter.
        if directory.consumers.values().any(|other| other.identities.contains(&self.identity)) {
            return Err(conflict("another application has this identity"));
        }
        if consumer.identities.len() >= IDENTITIES_MAX {
            return Err(conflict(format!("an application has at most {IDENTITIES_MAX} identities")));
        }
        let mut identities = consumer.identities.clone();
        let removed = consumer.removed.iter().filter(|removed| **removed != self.identity).cloned().collect();
        identities.insert(self.identity);
        let changed = Consumer { identities, removed, ..consumer.clone() }.kept_by(office.caller.id());
        Ok(Done::changed(reply, vec![Change::PutConsumer(self.consumer, changed)]))
    }
}

/// An identity that nothing here could ever vouch for is a slip of the pen; one that the configuration gives to other
/// projects is theirs.
fn check_source(
    office: &Office<'_>,
    project: &ProjectId,
    identity: &WorkloadIdentity,
) -> Result<(), Rejection> {
    let settings = &office.snapshot.settings;
    let (holders, what) = match identity {
        WorkloadIdentity::Spiffe { spiffe } => {
            let domain = spiffe.trust_domain();
            let trusted = settings.trust_domains.iter().find(|listed| listed.domain.as_str() == domain);
            (trusted.map(|trusted| &trusted.holders), format!("trust domain `{domain}`"))
        }
        WorkloadIdentity::Token { issuer, .. } => {
            let listed = settings.issuers.iter().find(|listed| listed.name() == issuer);
            (listed.map(|issuer| issuer.holders()), format!("issuer `{issuer}`"))
        }
    };
    let Some(holders) = holders else {
        return Err(Rejection::argument(format!("the configuration has no {what}")));
    };
    if holders.permit(project, identity) {
        return Ok(());
    }
    let detail = format!("`projects` of {what} gives this name to no application of `{project}`");
    Err(Rejection::new(Code::Forbidden).detailed(detail))
}

impl Deed for RemoveIdentity {
    type Reply = IdentityInfo;

    fn event(&self) -> Event {
        Event::ConsumerChange
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        subject(&self.consumer, self.identity)
    }

    fn claims(&self, _: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        Ok(on_consumer(directory, &self.consumer))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<IdentityInfo>, Rejection> {
        let consumer = office.snapshot.directory.consumers.get(&self.consumer).ok_or(Code::NotFound)?;
        let mut known = consumer.identities.iter();
        let found = known.find(|identity| workload::id(identity) == self.identity).ok_or(Code::NotFound)?;
        let reply = IdentityInfo::of(found);
        let mut identities = consumer.identities.clone();
        identities.remove(found);
        let mut removed = consumer.removed.clone();
        removed.push(found.clone());
        removed.drain(..removed.len().saturating_sub(IDENTITIES_REMOVED_MAX));
        let changed = Consumer { identities, removed, ..consumer.clone() };
        Ok(Done::changed(reply, vec![Change::PutConsumer(self.consumer, changed)]))
    }
}

impl Deed for ListIdentities {
    type Reply = Vec<IdentityInfo>;

    fn event(&self) -> Event {
        Event::KeyRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        Ok(on_consumer(directory, &self.consumer))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Vec<IdentityInfo>>, Rejection> {
        let consumer = office.snapshot.directory.consumers.get(&self.consumer).ok_or(Code::NotFound)?;
        let removed = |identity| IdentityInfo { removed: true, ..IdentityInfo::of(identity) };
        let all =
            consumer.identities.iter().map(IdentityInfo::of).chain(consumer.removed.iter().map(removed));
        Ok(Done::read(all.collect()))
    }
}
