//! The statement as JSON has it: an in-toto Statement v1 around the predicate of OpenSSF Model Signing 1.0. Unknown members
//! are ignored, as the specification asks; what the known ones mean is decided elsewhere.

use mantlet_types::Sha256;
use serde::{Deserialize, Serialize};

pub(super) const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
pub(super) const PREDICATE_TYPE: &str = "https://model_signing/signature/v1.0";

#[derive(Serialize, Deserialize)]
pub(super) struct Wire {
    #[serde(rename = "_type")]
    pub(super) kind: String,
    pub(super) subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    pub(super) predicate_type: String,
    pub(super) predicate: Predicate,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) digest: SubjectDigest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubjectDigest {
    pub(super) sha256: Sha256,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Predicate {
    pub(super) serialization: Serialization,
    pub(super) resources: Vec<Resource>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Serialization {
    pub(super) method: String,
    pub(super) hash_type: String,
    #[serde(default)]
    pub(super) allow_symlinks: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) shard_size: Option<serde_json::Number>,
    pub(super) ignore_paths: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Resource {
    pub(super) name: String,
    pub(super) algorithm: String,
    pub(super) digest: String,
}
