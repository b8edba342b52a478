//! The policy engine: the embedded Cedar schema and policies, checked once at start and indexed by whom and what
//! they speak of.
//!
//! Cedar visits every policy of a set for every request, and it skips a policy whose evaluation errs, a `forbid`
//! too. So only policies whose scope can match are kept per principal type and action, and any error in Cedar's
//! diagnostics is a denial. The engine knows no directory and no request: it decides on entities that it is given.

use std::{
    collections::HashMap,
    str::FromStr,
    sync::{Arc, OnceLock},
};

use cedar_policy::{
    ActionConstraint, AuthorizationError, Authorizer, Context, Entities, Entity, EntityTypeName, EntityUid,
    Policy as CedarPolicy, PolicyId, PolicySet, PrincipalConstraint, Request, Response, Schema,
    ValidationMode, Validator,
};
use mantlet_types::{
    Action,
    entry::{Decision, Token},
};

use super::{
    PolicyError,
    custom::{self, Place},
    names::{self, PrincipalType},
};

/// The schema that every policy, entity and request is checked against.
const SCHEMA: &str = include_str!("../../policy/mantlet.cedarschema");

/// The policies that always hold.
const POLICIES: &str = include_str!("../../policy/mantlet.cedar");

/// How far a policy may look: attributes of the principal, the resource and `context.model`, and no further. What is
/// loaded for a request is then all that any policy can see (RFC 76, level-based entity slicing).
const DEREFERENCE_LEVEL: u32 = 1;

/// One request to decide. Principal, resource and `context.model` must be among the entities, with flat ancestors.
pub(super) struct Question {
    pub(super) asker: PrincipalType,
    pub(super) principal: EntityUid,
    pub(super) action: Action,
    pub(super) resource: EntityUid,
    pub(super) context: Context,
    pub(super) entities: Vec<Entity>,
}

/// What policy said, and by which policies. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) decision: Decision,
    /// Sorted. Empty where nothing permits and nothing forbids.
    pub(super) policies: Arc<[Token]>,
    /// For an error: what failed. For the log only.
    pub(super) cause: Option<Arc<str>>,
}

impl Verdict {
    /// Nothing permits it.
    pub(super) fn denied() -> Self {
        Self { decision: Decision::Deny, policies: Arc::new([]), cause: None }
    }

    /// It cannot be decided, so it is denied.
    pub(super) fn undecided(cause: &str) -> Self {
        Self { decision: Decision::Error, policies: Arc::new([]), cause: Some(cause.into()) }
    }

    pub(super) fn is_allowed(&self) -> bool {
        self.decision == Decision::Allow
    }
}

/// The embedded schema and policies, read and checked once in a process.
pub(super) struct Embedded {
    schema: Schema,
    policies: Vec<CedarPolicy>,
    /// Each action with its entity and the groups that it is in, in the order of [`Action::ALL`].
    actions: Vec<(EntityUid, Entities)>,
}

impl Embedded {
    /// The one that there is.
    pub(super) fn get() -> Result<&'static Self, PolicyError> {
        static READ: OnceLock<Embedded> = OnceLock::new();
        if let Some(read) = READ.get() {
            return Ok(read);
        }
        let read = Self::read()?;
        Ok(READ.get_or_init(|| read))
    }

    fn read() -> Result<Self, PolicyError> {
        let (schema, _warnings) =
            Schema::from_cedarschema_str(SCHEMA).map_err(|error| PolicyError::Schema(error.to_string()))?;
        let policies = named(POLICIES)?;
        let actions = action_entities(&schema)?;
        let embedded = Self { schema, policies, actions };
        embedded.validate(POLICIES, &embedded.policies)?;
        Ok(embedded)
    }

    /// An action's entity with the groups that it is in.
    pub(super) fn action(&self, action: Action) -> Option<(&EntityUid, &Entities)> {
        self.actions.get(action as usize).map(|(uid, entities)| (uid, entities))
    }

    /// Strict validation, and that no policy looks further than what a request loads.
    pub(super) fn validate(&self, text: &str, policies: &[CedarPolicy]) -> Result<(), PolicyError> {
        let mut set = PolicySet::new();
        for policy in policies {
            set.add(policy.clone()).map_err(|_| PolicyError::Duplicate(policy.id().to_string()))?;
        }
        let validator = Validator::new(self.schema.clone());
        let result = validator.validate_with_level(&set, ValidationMode::Strict, DEREFERENCE_LEVEL);
        match result.validation_errors().next() {
            None => Ok(()),
            Some(error) => Err(PolicyError::Invalid {
                policy: error.policy_id().to_string(),
                place: Place::of(text, error),
                reason: error.to_string(),
            }),
        }
    }
}

/// Schema and policies, ready to decide.
pub(super) struct Engine {
    embedded: &'static Embedded,
    authorizer: Authorizer,
    /// By action, in the order of [`Action::ALL`].
    actions: Vec<Indexed>,
    /// The policies beside the embedded ones.
    custom: Vec<CedarPolicy>,
}

/// What is known of an action before anybody asks.
struct Indexed {
    uid: EntityUid,
    /// The action's entity with the groups that it is in; every request's entities are added to a copy.
    entities: Entities,
    /// The policies whose scope can match, by principal type.
    policies: [PolicySet; PrincipalType::ALL.len()],
}

impl Engine {
    /// The embedded policies, and the sets of these texts in addition, as far as [`custom`] lets them.
    pub(super) fn new(sets: &[&str]) -> Result<Self, PolicyError> {
        let embedded = Embedded::get()?;
        if sets.len() > custom::SETS_MAX {
            return Err(PolicyError::Sets { sets_max: custom::SETS_MAX });
        }
        let mut added: Vec<CedarPolicy> = Vec::new();
        for text in sets {
            let read = custom::read(embedded, text)?;
            if let Some(taken) = read.iter().find(|new| added.iter().any(|old| old.id() == new.id())) {
                return Err(PolicyError::Duplicate(taken.id().to_string()));
            }
            added.extend(read);
        }
        Self::over(embedded, added)
    }

    fn over(embedded: &'static Embedded, custom: Vec<CedarPolicy>) -> Result<Self, PolicyError> {
        let actions = index(embedded, &custom)?;
        Ok(Self { embedded, authorizer: Authorizer::new(), actions, custom })
    }

    /// The custom policies.
    pub(super) fn custom(&self) -> &[CedarPolicy] {
        &self.custom
    }

    /// The custom policies that are asked about an action of such a principal, as text.
    pub(super) fn asked(&self, asker: PrincipalType, action: Action) -> Vec<String> {
        let custom = self.custom.iter().filter(|policy| {
            let kept = self.actions.get(action as usize).map(|indexed| &indexed.policies[asker as usize]);
            kept.is_some_and(|kept| kept.policy(policy.id()).is_some())
        });
        custom.map(ToString::to_string).collect()
    }

    /// Whether there are policies beside the embedded ones.
    pub(super) fn is_customized(&self) -> bool {
        !self.custom.is_empty()
    }

    /// Decides. Whatever goes wrong on the way is a denial that says so.
    pub(super) fn decide(&self, question: Question) -> Verdict {
        let Question { asker, principal, action, resource, context, entities } = question;
        let Some(indexed) = self.actions.get(action as usize) else {
            return Verdict::undecided("the action is not in the schema");
        };
        let request =
            Request::new(principal, indexed.uid.clone(), resource, context, Some(&self.embedded.schema));
        match (request, indexed.with(entities, &self.embedded.schema)) {
            (Ok(request), Ok(entities)) => {
                let policies = &indexed.policies[asker as usize];
                verdict(&self.authorizer.is_authorized(&request, policies, &entities))
            }
            (Err(error), _) => Verdict::undecided(&error.to_string()),
            (_, Err(error)) => Verdict::undecided(&error),
        }
    }
}

#[cfg(test)]
impl Engine {
    /// Policies beside the embedded ones that no rule was asked about, to see what the engine itself does with them.
    pub(super) fn unguarded(custom: &str) -> Self {
        Self::over(Embedded::get().unwrap(), named(custom).unwrap()).unwrap()
    }

    pub(super) fn schema(&self) -> &Schema {
        &self.embedded.schema
    }

    /// As [`Engine::decide`], over entities and a context that were checked before: a quarter of a million times.
    pub(super) fn decide_over(
        &self,
        entities: &Entities,
        (principal, action, resource): (EntityUid, Action, EntityUid),
        context: Context,
    ) -> Verdict {
        let indexed = &self.actions[action as usize];
        let request = Request::new(principal, indexed.uid.clone(), resource, context, None).unwrap();
        let policies = &indexed.policies[PrincipalType::User as usize];
        verdict(&self.authorizer.is_authorized(&request, policies, entities))
    }
}

impl Indexed {
    /// These entities beside the action's own, checked against the schema.
    fn with(&self, entities: Vec<Entity>, schema: &Schema) -> Result<Entities, String> {
        let all = self.entities.clone().add_entities(entities, Some(schema));
        all.map_err(|error| error.to_string())
    }
}

/// Cedar's response as ours. An error anywhere may hide a `forbid`, so it denies.
fn verdict(response: &Response) -> Verdict {
    let errors: Vec<_> = response.diagnostics().errors().collect();
    if !errors.is_empty() {
        let ids = errors.iter().map(|AuthorizationError::PolicyEvaluationError(error)| error.policy_id());
        let causes: Vec<String> = errors.iter().map(ToString::to_string).collect();
        return Verdict {
            decision: Decision::Error,
            policies: tokens(ids),
            cause: Some(causes.join("; ").into()),
        };
    }
    let decision = match response.decision() {
        cedar_policy::Decision::Allow => Decision::Allow,
        cedar_policy::Decision::Deny => Decision::Deny,
    };
    Verdict { decision, policies: tokens(response.diagnostics().reason()), cause: None }
}

fn tokens<'a>(ids: impl Iterator<Item = &'a PolicyId>) -> Arc<[Token]> {
    let mut tokens: Vec<Token> = ids.map(|id| Token::of(id.as_ref())).collect();
    tokens.sort_unstable();
    tokens.into()
}

/// The policies of the embedded text, each under the name that its `@id` gives it.
fn named(text: &str) -> Result<Vec<CedarPolicy>, PolicyError> {
    let set = PolicySet::from_str(text)
        .map_err(|error| PolicyError::Syntax { place: Place::of(text, &error), reason: error.to_string() })?;
    let mut policies: Vec<_> = set.policies().collect();
    // Cedar names them `policy0`, `policy1`, … in the order of the text.
    policies.sort_by_key(|policy| policy.id().to_string().trim_start_matches("policy").parse::<usize>().ok());
    let name = |(place, policy): (usize, &CedarPolicy)| {
        let id = policy.annotation("id").filter(|id| Token::new(id).is_ok());
        Ok(policy.new_id(PolicyId::new(id.ok_or(PolicyError::Unnamed { place: place + 1 })?)))
    };
    policies.into_iter().enumerate().map(name).collect()
}

/// Every action's entity, in the order of [`Action::ALL`].
fn action_entities(schema: &Schema) -> Result<Vec<(EntityUid, Entities)>, PolicyError> {
    let inconsistent = |error: &dyn std::fmt::Display| PolicyError::Schema(error.to_string());
    let all = schema.action_entities().map_err(|error| inconsistent(&error))?;
    let by_uid: HashMap<EntityUid, &Entity> = all.iter().map(|entity| (entity.uid(), entity)).collect();
    let found = |action: &Action| {
        let uid = names::action(*action);
        let entity = by_uid.get(&uid).ok_or_else(|| inconsistent(&format!("no action `{action}`")))?;
        let entities =
            Entities::from_entities([(*entity).clone()], None).map_err(|error| inconsistent(&error))?;
        Ok((uid, entities))
    };
    Action::ALL.iter().map(found).collect()
}

/// A policy whose scope cannot match neither permits nor forbids, so leaving it out changes no decision. A custom one is
/// left out too where it has no say.
fn index(embedded: &Embedded, added: &[CedarPolicy]) -> Result<Vec<Indexed>, PolicyError> {
    let indexed = |(action, (uid, entities)): (&Action, &(EntityUid, Entities))| {
        let matching = |asker: PrincipalType| {
            let matches = |policy: &&CedarPolicy| {
                speaks_of_principal(policy, names::principal_type(asker))
                    && speaks_of_action(policy, uid, entities)
            };
            let has_say = asker != PrincipalType::Component && !custom::SPARED.contains(action);
            let added = added.iter().filter(|_| has_say);
            PolicySet::from_policies(embedded.policies.iter().chain(added).filter(matches).cloned())
                .map_err(|error| PolicyError::Duplicate(error.to_string()))
        };
        let [user, consumer, component] = PrincipalType::ALL.map(matching);
        Ok(Indexed { uid: uid.clone(), entities: entities.clone(), policies: [user?, consumer?, component?] })
    };
    Action::ALL.iter().zip(&embedded.actions).map(indexed).collect()
}

fn speaks_of_principal(policy: &CedarPolicy, asker: &EntityTypeName) -> bool {
    match policy.principal_constraint() {
        PrincipalConstraint::Any | PrincipalConstraint::In(_) => true,
        PrincipalConstraint::Is(named) | PrincipalConstraint::IsIn(named, _) => named == *asker,
        PrincipalConstraint::Eq(uid) => uid.type_name() == asker,
    }
}

pub(super) fn speaks_of_action(policy: &CedarPolicy, action: &EntityUid, entities: &Entities) -> bool {
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => uid == *action,
        ActionConstraint::In(groups) => {
            groups.iter().any(|group| group == action || entities.is_ancestor_of(group, action))
        }
    }
}

#[cfg(test)]
mod tests;
