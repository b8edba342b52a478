//! Profiles: what the reference data say about a model's inputs, and how far its answers can be trusted.
//!
//! `profile.json` is made once, offline, by [`crate::workbench::Workbench::profile`], signed with the package, and read by
//! whoever serves it. It holds statistics and, unless the author declines, a few rows that explanations compare with. The
//! same files give the same bytes.

mod background;
pub(crate) mod calibrate;
pub(crate) mod reference;
pub(crate) mod table;

use mantlet_types::{
    Sha256,
    limits::{CATEGORY_BYTES_MAX, FEATURES_MAX},
};
use serde::{Deserialize, Serialize};

pub use background::{Background, Cell};
pub use table::TableError;

use crate::artifact::json;

/// Quantiles that a profile keeps of a number: in percent.
pub const QUANTILES: [u8; 11] = [0, 1, 5, 10, 25, 50, 75, 90, 95, 99, 100];

/// Distinct values up to which a column's categories are listed.
pub const CATEGORIES_MAX: usize = 1_000;

/// Bounds of a temperature that can be meant: beyond them a model says nothing, or everything.
pub(crate) const TEMPERATURE_RANGE: std::ops::RangeInclusive<f64> = 0.01..=100.0;

/// Why a profile cannot be made or relied on.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The file is not a profile.
    #[error("not a profile: {0}")]
    Malformed(String),
    /// The data cannot be read as the model's columns.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The model says nothing that could be calibrated.
    #[error("the model has no columns that reference data could describe")]
    NotTabular,
    /// Calibration rows without a truth to compare with.
    #[error("the calibration rows have no column `{0}`")]
    NoTarget(String),
    /// Too few rows for the promised coverage.
    #[error("{rows} calibration rows cannot promise a coverage of {coverage}: at least {needed} are needed")]
    TooFew {
        /// Calibration rows.
        rows: usize,
        /// The coverage asked for.
        coverage: f64,
        /// Rows from which on it can be promised.
        needed: usize,
    },
    /// A coverage outside (0, 1).
    #[error("a coverage is a number between 0 and 1")]
    Coverage,
    /// The model's answers are not what its outputs are taken for.
    #[error("calibration row {row}: {why}")]
    Answer {
        /// Counted from 1.
        row: usize,
        /// What is wrong, without any value.
        why: &'static str,
    },
    /// The model's labels and probabilities do not belong together.
    #[error("in {rows} calibration rows the model's label is not the class of its greatest probability")]
    Contradiction {
        /// Rows in which they disagree.
        rows: usize,
    },
    /// The model failed on calibration rows.
    #[error("the model fails on the calibration rows: {0}")]
    Engine(String),
    /// A model that runs elsewhere cannot be asked here.
    #[error("the model runs elsewhere, so that it cannot be tried on calibration rows here")]
    Elsewhere,
    /// Opaque outputs, or confidence that the settings decline, cannot be calibrated.
    #[error("calibration rows are given, but there is nothing to calibrate: {0}")]
    Nothing(&'static str),
}

/// What `profile.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The format and its version.
    pub format: Format,
    /// SHA-256 of the `model.onnx` it was made with, or of what is declared in its place: a temperature is of one model only.
    pub model: Sha256,
    /// Reference rows.
    pub rows: u64,
    /// The column that held the truth, if there was one.
    pub target: Option<String>,
    /// The model's columns, in its order.
    pub features: Vec<ColumnProfile>,
    /// What calibration rows taught; absent without them.
    pub calibration: Option<Calibration>,
    /// Rows that explanations compare with; absent if the author declined, and for models that are not explained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<Background>,
}

/// The format's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// The first version.
    #[serde(rename = "mantlet.profile/1")]
    V1,
}

/// One column of the reference data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnProfile {
    /// The column's name.
    pub name: String,
    /// Share of rows without a value, 0 to 1.
    pub missing: f64,
    /// Its values.
    pub summary: Summary,
}

/// The values of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Summary {
    /// Numbers.
    Number {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
        /// The mean.
        mean: f64,
        /// The standard deviation of the rows (divided by their number).
        sd: f64,
        /// At [`QUANTILES`], each the value of a row (nearest rank).
        quantiles: Vec<f64>,
    },
    /// Categories.
    Category {
        /// Every value with its share, ordered by value; absent where there are too many to list.
        values: Option<Vec<Known>>,
    },
    /// Free text.
    Text {
        /// Characters of the longest.
        chars_max: usize,
    },
}

/// A category and how common it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// The category.
    pub value: String,
    /// Share of the rows that have a value, 0 to 1.
    pub share: f64,
}

/// What calibration rows taught.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Calibration {
    /// A temperature for class probabilities (Guo et al. 2017).
    Probability {
        /// Calibration rows.
        rows: u64,
        /// The temperature; 1 where the rows do not speak for another.
        temperature: f64,
        /// Mean negative log likelihood before, in nats.
        nll_before: f64,
        /// And after.
        nll_after: f64,
    },
    /// A half width for intervals (Lei et al. 2018).
    Interval {
        /// Calibration rows.
        rows: u64,
        /// Promised coverage.
        coverage: f64,
        /// Half the width, in the output's unit.
        half_width: f64,
    },
}

impl Profile {
    /// Reads and checks `profile.json`.
    ///
    /// # Errors
    /// Not strict JSON of this format, or numbers that cannot be what they are called.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProfileError> {
        let profile: Self = json::parse(bytes).map_err(|cause| ProfileError::Malformed(cause.to_string()))?;
        profile.check().map_err(ProfileError::Malformed)?;
        Ok(profile)
    }

    /// The bytes of `profile.json`.
    ///
    /// # Errors
    /// Never for a profile that was made or parsed here.
    pub fn to_json(&self) -> Result<Vec<u8>, ProfileError> {
        let mut bytes =
            serde_json::to_vec_pretty(self).map_err(|cause| ProfileError::Malformed(cause.to_string()))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    fn check(&self) -> Result<(), String> {
        if self.features.is_empty() || self.features.len() > FEATURES_MAX {
            return Err(format!("it has no features, or more than {FEATURES_MAX}"));
        }
        let mut names = std::collections::BTreeSet::new();
        for column in &self.features {
            if !names.insert(column.name.as_str()) {
                return Err(format!("the column {:?} stands twice", column.name));
            }
            if !column.is_sound() {
                return Err(format!("the column {:?} has impossible statistics", column.name));
            }
        }
        if !self.background.as_ref().is_none_or(|background| background.is_sound(&self.features)) {
            return Err("its background rows are not rows of its columns".into());
        }
        match &self.calibration {
            Some(calibration) if !calibration.is_sound() => Err("its calibration is impossible".into()),
            _ => Ok(()),
        }
    }
}

impl ColumnProfile {
    fn is_sound(&self) -> bool {
        let is_share = |share: f64| (0.0..=1.0).contains(&share);
        is_share(self.missing)
            && match &self.summary {
                Summary::Number { min, max, sd, quantiles, .. } => {
                    min <= max
                        && *sd >= 0.0
                        && quantiles.len() == QUANTILES.len()
                        && quantiles.is_sorted()
                        && quantiles.first() == Some(min)
                        && quantiles.last() == Some(max)
                }
                Summary::Category { values: None } | Summary::Text { .. } => true,
                Summary::Category { values: Some(values) } => {
                    values.len() <= CATEGORIES_MAX
                        && values.is_sorted_by(|a, b| a.value < b.value)
                        && values
                            .iter()
                            .all(|known| is_share(known.share) && known.value.len() <= CATEGORY_BYTES_MAX)
                }
            }
    }
}

impl Calibration {
    fn is_sound(&self) -> bool {
        match self {
            Self::Probability { temperature, .. } => TEMPERATURE_RANGE.contains(temperature),
            Self::Interval { coverage, half_width, .. } => {
                *coverage > 0.0 && *coverage < 1.0 && *half_width >= 0.0
            }
        }
    }
}

#[cfg(test)]
mod tests;
