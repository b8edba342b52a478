//! What waits for a second person: its name, and the facts that an approval of it is about.

use std::{fmt, str::FromStr};

use mantlet_types::{
    Action, ModelName, ProjectId, Resource, Role, Sha256, Timestamp, UserId, Version,
    entry::{Event, Token},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Approvers, DEPLOYERS, OVERSEERS, statement::sha256};
use crate::{
    changes::{BREAK_GLASS_SECONDS, Proposal, Proposed},
    directory::{Directory, Grant, ModelRecord, Promotion, VersionRecord},
    policy::Target,
};

/// Kinds of things that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A binding of a person to a duty.
    Grant,
    /// A version that is to go live.
    Deployment,
    /// Leave to stop models for a while.
    BreakGlass,
    /// Custom policies that are to be in force, or no more.
    Policy,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Grant, Self::Deployment, Self::BreakGlass, Self::Policy];

    /// The name in statements and paths.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Deployment => "deployment",
            Self::BreakGlass => "break_glass",
            Self::Policy => "policy",
        }
    }
}

impl FromStr for Kind {
    type Err = ItemError;

    fn from_str(text: &str) -> Result<Self, ItemError> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(ItemError)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that waits, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// A grant, by its number.
    Grant(u64),
    /// A version on its way to production.
    Deployment(ModelName, Version),
    /// Break-glass, by the number of its change.
    BreakGlass(u64),
    /// A change of policy, by its number.
    Policy(u64),
}

/// No name of anything that could wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what waits is named by its number, or as MODEL@VERSION")]
pub struct ItemError;

impl Item {
    /// The item of this kind that a target names.
    ///
    /// # Errors
    /// If nothing of the kind can have that name.
    pub fn parse(kind: Kind, target: &str) -> Result<Self, ItemError> {
        // One item has one name: neither `+7` nor `007` is 7.
        let number = || target.parse::<u64>().ok().filter(|number| number.to_string() == target);
        match kind {
            Kind::Grant => number().map(Self::Grant),
            Kind::BreakGlass => number().map(Self::BreakGlass),
            Kind::Policy => number().map(Self::Policy),
            Kind::Deployment => target.split_once('@').and_then(|(model, version)| {
                let version: Version = version.parse().ok()?;
                let named = Self::Deployment(model.parse().ok()?, version);
                (named.target() == target).then_some(named)
            }),
        }
        .ok_or(ItemError)
    }

    /// Of which kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Grant(_) => Kind::Grant,
            Self::Deployment(..) => Kind::Deployment,
            Self::BreakGlass(_) => Kind::BreakGlass,
            Self::Policy(_) => Kind::Policy,
        }
    }

    /// Which of its kind, as statements and commands say it.
    #[must_use]
    pub fn target(&self) -> String {
        match self {
            Self::Grant(number) | Self::BreakGlass(number) | Self::Policy(number) => number.to_string(),
            Self::Deployment(model, version) => format!("{model}@{version}"),
        }
    }

    /// How the log names it.
    #[must_use]
    pub fn token(&self) -> Token {
        match self {
            Self::Grant(_) | Self::BreakGlass(_) | Self::Policy(_) => {
                Token::of(&format!("{}/{}", self.kind(), self.target()))
            }
            Self::Deployment(..) => Token::of(&self.target()),
        }
    }

    /// How the log names what happens to it.
    #[must_use]
    pub const fn event(&self) -> Event {
        match self {
            Self::Grant(_) => Event::RoleChange,
            Self::Deployment(..) => Event::ModelApprove,
            Self::BreakGlass(_) => Event::BreakGlass,
            Self::Policy(_) => Event::PolicyChange,
        }
    }

    /// The roles of which one is needed to approve it.
    pub(super) const fn approvers(&self) -> &'static [Role] {
        match self {
            Self::Grant(_) | Self::BreakGlass(_) | Self::Policy(_) => &OVERSEERS,
            Self::Deployment(..) => &DEPLOYERS,
        }
    }

    /// The claim of whoever approves it.
    pub(super) fn claim(&self, project: &ProjectId) -> (Action, Target) {
        let (action, resource) = match self {
            Self::Grant(number) => (Action::ApproveChange, Resource::Grant(project.clone(), *number)),
            Self::BreakGlass(number) | Self::Policy(number) => {
                (Action::ApproveChange, Resource::Change(project.clone(), *number))
            }
            Self::Deployment(model, version) => {
                (Action::ApproveDeployment, Resource::Deployment(model.clone(), *version))
            }
        };
        (action, Target::Resource(resource))
    }

    /// What policy is asked where there is no such item.
    pub(super) const fn action(&self) -> Action {
        match self {
            Self::Grant(_) | Self::BreakGlass(_) | Self::Policy(_) => Action::ApproveChange,
            Self::Deployment(..) => Action::ApproveDeployment,
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.target())
    }
}

/// What the directory knows of something that waits.
pub(crate) struct Waiting<'a> {
    pub(crate) item: Item,
    pub(crate) project: &'a ProjectId,
    /// Whoever asked for it.
    pub(crate) proposed_by: &'a UserId,
    /// Whom it is for, if it is for somebody.
    pub(crate) beneficiary: Option<&'a UserId>,
    pub(crate) approved_by: &'a Approvers,
    /// From here on it is void.
    pub(crate) ends: Timestamp,
    /// Exactly what is approved, beside what the statement says itself.
    facts: Map<String, Value>,
}

/// Something that waits, if it does.
pub(crate) fn waiting<'a>(directory: &'a Directory, item: &Item) -> Option<Waiting<'a>> {
    match item {
        Item::Grant(number) => Some(Waiting::grant(*number, directory.grants.get(number)?)),
        Item::Deployment(name, version) => {
            let model = directory.models.get(name)?;
            let record = model.versions.get(version)?;
            Waiting::deployment(name, *version, model, record)
        }
        Item::BreakGlass(number) | Item::Policy(number) => {
            let waiting = Waiting::proposal(*number, directory.proposals.get(number)?);
            Some(waiting).filter(|waiting| waiting.item == *item)
        }
    }
}

/// Everything that waits, whoever may see it.
pub(super) fn all(directory: &Directory) -> impl Iterator<Item = Waiting<'_>> {
    let grants = directory.grants.iter().map(|(number, grant)| Waiting::grant(*number, grant));
    let deployments = directory.models.iter().flat_map(|(name, model)| {
        let versions = model.versions.iter();
        versions.filter_map(move |(version, record)| Waiting::deployment(name, *version, model, record))
    });
    let proposals = directory.proposals.iter().map(|(number, waits)| Waiting::proposal(*number, waits));
    proposals.chain(grants).chain(deployments)
}

impl<'a> Waiting<'a> {
    pub(crate) fn grant(number: u64, grant: &'a Grant) -> Self {
        let facts = json!({
            "beneficiary": grant.beneficiary,
            "project": grant.project,
            "proposed_by": grant.proposed_by,
            "role": grant.role,
        });
        Self {
            item: Item::Grant(number),
            project: &grant.project,
            proposed_by: &grant.proposed_by,
            beneficiary: Some(&grant.beneficiary),
            approved_by: &grant.approved_by,
            ends: grant.expires,
            facts: object(facts),
        }
    }

    pub(crate) fn proposal(number: u64, proposal: &'a Proposal) -> Self {
        let mut facts = object(json!({
            "project": proposal.project,
            "proposed": proposal.proposed,
            "proposed_by": proposal.proposed_by,
        }));
        match &proposal.what {
            Proposed::BreakGlass { beneficiary, reason } => {
                facts.insert("beneficiary".to_owned(), json!(beneficiary));
                facts.insert("minutes".to_owned(), json!((BREAK_GLASS_SECONDS / 60).to_string()));
                facts.insert("reason".to_owned(), json!(reason.as_str()));
            }
            Proposed::Policy { name, text } => {
                facts.insert("name".to_owned(), json!(name));
                // Without a text it is to be withdrawn.
                let digest = text.as_ref().map(|text| sha256(text.as_bytes()));
                facts.extend(digest.map(|digest| ("policies".to_owned(), json!(digest))));
            }
        }
        Self {
            item: proposal.what.item(number),
            project: &proposal.project,
            proposed_by: &proposal.proposed_by,
            beneficiary: proposal.what.beneficiary(),
            approved_by: &proposal.approved_by,
            ends: proposal.expires,
            facts,
        }
    }

    /// The way of a version, unless nobody has asked for it. INVARIANT (bound-to-digest): what was asked for is the
    /// artifact that the version names now, or nothing was.
    pub(crate) fn deployment(
        name: &ModelName,
        version: Version,
        model: &'a ModelRecord,
        record: &'a VersionRecord,
    ) -> Option<Self> {
        let way = record.promotion.as_ref().filter(|way| way.digest == record.digest)?;
        Some(Self::way(name, version, &model.project, record, way))
    }

    fn way(
        name: &ModelName,
        version: Version,
        project: &'a ProjectId,
        record: &'a VersionRecord,
        way: &'a Promotion,
    ) -> Self {
        let mut facts = object(json!({
            "author": record.author,
            "data_authors": record.data_authors,
            "model": name,
            "package": way.digest,
            "project": project,
            // The same version can be asked for again: an approval is of this one time.
            "requested": way.requested,
            "requested_by": way.requested_by,
            "version": version.to_string(),
        }));
        // What was found out about it is what the approver has seen.
        let compared = way.compared.as_ref().map(|compared| ("compared".to_owned(), json!(compared.digest)));
        facts.extend(compared);
        // So is what it has to be, and what it was found to be. What is found out later voids no approval.
        if !way.conditions.is_empty() {
            facts.insert("conditions".to_owned(), json!(way.conditions.told()));
        }
        if !way.evaluations.is_empty() {
            facts.insert("evaluations".to_owned(), json!(way.evaluations));
        }
        Self {
            item: Item::Deployment(name.clone(), version),
            project,
            proposed_by: &way.requested_by,
            beneficiary: None,
            approved_by: &way.approved_by,
            ends: way.ends,
            facts,
        }
    }

    /// Exactly what is approved, as canonical JSON (RFC 8785): members in order, all of them ASCII strings or arrays of
    /// these.
    pub(crate) fn subject(&self) -> String {
        let mut facts = self.facts.clone();
        facts.insert("kind".to_owned(), Value::from(self.item.kind().as_str()));
        facts.insert("target".to_owned(), Value::from(self.item.target()));
        // A `Map` sorts its members.
        Value::Object(facts).to_string()
    }

    /// What it is, in a few words of our own.
    pub(crate) fn what(&self) -> String {
        let fact = |name: &str| match self.facts.get(name) {
            Some(Value::String(text)) => text.clone(),
            other => other.map(Value::to_string).unwrap_or_default(),
        };
        match &self.item {
            Item::Grant(_) => format!("bind {} as {}", fact("beneficiary"), fact("role")),
            Item::BreakGlass(_) => format!(
                "let {} stop models and roll them back for {} minutes ({})",
                fact("beneficiary"),
                fact("minutes"),
                fact("reason")
            ),
            Item::Policy(_) if self.facts.contains_key("policies") => {
                format!("put policies {} in force (SHA-256 {})", fact("name"), fact("policies"))
            }
            Item::Policy(_) => format!("withdraw policies {}", fact("name")),
            Item::Deployment(model, version) => {
                format!("bring {model} version {version} live (package {})", fact("package"))
            }
        }
    }

    /// The digest of [`Waiting::subject`].
    pub(crate) fn digest(&self) -> Sha256 {
        sha256(self.subject().as_bytes())
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
