//! Secrets of other people's services, as deeds: kept, replaced, listed, shown, forgotten.
//!
//! They are records of the directory: sealed in the store like all that is, so that they cannot be moved, taken away or put
//! back unnoticed, and sealed anew when the root key is replaced. What uses one takes it out of the newest snapshot; a
//! replacement is in force with the deed that makes it.

mod deeds;

use std::{fmt, sync::Arc};

use mantlet_types::{ProjectId, Secret, SecretName, Timestamp, UserId, secret::Hidden};
use serde::{Deserialize, Serialize};

pub use deeds::{KeepSecret, ListSecrets, RemoveSecret, SecretRequest, ShowSecret, ShownSecret};

/// Secrets of one home: each is in every snapshot, and the longest take 4 MB together.
pub const SECRETS_MAX: usize = 256;

/// A secret, and what may be known of it.
#[derive(Clone)]
pub struct KeptSecret {
    /// What may be known.
    pub about: About,
    /// The value.
    pub value: Arc<Secret>,
}

/// What may be known of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The project it belongs to.
    pub project: ProjectId,
    /// How many values it has had; 1 for the first.
    pub version: u32,
    /// Since when it has this one.
    pub changed: Timestamp,
    /// Who gave it.
    pub by: UserId,
}

impl fmt::Debug for KeptSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("KeptSecret").field("about", &self.about).field("value", &Hidden).finish()
    }
}

impl PartialEq for KeptSecret {
    fn eq(&self, other: &Self) -> bool {
        self.about == other.about && self.value.is(&other.value)
    }
}

/// A secret in a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecretInfo {
    /// Its name.
    pub secret: SecretName,
    /// What may be known of it.
    #[serde(flatten)]
    pub about: About,
}

#[cfg(test)]
mod tests;
