//! What a change of the custom policies would change: in the role matrix, and in what this home's own people and
//! applications may do to what is there.
//!
//! Both sides are decided by the engine itself, on the directory as it is. Where no custom policy has a say, before or
//! after, nothing can differ and nothing is asked.

use std::net::IpAddr;

use cedar_policy::{Context, Effect, Entity};
use mantlet_types::{
    Action, PrincipalId, Resource, Timestamp,
    entry::{Authn, Decision},
};
use serde::Serialize;

use super::{
    Policy,
    asker::context,
    custom::{actions, ids, kept_by},
    engine::{Embedded, Engine, Question, Verdict},
    entities::{self, Asking},
    matrix::Cell,
    names::PrincipalType,
};
use crate::directory::Directory;

/// Questions that are asked at most: a second or two of one core. What a larger home's answer leaves out, it says.
const QUESTIONS_MAX: usize = 20_000;

/// Differences that are listed; all are counted.
const LISTED_MAX: usize = 500;

/// Under which conditions decisions are compared.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// When.
    pub at: Timestamp,
    /// From where everybody asks.
    pub from: IpAddr,
    /// Whether the home is one person's.
    pub single_person: bool,
}

/// What would change.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// The custom policies that would be in force, all sets together.
    pub policies: Vec<String>,
    /// Invariants that would no longer rest on the embedded policies alone, by the policy that touches them.
    pub invariants: Vec<Touched>,
    /// Cells of the role matrix that would change.
    pub matrix: Vec<CellChange>,
    /// Decisions in this home that would change, the newly allowed ones first.
    pub decisions: Vec<DecisionChange>,
    /// How many decisions would be newly allowed.
    pub newly_allowed: usize,
    /// How many decisions would be newly denied.
    pub newly_denied: usize,
    /// How many decisions were compared.
    pub compared: usize,
    /// Whether all were that could differ; a home can have more than are compared.
    pub complete: bool,
}

/// An invariant that a custom policy touches.
#[derive(Clone, Debug, Serialize)]
pub struct Touched {
    /// The policy.
    pub policy: String,
    /// The action.
    pub action: Action,
    /// The invariants, by number.
    pub invariants: &'static str,
}

/// A cell of the role matrix, before and after.
#[derive(Clone, Debug, Serialize)]
pub struct CellChange {
    /// The role.
    pub role: &'static str,
    /// The action.
    pub action: Action,
    /// Before.
    pub before: Decision,
    /// After.
    pub after: Decision,
    /// The policies that would decide.
    pub policy: String,
    /// When it would be allowed, if not always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<&'static str>,
}

/// A decision in this home, before and after.
#[derive(Clone, Debug, Serialize)]
pub struct DecisionChange {
    /// Who asks.
    pub principal: PrincipalId,
    /// With a second factor or without.
    pub mfa: bool,
    /// For what.
    pub action: Action,
    /// Of what.
    pub resource: String,
    /// Before.
    pub before: Decision,
    /// After.
    pub after: Decision,
    /// The policies that would decide.
    pub policies: Vec<String>,
}

/// Compares two policies on a directory.
pub(super) fn difference(
    before: &Policy,
    after: &Policy,
    directory: &Directory,
    conditions: Conditions,
) -> Difference {
    let mut compared = Comparison {
        before: &before.engine,
        after: &after.engine,
        directory,
        conditions,
        changes: Vec::new(),
        questions: 0,
    };
    let complete = compared.run().is_some();
    let Comparison { mut changes, questions, .. } = compared;
    // What is new to be allowed is what an approver must see.
    changes.sort_by_key(|change| change.after != Decision::Allow);
    let newly_allowed = changes.iter().filter(|change| change.after == Decision::Allow).count();
    let newly_denied = changes.len() - newly_allowed;
    changes.truncate(LISTED_MAX);
    Difference {
        policies: ids(after.engine.custom()),
        invariants: touched(&after.engine),
        matrix: cells(&before.matrix(), after.matrix()),
        decisions: changes,
        newly_allowed,
        newly_denied,
        compared: questions,
        complete,
    }
}

/// A permit gives an action to whoever has no role for it. A forbid takes; every invariant says when something may be
/// allowed, so taking touches none.
fn touched(engine: &Engine) -> Vec<Touched> {
    let Ok(embedded) = Embedded::get() else { return Vec::new() };
    let permits = engine.custom().iter().filter(|policy| policy.effect() == Effect::Permit);
    let by_action = permits.flat_map(|policy| {
        let touch =
            |action: Action| Touched { policy: policy.id().to_string(), action, invariants: kept_by(action) };
        actions(embedded, policy).into_iter().map(touch)
    });
    by_action.collect()
}

fn cells(before: &[Cell], after: Vec<Cell>) -> Vec<CellChange> {
    let pairs = before.iter().zip(after);
    let changed = pairs.filter(|(before, after)| {
        before.decision != after.decision
            || before.condition != after.condition
            || (after.decision == Decision::Allow && before.policy != after.policy)
    });
    let change = |(before, after): (&Cell, Cell)| CellChange {
        role: after.role,
        action: after.action,
        before: before.decision,
        after: after.decision,
        policy: after.policy,
        condition: after.condition,
    };
    changed.map(change).collect()
}

/// A comparison under way.
struct Comparison<'a> {
    before: &'a Engine,
    after: &'a Engine,
    directory: &'a Directory,
    conditions: Conditions,
    changes: Vec<DecisionChange>,
    questions: usize,
}

impl Comparison<'_> {
    /// Asks everything that can differ; `None` once there is too much of it.
    fn run(&mut self) -> Option<()> {
        let directory = self.directory;
        let mut users: Vec<_> = directory.users.keys().cloned().map(PrincipalId::User).collect();
        let mut consumers: Vec<_> = directory.consumers.keys().cloned().map(PrincipalId::Consumer).collect();
        users.sort_unstable();
        consumers.sort_unstable();
        for action in Action::ALL.iter().copied() {
            let resources = self.resources(action);
            for (asker, principals) in [(PrincipalType::User, &users), (PrincipalType::Consumer, &consumers)]
            {
                if self.before.asked(asker, action) == self.after.asked(asker, action) {
                    continue;
                }
                for principal in principals {
                    let Some(asking) = entities::principal(directory, principal) else { continue };
                    for resource in &resources {
                        self.compare(principal, &asking, action, resource)?;
                    }
                }
            }
        }
        Some(())
    }

    fn compare(
        &mut self,
        principal: &PrincipalId,
        asking: &Asking,
        action: Action,
        resource: &Resource,
    ) -> Option<()> {
        let asked = entities::resource(self.directory, resource, self.conditions.single_person);
        let Some(asked) = asked else { return Some(()) };
        // Only people have a second factor.
        let factors: &[bool] = if asking.kind == PrincipalType::User { &[true, false] } else { &[false] };
        for mfa in factors.iter().copied() {
            self.questions += 1;
            if self.questions > QUESTIONS_MAX {
                self.questions = QUESTIONS_MAX;
                return None;
            }
            let decide = |engine: &Engine| self.decide(engine, asking, action, &asked.entity, mfa);
            let (before, after) = (decide(self.before)?, decide(self.after)?);
            if before.is_allowed() != after.is_allowed() {
                self.changes.push(DecisionChange {
                    principal: principal.clone(),
                    mfa,
                    action,
                    resource: resource.to_string(),
                    before: before.decision,
                    after: after.decision,
                    policies: after.policies.iter().map(|id| id.as_str().to_owned()).collect(),
                });
            }
        }
        Some(())
    }

    fn decide(
        &self,
        engine: &Engine,
        asking: &Asking,
        action: Action,
        resource: &Entity,
        mfa: bool,
    ) -> Option<Verdict> {
        Some(engine.decide(Question {
            asker: asking.kind,
            principal: asking.entity.uid(),
            action,
            resource: resource.uid(),
            context: self.context(mfa)?,
            entities: vec![asking.entity.clone(), resource.clone()],
        }))
    }

    fn context(&self, mfa: bool) -> Option<Context> {
        let Conditions { at, from, single_person } = self.conditions;
        let authn = if mfa { Authn::ApiKeyAndCertificate } else { Authn::ApiKey };
        context(at, (authn, from), [mfa, true, single_person], None)
    }

    /// The things of this home to which an action applies. Features are not among them: what is in a model's package is
    /// not the directory's, and the matrix speaks of them.
    fn resources(&self, action: Action) -> Vec<Resource> {
        let directory = self.directory;
        let projects = || directory.projects.iter().cloned();
        let versions = |of: fn(mantlet_types::ModelName, mantlet_types::Version) -> Resource| {
            let models = directory.models.iter();
            models
                .flat_map(move |(name, model)| {
                    model.versions.keys().map(move |version| of(name.clone(), *version))
                })
                .collect()
        };
        match action {
            Action::Predict
            | Action::Explain
            | Action::Evaluate
            | Action::InspectFeatures
            | Action::RegisterVersion
            | Action::DisableModel => directory.models.keys().cloned().map(Resource::Model).collect(),
            Action::ViewWeights
            | Action::Export
            | Action::TryCandidate
            | Action::WriteArtifact
            | Action::RequestDeployment => versions(Resource::ModelVersion),
            Action::ApproveDeployment
            | Action::ActivateDeployment
            | Action::UpdateModel
            | Action::Rollback => versions(Resource::Deployment),
            Action::CreateDataset | Action::ManageUsers | Action::ManageConsumers => {
                projects().map(Resource::Project).collect()
            }
            Action::Monitor | Action::AcknowledgeAlert => projects().map(Resource::Statistics).collect(),
            Action::Grant => {
                let grants = directory.grants.iter();
                grants.map(|(number, grant)| Resource::Grant(grant.project.clone(), *number)).collect()
            }
            // Of the rest a home has nothing yet, or no custom policy is asked.
            _ => Vec::new(),
        }
    }
}
