//! What one request sees: configuration, policy, directory and models of one generation, immutable.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use mantlet_types::{Alias, ModelName, UserId, Version, limits};

use crate::{
    directory::{Change, Directory},
    identity::{Peppers, Workloads, token::Issuer, workload::Trusted},
    policy::Policy,
    ports::Model,
    releases::{alias::AliasRule, conditions::Conditions},
    reviews::Hold,
    routes::Routes,
};

/// One generation of everything that decides.
pub struct Snapshot {
    /// The store's: goes up with every change of what it keeps, over restarts too; audit entries name it.
    pub generation: u64,
    /// People, keys, bindings, versions.
    pub directory: Directory,
    /// The policy set and this generation's cache of its decisions.
    pub policy: Policy,
    /// Verified models that are loaded.
    pub models: HashMap<ModelName, Served>,
    /// What turns a key's secret into what the directory keeps.
    pub peppers: Arc<Peppers>,
    /// Whose each workload's identity is.
    pub workloads: Workloads,
    /// Settings that the gate's steps read.
    pub settings: Arc<Settings>,
}

/// The loaded versions of one model.
#[derive(Clone, Default)]
pub struct Served {
    /// By version; the directory says which is live.
    pub versions: BTreeMap<Version, Arc<dyn Model>>,
}

/// Settings of the gate.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Duties may meet in one principal, and every record says so (`[danger] single_person`).
    pub single_person: bool,
    /// Predictions per minute and principal × model for principals without a limit of their own.
    pub rate_per_minute: u32,
    /// Failed authentications per minute and address before it is turned away.
    pub failures_per_minute: u32,
    /// Denials per minute and principal that get an entry each; further ones are counted.
    pub denials_per_minute: u32,
    /// Days for which a new key is valid, unless the request says otherwise.
    pub key_days: u32,
    /// Hours for which a replaced key stays valid, unless the request says otherwise.
    pub key_overlap_hours: u32,
    /// A model's time for one request, waiting for a place in the pool included.
    pub inference_timeout: Duration,
    /// Minutes that a signed URL may live.
    pub url_minutes_max: u32,
    /// Models whose answers are held for a person, and when.
    pub holds: BTreeMap<ModelName, Hold>,
    /// What versions of a model must be to go live.
    pub conditions: BTreeMap<ModelName, Conditions>,
    /// Who may give a model's aliases, and to what, where that is not the default.
    pub alias_rules: BTreeMap<ModelName, BTreeMap<Alias, AliasRule>>,
    /// Days for which a held answer is kept.
    pub review_days: u32,
    /// Answers of one principal that wait for a person at a time.
    pub reviews_pending: usize,
    /// As whom the home's owner acts at the control socket; `None` lets nobody in there without a key.
    pub local_owner: Option<UserId>,
    /// Trust domains whose workloads are taken.
    pub trust_domains: Vec<Trusted>,
    /// Issuers whose tokens are taken.
    pub issuers: Vec<Arc<Issuer>>,
    /// Ways to language models.
    pub routes: Routes,
}

impl Default for Settings {
    /// What holds if nobody says anything; `docs/explanation/defaults.md` has the reasons.
    fn default() -> Self {
        Self {
            single_person: false,
            rate_per_minute: limits::RATE_PER_MINUTE_DEFAULT,
            failures_per_minute: 30,
            denials_per_minute: 60,
            key_days: limits::KEY_DAYS_DEFAULT,
            key_overlap_hours: limits::KEY_OVERLAP_HOURS_DEFAULT,
            inference_timeout: limits::INFERENCE_TIMEOUT,
            url_minutes_max: limits::URL_MINUTES_MAX,
            holds: BTreeMap::new(),
            conditions: BTreeMap::new(),
            alias_rules: BTreeMap::new(),
            review_days: limits::REVIEW_DAYS_MAX,
            reviews_pending: limits::REVIEWS_PENDING_DEFAULT,
            local_owner: None,
            trust_domains: Vec::new(),
            issuers: Vec::new(),
            routes: Routes::default(),
        }
    }
}

impl Snapshot {
    /// The next generation: the directory with these changes, these models loaded, these settings if they changed, and
    /// a fresh decision cache.
    #[must_use]
    pub fn next(&self, changes: &[Change], loaded: Vec<Arc<dyn Model>>, settings: Option<Settings>) -> Self {
        let mut directory = self.directory.with(changes);
        let settings = settings.map_or_else(|| Arc::clone(&self.settings), Arc::new);
        directory.routes = settings.routes.projects();
        let mut models = self.models.clone();
        for model in loaded {
            let contract = model.contract();
            models.entry(contract.model.clone()).or_default().versions.insert(contract.version, model);
        }
        Self {
            generation: self.generation + 1,
            policy: self.policy.renewed(),
            directory,
            models,
            peppers: Arc::clone(&self.peppers),
            workloads: Workloads::default(),
            settings,
        }
    }

    /// The same without these versions: nobody is answered by them. What is live and cannot answer is told as that.
    #[must_use]
    pub fn without(mut self, unloaded: &[(ModelName, Version)]) -> Self {
        for (name, version) in unloaded {
            if let Some(served) = self.models.get_mut(name) {
                served.versions.remove(version);
            }
        }
        self
    }

    /// The version of a model that a request is about: the one named, or the live one.
    #[must_use]
    pub fn model(&self, name: &ModelName, version: Option<Version>) -> Option<&Arc<dyn Model>> {
        let version = version.or(self.directory.models.get(name)?.live)?;
        self.models.get(name)?.versions.get(&version)
    }

    /// Models whose live version could not be loaded.
    pub fn unloaded(&self) -> impl Iterator<Item = &ModelName> {
        let live = self.directory.models.iter().filter_map(|(name, record)| Some((name, record.live?)));
        live.filter(|(name, version)| self.model(name, Some(*version)).is_none()).map(|(name, _)| name)
    }

    /// Whether this version is the live one.
    #[must_use]
    pub fn is_live(&self, name: &ModelName, version: Version) -> bool {
        self.directory.models.get(name).is_some_and(|record| record.live == Some(version))
    }
}
