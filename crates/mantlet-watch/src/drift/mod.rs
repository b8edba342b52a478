//! Drift: whether what arrives now is still what the model was made with.
//!
//! A [`Reference`] is made once of reference rows. [`check`] compares a window with it, column by column: a test, its p-value
//! corrected for the number of columns, and effect sizes. **An alarm is significant and large**: significance alone makes
//! windows of 5,000 rows cry over trifles, and a fixed limit on an effect makes windows of 100 rows cry over noise.
//! [`Monitor`] keeps windows over a stream. Predictions, confidence and abstention are columns like any other.

mod category;
mod check;
pub mod compat;
mod monitor;
mod number;
mod reference;
mod rules;
mod seasons;
mod slow;

pub use check::{ColumnReport, Effects, Outcome, Reason, Report, check};
pub use monitor::{Event, Monitor, MonitorState, WindowKind, WindowReport};
pub use reference::{ColumnReference, Reference, VALUES_MAX};
pub use rules::{Rules, RulesError};
pub use seasons::{SEASONS_MAX, Seasonal};

/// Distinct categories that a column's reference keeps; the rest are counted as one.
pub const CATEGORIES_MAX: usize = 1_000;
/// New categories that a report names for a column.
pub const NEW_CATEGORIES_MAX: usize = 20;
/// Bytes of a category's name that are kept; a longer one is told apart no further.
pub const CATEGORY_BYTES_MAX: usize = 256;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Numbers.
    Number,
    /// Categories.
    Category,
}

/// The values of a column.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Values {
    /// Numbers; `None` where there is none.
    Numbers(Vec<Option<f64>>),
    /// Categories; `None` where there is none.
    Categories(Vec<Option<Box<str>>>),
}

impl Values {
    /// What they are.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Numbers(_) => Kind::Number,
            Self::Categories(_) => Kind::Category,
        }
    }

    /// Rows, with and without a value.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Categories(values) => values.len(),
        }
    }

    /// Nothing yet of this kind.
    #[must_use]
    pub fn empty(kind: Kind) -> Self {
        match kind {
            Kind::Number => Self::Numbers(Vec::new()),
            Kind::Category => Self::Categories(Vec::new()),
        }
    }
}

/// One value of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// A number, which must be finite.
    Number(f64),
    /// A category.
    Category(&'a str),
    /// None.
    Missing,
}

/// Why drift cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DriftError {
    /// No column.
    #[error("there is no column to watch")]
    NoColumns,
    /// Two columns of one name.
    #[error("the column `{0}` stands twice")]
    Twice(String),
    /// A reference column without a single value.
    #[error("the reference has no value in the column `{0}`")]
    Void(String),
    /// Columns of different lengths.
    #[error("the column `{0}` has another number of rows than the first")]
    Ragged(String),
    /// Not as many columns as the reference has.
    #[error("the rows have {got} columns, and the reference has {expected}")]
    Columns {
        /// In the reference.
        expected: usize,
        /// Given.
        got: usize,
    },
    /// Categories where numbers belong, or the other way around.
    #[error("the column `{0}` holds another kind of values than in the reference")]
    Kind(String),
    /// NaN or an infinity.
    #[error("the column `{0}` has a number that is not finite")]
    NotFinite(String),
    /// A window without rows.
    #[error("the window has no rows")]
    Empty,
    /// A saved state of another reference or other rules.
    #[error("the saved state does not belong to this reference and these rules")]
    Foreign,
    /// More seasons than are kept.
    #[error("there are more than {SEASONS_MAX} seasons")]
    Seasons,
    /// A season without reference rows.
    #[error("the reference has no rows of the season `{0}`")]
    Season(String),
}

/// A category's name as far as it is kept, cut between characters.
pub(crate) fn shortened(name: &str) -> &str {
    if name.len() <= CATEGORY_BYTES_MAX {
        return name;
    }
    let end = (0..=CATEGORY_BYTES_MAX).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
    name.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests;
