//! Which features' shares in an answer a principal may see: one decision for each feature.
//!
//! A thousand of them take longer than others should wait for a thread that serves requests, so what was not decided before
//! is decided elsewhere.

use std::{cell::LazyCell, net::IpAddr, sync::Arc};

use mantlet_types::{
    Action, Contract, Kid, PrincipalId, Resource, Timestamp, contract::Feature, entry::Authn,
};

use super::{Permit, asker::Asker, entities};
use crate::{Snapshot, identity::Principal, urls::UrlTerms};

/// Whether the principal may see what each feature of the model added to an answer, in the contract's order, if all of that
/// was decided before. Whoever asks has been permitted to have the model explained.
pub(crate) fn attributable_recalled(permit: &Permit, now: Timestamp) -> Option<Vec<bool>> {
    Asker::from(permit.principal()).attributable_recalled(permit.model().contract(), now)
}

/// The same as work to be done elsewhere: a decision for each of a thousand features takes longer than others should
/// wait for a thread that serves requests.
pub(crate) fn attributable(permit: &Permit, now: Timestamp) -> impl FnOnce() -> Vec<bool> + Send + 'static {
    let asker = OwnAsker::from(permit.principal());
    let contract = Arc::clone(permit.model().contract());
    move || asker.asker().attributable(&contract, now)
}

/// What of a principal decides, to be taken along to another thread.
struct OwnAsker {
    id: PrincipalId,
    authn: Authn,
    ip: IpAddr,
    mfa: bool,
    protected: bool,
    confined: Option<Kid>,
    url: Option<Box<UrlTerms>>,
    snapshot: Arc<Snapshot>,
}

impl From<&Principal> for OwnAsker {
    fn from(principal: &Principal) -> Self {
        Self {
            id: principal.id().clone(),
            authn: principal.authn(),
            ip: principal.ip(),
            mfa: principal.mfa(),
            protected: principal.protected(),
            confined: principal.confined(),
            url: principal.url().cloned().map(Box::new),
            snapshot: Arc::clone(principal.snapshot()),
        }
    }
}

impl OwnAsker {
    fn asker(&self) -> Asker<'_> {
        let Self { id, authn, ip, mfa, protected, confined, url, snapshot } = self;
        let (authn, ip, mfa, protected, confined) = (*authn, *ip, *mfa, *protected, *confined);
        Asker { id, authn, ip, mfa, protected, confined, url: url.as_deref(), snapshot }
    }
}

impl Asker<'_> {
    /// Decides for each feature of a version whether what it added to an answer may be seen.
    pub(super) fn attributable(self, contract: &Contract, now: Timestamp) -> Vec<bool> {
        let directory = &self.snapshot.directory;
        let model = LazyCell::new(|| entities::model_of_features(directory, contract));
        let may = |feature: &Feature| {
            let name = Arc::clone(&feature.name);
            let resource = Resource::Feature(contract.model.clone(), contract.version, name);
            let made = || {
                let asked = entities::feature(directory, contract, &resource, feature.sensitivity)?;
                Some((asked, Some((*model).clone()?)))
            };
            self.decide_made(Action::AttributeFeature, &resource, now, made).is_allowed()
        };
        contract.features.iter().map(may).collect()
    }

    /// The same where every one of these decisions is remembered.
    pub(super) fn attributable_recalled(self, contract: &Contract, now: Timestamp) -> Option<Vec<bool>> {
        if self.confined.is_some() || self.url.is_some() {
            return Some(vec![false; contract.features.len()]);
        }
        let may = |feature: &Feature| {
            let name = Arc::clone(&feature.name);
            let resource = Resource::Feature(contract.model.clone(), contract.version, name);
            let key = self.key(Action::AttributeFeature, &resource);
            self.snapshot.policy.cache.recall(&key, now).map(|verdict| verdict.is_allowed())
        };
        contract.features.iter().map(may).collect()
    }
}
