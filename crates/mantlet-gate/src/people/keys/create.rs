//! Making a key for an application, and with its first key the application.

use std::collections::BTreeSet;

use mantlet_types::{
    Action, ConsumerId, Kid, ModelName, PrincipalId, ProjectId, Rejection, RouteName, Timestamp,
    entry::{Event, Token},
};
use serde::{Deserialize, Serialize};

use super::on_project;
use crate::{
    Snapshot,
    administer::{Claims, Deed, Done, Office},
    budget::Budget,
    directory::{Change, Consumer, Directory},
    identity::{Principal, key::Env},
    people::{
        consumers::{check_scope, scope},
        issue::{Draft, IssuedKey, conflict, drawn_kid, issue, lifetime, networks},
    },
};

/// A key as asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// For whom; made if there is none of this name.
    pub consumer: ConsumerId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// The models it may ask. For a consumer that exists: as it is, or nothing.
    #[serde(default)]
    pub models: BTreeSet<ModelName>,
    /// The routes to language models that it may use. For a consumer that exists: as it is, or nothing.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub routes: BTreeSet<RouteName>,
    /// Predictions per minute for each of the models; by default what the settings say, or what the consumer has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_minute: Option<u32>,
    /// What it may use on all routes together. For a consumer that exists: as it is, or nothing.
    #[serde(default, skip_serializing_if = "Budget::is_open")]
    pub budget: Budget,
    /// Days until the key ends, 1 to 365; 90 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_days: Option<u32>,
    /// The networks that the key may be used from; none means any that the listener admits.
    #[serde(default)]
    pub networks: Vec<String>,
    /// Whether it may read the project's statistics.
    #[serde(default)]
    pub monitor: bool,
    /// What the key says it is for.
    #[serde(default)]
    pub env: Env,
}

/// Makes a key for an application.
///
/// A second key of an application has the scope of the first: what the other key may do must not change under it.
pub struct CreateKey {
    request: KeyRequest,
    // Drawn beforehand, so that the intent in the log names it.
    kid: Kid,
}

impl CreateKey {
    /// The deed for a request.
    ///
    /// # Errors
    /// 503 without randomness.
    pub fn new(request: KeyRequest) -> Result<Self, Rejection> {
        Ok(Self { request, kid: drawn_kid()? })
    }

    /// The application, if there is one. One of another project's is as good as none, but for its name.
    fn existing<'a>(&self, directory: &'a Directory) -> Option<&'a Consumer> {
        let consumer = directory.consumers.get(&self.request.consumer);
        consumer.filter(|consumer| consumer.project == self.request.project)
    }

    fn rate(&self, snapshot: &Snapshot) -> u32 {
        let default = || match self.existing(&snapshot.directory) {
            Some(consumer) => consumer.rate_per_minute,
            None => snapshot.settings.rate_per_minute,
        };
        self.request.rate_per_minute.unwrap_or_else(default)
    }

    fn models<'a>(&'a self, directory: &'a Directory) -> &'a BTreeSet<ModelName> {
        match self.existing(directory) {
            Some(consumer) if self.request.models.is_empty() => &consumer.models,
            _ => &self.request.models,
        }
    }

    fn routes<'a>(&'a self, directory: &'a Directory) -> &'a BTreeSet<RouteName> {
        match self.existing(directory) {
            Some(consumer) if self.request.routes.is_empty() => &consumer.routes,
            _ => &self.request.routes,
        }
    }

    /// The application as it will be.
    fn consumer(&self, snapshot: &Snapshot, expires: Timestamp) -> Result<Consumer, Rejection> {
        let name = &self.request.consumer;
        match self.existing(&snapshot.directory) {
            Some(existing) => {
                self.check_same(existing)?;
                // An application lasts as long as its last key.
                Ok(Consumer { expires: existing.expires.max(expires), ..existing.clone() })
            }
            None if snapshot.directory.consumers.contains_key(name) => {
                Err(conflict(format!("the name `{name}` is taken")))
            }
            None => Ok(Consumer { expires, ..self.asked(snapshot) }),
        }
    }

    /// The application as the request alone describes it; what it leaves open is as it is or by default.
    fn asked(&self, snapshot: &Snapshot) -> Consumer {
        Consumer {
            disabled: false,
            project: self.request.project.clone(),
            models: self.models(&snapshot.directory).clone(),
            routes: self.routes(&snapshot.directory).clone(),
            monitor: self.request.monitor,
            expires: Timestamp::from_micros(0),
            rate_per_minute: self.rate(snapshot),
            budget: self
                .existing(&snapshot.directory)
                .map_or(self.request.budget, |existing| existing.budget),
            identities: BTreeSet::new(),
            removed: Vec::new(),
            keepers: BTreeSet::new(),
        }
    }

    fn check_same(&self, existing: &Consumer) -> Result<(), Rejection> {
        let request = &self.request;
        let name = &request.consumer;
        if existing.disabled {
            return Err(conflict(format!("consumer `{name}` is disabled")));
        }
        let same_models = request.models.is_empty() || request.models == existing.models;
        let same_routes = request.routes.is_empty() || request.routes == existing.routes;
        let same_rate = request.rate_per_minute.is_none_or(|rate| rate == existing.rate_per_minute);
        let same_budget = request.budget.is_open() || request.budget == existing.budget;
        if !(same_models && same_routes && same_rate && same_budget && (existing.monitor || !request.monitor))
        {
            return Err(conflict(format!("consumer `{name}` has another scope; state the same or none")));
        }
        Ok(())
    }
}

impl Deed for CreateKey {
    type Reply = IssuedKey;

    fn event(&self) -> Event {
        Event::KeyCreate
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        Some(Token::of(&format!("consumer:{}/{}", self.request.consumer, self.kid)))
    }

    /// The right to manage consumers, and to give what the key may do. Models that are not the project's are left to
    /// [`Self::act`], which may name them: by then the caller is known to see the project.
    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        let manage = on_project(Action::ManageConsumers, &self.request.project);
        let scope = scope(directory, &self.asked(caller.snapshot()));
        Ok(Claims::All(vec![manage, (Action::Grant, scope)]))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<IssuedKey>, Rejection> {
        let expires = lifetime(self.request.expires_in_days, office)?;
        let networks = networks(&self.request.networks)?;
        let consumer = self.consumer(office.snapshot, expires)?;
        check_scope(office, &consumer)?;
        let KeyRequest { consumer: id, env, .. } = self.request;
        let owner = PrincipalId::Consumer(id.clone());
        let (issued, key) = issue(office, Draft { kid: self.kid, env, owner, expires, networks })?;
        let consumer = consumer.kept_by(office.caller.id());
        Ok(Done::changed(issued, vec![Change::PutConsumer(id, consumer), key]))
    }
}
