//! Issuing keys: what every key has in common, whoever it is for.
//!
//! A secret leaves the gate once, in an [`IssuedKey`], which nothing can print or serialize; whoever shows it turns
//! it into a [`KeyDocument`] and thereby gives it away.

use ipnet::IpNet;
use mantlet_types::{
    Code, Kid, PrincipalId, Rejection, Timestamp,
    limits::{KEY_DAYS_MAX, KEY_NETWORKS_MAX, KEYS_ACTIVE_MAX},
};
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use crate::{
    administer::Office,
    directory::{Change, Directory, Key, KeyState},
    identity::key::{Env, MintError, Secret, mint_as, new_kid},
    perimeter::parse_network,
};

const DAY_S: i64 = 86_400;

/// A key that was just made, with its secret.
pub struct IssuedKey {
    /// Whose.
    pub owner: PrincipalId,
    /// Its public id.
    pub kid: Kid,
    /// Not valid from here on.
    pub expires: Timestamp,
    /// When the key ends that this one replaces, if it replaces one.
    pub retiring_until: Option<Timestamp>,
    secret: Secret,
}

/// A new key as it is written out, once.
#[derive(Serialize)]
pub struct KeyDocument {
    /// The key. Wiped from memory once the document is gone.
    #[serde(serialize_with = "plain")]
    pub key: Zeroizing<String>,
    /// Its public id.
    pub kid: Kid,
    /// Whose.
    pub owner: PrincipalId,
    /// Not valid from here on.
    pub expires: Timestamp,
    /// When the key ends that this one replaces, if it replaces one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retiring_until: Option<Timestamp>,
}

fn plain<S: Serializer>(key: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(key)
}

impl IssuedKey {
    /// Gives the secret away, for whoever asked for it.
    #[must_use]
    pub fn into_document(self) -> KeyDocument {
        let Self { owner, kid, expires, retiring_until, secret } = self;
        KeyDocument { key: secret.reveal(), kid, owner, expires, retiring_until }
    }
}

/// A key to be made.
pub(super) struct Draft {
    pub(super) kid: Kid,
    pub(super) env: Env,
    pub(super) owner: PrincipalId,
    pub(super) expires: Timestamp,
    pub(super) networks: Vec<IpNet>,
}

/// Makes a key, if its owner has room for another valid one.
pub(super) fn issue(office: &Office<'_>, draft: Draft) -> Result<(IssuedKey, Change), Rejection> {
    let Draft { kid, env, owner, expires, networks } = draft;
    let now = office.gate.now();
    let directory = &office.snapshot.directory;
    let valid = keys_of(directory, &owner).filter(|(_, key)| is_valid(key, now)).count();
    if valid >= KEYS_ACTIVE_MAX {
        return Err(conflict(format!("`{owner}` has {valid} valid keys already; revoke one of them first")));
    }
    if directory.keys.contains_key(&kid) {
        return Err(Rejection::unavailable("a key id was drawn twice"));
    }
    let minted = mint_as(kid, env, &office.snapshot.peppers).map_err(unavailable)?;
    let key = Key {
        owner: owner.clone(),
        hmac: minted.hmac,
        pepper_version: minted.pepper_version,
        created: now,
        expires,
        state: KeyState::Active,
        networks,
        // Whoever makes a key sees it.
        handed_over: matches!(owner, PrincipalId::User(_)) && *office.caller.id() != owner,
    };
    let issued = IssuedKey { owner, kid, expires, retiring_until: None, secret: minted.secret };
    Ok((issued, Change::PutKey(kid, key)))
}

/// An id for a key that is going to be asked for.
pub(super) fn drawn_kid() -> Result<Kid, Rejection> {
    new_kid().map_err(unavailable)
}

/// When a key ends that is made now.
pub(super) fn lifetime(days: Option<u32>, office: &Office<'_>) -> Result<Timestamp, Rejection> {
    let now = office.gate.now();
    let days = days.unwrap_or(office.snapshot.settings.key_days);
    if !(1..=KEY_DAYS_MAX).contains(&days) {
        return Err(Rejection::argument(format!("a key is valid for 1 to {KEY_DAYS_MAX} days")));
    }
    Ok(now.plus_seconds(i64::from(days) * DAY_S))
}

/// Reads the networks that a key is tied to.
pub(super) fn networks(texts: &[String]) -> Result<Vec<IpNet>, Rejection> {
    if texts.len() > KEY_NETWORKS_MAX {
        return Err(Rejection::argument(format!("a key is tied to at most {KEY_NETWORKS_MAX} networks")));
    }
    let read = |text: &String| parse_network(text).map_err(|error| Rejection::argument(error.to_string()));
    texts.iter().map(read).collect()
}

/// Everybody's keys, valid or not.
pub(super) fn keys_of<'a>(
    directory: &'a Directory,
    owner: &'a PrincipalId,
) -> impl Iterator<Item = (Kid, &'a Key)> {
    directory.keys.iter().filter(move |(_, key)| key.owner == *owner).map(|(kid, key)| (*kid, key))
}

/// Whether a key's secret still opens anything.
pub(super) fn is_valid(key: &Key, now: Timestamp) -> bool {
    let current = match key.state {
        KeyState::Active => true,
        KeyState::Retiring { until } => now < until,
        KeyState::Revoked => false,
    };
    current && now < key.expires
}

/// A valid key of this person that somebody else has seen, if there is one.
pub(super) fn handed_over_key(office: &Office<'_>, owner: &PrincipalId) -> Option<Kid> {
    let now = office.gate.now();
    let mut keys = keys_of(&office.snapshot.directory, owner);
    keys.find(|(_, key)| key.handed_over && is_valid(key, now)).map(|(kid, _)| kid)
}

/// 409, with what is in the way.
pub(crate) fn conflict(detail: impl Into<std::borrow::Cow<'static, str>>) -> Rejection {
    Rejection::new(Code::Conflict).detailed(detail)
}

fn unavailable(error: MintError) -> Rejection {
    Rejection::unavailable(error.to_string())
}
