//! What a model takes, and what the data were like that it was made with.

use std::collections::HashMap;

use mantlet_types::{
    Contract, ModelName, Sha256, Version,
    contract::{FeatureKind, Range, Task},
};
use serde::Serialize;

use crate::profile::{Profile, QUANTILES, Summary};

/// A model's inputs by name.
#[derive(Debug, Serialize)]
pub struct Features {
    /// The model.
    pub model: ModelName,
    /// Its version.
    pub version: Version,
    /// Digest of its signed manifest.
    pub digest: Sha256,
    /// `classification`, `regression` or `opaque`.
    pub task: &'static str,
    /// Of a classifier: the classes, in the order of the probabilities.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The reference data; absent without a profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// The columns, in the model's order; none for a model whose inputs are not tabular.
    pub features: Vec<InspectedFeature>,
}

/// The data that a profile was made of.
#[derive(Debug, Serialize)]
pub struct Reference {
    /// Rows.
    pub rows: u64,
    /// The column that held the truth, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// At which percentages the quantiles below are.
    pub quantiles: Vec<u8>,
}

/// A column.
#[derive(Debug, Serialize)]
pub struct InspectedFeature {
    /// Its name.
    pub name: String,
    /// `number`, `category` or `text`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Whether a row may lack it.
    pub optional: bool,
    /// Numbers that are taken at all; absent if all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Range>,
    /// Of a text, the most characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chars_max: Option<usize>,
    /// Share of reference rows without a value, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<f64>,
    /// Its values in the reference data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Summary>,
}

impl Features {
    pub(super) fn of(contract: &Contract, profile: Option<Profile>) -> Self {
        let (task, labels) = match &contract.task {
            Task::Classify { labels, .. } => {
                ("classification", labels.iter().map(|label| label.text.to_string()).collect())
            }
            Task::Regress { .. } => ("regression", Vec::new()),
            Task::Opaque => ("opaque", Vec::new()),
        };
        let reference = profile.as_ref().map(|profile| Reference {
            rows: profile.rows,
            target: profile.target.clone(),
            quantiles: QUANTILES.to_vec(),
        });
        let columns = profile.into_iter().flat_map(|profile| profile.features);
        let mut columns: HashMap<String, (f64, Summary)> =
            columns.map(|column| (column.name, (column.missing, column.summary))).collect();
        let feature = |feature: &mantlet_types::contract::Feature| {
            let (missing, distribution) = columns.remove(&*feature.name).unzip();
            let (kind, accepted, chars_max) = match &feature.kind {
                FeatureKind::Number { accepted, .. } => ("number", *accepted, None),
                FeatureKind::Category { .. } => ("category", None, None),
                FeatureKind::Text { chars_max } => ("text", None, Some(*chars_max)),
            };
            let name = feature.name.to_string();
            InspectedFeature {
                name,
                kind,
                optional: feature.optional,
                accepted,
                chars_max,
                missing,
                distribution,
            }
        };
        Self {
            model: contract.model.clone(),
            version: contract.version,
            digest: contract.digest,
            task,
            labels,
            reference,
            features: contract.features.iter().map(feature).collect(),
        }
    }
}
