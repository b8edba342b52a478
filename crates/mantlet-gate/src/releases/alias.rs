//! Aliases: names that people give to versions and move from one to another.
//!
//! A name gives no right and changes nothing of what callers get: `live` alone does that, and no alias can be called so.
//! But people act on names, so who may give which one, and what a version must be to bear it, is a rule of the operator's.
//! Without one, an ML engineer who neither made the version nor its data names what is approved or was live
//! (`request_deployment`, F21).

use std::collections::BTreeSet;

use mantlet_types::{
    Action, Alias, Code, ModelName, PrincipalId, Rejection, Resource, Role, Timestamp, UserId, Version,
    VersionRef,
    entry::{Event, Token},
};
use serde::{Deserialize, Serialize};

use super::facts::State;
use crate::{
    administer::{Claims, Deed, Done, Office},
    approvals::{self, Item},
    deployments::Way,
    directory::{Change, Directory, ModelRecord},
    identity::Principal,
    policy::Target,
};

/// Aliases of one model.
pub const ALIASES_MAX: usize = 32;

/// The number that a name stands for. A number is taken as it is, and a name that stands for nothing is
/// [`Version::NEVER`]: whether there is such a version, and who may know, is for whoever decides on the number.
#[must_use]
pub fn number(directory: &Directory, model: &ModelName, named: &VersionRef) -> Version {
    match named {
        VersionRef::Number(version) => *version,
        other => {
            let known = directory.models.get(model).and_then(|record| record.resolve(other));
            known.unwrap_or(Version::NEVER)
        }
    }
}

/// The same where naming no version, or `live`, means whichever is live when it is decided.
#[must_use]
pub fn number_or_live(
    directory: &Directory,
    model: &ModelName,
    named: Option<&VersionRef>,
) -> Option<Version> {
    named.filter(|named| **named != VersionRef::Live).map(|named| number(directory, model, named))
}

/// What an alias stands for, and who said so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aliased {
    /// The version.
    pub version: Version,
    /// Who named it so.
    pub by: UserId,
    /// When.
    pub since: Timestamp,
}

/// Who may give an alias, and to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasRule {
    /// How far a version has to have come to bear it.
    pub state: Bearing,
    /// Whose it is to give.
    pub by: BTreeSet<Role>,
}

impl Default for AliasRule {
    fn default() -> Self {
        Self { state: Bearing::Approved, by: BTreeSet::from([Role::MlEngineer]) }
    }
}

/// How far a version has to have come to bear an alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearing {
    /// Every one that is not retired.
    Registered,
    /// One with an evaluation that the log vouches for.
    Evaluated,
    /// One that is approved now, is live, or was.
    Approved,
    /// The live one.
    Live,
}

impl Bearing {
    /// Every choice, as written in the configuration.
    pub const ALL: [Self; 4] = [Self::Registered, Self::Evaluated, Self::Approved, Self::Live];

    /// As written in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Evaluated => "evaluated",
            Self::Approved => "approved",
            Self::Live => "live",
        }
    }

    /// Whether a version has come so far.
    fn is_met(self, model: &ModelRecord, version: Version, now: Timestamp) -> bool {
        let evaluated =
            || model.versions.get(&version).is_some_and(|record| !record.facts.evaluations.is_empty());
        match (self, model.state(version, now)) {
            (_, None | Some(State::Retired)) => false,
            (Self::Registered, Some(_)) => true,
            (Self::Evaluated, Some(_)) => evaluated(),
            (Self::Approved, Some(state)) => matches!(state, State::Approved | State::Live | State::Former),
            (Self::Live, Some(state)) => state == State::Live,
        }
    }
}

/// Roles whose business it can be to give aliases.
pub const NAMING: [Role; 2] = [Role::MlEngineer, Role::DataScientist];

/// Gives a version an alias; whichever had it before has it no more.
#[derive(Clone, Debug)]
pub struct SetAlias {
    /// The version.
    pub way: Way,
    /// The alias.
    pub alias: Alias,
}

/// Takes an alias away.
#[derive(Clone, Debug)]
pub struct RemoveAlias {
    /// The model.
    pub model: ModelName,
    /// The alias.
    pub alias: Alias,
}

/// What an alias stands for now.
#[derive(Clone, Debug, Serialize)]
pub struct Named {
    /// The model.
    pub model: ModelName,
    /// The alias.
    pub alias: Alias,
    /// The version; absent if the alias is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// What it stood for until now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Version>,
}

/// The claim of whoever gives or takes an alias: the right of the first of the rule's roles that they hold, or else of the
/// first of all, which they are then denied.
fn claims(way: &Way, alias: &Alias, caller: &Principal, directory: &Directory) -> Claims {
    let rule = rule(caller.snapshot().settings.as_ref(), &way.model, alias);
    let project = directory.models.get(&way.model).map(|model| &model.project);
    let holds = |role: &&Role| {
        let PrincipalId::User(id) = caller.id() else { return false };
        project.zip(directory.users.get(id)).is_some_and(|(project, user)| user.is_bound(**role, project))
    };
    let role = rule.by.iter().find(holds).or_else(|| rule.by.first());
    match role {
        Some(Role::DataScientist) => {
            way.claims(Action::RegisterVersion, Resource::Model(way.model.clone()), caller, directory)
        }
        _ => {
            let version = Resource::ModelVersion(way.model.clone(), way.version);
            way.claims(Action::RequestDeployment, version, caller, directory)
        }
    }
}

fn rule(settings: &crate::snapshot::Settings, model: &ModelName, alias: &Alias) -> AliasRule {
    settings.alias_rules.get(model).and_then(|rules| rules.get(alias)).cloned().unwrap_or_default()
}

fn conflict(detail: String) -> Rejection {
    Rejection::new(Code::Conflict).detailed(detail)
}

impl Deed for SetAlias {
    type Reply = Named;

    fn event(&self) -> Event {
        Event::ModelAlias
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        Some(Token::of(&format!("{}@{}", self.alias, self.way.version)))
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        Ok(claims(&self.way, &self.alias, caller, directory))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Named>, Rejection> {
        let Self { way, alias } = self;
        let (model, record) = way.records(&office.snapshot.directory)?;
        let (name, version, now) = (&way.model, way.version, office.gate.now());
        let AliasRule { state, .. } = rule(&office.snapshot.settings, name, &alias);
        if record.facts.retired.is_some() {
            return Err(conflict(format!("version {version} of `{name}` is retired")));
        }
        // An approval can end before its time: with its approver, or with what showed that it was theirs.
        let on_approval = state == Bearing::Approved && model.state(version, now) == Some(State::Approved);
        let item = Item::Deployment(name.clone(), version);
        let single_person = office.snapshot.settings.single_person;
        let stands = !on_approval || approvals::counts(&office.snapshot.directory, &item, single_person);
        if !stands || !state.is_met(model, version, now) {
            let needed = match state {
                Bearing::Registered => "registered",
                Bearing::Evaluated => "evaluated, with the evaluation attached",
                Bearing::Approved => "approved, or live now or before",
                Bearing::Live => "live",
            };
            return Err(conflict(format!(
                "`{alias}` is for a version that is {needed}, and version {version} of `{name}` is not"
            )));
        }
        if !model.aliases.contains_key(&alias) && model.aliases.len() >= ALIASES_MAX {
            return Err(conflict(format!("a model has at most {ALIASES_MAX} aliases")));
        }
        let PrincipalId::User(by) = office.caller.id() else { return Err(Code::Forbidden.into()) };
        let mut next = model.clone();
        let before = next.aliases.insert(alias.clone(), Aliased { version, by: by.clone(), since: now });
        let before = before.map(|aliased| aliased.version);
        let reply = Named { model: name.clone(), alias, version: Some(version), before };
        Ok(Done::changed(reply, vec![Change::PutModel(name.clone(), next)]))
    }
}

impl Deed for RemoveAlias {
    type Reply = Named;

    fn event(&self) -> Event {
        Event::ModelAlias
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        Some(Token::of(self.alias.as_str()))
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        let named = directory.models.get(&self.model).and_then(|model| model.called(&self.alias));
        Ok(match named {
            Some(version) => {
                let way = Way { model: self.model.clone(), version };
                claims(&way, &self.alias, caller, directory)
            }
            None => Claims::All(vec![(Action::RequestDeployment, Target::Unknown)]),
        })
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Named>, Rejection> {
        let Self { model: name, alias } = self;
        let mut next = office.snapshot.directory.models.get(&name).ok_or(Code::NotFound)?.clone();
        let before = next.aliases.remove(&alias).ok_or(Code::NotFound)?;
        let reply = Named { model: name.clone(), alias, version: None, before: Some(before.version) };
        Ok(Done::changed(reply, vec![Change::PutModel(name, next)]))
    }
}
