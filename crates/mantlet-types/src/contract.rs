//! A model's contract: everything the gate must know of a model, and nothing of how it computes.
//!
//! `mantlet-models` derives it from the verified package (ONNX signature, `mantlet-model.toml`, `profile.json`);
//! the gate validates against it, judges by it and shapes what leaves.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{ModelName, ProjectId, Sha256, TensorSpec, Version};

/// What a served model takes, gives and promises.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    /// The model's name.
    pub model: ModelName,
    /// The version that this contract is of.
    pub version: Version,
    /// The project it belongs to.
    pub project: ProjectId,
    /// Digest of the signed package manifest: what audit entries name.
    pub digest: Sha256,
    /// Input tensors, in the model's order.
    pub inputs: Vec<TensorSpec>,
    /// Output tensors, in the model's order.
    pub outputs: Vec<TensorSpec>,
    /// The columns that callers name; empty for a model without tabular features (then only tensors are taken).
    pub features: Vec<Feature>,
    /// How the features make up the input tensors.
    pub layout: Layout,
    /// What the outputs mean.
    pub task: Task,
    /// When an answer is not given.
    pub judgment: Judgment,
    /// How much of an answer leaves.
    pub disclosure: Disclosure,
    /// Names of options that a request may carry; every other option is rejected. Empty by default.
    pub options: Vec<Box<str>>,
    /// Most rows in one request.
    pub batch_rows_max: usize,
}

/// How features and input tensors correspond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// One numeric input `[N, F]`; feature `i` is column `i`.
    Matrix,
    /// One input `[N, 1]` (or `[N]`) per feature, in the same order.
    Columns,
    /// Inputs are not tabular.
    Tensors,
}

/// A named column of the input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// The name that callers use.
    pub name: Arc<str>,
    /// What values it takes.
    pub kind: FeatureKind,
    /// Whether a row may lack it (the model must then know what to do with a missing value).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// How sensitive it is, 0 to [`SENSITIVITY_MAX`]; above [`SENSITIVITY_OPEN`] an explanation shows what the feature
    /// added only to those who were granted that. Default 1.
    #[serde(default = "open", skip_serializing_if = "is_open")]
    pub sensitivity: u8,
}

/// The most sensitive that a feature can be.
pub const SENSITIVITY_MAX: u8 = 3;

/// Up to here whoever may have an answer explained may see what the feature added.
pub const SENSITIVITY_OPEN: u8 = 1;

const fn open() -> u8 {
    SENSITIVITY_OPEN
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_open(sensitivity: &u8) -> bool {
    *sensitivity == SENSITIVITY_OPEN
}

/// The values of a feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum FeatureKind {
    /// A finite number.
    Number {
        /// Values seen in the reference data; outside is remarked on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<Range>,
        /// Values taken at all; outside is rejected.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        accepted: Option<Range>,
    },
    /// One of these strings. Without a profile any string of bounded length is taken: then the list is absent.
    Category {
        /// The known categories.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        values: Option<Vec<Arc<str>>>,
    },
    /// Free text, 1 to `chars_max` characters after cleaning.
    Text {
        /// Upper bound in characters.
        chars_max: usize,
    },
}

/// A closed interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// Lower bound.
    pub min: f64,
    /// Upper bound.
    pub max: f64,
}

impl Range {
    /// Whether the value lies within; false for NaN.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        self.min <= value && value <= self.max
    }
}

/// What the outputs mean.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Class probabilities `[N, K]`, one column per label.
    Classify {
        /// Index of the probabilities among the outputs.
        probabilities: usize,
        /// Index of the label tensor among the outputs, if the model has one.
        label: Option<usize>,
        /// The classes, in the order of the probability columns.
        labels: Vec<Label>,
    },
    /// A number per row, `[N]` or `[N, 1]`.
    Regress {
        /// Index of the value among the outputs.
        value: usize,
    },
    /// Outputs without a stated meaning; only for contracts with [`Confidence::None`].
    Opaque,
}

/// A class, as callers see it and as the audit log names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// What callers are told.
    pub text: Arc<str>,
    /// The model's own value in its label output, for models whose labels are numbers.
    pub number: Option<i64>,
}

/// When an answer is served, and what stands in its place otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgment {
    /// How confidence is computed.
    pub confidence: Confidence,
    /// Least confidence of a served answer, 0 to 1. Default 0.7.
    pub threshold: f64,
    /// What stands in the place of a withheld answer.
    pub fallback: Fallback,
}

/// How an answer's confidence is computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Confidence {
    /// The largest class probability after temperature scaling, p_i^(1/T) / Σ p_j^(1/T) (Guo et al. 2017).
    Probability {
        /// T; 1 leaves the probabilities as they are.
        temperature: f64,
    },
    /// A split-conformal interval (Lei et al. 2018): value ± half_width covers the truth with this probability.
    Interval {
        /// Promised coverage, 0 to 1; the answer's confidence.
        coverage: f64,
        /// Half the interval's width, in the output's unit.
        half_width: f64,
        /// An interval wider than this is withheld, if set.
        width_max: Option<f64>,
    },
    /// The package says that it has none; answers carry `null` and `check` remarks on it.
    None,
}

/// What a withheld row carries. Never the guess.
#[derive(Clone, Debug, PartialEq)]
pub struct Fallback {
    /// The `result` of a simple answer. Default `uncertain`.
    pub result: Arc<str>,
    /// The `action` of a simple answer. Default `manual_review`.
    pub action: Arc<str>,
    /// What fills numeric output tensors. Default 0 for floating point, -1 for signed integers.
    pub number: Option<f64>,
}

/// How much of an answer leaves, applied after the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disclosure {
    /// Decimals kept in floating-point outputs. Default 6.
    pub decimals: u8,
    /// Keep only the k largest probabilities of a row and set the others to zero. Default: all.
    pub top_k: Option<usize>,
}

impl Default for Disclosure {
    fn default() -> Self {
        Self { decimals: 6, top_k: None }
    }
}

impl Default for Fallback {
    fn default() -> Self {
        Self { result: "uncertain".into(), action: "manual_review".into(), number: None }
    }
}
