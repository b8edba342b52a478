//! Deeds about keys: made, listed, replaced, revoked. What a key may do is its owner's matter; what it is, is here.

mod create;
mod list;
mod revoke;
mod rotate;

use mantlet_types::{Action, Code, PrincipalId, ProjectId, Rejection, Resource, UserId};

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

/// The claims on managing a person: the right to do so in every project that the person belongs to, because a person's
/// key and standing are the same in all of them.
pub(super) fn on_user(directory: &Directory, user: &UserId) -> Result<Claims, Rejection> {
    let projects = &directory.users.get(user).ok_or(Code::NotFound)?.projects;
    let claims = projects.iter().map(|project| on_project(Action::ManageUsers, project)).collect();
    // Who belongs nowhere is the home's business.
    let nowhere = || Ok::<_, Rejection>(vec![on_project(Action::ManageUsers, &home_project()?)]);
    Ok(Claims::All(if projects.is_empty() { nowhere()? } else { claims }))
}

/// Whether the caller is the person whose key this is.
fn is_own(caller: &Principal, owner: &PrincipalId) -> bool {
    matches!(owner, PrincipalId::User(_)) && caller.id() == owner
}

#[cfg(test)]
mod tests;
