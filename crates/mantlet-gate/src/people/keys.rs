//! Deeds about keys: made, listed, replaced, revoked. What a key may do is its owner's matter; what it is, is here.

mod create;
mod list;
mod revoke;
mod rotate;

use mantlet_types::{Action, PrincipalId, ProjectId, Rejection, Resource, Role, UserId};

pub use self::{
    create::{CreateKey, KeyRequest},
    list::{KeyInfo, KeyPhase, ListKeys},
    revoke::{RevokeKey, Revoked},
    rotate::{RotateKey, RotateRequest, Which},
};
use super::founding::home_project;
use crate::{administer::Claims, directory::Directory, identity::Principal, policy::Target};

/// A claim on a project as a whole.
pub(super) fn on_project(action: Action, project: &ProjectId) -> (Action, Target) {
    (action, Target::Resource(Resource::Project(project.clone())))
}

/// A claim on what is not there: denied, like what may not be known.
pub(super) fn unknown(action: Action) -> Claims {
    Claims::All(vec![(action, Target::Unknown)])
}

/// The claims on what a person gains by: the right to manage people in every project that the person belongs to, because
/// a key opens all of them.
pub(super) fn on_user(directory: &Directory, user: &UserId) -> Result<Claims, Rejection> {
    let Some(user) = directory.users.get(user) else { return Ok(unknown(Action::ManageUsers)) };
    let claims = user.projects.iter().map(|project| on_project(Action::ManageUsers, project)).collect();
    // Who belongs nowhere is the home's business.
    let nowhere = || Ok::<_, Rejection>(vec![on_project(Action::ManageUsers, &home_project()?)]);
    Ok(Claims::All(if user.projects.is_empty() { nowhere()? } else { claims }))
}

/// The claim on what only takes from a person: the right to manage people in one of the person's projects, or in the
/// home. Nobody is shielded from one project's operators by belonging to another too.
pub(super) fn on_user_anywhere(
    caller: &Principal,
    directory: &Directory,
    user: &UserId,
) -> Result<Claims, Rejection> {
    let Some(user) = directory.users.get(user) else { return Ok(unknown(Action::ManageUsers)) };
    let home = home_project()?;
    let caller = match caller.id() {
        PrincipalId::User(id) => directory.users.get(id),
        PrincipalId::Consumer(_) | PrincipalId::Component(_) => None,
    };
    // Which of the projects is asked about; the decision itself is policy's.
    let standing = |project: &&ProjectId| {
        caller.map(|caller| (caller.is_bound(Role::Operator, project), caller.projects.contains(*project)))
    };
    let operated = Some(&home).filter(|home| standing(home).is_some_and(|(operates, _)| operates));
    let project = user.projects.iter().chain(operated).max_by_key(standing).unwrap_or(&home);
    Ok(Claims::All(vec![on_project(Action::ManageUsers, project)]))
}

/// Whether the caller is the person whom this is about. A key that is confined to being replaced does not say so.
pub(super) fn is_own(caller: &Principal, owner: &PrincipalId) -> bool {
    matches!(owner, PrincipalId::User(_)) && caller.id() == owner && caller.confined().is_none()
}

#[cfg(test)]
mod tests;
