//! The keys that sign URLs, as deeds: listed, followed by a new one, revoked.
//!
//! Every home has the first key from its beginning; the directory only has what was done about keys. A new key signs from
//! then on, and what the old one signed stays good until it ends, within the hour. A revoked key's URLs are void at once.

use std::sync::Arc;

use mantlet_types::{
    Action, Code, PrincipalId, Rejection, Resource, Timestamp, UserId,
    entry::{Event, Token},
    url::UrlKid,
};
use serde::{Deserialize, Serialize};

use crate::{
    administer::{Claims, Deed, Done, Office},
    directory::{Change, Directory},
    identity::Principal,
    people::founding::home_project,
    policy::Target,
};

/// The name of what signs URLs, among Mantlet's own secrets.
const SECRET: &str = "url-signing";

/// What was done about a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UrlKey {
    /// Since when it signs. Absent for the first, which the home began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Timestamp>,
    /// Since when it does not count any more, and by whom that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<RevokedUrlKey>,
}

/// That a key was revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokedUrlKey {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: UserId,
}

impl Directory {
    /// The newest key.
    fn newest_url_key(&self) -> UrlKid {
        self.url_keys.keys().next_back().copied().unwrap_or(UrlKid::FIRST)
    }

    /// The key that signs now: the newest, unless it is revoked.
    #[must_use]
    pub fn signing_url_key(&self) -> Option<UrlKid> {
        Some(self.newest_url_key()).filter(|kid| self.counts_url_key(*kid))
    }

    /// Whether what this key has signed counts: it was made, and is not revoked.
    #[must_use]
    pub fn counts_url_key(&self, kid: UrlKid) -> bool {
        match self.url_keys.get(&kid) {
            Some(key) => key.revoked.is_none(),
            None => kid == UrlKid::FIRST,
        }
    }
}

/// How a key stands.
#[derive(Clone, Debug, Serialize)]
pub struct UrlKeyInfo {
    /// Which.
    pub kid: UrlKid,
    /// `signs`, `retired` (what it has signed counts until it ends) or `revoked`.
    pub state: &'static str,
    /// Since when it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made: Option<Timestamp>,
    /// If it is revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<RevokedUrlKey>,
}

impl UrlKeyInfo {
    fn of(directory: &Directory, kid: UrlKid) -> Self {
        let key = directory.url_keys.get(&kid);
        let revoked = key.and_then(|key| key.revoked.clone());
        let state = match (&revoked, directory.newest_url_key() == kid) {
            (Some(_), _) => "revoked",
            (None, true) => "signs",
            (None, false) => "retired",
        };
        Self { kid, state, made: key.and_then(|key| key.made), revoked }
    }
}

/// The keys are the whole home's: whoever manages its secrets manages them.
fn claims() -> Result<Claims, Rejection> {
    let secret = Resource::Secret(home_project()?, Arc::from(SECRET));
    Ok(Claims::All(vec![(Action::ManageSecret, Target::Resource(secret))]))
}

fn caller(office: &Office<'_>) -> Result<UserId, Rejection> {
    match office.caller.id() {
        PrincipalId::User(id) => Ok(id.clone()),
        PrincipalId::Consumer(_) | PrincipalId::Component(_) => Err(Code::Forbidden.into()),
    }
}

/// Lists the keys.
#[derive(Clone, Copy, Debug)]
pub struct ListUrlKeys;

impl Deed for ListUrlKeys {
    type Reply = Vec<UrlKeyInfo>;

    fn event(&self) -> Event {
        Event::UrlKeyRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        claims()
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Self::Reply>, Rejection> {
        let directory = &office.snapshot.directory;
        let implied = Some(UrlKid::FIRST).filter(|first| !directory.url_keys.contains_key(first));
        let kids = implied.into_iter().chain(directory.url_keys.keys().copied());
        Ok(Done::read(kids.map(|kid| UrlKeyInfo::of(directory, kid)).collect()))
    }
}

/// Makes the next key.
#[derive(Clone, Copy, Debug)]
pub struct RotateUrlKey;

impl Deed for RotateUrlKey {
    type Reply = UrlKeyInfo;

    fn event(&self) -> Event {
        Event::UrlKeyChange
    }

    fn changes(&self) -> bool {
        true
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        claims()
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<UrlKeyInfo>, Rejection> {
        let changes = vec![next(&office.snapshot.directory, office.gate.now())?];
        let after = office.snapshot.directory.with(&changes);
        Ok(Done::changed(UrlKeyInfo::of(&after, after.newest_url_key()), changes))
    }
}

fn next(directory: &Directory, now: Timestamp) -> Result<Change, Rejection> {
    let kid = directory.newest_url_key().next().ok_or(Code::Conflict)?;
    Ok(Change::PutUrlKey(kid, UrlKey { made: Some(now), revoked: None }))
}

/// Voids everything that a key has signed. If it is the one that signs, the next one does from now on.
#[derive(Clone, Copy, Debug)]
pub struct RevokeUrlKey {
    /// Which.
    pub kid: UrlKid,
}

impl Deed for RevokeUrlKey {
    type Reply = UrlKeyInfo;

    fn event(&self) -> Event {
        Event::UrlKeyChange
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        Some(Token::of(&self.kid.to_string()))
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        claims()
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<UrlKeyInfo>, Rejection> {
        let (directory, kid, now) = (&office.snapshot.directory, self.kid, office.gate.now());
        if kid > directory.newest_url_key() {
            return Err(Code::NotFound.into());
        }
        if !directory.counts_url_key(kid) {
            return Ok(Done::read(UrlKeyInfo::of(directory, kid)));
        }
        let made = directory.url_keys.get(&kid).and_then(|key| key.made);
        let revoked = Some(RevokedUrlKey { at: now, by: caller(office)? });
        let mut changes = vec![Change::PutUrlKey(kid, UrlKey { made, revoked })];
        if directory.signing_url_key() == Some(kid) {
            changes.push(next(directory, now)?);
        }
        let after = directory.with(&changes);
        Ok(Done::changed(UrlKeyInfo::of(&after, kid), changes))
    }
}
