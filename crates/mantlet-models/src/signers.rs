//! Whose signatures count, now: a set of keys that can be replaced as a whole while models are served and registered.
//!
//! A signer whom nobody trusts any more is one whose key may be in other hands, or who should not have had it. What they have
//! signed is no better for having been verified before, so it is known of everything verified who signed it, and a reload
//! can find what has to stop.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use crate::{
    artifact::{Signer, TrustedSigner, TrustedSigners, VerifiedArtifact, vouches},
    registry::PackageDigest,
};

/// The trusted signers.
#[derive(Debug)]
pub struct Signers {
    keys: RwLock<Arc<TrustedSigners>>,
    signed: Arc<Mutex<Signed>>,
}

/// Those who have signed, by the digest of the package: two people may sign one manifest, each in a package of their own, and
/// what the one has signed stands and falls with the one.
type Signed = HashMap<PackageDigest, Signer>;

impl Signers {
    /// Trusts the holders of these keys.
    #[must_use]
    pub fn new(keys: Vec<TrustedSigner>) -> Self {
        Self { keys: RwLock::new(keys.into()), signed: Arc::default() }
    }

    /// The same memory of who signed what, under these keys.
    #[must_use]
    pub fn under(&self, keys: Vec<TrustedSigner>) -> Self {
        Self { keys: RwLock::new(keys.into()), signed: Arc::clone(&self.signed) }
    }

    /// The keys that count for what is verified from here on.
    #[must_use]
    pub fn keys(&self) -> Arc<TrustedSigners> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Trusts the holders of these keys and nobody else.
    pub fn replace(&self, keys: Vec<TrustedSigner>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.into();
    }

    /// Remembers who signed what was just verified.
    pub(crate) fn remember(&self, package: PackageDigest, artifact: &VerifiedArtifact) {
        self.signed().insert(package, artifact.signer().clone());
    }

    /// Whether the one who signed this package is trusted now. What was never verified has no signer.
    #[must_use]
    pub fn vouch_for(&self, package: PackageDigest) -> bool {
        let signer = self.signed().get(&package).cloned();
        signer.is_some_and(|signer| vouches(&self.keys(), &signer))
    }

    fn signed(&self) -> MutexGuard<'_, Signed> {
        self.signed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
