//! What an evaluation says. The document is read by programs, so its members keep their names.

use mantlet_types::{ModelName, Sha256, Version};
use serde::{Deserialize, Serialize};

use super::interval::Estimate;

/// A model's answers to rows of which the truth is known, summed up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The format and its version.
    pub format: Format,
    /// The model.
    pub model: ModelName,
    /// Its version; absent for a package that is not registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Digest of its signed manifest, or of the one that it would have.
    pub digest: Sha256,
    /// Whether the version is not live.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub candidate: bool,
    /// The column with the truth.
    pub target: String,
    /// Digest of the table; absent in reports from before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_digest: Option<Sha256>,
    /// How many rows.
    pub rows: RowCounts,
    /// Of every confidence interval.
    pub confidence_level: f64,
    /// How intervals by resampling were drawn.
    pub bootstrap: Bootstrap,
    /// For a classifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<Classification>,
    /// For a regression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regression: Option<Regression>,
    /// The same figures for parts of the rows.
    pub slices: Vec<Sliced>,
}

/// The format's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// The first version.
    #[serde(rename = "mantlet.evaluation/1")]
    V1,
}

/// How many rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCounts {
    /// In the table.
    pub given: usize,
    /// That the model's contract refuses, as it would in service. They are in no other figure.
    pub refused: usize,
    /// That were evaluated.
    pub evaluated: usize,
}

/// How intervals by resampling were drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// Resamples of all rows; parts of them have as many or more.
    pub resamples: usize,
    /// What the draws begin with.
    pub seed: u64,
}

/// A classifier's figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Classification {
    /// The classes, in the model's order.
    pub labels: Vec<String>,
    /// With two classes, the second: whose ROC curve and Brier score these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    /// The figures.
    #[serde(flatten)]
    pub figures: ClassFigures,
    /// What the model's threshold makes of the answers.
    pub served: Served,
    /// Rows by true class (rows) and by answer (columns), withheld answers included; absent with more classes than a
    /// table of them can be read or held. A class that is left out has an empty row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confusion: Vec<Vec<usize>>,
    /// Class by class.
    pub classes: Vec<Class>,
    /// How many classes are left out because they, or what could be told of them, would be about few rows; then there is no
    /// area under any curve either.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: usize,
    /// Confidence against being right, in as many bins of equal width as [`Classification::ece_bins`]; those of no rows, or of
    /// few, left out.
    pub reliability: Vec<Bin>,
    /// Bins of the expected calibration error.
    pub ece_bins: usize,
    /// With two classes, the ROC curve as pairs of false and true positive rate, thinned for drawing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roc: Vec<(f64, f64)>,
}

/// Figures of a classifier over some rows. One that is not defined for these rows is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassFigures {
    /// Share of answers that are true.
    pub accuracy: Estimate,
    /// Area under the ROC curve; with more than two classes the mean over the classes, each against all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roc_auc: Option<Estimate>,
    /// Mean negative logarithm of the true class's probability, in nats; probabilities count at least 2⁻⁵².
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_loss: Option<Estimate>,
    /// Mean squared error of the probabilities: of the second of two classes (0 to 1), or summed over more (0 to 2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brier: Option<Estimate>,
    /// Expected calibration error of the confidence that callers are told (Guo et al. 2017).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ece: Option<Estimate>,
}

/// What a threshold makes of the answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Served {
    /// Least confidence of a served answer.
    pub threshold: f64,
    /// Share of rows that are served.
    pub coverage: Estimate,
    /// Of a classifier: the share of served answers that are true; absent if none is served, or few are or are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<Estimate>,
}

/// One class against all others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Class {
    /// The class.
    pub label: String,
    /// Rows that are of it.
    pub support: usize,
    /// Share of the answers with this class that are true; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<Estimate>,
    /// Share of this class's rows that are found; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recall: Option<Estimate>,
    /// The harmonic mean of both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub f1: Option<Estimate>,
    /// Area under the ROC curve of this class's probability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roc_auc: Option<Estimate>,
}

/// Answers of about the same confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Confidence above this,
    pub low: f64,
    /// and up to this.
    pub high: f64,
    /// So many rows.
    pub rows: usize,
    /// Their mean confidence.
    pub confidence: f64,
    /// The share of them that are true.
    pub accuracy: f64,
}

/// A regression's figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Regression {
    /// The figures.
    #[serde(flatten)]
    pub figures: NumberFigures,
    /// What the model's threshold makes of the answers.
    pub served: Served,
}

/// Figures of a regression over some rows. One that is not defined for these rows is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NumberFigures {
    /// Mean absolute error, in the output's unit.
    pub mae: Estimate,
    /// Root of the mean squared error, in the output's unit.
    pub rmse: Estimate,
    /// 1 less the squared error as a share of the truth's variance; absent where the truth is constant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r2: Option<Estimate>,
    /// The conformal interval, if the package has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Conformal>,
}

/// What became of a conformal interval's promise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conformal {
    /// The coverage promised.
    pub promised: f64,
    /// Share of rows whose truth lies within.
    pub coverage: Estimate,
    /// From end to end, in the output's unit.
    pub width: f64,
}

/// The rows by one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sliced {
    /// The column.
    pub column: String,
    /// Its groups.
    pub groups: Vec<Group>,
    /// How many groups are left out because they, or what could be told of them, would be about few rows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: usize,
}

/// Some of the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// What they have in common, for a person.
    pub group: String,
    /// Of what kind that is.
    pub kind: GroupKind,
    /// How many.
    pub rows: usize,
    /// Share of them that are served.
    pub served: Estimate,
    /// For a classifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<ClassFigures>,
    /// For a regression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regression: Option<NumberFigures>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What the rows of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupKind {
    /// One value.
    Value,
    /// Numbers of a range: a quarter of the rows each, unless many are equal.
    Range,
    /// All values that are too rare to be listed.
    Rest,
    /// No value.
    Missing,
}
