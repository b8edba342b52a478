//! Deeds about applications: made, changed, disabled. Most are made with their first key, see [`super::keys`].
//!
//! Whatever an application may do after a change, whoever makes the change must be allowed to give: a smaller scope is
//! a grant like any other. Stopping one takes no such right.

mod create;
mod identities;

use std::collections::BTreeSet;

use mantlet_types::{
    Action, Code, ConsumerId, ModelName, PrincipalId, ProjectId, Rejection, Role, RouteName, Timestamp,
    entry::{Event, Token},
};
use serde::{Deserialize, Serialize};

use self::create::lasting;
pub use self::{
    create::{CreateConsumer, NewConsumer},
    identities::{AddIdentity, IdentityInfo, ListIdentities, RemoveIdentity},
};
use super::keys::{on_project, unknown};
use crate::{
    administer::{Claims, Deed, Done, Office},
    budget::Budget,
    directory::{Change, Consumer, Directory},
    identity::Principal,
    policy::Target,
};

/// What an application is to become. What is not stated stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumerRequest {
    /// The models it may ask from now on: all of them, not those to add.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<BTreeSet<ModelName>>,
    /// The routes to language models that it may use from now on: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<BTreeSet<RouteName>>,
    /// Predictions per minute for each of the models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_minute: Option<u32>,
    /// What it may use on all routes together; bounds that are not stated stay.
    #[serde(default, skip_serializing_if = "Budget::is_open")]
    pub budget: Budget,
    /// Whether it may read the project's statistics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitor: Option<bool>,
    /// `false` lets a disabled application in again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// Days from now until everything is denied to it, 1 to 365.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_days: Option<u32>,
}

/// Changes an application: its keys have the new scope from the next request on.
#[derive(Clone, Debug)]
pub struct ChangeConsumer {
    /// Which.
    pub consumer: ConsumerId,
    /// What it is to become.
    pub request: ConsumerRequest,
}

/// Disables an application: the next request with any of its keys fails.
#[derive(Clone, Debug)]
pub struct DisableConsumer {
    /// Which.
    pub consumer: ConsumerId,
}

/// An application as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerInfo {
    /// Its name.
    pub consumer: ConsumerId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// Whether everything is denied to it.
    pub disabled: bool,
    /// The models it may ask.
    pub models: BTreeSet<ModelName>,
    /// The routes to language models that it may use.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub routes: BTreeSet<RouteName>,
    /// Predictions per minute for each of them.
    pub rate_per_minute: u32,
    /// What it may use on all routes together.
    #[serde(default, skip_serializing_if = "Budget::is_open")]
    pub budget: Budget,
    /// Whether it may read the project's statistics.
    pub monitor: bool,
    /// After this everything is denied.
    pub expires: Timestamp,
}

impl ConsumerInfo {
    fn of(id: &ConsumerId, consumer: &Consumer) -> Self {
        let Consumer { disabled, project, models, routes, monitor, expires, rate_per_minute, budget, .. } =
            consumer.clone();
        let consumer = id.clone();
        Self { consumer, project, disabled, models, routes, rate_per_minute, budget, monitor, expires }
    }
}

impl ChangeConsumer {
    /// The application as it will be.
    fn changed(&self, consumer: &Consumer) -> Consumer {
        let ConsumerRequest { models, routes, rate_per_minute, monitor, disabled, .. } = self.request.clone();
        Consumer {
            models: models.unwrap_or_else(|| consumer.models.clone()),
            routes: routes.unwrap_or_else(|| consumer.routes.clone()),
            rate_per_minute: rate_per_minute.unwrap_or(consumer.rate_per_minute),
            budget: consumer.budget.with(self.request.budget),
            monitor: monitor.unwrap_or(consumer.monitor),
            disabled: disabled.unwrap_or(consumer.disabled),
            ..consumer.clone()
        }
    }
}

impl Deed for ChangeConsumer {
    type Reply = ConsumerInfo;

    fn event(&self) -> Event {
        Event::ConsumerChange
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        subject(&self.consumer)
    }

    /// As for making a key: models that are not the project's are left to [`Self::act`].
    fn claims(&self, _: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        let Some(consumer) = directory.consumers.get(&self.consumer) else {
            return Ok(unknown(Action::ManageConsumers));
        };
        let manage = on_project(Action::ManageConsumers, &consumer.project);
        Ok(Claims::All(vec![manage, (Action::Grant, scope(directory, &self.changed(consumer)))]))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<ConsumerInfo>, Rejection> {
        let directory = &office.snapshot.directory;
        let consumer = directory.consumers.get(&self.consumer).ok_or(Code::NotFound)?;
        let mut changed = self.changed(consumer);
        if let days @ Some(_) = self.request.expires_in_days {
            changed.expires = lasting(days, office)?;
        }
        check_scope(office, &changed)?;
        let reply = ConsumerInfo::of(&self.consumer, &changed);
        if changed == *consumer {
            return Ok(Done::read(reply));
        }
        let changed = changed.kept_by(office.caller.id());
        Ok(Done::changed(reply, vec![Change::PutConsumer(self.consumer, changed)]))
    }
}

impl Deed for DisableConsumer {
    type Reply = ConsumerInfo;

    fn event(&self) -> Event {
        Event::ConsumerChange
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        subject(&self.consumer)
    }

    fn claims(&self, _: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        Ok(on_consumer(directory, &self.consumer))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<ConsumerInfo>, Rejection> {
        let consumer = office.snapshot.directory.consumers.get(&self.consumer).ok_or(Code::NotFound)?;
        let disabled = Consumer { disabled: true, ..consumer.clone() };
        let reply = ConsumerInfo::of(&self.consumer, &disabled);
        if consumer.disabled {
            return Ok(Done::read(reply));
        }
        Ok(Done::changed(reply, vec![Change::PutConsumer(self.consumer, disabled)]))
    }
}

fn subject(id: &ConsumerId) -> Option<Token> {
    Some(Token::of(&format!("consumer:{id}")))
}

/// The claim on managing an application.
pub(super) fn on_consumer(directory: &Directory, id: &ConsumerId) -> Claims {
    match directory.consumers.get(id) {
        Some(consumer) => Claims::All(vec![on_project(Action::ManageConsumers, &consumer.project)]),
        None => unknown(Action::ManageConsumers),
    }
}

/// What an application may do in its project, as a grant.
pub(super) fn scope(directory: &Directory, consumer: &Consumer) -> Target {
    let Consumer { project, models, routes, rate_per_minute, .. } = consumer;
    Target::ConsumerScope {
        routes: routes.iter().filter(|route| is_route_of(directory, route, project)).cloned().collect(),
        project: project.clone(),
        models: models.iter().filter(|model| is_of(directory, model, project)).cloned().collect(),
        rate_per_minute: *rate_per_minute,
    }
}

/// What the grant cannot say of a scope: that its models are there, that it opens something, and the right to read
/// statistics. That right is what the role of the name gives to people; who may not give the one may not give the other.
pub(super) fn check_scope(office: &Office<'_>, consumer: &Consumer) -> Result<(), Rejection> {
    let Consumer { project, models, routes, monitor, rate_per_minute, budget, .. } = consumer;
    let directory = &office.snapshot.directory;
    if let Some(unknown) = models.iter().find(|model| !is_of(directory, model, project)) {
        let detail = format!("no model `{unknown}` in project `{project}`");
        return Err(Rejection::new(Code::NotFound).detailed(detail));
    }
    if let Some(unknown) = routes.iter().find(|route| !is_route_of(directory, route, project)) {
        let detail = format!("no route `{unknown}` in project `{project}`");
        return Err(Rejection::new(Code::NotFound).detailed(detail));
    }
    if models.is_empty() && routes.is_empty() && !monitor {
        return Err(Rejection::argument(
            "a key without any model, without any route and without `monitor` opens nothing",
        ));
    }
    if *rate_per_minute == 0 {
        return Err(Rejection::argument("the rate is at least 1 a minute"));
    }
    if !budget.is_sound() {
        return Err(Rejection::argument(format!("a budget is from 1 to {}", Budget::MOST)));
    }
    check_monitor(office, consumer)
}

/// The ceiling's word on the right to read statistics.
pub(super) fn check_monitor(office: &Office<'_>, consumer: &Consumer) -> Result<(), Rejection> {
    let PrincipalId::User(caller) = office.caller.id() else { return Err(Code::Forbidden.into()) };
    let ceiling = office.snapshot.directory.users.get(caller).and_then(|user| user.ceiling.as_ref());
    if consumer.monitor && !ceiling.is_some_and(|ceiling| ceiling.roles.contains(&Role::Monitor)) {
        return Err(Rejection::new(Code::Forbidden).detailed("`monitor` is beyond your ceiling"));
    }
    Ok(())
}

fn is_of(directory: &Directory, model: &ModelName, project: &ProjectId) -> bool {
    directory.models.get(model).is_some_and(|record| record.project == *project)
}

fn is_route_of(directory: &Directory, route: &RouteName, project: &ProjectId) -> bool {
    directory.routes.get(route) == Some(project)
}

#[cfg(test)]
mod tests;
