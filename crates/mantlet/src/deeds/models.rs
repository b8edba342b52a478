//! Listing models, and showing one: every version that the caller may know of.

use std::collections::BTreeSet;

use mantlet_gate::{
    administer::{Claims, Deed, Done, Office},
    approvals::{Item, counts},
    deployments::Way,
    directory::{DeploymentState, Directory, Promotion, VersionRecord},
    identity::Principal,
    policy::{self, Target},
    releases::{
        conditions,
        facts::{Evaluated, Facts, Retired, Scanned, State, Taken},
    },
};
use mantlet_types::{
    Action, Alias, Code, ModelName, PrincipalId, ProjectId, Rejection, Resource, Sha256, Timestamp, UserId,
    Version, entry::Event,
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
    /// `live`, `former`, `candidate` or `retired`; `disabled` for a live one that was stopped, `broken` for one that could not be
    /// loaded.
    status: &'static str,
    project: ProjectId,
    author: UserId,
    registered: Timestamp,
    digest: Sha256,
    /// How far it has come: the last of `registered`, `scanned`, `signed`, `evaluated`, `requested`, `approved`, `live`,
    /// `former` and `retired` that it is in.
    state: State,
    /// What it is called.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<Alias>,
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
pub(super) struct Seen {
    sees: bool,
    follows: bool,
}

impl Seen {
    pub(super) fn of(office: &Office<'_>, name: &ModelName) -> Self {
        let target = Target::Resource(Resource::Model(name.clone()));
        let may = |actions: &[Action]| {
            actions.iter().any(|action| policy::permits(office.caller, *action, &target, office.gate.now()))
        };
        Self { sees: may(&SEEING), follows: may(&FOLLOWING) }
    }

    /// A version, if the caller may know of it.
    pub(super) fn version(&self, office: &Office<'_>, name: &ModelName, version: Version) -> Option<Listed> {
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
        let state = record.state(version, now)?;
        let aliases = record.aliases.iter().filter(|(_, aliased)| aliased.version == version);
        let is_loaded = office.snapshot.model(name, Some(version)).is_some();
        Some(Listed {
            model: name.clone(),
            version,
            status: match (is_live, is_loaded, registered.was_live) {
                _ if state == State::Retired => "retired",
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
            state,
            aliases: aliases.map(|(alias, _)| alias.clone()).collect(),
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
    /// Where it comes from, and what was found out about it.
    lineage: Lineage,
    /// What it must be to go live: by the configuration, and for a deployment that was asked for also by what was in force
    /// then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conditions: Vec<String>,
    /// Which of these it does not meet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unmet: Vec<String>,
    /// Who took which step, in order; the first and the latest of many.
    steps: Vec<Step>,
}

/// Where a version comes from, and what was found out about it.
#[derive(Debug, Serialize)]
pub(super) struct Lineage {
    author: UserId,
    data_authors: BTreeSet<UserId>,
    /// SHA-256 of the data sets that it was trained on, as its author states.
    datasets: BTreeSet<Sha256>,
    /// SHA-256 of its profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Sha256>,
    /// Fingerprint of the key that has signed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<Sha256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scan: Option<Scanned>,
    evaluations: Vec<Evaluated>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retired: Option<Retired>,
}

impl Lineage {
    pub(super) fn of(record: &VersionRecord) -> Self {
        let Facts { datasets, profile, signer, scan, evaluations, retired, steps: _ } = record.facts.clone();
        Self {
            author: record.author.clone(),
            data_authors: record.data_authors.clone(),
            datasets,
            profile,
            signer,
            scan,
            evaluations: evaluations.into_iter().map(Evaluated::told).collect(),
            retired,
        }
    }
}

/// A step that somebody took.
#[derive(Debug, Serialize)]
struct Step {
    step: &'static str,
    by: UserId,
    at: Timestamp,
    /// That one person held all duties then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    single_person: bool,
}

impl Step {
    fn of(taken: &Taken) -> Self {
        let Taken { step, by, at, single_person, entry: _ } = taken.clone();
        Self { step: step.as_str(), by, at, single_person }
    }
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
        let record = model.versions.get(version).ok_or(Code::NotFound)?;
        let next = match way {
            _ if model.live == Some(*version) || record.facts.retired.is_some() => None,
            _ if office.snapshot.settings.single_person => Some("update"),
            Some(_) if approved() => Some("update"),
            Some(way) if way.state() == DeploymentState::Requested => Some("approve"),
            _ => Some("request"),
        };
        let compared = way.and_then(|way| way.compared.as_ref());
        let comparison = compared.and_then(|compared| serde_json::from_str(&compared.document).ok());
        let in_force = conditions::in_force(office, name);
        let kept = way.map(|way| way.conditions.clone()).unwrap_or_default();
        let [mut told, mut unmet] = [in_force.told(), in_force.unmet(record)];
        for (all, more) in [(&mut told, kept.told()), (&mut unmet, kept.unmet(record))] {
            let new: Vec<String> = more.into_iter().filter(|line| !all.contains(line)).collect();
            all.extend(new);
        }
        Ok(Done::read(Shown {
            listed,
            next,
            comparison,
            lineage: Lineage::of(record),
            conditions: told,
            unmet,
            steps: record.facts.steps.iter().map(Step::of).collect(),
        }))
    }
}
