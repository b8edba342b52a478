//! Who may do what: Cedar policies over the directory, and the decision cache of one generation.

mod asker;
mod attribute;
mod authorize;
mod cache;
mod custom;
mod difference;
mod engine;
mod entities;
mod error;
mod matrix;
mod names;
mod pair;
mod route;
mod sample;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use mantlet_types::{
    Action, ModelName, PolicyName, ProjectId, Rejection, Resource, RouteName, Timestamp, Version,
};

pub(crate) use asker::handed_over;
pub(crate) use attribute::{attributable, attributable_recalled};
pub use custom::{PERMITTABLE, Place, SETS_MAX, SPARED, TEXT_BYTES_MAX};
pub use difference::{CellChange, Conditions, DecisionChange, Difference, Touched};
pub use error::PolicyError;
pub use matrix::Cell;
pub(crate) use pair::{PairPermit, authorize_pair};
pub use route::{RoutePermit, permitted};
pub(crate) use route::{any_route, authorize_route};

use crate::{
    changes::{PolicyFile, Proposal},
    directory::{Deployment, Directory, Grant},
    identity::Principal,
    mediate::Ask,
    ports::Model,
    record::Record,
    reviews::Item,
    urls::UrlTerms,
};

/// The policy set, with the decisions of one generation.
pub struct Policy {
    engine: Arc<engine::Engine>,
    cache: cache::Cache,
}

impl Policy {
    /// The embedded policies, and the custom ones of these texts in addition.
    ///
    /// # Errors
    /// If a text keeps not to the rules of custom policies; the error names the policy and the place.
    pub fn new<'a>(sets: impl IntoIterator<Item = &'a str>) -> Result<Self, PolicyError> {
        /// The embedded policies by themselves are the same for as long as the process lives.
        static EMBEDDED: OnceLock<Arc<engine::Engine>> = OnceLock::new();
        let sets: Vec<&str> = sets.into_iter().collect();
        let engine = match (sets.as_slice(), EMBEDDED.get()) {
            ([], Some(embedded)) => Arc::clone(embedded),
            ([], None) => {
                let read = Arc::new(engine::Engine::new(&[])?);
                Arc::clone(EMBEDDED.get_or_init(|| read))
            }
            (sets, _) => Arc::new(engine::Engine::new(sets)?),
        };
        Ok(Self { engine, cache: cache::Cache::new() })
    }

    /// What this directory says is in force.
    ///
    /// # Errors
    /// If its custom policies do not fit this release.
    pub fn of(policies: &BTreeMap<PolicyName, PolicyFile>) -> Result<Self, PolicyError> {
        Self::new(policies.values().map(|file| &*file.text))
    }

    /// What would change if `after` were in force in this policy's place.
    #[must_use]
    pub fn difference(&self, after: &Self, directory: &Directory, conditions: Conditions) -> Difference {
        difference::difference(self, after, directory, conditions)
    }

    /// The names of the custom policies in force.
    #[must_use]
    pub fn custom(&self) -> Vec<String> {
        custom::ids(self.engine.custom())
    }

    /// With policies beside the embedded ones that no rule was asked about.
    #[cfg(test)]
    pub(crate) fn unguarded(custom: &str) -> Self {
        Self { engine: Arc::new(engine::Engine::unguarded(custom)), cache: cache::Cache::new() }
    }

    /// The same policies with no decision remembered.
    #[must_use]
    pub fn renewed(&self) -> Self {
        Self { engine: Arc::clone(&self.engine), cache: cache::Cache::new() }
    }

    /// What each role may do to what, by which policy: every cell is evaluated, none is written down. The conditions
    /// are those of a team's home; custom policies take part.
    #[must_use]
    pub fn matrix(&self) -> Vec<Cell> {
        matrix::matrix(&self.engine)
    }
}

/// What a decision is about: a resource of the directory, or one that would come to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// Something that the directory knows, or a view that every project has (audit log, statistics).
    Resource(Resource),
    /// A thing that the directory does not know: denied to everybody, in the words and at the cost of a denial, so that
    /// nobody learns from them what there is.
    Unknown,
    /// A grant as proposed; it need not be in the directory yet.
    Grant(u64, Grant),
    /// A change as proposed; it need not be in the directory yet.
    Change(u64, Box<Proposal>),
    /// The scope of a consumer's key, held against the operator's ceiling.
    ConsumerScope {
        /// The project that the consumer belongs to.
        project: ProjectId,
        /// The models asked for. Another project's model is as good as none: 404.
        models: Vec<ModelName>,
        /// The routes asked for, of which the same holds.
        routes: Vec<RouteName>,
        /// Predictions per minute asked for.
        rate_per_minute: u32,
    },
    /// A model that does not exist yet.
    NewModel {
        /// Its project-to-be.
        project: ProjectId,
        /// Its name-to-be.
        model: ModelName,
    },
    /// A version on its way to production, as far as it has come; the version need not be registered yet.
    Deployment(Box<Deployment>),
    /// A held answer, as the queue has it.
    ReviewItem(Box<Item>),
    /// A signed URL, as its signature says that it is.
    SignedUrl(Box<UrlTerms>),
}

impl Target {
    /// How audit entries name it, if there is something to name.
    fn resource(&self) -> Option<Resource> {
        Some(match self {
            Self::Resource(resource) => resource.clone(),
            Self::Unknown => return None,
            Self::Grant(number, grant) => Resource::Grant(grant.project.clone(), *number),
            Self::Change(number, proposal) => Resource::Change(proposal.project.clone(), *number),
            Self::ConsumerScope { project, .. } => Resource::Project(project.clone()),
            Self::NewModel { model, .. } => Resource::Model(model.clone()),
            Self::Deployment(way) => Resource::Deployment(way.model.clone(), way.version),
            Self::ReviewItem(item) => Resource::ReviewItem(item.project.clone(), item.id),
            Self::SignedUrl(terms) => Resource::SignedUrl(terms.model.clone(), terms.version, terms.id),
        })
    }

    fn version(&self) -> Option<(&ModelName, Version)> {
        match self {
            Self::Resource(Resource::ModelVersion(model, version) | Resource::Deployment(model, version)) => {
                Some((model, *version))
            }
            Self::Deployment(way) => Some((&way.model, way.version)),
            Self::ReviewItem(item) => item.model.as_ref().zip(item.version),
            Self::SignedUrl(terms) => Some((&terms.model, terms.version)),
            _ => None,
        }
    }

    fn model(&self) -> Option<&ModelName> {
        match self {
            Self::Resource(
                Resource::Model(model) | Resource::ModelVersion(model, _) | Resource::Deployment(model, _),
            )
            | Self::NewModel { model, .. } => Some(model),
            Self::Deployment(way) => Some(&way.model),
            Self::ReviewItem(item) => item.model.as_ref(),
            Self::SignedUrl(terms) => Some(&terms.model),
            Self::Resource(_)
            | Self::Unknown
            | Self::Grant(..)
            | Self::Change(..)
            | Self::ConsumerScope { .. } => None,
        }
    }
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

/// Decides whether a principal may ask this of a model. A version that is named and not live is a candidate, which
/// answers its author alone.
///
/// # Errors
/// 404 for what does not exist or may not be known, 403 for what may be known but not done, 503 if what may be asked
/// is not loaded.
pub(crate) fn authorize(
    principal: Principal,
    ask: &Ask,
    now: Timestamp,
    record: &mut Record,
) -> Result<Permit, Rejection> {
    let (model, candidate) = authorize::ask((&principal).into(), ask, now, record)?;
    Ok(Permit { principal, model, candidate })
}

/// The step of the request path by itself, for benches.
#[cfg(feature = "testing")]
#[must_use]
pub fn authorized(principal: Principal, ask: &Ask, now: Timestamp, mut record: Record) -> bool {
    authorize(principal, ask, now, &mut record).is_ok()
}

/// Decides one claim of a deed.
///
/// # Errors
/// 403 for a person with a role in the resource's project, naming the policies that decided; 404 for everybody else
/// and for what does not exist; 409 for a new model whose name another project has taken.
pub(crate) fn authorize_deed(
    principal: &Principal,
    action: Action,
    target: &Target,
    now: Timestamp,
    record: &mut Record,
) -> Result<(), Rejection> {
    authorize::claim(principal.into(), action, target, now, record)
}

/// Whether a principal may; for lists that show each item by a decision of its own.
#[must_use]
pub fn permits(principal: &Principal, action: Action, target: &Target, now: Timestamp) -> bool {
    asker::Asker::from(principal).decide_target(action, target, now).0.is_allowed()
}
