//! A signed URL becomes the person who had it signed, confined to what the URL says.

use std::sync::Arc;

use mantlet_types::{PrincipalId, Timestamp, entry::Authn};

use super::{Failed, Failure, protected, stands};
use crate::{
    Snapshot,
    identity::{Arrival, Principal},
    urls::{BroughtUrl, UrlSigner, UrlTerms},
};

/// Whoever brings a URL of ours, from where it may come from, while its key counts and its person stands. That it has
/// ended or was used policy says, so that the log knows which URL it was.
pub(super) fn by_url(
    snapshot: Arc<Snapshot>,
    signer: Option<&UrlSigner>,
    arrival: &Arrival,
    brought: Option<&BroughtUrl>,
    now: Timestamp,
) -> Result<Principal, Failed> {
    let BroughtUrl { terms, signature } = brought.ok_or(Failure::UrlMalformed)?;
    // First: what follows depends on what there is, and nobody learns of that but from a URL that is ours.
    if !signer.is_some_and(|signer| signer.knows(terms, signature)) {
        return Err(Failure::UrlForeign.into());
    }
    let principal = Principal {
        id: PrincipalId::User(terms.user.clone()),
        kid: None,
        authn: Authn::SignedUrl,
        // Who has a URL signed shows both factors (F04), and the signature vouches for that. It opens nothing beside this.
        mfa: true,
        confined: None,
        certificate: None,
        identity: None,
        proofs: Vec::new(),
        url: Some(Arc::new(terms.clone())),
        protected: protected(&arrival.channel),
        ip: arrival.ip,
        snapshot,
    };
    still_holds(&principal.snapshot, &principal, terms)?;
    stands(&principal.snapshot.directory, &principal.id, now).map_err(Failure::of_url)?;
    Ok(principal)
}

/// What can end while a request is under way, but for the person.
pub(super) fn still_holds(newest: &Snapshot, principal: &Principal, terms: &UrlTerms) -> Result<(), Failure> {
    if !newest.directory.counts_url_key(terms.kid) {
        return Err(Failure::UrlKeyRevoked);
    }
    // A listener on a dual-stack socket reports IPv4 clients as `::ffff:a.b.c.d`.
    let ip = principal.ip.to_canonical();
    if terms.network.is_some_and(|network| !network.contains(&ip)) {
        return Err(Failure::UrlForeignNetwork);
    }
    Ok(())
}
