//! The directory: who and what there is. One immutable value per generation; every decision is taken against one.
//!
//! The store keeps these records, door 2 changes them by [`Change`]s, and the policy module turns them into entities.
//! Recorded facts (author, data authors, requester, approvers) come from here, never from a request.

mod deployment;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use ipnet::IpNet;
use mantlet_types::{
    Alias, ConsumerId, Kid, ModelName, PolicyName, PrincipalId, ProjectId, Role, RouteName, SecretName,
    Sha256, Timestamp, UserId, Version,
    url::{UrlId, UrlKid},
    workload::WorkloadIdentity,
};
use serde::{Deserialize, Serialize};

pub use deployment::{Deployment, DeploymentState};

use crate::{
    approvals::{Approval, Approvers},
    budget::Budget,
    changes::{BreakGlass, PolicyFile, Proposal},
    disable::Disabled,
    releases::{alias::Aliased, conditions::Conditions, facts::Facts},
    secrets::KeptSecret,
    urls::{UrlUse, keys::UrlKey},
};

/// Everything that decisions are about.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// All projects; `home` is always there.
    pub projects: BTreeSet<ProjectId>,
    /// People.
    pub users: HashMap<UserId, User>,
    /// Applications.
    pub consumers: HashMap<ConsumerId, Consumer>,
    /// API keys by their public id, revoked and expired ones included: an old key must stay recognizable.
    pub keys: HashMap<Kid, Key>,
    /// Models with their versions.
    pub models: BTreeMap<ModelName, ModelRecord>,
    /// Grants waiting for a second person, by number.
    pub grants: BTreeMap<u64, Grant>,
    /// Changes waiting for a second person, by number. No grant has the number of a change.
    pub proposals: BTreeMap<u64, Proposal>,
    /// The custom policies in force, beside the embedded ones.
    pub policies: BTreeMap<PolicyName, PolicyFile>,
    /// Signed approvals as they were given, by the digest of their statement: also those that have been used, so that
    /// they can be looked at afterwards.
    pub approvals: BTreeMap<Sha256, Arc<Approval>>,
    /// Keys that sign URLs, as far as anything was done about them: see [`crate::urls::keys`].
    pub url_keys: BTreeMap<UrlKid, UrlKey>,
    /// Signed URLs for one use that were used.
    pub url_uses: BTreeMap<UrlId, UrlUse>,
    /// Whose each route to language models is. The configuration says it, so the store keeps none of it: a snapshot fills it
    /// in from its settings.
    pub routes: BTreeMap<RouteName, ProjectId>,
    /// Secrets of other people's services.
    pub secrets: BTreeMap<SecretName, KeptSecret>,
}

/// A person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Everything is denied to a disabled user.
    pub disabled: bool,
    /// Where the user belongs; bindings are within these.
    pub projects: BTreeSet<ProjectId>,
    /// Role bindings.
    pub bindings: BTreeMap<Role, BTreeSet<ProjectId>>,
    /// For operators: the most that they may give.
    pub ceiling: Option<Ceiling>,
    /// SHA-256 of the DER of each user certificate that counts as this user's second factor.
    pub certificates: BTreeSet<Sha256>,
    /// Leave to stop models and roll them back for a while, the latest that was given. Absent in records from before
    /// there was break-glass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<BreakGlass>,
}

impl User {
    /// The duties that the user holds anywhere.
    pub fn duties(&self) -> impl Iterator<Item = Role> + '_ {
        self.bindings
            .iter()
            .filter(|(role, bound)| role.is_duty() && !bound.is_empty())
            .map(|(role, _)| *role)
    }

    /// Whether the user is bound to the role in the project.
    #[must_use]
    pub fn is_bound(&self, role: Role, project: &ProjectId) -> bool {
        self.bindings.get(&role).is_some_and(|bound| bound.contains(project))
    }
}

/// The most that an operator may give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ceiling {
    /// Roles.
    pub roles: BTreeSet<Role>,
    /// Models; `None` stands for every model of the operator's projects, also later ones.
    pub models: Option<BTreeSet<ModelName>>,
    /// Predictions per minute for one consumer.
    pub rate_per_minute: u32,
}

/// An application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consumer {
    /// Everything is denied to a disabled consumer.
    pub disabled: bool,
    /// The project it belongs to.
    pub project: ProjectId,
    /// The models it may ask.
    pub models: BTreeSet<ModelName>,
    /// The routes to language models that it may use. Absent in records from before there were any.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub routes: BTreeSet<RouteName>,
    /// Whether it may read the project's statistics.
    pub monitor: bool,
    /// After this everything is denied.
    pub expires: Timestamp,
    /// Its limit per model, in predictions a minute.
    pub rate_per_minute: u32,
    /// What it may use on all routes together. Absent in records from before there were budgets.
    #[serde(default, skip_serializing_if = "Budget::is_open")]
    pub budget: Budget,
    /// What it may show in place of a key. Absent in records from before there were any.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub identities: BTreeSet<WorkloadIdentity>,
    /// Identities that were taken from it, the latest last: the log knows them by their short form alone. Absent in records
    /// from before they were kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<WorkloadIdentity>,
    /// Who could ask in its name, because they made it, changed it, or made a key or let in an identity of it: they never
    /// decide what it asks. Nobody is taken off the list, since a key may have been copied. Absent in records from before
    /// it was kept.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub keepers: BTreeSet<UserId>,
}

impl Consumer {
    /// The application, kept by one more person.
    #[must_use]
    pub fn kept_by(mut self, keeper: &PrincipalId) -> Self {
        if let PrincipalId::User(id) = keeper {
            self.keepers.insert(id.clone());
        }
        self
    }
}

/// An API key as kept: never the secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Whose key it is: a user or a consumer.
    pub owner: PrincipalId,
    /// HMAC-SHA256(pepper, secret).
    pub hmac: [u8; 32],
    /// Which pepper.
    pub pepper_version: u32,
    /// When it was made.
    pub created: Timestamp,
    /// Not valid from here on.
    pub expires: Timestamp,
    /// Whether and how long it is valid.
    pub state: KeyState,
    /// Where it may come from; empty means anywhere that the allowlist admits.
    pub networks: Vec<IpNet>,
    /// A person's key that somebody else made, and hence has seen. With a duty it is good for one thing: being
    /// replaced by the person. Records from before there was this member are of keys that nobody marked.
    #[serde(default)]
    pub handed_over: bool,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("owner", &self.owner).field("state", &self.state).finish_non_exhaustive()
    }
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Valid until it expires.
    Active,
    /// Replaced; valid until the overlap ends.
    Retiring {
        /// End of the overlap.
        until: Timestamp,
    },
    /// Not valid, for good.
    Revoked,
}

/// A model and its versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRecord {
    /// The project it belongs to.
    pub project: ProjectId,
    /// The version that callers get, if any.
    pub live: Option<Version>,
    /// Versions that were live before this one, each once, the latest last: where a rollback goes. Absent in records
    /// from before there were rollbacks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<Version>,
    /// If it is stopped: by whom, and since when. Absent in records from before models could be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Disabled>,
    /// What people call its versions. Absent in records from before there were aliases.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<Alias, Aliased>,
    /// All versions.
    pub versions: BTreeMap<Version, VersionRecord>,
}

/// One registered version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionRecord {
    /// Who registered it.
    pub author: UserId,
    /// Whose data it was trained on.
    pub data_authors: BTreeSet<UserId>,
    /// Digest of the signed package manifest: what audit entries name.
    pub digest: Sha256,
    /// What the registry keeps the package under.
    pub package: Sha256,
    /// When it was registered.
    pub registered: Timestamp,
    /// Whether it once was live.
    pub was_live: bool,
    /// How far it has come on a way to production, if somebody has asked for one. Absent in records from before there
    /// were deployments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<Promotion>,
    /// What else was recorded of it.
    #[serde(default, skip_serializing_if = "Facts::is_empty")]
    pub facts: Facts,
}

/// Who asked that a version go live, and who approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promotion {
    /// The version's digest when it was asked for: this is what is approved, and nothing else.
    pub digest: Sha256,
    /// Who asked for it.
    pub requested_by: UserId,
    /// When.
    pub requested: Timestamp,
    /// Who approved it.
    pub approved_by: Approvers,
    /// From here on it is void: approvals that nobody used, and requests that nobody approved, end.
    pub ends: Timestamp,
    /// How its answers differ from those of the live version, where whoever asked has found that out. Absent in records
    /// from before there were comparisons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<Attached>,
    /// What it had to be to go live when it was asked for; it has to be that still, whatever is said since.
    #[serde(default, skip_serializing_if = "Conditions::is_empty")]
    pub conditions: Conditions,
    /// Reports of the evaluations that were attached when it was asked for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub evaluations: BTreeSet<Sha256>,
}

/// What a comparison of a version with the live one said, for whoever approves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attached {
    /// SHA-256 of the document: the audit entry of the comparison names it.
    pub digest: Sha256,
    /// The version that was live.
    pub with: Version,
    /// The document, byte for byte.
    pub document: Box<str>,
}

impl Promotion {
    /// How far it is.
    #[must_use]
    pub fn state(&self) -> DeploymentState {
        if self.approved_by.is_empty() { DeploymentState::Requested } else { DeploymentState::Approved }
    }
}

/// A binding that waits for a second person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Where.
    pub project: ProjectId,
    /// Which role.
    pub role: Role,
    /// For whom.
    pub beneficiary: UserId,
    /// By whom it was proposed.
    pub proposed_by: UserId,
    /// By whom it was approved.
    pub approved_by: Approvers,
    /// After this it is void.
    pub expires: Timestamp,
}

/// One step from a directory to the next. `Put` replaces the whole record.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A project exists.
    AddProject(ProjectId),
    /// A person is as stated.
    PutUser(UserId, User),
    /// An application is as stated.
    PutConsumer(ConsumerId, Consumer),
    /// A key is as stated.
    PutKey(Kid, Key),
    /// A model is as stated.
    PutModel(ModelName, ModelRecord),
    /// A grant is as stated.
    PutGrant(u64, Grant),
    /// A grant is done with.
    RemoveGrant(u64),
    /// A proposal is as stated.
    PutProposal(u64, Proposal),
    /// A proposal is done with.
    RemoveProposal(u64),
    /// A set of custom policies is in force as stated.
    PutPolicies(PolicyName, PolicyFile),
    /// A set of custom policies is in force no more.
    RemovePolicies(PolicyName),
    /// An approval was given, by the digest of its statement.
    PutApproval(Sha256, Arc<Approval>),
    /// An approval of long ago need not be kept any more.
    RemoveApproval(Sha256),
    /// A key that signs URLs is as stated.
    PutUrlKey(UrlKid, UrlKey),
    /// A signed URL for one use was used.
    PutUrlUse(UrlId, UrlUse),
    /// That a signed URL was used need not be kept any more.
    RemoveUrlUse(UrlId),
    /// A secret is as stated.
    PutSecret(SecretName, KeptSecret),
    /// A secret is kept no more.
    RemoveSecret(SecretName),
}

impl Directory {
    /// The directory after these changes.
    #[must_use]
    pub fn with(&self, changes: &[Change]) -> Self {
        let mut next = self.clone();
        for change in changes {
            next.apply(change.clone());
        }
        next
    }

    /// The one project that a principal belongs to, if it is one.
    #[must_use]
    pub fn project_of(&self, principal: &PrincipalId) -> Option<&ProjectId> {
        match principal {
            PrincipalId::Consumer(id) => self.consumers.get(id).map(|consumer| &consumer.project),
            PrincipalId::User(id) => {
                let projects = &self.users.get(id)?.projects;
                projects.first().filter(|_| projects.len() == 1)
            }
            PrincipalId::Component(_) => None,
        }
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::AddProject(id) => drop(self.projects.insert(id)),
            Change::PutUser(id, user) => drop(self.users.insert(id, user)),
            Change::PutConsumer(id, consumer) => drop(self.consumers.insert(id, consumer)),
            Change::PutKey(kid, key) => drop(self.keys.insert(kid, key)),
            Change::PutModel(name, model) => drop(self.models.insert(name, model)),
            Change::PutGrant(number, grant) => drop(self.grants.insert(number, grant)),
            Change::RemoveGrant(number) => drop(self.grants.remove(&number)),
            Change::PutProposal(number, proposal) => drop(self.proposals.insert(number, proposal)),
            Change::RemoveProposal(number) => drop(self.proposals.remove(&number)),
            Change::PutPolicies(name, file) => drop(self.policies.insert(name, file)),
            Change::RemovePolicies(name) => drop(self.policies.remove(&name)),
            Change::PutApproval(digest, approval) => drop(self.approvals.insert(digest, approval)),
            Change::RemoveApproval(digest) => drop(self.approvals.remove(&digest)),
            Change::PutUrlKey(kid, key) => drop(self.url_keys.insert(kid, key)),
            Change::PutUrlUse(id, used) => drop(self.url_uses.insert(id, used)),
            Change::RemoveUrlUse(id) => drop(self.url_uses.remove(&id)),
            Change::PutSecret(name, kept) => drop(self.secrets.insert(name, kept)),
            Change::RemoveSecret(name) => drop(self.secrets.remove(&name)),
        }
    }
}
