//! Directory records as Cedar entities: exactly what a decision may see, with flat ancestors.
//!
//! Recorded facts (author, data authors, approvers) come from the directory, never from a request. What cannot be
//! built does not exist, and what does not exist is denied.

mod beside;
mod pending;

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{Entity, EntityTypeName, EntityUid, RestrictedExpression as Value};
use mantlet_types::{
    ModelName, PrincipalId, ProjectId, Resource, Role, RouteName, Timestamp, UserId, Version,
};

use super::{
    Target,
    names::{self, PrincipalType},
};
use crate::{
    approvals::{Waiting, standing},
    directory::{Ceiling, Consumer, Deployment, Directory, ModelRecord, User},
};

pub(super) use self::beside::{feature, model_of_features};
use self::{
    beside::{review_item, signed_url},
    pending::{break_glass, change, grant, role_grant},
};

/// A user who cannot exist, because no user name has this character: where the schema wants a person and there is
/// none, as the beneficiary of a consumer's scope.
pub(super) const NOBODY: &str = "*nobody";

/// The last moment that Cedar can write: for what does not end.
pub(super) const NEVER: Timestamp = Timestamp::from_micros(253_402_300_799_999_000);

/// Who asks, as policies see them.
pub(super) struct Asking {
    pub(super) kind: PrincipalType,
    pub(super) entity: Entity,
    /// When a decision about them may change without any change of the directory.
    pub(super) ends: Option<Timestamp>,
}

/// What is asked about, as policies see it.
pub(super) struct Asked {
    pub(super) project: ProjectId,
    pub(super) entity: Entity,
    /// When a decision about it may change without any change of the directory.
    pub(super) ends: Option<Timestamp>,
}

/// The principal with all its attributes.
pub(super) fn principal(directory: &Directory, id: &PrincipalId) -> Option<Asking> {
    match id {
        PrincipalId::User(id) => {
            let record = directory.users.get(id)?;
            let entity = user(directory, id, record)?;
            let ends = record.break_glass.as_ref().map(|glass| glass.until);
            Some(Asking { kind: PrincipalType::User, entity, ends })
        }
        PrincipalId::Consumer(id) => {
            let record = directory.consumers.get(id)?;
            let entity = consumer(id.as_str(), record)?;
            Some(Asking { kind: PrincipalType::Consumer, entity, ends: Some(record.expires) })
        }
        PrincipalId::Component(id) => {
            // A part of Mantlet is what its name says, and works for every project.
            let attributes = [
                ("disabled", Value::new_bool(false)),
                ("kind", Value::new_string(id.to_string())),
                ("projects", projects(&directory.projects)),
            ];
            let entity = entity(names::uid(&names::COMPONENT, id.as_str()), attributes, [])?;
            Some(Asking { kind: PrincipalType::Component, entity, ends: None })
        }
    }
}

/// The project of a resource, if the directory knows the resource.
pub(super) fn project_of<'a>(directory: &'a Directory, resource: &'a Resource) -> Option<&'a ProjectId> {
    match resource {
        Resource::Project(id)
        | Resource::AuditLog(id)
        | Resource::Statistics(id)
        | Resource::ReviewQueue(id)
        | Resource::Secret(id, _) => directory.projects.get(id),
        // The directory knows no held answers and no signed URLs: see [`Target`].
        Resource::ReviewItem(..) | Resource::SignedUrl(..) => None,
        Resource::Model(name) => directory.models.get(name).map(|model| &model.project),
        Resource::ModelVersion(name, version) | Resource::Deployment(name, version) => {
            let model = directory.models.get(name)?;
            model.versions.contains_key(version).then_some(&model.project)
        }
        Resource::Grant(project, number) => {
            let grant = directory.grants.get(number)?;
            (grant.project == *project).then_some(&grant.project)
        }
        Resource::Change(project, number) => {
            let proposal = directory.proposals.get(number)?;
            (proposal.project == *project).then_some(&proposal.project)
        }
        Resource::Route(name) => directory.routes.get(name),
        Resource::Feature(name, version, _) => {
            let model = directory.models.get(name)?;
            model.versions.contains_key(version).then_some(&model.project)
        }
    }
}

/// A resource of the directory.
pub(super) fn resource(directory: &Directory, resource: &Resource, single_person: bool) -> Option<Asked> {
    let project = project_of(directory, resource)?.clone();
    let uid = |type_name: &EntityTypeName| names::uid(type_name, &resource.key());
    let parent = project_uid(&project);
    let mut ends = None;
    let entity = match resource {
        Resource::Project(_) => entity(uid(&names::PROJECT), [], []),
        Resource::AuditLog(_) => entity(uid(&names::AUDIT_LOG), [], [parent]),
        Resource::Statistics(_) => entity(uid(&names::STATISTICS), [], [parent]),
        Resource::Model(name) => model(name, &project, directory.models.get(name)?.live.is_some(), []),
        Resource::ModelVersion(name, version) => {
            model_version(uid(&names::MODEL_VERSION), name, *version, directory.models.get(name)?)
        }
        Resource::Deployment(name, version) => {
            let model = directory.models.get(name)?;
            ends = model.versions.get(version)?.promotion.as_ref().map(|way| way.ends);
            deployment((directory, single_person), uid(&names::DEPLOYMENT), name, *version, model)
        }
        Resource::Grant(_, number) => {
            let record = directory.grants.get(number)?;
            ends = Some(record.expires);
            role_grant((directory, single_person), uid(&names::GRANT), *number, record)
        }
        Resource::Change(_, number) => {
            let record = directory.proposals.get(number)?;
            ends = Some(record.expires);
            change((directory, single_person), uid(&names::CHANGE), *number, record)
        }
        Resource::ReviewQueue(_) => entity(uid(&names::REVIEW_QUEUE), [], [parent]),
        // No part of Mantlet asks for a secret by a name that policy decides on.
        Resource::Secret(..) => entity(uid(&names::SECRET), [("readers", set([]))], [parent]),
        Resource::Route(_) => entity(uid(&names::ROUTE), [], [parent]),
        // The directory knows no features: see [`feature`].
        Resource::Feature(..) | Resource::ReviewItem(..) | Resource::SignedUrl(..) => None,
    }?;
    Some(Asked { project, entity, ends })
}

/// A resource, or what would come to be one.
pub(super) fn target(directory: &Directory, target: &Target, single_person: bool) -> Option<Asked> {
    let exists = |project: &ProjectId| directory.projects.get(project).cloned();
    match target {
        Target::Resource(known) => resource(directory, known, single_person),
        Target::Unknown => None,
        Target::Grant(number, grant) => {
            let project = exists(&grant.project)?;
            let uid = names::uid(&names::GRANT, &Resource::Grant(project.clone(), *number).key());
            let entity = role_grant((directory, single_person), uid, *number, grant)?;
            Some(Asked { project, entity, ends: Some(grant.expires) })
        }
        Target::Change(number, proposal) => {
            let project = exists(&proposal.project)?;
            let uid = names::uid(&names::CHANGE, &Resource::Change(project.clone(), *number).key());
            let entity = change((directory, single_person), uid, *number, proposal)?;
            Some(Asked { project, entity, ends: Some(proposal.expires) })
        }
        Target::ConsumerScope { project, models, routes, rate_per_minute } => {
            let project = exists(project)?;
            // What is granted in a project is the project's own: another project's model is as good as none.
            let own = |name: &ModelName| directory.models.get(name).is_some_and(|m| m.project == project);
            let own_route = |name: &RouteName| directory.routes.get(name) == Some(&project);
            if !(models.iter().all(own) && routes.iter().all(own_route)) {
                return None;
            }
            let uid = names::uid(&names::GRANT, &format!("{project}#consumer"));
            let scope = scope([], models.iter(), routes.iter(), i64::from(*rate_per_minute));
            let entity = grant(uid, &project, scope, [NOBODY, NOBODY], [], NEVER)?;
            Some(Asked { project, entity, ends: None })
        }
        Target::NewModel { project, model: name } => {
            let project = exists(project)?;
            let entity = model(name, &project, false, [])?;
            Some(Asked { project, entity, ends: None })
        }
        Target::ReviewItem(item) => {
            let project = exists(&item.project)?;
            Some(Asked { entity: review_item(directory, item)?, project, ends: None })
        }
        Target::SignedUrl(terms) => {
            let project = directory.models.get(&terms.model)?.project.clone();
            Some(Asked { project, entity: signed_url(directory, terms)?, ends: Some(terms.expires) })
        }
        Target::Deployment(way) => {
            let project = exists(&way.project)?;
            Some(Asked { project, entity: on_its_way(way)?, ends: Some(way.approval_ends) })
        }
    }
}

/// An entity with flat ancestors; `None` if an attribute cannot be evaluated.
pub(super) fn entity(
    uid: EntityUid,
    attributes: impl IntoIterator<Item = (&'static str, Value)>,
    ancestors: impl IntoIterator<Item = EntityUid>,
) -> Option<Entity> {
    let attributes: HashMap<String, Value> =
        attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let ancestors: HashSet<EntityUid> = ancestors.into_iter().collect();
    Entity::new(uid, attributes, ancestors).ok()
}

/// A moment for Cedar, which counts milliseconds and writes the years 0 to 9999. Earlier moments than 1970 and later
/// ones than 9999 are moved to these bounds, where they are as far in the past or future as before.
pub(super) fn datetime(moment: Timestamp) -> Value {
    let text = moment.clamp(Timestamp::from_micros(0), NEVER).to_string();
    // `2026-01-31T12:00:00.123456Z`: Cedar takes three digits of a second.
    let millis = text.get(..23).unwrap_or_default();
    Value::new_datetime(format!("{millis}Z"))
}

/// A set of entities.
pub(super) fn set(uids: impl IntoIterator<Item = EntityUid>) -> Value {
    Value::new_set(uids.into_iter().map(Value::new_entity_uid))
}

pub(super) fn user_uid(id: &str) -> EntityUid {
    names::uid(&names::USER, id)
}

pub(super) fn project_uid(id: &ProjectId) -> EntityUid {
    names::uid(&names::PROJECT, id.as_str())
}

fn projects<'a>(ids: impl IntoIterator<Item = &'a ProjectId>) -> Value {
    set(ids.into_iter().map(project_uid))
}

pub(super) fn people<'a>(ids: impl IntoIterator<Item = &'a UserId>) -> Value {
    set(ids.into_iter().map(|id| user_uid(id.as_str())))
}

fn user(directory: &Directory, id: &UserId, user: &User) -> Option<Entity> {
    let mut attributes = vec![
        ("disabled", Value::new_bool(user.disabled)),
        ("projects", projects(&user.projects)),
        ("routes", set([])),
        ("read_features", set([])),
        ("attribute_features", set([])),
    ];
    attributes.extend(
        Role::ALL.map(|role| (role.as_str(), projects(user.bindings.get(&role).into_iter().flatten()))),
    );
    if let Some(most) = &user.ceiling {
        attributes.push(("ceiling", ceiling(directory, user, most)));
    }
    if let Some(glass) = &user.break_glass {
        attributes.push(("break_glass", break_glass(directory, glass)));
    }
    entity(user_uid(id.as_str()), attributes, [])
}

/// An operator's ceiling with its models spelled out: a set that says "all" would be one more thing to get wrong.
fn ceiling(directory: &Directory, user: &User, most: &Ceiling) -> Value {
    let operates = user.bindings.get(&Role::Operator);
    let operated = |model: &ModelRecord| operates.is_some_and(|projects| projects.contains(&model.project));
    let models: Vec<&ModelName> = match &most.models {
        Some(models) => models.iter().collect(),
        None => directory.models.iter().filter(|(_, model)| operated(model)).map(|(name, _)| name).collect(),
    };
    // Routes go with the models that nobody has listed: a ceiling that names its models names all that it covers.
    let routes = directory.routes.iter().filter(|(_, project)| {
        most.models.is_none() && operates.is_some_and(|projects| projects.contains(*project))
    });
    scope(most.roles.iter().copied(), models, routes.map(|(name, _)| name), i64::from(most.rate_per_minute))
}

fn consumer(id: &str, consumer: &Consumer) -> Option<Entity> {
    let models = consumer.models.iter().map(|name| names::uid(&names::MODEL, name.as_str()));
    let routes = consumer.routes.iter().map(|name| names::uid(&names::ROUTE, name.as_str()));
    let attributes = [
        ("disabled", Value::new_bool(consumer.disabled)),
        ("expires", datetime(consumer.expires)),
        ("projects", projects([&consumer.project])),
        ("monitor", projects(consumer.monitor.then_some(&consumer.project))),
        ("models", set(models)),
        ("routes", set(routes)),
        ("read_features", set([])),
        ("attribute_features", set([])),
    ];
    entity(names::uid(&names::CONSUMER, id), attributes, [])
}

fn model(
    name: &ModelName,
    project: &ProjectId,
    live: bool,
    features: impl IntoIterator<Item = EntityUid>,
) -> Option<Entity> {
    let status = if live { "live" } else { "registered" };
    let attributes = [("features", set(features)), ("status", Value::new_string(status.to_owned()))];
    entity(names::uid(&names::MODEL, name.as_str()), attributes, [project_uid(project)])
}

fn model_version(uid: EntityUid, name: &ModelName, version: Version, model: &ModelRecord) -> Option<Entity> {
    let record = model.versions.get(&version)?;
    // INVARIANT (registered-is-verified): door 2 registers a version only from a package whose signature and format
    // it has verified, so a version in the directory is signed and of a known format.
    let attributes = [
        ("author", Value::new_entity_uid(user_uid(record.author.as_str()))),
        ("data_authors", people(&record.data_authors)),
        ("signed", Value::new_bool(true)),
        ("format_ok", Value::new_bool(true)),
    ];
    entity(uid, attributes, [names::uid(&names::MODEL, name.as_str()), project_uid(&model.project)])
}

/// A version on its way, as far as the directory has recorded it. Where nobody has asked for it, policies see neither a
/// request nor an approval; what was live once is recorded, and can be rolled back to.
fn deployment(
    (directory, single_person): (&Directory, bool),
    uid: EntityUid,
    name: &ModelName,
    version: Version,
    model: &ModelRecord,
) -> Option<Entity> {
    let record = model.versions.get(&version)?;
    // INVARIANT (bound-to-digest): what was asked for and approved is this artifact, or nothing was.
    let way = record.promotion.as_ref().filter(|way| way.digest == record.digest);
    let waiting = Waiting::deployment(name, version, model, record);
    let approved_by = waiting.as_ref().map(|waiting| standing(directory, waiting, single_person));
    let attributes = [
        ("model", Value::new_entity_uid(names::uid(&names::MODEL, name.as_str()))),
        ("author", Value::new_entity_uid(user_uid(record.author.as_str()))),
        ("data_authors", people(&record.data_authors)),
        (
            "requested_by",
            Value::new_entity_uid(user_uid(way.map_or(NOBODY, |way| way.requested_by.as_str()))),
        ),
        ("approved_by", people(approved_by.into_iter().flatten())),
        ("approval_ends", datetime(way.map_or(Timestamp::from_micros(0), |way| way.ends))),
        ("state", Value::new_string(way.map_or("registered", |way| way.state().as_str()).to_owned())),
        ("was_live", Value::new_bool(record.was_live)),
        ("withdrawn", Value::new_bool(record.facts.retired.is_some())),
    ];
    entity(uid, attributes, [project_uid(&model.project)])
}

/// A deployment as somebody's deed carries it.
fn on_its_way(way: &Deployment) -> Option<Entity> {
    let key = Resource::Deployment(way.model.clone(), way.version).key();
    let attributes = [
        ("model", Value::new_entity_uid(names::uid(&names::MODEL, way.model.as_str()))),
        ("author", Value::new_entity_uid(user_uid(way.author.as_str()))),
        ("data_authors", people(&way.data_authors)),
        ("requested_by", Value::new_entity_uid(user_uid(way.requested_by.as_str()))),
        ("approved_by", people(&way.approved_by)),
        ("approval_ends", datetime(way.approval_ends)),
        ("state", Value::new_string(way.state.as_str().to_owned())),
        ("was_live", Value::new_bool(way.was_live)),
        ("withdrawn", Value::new_bool(way.retired)),
    ];
    entity(names::uid(&names::DEPLOYMENT, &key), attributes, [project_uid(&way.project)])
}

/// What a grant gives, or the most that an operator may give.
pub(super) fn scope<'a>(
    roles: impl IntoIterator<Item = Role>,
    models: impl IntoIterator<Item = &'a ModelName>,
    routes: impl IntoIterator<Item = &'a RouteName>,
    rate_per_minute: i64,
) -> Value {
    let roles: BTreeSet<Role> = roles.into_iter().collect();
    let fields = [
        ("roles", Value::new_set(roles.iter().map(|role| Value::new_string(role.to_string())))),
        ("models", set(models.into_iter().map(|name| names::uid(&names::MODEL, name.as_str())))),
        ("routes", set(routes.into_iter().map(|name| names::uid(&names::ROUTE, name.as_str())))),
        ("datasets", set([])),
        ("features", set([])),
        ("rate", Value::new_long(rate_per_minute)),
    ];
    record(fields)
}

/// A record. It fails for a name given twice, and the names are ours; a set is then no such record, hence denied.
pub(super) fn record<const FIELDS: usize>(fields: [(&str, Value); FIELDS]) -> Value {
    Value::new_record(fields.map(|(name, value)| (name.to_owned(), value)))
        .unwrap_or_else(|_| Value::new_set([]))
}
