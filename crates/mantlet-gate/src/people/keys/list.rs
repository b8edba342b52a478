//! Listing keys: everything but the secrets, of those whom the caller may manage, and one's own.

use std::collections::BTreeSet;

use mantlet_types::{
    ConsumerId, Kid, ModelName, PrincipalId, ProjectId, Rejection, RouteName, Timestamp, entry::Event,
    limits::KEY_WARNING_DAYS,
};
use serde::{Deserialize, Serialize};

use super::{is_own, on_user_anywhere};
use crate::{
    administer::{Claims, Deed, Done, Office},
    budget::Budget,
    directory::{Directory, Key, KeyState},
    identity::Principal,
    people::{consumers::on_consumer, issue::is_valid},
    policy,
};

const DAY_US: i64 = 86_400_000_000;

/// Lists keys.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListKeys {
    /// Of this application only.
    #[serde(default)]
    pub consumer: Option<ConsumerId>,
    /// Of this project's applications only.
    #[serde(default)]
    pub project: Option<ProjectId>,
}

/// A key's metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// Whose.
    pub owner: PrincipalId,
    /// Its public id.
    pub kid: Kid,
    /// Where it is in its life.
    pub state: KeyPhase,
    /// When it was made.
    pub created: Timestamp,
    /// Not valid from here on: its own end, or that of the overlap with the key that replaces it.
    pub expires: Timestamp,
    /// Whole days left until it ends for whatever reason.
    pub days_left: i64,
    /// Whether it ends soon and nothing replaces it yet.
    pub ends_soon: bool,
    /// The networks that it may be used from; none means any that the listener admits.
    pub networks: Vec<String>,
    /// A person's key that somebody else made and has seen: with a duty it can only be replaced.
    #[serde(default)]
    pub handed_over: bool,
    /// The application's models; none for a person.
    pub models: BTreeSet<ModelName>,
    /// The application's routes to language models.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub routes: BTreeSet<RouteName>,
    /// The application's limit for each of them; absent for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_minute: Option<u32>,
    /// What the application may use on all routes together.
    #[serde(default, skip_serializing_if = "Budget::is_open")]
    pub budget: Budget,
}

/// Where a key is in its life, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyPhase {
    /// Valid.
    Active,
    /// Replaced, still valid.
    Retiring,
    /// Past its end, or past the overlap with its replacement.
    Expired,
    /// Revoked.
    Revoked,
}

impl Deed for ListKeys {
    type Reply = Vec<KeyInfo>;

    fn event(&self) -> Event {
        Event::KeyRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::PerItem)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Vec<KeyInfo>>, Rejection> {
        let directory = &office.snapshot.directory;
        let now = office.gate.now();
        let mut listed: Vec<KeyInfo> = directory
            .keys
            .iter()
            .filter(|(_, key)| self.asks_for(directory, &key.owner) && may_see(office, &key.owner, now))
            .map(|(kid, key)| info(directory, *kid, key, now))
            .collect();
        listed.sort_by(|a, b| (&a.owner, a.created, a.kid).cmp(&(&b.owner, b.created, b.kid)));
        Ok(Done::read(listed))
    }
}

impl ListKeys {
    fn asks_for(&self, directory: &Directory, owner: &PrincipalId) -> bool {
        let of_consumer = |asked: &ConsumerId| matches!(owner, PrincipalId::Consumer(id) if id == asked);
        let of_project = |asked: &ProjectId| match owner {
            PrincipalId::Consumer(id) => {
                directory.consumers.get(id).is_some_and(|consumer| consumer.project == *asked)
            }
            PrincipalId::User(_) | PrincipalId::Component(_) => false,
        };
        self.consumer.as_ref().is_none_or(of_consumer) && self.project.as_ref().is_none_or(of_project)
    }
}

/// One decision per item, the same as for revoking it.
fn may_see(office: &Office<'_>, owner: &PrincipalId, now: Timestamp) -> bool {
    let directory = &office.snapshot.directory;
    let claims = match owner {
        own if is_own(office.caller, own) => return true,
        PrincipalId::User(id) => on_user_anywhere(office.caller, directory, id),
        PrincipalId::Consumer(id) => Ok(on_consumer(directory, id)),
        PrincipalId::Component(_) => return false,
    };
    match claims {
        Ok(Claims::All(claims)) => {
            claims.iter().all(|(action, target)| policy::permits(office.caller, *action, target, now))
        }
        Ok(Claims::PerItem | Claims::Own(_)) | Err(_) => false,
    }
}

fn info(directory: &Directory, kid: Kid, key: &Key, now: Timestamp) -> KeyInfo {
    let valid = is_valid(key, now);
    let (state, end) = match key.state {
        KeyState::Revoked => (KeyPhase::Revoked, now),
        _ if !valid => (KeyPhase::Expired, now),
        KeyState::Retiring { until } => (KeyPhase::Retiring, until.min(key.expires)),
        KeyState::Active => (KeyPhase::Active, key.expires),
    };
    let expires = match key.state {
        KeyState::Retiring { until } => until.min(key.expires),
        KeyState::Active | KeyState::Revoked => key.expires,
    };
    let days_left = end.micros().saturating_sub(now.micros()).div_euclid(DAY_US);
    let consumer = match &key.owner {
        PrincipalId::Consumer(id) => directory.consumers.get(id),
        PrincipalId::User(_) | PrincipalId::Component(_) => None,
    };
    KeyInfo {
        owner: key.owner.clone(),
        kid,
        state,
        created: key.created,
        expires,
        days_left,
        ends_soon: state == KeyPhase::Active && days_left < KEY_WARNING_DAYS,
        networks: key.networks.iter().map(ToString::to_string).collect(),
        handed_over: key.handed_over,
        models: consumer.map(|consumer| consumer.models.clone()).unwrap_or_default(),
        routes: consumer.map(|consumer| consumer.routes.clone()).unwrap_or_default(),
        rate_per_minute: consumer.map(|consumer| consumer.rate_per_minute),
        budget: consumer.map(|consumer| consumer.budget).unwrap_or_default(),
    }
}
