//! Listing models: every version that the caller may know of.

use std::collections::BTreeSet;

use mantlet_gate::{
    administer::{Claims, Deed, Done, Office},
    directory::{Directory, Promotion},
    identity::Principal,
    policy::{self, Target},
};
use mantlet_types::{
    Action, ModelName, PrincipalId, ProjectId, Rejection, Resource, Sha256, Timestamp, UserId, Version,
    entry::Event,
};
use serde::Serialize;

/// Lists models and their versions.
pub struct ListModels;

/// One version.
#[derive(Debug, Serialize)]
pub struct Listed {
    model: ModelName,
    version: Version,
    /// `live`, `former` or `candidate`; `broken` for a live one that could not be loaded.
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
}

impl OnItsWay {
    fn of(promotion: &Promotion) -> Self {
        Self {
            state: promotion.state().as_str(),
            requested_by: promotion.requested_by.clone(),
            approved_by: promotion.approved_by.clone(),
            ends: promotion.ends,
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
        let now = office.gate.now();
        let may = |actions: &[Action], name: &ModelName| {
            let target = Target::Resource(Resource::Model(name.clone()));
            actions.iter().any(|action| policy::permits(office.caller, *action, &target, now))
        };
        let mut models = Vec::new();
        for (name, record) in &office.snapshot.directory.models {
            let (sees, follows) = (may(&SEEING, name), may(&FOLLOWING, name));
            for (version, registered) in &record.versions {
                let on_its_way = registered.promotion.as_ref().filter(|way| now < way.ends);
                // Who has to approve something has to see what it is.
                let approves = || {
                    let way = Target::Resource(Resource::Deployment(name.clone(), *version));
                    policy::permits(office.caller, Action::ApproveDeployment, &way, now)
                };
                if !(sees || on_its_way.is_some() && approves()) {
                    continue;
                }
                let is_own =
                    matches!(office.caller.id(), PrincipalId::User(user) if *user == registered.author);
                if sees && !(follows || is_own || registered.was_live) {
                    continue;
                }
                let is_live = record.live == Some(*version);
                let is_loaded = office.snapshot.model(name, Some(*version)).is_some();
                models.push(Listed {
                    model: name.clone(),
                    version: *version,
                    status: match (is_live, is_loaded, registered.was_live) {
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
                });
            }
        }
        Ok(Done::read(Models { models }))
    }
}
