//! The second person: a proposed binding is approved by somebody else, then applied.

use mantlet_types::{
    Action, Code, Rejection, Resource, Timestamp,
    entry::{Event, Token},
};
use serde::{Deserialize, Serialize};

use super::{super::keys::unknown, Assigned, Binding, bind, bindable, joining};
use crate::{
    administer::{Claims, Deed, Done, Office},
    approvals::{self, SignedApproval, Waiting},
    directory::{Change, Directory, Grant},
    identity::Principal,
    policy::Target,
};

/// Makes an approved binding.
#[derive(Clone, Copy, Debug)]
pub struct ApplyGrant {
    /// The grant's number.
    pub number: u64,
}

/// An approval as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// The grant's number.
    pub grant: u64,
    /// What it will bind.
    #[serde(flatten)]
    pub binding: Binding,
    /// After this it is void.
    pub expires: Timestamp,
    /// Which command an operator runs next.
    pub next: String,
}

/// Takes the caller's approval of a proposed binding.
pub(crate) fn approve(
    office: &Office<'_>,
    number: u64,
    signed: Option<SignedApproval>,
) -> Result<Done<Approved>, Rejection> {
    let mut grant = pending(&office.snapshot.directory, number)?.clone();
    bindable(office, &grant)?;
    let fresh = approvals::give(office, &Waiting::grant(number, &grant), signed)?;
    grant.approved_by.insert(fresh.approver, fresh.statement);
    // What is approved does not outlast an approval of it.
    grant.expires = grant.expires.min(fresh.ends);
    let reply = Approved {
        grant: number,
        binding: Binding::of(&grant),
        expires: grant.expires,
        next: format!("mantlet role apply {number}"),
    };
    let changes = fresh.changes.into_iter().chain([Change::PutGrant(number, grant)]).collect();
    Ok(Done::changed(reply, changes))
}

impl Deed for ApplyGrant {
    type Reply = Assigned;

    fn event(&self) -> Event {
        Event::RoleChange
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        subject(self.number)
    }

    fn claims(&self, _: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        let Some(grant) = directory.grants.get(&self.number) else { return Ok(unknown(Action::Grant)) };
        let joins = joining(directory, grant)?;
        Ok(Claims::All([claim(Action::Grant, self.number, grant)].into_iter().chain(joins).collect()))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Assigned>, Rejection> {
        let grant = pending(&office.snapshot.directory, self.number)?;
        bind(office, grant, Some(self.number))
    }
}

fn subject(number: u64) -> Option<Token> {
    Some(Token::of(&format!("grant/{number}")))
}

fn claim(action: Action, number: u64, grant: &Grant) -> (Action, Target) {
    (action, Target::Resource(Resource::Grant(grant.project.clone(), number)))
}

fn pending(directory: &Directory, number: u64) -> Result<&Grant, Rejection> {
    directory.grants.get(&number).ok_or_else(|| Code::NotFound.into())
}
