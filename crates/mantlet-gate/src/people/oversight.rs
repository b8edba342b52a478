//! Whom a project cannot do without: somebody who runs it, and in a team somebody else who watches it.
//!
//! A duty is bound by two people, of whom one is the security person. Whoever took the last of them away, alone, would
//! end oversight for good: nobody could read the log, approve, or bring a successor in.

use mantlet_types::{ProjectId, Rejection, Role, UserId};

use super::issue::conflict;
use crate::{
    administer::Office,
    directory::{Directory, User},
};

/// Refuses to release the last enabled operator or, in a team, the last enabled security person of a project.
pub(super) fn check_not_last(
    office: &Office<'_>,
    id: &UserId,
    role: Role,
    project: &ProjectId,
) -> Result<(), Rejection> {
    if is_guarded(office, role) && is_last(&office.snapshot.directory, id, role, project) {
        let detail = format!("`{id}` is the last enabled {role} of `{project}`; bind another one first");
        return Err(conflict(detail));
    }
    Ok(())
}

/// The same for all that a person holds. Their projects may be unknown to the caller, so none is named.
pub(super) fn check_dispensable(office: &Office<'_>, id: &UserId, user: &User) -> Result<(), Rejection> {
    for (role, projects) in user.bindings.iter().filter(|(role, _)| is_guarded(office, **role)) {
        if projects.iter().any(|project| is_last(&office.snapshot.directory, id, *role, project)) {
            let detail =
                format!("`{id}` is the last enabled {role} of a project; bind another one there first");
            return Err(conflict(detail));
        }
    }
    Ok(())
}

/// Where one person is everything there is no oversight by another to protect.
fn is_guarded(office: &Office<'_>, role: Role) -> bool {
    role == Role::Operator || (role == Role::Security && !office.snapshot.settings.single_person)
}

fn is_last(directory: &Directory, id: &UserId, role: Role, project: &ProjectId) -> bool {
    let serves = |user: &User| !user.disabled && user.is_bound(role, project);
    directory.users.get(id).is_some_and(serves)
        && !directory.users.iter().any(|(other, user)| other != id && serves(user))
}
