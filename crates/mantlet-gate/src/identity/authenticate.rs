//! Credentials become a [`Principal`], or the request ends.
//!
//! Whatever does not hold ends alike from outside: 401, after the same work. The log learns which check failed, as
//! one of [`Failure`]'s names; nobody learns what was presented.

mod url;
pub(super) mod workload;

use std::{net::IpAddr, sync::Arc};

use mantlet_types::{Code, Kid, PrincipalId, Rejection, Timestamp, entry::Authn};

use super::{
    Arrival, Certificate, Channel, Credential, LEAKED_MAX, Principal, key,
    token::{TokenFault, is_token},
};
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
    CertificateExpired,
    CertificateUntrusted,
    IdentityUnknown,
    IdentitiesDiffer,
    UrlMalformed,
    UrlForeign,
    UrlForeignNetwork,
    UrlKeyRevoked,
    UrlOwnerGone,
    Token(TokenFault),
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
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateUntrusted => "certificate_untrusted",
            Self::IdentityUnknown => "identity_unknown",
            Self::IdentitiesDiffer => "identities_differ",
            Self::UrlMalformed => "url_malformed",
            Self::UrlForeign => "url_not_signed_here",
            Self::UrlForeignNetwork => "url_foreign_network",
            Self::UrlKeyRevoked => "url_key_revoked",
            Self::UrlOwnerGone => "url_owner_gone",
            Self::Token(fault) => fault.as_str(),
        }
    }

    /// Where URLs are answered, nobody is told to prove who they are: there is nothing, like everywhere else where nothing is.
    fn code(self) -> Code {
        match self {
            Self::InUrl => Code::KeyInUrl,
            Self::UrlMalformed
            | Self::UrlForeign
            | Self::UrlForeignNetwork
            | Self::UrlKeyRevoked
            | Self::UrlOwnerGone => Code::NotFound,
            _ => Code::Unauthenticated,
        }
    }

    /// The same as told to whoever brings a URL.
    fn of_url(self) -> Self {
        match self {
            Self::OwnerUnknown | Self::OwnerDisabled | Self::OwnerExpired => Self::UrlOwnerGone,
            other => other,
        }
    }
}

impl From<TokenFault> for Failure {
    fn from(fault: TokenFault) -> Self {
        Self::Token(fault)
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
/// 401 for whatever does not hold, the caller does not learn which; 400 for a key in a URL; 429 instead for an address
/// with too many failures. What holds is let in even from there: strangers at an address that many share must not be
/// able to shut out those who have a key. To find that out costs one HMAC, whether the key is known or not; of a token, one
/// verification of a signature, and that once: what holds and what does not is remembered.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a credential is looked at once, and wiped as the arrival ends"
)]
pub(crate) fn authenticate(
    gate: &Gate,
    arrival: Arrival,
    record: &mut Record,
) -> Result<Principal, Rejection> {
    let (snapshot, now) = (gate.snapshot(), gate.now());
    let identified = match &arrival.credential {
        Credential::SignedUrl(brought) => {
            url::by_url(snapshot, gate.urls(), &arrival, brought.as_deref(), now)
        }
        _ => identify(snapshot, &arrival, now),
    };
    match identified {
        Ok(principal) => {
            record.principal(&principal);
            Ok(principal)
        }
        Err(failed) => Err(turned_away(gate, &arrival, failed)),
    }
}

/// A failure as its address deserves it: counted, or not even that once there are too many.
fn turned_away(gate: &Gate, arrival: &Arrival, failed: Failed) -> Rejection {
    match perimeter::count_failure(gate, arrival) {
        Ok(()) => failed.into(),
        Err(unheard) => unheard,
    }
}

/// Refuses keys in a URL. Gives the rejection, and the id of each key whose secret was the key's own: ids are no secrets, so a made-up key with somebody's id must not harm that key. Neither a decoy before
/// the real one nor an address with too many failures keeps a real key from being found.
pub(crate) fn refuse_leaked(gate: &Gate, arrival: &Arrival) -> (Rejection, Vec<Kid>) {
    let Credential::InUrl(texts) = &arrival.credential else {
        return (turned_away(gate, arrival, Failure::Malformed.into()), Vec::new());
    };
    let snapshot = gate.snapshot();
    let shown = texts.iter().take(LEAKED_MAX).filter_map(|text| Some(proven(&snapshot, text).ok()?.0));
    let kids: Vec<Kid> = shown.collect();
    (turned_away(gate, arrival, Failed(Failure::InUrl, kids.first().copied())), kids)
}

/// The same principal against the newest snapshot, if it still holds there.
///
/// # Errors
/// 401 if a change since has ended the credential.
pub(crate) fn renew(gate: &Gate, principal: Principal) -> Result<Principal, Rejection> {
    let newest = gate.snapshot();
    still_holds(&newest, &principal, gate.now()).map_err(|failure| Failed(failure, principal.kid))?;
    let confined = principal.kid.filter(|kid| is_confined(&newest, *kid));
    Ok(Principal { snapshot: newest, confined, ..principal })
}

fn identify(snapshot: Arc<Snapshot>, arrival: &Arrival, now: Timestamp) -> Result<Principal, Failed> {
    let known = match &arrival.credential {
        Credential::Nothing => return workload::by_certificate(snapshot, arrival, now),
        Credential::Malformed | Credential::SignedUrl(_) => return Err(Failure::Malformed.into()),
        Credential::InUrl(_) => return Err(Failure::InUrl.into()),
        Credential::LocalOwner => return by_socket(snapshot, arrival, now),
        Credential::Bearer(text) if is_token(text) => workload::by_token(snapshot, arrival, text, now)?,
        Credential::Bearer(text) => by_key(snapshot, arrival, text, now)?,
    };
    workload::agreeing(known, arrival, now)
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
    let certificate = second_factor(&snapshot.directory, &key.owner, &arrival.channel, now);
    Ok(Principal {
        id: key.owner.clone(),
        kid: Some(kid),
        authn: if certificate.is_some() { Authn::ApiKeyAndCertificate } else { Authn::ApiKey },
        mfa: certificate.is_some(),
        confined: Some(kid).filter(|kid| is_confined(&snapshot, *kid)),
        certificate,
        identity: None,
        proofs: Vec::new(),
        url: None,
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

/// Whether all that a key is good for is to be replaced: see [`Principal::confined`].
fn is_confined(snapshot: &Snapshot, kid: Kid) -> bool {
    let Some(key) = snapshot.directory.keys.get(&kid) else { return true };
    let PrincipalId::User(owner) = &key.owner else { return false };
    let has_duty = || snapshot.directory.users.get(owner).is_none_or(|user| user.duties().next().is_some());
    key.handed_over && !snapshot.settings.single_person && has_duty()
}

/// The certificate that makes a user's key two factors: one that names the same user, is listed as theirs and has
/// not ended. Any other certificate has no influence, neither for nor against.
fn second_factor(
    directory: &Directory,
    owner: &PrincipalId,
    channel: &Channel,
    now: Timestamp,
) -> Option<Certificate> {
    let (PrincipalId::User(owner), Channel::Tls(Some(shown))) = (owner, channel) else { return None };
    let listed = directory.users.get(owner)?.certificates.contains(&shown.digest);
    (listed && shown.user == *owner && now < shown.expires).then(|| shown.clone())
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
        confined: None,
        certificate: None,
        identity: None,
        proofs: Vec::new(),
        url: None,
        protected: protected(&arrival.channel),
        ip: arrival.ip,
        snapshot,
    })
}

/// Nobody can listen in on any channel that there is; a new one has to say so here.
const fn protected(channel: &Channel) -> bool {
    match channel {
        Channel::Tls(_) | Channel::Workload(_) | Channel::Control | Channel::PlaintextLoopback => true,
    }
}

/// What [`identify`] established, held against another snapshot.
fn still_holds(newest: &Snapshot, principal: &Principal, now: Timestamp) -> Result<(), Failure> {
    if let Some(terms) = &principal.url {
        stands(&newest.directory, &principal.id, now).map_err(Failure::of_url)?;
        return url::still_holds(newest, principal, terms);
    }
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
        None if !principal.proofs.is_empty() => {}
        None if local_owner(newest, &principal.id) => {}
        None => return Err(Failure::NotLocal),
    }
    workload::still_holds(newest, principal, now)?;
    let Some(shown) = &principal.certificate else { return Ok(()) };
    let user = newest.directory.users.get(&shown.user).ok_or(Failure::CertificateGone)?;
    if !user.certificates.contains(&shown.digest) {
        return Err(Failure::CertificateGone);
    }
    if now >= shown.expires { Err(Failure::CertificateExpired) } else { Ok(()) }
}

fn local_owner(snapshot: &Snapshot, id: &PrincipalId) -> bool {
    matches!((id, &snapshot.settings.local_owner), (PrincipalId::User(id), Some(owner)) if id == owner)
}

#[cfg(test)]
mod tests;
