//! What a comparison says. The document is read by programs, so its members keep their names.

use mantlet_types::{ModelName, Sha256, Version};
use serde::{Deserialize, Serialize};

use super::Estimate;

/// How a version's answers differ from those of the live one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The format and its version.
    pub format: Format,
    /// The model.
    pub model: ModelName,
    /// The version that is live.
    pub live: Party,
    /// The version beside it.
    pub candidate: Party,
    /// How many rows.
    pub rows: RowCounts,
    /// Of every confidence interval.
    pub confidence_level: f64,
    /// Rows of which callers are told something else: another class, a value outside the live version's interval (or
    /// simply another value, where it gives no interval), an answer instead of the fallback or the other way round, or a
    /// rejection by one of the two.
    pub changed: Changed,
    /// For classifiers: which classes became which, whether or not they are served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Answers>,
    /// What the thresholds make of the answers.
    pub outcomes: Outcomes,
    /// For regressions: the candidate's value less the live version's, in the output's unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Spread>,
    /// The candidate's confidence less the live version's, where both have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Spread>,
    /// Which of the two is right, where the rows say what is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truth: Option<Truth>,
}

/// The format's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// The first version.
    #[serde(rename = "mantlet.comparison/1")]
    V1,
}

/// One of the two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Party {
    /// Its version.
    pub version: Version,
    /// Digest of its signed manifest.
    pub digest: Sha256,
    /// Least confidence of an answer that it serves.
    pub threshold: f64,
    /// Microseconds of work for a row: the median over batches of up to 256.
    pub us_per_row: f64,
}

/// How many rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCounts {
    /// In the table.
    pub given: usize,
    /// Taken by both contracts: all other figures but `changed` are about these.
    pub compared: usize,
    /// Refused by the candidate's contract and not by the live version's.
    pub refused_by_candidate_alone: usize,
    /// Refused by the live version's contract and not by the candidate's.
    pub refused_by_live_alone: usize,
}

/// What callers would notice.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// So many rows.
    pub rows: usize,
    /// As a share of those that at least one of the two takes.
    pub share: Estimate,
}

/// What became of the classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    /// Rows with another class.
    pub changed: usize,
    /// From which class to which, the most frequent first.
    pub changes: Vec<Change>,
    /// Rows of changes that are not listed: because so few rows have them, or there are too many changes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub further: usize,
    /// The greatest difference of a row's probabilities, where both give probabilities of the same classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<Spread>,
}

/// One class that became another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What the live version says.
    pub from: String,
    /// What the candidate says.
    pub to: String,
    /// Of so many rows.
    pub rows: usize,
}

/// What became of being served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// Served by both.
    pub served_by_both: usize,
    /// Served by the live version, withheld by the candidate.
    pub served_to_fallback: usize,
    /// Withheld by the live version, served by the candidate.
    pub fallback_to_served: usize,
    /// Withheld by both.
    pub fallback_by_both: usize,
}

/// How far apart many values lie.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Their mean.
    pub mean: Estimate,
    /// Quantiles, of those that have ten rows or more on either side.
    pub quantiles: Vec<Quantile>,
}

/// One quantile, interpolated between its neighbors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantile {
    /// This share of the rows lies below.
    pub at: f64,
    /// Of this value.
    pub value: f64,
}

/// Which of the two is right. A figure that is not defined for these rows is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// The column with the truth.
    pub target: String,
    /// Share of answers that are true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<Paired>,
    /// Whether the two differ in that by more than chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcnemar: Option<McNemar>,
    /// Mean negative logarithm of the true class's probability, in nats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_loss: Option<Paired>,
    /// Mean squared error of the probabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brier: Option<Paired>,
    /// Mean absolute error, in the output's unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absolute_error: Option<Paired>,
    /// Mean squared error, in the square of the output's unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub squared_error: Option<Paired>,
}

/// A figure of both, over the same rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    /// Of the live version.
    pub live: Estimate,
    /// Of the candidate.
    pub candidate: Estimate,
    /// The candidate's less the live version's; its interval knows that the rows are the same.
    pub difference: Estimate,
}

/// McNemar's exact test (1947): were both right equally often, how likely is it that they part at least so unevenly?
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// Rows that only the live version has right.
    pub only_live_right: usize,
    /// Rows that only the candidate has right.
    pub only_candidate_right: usize,
    /// Two-sided, from the binomial distribution.
    pub p: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}
