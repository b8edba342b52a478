//! A version's way to production, as policies see it: put together of records, and kept nowhere.

use std::collections::BTreeSet;

use mantlet_types::{ModelName, ProjectId, Timestamp, UserId, Version};

/// The way of one version to production, as far as it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// The model's project.
    pub project: ProjectId,
    /// Who registered the version.
    pub author: UserId,
    /// Whose data it was trained on.
    pub data_authors: BTreeSet<UserId>,
    /// Who asked for it.
    pub requested_by: UserId,
    /// Who approved it.
    pub approved_by: BTreeSet<UserId>,
    /// After this the approvals are void.
    pub approval_ends: Timestamp,
    /// How far it is.
    pub state: DeploymentState,
    /// Whether the version once was live.
    pub was_live: bool,
    /// Whether it was withdrawn for good.
    pub retired: bool,
}

/// How far a deployment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeploymentState {
    /// Asked for.
    Requested,
    /// Approved by enough people.
    Approved,
}

impl DeploymentState {
    /// The name in policies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Approved => "approved",
        }
    }
}
