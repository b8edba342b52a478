//! Whose signatures count, now: a set of keys that can be replaced as a whole while models are served and registered.
//!
//! A signer whom nobody trusts any more is one whose key may be in other hands, or who should not have had it. What they have
//! signed is no better for having been verified before, so it is known of everything verified who signed it, and a reload
//! can find what has to stop.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use mantlet_types::Sha256;

use crate::{
    artifact::{PublicKey, TrustedKeys, VerifiedArtifact},
    registry::PackageDigest,
};

/// The trusted signers.
#[derive(Debug)]
pub struct Signers {
    keys: RwLock<Arc<TrustedKeys>>,
    signed: Arc<Mutex<Signed>>,
}

/// Fingerprints of the keys that have signed, by the digest of the package: two people may sign one manifest, each in a
/// package of their own, and what the one has signed stands and falls with the one.
type Signed = HashMap<PackageDigest, Sha256>;

impl Signers {
    /// Trusts the holders of these keys.
    #[must_use]
    pub fn new(keys: Vec<PublicKey>) -> Self {
        Self { keys: RwLock::new(keys.into()), signed: Arc::default() }
    }

    /// The same memory of who signed what, under these keys.
    #[must_use]
    pub fn under(&self, keys: Vec<PublicKey>) -> Self {
        Self { keys: RwLock::new(keys.into()), signed: Arc::clone(&self.signed) }
    }

    /// The keys that count for what is verified from here on.
    #[must_use]
    pub fn keys(&self) -> Arc<TrustedKeys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Trusts the holders of these keys and nobody else.
    pub fn replace(&self, keys: Vec<PublicKey>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.into();
    }

    /// Remembers who signed what was just verified.
    pub(crate) fn remember(&self, package: PackageDigest, artifact: &VerifiedArtifact) {
        self.signed().insert(package, artifact.signer());
    }

    /// Whether the one who signed this package is trusted now. What was never verified has no signer.
    #[must_use]
    pub fn vouch_for(&self, package: PackageDigest) -> bool {
        let signer = self.signed().get(&package).copied();
        signer.is_some_and(|signer| self.keys().iter().any(|key| key.fingerprint() == signer))
    }

    fn signed(&self) -> MutexGuard<'_, Signed> {
        self.signed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
