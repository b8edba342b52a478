//! Names of the policy schema: entity types, actions, and the uids made of them.
//!
//! The one place that spells the schema's namespace.

use std::sync::LazyLock;

use cedar_policy::{EntityId, EntityTypeName, EntityUid};
use mantlet_types::Action;

/// The entity types that can ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum PrincipalType {
    /// A person.
    User,
    /// An application.
    Consumer,
    /// One of Mantlet's own parts.
    Component,
}

impl PrincipalType {
    pub(super) const ALL: [Self; 3] = [Self::User, Self::Consumer, Self::Component];
}

macro_rules! entity_types {
    ($($constant:ident = $name:literal,)*) => {
        $(
            // The text is a constant, and every test run parses it.
            pub(super) static $constant: LazyLock<EntityTypeName> = LazyLock::new(|| {
                concat!("Mantlet::", $name).parse().expect("an entity type's name")
            });
        )*
    };
}

entity_types! {
    ACTION = "Action",
    USER = "User",
    CONSUMER = "Consumer",
    COMPONENT = "Component",
    PROJECT = "Project",
    MODEL = "Model",
    MODEL_VERSION = "ModelVersion",
    DEPLOYMENT = "Deployment",
    SIGNED_URL = "SignedUrl",
    DATASET = "Dataset",
    FEATURE_GROUP = "FeatureGroup",
    FEATURE = "Feature",
    ROUTE = "Route",
    SECRET = "Secret",
    REVIEW_QUEUE = "ReviewQueue",
    REVIEW_ITEM = "ReviewItem",
    AUDIT_LOG = "AuditLog",
    STATISTICS = "Statistics",
    GRANT = "Grant",
    CHANGE = "Change",
}

/// The uid of an entity.
pub(super) fn uid(type_name: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(type_name.clone(), EntityId::new(id))
}

/// The uid of an action.
pub(super) fn action(action: Action) -> EntityUid {
    uid(&ACTION, action.as_str())
}

/// The type of a principal.
pub(super) fn principal_type(asker: PrincipalType) -> &'static EntityTypeName {
    match asker {
        PrincipalType::User => &USER,
        PrincipalType::Consumer => &CONSUMER,
        PrincipalType::Component => &COMPONENT,
    }
}
