//! What is listed of an issuer, and the one way from a token to whom it speaks of.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use mantlet_types::{
    Timestamp,
    id::IssuerName,
    limits::{TOKEN_LEEWAY, TOKEN_LIFETIME_MAX, TOKENS_FAILED_MAX, TOKENS_VERIFIED_MAX},
    workload::WorkloadIdentity,
};

use super::{
    TokenFault,
    claims::Claims,
    jws::Jws,
    keys::{Algorithm, Current, KeyRing, Print},
    sha256,
};
use crate::identity::workload::Holders;

/// What a token of an issuer must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// `iss`, byte by byte.
    pub issuer: String,
    /// Must be among `aud`.
    pub audience: String,
    /// Algorithms that it signs by; never empty.
    pub algorithms: Vec<Algorithm>,
    /// What its tokens say that they are.
    pub typ: TokenType,
    /// Who may have its subjects.
    pub holders: Holders,
}

/// The `typ` of an issuer's tokens (RFC 8725, section 3.11): what keeps other tokens of the same issuer apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// An access token (RFC 9068).
    AccessToken,
    /// Any JWT: for issuers that do not say more.
    Jwt,
    /// None at all: for issuers that do not say even that, as Kubernetes.
    Absent,
}

impl TokenType {
    /// Whether this is what a header says. Media types have no case, and `application/` may be left out (RFC 7515,
    /// section 4.1.9).
    fn is(self, typ: Option<&str>) -> bool {
        let short = |typ: &str| {
            let lower = typ.to_ascii_lowercase();
            lower.strip_prefix("application/").map_or_else(|| lower.clone(), str::to_owned)
        };
        match self {
            Self::AccessToken => typ.is_some_and(|typ| short(typ) == "at+jwt"),
            Self::Jwt => typ.is_some_and(|typ| short(typ) == "jwt"),
            Self::Absent => typ.is_none(),
        }
    }
}

/// An issuer whose tokens are taken.
pub struct Issuer {
    name: IssuerName,
    rules: Arc<Rules>,
    ring: Arc<KeyRing>,
    remembered: Mutex<Remembered>,
}

/// Tokens that were verified under these keys and these rules, and others that these keys have not signed.
#[derive(Default)]
struct Remembered {
    keys: Option<Arc<Current>>,
    by_digest: HashMap<[u8; 32], Verified>,
    failed: HashSet<[u8; 32]>,
}

/// A token that holds: the proof that its issuer has signed it for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) identity: WorkloadIdentity,
    /// From here on it does not count; our patience with other clocks is in it.
    ends: Timestamp,
    /// What was asked of it.
    rules: Arc<Rules>,
    /// By which key it was signed.
    key: Print,
}

impl Verified {
    /// Whether it still counts.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        now >= self.ends
    }

    /// Whose it may be, if its issuer is listed among these as it was, and has its key still. Under other rules it would have
    /// to be looked at anew, and it is not here any more.
    pub(crate) fn holders(&self, issuers: &[Arc<Issuer>], now: Timestamp) -> Result<&Holders, TokenFault> {
        let WorkloadIdentity::Token { issuer, .. } = &self.identity else { return Err(TokenFault::Issuer) };
        let listed = issuers.iter().find(|listed| listed.name == *issuer).ok_or(TokenFault::Issuer)?;
        if listed.rules != self.rules {
            return Err(TokenFault::Rules);
        }
        if !listed.ring.current(now)?.keys.has(&self.key) {
            return Err(TokenFault::KeyUnknown);
        }
        Ok(&self.rules.holders)
    }
}

impl Issuer {
    /// An issuer by its rules, with keys that may be replaced.
    #[must_use]
    pub fn new(name: IssuerName, rules: Rules, ring: Arc<KeyRing>) -> Self {
        Self { name, rules: Arc::new(rules), ring, remembered: Mutex::default() }
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &IssuerName {
        &self.name
    }

    /// Who may have its subjects.
    pub(crate) fn holders(&self) -> &Holders {
        &self.rules.holders
    }

    /// Checks everything but the signature, which costs most.
    fn check(&self, jws: &Jws<'_>, claims: &Claims, now: Timestamp) -> Result<Algorithm, TokenFault> {
        let listed = Algorithm::named(&jws.algorithm).filter(|it| self.rules.algorithms.contains(it));
        let algorithm = listed.ok_or(TokenFault::Algorithm)?;
        if !self.rules.typ.is(jws.typ.as_deref()) {
            return Err(TokenFault::Type);
        }
        if !claims.audiences.contains(&self.rules.audience) {
            return Err(TokenFault::Audience);
        }
        let latest = now.plus_seconds(seconds(TOKEN_LEEWAY));
        if claims.issued > latest || claims.not_before.is_some_and(|begin| begin > latest) {
            return Err(TokenFault::NotYet);
        }
        if now >= claims.expires.plus_seconds(seconds(TOKEN_LEEWAY)) {
            return Err(TokenFault::Expired);
        }
        if claims.expires > claims.issued.plus_seconds(seconds(TOKEN_LIFETIME_MAX)) {
            return Err(TokenFault::Lifetime);
        }
        Ok(algorithm)
    }

    /// What came of a token before, if nothing that this rested on has changed.
    fn recall(&self, digest: &[u8; 32], keys: &Arc<Current>) -> Option<Result<Verified, TokenFault>> {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if !remembered.keys.as_ref().is_some_and(|known| Arc::ptr_eq(known, keys)) {
            *remembered = Remembered { keys: Some(Arc::clone(keys)), ..Remembered::default() };
        }
        let failed = || remembered.failed.contains(digest).then_some(Err(TokenFault::Signature));
        remembered.by_digest.get(digest).cloned().map(Ok).or_else(failed)
    }

    fn remember(&self, digest: [u8; 32], keys: &Arc<Current>, verified: Verified, now: Timestamp) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if !remembered.keys.as_ref().is_some_and(|known| Arc::ptr_eq(known, keys)) {
            return;
        }
        if remembered.by_digest.len() >= TOKENS_VERIFIED_MAX {
            remembered.by_digest.retain(|_, known| !known.is_over(now));
        }
        if remembered.by_digest.len() < TOKENS_VERIFIED_MAX {
            remembered.by_digest.insert(digest, verified);
        }
    }

    /// That a signature failed stays so under these keys, and to find it out is the costliest step.
    fn remember_failed(&self, digest: [u8; 32], keys: &Arc<Current>) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if !remembered.keys.as_ref().is_some_and(|known| Arc::ptr_eq(known, keys)) {
            return;
        }
        if remembered.failed.len() >= TOKENS_FAILED_MAX {
            remembered.failed.clear();
        }
        remembered.failed.insert(digest);
    }

    #[cfg(test)]
    pub(super) fn failed_for_test(&self) -> usize {
        self.remembered.lock().unwrap().failed.len()
    }

    /// Has it believed that this token failed.
    #[cfg(test)]
    pub(super) fn fail_for_test(&self, token: &str, now: Timestamp) {
        self.remember_failed(sha256(token.as_bytes()), &self.ring.current(now).unwrap());
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("name", &self.name).field("rules", &self.rules).finish_non_exhaustive()
    }
}

fn seconds(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(0)
}

/// Whom a token speaks of, if one of these issuers has signed it for us.
pub(crate) fn verify(issuers: &[Arc<Issuer>], text: &str, now: Timestamp) -> Result<Verified, TokenFault> {
    if text.len() > mantlet_types::limits::TOKEN_BYTES_MAX {
        return Err(TokenFault::Size);
    }
    let digest = sha256(text.as_bytes());
    let known = issuers.iter().find_map(|issuer| issuer.recall(&digest, &issuer.ring.current(now).ok()?));
    if let Some(known) = known {
        return known.and_then(|it| if it.is_over(now) { Err(TokenFault::Expired) } else { Ok(it) });
    }
    let jws = Jws::read(text)?;
    let claims = Claims::of(&jws.payload)?;
    let issuer = issuers.iter().find(|issuer| issuer.rules.issuer == claims.issuer);
    let issuer = issuer.ok_or(TokenFault::Issuer)?;
    let algorithm = issuer.check(&jws, &claims, now)?;
    let keys = issuer.ring.current(now)?;
    let verified = keys.keys.verify(&jws.kid, algorithm, jws.signed, jws.signature);
    let key = verified.inspect_err(|fault| match fault {
        // Perhaps a key that was made since. Somebody may look again, at their own pace; nobody waits for it.
        TokenFault::KeyUnknown => issuer.ring.want(),
        TokenFault::Signature => issuer.remember_failed(digest, &keys),
        _ => {}
    })?;
    let identity = WorkloadIdentity::Token { issuer: issuer.name.clone(), subject: claims.subject };
    let ends = claims.expires.plus_seconds(seconds(TOKEN_LEEWAY));
    let verified = Verified { identity, ends, rules: Arc::clone(&issuer.rules), key };
    issuer.remember(digest, &keys, verified.clone(), now);
    Ok(verified)
}
