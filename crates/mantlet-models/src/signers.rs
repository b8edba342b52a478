//! Whose signatures count, now: a set of keys that can be replaced as a whole while models are served and registered.

use std::sync::{Arc, PoisonError, RwLock};

use crate::artifact::{PublicKey, TrustedKeys};

/// The trusted signers.
#[derive(Debug)]
pub struct Signers(RwLock<Arc<TrustedKeys>>);

impl Signers {
    /// Trusts the holders of these keys.
    #[must_use]
    pub fn new(keys: Vec<PublicKey>) -> Self {
        Self(RwLock::new(keys.into()))
    }

    /// The keys that count for what is verified from here on.
    #[must_use]
    pub fn keys(&self) -> Arc<TrustedKeys> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Trusts the holders of these keys and nobody else. What was verified before stays loaded.
    pub fn replace(&self, keys: Vec<PublicKey>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys.into();
    }
}
