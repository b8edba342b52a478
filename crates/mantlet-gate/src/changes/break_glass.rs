//! Break-glass: for a quarter of an hour a person may stop models of a project, and roll them back, without the duty for
//! it.
//!
//! For the night on which a model does harm and nobody who deploys is awake. It takes an operator's or ML engineer's
//! request, a security person's signed approval, and somebody to apply it; it lifts no `forbid` (P23), ends by itself, and
//! is loud: an event of its own, a line in the server's log, a metric, and a place at the top of every list.

use mantlet_types::{
    Action, Code, ProjectId, Rejection, Role, Timestamp, UserId,
    entry::{Event, Token},
};
use serde::{Deserialize, Serialize};

use super::{Proposal, Proposed, Reason, Stage, apply_claims, conflict, propose, record::BreakGlass, user};
use crate::{
    administer::{Claims, Deed, Done, Office},
    approvals::{Approvers, Item, Waiting, standing},
    directory::{Change, Directory, User},
    identity::Principal,
    policy::Target,
};

/// How long it lasts, in seconds.
pub const BREAK_GLASS_SECONDS: i64 = 15 * 60;

/// A request that nobody approves and begins within an hour is void: it was about tonight.
const REQUEST_SECONDS: i64 = 3_600;

/// Duties that must not release anything, break-glass or not (F08).
const NEVER_RELEASE: [Role; 3] = [Role::DataEngineer, Role::DataScientist, Role::Security];

/// Asks for break-glass.
#[derive(Clone, Debug)]
pub struct RequestBreakGlass {
    /// Where.
    pub project: ProjectId,
    /// For whom; for oneself unless said otherwise.
    pub beneficiary: Option<UserId>,
    /// Why.
    pub reason: Reason,
}

impl RequestBreakGlass {
    fn proposal(&self, caller: &Principal, now: Timestamp) -> Result<Proposal, Rejection> {
        let proposed_by = user(caller.id())?;
        let beneficiary = self.beneficiary.clone().unwrap_or_else(|| proposed_by.clone());
        Ok(Proposal {
            project: self.project.clone(),
            proposed_by,
            proposed: now,
            approved_by: Approvers::new(),
            expires: now.plus_seconds(REQUEST_SECONDS),
            what: Proposed::BreakGlass { beneficiary, reason: self.reason },
        })
    }
}

impl Deed for RequestBreakGlass {
    type Reply = Stage;

    fn event(&self) -> Event {
        Event::BreakGlass
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        Some(Token::of(self.reason.as_str()))
    }

    fn claims(&self, caller: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        // When it was proposed is nothing that leave depends on.
        let proposal = self.proposal(caller, Timestamp::from_micros(0))?;
        Ok(Claims::All(vec![(Action::ProposeChange, Target::Change(0, Box::new(proposal)))]))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Stage>, Rejection> {
        let proposal = self.proposal(office.caller, office.gate.now())?;
        beneficiary(office, &proposal)?;
        propose(office, proposal)
    }
}

/// The person, if break-glass would be of any use to them.
fn beneficiary<'a>(
    office: &'a Office<'_>,
    proposal: &Proposal,
) -> Result<(UserId, &'a User, Reason), Rejection> {
    let Proposed::BreakGlass { beneficiary: id, reason } = &proposal.what else {
        return Err(Code::NotFound.into());
    };
    let known = office.snapshot.directory.users.get(id);
    let user = known.filter(|user| !user.disabled && user.projects.contains(&proposal.project));
    let user = user.ok_or_else(|| {
        let detail = format!("there is no enabled user `{id}` in `{}`", proposal.project);
        Rejection::new(Code::NotFound).detailed(detail)
    })?;
    let barred = user.duties().find(|duty| NEVER_RELEASE.contains(duty));
    if let Some(duty) = barred.filter(|_| !office.snapshot.settings.single_person) {
        return Err(conflict(format!(
            "`{id}` holds the duty `{duty}`, which releases nothing (F08_no_release)"
        )));
    }
    Ok((id.clone(), user, *reason))
}

/// Begins break-glass that was approved.
#[derive(Clone, Copy, Debug)]
pub struct ApplyBreakGlass {
    /// The change's number.
    pub number: u64,
}

/// Break-glass has begun.
#[derive(Clone, Debug, Serialize)]
pub struct Began {
    /// What runs.
    #[serde(flatten)]
    pub running: Running,
    /// What can be done with it.
    pub next: String,
}

impl Deed for ApplyBreakGlass {
    type Reply = Began;

    fn event(&self) -> Event {
        Event::BreakGlass
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        Some(Item::BreakGlass(self.number).token())
    }

    fn claims(&self, _: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        Ok(apply_claims(directory, &Item::BreakGlass(self.number), self.number))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Began>, Rejection> {
        let (number, directory) = (self.number, &office.snapshot.directory);
        let proposal = directory.proposals.get(&number).ok_or(Code::NotFound)?;
        let (id, user, reason) = beneficiary(office, proposal)?;
        let waiting = Waiting::proposal(number, proposal);
        let single_person = office.snapshot.settings.single_person;
        let glass = BreakGlass {
            change: number,
            project: proposal.project.clone(),
            reason,
            until: office.gate.now().plus_seconds(BREAK_GLASS_SECONDS),
            approved_by: standing(directory, &waiting, single_person).cloned().collect(),
        };
        let running = Running::of(&id, &glass);
        tracing::warn!(
            user = %id, project = %glass.project, %reason, until = %glass.until, change = number,
            "break-glass has begun"
        );
        let user = User { break_glass: Some(glass), ..user.clone() };
        let next = format!("until then, {id}: mantlet --as DIR model disable MODEL, or model rollback MODEL");
        let changes = vec![Change::PutUser(id, user), Change::RemoveProposal(number)];
        Ok(Done::changed(Began { running, next }, changes))
    }
}

/// Break-glass that is not over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Whose.
    pub user: UserId,
    /// Where.
    pub project: ProjectId,
    /// Why.
    pub reason: Reason,
    /// Who approved it.
    pub approved_by: std::collections::BTreeSet<UserId>,
    /// From here on it is over.
    pub until: Timestamp,
}

impl Running {
    fn of(user: &UserId, glass: &BreakGlass) -> Self {
        Self {
            user: user.clone(),
            project: glass.project.clone(),
            reason: glass.reason,
            approved_by: glass.approved_by.clone(),
            until: glass.until,
        }
    }
}

/// All break-glass that is not over, by person.
#[must_use]
pub fn running(directory: &Directory, now: Timestamp) -> Vec<Running> {
    let glass = |(id, user): (&UserId, &User)| {
        let glass = user.break_glass.as_ref().filter(|glass| now < glass.until)?;
        Some(Running::of(id, glass))
    };
    let mut running: Vec<Running> = directory.users.iter().filter_map(glass).collect();
    running.sort_unstable_by(|one, other| one.user.cmp(&other.user));
    running
}
