//! Changes that one person proposes, another approves and somebody applies: of policy, and break-glass.
//!
//! ```text
//! proposed → approved (signed) → applied
//! ```
//!
//! A proposal names everything that applying it will do; applying takes a number and nothing more. Which people may take
//! which step is policy's (F11, F23–F25, P22), and what an approval is, [`crate::approvals`] says.

mod break_glass;
mod policies;
mod record;

use mantlet_types::{Action, Code, PrincipalId, Rejection, Resource, UserId};
use serde::Serialize;

pub(crate) use self::policies::difference;
pub use self::{
    break_glass::{ApplyBreakGlass, BREAK_GLASS_SECONDS, Began, RequestBreakGlass, Running, running},
    policies::{
        Applied, ApplyPolicies, InForce, ListPolicies, Listed, ProposePolicies, ShowPolicies, TestPolicies,
    },
    record::{BreakGlass, PolicyFile, Proposal, Proposed, Reason, UnknownReason},
};
use crate::{
    administer::{Claims, Done, Office},
    approvals::{self, Item, SignedApproval, Waiting},
    directory::{Change, Directory},
    policy::Target,
};
use mantlet_types::Timestamp;

/// Proposals waiting in one home: far more than people can look at.
const PROPOSALS_MAX: usize = 256;

/// How far a proposal is.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// Its number.
    pub change: u64,
    /// `policy` or `break_glass`.
    pub kind: &'static str,
    /// `pending` or `approved`.
    pub state: &'static str,
    /// What it will do.
    pub what: String,
    /// From here on it is void.
    pub expires: Timestamp,
    /// Which command comes next, and whose it is.
    pub next: String,
}

impl Stage {
    fn of(number: u64, proposal: &Proposal) -> Self {
        let item = proposal.what.item(number);
        let approved = !proposal.approved_by.is_empty();
        Self {
            change: number,
            kind: item.kind().as_str(),
            state: if approved { "approved" } else { "pending" },
            what: Waiting::proposal(number, proposal).what(),
            expires: proposal.expires,
            next: if approved {
                proposal.what.to_apply(number)
            } else {
                format!("a security person: mantlet --as DIR approve sign {number}")
            },
        }
    }
}

/// Stores a proposal, and clears away those that are void.
fn propose(office: &Office<'_>, proposal: Proposal) -> Result<Done<Stage>, Rejection> {
    let directory = &office.snapshot.directory;
    let now = office.gate.now();
    let (void, waiting): (Vec<_>, Vec<_>) =
        directory.proposals.iter().partition(|(_, other)| other.expires <= now);
    let same = |other: &Proposal| other.project == proposal.project && other.what == proposal.what;
    if let Some((number, _)) = waiting.iter().find(|(_, other)| same(other)) {
        return Err(conflict(format!("this is proposed already, as change {number}")));
    }
    if waiting.len() >= PROPOSALS_MAX {
        return Err(conflict(format!("{PROPOSALS_MAX} changes wait already; apply some, or let them end")));
    }
    let number = crate::people::roles::new_number(directory)?;
    let reply = Stage::of(number, &proposal);
    let mut changes: Vec<Change> =
        void.into_iter().map(|(number, _)| Change::RemoveProposal(*number)).collect();
    changes.push(Change::PutProposal(number, proposal));
    Ok(Done::changed(reply, changes))
}

/// Takes the caller's approval of a proposal.
pub(crate) fn approve(
    office: &Office<'_>,
    number: u64,
    signed: Option<SignedApproval>,
) -> Result<Done<Stage>, Rejection> {
    let directory = &office.snapshot.directory;
    let mut proposal = directory.proposals.get(&number).ok_or(Code::NotFound)?.clone();
    let fresh = approvals::give(office, &Waiting::proposal(number, &proposal), signed)?;
    proposal.approved_by.insert(fresh.approver, fresh.statement);
    // What is approved does not outlast an approval of it.
    proposal.expires = proposal.expires.min(fresh.ends);
    let reply = Stage::of(number, &proposal);
    let changes = fresh.changes.into_iter().chain([Change::PutProposal(number, proposal)]).collect();
    Ok(Done::changed(reply, changes))
}

/// The claim of whoever applies a proposal that is the item named; one of another kind is none.
fn apply_claims(directory: &Directory, item: &Item, number: u64) -> Claims {
    let known = directory.proposals.get(&number).filter(|proposal| proposal.what.item(number) == *item);
    let target = match known {
        Some(proposal) => Target::Resource(Resource::Change(proposal.project.clone(), number)),
        None => Target::Unknown,
    };
    Claims::All(vec![(Action::ApplyChange, target)])
}

fn user(caller: &PrincipalId) -> Result<UserId, Rejection> {
    match caller {
        PrincipalId::User(user) => Ok(user.clone()),
        PrincipalId::Consumer(_) | PrincipalId::Component(_) => Err(Code::NotFound.into()),
    }
}

fn conflict(detail: impl Into<std::borrow::Cow<'static, str>>) -> Rejection {
    Rejection::new(Code::Conflict).detailed(detail)
}

#[cfg(test)]
mod tests;
