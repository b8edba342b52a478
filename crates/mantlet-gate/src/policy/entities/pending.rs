//! What waits for a second person, and what came of it, as Cedar entities. Approvers are those whose approval counts now.

use cedar_policy::{Entity, EntityUid, RestrictedExpression as Value};
use mantlet_types::{ProjectId, Role, Timestamp, UserId};

use super::{datetime, entity, people, project_uid, record, scope, user_uid};
use crate::{
    approvals::{Waiting, standing},
    changes::{BreakGlass, Proposal},
    directory::{Directory, Grant},
};

/// A binding of one role as a grant of that role and nothing else.
pub(super) fn role_grant(
    (directory, single_person): (&Directory, bool),
    uid: EntityUid,
    number: u64,
    record: &Grant,
) -> Option<Entity> {
    let scope = scope([record.role], [], [], 0);
    let waiting = Waiting::grant(number, record);
    let approved_by = standing(directory, &waiting, single_person);
    let people = [record.beneficiary.as_str(), record.proposed_by.as_str()];
    grant(uid, &record.project, scope, people, approved_by, record.expires)
}

/// A pending change.
pub(super) fn change(
    (directory, single_person): (&Directory, bool),
    uid: EntityUid,
    number: u64,
    proposal: &Proposal,
) -> Option<Entity> {
    let waiting = Waiting::proposal(number, proposal);
    let mut attributes = vec![
        ("kind", Value::new_string(waiting.item.kind().as_str().to_owned())),
        ("proposed_by", Value::new_entity_uid(user_uid(proposal.proposed_by.as_str()))),
        ("approved_by", people(standing(directory, &waiting, single_person))),
        ("expires", datetime(proposal.expires)),
    ];
    let beneficiary = proposal.what.beneficiary();
    attributes.extend(beneficiary.map(|id| ("beneficiary", Value::new_entity_uid(user_uid(id.as_str())))));
    entity(uid, attributes, [project_uid(&proposal.project)])
}

/// A grant of this scope.
pub(super) fn grant<'a>(
    uid: EntityUid,
    project: &ProjectId,
    scope: Value,
    [beneficiary, proposed_by]: [&str; 2],
    approved_by: impl IntoIterator<Item = &'a UserId>,
    expires: Timestamp,
) -> Option<Entity> {
    let attributes = [
        ("scope", scope),
        ("beneficiary", Value::new_entity_uid(user_uid(beneficiary))),
        ("proposed_by", Value::new_entity_uid(user_uid(proposed_by))),
        ("approved_by", people(approved_by)),
        ("expires", datetime(expires)),
    ];
    entity(uid, attributes, [project_uid(project)])
}

/// Leave to stop models. It rests on an approval, so it ends with the approver's right to have given it.
pub(super) fn break_glass(directory: &Directory, glass: &BreakGlass) -> Value {
    let oversees = |id: &&UserId| {
        let user = directory.users.get(*id).filter(|user| !user.disabled);
        user.is_some_and(|user| user.is_bound(Role::Security, &glass.project))
    };
    record([
        ("project", Value::new_entity_uid(project_uid(&glass.project))),
        ("until", datetime(glass.until)),
        ("approved_by", people(glass.approved_by.iter().filter(oversees))),
    ])
}
