//! What a step says of the version that it was about: how far it is, and whose turn it is.

use std::collections::BTreeSet;

use mantlet_types::{ModelName, Sha256, Timestamp, UserId, Version};
use serde::Serialize;

use super::Way;
use crate::directory::Promotion;

/// How far a version is after a step.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// Digest of the signed manifest: what all steps are about.
    pub digest: Sha256,
    /// `requested`, `approved` or `live`.
    pub state: &'static str,
    /// Who asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<UserId>,
    /// Who approved it.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub approved_by: BTreeSet<UserId>,
    /// From here on the request or the approval is void.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    /// The version that was live until now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Version>,
    /// Which command comes next, and whose it is.
    pub next: String,
}

impl Stage {
    pub(super) fn on_its_way(Way { model, version }: &Way, promotion: &Promotion, next: String) -> Self {
        Self {
            model: model.clone(),
            version: *version,
            digest: promotion.digest,
            state: promotion.state().as_str(),
            requested_by: Some(promotion.requested_by.clone()),
            approved_by: promotion.approved_by.names(),
            ends: Some(promotion.ends),
            replaced: None,
            next,
        }
    }

    /// After it was withdrawn.
    pub(crate) fn retired(Way { model, version }: &Way, digest: Sha256, next: String) -> Self {
        Self { state: "retired", ..Self::live(model, *version, digest, None, next) }
    }

    pub(super) fn live(
        model: &ModelName,
        version: Version,
        digest: Sha256,
        replaced: Option<Version>,
        next: String,
    ) -> Self {
        Self {
            model: model.clone(),
            version,
            digest,
            state: "live",
            requested_by: None,
            approved_by: BTreeSet::new(),
            ends: None,
            replaced,
            next,
        }
    }
}
