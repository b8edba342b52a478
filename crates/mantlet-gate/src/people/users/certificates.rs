//! Second factors: which certificates are a person's.
//!
//! Certificates end, and their keys get stolen; a person's name stays. So certificates are added before they are needed
//! and withdrawn when they must not count any more, by the person or by those who manage the person.

use std::collections::BTreeSet;

use mantlet_types::{
    Code, PrincipalId, Rejection, Role, Sha256, UserId,
    entry::{Event, Token},
};
use serde::{Deserialize, Serialize};

use super::super::{
    issue::{conflict, handed_over_key},
    keys::{is_own, on_user, on_user_anywhere},
    oversight::check_not_last,
};
use crate::{
    administer::{Claims, Deed, Done, Office},
    directory::{Change, Directory, User},
    identity::Principal,
};

/// Certificates of one person: the old and the new one, on two machines.
const CERTIFICATES_MAX: usize = 4;

/// Characters of a digest that name a certificate in the log: no two of one home share them by chance.
const DIGEST_CHARS: usize = 32;

/// Which certificate, for routes that have the person in their path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateRequest {
    /// SHA-256 of its DER form.
    pub digest: Sha256,
}

/// Makes a certificate a person's second factor, beside those that are.
///
/// People do so themselves with the second factor that they have. Others do it for them by the right to manage people in
/// all of their projects; for a person with a duty only once nobody else has seen the person's key, since with key and
/// certificate one hand would hold two duties.
#[derive(Clone, Debug)]
pub struct AddCertificate {
    /// Whose.
    pub user: UserId,
    /// SHA-256 of its DER form.
    pub digest: Sha256,
}

/// Withdraws a certificate: from the next request on it is no second factor. People do so themselves, even without one:
/// whoever lost a certificate to somebody else must be able to say so.
#[derive(Clone, Debug)]
pub struct WithdrawCertificate {
    /// Whose.
    pub user: UserId,
    /// SHA-256 of its DER form.
    pub digest: Sha256,
}

/// A person's certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificates {
    /// Whose.
    pub user: UserId,
    /// SHA-256 of the DER of each.
    pub certificates: BTreeSet<Sha256>,
}

impl Deed for AddCertificate {
    type Reply = Certificates;

    fn event(&self) -> Event {
        Event::UserChange
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        subject(&self.user, &self.digest)
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        let owner = PrincipalId::User(self.user.clone());
        match (is_own(caller, &owner), caller.mfa()) {
            (true, true) => Ok(Claims::Own(owner)),
            (true, false) => {
                Err(Rejection::new(Code::Forbidden).detailed("adding to one's own takes the second factor"))
            }
            (false, _) => on_user(directory, &self.user),
        }
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Certificates>, Rejection> {
        let Self { user: id, digest } = self;
        let directory = &office.snapshot.directory;
        let mut user = directory.users.get(&id).ok_or(Code::NotFound)?.clone();
        check_free(directory, &id, &digest)?;
        check_not_impersonating(office, &id, &user)?;
        if user.certificates.len() >= CERTIFICATES_MAX && !user.certificates.contains(&digest) {
            let detail =
                format!("`{id}` has {CERTIFICATES_MAX} certificates already; withdraw one of them first");
            return Err(conflict(detail));
        }
        user.certificates.insert(digest);
        Ok(put(directory, id, user))
    }
}

impl Deed for WithdrawCertificate {
    type Reply = Certificates;

    fn event(&self) -> Event {
        Event::UserChange
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        subject(&self.user, &self.digest)
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        let owner = PrincipalId::User(self.user.clone());
        if is_own(caller, &owner) {
            return Ok(Claims::Own(owner));
        }
        on_user_anywhere(caller, directory, &self.user)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Certificates>, Rejection> {
        let Self { user: id, digest } = self;
        let directory = &office.snapshot.directory;
        let mut user = directory.users.get(&id).ok_or(Code::NotFound)?.clone();
        if !user.certificates.remove(&digest) {
            return Err(Rejection::new(Code::NotFound).detailed(format!("`{id}` has no such certificate")));
        }
        if user.certificates.is_empty() {
            // Nobody else could give the last operator a second factor again.
            for project in user.bindings.get(&Role::Operator).into_iter().flatten() {
                check_not_last(office, &id, Role::Operator, project)?;
            }
        }
        Ok(put(directory, id, user))
    }
}

/// A certificate is one person's: as somebody else's too it would be no second factor.
pub(super) fn check_free(directory: &Directory, id: &UserId, digest: &Sha256) -> Result<(), Rejection> {
    let taken = directory.users.iter().any(|(other, user)| other != id && user.certificates.contains(digest));
    if taken { Err(conflict("the certificate is another person's")) } else { Ok(()) }
}

fn check_not_impersonating(office: &Office<'_>, id: &UserId, user: &User) -> Result<(), Rejection> {
    let in_person = matches!(office.caller.id(), PrincipalId::User(own) if own == id);
    if in_person || office.snapshot.settings.single_person || user.duties().next().is_none() {
        return Ok(());
    }
    match handed_over_key(office, &PrincipalId::User(id.clone())) {
        Some(kid) => Err(conflict(crate::policy::handed_over(kid))),
        None => Ok(()),
    }
}

fn put(directory: &Directory, id: UserId, user: User) -> Done<Certificates> {
    let reply = Certificates { user: id.clone(), certificates: user.certificates.clone() };
    if directory.users.get(&id) == Some(&user) {
        return Done::read(reply);
    }
    Done::changed(reply, vec![Change::PutUser(id, user)])
}

fn subject(user: &UserId, digest: &Sha256) -> Option<Token> {
    let digest = digest.to_string();
    let short: String = digest.chars().take(DIGEST_CHARS).collect();
    Some(Token::of(&format!("user:{user}/{short}")))
}
