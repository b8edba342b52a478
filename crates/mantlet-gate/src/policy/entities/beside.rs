//! What decisions are about and the directory does not know: features, which a version's package names, held answers,
//! which a queue has, and signed URLs, which say themselves what they are.

use std::sync::Arc;

use cedar_policy::{Entity, RestrictedExpression as Value};
use mantlet_types::{Contract, PrincipalId, Resource};

use super::{Asked, datetime, entity, model, people, project_uid, user_uid};
use crate::{directory::Directory, policy::names, reviews::Item, urls::UrlTerms};

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

/// A signed URL of a version that is still what the URL was signed for. Whether one for a single use was used the directory
/// knows; who had it signed, and until when it is good, its signature vouches for.
pub(in crate::policy) fn signed_url(directory: &Directory, terms: &UrlTerms) -> Option<Entity> {
    let model = directory.models.get(&terms.model)?;
    model.versions.get(&terms.version).filter(|record| record.package == terms.package)?;
    let of = |resource: Resource| resource.key();
    let version = of(Resource::ModelVersion(terms.model.clone(), terms.version));
    let attributes = [
        ("version", Value::new_entity_uid(names::uid(&names::MODEL_VERSION, &version))),
        ("user", Value::new_entity_uid(user_uid(terms.user.as_str()))),
        ("expires", datetime(terms.expires)),
        ("used", Value::new_bool(directory.url_uses.contains_key(&terms.id))),
    ];
    let key = of(Resource::SignedUrl(terms.model.clone(), terms.version, terms.id));
    entity(names::uid(&names::SIGNED_URL, &key), attributes, [project_uid(&model.project)])
}
