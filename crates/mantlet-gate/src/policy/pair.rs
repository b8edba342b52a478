//! Leave to have a version answer the same rows as the live one.
//!
//! Two decisions are taken: the live version is evaluated by the role's right, and the other one is the caller's to bring
//! forward, as its author (`try_candidate`), as who may ask that it go live (`request_deployment`), or as who may make it live
//! now that it is approved (`update_model`). Nobody else learns anything of a candidate, and nobody gets an answer of it.

use std::sync::Arc;

use mantlet_types::{Action, Code, ModelName, Rejection, Resource, Timestamp, Version};

use super::{Permit, asker::Asker, authorize};
use crate::{
    deployments::Way, identity::Principal, mediate::Ask, ports::Model, record::Record, releases::alias,
};

/// Leave to compare: a permit for the live version, and the version beside it.
pub(crate) struct PairPermit {
    permit: Permit,
    beside: Arc<dyn Model>,
}

impl PairPermit {
    pub(crate) fn into_parts(self) -> (Permit, Arc<dyn Model>) {
        (self.permit, self.beside)
    }
}

/// Decides whether a principal may compare a version, which the question names, with the live one.
///
/// # Errors
/// As [`super::authorize`] for the live version; 404 for a version that the caller may not know of, 403 for one that is not
/// the caller's to bring forward, 409 for the live version itself, 503 for one that is not loaded.
pub(crate) fn authorize_pair(
    principal: Principal,
    ask: &Ask,
    now: Timestamp,
    record: &mut Record,
) -> Result<PairPermit, Rejection> {
    let named = ask.version.as_ref().ok_or_else(|| Rejection::argument("a comparison names a version"))?;
    let version = alias::number(&principal.snapshot().directory, &ask.model, named);
    let live = Ask { version: None, ..ask.clone() };
    let (model, candidate) = authorize::ask((&principal).into(), &live, now, record)?;
    let beside = beside(&principal, &ask.model, version, now, record)?;
    Ok(PairPermit { permit: Permit { principal, model, candidate }, beside })
}

/// The version beside the live one, if it is the caller's to bring forward. The entry is about this version from here on.
fn beside(
    principal: &Principal,
    name: &ModelName,
    version: Version,
    now: Timestamp,
    record: &mut Record,
) -> Result<Arc<dyn Model>, Rejection> {
    let snapshot = principal.snapshot();
    let known = snapshot.directory.models.get(name).filter(|model| model.versions.contains_key(&version));
    let known = known.ok_or(Code::NotFound)?;
    if known.live == Some(version) {
        let detail = format!("version {version} of `{name}` is live; name another to compare it with");
        return Err(Rejection::new(Code::Conflict).detailed(detail));
    }
    let asker = Asker::from(principal);
    let of_version = || Resource::ModelVersion(name.clone(), version);
    let rights = [
        (Action::TryCandidate, of_version()),
        (Action::RequestDeployment, of_version()),
        (Action::UpdateModel, Resource::Deployment(name.clone(), version)),
    ];
    let mut verdicts = rights.iter().map(|(action, resource)| asker.decide(*action, resource, now));
    let Some(allowed) = verdicts.find(super::engine::Verdict::is_allowed) else {
        record.decision(mantlet_types::entry::Decision::Deny, &[]);
        let way = Way { model: name.clone(), version };
        let visible = way.is_known_to(principal, &snapshot.directory);
        return Err(if visible {
            let detail = "the version is for its author to compare, for who may request it, or, once it is approved, \
                          for who may make it live";
            Rejection::new(Code::Forbidden).detailed(detail)
        } else {
            Code::NotFound.into()
        });
    };
    record.entry().policy_ids.extend(allowed.policies.iter().cloned());
    let model = snapshot.model(name, Some(version));
    let unloaded = || Rejection::unavailable(format!("version {version} of `{name}` is not loaded"));
    let model = model.ok_or_else(unloaded)?;
    record.contract(model.contract());
    Ok(Arc::clone(model))
}
