//! Replacing a key: the new one is valid at once, the old one for an overlap.

use mantlet_types::{
    Action, Code, ConsumerId, Kid, PrincipalId, Rejection, Timestamp,
    entry::{Event, Token},
    limits::KEY_OVERLAP_HOURS_MAX,
};
use serde::{Deserialize, Serialize};

use super::{is_own, on_project, on_user, unknown};
use crate::{
    administer::{Claims, Deed, Done, Office},
    directory::{Change, Consumer, Directory, Key, KeyState},
    identity::{Principal, key::Env},
    people::{
        consumers::{check_monitor, scope},
        issue::{Draft, IssuedKey, conflict, drawn_kid, is_valid, issue, keys_of, lifetime},
    },
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

    fn owner(&self, directory: &Directory) -> Option<PrincipalId> {
        match &self.request.which {
            Which::Kid(kid) => Some(directory.keys.get(kid)?.owner.clone()),
            Which::Consumer(id) => Some(PrincipalId::Consumer(id.clone())),
        }
    }

    /// Whether this is a person's own key: any by a key of theirs, but one that others have seen only by itself.
    fn is_own(&self, caller: &Principal, owner: &PrincipalId) -> bool {
        let itself = || matches!(&self.request.which, Which::Kid(kid) if caller.confined() == Some(*kid));
        is_own(caller, owner) || (caller.id() == owner && itself())
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

    /// When the old key ends. One that others have seen ends at once when its owner replaces it: the overlap would be
    /// theirs.
    fn overlap_end(&self, old: &Key, office: &Office<'_>, now: Timestamp) -> Result<Timestamp, Rejection> {
        let hours_default = office.snapshot.settings.key_overlap_hours;
        if old.handed_over && office.caller.id() == &old.owner {
            return Ok(now);
        }
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
        let Some(owner) = self.owner(directory) else { return Ok(unknown(Action::ManageUsers)) };
        match &owner {
            own if self.is_own(caller, own) && caller.mfa() => Ok(Claims::Own(owner)),
            own if self.is_own(caller, own) => {
                Err(Rejection::new(Code::Forbidden)
                    .detailed("replacing one's own key takes the second factor"))
            }
            PrincipalId::User(id) => on_user(directory, id),
            PrincipalId::Consumer(id) => Ok(match directory.consumers.get(id) {
                Some(consumer) => Claims::All(vec![
                    on_project(Action::ManageConsumers, &consumer.project),
                    (Action::Grant, scope(directory, consumer)),
                ]),
                None => unknown(Action::ManageConsumers),
            }),
            PrincipalId::Component(_) => Ok(unknown(Action::ManageUsers)),
        }
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<IssuedKey>, Rejection> {
        let now = office.gate.now();
        let directory = &office.snapshot.directory;
        let owner = self.owner(directory).ok_or(Code::NotFound)?;
        check_not_impersonating(office, &owner)?;
        check_not_beyond_ceiling(office, &owner)?;
        let expires = lifetime(self.request.expires_in_days, office)?;
        let (old_kid, old) = self.old(directory, &owner, now)?;
        let until = self.overlap_end(old, office, now)?;
        let draft = Draft {
            kid: self.kid,
            env: self.request.env,
            owner: owner.clone(),
            expires,
            networks: old.networks.clone(),
        };
        let (mut issued, new) = issue(office, draft)?;
        issued.retiring_until = Some(until.min(old.expires));
        let retiring = Key { state: KeyState::Retiring { until }, ..old.clone() };
        let mut changes = vec![Change::PutKey(old_kid, retiring), new];
        changes.extend(kept_on(office, &owner, expires));
        Ok(Done::changed(issued, changes))
    }
}

/// What the grant cannot say of what an application's new key gives.
fn check_not_beyond_ceiling(office: &Office<'_>, owner: &PrincipalId) -> Result<(), Rejection> {
    let PrincipalId::Consumer(id) = owner else { return Ok(()) };
    check_monitor(office, office.snapshot.directory.consumers.get(id).ok_or(Code::NotFound)?)
}

/// Whoever replaces a person's key holds it for a moment. For a person with a duty that would join two duties in one
/// hand (S10, S12), so they replace it themselves, or give up the duty first.
fn check_not_impersonating(office: &Office<'_>, owner: &PrincipalId) -> Result<(), Rejection> {
    let PrincipalId::User(id) = owner else { return Ok(()) };
    let user = office.snapshot.directory.users.get(id).ok_or(Code::NotFound)?;
    if user.duties().next().is_some() && office.caller.id() != owner {
        return Err(conflict(format!("`{owner}` has a duty and replaces this key in person")));
    }
    Ok(())
}

/// An application lasts as long as its last key, and whoever made that has seen it.
fn kept_on(office: &Office<'_>, owner: &PrincipalId, expires: Timestamp) -> Option<Change> {
    let PrincipalId::Consumer(id) = owner else { return None };
    let consumer = office.snapshot.directory.consumers.get(id)?;
    let expires = consumer.expires.max(expires);
    let changed = Consumer { expires, ..consumer.clone() }.kept_by(office.caller.id());
    (changed != *consumer).then(|| Change::PutConsumer(id.clone(), changed))
}
