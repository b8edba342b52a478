//! Retiring: a version is withdrawn for good. It answers nobody, its author included, nothing rolls back to it, no alias
//! names it, and it takes no place among a model's versions. Its record and its package stay, for whoever asks later what
//! answered then.
//!
//! An ML engineer may do it (`disable_model`), and an author with what never was live (`write_artifact`). What is live
//! first makes room, or is stopped: so nobody ends a model's service in passing. Break-glass stops models for a while and
//! retires none, so of everybody else a right is asked for that no emergency lends.

use mantlet_types::{
    Action, Code, PrincipalId, Rejection, Resource, Role,
    entry::{Event, Token},
};

use super::facts::{Milestone, Retired, taken};
use crate::{
    administer::{Claims, Deed, Done, Office},
    deployments::{Stage, Way},
    directory::{Change, Directory},
    identity::Principal,
    policy::Target,
};

/// Withdraws a version for good.
#[derive(Clone, Debug)]
pub struct RetireVersion(pub Way);

impl Deed for RetireVersion {
    type Reply = Stage;

    fn event(&self) -> Event {
        Event::ModelRetire
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        self.0.subject()
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        let Way { model: name, version } = &self.0;
        let model = directory.models.get(name);
        let record = model.and_then(|model| model.versions.get(version));
        let PrincipalId::User(id) = caller.id() else { return Err(Code::NotFound.into()) };
        let deploys = model
            .zip(directory.users.get(id))
            .is_some_and(|(model, user)| user.is_bound(Role::MlEngineer, &model.project));
        let own_candidate = record.is_some_and(|record| record.author == *id && !record.was_live);
        Ok(if own_candidate && !deploys {
            let own = Resource::ModelVersion(name.clone(), *version);
            self.0.claims(Action::WriteArtifact, own, caller, directory)
        } else if record.is_some() && !deploys {
            let version = Resource::ModelVersion(name.clone(), *version);
            self.0.claims(Action::RequestDeployment, version, caller, directory)
        } else if record.is_some() {
            self.0.claims(Action::DisableModel, Resource::Model(name.clone()), caller, directory)
        } else {
            Claims::All(vec![(Action::DisableModel, Target::Unknown)])
        })
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Stage>, Rejection> {
        let Way { model: name, version } = &self.0;
        let (model, record) = self.0.records(&office.snapshot.directory)?;
        let conflict = |detail: String| Rejection::new(Code::Conflict).detailed(detail);
        if let Some(known) = &record.facts.retired {
            return Err(conflict(format!("it was retired by `{}` at {}", known.by, known.at)));
        }
        let live = model.live == Some(*version);
        if live && model.disabled.is_none() {
            return Err(conflict(format!(
                "version {version} of `{name}` is live: put another in its place, roll back, or disable the model first"
            )));
        }
        let step = taken(office, Milestone::Retired)?;
        let mut next = model.clone();
        if live {
            next.live = None;
            next.disabled = None;
        }
        next.former.retain(|former| former != version);
        next.aliases.retain(|_, aliased| aliased.version != *version);
        if let Some(record) = next.versions.get_mut(version) {
            record.promotion = None;
            record.facts.retired = Some(Retired { by: step.by.clone(), at: step.at });
        }
        next.took(*version, step);
        let then = format!("see who did what: mantlet --as DIR model history {name}@{version}");
        let reply = Stage::retired(&self.0, record.digest, then);
        let changed = Done::changed(reply, vec![Change::PutModel(name.clone(), next)]);
        Ok(Done { unloaded: vec![(name.clone(), *version)], ..changed })
    }
}
