//! Who is bound to what, what waits for approval, and what each role may do.

use std::collections::BTreeSet;

use mantlet_types::{Action, Code, ProjectId, Rejection, Resource, Role, Timestamp, UserId, entry::Event};
use serde::{Deserialize, Serialize};

use crate::{
    administer::{Claims, Deed, Done, Office},
    changes::{Running, running},
    directory::{Directory, Grant},
    identity::Principal,
    policy::{Cell, Target, permits},
};

/// A person bound to a role in a project.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Binding {
    /// The person.
    pub user: UserId,
    /// The role.
    pub role: Role,
    /// Where.
    pub project: ProjectId,
}

impl Binding {
    /// What a grant binds.
    pub(super) fn of(grant: &Grant) -> Self {
        Self { user: grant.beneficiary.clone(), role: grant.role, project: grant.project.clone() }
    }
}

/// A binding that waits for a second person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingGrant {
    /// Its number.
    pub grant: u64,
    /// What it would bind.
    #[serde(flatten)]
    pub binding: Binding,
    /// By whom it was proposed.
    pub proposed_by: UserId,
    /// By whom it was approved.
    pub approved_by: BTreeSet<UserId>,
    /// After this it is void.
    pub expires: Timestamp,
}

/// Bindings and pending grants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleList {
    /// By person, role and project.
    pub bindings: Vec<Binding>,
    /// By number.
    pub pending: Vec<PendingGrant>,
    /// Leave to stop models that is not over, by person.
    pub break_glass: Vec<Running>,
}

/// Lists the bindings and pending grants of the projects that the caller operates or oversees.
#[derive(Clone, Copy, Debug)]
pub struct ListRoles;

impl Deed for ListRoles {
    type Reply = RoleList;

    fn event(&self) -> Event {
        Event::UserRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::PerItem)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<RoleList>, Rejection> {
        let directory = &office.snapshot.directory;
        let visible = visible_projects(office);
        let now = office.gate.now();
        let mut bindings: Vec<Binding> =
            all_bindings(directory).filter(|binding| visible.contains(&binding.project)).collect();
        bindings.sort_unstable();
        let pending = directory
            .grants
            .iter()
            .filter(|(_, grant)| visible.contains(&grant.project) && grant.expires > now)
            .map(|(number, grant)| PendingGrant {
                grant: *number,
                binding: Binding::of(grant),
                proposed_by: grant.proposed_by.clone(),
                approved_by: grant.approved_by.names(),
                expires: grant.expires,
            })
            .collect();
        let mut break_glass = running(directory, now);
        break_glass.retain(|running| visible.contains(&running.project));
        Ok(Done::read(RoleList { bindings, pending, break_glass }))
    }
}

fn all_bindings(directory: &Directory) -> impl Iterator<Item = Binding> {
    directory.users.iter().flat_map(|(id, user)| {
        user.bindings.iter().flat_map(move |(role, projects)| {
            projects.iter().map(move |project| Binding {
                user: id.clone(),
                role: *role,
                project: project.clone(),
            })
        })
    })
}

/// The projects whose people the caller manages or whose log the caller reads.
fn visible_projects(office: &Office<'_>) -> BTreeSet<ProjectId> {
    let now = office.gate.now();
    let may = |action, resource| permits(office.caller, action, &Target::Resource(resource), now);
    let visible = |project: &&ProjectId| {
        may(Action::ManageUsers, Resource::Project((*project).clone()))
            || may(Action::ReadAudit, Resource::AuditLog((*project).clone()))
    };
    office.snapshot.directory.projects.iter().filter(visible).cloned().collect()
}

/// Computes what each role may do, and by which policy; for whoever operates or oversees any project.
#[derive(Clone, Copy, Debug)]
pub struct RoleMatrix;

impl Deed for RoleMatrix {
    type Reply = Vec<Cell>;

    fn event(&self) -> Event {
        Event::UserRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::PerItem)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Vec<Cell>>, Rejection> {
        if visible_projects(office).is_empty() {
            return Err(Code::NotFound.into());
        }
        Ok(Done::read(office.snapshot.policy.matrix()))
    }
}
