//! Stopping a model, and letting it answer again.
//!
//! A stopped model answers nobody: whoever may ask it gets 503, at once and over restarts, whichever version is live.
//! Candidates are not stopped, since they answer their authors alone. Letting it answer again brings back what was live,
//! which is what a rollback does, so it takes that right: an ML engineer's, or break-glass.

use mantlet_types::{
    Action, Code, ModelName, PrincipalId, Rejection, Resource, Timestamp, UserId, Version,
    entry::{Event, Token},
};
use serde::{Deserialize, Serialize};

use crate::{
    administer::{Claims, Deed, Done, Office},
    deployments::Way,
    directory::{Change, Directory, ModelRecord},
    identity::Principal,
    policy::Target,
};

/// That a model was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disabled {
    /// By whom.
    pub by: UserId,
    /// When.
    pub since: Timestamp,
}

/// Stops a model.
#[derive(Clone, Debug)]
pub struct DisableModel {
    /// Which.
    pub model: ModelName,
}

/// Lets a stopped model answer again.
#[derive(Clone, Debug)]
pub struct EnableModel {
    /// Which.
    pub model: ModelName,
}

/// How a model stands.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// Which.
    pub model: ModelName,
    /// The live version.
    pub version: Version,
    /// `disabled` or `live`.
    pub state: &'static str,
    /// What undoes it.
    pub next: String,
}

/// The claim on a model that answers, or is stopped; on any other there is nothing to stop.
fn claims(
    (action, model): (Action, &ModelName),
    of: impl FnOnce(Version) -> Resource,
    caller: &Principal,
    directory: &Directory,
) -> Claims {
    let record = directory.models.get(model);
    let version = record.and_then(|record| record.live.or(record.versions.keys().last().copied()));
    match version {
        Some(version) => Way { model: model.clone(), version }.claims(action, of(version), caller, directory),
        None => Claims::All(vec![(action, Target::Unknown)]),
    }
}

fn live<'a>(office: &'a Office<'_>, model: &ModelName) -> Result<(&'a ModelRecord, Version), Rejection> {
    let record = office.snapshot.directory.models.get(model).ok_or(Code::NotFound)?;
    let live = record.live.ok_or_else(|| conflict(format!("no version of `{model}` is live")))?;
    Ok((record, live))
}

fn conflict(detail: String) -> Rejection {
    Rejection::new(Code::Conflict).detailed(detail)
}

impl Deed for DisableModel {
    type Reply = Standing;

    fn event(&self) -> Event {
        Event::ModelDisable
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        Some(Token::of(self.model.as_str()))
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        let of = |_| Resource::Model(self.model.clone());
        Ok(claims((Action::DisableModel, &self.model), of, caller, directory))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Standing>, Rejection> {
        let (record, version) = live(office, &self.model)?;
        if let Some(known) = &record.disabled {
            return Err(conflict(format!("`{}` is disabled since {}", self.model, known.since)));
        }
        let PrincipalId::User(by) = office.caller.id() else { return Err(Code::Forbidden.into()) };
        let disabled = Some(Disabled { by: by.clone(), since: office.gate.now() });
        tracing::warn!(model = %self.model, %by, "a model was disabled");
        let next = format!("an ML engineer: mantlet --as DIR model enable {}", self.model);
        let reply = Standing { model: self.model.clone(), version, state: "disabled", next };
        let record = ModelRecord { disabled, ..record.clone() };
        Ok(Done::changed(reply, vec![Change::PutModel(self.model, record)]))
    }
}

impl Deed for EnableModel {
    type Reply = Standing;

    fn event(&self) -> Event {
        Event::ModelEnable
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        Some(Token::of(self.model.as_str()))
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        let of = |version| Resource::Deployment(self.model.clone(), version);
        Ok(claims((Action::Rollback, &self.model), of, caller, directory))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Standing>, Rejection> {
        let (record, version) = live(office, &self.model)?;
        if record.disabled.is_none() {
            return Err(conflict(format!("`{}` is not disabled", self.model)));
        }
        let next = format!("to stop it: mantlet --as DIR model disable {}", self.model);
        let reply = Standing { model: self.model.clone(), version, state: "live", next };
        let record = ModelRecord { disabled: None, ..record.clone() };
        Ok(Done::changed(reply, vec![Change::PutModel(self.model, record)]))
    }
}
