//! Listing models, and showing one: every version that the caller may know of.

use std::collections::BTreeSet;

use mantlet_gate::{
    administer::{Claims, Deed, Done, Office},
    approvals::{Item, counts},
    deployments::Way,
    directory::{DeploymentState, Directory, Promotion},
    identity::Principal,
    policy::{self, Target},
};
use mantlet_types::{
    Action, Code, ModelName, PrincipalId, ProjectId, Rejection, Resource, Sha256, Timestamp, UserId, Version,
    entry::Event,
};
use serde::Serialize;
use serde_json::Value;

/// Lists models and their versions.
pub struct ListModels;

/// One version.
#[derive(Debug, Serialize)]
pub struct Listed {
    model: ModelName,
    version: Version,
    /// `live`, `former` or `candidate`; `disabled` for a live one that was stopped, `broken` for one that could not be
    /// loaded.
    status: &'static str,
    project: ProjectId,
    author: UserId,
    registered: Timestamp,
    digest: Sha256,
    /// How far it is on its way to production, if it is on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<OnItsWay>,
}

/// A version's way to production.
#[derive(Debug, Serialize)]
struct OnItsWay {
    /// `requested` or `approved`.
    state: &'static str,
    requested_by: UserId,
    approved_by: BTreeSet<UserId>,
    /// From here on it is void.
    ends: Timestamp,
    /// Digest of the comparison with the live version that it was asked for with.
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison_digest: Option<Sha256>,
}

impl OnItsWay {
    fn of(promotion: &Promotion) -> Self {
        Self {
            state: promotion.state().as_str(),
            requested_by: promotion.requested_by.clone(),
            approved_by: promotion.approved_by.names(),
            ends: promotion.ends,
            comparison_digest: promotion.compared.as_ref().map(|compared| compared.digest),
        }
    }
}

/// What there is.
#[derive(Debug, Serialize)]
pub struct Models {
    models: Vec<Listed>,
}

/// Rights of which any one lets a person see a model's history. Who may merely ask it sees it in the catalog.
const SEEING: [Action; 3] = [Action::InspectFeatures, Action::RegisterVersion, Action::DisableModel];

/// Rights of which any one lets a person see others' candidates: to follow one up, or to take one over.
const FOLLOWING: [Action; 2] = [Action::RegisterVersion, Action::DisableModel];

impl Deed for ListModels {
    type Reply = Models;

    fn event(&self) -> Event {
        Event::ModelRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _caller: &Principal, _directory: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::PerItem)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Models>, Rejection> {
        let mut models = Vec::new();
        for (name, record) in &office.snapshot.directory.models {
            let seen = Seen::of(office, name);
            models.extend(record.versions.keys().filter_map(|version| seen.version(office, name, *version)));
        }
        Ok(Done::read(Models { models }))
    }
}

/// Whether the caller may see a model's history, and others' candidates in it.
struct Seen {
    sees: bool,
    follows: bool,
}

impl Seen {
    fn of(office: &Office<'_>, name: &ModelName) -> Self {
        let target = Target::Resource(Resource::Model(name.clone()));
        let may = |actions: &[Action]| {
            actions.iter().any(|action| policy::permits(office.caller, *action, &target, office.gate.now()))
        };
        Self { sees: may(&SEEING), follows: may(&FOLLOWING) }
    }

    /// A version, if the caller may know of it.
    fn version(&self, office: &Office<'_>, name: &ModelName, version: Version) -> Option<Listed> {
        let now = office.gate.now();
        let record = office.snapshot.directory.models.get(name)?;
        let registered = record.versions.get(&version)?;
        let on_its_way = registered.promotion.as_ref().filter(|way| now < way.ends);
        // Who has to approve something has to see what it is, and so has who may make it live.
        let acts = || {
            let way = Target::Resource(Resource::Deployment(name.clone(), version));
            [Action::ApproveDeployment, Action::UpdateModel]
                .iter()
                .any(|action| policy::permits(office.caller, *action, &way, now))
        };
        let is_own = matches!(office.caller.id(), PrincipalId::User(user) if *user == registered.author);
        let seen = self.sees && (self.follows || is_own || registered.was_live);
        if !(seen || on_its_way.is_some() && acts()) {
            return None;
        }
        let is_live = record.live == Some(version);
        let is_disabled = is_live && record.disabled.is_some();
        let is_loaded = office.snapshot.model(name, Some(version)).is_some();
        Some(Listed {
            model: name.clone(),
            version,
            status: match (is_live, is_loaded, registered.was_live) {
                (true, ..) if is_disabled => "disabled",
                (true, true, _) => "live",
                (true, false, _) => "broken",
                (false, _, true) => "former",
                (false, _, false) => "candidate",
            },
            project: record.project.clone(),
            author: registered.author.clone(),
            registered: registered.registered,
            digest: registered.digest,
            deployment: on_its_way.map(OnItsWay::of),
        })
    }
}

/// Shows one version, and what was found out about it.
pub struct ShowVersion(pub Way);

/// One version with what was found out about it.
#[derive(Debug, Serialize)]
pub struct Shown {
    #[serde(flatten)]
    listed: Listed,
    /// What the way to being live takes next: `request`, `approve` or `update`; absent for the live version.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'static str>,
    /// The comparison that its deployment was asked for with.
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<Value>,
}

impl Deed for ShowVersion {
    type Reply = Shown;

    fn event(&self) -> Event {
        Event::ModelRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _caller: &Principal, _directory: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::PerItem)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Shown>, Rejection> {
        let Way { model: name, version } = &self.0;
        let listed = Seen::of(office, name).version(office, name, *version).ok_or(Code::NotFound)?;
        let directory = &office.snapshot.directory;
        let model = directory.models.get(name).ok_or(Code::NotFound)?;
        let way = model.versions.get(version).and_then(|record| record.promotion.as_ref());
        let way = way.filter(|way| office.gate.now() < way.ends);
        let single_person = office.snapshot.settings.single_person;
        let approved = || counts(directory, &Item::Deployment(name.clone(), *version), single_person);
        let next = match way {
            _ if model.live == Some(*version) => None,
            _ if office.snapshot.settings.single_person => Some("update"),
            Some(_) if approved() => Some("update"),
            Some(way) if way.state() == DeploymentState::Requested => Some("approve"),
            _ => Some("request"),
        };
        let compared = way.and_then(|way| way.compared.as_ref());
        let comparison = compared.and_then(|compared| serde_json::from_str(&compared.document).ok());
        Ok(Done::read(Shown { listed, next, comparison }))
    }
}
