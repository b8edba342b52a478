//! Resources: what an action is about.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{ModelName, ProjectId, ReviewId, RouteName, Version, url::UrlId};

/// A thing that somebody may be allowed to touch. Each belongs to exactly one project; the directory knows which.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// A project as a whole: its people and consumers.
    Project(ProjectId),
    /// A model, whichever version is live.
    Model(ModelName),
    /// One version of a model.
    ModelVersion(ModelName, Version),
    /// The way of one version to production.
    Deployment(ModelName, Version),
    /// A project's part of the audit log; project `home` holds the whole.
    AuditLog(ProjectId),
    /// A project's statistics.
    Statistics(ProjectId),
    /// A pending grant, by its number.
    Grant(ProjectId, u64),
    /// A pending change of policy, or a request for break-glass, by its number.
    Change(ProjectId, u64),
    /// A feature of one version of a model; how sensitive it is the version says.
    Feature(ModelName, Version, Arc<str>),
    /// The held answers of a project's models.
    ReviewQueue(ProjectId),
    /// One held answer; whose it is the queue knows.
    ReviewItem(ProjectId, ReviewId),
    /// A signed URL of a version; what it says the URL itself says.
    SignedUrl(ModelName, Version, UrlId),
    /// A secret of Mantlet's own, by its name: what signs URLs. Its value is nothing that anybody reads.
    Secret(ProjectId, Arc<str>),
    /// A way to language models; whose it is the configuration says.
    Route(RouteName),
}

impl Resource {
    /// The entity type in the policy schema.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Project(_) => "Project",
            Self::Model(_) => "Model",
            Self::ModelVersion(..) => "ModelVersion",
            Self::Deployment(..) => "Deployment",
            Self::AuditLog(_) => "AuditLog",
            Self::Statistics(_) => "Statistics",
            Self::Grant(..) => "Grant",
            Self::Change(..) => "Change",
            Self::Feature(..) => "Feature",
            Self::ReviewQueue(_) => "ReviewQueue",
            Self::ReviewItem(..) => "ReviewItem",
            Self::SignedUrl(..) => "SignedUrl",
            Self::Secret(..) => "Secret",
            Self::Route(_) => "Route",
        }
    }

    /// The entity id in the policy schema, unique within its kind; a feature is the same one in every version.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Project(id) | Self::AuditLog(id) | Self::Statistics(id) | Self::ReviewQueue(id) => {
                id.to_string()
            }
            Self::Model(name) => name.to_string(),
            Self::ModelVersion(name, version) | Self::Deployment(name, version) => {
                format!("{name}@{version}")
            }
            Self::Grant(project, number) | Self::Change(project, number) => format!("{project}#{number}"),
            Self::Feature(model, _, feature) => format!("{model}/{feature}"),
            Self::ReviewItem(_, item) => item.to_string(),
            Self::SignedUrl(_, _, id) => id.to_string(),
            Self::Secret(project, name) => format!("{project}/{name}"),
            Self::Route(name) => name.to_string(),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), self.key())
    }
}
