//! Decisions on requests: the directory's records go to the engine, and its verdict becomes a permit or a rejection.
//!
//! Whoever may not know of a thing learns the same as of a thing that does not exist: 404. Only who may see it learns
//! that it is the action that is not permitted: 403.

use std::sync::Arc;

use mantlet_types::{
    Action, Code, ModelName, ProjectId, Rejection, Resource, Timestamp, Version, entry::Decision,
};

use super::{Target, asker::Asker, engine::Verdict, entities};
use crate::{Snapshot, directory::ModelRecord, mediate::Ask, ports::Model, record::Record};

/// The policy that lets people act who have no duty to.
const BREAK_GLASS: &str = "P23_break_glass";

/// What an author does to an own candidate by the right of a role as well. A prediction is what trying one means, and its
/// author's role does not have it.
const BY_ROLE: [Action; 2] = [Action::Explain, Action::Evaluate];

/// Decides a question to a model; gives the version that will answer, and whether it is a candidate.
pub(super) fn ask(
    asker: Asker<'_>,
    ask: &Ask,
    now: Timestamp,
    record: &mut Record,
) -> Result<(Arc<dyn Model>, bool), Rejection> {
    let known = asker.snapshot.directory.models.get(&ask.model);
    let version = ask.number(&asker.snapshot.directory);
    let (action, resource, candidate) = meant(ask, version, known);
    let project = entities::project_of(&asker.snapshot.directory, &resource);
    // INVARIANT (metadata only): a name that nothing here has is a caller's text, and none of the log's business.
    record.request(action, Some(&resource).filter(|_| project.is_some()));
    let verdict = match project {
        Some(_) => asker.decide(action, &resource, now),
        None => Verdict::denied(),
    };
    // Whoever made a version may try it; what the role's right is needed for, it is needed for there too.
    let right = match project {
        Some(project) if verdict.is_allowed() && candidate && BY_ROLE.contains(&ask.action) => {
            record.request(ask.action, Some(&resource));
            Some(asker.decide_unlive(ask.action, &ask.model, project, now))
        }
        _ => None,
    };
    record.decision(verdict.decision, &verdict.policies);
    if let Some(right) = &right {
        let policies = [&*verdict.policies, &*right.policies].concat();
        record.decision(right.decision, if right.is_allowed() { &policies } else { &right.policies });
    }
    record.entry().project = project.cloned();
    record.entry().model = project.map(|_| ask.model.clone());
    if !verdict.is_allowed() {
        // A candidate is its author's secret, also before those who may ask the model.
        let visible = !candidate && project.is_some() && asker.sees(&ask.model, now);
        return Err(asker.denied(&verdict, visible, record));
    }
    if let Some(right) = right.filter(|right| !right.is_allowed()) {
        // It is the caller's own, so that there is nothing to keep from them.
        return Err(explained(asker.denied(&right, true, record), ask.action, &right));
    }
    if version.is_none() && known.is_some_and(|model| model.live.is_none()) {
        // Nothing has failed: there is nothing to ask yet. Whoever may ask the model may know that.
        let detail = format!("no version of `{}` is live", ask.model);
        return Err(Rejection::new(Code::NotFound).detailed(detail));
    }
    if let Some(disabled) = known.and_then(|model| model.disabled.as_ref()).filter(|_| !candidate) {
        let cause = format!("`{}` was disabled by `{}`", ask.model, disabled.by);
        let detail = format!("`{}` is disabled", ask.model);
        return Err(Rejection::unavailable(cause).detailed(detail));
    }
    let model = asker
        .snapshot
        .model(&ask.model, version)
        .ok_or_else(|| Rejection::unavailable(format!("no loaded version of `{}` answers", ask.model)))?;
    record.contract(model.contract());
    Ok((Arc::clone(model), candidate))
}

/// What a question means: a version by name that is not live is tried, everything else is asked of the model.
fn meant(ask: &Ask, version: Option<Version>, known: Option<&ModelRecord>) -> (Action, Resource, bool) {
    let live = known.and_then(|model| model.live);
    let unlive = version.filter(|version| live != Some(*version));
    let of_version = |version| Resource::ModelVersion(ask.model.clone(), version);
    match (ask.action, version.or(live), unlive) {
        (Action::ViewWeights | Action::Export, Some(version), _) => {
            (ask.action, of_version(version), unlive.is_some())
        }
        (_, _, Some(version)) => (Action::TryCandidate, of_version(version), true),
        (_, _, None) => (ask.action, Resource::Model(ask.model.clone()), false),
    }
}

/// Decides one claim of a deed.
pub(super) fn claim(
    asker: Asker<'_>,
    action: Action,
    target: &Target,
    now: Timestamp,
    record: &mut Record,
) -> Result<(), Rejection> {
    let (verdict, project) = asker.decide_target(action, target, now);
    // A deed is recorded under its principal claim, which comes first, unless a later one denies it.
    let settled = verdict.is_allowed() && record.decision_is(Decision::Allow);
    if !settled {
        // What exists, or will come to be: see `ask`.
        let named = project.is_some() && (verdict.is_allowed() || !matches!(target, Target::NewModel { .. }));
        record.request(action, target.resource().filter(|_| named).as_ref());
        record.decision(verdict.decision, &verdict.policies);
        record.entry().model = target.model().filter(|_| named).cloned();
        record.version(&asker.snapshot.directory, target.version().filter(|_| named));
        record.entry().project.clone_from(&project);
    }
    if !verdict.is_allowed() {
        // Whoever brings a URL of somebody's is not that person, and learns nothing of what that person may know.
        let visible =
            asker.url.is_none() && project.as_ref().is_some_and(|project| asker.belongs_to(project));
        let rejection = asker.denied(&verdict, visible, record);
        let explain = visible && asker.confined.is_none();
        return Err(if explain { explained(rejection, action, &verdict) } else { rejection });
    }
    if verdict.policies.iter().any(|policy| policy.as_str() == BREAK_GLASS) {
        tracing::warn!(principal = %asker.id, %action, "break-glass is used");
    }
    match target {
        // A name that another project has taken: told only to those who may register here, and never granted, since
        // what is registered under it would be the other project's.
        Target::NewModel { project, model } if is_foreign(asker.snapshot, model, project) => {
            Err(Rejection::new(Code::Conflict).detailed(format!("the model name `{model}` is taken")))
        }
        _ => Ok(()),
    }
}

fn is_foreign(snapshot: &Snapshot, model: &ModelName, project: &ProjectId) -> bool {
    snapshot.directory.models.get(model).is_some_and(|record| record.project != *project)
}

/// Names what decided, for those who may know the resource.
fn explained(rejection: Rejection, action: Action, verdict: &Verdict) -> Rejection {
    let ids: Vec<String> = verdict.policies.iter().map(|id| format!("`{}`", id.as_str())).collect();
    if ids.is_empty() {
        rejection.detailed(format!("no policy permits `{action}` here"))
    } else {
        rejection.detailed(format!("`{action}` is forbidden by {}", ids.join(", ")))
    }
}

#[cfg(test)]
mod tests;
