//! The second person: a proposed binding is approved by somebody else, then applied.

use mantlet_types::{
    Action, Code, PrincipalId, Rejection, Resource, Timestamp,
    entry::{Event, Token},
};
use serde::{Deserialize, Serialize};

use super::{super::issue::conflict, Assigned, Binding, bind, bindable};
use crate::{
    administer::{Claims, Deed, Done, Office},
    directory::{Change, Directory, Grant},
    identity::Principal,
    policy::Target,
};

/// Approves a proposed binding.
#[derive(Clone, Copy, Debug)]
pub struct ApproveGrant {
    /// The grant's number.
    pub number: u64,
}

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

impl Deed for ApproveGrant {
    type Reply = Approved;

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
        claim(Action::ApproveChange, directory, self.number)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Approved>, Rejection> {
        let number = self.number;
        let mut grant = pending(&office.snapshot.directory, number)?.clone();
        bindable(office, &grant)?;
        let PrincipalId::User(approver) = office.caller.id() else { return Err(Code::Forbidden.into()) };
        if !grant.approved_by.insert(approver.clone()) {
            return Err(conflict(format!("`{approver}` has approved grant {number} already")));
        }
        let reply = Approved {
            grant: number,
            binding: Binding::of(&grant),
            expires: grant.expires,
            next: format!("mantlet role apply {number}"),
        };
        Ok(Done::changed(reply, vec![Change::PutGrant(number, grant)]))
    }
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
        claim(Action::Grant, directory, self.number)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Assigned>, Rejection> {
        let grant = pending(&office.snapshot.directory, self.number)?;
        bind(office, grant, Some(self.number))
    }
}

fn subject(number: u64) -> Option<Token> {
    Some(Token::of(&format!("grant/{number}")))
}

fn claim(action: Action, directory: &Directory, number: u64) -> Result<Claims, Rejection> {
    let project = pending(directory, number)?.project.clone();
    Ok(Claims::All(vec![(action, Target::Resource(Resource::Grant(project, number)))]))
}

fn pending(directory: &Directory, number: u64) -> Result<&Grant, Rejection> {
    directory.grants.get(&number).ok_or_else(|| Code::NotFound.into())
}
