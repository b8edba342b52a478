//! Deeds about going live: requested, approved, activated, rolled back.
//!
//! ```text
//! registered → requested → approved → live → former
//! ```
//!
//! Outside a one-person home these are steps by different people: whoever registered a version, or made its data,
//! neither requests nor activates it, and whoever approves did none of these (policy F05, F06, F21). Only two things
//! change what is live: activating a deployment that is approved, by its own deed or as an [`update`], and rolling back to a
//! version that was live before.
//!
//! Who did what is taken from the directory, where the step before wrote it; a request names a version and nothing more.
//! The step is decided on the directory that it changes, under the lock of door 2, and what is live changes with the next
//! snapshot: a request sees the old version or the new one from its first step to its last.

mod stage;
pub mod update;

use mantlet_types::{
    Action, Code, ModelName, PrincipalId, Rejection, Resource, Role, UserId, Version,
    entry::{Event, Token},
};
pub use stage::Stage;

use crate::{
    administer::{Claims, Deed, Done, Office},
    approvals::{self, APPROVAL_SECONDS, Approvers, SignedApproval, Waiting},
    directory::{Change, DeploymentState, Directory, ModelRecord, Promotion, VersionRecord},
    identity::Principal,
    policy::Target,
    releases::{
        conditions,
        facts::{Milestone, Taken, taken},
    },
};

/// Who may know of a candidate that is not their own: those who take part in its way to production.
const TAKING_PART: [Role; 4] = [Role::DataScientist, Role::MlEngineer, Role::Security, Role::Admin];

/// A version, as steps name it.
#[derive(Clone, Debug)]
pub struct Way {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
}

/// Asks that a version go live.
#[derive(Clone, Debug)]
pub struct RequestDeployment(pub Way);

/// Makes it live.
#[derive(Clone, Debug)]
pub struct ActivateDeployment(pub Way);

/// Makes a version live again that was live before.
#[derive(Clone, Debug)]
pub struct RollBack {
    /// The model.
    pub model: ModelName,
    /// To which version; the one that was live before, unless said otherwise.
    pub version: Option<Version>,
}

impl Way {
    pub(crate) fn subject(&self) -> Option<Token> {
        Some(Token::of(&format!("{}@{}", self.model, self.version)))
    }

    /// The claim of whoever approves it.
    pub(crate) fn approval_claims(&self, caller: &Principal, directory: &Directory) -> Claims {
        self.claims(Action::ApproveDeployment, self.deployment(), caller, directory)
    }

    fn deployment(&self) -> Resource {
        Resource::Deployment(self.model.clone(), self.version)
    }

    /// The claim of a step, if the caller may know of the version at all.
    pub(crate) fn claims(
        &self,
        action: Action,
        of: Resource,
        caller: &Principal,
        directory: &Directory,
    ) -> Claims {
        let target = if self.is_known_to(caller, directory) { Target::Resource(of) } else { Target::Unknown };
        Claims::All(vec![(action, target)])
    }

    /// A candidate is nobody's business but of those who take part; what was live once, the catalog has shown.
    pub(crate) fn is_known_to(&self, caller: &Principal, directory: &Directory) -> bool {
        let PrincipalId::User(id) = caller.id() else { return false };
        let Some(model) = directory.models.get(&self.model) else { return false };
        let takes_part =
            |role: &Role| directory.users.get(id).is_some_and(|user| user.is_bound(*role, &model.project));
        let was_live = model.versions.get(&self.version).is_some_and(|record| record.was_live);
        was_live || TAKING_PART.iter().any(takes_part)
    }

    pub(crate) fn records<'a>(
        &self,
        directory: &'a Directory,
    ) -> Result<(&'a ModelRecord, &'a VersionRecord), Rejection> {
        let model = directory.models.get(&self.model).ok_or(Code::NotFound)?;
        let version = model.versions.get(&self.version).ok_or(Code::NotFound)?;
        Ok((model, version))
    }

    /// The change by which the version's way is as stated.
    fn put(&self, model: &ModelRecord, promotion: Promotion, step: Taken) -> Vec<Change> {
        let mut model = model.clone();
        if let Some(record) = model.versions.get_mut(&self.version) {
            record.promotion = Some(promotion);
        }
        model.took(self.version, step);
        vec![Change::PutModel(self.model.clone(), model)]
    }
}

impl Deed for RequestDeployment {
    type Reply = Stage;

    fn event(&self) -> Event {
        Event::ModelRequest
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        self.0.subject()
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        let of = Resource::ModelVersion(self.0.model.clone(), self.0.version);
        Ok(self.0.claims(Action::RequestDeployment, of, caller, directory))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Stage>, Rejection> {
        let way = self.0;
        let directory = &office.snapshot.directory;
        let (model, record) = way.records(directory)?;
        let now = office.gate.now();
        if model.live == Some(way.version) {
            return Err(conflict(format!("version {} of `{}` is live", way.version, way.model)));
        }
        check_fit(office, &way.model, way.version, record)?;
        // Approvals that count no more, because their givers lost the right, are no reason to wait until they end.
        let single_person = office.snapshot.settings.single_person;
        let approved = || {
            let waiting = Waiting::deployment(&way.model, way.version, model, record);
            waiting
                .is_some_and(|known| approvals::standing(directory, &known, single_person).next().is_some())
        };
        let stands = |known: &&Promotion| {
            now < known.ends && (known.state() == DeploymentState::Requested || approved())
        };
        if let Some(known) = record.promotion.as_ref().filter(stands) {
            let (state, by) = (known.state().as_str(), &known.requested_by);
            return Err(conflict(format!(
                "it is {state} already, by request of `{by}`, until {}",
                known.ends
            )));
        }
        let promotion = Promotion {
            digest: record.digest,
            requested_by: user(office.caller)?,
            requested: now,
            approved_by: Approvers::new(),
            ends: now.plus_seconds(APPROVAL_SECONDS),
            compared: None,
            conditions: conditions::in_force(office, &way.model),
            evaluations: record.facts.evaluations.iter().map(|evaluated| evaluated.report).collect(),
        };
        let step = taken(office, Milestone::Requested)?;
        let next = format!("mantlet --as DIR model approve {} {}", way.model, way.version);
        let reply =
            Stage::on_its_way(&way, &promotion, format!("a security person or another ML engineer: {next}"));
        Ok(Done::changed(reply, way.put(model, promotion, step)))
    }
}

/// Takes the caller's approval of a requested deployment.
pub(crate) fn approve(
    office: &Office<'_>,
    way: &Way,
    signed: Option<SignedApproval>,
) -> Result<Done<Stage>, Rejection> {
    let (model, record) = way.records(&office.snapshot.directory)?;
    // Policy has seen that it is requested, and not yet approved.
    let waiting = Waiting::deployment(&way.model, way.version, model, record)
        .filter(|waiting| waiting.approved_by.is_empty())
        .ok_or_else(|| conflict("nobody has requested it"))?;
    if office.gate.now() >= waiting.ends {
        return Err(conflict("the request has ended; it has to be requested again"));
    }
    let fresh = approvals::give(office, &waiting, signed)?;
    let mut promotion = record.promotion.clone().ok_or(Code::Conflict)?;
    promotion.approved_by.insert(fresh.approver, fresh.statement);
    promotion.ends = fresh.ends;
    let next = format!("mantlet --as DIR model promote {} {}", way.model, way.version);
    let reply = Stage::on_its_way(way, &promotion, format!("an ML engineer: {next}"));
    let step = taken(office, Milestone::Approved)?;
    let changes = fresh.changes.into_iter().chain(way.put(model, promotion, step)).collect();
    Ok(Done::changed(reply, changes))
}

impl Deed for ActivateDeployment {
    type Reply = Stage;

    fn event(&self) -> Event {
        Event::ModelActivate
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        self.0.subject()
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        Ok(self.0.claims(Action::ActivateDeployment, self.0.deployment(), caller, directory))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Stage>, Rejection> {
        let Way { model: name, version } = &self.0;
        let (model, record) = self.0.records(&office.snapshot.directory)?;
        check_fit(office, name, *version, record)?;
        let mut next = model.clone();
        next.put_live(*version, &taken(office, Milestone::Live)?);
        let then = match model.live {
            Some(_) => format!("should it not do: mantlet --as DIR model rollback {name}"),
            None => format!("an operator: mantlet key create --consumer APP --model {name}"),
        };
        let reply = Stage::live(name, *version, record.digest, model.live, then);
        Ok(Done::changed(reply, vec![Change::PutModel(name.clone(), next)]))
    }
}

impl RollBack {
    /// Where it goes. Where nothing was live before, policy is asked about what is live now, and the deed then says that
    /// there is nothing to go back to.
    fn way(&self, directory: &Directory) -> Option<Way> {
        let record = directory.models.get(&self.model)?;
        let version = self.version.or(record.former.last().copied()).or(record.live)?;
        Some(Way { model: self.model.clone(), version })
    }
}

impl Deed for RollBack {
    type Reply = Stage;

    fn event(&self) -> Event {
        Event::ModelRollback
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        Some(match self.version {
            Some(version) => Token::of(&format!("{}@{version}", self.model)),
            None => Token::of(self.model.as_str()),
        })
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        Ok(match self.way(directory) {
            Some(way) => way.claims(Action::Rollback, way.deployment(), caller, directory),
            None => Claims::All(vec![(Action::Rollback, Target::Unknown)]),
        })
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Stage>, Rejection> {
        let directory = &office.snapshot.directory;
        let way = self.way(directory).ok_or(Code::NotFound)?;
        let (model, record) = way.records(directory)?;
        if model.live == Some(way.version) {
            return Err(conflict(match self.version {
                Some(version) => format!("version {version} of `{}` is live", way.model),
                None => format!("no version of `{}` was live before; name one that was", way.model),
            }));
        }
        // What was rolled back from is not gone back to: that way is forward, and takes a second person again.
        if !model.former.contains(&way.version) {
            return Err(conflict(format!(
                "version {} of `{}` is not one that the live version followed; ask that it go live again",
                way.version, way.model
            )));
        }
        check_loaded(office, &way.model, way.version)?;
        let mut next = model.clone();
        next.roll_back(way.version, &taken(office, Milestone::Restored)?);
        let then = match model.live {
            Some(left) => format!("forward again: mantlet --as DIR model request {} {left}", way.model),
            None => format!("an operator: mantlet key create --consumer APP --model {}", way.model),
        };
        let reply = Stage::live(&way.model, way.version, record.digest, model.live, then);
        Ok(Done::changed(reply, vec![Change::PutModel(way.model.clone(), next)]))
    }
}

/// What goes live can answer, and is what the operator has said that it must be.
fn check_fit(
    office: &Office<'_>,
    model: &ModelName,
    version: Version,
    record: &VersionRecord,
) -> Result<(), Rejection> {
    if record.facts.retired.is_some() {
        return Err(conflict(format!("version {version} of `{model}` is retired")));
    }
    check_loaded(office, model, version)?;
    conditions::check(office, (model, version), record)
}

/// What cannot answer does not go live: the model would be gone for everybody who asks it.
fn check_loaded(office: &Office<'_>, model: &ModelName, version: Version) -> Result<(), Rejection> {
    if office.snapshot.model(model, Some(version)).is_some() {
        return Ok(());
    }
    Err(conflict(format!("version {version} of `{model}` could not be loaded; the server's log says why")))
}

fn user(caller: &Principal) -> Result<UserId, Rejection> {
    match caller.id() {
        PrincipalId::User(user) => Ok(user.clone()),
        PrincipalId::Consumer(_) | PrincipalId::Component(_) => Err(Code::Forbidden.into()),
    }
}

fn conflict(detail: impl Into<std::borrow::Cow<'static, str>>) -> Rejection {
    Rejection::new(Code::Conflict).detailed(detail)
}

#[cfg(test)]
pub(crate) mod tests;
