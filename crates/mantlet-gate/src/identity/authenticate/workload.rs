//! Workloads become principals: by a certificate, by a token, or by either beside a key of theirs.

use std::sync::Arc;

use mantlet_types::{PrincipalId, Timestamp, entry::Authn, workload::WorkloadIdentity};

use super::{Failed, Failure, protected, stands};
use crate::{
    Snapshot,
    identity::{
        Arrival, Channel, Principal,
        token::{self, Verified},
        workload::{Known, Svid},
    },
};

/// What of a workload was shown, to be looked at again when the directory has changed.
#[derive(Clone, Debug)]
pub(in crate::identity) enum Proof {
    Svid(Svid),
    Token(Verified),
}

impl Proof {
    fn identity(&self) -> WorkloadIdentity {
        match self {
            Self::Svid(svid) => WorkloadIdentity::Spiffe { spiffe: svid.id.clone() },
            Self::Token(verified) => verified.identity.clone(),
        }
    }

    /// Whose it is here and now.
    fn holder<'a>(&self, snapshot: &'a Snapshot, now: Timestamp) -> Result<&'a Known, Failure> {
        match self {
            Self::Svid(svid) if !svid.vouched => return Err(Failure::CertificateUntrusted),
            Self::Svid(svid) if now >= svid.expires => return Err(Failure::CertificateExpired),
            Self::Token(verified) if verified.is_over(now) => return Err(token::TokenFault::Expired.into()),
            Self::Svid(_) | Self::Token(_) => {}
        }
        let identity = self.identity();
        let settings = &snapshot.settings;
        let holders = match (self, &identity) {
            (Self::Token(verified), _) => Some(verified.holders(&settings.issuers, now)?),
            (Self::Svid(_), WorkloadIdentity::Spiffe { spiffe }) => {
                let domain = spiffe.trust_domain();
                let trusted = settings.trust_domains.iter().find(|it| it.domain.as_str() == domain);
                trusted.map(|trusted| &trusted.holders)
            }
            (Self::Svid(_), WorkloadIdentity::Token { .. }) => None,
        };
        // What the configuration says of names counts now, whatever it was when somebody claimed one.
        let project = |known: &Known| snapshot.directory.consumers.get(&known.consumer).map(|it| &it.project);
        let permitted = |known: &&Known| {
            holders.zip(project(known)).is_some_and(|(holders, project)| holders.permit(project, &identity))
        };
        let known = snapshot.workloads.find(&snapshot.directory, &identity).filter(permitted);
        known.ok_or(Failure::IdentityUnknown)
    }
}

/// Somebody with a certificate and nothing else.
pub(super) fn by_certificate(
    snapshot: Arc<Snapshot>,
    arrival: &Arrival,
    now: Timestamp,
) -> Result<Principal, Failed> {
    let Channel::Workload(svid) = &arrival.channel else { return Err(Failure::Nothing.into()) };
    by_proof(snapshot, arrival, Proof::Svid(svid.clone()), now)
}

/// Somebody with a token.
pub(super) fn by_token(
    snapshot: Arc<Snapshot>,
    arrival: &Arrival,
    text: &str,
    now: Timestamp,
) -> Result<Principal, Failed> {
    let verified = token::verify(&snapshot.settings.issuers, text, now).map_err(Failure::from)?;
    by_proof(snapshot, arrival, Proof::Token(verified), now)
}

fn by_proof(
    snapshot: Arc<Snapshot>,
    arrival: &Arrival,
    proof: Proof,
    now: Timestamp,
) -> Result<Principal, Failed> {
    let Known { consumer, identity } = proof.holder(&snapshot, now)?.clone();
    let id = PrincipalId::Consumer(consumer);
    stands(&snapshot.directory, &id, now)?;
    Ok(Principal {
        id,
        kid: None,
        authn: match &proof {
            Proof::Svid(_) => Authn::Spiffe,
            Proof::Token(_) => Authn::Token,
        },
        mfa: false,
        confined: None,
        certificate: None,
        identity: Some(identity),
        proofs: vec![proof],
        url: None,
        protected: protected(&arrival.channel),
        ip: arrival.ip,
        snapshot,
    })
}

/// Holds a key or token against the workload's certificate that came with it, if one did: both must be of one
/// application. What else would the caller be?
pub(super) fn agreeing(principal: Principal, arrival: &Arrival, now: Timestamp) -> Result<Principal, Failed> {
    let Channel::Workload(svid) = &arrival.channel else { return Ok(principal) };
    let failed = |failure| Failed(failure, principal.kid);
    let proof = Proof::Svid(svid.clone());
    let known = proof.holder(&principal.snapshot, now).map_err(failed)?;
    if principal.id != PrincipalId::Consumer(known.consumer.clone()) {
        return Err(failed(Failure::IdentitiesDiffer));
    }
    let authn = match principal.authn {
        Authn::Token => Authn::TokenAndSpiffe,
        _ => Authn::ApiKeyAndSpiffe,
    };
    // Of two identities the entry names the token's: it says more than where the connection came from.
    let identity = principal.identity.or(Some(known.identity));
    let proofs = principal.proofs.iter().cloned().chain([proof]).collect();
    Ok(Principal { authn, identity, proofs, ..principal })
}

/// What was shown, held against another snapshot.
pub(super) fn still_holds(newest: &Snapshot, principal: &Principal, now: Timestamp) -> Result<(), Failure> {
    for proof in &principal.proofs {
        let known = proof.holder(newest, now)?;
        if principal.id != PrincipalId::Consumer(known.consumer.clone()) {
            return Err(Failure::IdentitiesDiffer);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
