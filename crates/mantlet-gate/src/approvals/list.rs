//! What waits for a second person, in one list.

use std::{collections::BTreeSet, sync::Arc};

use mantlet_types::{
    Action, Code, PrincipalId, ProjectId, Rejection, Resource, Timestamp, UserId, entry::Event,
};
use serde::Serialize;

use super::{Approval, Item, Kind, Statement, Waiting, item::all, standing};
use crate::{
    administer::{Claims, Deed, Done, Office},
    changes::{Running, running},
    directory::Directory,
    identity::Principal,
    policy::{Target, permits},
};

/// Lists what waits and the caller may approve, takes part in, or oversees.
#[derive(Clone, Copy, Debug)]
pub struct ListApprovals;

/// What waits.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Leave to stop models that is not over, in projects that the caller operates or oversees.
    pub break_glass: Vec<Running>,
    /// By kind and name.
    pub waiting: Vec<Waits>,
}

/// Something that waits.
#[derive(Clone, Debug, Serialize)]
pub struct Waits {
    /// Of which kind.
    pub kind: Kind,
    /// Which of its kind: a number, or `MODEL@VERSION`.
    pub target: String,
    /// Where.
    pub project: ProjectId,
    /// What it is, in a few words.
    pub what: String,
    /// Who asked for it.
    pub proposed_by: UserId,
    /// Whom it is for, if it is for somebody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beneficiary: Option<UserId>,
    /// Whose approval counts.
    pub approved_by: BTreeSet<UserId>,
    /// From here on it is void.
    pub expires: Timestamp,
    /// What the caller has to do with it.
    pub you: Part,
}

/// A caller's part in something that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// May approve it.
    MayApprove,
    /// Has approved it.
    Approved,
    /// Asked for it, or is whom it is for.
    TakesPart,
    /// Operates or oversees the project.
    Sees,
}

impl Waits {
    /// Something that waits, as far as this caller may know of it.
    pub(super) fn seen(office: &Office<'_>, waiting: &Waiting<'_>) -> Option<Self> {
        let (directory, now) = (&office.snapshot.directory, office.gate.now());
        if waiting.ends <= now {
            return None;
        }
        let single_person = office.snapshot.settings.single_person;
        let approved_by: BTreeSet<UserId> = standing(directory, waiting, single_person).cloned().collect();
        let you = part(office, waiting, &approved_by)?;
        Some(Self {
            kind: waiting.item.kind(),
            target: waiting.item.target(),
            project: waiting.project.clone(),
            what: waiting.what(),
            proposed_by: waiting.proposed_by.clone(),
            beneficiary: waiting.beneficiary.cloned(),
            approved_by,
            expires: waiting.ends,
            you,
        })
    }
}

fn part(office: &Office<'_>, waiting: &Waiting<'_>, approved_by: &BTreeSet<UserId>) -> Option<Part> {
    let PrincipalId::User(caller) = office.caller.id() else { return None };
    let may = |action, target| permits(office.caller, action, &target, office.gate.now());
    let (action, target) = waiting.item.claim(waiting.project);
    if approved_by.contains(caller) {
        Some(Part::Approved)
    } else if may(action, target) {
        Some(Part::MayApprove)
    } else if waiting.proposed_by == caller || waiting.beneficiary == Some(caller) {
        Some(Part::TakesPart)
    } else if sees_all(waiting) && runs_or_oversees(office, waiting.project) {
        Some(Part::Sees)
    } else {
        None
    }
}

/// Whether the caller manages the project's people or reads its log.
fn runs_or_oversees(office: &Office<'_>, project: &ProjectId) -> bool {
    let may =
        |action, resource| permits(office.caller, action, &Target::Resource(resource), office.gate.now());
    may(Action::ManageUsers, Resource::Project(project.clone()))
        || may(Action::ReadAudit, Resource::AuditLog(project.clone()))
}

/// A candidate is no business of those who operate; everything else of a project is.
const fn sees_all(waiting: &Waiting<'_>) -> bool {
    !matches!(waiting.item, Item::Deployment(..))
}

impl Deed for ListApprovals {
    type Reply = Listed;

    fn event(&self) -> Event {
        Event::ApprovalRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::PerItem)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Listed>, Rejection> {
        let directory = &office.snapshot.directory;
        let waiting = all(directory).filter_map(|waiting| Waits::seen(office, &waiting)).collect();
        let mut break_glass = running(directory, office.gate.now());
        break_glass.retain(|running| runs_or_oversees(office, &running.project));
        Ok(Done::read(Listed { break_glass, waiting }))
    }
}

/// Gives away every approval that is kept, of projects whose log the caller exports: for those who verify them elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct ExportApprovals;

/// Approvals as they were given, oldest first.
#[derive(Clone, Debug, Serialize)]
pub struct Exported {
    /// The approvals.
    pub approvals: Vec<Arc<Approval>>,
}

impl Deed for ExportApprovals {
    type Reply = Exported;

    fn event(&self) -> Event {
        Event::ApprovalRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::PerItem)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Exported>, Rejection> {
        let directory = &office.snapshot.directory;
        let may = |project: &&ProjectId| {
            let log = Target::Resource(Resource::AuditLog((*project).clone()));
            permits(office.caller, Action::ExportAudit, &log, office.gate.now())
        };
        let projects: BTreeSet<&ProjectId> = directory.projects.iter().filter(may).collect();
        if projects.is_empty() {
            return Err(Code::NotFound.into());
        }
        let seen = |kept: &&Arc<Approval>| {
            Statement::parse(&kept.statement).is_some_and(|statement| projects.contains(&statement.project))
        };
        let mut approvals: Vec<Arc<Approval>> = directory.approvals.values().filter(seen).cloned().collect();
        approvals.sort_by_key(|kept| kept.given);
        Ok(Done::read(Exported { approvals }))
    }
}
