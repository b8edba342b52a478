//! Actions: what a principal may do to a resource. The list is the policy schema's, word for word.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

macro_rules! actions {
    ($($variant:ident = $name:literal,)*) => {
        /// An action of the policy schema.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "the schema documents each action where it lists who may")]
        pub enum Action {
            $(#[serde(rename = $name)] $variant,)*
        }

        impl Action {
            /// Every action, in the schema's order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The action's name in policies and audit entries.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

actions! {
    Predict = "predict",
    Explain = "explain",
    Evaluate = "evaluate",
    InspectFeatures = "inspect_features",
    ViewWeights = "view_weights",
    Export = "export",
    RedeemUrl = "redeem_url",
    TryCandidate = "try_candidate",
    CreateDataset = "create_dataset",
    WriteDataset = "write_dataset",
    RunPipeline = "run_pipeline",
    ReadDataset = "read_dataset",
    DefineFeature = "define_feature",
    RegisterVersion = "register_version",
    WriteArtifact = "write_artifact",
    LoadArtifact = "load_artifact",
    RequestDeployment = "request_deployment",
    ApproveDeployment = "approve_deployment",
    ActivateDeployment = "activate_deployment",
    UpdateModel = "update_model",
    Rollback = "rollback",
    DisableModel = "disable_model",
    UseFeature = "use_feature",
    AttributeFeature = "attribute_feature",
    ReadFeature = "read_feature",
    Complete = "complete",
    Scan = "scan",
    ConfigureRoute = "configure_route",
    ListReviews = "list_reviews",
    ReadReview = "read_review",
    DecideReview = "decide_review",
    ReadHeld = "read_held",
    Monitor = "monitor",
    AcknowledgeAlert = "acknowledge_alert",
    ReadAudit = "read_audit",
    ExportAudit = "export_audit",
    VerifyAudit = "verify_audit",
    ProveAudit = "prove_audit",
    AppendAudit = "append_audit",
    DeleteAudit = "delete_audit",
    ManageUsers = "manage_users",
    ManageConsumers = "manage_consumers",
    ManageSecret = "manage_secret",
    ReadSecret = "read_secret",
    Grant = "grant",
    ProposeChange = "propose_change",
    ApproveChange = "approve_change",
    ApplyChange = "apply_change",
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No such action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown action")]
pub struct UnknownAction;

impl FromStr for Action {
    type Err = UnknownAction;
    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        Self::ALL.iter().copied().find(|action| action.as_str() == text).ok_or(UnknownAction)
    }
}
