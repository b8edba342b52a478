//! Who may do what: Cedar policies over the directory, and the decision cache of one generation.

use std::sync::Arc;

use mantlet_types::{Action, Code, Rejection, Resource, Timestamp};

use crate::{directory::Grant, identity::Principal, mediate::Ask, ports::Model, record::Record};

/// The policy set, with the decisions of one generation.
pub struct Policy {}

impl Policy {
    /// The same policies with no decision remembered.
    #[must_use]
    pub fn renewed(&self) -> Self {
        Self {}
    }
}

/// What a decision is about: a resource of the directory, or one that would come to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// Something that the directory knows, or a view that every project has (audit log, statistics).
    Resource(Resource),
    /// A grant as proposed; it need not be in the directory yet.
    Grant(u64, Grant),
    /// The scope of a consumer's key, held against the operator's ceiling.
    ConsumerScope {
        /// The project that the consumer belongs to.
        project: mantlet_types::ProjectId,
        /// The models asked for.
        models: Vec<mantlet_types::ModelName>,
        /// Predictions per minute asked for.
        rate_per_minute: u32,
    },
    /// A model that does not exist yet.
    NewModel {
        /// Its project-to-be.
        project: mantlet_types::ProjectId,
        /// Its name-to-be.
        model: mantlet_types::ModelName,
    },
}

/// Leave to ask a model: the proof that authorization took place.
pub struct Permit {
    principal: Principal,
    model: Arc<dyn Model>,
    candidate: bool,
}

impl Permit {
    /// Who may.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The version that will answer.
    #[must_use]
    pub fn model(&self) -> &Arc<dyn Model> {
        &self.model
    }

    /// Whether this version is not live and answers its author alone.
    #[must_use]
    pub fn is_candidate(&self) -> bool {
        self.candidate
    }
}

/// Decides whether a principal may ask this of a model.
///
/// # Errors
/// 404 for what does not exist or may not be known, 403 for what may be known but not done.
pub(crate) fn authorize(
    principal: Principal,
    ask: &Ask,
    now: Timestamp,
    record: &mut Record,
) -> Result<Permit, Rejection> {
    let _ = (principal, ask, now, record);
    Err(Code::NotFound.into())
}

/// Decides one claim of a deed.
///
/// # Errors
/// As [`authorize`].
pub(crate) fn authorize_deed(
    principal: &Principal,
    action: Action,
    target: &Target,
    now: Timestamp,
    record: &mut Record,
) -> Result<(), Rejection> {
    let _ = (principal, action, target, now, record);
    Err(Code::NotFound.into())
}

/// Whether a principal may; for lists that show each item by a decision of its own.
#[must_use]
pub fn permits(principal: &Principal, action: Action, target: &Target, now: Timestamp) -> bool {
    let _ = (principal, action, target, now);
    false
}
