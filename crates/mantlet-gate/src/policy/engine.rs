//! The policy engine: the embedded Cedar schema and policies, checked once at start and indexed by whom and what
//! they speak of.
//!
//! Cedar visits every policy of a set for every request, and it skips a policy whose evaluation errs, a `forbid`
//! too. So only policies whose scope can match are kept per principal type and action, and any error in Cedar's
//! diagnostics is a denial. The engine knows no directory and no request: it decides on entities that it is given.

use std::{collections::HashMap, str::FromStr, sync::Arc};

use cedar_policy::{
    ActionConstraint, AuthorizationError, Authorizer, Context, Entities, Entity, EntityTypeName, EntityUid,
    Policy as CedarPolicy, PolicyId, PolicySet, PrincipalConstraint, Request, Response, Schema,
    ValidationMode, Validator,
};
use mantlet_types::{
    Action,
    entry::{Decision, Token},
};

use super::names::{self, PrincipalType};

/// The schema that every policy, entity and request is checked against.
const SCHEMA: &str = include_str!("../../policy/mantlet.cedarschema");

/// The policies that always hold.
const POLICIES: &str = include_str!("../../policy/mantlet.cedar");

/// How far a policy may look: attributes of the principal, the resource and `context.model`, and no further. What is
/// loaded for a request is then all that any policy can see (RFC 76, level-based entity slicing).
const DEREFERENCE_LEVEL: u32 = 1;

/// Why a policy set is not taken.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The schema does not hold together.
    #[error("the policy schema is not valid: {0}")]
    Schema(String),
    /// The text is not Cedar.
    #[error("the policies cannot be read: {0}")]
    Syntax(String),
    /// Decisions name the policies behind them, so each needs a name that an audit entry can carry.
    #[error("the policy at place {place} needs an annotation `@id(\"…\")` of letters, digits, `_` and `-`")]
    Unnamed {
        /// Counted from 1 in the text.
        place: usize,
    },
    /// Two policies have this name; a custom one cannot take the place of another.
    #[error("policy id `{0}` is taken")]
    Duplicate(String),
    /// A template decides nothing until somebody links it, and nobody does.
    #[error("policy templates are not supported")]
    Template,
    /// The policy does not fit the schema strictly, or looks further than level 1.
    #[error("policy `{policy}` is not valid: {reason}")]
    Invalid {
        /// Its id.
        policy: String,
        /// What the validator says.
        reason: String,
    },
}

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

/// Schema and policies, ready to decide.
pub(super) struct Engine {
    schema: Schema,
    authorizer: Authorizer,
    /// By action, in the order of [`Action::ALL`].
    actions: Vec<Indexed>,
    /// Whether there are policies beside the embedded ones.
    customized: bool,
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
    /// The embedded policies, and these in addition. A custom policy can forbid more; what the embedded ones forbid
    /// stays forbidden whatever it permits.
    pub(super) fn new(custom: Option<&str>) -> Result<Self, PolicyError> {
        let (schema, _warnings) =
            Schema::from_cedarschema_str(SCHEMA).map_err(|error| PolicyError::Schema(error.to_string()))?;
        let mut policies = named(POLICIES)?;
        policies.extend(custom.map(named).transpose()?.unwrap_or_default());
        validate(&schema, &policies)?;
        let actions = index(&schema, &policies)?;
        Ok(Self { schema, authorizer: Authorizer::new(), actions, customized: custom.is_some() })
    }

    /// Whether there are policies beside the embedded ones.
    pub(super) fn is_customized(&self) -> bool {
        self.customized
    }

    /// Decides. Whatever goes wrong on the way is a denial that says so.
    pub(super) fn decide(&self, question: Question) -> Verdict {
        let Question { asker, principal, action, resource, context, entities } = question;
        let Some(indexed) = self.actions.get(action as usize) else {
            return Verdict::undecided("the action is not in the schema");
        };
        let request = Request::new(principal, indexed.uid.clone(), resource, context, Some(&self.schema));
        match (request, indexed.with(entities, &self.schema)) {
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
    pub(super) fn schema(&self) -> &Schema {
        &self.schema
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

/// The policies of a text, each under the name that its `@id` gives it.
fn named(text: &str) -> Result<Vec<CedarPolicy>, PolicyError> {
    let set = PolicySet::from_str(text).map_err(|error| PolicyError::Syntax(error.to_string()))?;
    if set.num_of_templates() > 0 {
        return Err(PolicyError::Template);
    }
    let mut policies: Vec<_> = set.policies().collect();
    // Cedar names them `policy0`, `policy1`, … in the order of the text.
    policies.sort_by_key(|policy| policy.id().to_string().trim_start_matches("policy").parse::<usize>().ok());
    let name = |(place, policy): (usize, &CedarPolicy)| {
        let id = policy.annotation("id").filter(|id| Token::new(id).is_ok());
        let id = id.ok_or(PolicyError::Unnamed { place: place + 1 })?;
        Ok(policy.new_id(PolicyId::new(id)))
    };
    policies.into_iter().enumerate().map(name).collect()
}

/// Strict validation, and that no policy looks further than what a request loads.
fn validate(schema: &Schema, policies: &[CedarPolicy]) -> Result<(), PolicyError> {
    let mut set = PolicySet::new();
    for policy in policies {
        set.add(policy.clone()).map_err(|_| PolicyError::Duplicate(policy.id().to_string()))?;
    }
    let validator = Validator::new(schema.clone());
    let result = validator.validate_with_level(&set, ValidationMode::Strict, DEREFERENCE_LEVEL);
    match result.validation_errors().next() {
        None => Ok(()),
        Some(error) => {
            Err(PolicyError::Invalid { policy: error.policy_id().to_string(), reason: error.to_string() })
        }
    }
}

/// A policy whose scope cannot match neither permits nor forbids, so leaving it out changes no decision.
fn index(schema: &Schema, policies: &[CedarPolicy]) -> Result<Vec<Indexed>, PolicyError> {
    let inconsistent = |error: &dyn std::fmt::Display| PolicyError::Schema(error.to_string());
    let all = schema.action_entities().map_err(|error| inconsistent(&error))?;
    let by_uid: HashMap<EntityUid, &Entity> = all.iter().map(|entity| (entity.uid(), entity)).collect();
    let indexed = |action: Action| {
        let uid = names::action(action);
        let entity = by_uid.get(&uid).ok_or_else(|| inconsistent(&format!("no action `{action}`")))?;
        let entities =
            Entities::from_entities([(*entity).clone()], None).map_err(|error| inconsistent(&error))?;
        let matching = |asker: PrincipalType| {
            let matches = |policy: &&CedarPolicy| {
                speaks_of_principal(policy, names::principal_type(asker))
                    && speaks_of_action(policy, &uid, &entities)
            };
            PolicySet::from_policies(policies.iter().filter(matches).cloned())
                .map_err(|error| PolicyError::Duplicate(error.to_string()))
        };
        let [user, consumer, component] = PrincipalType::ALL.map(matching);
        Ok(Indexed { uid: uid.clone(), entities: entities.clone(), policies: [user?, consumer?, component?] })
    };
    Action::ALL.iter().copied().map(indexed).collect()
}

fn speaks_of_principal(policy: &CedarPolicy, asker: &EntityTypeName) -> bool {
    match policy.principal_constraint() {
        PrincipalConstraint::Any | PrincipalConstraint::In(_) => true,
        PrincipalConstraint::Is(named) | PrincipalConstraint::IsIn(named, _) => named == *asker,
        PrincipalConstraint::Eq(uid) => uid.type_name() == asker,
    }
}

fn speaks_of_action(policy: &CedarPolicy, action: &EntityUid, entities: &Entities) -> bool {
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
