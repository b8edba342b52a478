//! Deeds about people: invited, listed, disabled, enabled, and their second factors. What they may do is the business
//! of roles.

mod certificates;
mod standing;

use std::collections::{BTreeMap, BTreeSet};

use mantlet_types::{
    Action, Kid, PrincipalId, ProjectId, Rejection, Role, Sha256, UserId,
    entry::{Event, Token},
};
use serde::{Deserialize, Serialize};

pub use self::{
    certificates::{AddCertificate, CertificateRequest, Certificates, WithdrawCertificate},
    standing::{DisableUser, EnableUser},
};
use super::{
    issue::{Draft, IssuedKey, conflict, drawn_kid, issue, lifetime},
    keys::on_project,
};
use crate::{
    administer::{Claims, Deed, Done, Office},
    directory::{Change, Directory, User},
    identity::{Principal, key::Env},
    policy,
};

/// A person as invited.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// The name. Names are not used twice: the log must mean one person by one name.
    pub user: UserId,
    /// Where the person belongs.
    pub project: ProjectId,
    /// SHA-256 of the DER of the user certificate that is the person's second factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Sha256>,
    /// Days until the key ends, 1 to 365; 90 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_days: Option<u32>,
}

/// Adds a person, without any role, and makes the personal key.
pub struct InviteUser {
    invitation: Invitation,
    // Drawn beforehand, so that the intent in the log names it.
    kid: Kid,
}

impl InviteUser {
    /// The deed for an invitation.
    ///
    /// # Errors
    /// 503 without randomness.
    pub fn new(invitation: Invitation) -> Result<Self, Rejection> {
        Ok(Self { invitation, kid: drawn_kid()? })
    }
}

impl Deed for InviteUser {
    type Reply = IssuedKey;

    fn event(&self) -> Event {
        Event::UserChange
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        Some(Token::of(&format!("user:{}/{}", self.invitation.user, self.kid)))
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::All(vec![on_project(Action::ManageUsers, &self.invitation.project)]))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<IssuedKey>, Rejection> {
        let Invitation { user: id, project, certificate, expires_in_days } = self.invitation;
        let directory = &office.snapshot.directory;
        if directory.users.contains_key(&id) {
            return Err(conflict(format!("the name `{id}` is taken")));
        }
        if let Some(digest) = &certificate {
            certificates::check_free(directory, &id, digest)?;
        }
        let user = User {
            projects: BTreeSet::from([project]),
            certificates: certificate.into_iter().collect(),
            ..User::default()
        };
        let draft = Draft {
            kid: self.kid,
            env: Env::Live,
            owner: PrincipalId::User(id.clone()),
            expires: lifetime(expires_in_days, office)?,
            networks: Vec::new(),
        };
        let (issued, key) = issue(office, draft)?;
        Ok(Done::changed(issued, vec![Change::PutUser(id, user), key]))
    }
}

/// Lists people: those of projects whose people the caller manages, and oneself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListUsers {
    /// Of this project only.
    #[serde(default)]
    pub project: Option<ProjectId>,
}

/// A person, as far as the caller may know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserInfo {
    /// The name.
    pub user: UserId,
    /// Whether everything is denied to them.
    pub disabled: bool,
    /// Those of the person's projects that the caller may know of.
    pub projects: BTreeSet<ProjectId>,
    /// Role bindings in these projects.
    pub roles: BTreeMap<Role, BTreeSet<ProjectId>>,
    /// Whether there is a second factor.
    pub certificate: bool,
    /// SHA-256 of the DER of each certificate that is one.
    #[serde(default)]
    pub certificates: BTreeSet<Sha256>,
}

impl Deed for ListUsers {
    type Reply = Vec<UserInfo>;

    fn event(&self) -> Event {
        Event::UserRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::PerItem)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Vec<UserInfo>>, Rejection> {
        let now = office.gate.now();
        let directory = &office.snapshot.directory;
        let managed: BTreeSet<&ProjectId> = directory
            .projects
            .iter()
            .filter(|project| {
                let (action, target) = on_project(Action::ManageUsers, project);
                policy::permits(office.caller, action, &target, now)
            })
            .collect();
        let is_caller = |id: &UserId| matches!(office.caller.id(), PrincipalId::User(own) if own == id);
        let mut listed: Vec<UserInfo> = directory
            .users
            .iter()
            .map(|(id, user)| {
                let own = is_caller(id);
                info(id, user, |project| {
                    let asked = self.project.as_ref().is_none_or(|asked| asked == project);
                    asked && (own || managed.contains(project))
                })
            })
            .filter(|info| !info.projects.is_empty() || (is_caller(&info.user) && self.project.is_none()))
            .collect();
        listed.sort_by(|a, b| a.user.cmp(&b.user));
        Ok(Done::read(listed))
    }
}

fn info(id: &UserId, user: &User, visible: impl Fn(&ProjectId) -> bool) -> UserInfo {
    let shown = |projects: &BTreeSet<ProjectId>| -> BTreeSet<ProjectId> {
        projects.iter().filter(|project| visible(project)).cloned().collect()
    };
    let roles = user.bindings.iter().map(|(role, projects)| (*role, shown(projects)));
    UserInfo {
        user: id.clone(),
        disabled: user.disabled,
        projects: shown(&user.projects),
        roles: roles.filter(|(_, projects)| !projects.is_empty()).collect(),
        certificate: !user.certificates.is_empty(),
        certificates: user.certificates.clone(),
    }
}

#[cfg(test)]
mod tests;
