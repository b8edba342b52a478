//! Deeds about roles: bound, revoked, approved, listed.
//!
//! A binding is (user, role, project). Outside a one-person home a duty needs three steps by two people: an operator
//! proposes, a security person approves, an operator applies. What Cedar cannot see is checked here: that a role
//! exists, and that one person holds at most one duty (invariant S10).

mod approval;
mod list;

use mantlet_types::{
    Action, Code, PrincipalId, ProjectId, Rejection, Resource, Role, Timestamp, UserId,
    entry::{Event, Token},
};
use serde::{Deserialize, Serialize};

pub(crate) use approval::approve;
pub use approval::{ApplyGrant, Approved};
pub use list::{Binding, ListRoles, PendingGrant, RoleList, RoleMatrix};

use super::{
    founding::home_project,
    issue::{conflict, handed_over_key},
    keys::on_project,
    oversight::check_not_last,
};
use crate::{
    administer::{Claims, Deed, Done, Office},
    approvals::APPROVAL_SECONDS,
    directory::{Change, Directory, Grant, User},
    identity::Principal,
    policy::{Target, handed_over},
};

/// A proposal that nobody applies within three days is void.
const GRANT_SECONDS: i64 = APPROVAL_SECONDS;

/// Proposals waiting in one home: far more than people can look at.
const GRANTS_MAX: usize = 1_024;

/// For what does not end.
const ENDLESS: Timestamp = Timestamp::from_micros(i64::MAX);

/// Whom to bind to what, or to release from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// The person.
    pub user: UserId,
    /// The role's name. An unknown one is refused with the known ones named.
    pub role: Box<str>,
    /// Where.
    pub project: ProjectId,
}

impl Assignment {
    fn role(&self) -> Result<Role, Rejection> {
        self.role
            .parse()
            .map_err(|unknown: mantlet_types::role::UnknownRole| Rejection::argument(unknown.to_string()))
    }

    fn subject(&self) -> Option<Token> {
        Some(Token::of(&format!("{}/{}", self.user, self.role)))
    }
}

/// Binds a person to a role, or proposes to where a second person has to approve.
#[derive(Clone, Debug)]
pub struct AssignRole(pub Assignment);

/// What came of an assignment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Assigned {
    /// The person is bound.
    Bound(Binding),
    /// It waits for approval.
    Pending {
        /// The grant's number.
        grant: u64,
        /// What it would bind.
        #[serde(flatten)]
        binding: Binding,
        /// After this it is void.
        expires: Timestamp,
        /// Which command a security person runs next.
        next: String,
    },
}

impl AssignRole {
    /// The assignment as a grant, and whether it waits for a second person.
    fn grant(&self, caller: &Principal) -> Result<(Grant, bool), Rejection> {
        let Assignment { user, project, .. } = &self.0;
        let role = self.0.role()?;
        let PrincipalId::User(proposer) = caller.id() else { return Err(Code::NotFound.into()) };
        let single_person = caller.snapshot().settings.single_person;
        // In a one-person home the one person approves, which the claims then ask leave for.
        let approved_by = (role.is_duty() && single_person).then(|| proposer.clone()).into_iter().collect();
        let grant = Grant {
            project: project.clone(),
            role,
            beneficiary: user.clone(),
            proposed_by: proposer.clone(),
            approved_by,
            expires: ENDLESS,
        };
        Ok((grant, role.is_duty() && !single_person))
    }
}

impl Deed for AssignRole {
    type Reply = Assigned;

    fn event(&self) -> Event {
        Event::RoleChange
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        self.0.subject()
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        let (grant, waits) = self.grant(caller)?;
        let approves = !grant.approved_by.is_empty();
        let joins = joining(directory, &grant)?;
        let target = Target::Grant(0, grant);
        let mut claims = match (waits, approves) {
            (true, _) => vec![(Action::ProposeChange, target)],
            (false, true) => vec![(Action::Grant, target.clone()), (Action::ApproveChange, target)],
            (false, false) => vec![(Action::Grant, target)],
        };
        claims.extend(joins);
        Ok(Claims::All(claims))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Assigned>, Rejection> {
        let (grant, waits) = self.grant(office.caller)?;
        if waits { propose(office, grant) } else { bind(office, &grant, None) }
    }
}

/// Stores a proposal, and clears away those that are void.
fn propose(office: &Office<'_>, grant: Grant) -> Result<Done<Assigned>, Rejection> {
    let directory = &office.snapshot.directory;
    let now = office.gate.now();
    bindable(office, &grant)?;
    let (void, waiting): (Vec<_>, Vec<_>) =
        directory.grants.iter().partition(|(_, grant)| grant.expires <= now);
    if let Some((number, _)) = waiting.iter().find(|(_, other)| same_binding(other, &grant)) {
        return Err(conflict(format!("this is proposed already, as grant {number}")));
    }
    if waiting.len() >= GRANTS_MAX {
        return Err(conflict(format!("{GRANTS_MAX} grants wait already; apply some, or let them end")));
    }
    let grant = Grant { expires: now.plus_seconds(GRANT_SECONDS), ..grant };
    let number = new_number(directory)?;
    let reply = Assigned::Pending {
        grant: number,
        binding: Binding::of(&grant),
        expires: grant.expires,
        next: format!("mantlet --as DIR role approve {number}"),
    };
    let mut changes: Vec<Change> = void.into_iter().map(|(number, _)| Change::RemoveGrant(*number)).collect();
    changes.push(Change::PutGrant(number, grant));
    Ok(Done::changed(reply, changes))
}

/// Numbers are drawn, so that none is used twice whatever the clock does and whatever was there before: who approves a
/// number means the grant they looked at, not one that took its place.
pub(crate) fn new_number(directory: &Directory) -> Result<u64, Rejection> {
    let mut random = [0; 4];
    aws_lc_rs::rand::fill(&mut random)
        .map_err(|_| Rejection::unavailable("the system's random number generator failed"))?;
    // Ten digits at most: people type them.
    let number = u64::from(u32::from_be_bytes(random));
    if directory.grants.contains_key(&number) || directory.proposals.contains_key(&number) {
        return Err(Rejection::unavailable("a number was drawn twice"));
    }
    Ok(number)
}

fn same_binding(one: &Grant, other: &Grant) -> bool {
    (&one.beneficiary, one.role, &one.project) == (&other.beneficiary, other.role, &other.project)
}

/// Binds, and removes the grant that this was, if it was one.
fn bind(office: &Office<'_>, grant: &Grant, number: Option<u64>) -> Result<Done<Assigned>, Rejection> {
    let mut user = bindable(office, grant)?.clone();
    // INVARIANT (bindings-within-projects): whoever is bound in a project belongs to it.
    user.projects.insert(grant.project.clone());
    user.bindings.entry(grant.role).or_default().insert(grant.project.clone());
    if grant.role == Role::Operator && user.ceiling.is_none() {
        // Nobody hands on more than they may give themselves.
        user.ceiling = caller(office).and_then(|caller| caller.ceiling.clone());
    }
    let reply = Assigned::Bound(Binding::of(grant));
    let mut changes = vec![Change::PutUser(grant.beneficiary.clone(), user)];
    changes.extend(number.map(Change::RemoveGrant));
    Ok(Done::changed(reply, changes))
}

fn caller<'a>(office: &'a Office<'_>) -> Option<&'a User> {
    match office.caller.id() {
        PrincipalId::User(id) => office.snapshot.directory.users.get(id),
        PrincipalId::Consumer(_) | PrincipalId::Component(_) => None,
    }
}

/// The person, if they exist and the role fits what they hold already.
fn bindable<'a>(office: &'a Office<'_>, grant: &Grant) -> Result<&'a User, Rejection> {
    let Grant { beneficiary, role, project, .. } = grant;
    let user = known(&office.snapshot.directory, beneficiary)?;
    if user.is_bound(*role, project) {
        return Err(conflict(format!("`{beneficiary}` is bound to `{role}` in `{project}` already")));
    }
    if office.snapshot.settings.single_person {
        return Ok(user);
    }
    if let Some(held) = barring(user, *role, project) {
        return Err(conflict(format!(
            "`{beneficiary}` is `{held}` in `{project}`, and nobody is `{held}` and `{role}` of one project: it needs \
             another person"
        )));
    }
    if !role.is_duty() {
        return Ok(user);
    }
    // The other duty may be in a project that the caller must not know of, so only its name is told.
    if let Some(held) = user.duties().find(|held| held != role) {
        return Err(conflict(format!(
            "`{beneficiary}` holds the duty `{held}`, and nobody holds two: `{role}` needs another person"
        )));
    }
    // Who handed the key over would hold the duty too.
    if let Some(kid) = handed_over_key(office, &PrincipalId::User(beneficiary.clone())) {
        return Err(conflict(handed_over(kid)));
    }
    Ok(user)
}

/// What a person holds in a project that keeps them from this role there: reviewers decide what the models that others made
/// were asked with keys that others handed out (policy `F29_reviewer`).
pub(crate) fn barring(user: &User, role: Role, project: &ProjectId) -> Option<Role> {
    const NO_REVIEWER: [Role; 3] = [Role::DataEngineer, Role::DataScientist, Role::Operator];
    let holds = |role: &Role| user.is_bound(*role, project);
    match role {
        Role::Reviewer => NO_REVIEWER.into_iter().find(holds),
        _ if NO_REVIEWER.contains(&role) => Some(Role::Reviewer).filter(holds),
        _ => None,
    }
}

/// Whoever does not belong to the project yet is brought in by those who manage the home's people: one project's
/// operators must not get a say over another project's people by themselves.
fn joining(directory: &Directory, grant: &Grant) -> Result<Option<(Action, Target)>, Rejection> {
    let user = directory.users.get(&grant.beneficiary);
    let belongs = user.is_some_and(|user| user.projects.contains(&grant.project));
    Ok(if belongs { None } else { Some(on_project(Action::ManageUsers, &home_project()?)) })
}

/// The first two duties of a user who holds more than one, which nobody may outside a one-person home (S10).
#[must_use]
pub fn conflicting_duties(user: &User) -> Option<[Role; 2]> {
    let mut duties = user.duties();
    Some([duties.next()?, duties.next()?])
}

/// Releases a person from a role.
#[derive(Clone, Debug)]
pub struct RevokeRole(pub Assignment);

impl Deed for RevokeRole {
    type Reply = Binding;

    fn event(&self) -> Event {
        Event::RoleChange
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        self.0.subject()
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        self.0.role()?;
        let project = Resource::Project(self.0.project.clone());
        Ok(Claims::All(vec![(Action::ManageUsers, Target::Resource(project))]))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Binding>, Rejection> {
        let role = self.0.role()?;
        let Assignment { user: id, project, .. } = self.0;
        let directory = &office.snapshot.directory;
        let mut user = known(directory, &id)?.clone();
        let bound = user.bindings.get_mut(&role).is_some_and(|bound| bound.remove(&project));
        if !bound {
            return Err(conflict(format!("`{id}` is not bound to `{role}` in `{project}`")));
        }
        check_not_last(office, &id, role, &project)?;
        user.bindings.retain(|_, bound| !bound.is_empty());
        if !user.bindings.contains_key(&Role::Operator) {
            // Whoever binds this person again decides anew how much they may give.
            user.ceiling = None;
        }
        let reply = Binding { user: id.clone(), role, project };
        Ok(Done::changed(reply, vec![Change::PutUser(id, user)]))
    }
}

fn known<'a>(directory: &'a Directory, id: &UserId) -> Result<&'a User, Rejection> {
    directory
        .users
        .get(id)
        .ok_or_else(|| Rejection::new(Code::NotFound).detailed(format!("there is no user `{id}`")))
}

#[cfg(test)]
mod tests;
