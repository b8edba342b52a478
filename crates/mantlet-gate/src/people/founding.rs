//! Founding: the first people of a home.
//!
//! Every right comes from somebody who had it before, except the first. Founding is that exception: it is possible
//! exactly once, on an empty directory, and leaves its trace in the log like everything else.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mantlet_types::{Code, Kid, PrincipalId, ProjectId, Rejection, Role, Sha256, UserId};

use crate::{
    Gate,
    directory::{Ceiling, Change, Directory, Key, KeyState, User},
    identity::key::{Env, Secret, mint},
};

/// Days for which a founder's key is valid.
const KEY_DAYS: i64 = 90;

/// The most that a founding operator may give one consumer: a million a second, more than one node serves.
const CEILING_PER_MINUTE: u32 = 60_000_000;

/// A founder.
#[derive(Clone, Debug)]
pub struct Founder {
    /// The name.
    pub user: UserId,
    /// Digest of the certificate that is this person's second factor.
    pub certificate: Sha256,
    /// What the founder may do in the home's project.
    pub roles: BTreeSet<Role>,
}

/// A founder's key.
pub struct FounderKey {
    /// Whose.
    pub user: UserId,
    /// Its public id.
    pub kid: Kid,
    /// The key, to be shown once.
    pub secret: Secret,
}

/// The project that every home has.
pub(crate) fn home_project() -> Result<ProjectId, Rejection> {
    "home".parse().map_err(|_| Rejection::unavailable("the home project has no valid name"))
}

/// The changes that found a home with these people, and their keys.
pub(crate) fn founding(
    gate: &Gate,
    directory: &Directory,
    founders: &[Founder],
) -> Result<(Vec<Change>, Vec<FounderKey>), Rejection> {
    if !directory.users.is_empty() {
        return Err(Rejection::new(Code::Conflict).detailed("this home has people already"));
    }
    let project = home_project()?;
    let snapshot = gate.snapshot();
    let mut changes = vec![Change::AddProject(project.clone())];
    let mut keys = Vec::new();
    for founder in founders {
        changes.push(Change::PutUser(founder.user.clone(), person(founder, &project)));
        let minted = mint(Env::Live, &Arc::clone(&snapshot.peppers))
            .map_err(|error| Rejection::unavailable(error.to_string()))?;
        let now = gate.now();
        changes.push(Change::PutKey(
            minted.kid,
            Key {
                owner: PrincipalId::User(founder.user.clone()),
                hmac: minted.hmac,
                pepper_version: minted.pepper_version,
                created: now,
                expires: now.plus_seconds(KEY_DAYS * 86_400),
                state: KeyState::Active,
                networks: Vec::new(),
                // Founding shows all keys to the operator.
                handed_over: !founder.roles.contains(&Role::Operator),
            },
        ));
        keys.push(FounderKey { user: founder.user.clone(), kid: minted.kid, secret: minted.secret });
    }
    Ok((changes, keys))
}

fn person(founder: &Founder, project: &ProjectId) -> User {
    let here = BTreeSet::from([project.clone()]);
    let bindings: BTreeMap<Role, _> = founder.roles.iter().map(|role| (*role, here.clone())).collect();
    let ceiling = founder.roles.contains(&Role::Operator).then(|| Ceiling {
        roles: Role::ALL.into_iter().collect(),
        models: None,
        rate_per_minute: CEILING_PER_MINUTE,
    });
    User {
        disabled: false,
        projects: here,
        bindings,
        ceiling,
        certificates: BTreeSet::from([founder.certificate]),
        break_glass: None,
    }
}
