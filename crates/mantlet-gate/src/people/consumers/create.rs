//! An application without a key: for workloads that prove who they are by certificates and tokens.

use std::collections::BTreeSet;

use mantlet_types::{
    Action, ConsumerId, ModelName, ProjectId, Rejection, RouteName, Timestamp,
    entry::{Event, Token},
    limits::KEY_DAYS_MAX,
};
use serde::{Deserialize, Serialize};

use super::{ConsumerInfo, check_scope, scope, subject};
use crate::{
    administer::{Claims, Deed, Done, Office},
    budget::Budget,
    directory::{Change, Consumer, Directory},
    identity::Principal,
    people::{
        issue::{conflict, lifetime},
        keys::on_project,
    },
    snapshot::Settings,
};

/// An application as asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewConsumer {
    /// Its name.
    pub consumer: ConsumerId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// The models it may ask.
    #[serde(default)]
    pub models: BTreeSet<ModelName>,
    /// The routes to language models that it may use.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub routes: BTreeSet<RouteName>,
    /// Predictions per minute for each of the models; by default what the settings say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_minute: Option<u32>,
    /// What it may use on all routes together; as much as the routes allow by default.
    #[serde(default, skip_serializing_if = "Budget::is_open")]
    pub budget: Budget,
    /// Whether it may read the project's statistics.
    #[serde(default)]
    pub monitor: bool,
    /// Days until everything is denied to it, 1 to 365; as long as a key by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_days: Option<u32>,
}

/// Makes an application.
#[derive(Clone, Debug)]
pub struct CreateConsumer(pub NewConsumer);

impl CreateConsumer {
    fn asked(&self, settings: &Settings, expires: Timestamp) -> Consumer {
        let NewConsumer { project, models, routes, rate_per_minute, monitor, .. } = self.0.clone();
        Consumer {
            disabled: false,
            project,
            models,
            routes,
            monitor,
            expires,
            rate_per_minute: rate_per_minute.unwrap_or(settings.rate_per_minute),
            budget: self.0.budget,
            identities: BTreeSet::new(),
            removed: Vec::new(),
            keepers: BTreeSet::new(),
        }
    }
}

impl Deed for CreateConsumer {
    type Reply = ConsumerInfo;

    fn event(&self) -> Event {
        Event::ConsumerChange
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        subject(&self.0.consumer)
    }

    /// As for making a key.
    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        let manage = on_project(Action::ManageConsumers, &self.0.project);
        let asked = self.asked(&caller.snapshot().settings, Timestamp::from_micros(0));
        Ok(Claims::All(vec![manage, (Action::Grant, scope(directory, &asked))]))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<ConsumerInfo>, Rejection> {
        let id = &self.0.consumer;
        if office.snapshot.directory.consumers.contains_key(id) {
            return Err(conflict(format!("the name `{id}` is taken")));
        }
        let expires = lasting(self.0.expires_in_days, office)?;
        let consumer = self.asked(&office.snapshot.settings, expires).kept_by(office.caller.id());
        check_scope(office, &consumer)?;
        let reply = ConsumerInfo::of(id, &consumer);
        Ok(Done::changed(reply, vec![Change::PutConsumer(self.0.consumer, consumer)]))
    }
}

/// When an application ends that is to last for so many days from now.
pub(super) fn lasting(days: Option<u32>, office: &Office<'_>) -> Result<Timestamp, Rejection> {
    if days.is_some_and(|days| !(1..=KEY_DAYS_MAX).contains(&days)) {
        return Err(Rejection::argument(format!("an application lasts for 1 to {KEY_DAYS_MAX} days")));
    }
    lifetime(days, office)
}
