//! Credentials become a [`Principal`], or the request ends.
//!
//! Whatever does not hold ends alike from outside: 401, after the same work. The log learns which check failed, as
//! one of [`Failure`]'s names; nobody learns what was presented.

use std::{net::IpAddr, sync::Arc};

use mantlet_types::{Code, Kid, PrincipalId, Rejection, Sha256, Timestamp, entry::Authn};

use super::{Arrival, Certificate, Channel, Credential, LEAKED_MAX, Principal, key};
use crate::{
    Gate, Snapshot,
    directory::{Directory, Key, KeyState},
    perimeter,
    record::Record,
};

/// Which check failed; for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Nothing,
    Malformed,
    InUrl,
    NotAKey,
    Checksum,
    UnknownKey,
    Revoked,
    OverlapEnded,
    Expired,
    ForeignNetwork,
    OwnerUnknown,
    OwnerDisabled,
    OwnerExpired,
    NotLocal,
    CertificateGone,
}

impl Failure {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "no_credential",
            Self::Malformed => "credential_malformed",
            Self::InUrl => "key_in_url",
            Self::NotAKey => "not_a_key",
            Self::Checksum => "key_checksum",
            Self::UnknownKey => "key_unknown",
            Self::Revoked => "key_revoked",
            Self::OverlapEnded => "key_overlap_ended",
            Self::Expired => "key_expired",
            Self::ForeignNetwork => "key_foreign_network",
            Self::OwnerUnknown => "owner_unknown",
            Self::OwnerDisabled => "owner_disabled",
            Self::OwnerExpired => "owner_expired",
            Self::NotLocal => "not_local_owner",
            Self::CertificateGone => "certificate_withdrawn",
        }
    }

    fn code(self) -> Code {
        if self == Self::InUrl { Code::KeyInUrl } else { Code::Unauthenticated }
    }
}

/// A failure with the key that it is about, once somebody has shown that key's secret: only then is the id theirs
/// to be named by.
#[derive(Debug)]
struct Failed(Failure, Option<Kid>);

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self(failure, None)
    }
}

impl From<Failed> for Rejection {
    fn from(Failed(failure, kid): Failed) -> Self {
        let rejection = Self::new(failure.code());
        match kid {
            Some(kid) => rejection.because(format!("{}:{kid}", failure.as_str())),
            None => rejection.because(failure.as_str()),
        }
    }
}

/// Establishes who asks.
///
/// # Errors
/// 401 for whatever does not hold, the caller does not learn which; 400 for a key in a URL; 429 for an address with
/// too many failures, before anything is looked at.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a credential is looked at once, and wiped as the arrival ends"
)]
pub(crate) fn authenticate(
    gate: &Gate,
    arrival: Arrival,
    record: &mut Record,
) -> Result<Principal, Rejection> {
    perimeter::hear(gate, &arrival)?;
    match identify(gate.snapshot(), &arrival, gate.now()) {
        Ok(principal) => {
            record.principal(&principal);
            Ok(principal)
        }
        Err(failed) => {
            perimeter::count_failure(gate, &arrival);
            Err(failed.into())
        }
    }
}

/// Refuses a key in a URL. Gives the rejection, and the key's id if the secret was the key's own: ids are no secrets,
/// so a made-up key with somebody's id must not harm that key.
pub(crate) fn refuse_leaked(gate: &Gate, arrival: &Arrival) -> (Rejection, Option<Kid>) {
    if let Err(rejection) = perimeter::hear(gate, arrival) {
        return (rejection, None);
    }
    perimeter::count_failure(gate, arrival);
    let Credential::InUrl(texts) = &arrival.credential else {
        return (Failed::from(Failure::Malformed).into(), None);
    };
    let snapshot = gate.snapshot();
    let kid = texts.iter().take(LEAKED_MAX).find_map(|text| Some(proven(&snapshot, text).ok()?.0));
    (Failed(Failure::InUrl, kid).into(), kid)
}

/// The same principal against the newest snapshot, if it still holds there.
///
/// # Errors
/// 401 if a change since has ended the credential.
pub(crate) fn renew(gate: &Gate, principal: Principal) -> Result<Principal, Rejection> {
    let newest = gate.snapshot();
    still_holds(&newest, &principal, gate.now()).map_err(|failure| Failed(failure, principal.kid))?;
    Ok(Principal { snapshot: newest, ..principal })
}

fn identify(snapshot: Arc<Snapshot>, arrival: &Arrival, now: Timestamp) -> Result<Principal, Failed> {
    match &arrival.credential {
        Credential::Nothing => Err(Failure::Nothing.into()),
        Credential::Malformed => Err(Failure::Malformed.into()),
        Credential::InUrl(_) => Err(Failure::InUrl.into()),
        Credential::Bearer(text) => by_key(snapshot, arrival, text, now),
        Credential::LocalOwner => by_socket(snapshot, arrival, now),
    }
}

fn by_key(
    snapshot: Arc<Snapshot>,
    arrival: &Arrival,
    text: &str,
    now: Timestamp,
) -> Result<Principal, Failed> {
    let (kid, key) = proven(&snapshot, text)?;
    holds(key, arrival.ip, now).map_err(|failure| Failed(failure, Some(kid)))?;
    stands(&snapshot.directory, &key.owner, now).map_err(|failure| Failed(failure, Some(kid)))?;
    let certificate = second_factor(&snapshot.directory, &key.owner, &arrival.channel);
    Ok(Principal {
        id: key.owner.clone(),
        kid: Some(kid),
        authn: if certificate.is_some() { Authn::ApiKeyAndCertificate } else { Authn::ApiKey },
        mfa: certificate.is_some(),
        certificate,
        protected: protected(&arrival.channel),
        ip: arrival.ip,
        snapshot,
    })
}

/// The key whose secret the text shows.
fn proven<'a>(snapshot: &'a Snapshot, text: &str) -> Result<(Kid, &'a Key), Failure> {
    // The checksum comes first: noise costs neither a look-up nor an HMAC. What follows takes equally long whether
    // the id is known or not.
    let presented = key::parse(text).map_err(|error| match error {
        key::KeyError::Form => Failure::NotAKey,
        key::KeyError::Checksum => Failure::Checksum,
    })?;
    let known = snapshot.directory.keys.get(&presented.kid);
    let kept = known.map(|key| (key.pepper_version, &key.hmac));
    let shown = snapshot.peppers.verify(&presented, kept);
    known.filter(|_| shown).map(|key| (presented.kid, key)).ok_or(Failure::UnknownKey)
}

/// Whether a key is valid now and here.
fn holds(key: &Key, ip: IpAddr, now: Timestamp) -> Result<(), Failure> {
    match key.state {
        KeyState::Revoked => return Err(Failure::Revoked),
        KeyState::Retiring { until } if now >= until => return Err(Failure::OverlapEnded),
        KeyState::Retiring { .. } | KeyState::Active => {}
    }
    if now >= key.expires {
        return Err(Failure::Expired);
    }
    // A listener on a dual-stack socket reports IPv4 clients as `::ffff:a.b.c.d`.
    let ip = ip.to_canonical();
    if !key.networks.is_empty() && !key.networks.iter().any(|network| network.contains(&ip)) {
        return Err(Failure::ForeignNetwork);
    }
    Ok(())
}

/// Whether the owner of a credential is there and enabled.
fn stands(directory: &Directory, owner: &PrincipalId, now: Timestamp) -> Result<(), Failure> {
    let (disabled, expired) = match owner {
        PrincipalId::User(id) => (directory.users.get(id).ok_or(Failure::OwnerUnknown)?.disabled, false),
        PrincipalId::Consumer(id) => {
            let consumer = directory.consumers.get(id).ok_or(Failure::OwnerUnknown)?;
            (consumer.disabled, now >= consumer.expires)
        }
        // Mantlet's own parts do not come in by the door.
        PrincipalId::Component(_) => return Err(Failure::OwnerUnknown),
    };
    match (disabled, expired) {
        (true, _) => Err(Failure::OwnerDisabled),
        (false, true) => Err(Failure::OwnerExpired),
        (false, false) => Ok(()),
    }
}

/// The certificate that makes a user's key two factors: one that names the same user and is listed as theirs.
/// Any other certificate has no influence, neither for nor against.
fn second_factor(directory: &Directory, owner: &PrincipalId, channel: &Channel) -> Option<Sha256> {
    let (PrincipalId::User(owner), Channel::Tls(Some(Certificate { digest, user, .. }))) = (owner, channel)
    else {
        return None;
    };
    let listed = directory.users.get(owner)?.certificates.contains(digest);
    (listed && user == owner).then_some(*digest)
}

/// The home's owner, at the control socket and nowhere else.
fn by_socket(snapshot: Arc<Snapshot>, arrival: &Arrival, now: Timestamp) -> Result<Principal, Failed> {
    let owner = match (&arrival.channel, &snapshot.settings.local_owner) {
        (Channel::Control, Some(user)) => PrincipalId::User(user.clone()),
        _ => return Err(Failure::NotLocal.into()),
    };
    stands(&snapshot.directory, &owner, now)?;
    Ok(Principal {
        id: owner,
        kid: None,
        authn: Authn::LocalOwner,
        mfa: true,
        certificate: None,
        protected: protected(&arrival.channel),
        ip: arrival.ip,
        snapshot,
    })
}

/// Nobody can listen in on any channel that there is; a new one has to say so here.
const fn protected(channel: &Channel) -> bool {
    match channel {
        Channel::Tls(_) | Channel::Control | Channel::PlaintextLoopback => true,
    }
}

/// What [`identify`] established, held against another snapshot.
fn still_holds(newest: &Snapshot, principal: &Principal, now: Timestamp) -> Result<(), Failure> {
    stands(&newest.directory, &principal.id, now)?;
    match principal.kid {
        Some(kid) => {
            let key = newest.directory.keys.get(&kid).ok_or(Failure::UnknownKey)?;
            // The secret is gone by now; the key must be the very one that it was shown for.
            let shown = principal.snapshot.directory.keys.get(&kid);
            if shown.is_none_or(|shown| shown.hmac != key.hmac || shown.owner != key.owner) {
                return Err(Failure::UnknownKey);
            }
            holds(key, principal.ip, now)?;
        }
        None if local_owner(newest, &principal.id) => {}
        None => return Err(Failure::NotLocal),
    }
    match (&principal.certificate, &principal.id) {
        (Some(digest), PrincipalId::User(user)) => {
            let listed =
                newest.directory.users.get(user).is_some_and(|user| user.certificates.contains(digest));
            if listed { Ok(()) } else { Err(Failure::CertificateGone) }
        }
        (Some(_), _) => Err(Failure::CertificateGone),
        (None, _) => Ok(()),
    }
}

fn local_owner(snapshot: &Snapshot, id: &PrincipalId) -> bool {
    matches!((id, &snapshot.settings.local_owner), (PrincipalId::User(id), Some(owner)) if id == owner)
}

#[cfg(test)]
mod tests;
