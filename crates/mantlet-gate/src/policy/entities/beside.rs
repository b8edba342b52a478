//! What decisions are about and the directory does not know: features, which a version's package names, and held answers,
//! which a queue has.

use std::sync::Arc;

use cedar_policy::{Entity, RestrictedExpression as Value};
use mantlet_types::{Contract, PrincipalId, Resource};

use super::{Asked, entity, model, people, project_uid, user_uid};
use crate::{directory::Directory, policy::names, reviews::Item};

/// A feature of a version, as sensitive as its package says.
pub(in crate::policy) fn feature(
    directory: &Directory,
    contract: &Contract,
    resource: &Resource,
    sensitivity: u8,
) -> Option<Asked> {
    let project = directory.models.get(&contract.model)?.project.clone();
    let uid = names::uid(&names::FEATURE, &resource.key());
    let entity =
        entity(uid, [("sensitivity", Value::new_long(sensitivity.into()))], [project_uid(&project)])?;
    Some(Asked { project, entity, ends: None })
}

/// A model with the features of one version: what decisions on these see as `context.model`.
pub(in crate::policy) fn model_of_features(directory: &Directory, contract: &Contract) -> Option<Entity> {
    let record = directory.models.get(&contract.model)?;
    let features = contract.features.iter().map(|feature| {
        let of = |name| Resource::Feature(contract.model.clone(), contract.version, name);
        names::uid(&names::FEATURE, &of(Arc::clone(&feature.name)).key())
    });
    // What is forbidden of what is live is not forbidden of a version that is not.
    model(&contract.model, &record.project, record.live == Some(contract.version), features)
}

/// A held answer: whose request it is decides who may look at it, and who must not. Who could have asked in an
/// application's name is looked up now, so that whoever got hold of a key afterwards counts as well.
pub(in crate::policy) fn review_item(directory: &Directory, item: &Item) -> Option<Entity> {
    let key = Resource::ReviewItem(item.project.clone(), item.id).key();
    let requester = match &item.requester {
        PrincipalId::User(id) => Some(("user", Value::new_entity_uid(user_uid(id.as_str())))),
        PrincipalId::Consumer(id) => {
            Some(("consumer", Value::new_entity_uid(names::uid(&names::CONSUMER, id.as_str()))))
        }
        PrincipalId::Component(_) => None,
    };
    let keepers = match &item.requester {
        PrincipalId::Consumer(id) => {
            people(directory.consumers.get(id).into_iter().flat_map(|it| &it.keepers))
        }
        PrincipalId::User(_) | PrincipalId::Component(_) => people([]),
    };
    let attributes = requester.into_iter().chain([("keepers", keepers)]);
    let queue = names::uid(&names::REVIEW_QUEUE, item.project.as_str());
    entity(names::uid(&names::REVIEW_ITEM, &key), attributes, [queue, project_uid(&item.project)])
}
