//! Replacing a key: the new one is valid at once, the old one for an overlap.

use mantlet_types::{
    Action, Code, ConsumerId, Kid, PrincipalId, Rejection, Role, Timestamp,
    entry::{Event, Token},
    limits::KEY_OVERLAP_HOURS_MAX,
};
use serde::{Deserialize, Serialize};

use super::{is_own, on_project, on_user};
use crate::{
    administer::{Claims, Deed, Done, Office},
    directory::{Change, Consumer, Directory, Key, KeyState},
    identity::{Principal, key::Env},
    people::issue::{Draft, IssuedKey, conflict, drawn_kid, is_valid, issue, keys_of, lifetime},
    policy::Target,
};

/// Which key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The one of this id.
    Kid(Kid),
    /// The only active one of this application.
    Consumer(ConsumerId),
}

/// A replacement as asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// The key to replace.
    pub which: Which,
    /// Hours for which the old key stays valid, 0 to 168; 24 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap_hours: Option<u32>,
    /// Days until the new key ends, 1 to 365; 90 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_days: Option<u32>,
    /// What the new key says it is for.
    #[serde(default)]
    pub env: Env,
}

/// Replaces a key.
pub struct RotateKey {
    request: RotateRequest,
    // Drawn beforehand, so that the intent in the log names it.
    kid: Kid,
}

impl RotateKey {
    /// The deed for a request.
    ///
    /// # Errors
    /// 503 without randomness.
    pub fn new(request: RotateRequest) -> Result<Self, Rejection> {
        Ok(Self { request, kid: drawn_kid()? })
    }

    fn owner(&self, directory: &Directory) -> Result<PrincipalId, Rejection> {
        match &self.request.which {
            Which::Kid(kid) => Ok(directory.keys.get(kid).ok_or(Code::NotFound)?.owner.clone()),
            Which::Consumer(id) => Ok(PrincipalId::Consumer(id.clone())),
        }
    }

    /// The key to replace: valid, and not replaced already.
    fn old<'a>(
        &self,
        directory: &'a Directory,
        owner: &'a PrincipalId,
        now: Timestamp,
    ) -> Result<(Kid, &'a Key), Rejection> {
        let mut candidates = keys_of(directory, owner)
            .filter(|(kid, _)| match &self.request.which {
                Which::Kid(which) => kid == which,
                Which::Consumer(_) => true,
            })
            .filter(|(_, key)| key.state == KeyState::Active && is_valid(key, now));
        match (candidates.next(), candidates.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => {
                Err(conflict(format!("`{owner}` has two active keys; say which by its id")))
            }
            (None, _) => Err(conflict("only a valid key that is not yet replaced can be; create a new one")),
        }
    }

    fn overlap_end(&self, hours_default: u32, now: Timestamp) -> Result<Timestamp, Rejection> {
        let hours = self.request.overlap_hours.unwrap_or(hours_default);
        if hours > KEY_OVERLAP_HOURS_MAX {
            return Err(Rejection::argument(format!("the overlap is at most {KEY_OVERLAP_HOURS_MAX} hours")));
        }
        Ok(now.plus_seconds(i64::from(hours) * 3_600))
    }
}

impl Deed for RotateKey {
    type Reply = IssuedKey;

    fn event(&self) -> Event {
        Event::KeyRotate
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        Some(Token::of(&match &self.request.which {
            Which::Kid(old) => format!("{old}/{}", self.kid),
            Which::Consumer(id) => format!("consumer:{id}/{}", self.kid),
        }))
    }

    /// One's own key takes the second factor, so that a stolen key alone cannot be renewed for ever. An application's
    /// new key is a grant of all that the application may do.
    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        let owner = self.owner(directory)?;
        match &owner {
            own if is_own(caller, own) && caller.mfa() => Ok(Claims::Own(owner)),
            own if is_own(caller, own) => {
                Err(Rejection::new(Code::Forbidden)
                    .detailed("replacing one's own key takes the second factor"))
            }
            PrincipalId::User(id) => on_user(directory, id),
            PrincipalId::Consumer(id) => {
                let consumer = directory.consumers.get(id).ok_or(Code::NotFound)?;
                Ok(Claims::All(vec![
                    on_project(Action::ManageConsumers, &consumer.project),
                    (Action::Grant, scope(consumer)),
                ]))
            }
            PrincipalId::Component(_) => Err(Code::NotFound.into()),
        }
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<IssuedKey>, Rejection> {
        let now = office.gate.now();
        let directory = &office.snapshot.directory;
        let owner = self.owner(directory)?;
        check_not_impersonating(office, &owner)?;
        let expires = lifetime(self.request.expires_in_days, office)?;
        let until = self.overlap_end(office.snapshot.settings.key_overlap_hours, now)?;
        let (old_kid, old) = self.old(directory, &owner, now)?;
        let draft = Draft {
            kid: self.kid,
            env: self.request.env,
            owner: owner.clone(),
            expires,
            networks: old.networks.clone(),
        };
        let (issued, new) = issue(office, draft)?;
        let retiring = Key { state: KeyState::Retiring { until }, ..old.clone() };
        let mut changes = vec![Change::PutKey(old_kid, retiring), new];
        changes.extend(prolonged(directory, &owner, expires));
        Ok(Done::changed(issued, changes))
    }
}

/// What an application may do, as a grant.
fn scope(consumer: &Consumer) -> Target {
    Target::ConsumerScope {
        project: consumer.project.clone(),
        models: consumer.models.iter().cloned().collect(),
        rate_per_minute: consumer.rate_per_minute,
    }
}

/// Whoever replaces a person's key holds it for a moment. For a person with a duty that would join two duties in one
/// hand (S10, S12), so they replace it themselves, or give up the duty first.
fn check_not_impersonating(office: &Office<'_>, owner: &PrincipalId) -> Result<(), Rejection> {
    let PrincipalId::User(id) = owner else { return Ok(()) };
    let user = office.snapshot.directory.users.get(id).ok_or(Code::NotFound)?;
    let has_duty = user.bindings.iter().any(|(role, projects)| Role::is_duty(*role) && !projects.is_empty());
    if has_duty && office.caller.id() != owner {
        return Err(conflict(format!("`{owner}` has a duty and replaces this key in person")));
    }
    Ok(())
}

/// An application lasts as long as its last key.
fn prolonged(directory: &Directory, owner: &PrincipalId, expires: Timestamp) -> Option<Change> {
    let PrincipalId::Consumer(id) = owner else { return None };
    let consumer = directory.consumers.get(id).filter(|consumer| consumer.expires < expires)?;
    Some(Change::PutConsumer(id.clone(), Consumer { expires, ..consumer.clone() }))
}
