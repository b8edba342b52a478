//! Deeds about projects: made. What is in one is unknown to whoever belongs to others only.

use mantlet_types::{
    Action, Code, PrincipalId, ProjectId, Rejection, Role, UserId,
    entry::{Event, Token},
};
use serde::{Deserialize, Serialize};

use super::{founding::home_project, issue::conflict, keys::on_project};
use crate::{
    administer::{Claims, Deed, Done, Office},
    directory::{Change, Directory},
    identity::Principal,
};

/// Projects of one home: each costs every list and every snapshot a little.
const PROJECTS_MAX: usize = 256;

/// Makes a project, with its maker as its operator and the home's security people as its own.
///
/// Somebody has to be the first in a project, because every binding of a duty there takes an operator and a security
/// person of the project. It is those who run and oversee the home already: nobody gets a duty that they did not hold,
/// and no ceiling changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateProject {
    /// Its name.
    pub project: ProjectId,
}

/// A project as made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectInfo {
    /// Its name.
    pub project: ProjectId,
    /// Who operates it.
    pub operators: Vec<UserId>,
    /// Who oversees it.
    pub security: Vec<UserId>,
}

impl Deed for CreateProject {
    type Reply = ProjectInfo;

    fn event(&self) -> Event {
        Event::ProjectChange
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        Some(Token::of(&format!("project:{}", self.project)))
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::All(vec![on_project(Action::ManageUsers, &home_project()?)]))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<ProjectInfo>, Rejection> {
        let Self { project } = self;
        let directory = &office.snapshot.directory;
        let PrincipalId::User(maker) = office.caller.id() else { return Err(Code::Forbidden.into()) };
        if directory.projects.contains(&project) {
            return Err(conflict(format!("project `{project}` exists already")));
        }
        if directory.projects.len() >= PROJECTS_MAX {
            return Err(conflict(format!("a home has at most {PROJECTS_MAX} projects")));
        }
        let home = home_project()?;
        let mut made = ProjectInfo { project: project.clone(), operators: Vec::new(), security: Vec::new() };
        let mut changes = vec![Change::AddProject(project.clone())];
        for (id, user) in &directory.users {
            let operates = id == maker;
            let oversees = !user.disabled && user.is_bound(Role::Security, &home);
            let roles = [(operates, Role::Operator), (oversees, Role::Security)];
            let mut user = user.clone();
            for (_, role) in roles.into_iter().filter(|(holds, _)| *holds) {
                // INVARIANT (bindings-within-projects): whoever is bound in a project belongs to it.
                user.projects.insert(project.clone());
                user.bindings.entry(role).or_default().insert(project.clone());
            }
            if operates || oversees {
                made.operators.extend(operates.then(|| id.clone()));
                made.security.extend(oversees.then(|| id.clone()));
                changes.push(Change::PutUser(id.clone(), user));
            }
        }
        made.security.sort_unstable();
        Ok(Done::changed(made, changes))
    }
}

#[cfg(test)]
mod tests;
