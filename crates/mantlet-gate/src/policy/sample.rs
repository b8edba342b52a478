//! Sample things of every kind that the policy schema knows, for decisions that are computed for their own sake: the
//! role matrix, and tests. The directory holds no such things as routes or datasets yet; policies speak of them
//! already.

use std::collections::BTreeSet;

use cedar_policy::{Entity, EntityTypeName, EntityUid, RestrictedExpression as Value};
use mantlet_types::{Role, Timestamp};

use super::{
    entities::{NEVER, datetime, entity, set, user_uid},
    names::{self, uid},
};

/// Makes things of one project. Ids carry the project, so that two projects can stand side by side.
#[derive(Clone, Copy)]
pub(super) struct Samples {
    pub(super) project: &'static str,
}

/// A version's way to production.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) author: &'static str,
    pub(super) data_authors: &'static [&'static str],
    pub(super) requested_by: &'static str,
    pub(super) approved_by: &'static [&'static str],
    pub(super) approval_ends: Timestamp,
    pub(super) state: &'static str,
    pub(super) was_live: bool,
    pub(super) withdrawn: bool,
}

/// A pending act: a grant, or a change of the kind named.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) beneficiary: Option<&'static str>,
    pub(super) proposed_by: &'static str,
    pub(super) approved_by: &'static [&'static str],
    pub(super) expires: Timestamp,
}

/// A person bound to the same roles everywhere in some projects.
pub(super) struct Person<'a> {
    pub(super) id: &'a str,
    pub(super) roles: &'a BTreeSet<Role>,
    pub(super) bound_in: &'a [&'static str],
    pub(super) projects: &'a [&'static str],
    pub(super) routes: Vec<EntityUid>,
    pub(super) read_features: Vec<EntityUid>,
    pub(super) attribute_features: Vec<EntityUid>,
    /// Dataset key and end of the grant.
    pub(super) datasets: Vec<(&'static str, Timestamp)>,
    /// For an operator: roles and predictions per minute.
    pub(super) ceiling: Option<(Vec<Role>, i64)>,
}

impl Person<'_> {
    pub(super) fn entity(&self) -> Option<Entity> {
        let project = |id: &&str| uid(&names::PROJECT, id);
        let bound =
            |role: &Role| set(self.bound_in.iter().filter(|_| self.roles.contains(role)).map(project));
        let mut attributes = vec![
            ("disabled", Value::new_bool(false)),
            ("projects", set(self.projects.iter().map(project))),
            ("routes", set(self.routes.iter().cloned())),
            ("read_features", set(self.read_features.iter().cloned())),
            ("attribute_features", set(self.attribute_features.iter().cloned())),
        ];
        attributes.extend(Role::ALL.map(|role| (role.as_str(), bound(&role))));
        if let Some((roles, rate)) = &self.ceiling {
            attributes.push(("ceiling", scope(roles.iter().copied(), *rate)));
        }
        let attributes = attributes.into_iter().map(|(name, value)| (name.to_owned(), value));
        let tags = self.datasets.iter().map(|(key, end)| ((*key).to_owned(), datetime(*end)));
        Entity::new_with_tags(user_uid(self.id), attributes, [], tags).ok()
    }
}

impl Samples {
    pub(super) fn uid(self, kind: &EntityTypeName, name: &str) -> EntityUid {
        uid(kind, &format!("{}-{name}", self.project))
    }

    fn parent(self) -> EntityUid {
        uid(&names::PROJECT, self.project)
    }

    pub(super) fn project(self) -> Option<Entity> {
        entity(self.parent(), [], [])
    }

    /// A thing without attributes directly in the project: a route, a log, statistics, a queue.
    pub(super) fn plain(self, kind: &EntityTypeName, name: &str) -> Option<Entity> {
        entity(self.uid(kind, name), [], [self.parent()])
    }

    pub(super) fn model(self, name: &str, live: bool, features: &[&str]) -> Option<Entity> {
        let status = if live { "live" } else { "registered" };
        let features = set(features.iter().map(|feature| self.uid(&names::FEATURE, feature)));
        let attributes = [("features", features), ("status", Value::new_string(status.to_owned()))];
        entity(self.uid(&names::MODEL, name), attributes, [self.parent()])
    }

    pub(super) fn version(self, name: &str, author: &str, data_authors: &[&str]) -> Option<Entity> {
        let attributes = [
            ("author", person(author)),
            ("data_authors", people(data_authors)),
            ("signed", Value::new_bool(true)),
            ("format_ok", Value::new_bool(true)),
        ];
        let model = self.uid(&names::MODEL, "live");
        entity(self.uid(&names::MODEL_VERSION, name), attributes, [model, self.parent()])
    }

    pub(super) fn deployment(self, name: &str, way: Way) -> Option<Entity> {
        let attributes = [
            ("model", Value::new_entity_uid(self.uid(&names::MODEL, "live"))),
            ("author", person(way.author)),
            ("data_authors", people(way.data_authors)),
            ("requested_by", person(way.requested_by)),
            ("approved_by", people(way.approved_by)),
            ("approval_ends", datetime(way.approval_ends)),
            ("state", Value::new_string(way.state.to_owned())),
            ("was_live", Value::new_bool(way.was_live)),
            ("withdrawn", Value::new_bool(way.withdrawn)),
        ];
        entity(self.uid(&names::DEPLOYMENT, name), attributes, [self.parent()])
    }

    pub(super) fn signed_url(self, name: &str, user: &str, expires: Timestamp, used: bool) -> Option<Entity> {
        let attributes = [
            ("version", Value::new_entity_uid(self.uid(&names::MODEL_VERSION, "other"))),
            ("user", person(user)),
            ("expires", datetime(expires)),
            ("used", Value::new_bool(used)),
        ];
        entity(self.uid(&names::SIGNED_URL, name), attributes, [self.parent()])
    }

    pub(super) fn dataset(self, name: &str, key: &str, encrypted: bool) -> Option<Entity> {
        let attributes =
            [("key", Value::new_string(key.to_owned())), ("encrypted", Value::new_bool(encrypted))];
        entity(self.uid(&names::DATASET, name), attributes, [self.parent()])
    }

    pub(super) fn feature(self, name: &str, sensitivity: i64) -> Option<Entity> {
        let attributes = [("sensitivity", Value::new_long(sensitivity))];
        entity(self.uid(&names::FEATURE, name), attributes, [self.parent()])
    }

    pub(super) fn secret(self, name: &str) -> Option<Entity> {
        entity(self.uid(&names::SECRET, name), [("readers", set([]))], [self.parent()])
    }

    pub(super) fn review_item(
        self,
        name: &str,
        [user, subject]: [&str; 2],
        keepers: &[&str],
    ) -> Option<Entity> {
        let attributes = [("user", person(user)), ("subject", person(subject)), ("keepers", people(keepers))];
        let queue = self.uid(&names::REVIEW_QUEUE, "queue");
        entity(self.uid(&names::REVIEW_ITEM, name), attributes, [queue, self.parent()])
    }

    pub(super) fn grant(self, name: &str, role: Role, rate: i64, pending: Pending) -> Option<Entity> {
        let attributes = [
            ("scope", scope([role], rate)),
            ("beneficiary", person(pending.beneficiary.unwrap_or(super::entities::NOBODY))),
            ("proposed_by", person(pending.proposed_by)),
            ("approved_by", people(pending.approved_by)),
            ("expires", datetime(pending.expires)),
        ];
        entity(self.uid(&names::GRANT, name), attributes, [self.parent()])
    }

    pub(super) fn change(self, name: &str, kind: &str, pending: Pending) -> Option<Entity> {
        let mut attributes = vec![
            ("kind", Value::new_string(kind.to_owned())),
            ("proposed_by", person(pending.proposed_by)),
            ("approved_by", people(pending.approved_by)),
            ("expires", datetime(pending.expires)),
        ];
        attributes.extend(pending.beneficiary.map(|id| ("beneficiary", person(id))));
        entity(self.uid(&names::CHANGE, name), attributes, [self.parent()])
    }
}

impl Way {
    /// Approved by everybody it needs, all of them other people than the one who asks.
    pub(super) const APPROVED: Self = Self {
        author: "author",
        data_authors: &["data-author"],
        requested_by: "requester",
        approved_by: &["approver"],
        approval_ends: NEVER,
        state: "approved",
        was_live: false,
        withdrawn: false,
    };

    /// Requested by somebody else, and nothing more.
    pub(super) const REQUESTED: Self = Self {
        approved_by: &[],
        approval_ends: Timestamp::from_micros(0),
        state: "requested",
        ..Self::APPROVED
    };
}

impl Pending {
    /// Proposed and approved by other people, for other people.
    pub(super) const APPROVED: Self = Self {
        beneficiary: Some("beneficiary"),
        proposed_by: "proposer",
        approved_by: &["approver"],
        expires: NEVER,
    };
}

fn person(id: &str) -> Value {
    Value::new_entity_uid(user_uid(id))
}

fn people(ids: &[&str]) -> Value {
    set(ids.iter().map(|id| user_uid(id)))
}

fn scope(roles: impl IntoIterator<Item = Role>, rate: i64) -> Value {
    super::entities::scope(roles, [], [], rate)
}
