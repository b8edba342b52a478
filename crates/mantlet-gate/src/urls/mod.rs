//! Signed URLs: a version's package, or one file of it, for whoever brings the URL, until it ends.
//!
//! A URL is no credential of its own kind of person: it lets its bearer act as the person who had it signed, for one
//! action on one version. Everything that person needs is decided again whenever the URL is brought, so that who loses
//! the right, is disabled, or sees the version withdrawn takes every such URL along. Nothing is kept of a URL but that
//! one for a single use was used.

pub mod keys;
mod signer;
mod terms;

#[cfg(test)]
mod tests;

use mantlet_types::{
    Action, Code, PrincipalId, Rejection, Resource, Timestamp, limits::URL_USES_MAX, url::UrlId,
};
use serde::{Deserialize, Serialize};

pub use self::{
    signer::{Signature, UrlSigner},
    terms::{UrlMethod, UrlMethodError, UrlTerms},
};
use crate::{
    administer::{Claims, Office},
    directory::{Change, Directory},
    identity::Principal,
    policy::Target,
};

/// For how long after its end a used URL is remembered, in seconds: a clock that is set back must not make it good again.
const REMEMBERED_SECONDS: i64 = 3_600;

/// A URL as somebody brought it: what it says, and what is to show that we said so.
pub struct BroughtUrl {
    /// What it says; the method is the one that it was brought with.
    pub terms: UrlTerms,
    /// What is to be the signature over that.
    pub signature: Signature,
}

/// That a URL for one use was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UrlUse {
    /// When the URL ends: from some time after that, this need not be kept.
    pub expires: Timestamp,
}

/// What somebody wants a URL for, without what the gate adds.
#[derive(Clone, Debug)]
pub struct UrlWish {
    /// How it will be called.
    pub id: UrlId,
    /// The method.
    pub method: UrlMethod,
    /// How long, in seconds.
    pub seconds: u32,
    /// From where.
    pub network: Option<ipnet::IpNet>,
    /// Whether for one answer only.
    pub once: bool,
    /// Only this file.
    pub file: Option<std::sync::Arc<str>>,
}

/// Draws a URL's id, so that the log can name it before it is signed.
///
/// # Errors
/// 503 if there is no randomness.
pub fn draw_id() -> Result<UrlId, Rejection> {
    let mut id = [0; 16];
    aws_lc_rs::rand::fill(&mut id).map_err(|_| Rejection::unavailable("no randomness"))?;
    Ok(UrlId(id))
}

/// Signs a URL for the package of a version. The deed has shown that the caller may export it.
///
/// # Errors
/// 400 for a longer life than URLs have here; 403 for anybody but a person; 503 if no key signs.
pub fn sign(
    office: &Office<'_>,
    (model, version): (&mantlet_types::ModelName, mantlet_types::Version),
    package: mantlet_types::Sha256,
    wish: UrlWish,
) -> Result<(UrlTerms, Signature), Rejection> {
    let UrlWish { id, method, seconds, network, once, file } = wish;
    let minutes_max = office.snapshot.settings.url_minutes_max;
    if seconds == 0 || seconds > minutes_max.saturating_mul(60) {
        return Err(Rejection::argument(format!("a signed URL lives for 1 second to {minutes_max} minutes")));
    }
    let PrincipalId::User(user) = office.caller.id() else { return Err(Code::Forbidden.into()) };
    let kid = office.snapshot.directory.signing_url_key();
    let kid = kid.ok_or_else(|| Rejection::unavailable("no key signs URLs: all of them are revoked"))?;
    // Whole seconds: a URL says no fractions.
    let now = office.gate.now().micros().div_euclid(1_000_000).saturating_mul(1_000_000);
    let terms = UrlTerms {
        method,
        model: model.clone(),
        version,
        package,
        file,
        expires: Timestamp::from_micros(now).plus_seconds(i64::from(seconds)),
        kid,
        user: user.clone(),
        id,
        network: network.map(|network| network.trunc()),
        once,
    };
    let signature = office.gate.urls().and_then(|signer| signer.sign(office.warrant, &terms));
    let signature = signature.ok_or_else(|| Rejection::unavailable("the cryptographic provider failed"))?;
    Ok((terms, signature))
}

/// What must be allowed for a URL to be answered: to redeem this very URL, which is its own person's alone, while it has
/// neither ended nor been used; and to export the version, now as when it was signed.
///
/// # Errors
/// 404 for whoever brings no URL.
pub fn claims(caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
    let terms = caller.url().ok_or(Code::NotFound)?;
    let known = directory.models.get(&terms.model).and_then(|model| model.versions.get(&terms.version));
    // INVARIANT (bound-to-digest): what was signed for is this artifact, or nothing was.
    let bound = known.is_some_and(|record| {
        let is_author = PrincipalId::User(record.author.clone()) == *caller.id();
        let answers = record.was_live || is_author;
        record.package == terms.package && answers && record.facts.retired.is_none()
    });
    if !bound {
        return Ok(Claims::All(vec![(Action::RedeemUrl, Target::Unknown)]));
    }
    let version = Resource::ModelVersion(terms.model.clone(), terms.version);
    Ok(Claims::All(vec![
        (Action::RedeemUrl, Target::SignedUrl(Box::new(terms.clone()))),
        (Action::Export, Target::Resource(version)),
    ]))
}

/// What makes it known that a URL for one use was used, with the old ones that need not be remembered any more.
///
/// # Errors
/// 503 if too many are remembered.
pub fn used(directory: &Directory, terms: &UrlTerms, now: Timestamp) -> Result<Vec<Change>, Rejection> {
    let over = |known: &UrlUse| known.expires.plus_seconds(REMEMBERED_SECONDS) <= now;
    let ended = directory.url_uses.iter().filter(|(_, known)| over(known)).map(|(id, _)| *id);
    let mut changes: Vec<Change> = ended.map(Change::RemoveUrlUse).collect();
    if directory.url_uses.len() - changes.len() >= URL_USES_MAX {
        return Err(Rejection::unavailable("too many URLs for one use were used"));
    }
    changes.push(Change::PutUrlUse(terms.id, UrlUse { expires: terms.expires }));
    Ok(changes)
}
