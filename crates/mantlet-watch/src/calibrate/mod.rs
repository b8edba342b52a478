//! From what a model says to what that is worth: temperature, isotonic regression, how calibrated probabilities are, sets that
//! contain the truth as often as promised, and the confidence from which on errors are as rare as asked for.
//!
//! All of it learns from calibration rows that the model was not trained on, and **refuses what so few rows cannot promise**, saying how
//! many would.

mod conformal;
mod isotonic;
mod scores;
mod temperature;
mod threshold;

pub use conformal::{Conformal, ConformalScore, p_value, rank};
pub use isotonic::Isotonic;
pub use scores::{brier, calibration_error, log_loss};
pub use temperature::{fit_temperature, softmax};
pub use threshold::{Threshold, choose_threshold};

/// Why something cannot be calibrated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CalibrateError {
    /// No row.
    #[error("there are no calibration rows")]
    Empty,
    /// Rows of different lengths, or not as many truths as rows.
    #[error("the calibration rows do not belong together")]
    Shape,
    /// NaN, an infinity, or no probability.
    #[error("calibration row {0} is not a distribution over the classes")]
    Values(usize),
    /// A truth that is none of the classes.
    #[error("the truth of calibration row {0} is none of the classes")]
    Truth(usize),
    /// A rate that is not within (0, 1).
    #[error("`{0}` is not between 0 and 1")]
    Rate(&'static str),
    /// Too few rows for what is to be promised.
    #[error("{rows} calibration rows cannot promise this: at least {needed} are needed")]
    TooFew {
        /// Given.
        rows: usize,
        /// From which on it can be promised, if what they show is good enough.
        needed: usize,
    },
    /// Enough rows, and too many errors among them.
    #[error(
        "no confidence of this model has errors as rare as `{target}`: among the {rows} surest rows are {errors} errors"
    )]
    Unreachable {
        /// The error rate asked for.
        target: f64,
        /// Rows of the strictest threshold that could be judged.
        rows: usize,
        /// Errors among them.
        errors: usize,
    },
}

/// Rows of class probabilities, or of logits, with the classes that were true.
#[derive(Debug, Clone, Copy)]
pub struct Outcomes<'a> {
    /// Row after row.
    values: &'a [f64],
    classes: usize,
    truths: &'a [usize],
}

impl<'a> Outcomes<'a> {
    /// Checks shapes, truths and that all values are finite.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(values: &'a [f64], classes: usize, truths: &'a [usize]) -> Result<Self, CalibrateError> {
        if truths.is_empty() {
            return Err(CalibrateError::Empty);
        }
        if classes < 2 || truths.len().checked_mul(classes) != Some(values.len()) {
            return Err(CalibrateError::Shape);
        }
        if let Some(row) = truths.iter().position(|truth| *truth >= classes) {
            return Err(CalibrateError::Truth(row));
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(CalibrateError::Values(at / classes));
        }
        Ok(Self { values, classes, truths })
    }

    /// The same, of probabilities: within [0, 1], and of sum 1 up to single precision.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn of_probabilities(
        values: &'a [f64],
        classes: usize,
        truths: &'a [usize],
    ) -> Result<Self, CalibrateError> {
        let outcomes = Self::new(values, classes, truths)?;
        let is_distribution = |row: &[f64]| {
            row.iter().all(|p| (0.0..=1.0).contains(p)) && (row.iter().sum::<f64>() - 1.0).abs() < 1e-3
        };
        match outcomes.rows().position(|(row, _)| !is_distribution(row)) {
            Some(row) => Err(CalibrateError::Values(row)),
            None => Ok(outcomes),
        }
    }

    /// Each row with its truth.
    pub fn rows(&self) -> impl Iterator<Item = (&'a [f64], usize)> + Clone + use<'a> {
        self.values.chunks_exact(self.classes).zip(self.truths.iter().copied())
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.truths.len()
    }

    /// For each row the greatest value, and whether it is that of the truth.
    pub fn answers(&self) -> impl Iterator<Item = (f64, bool)> + use<'a> {
        self.rows().map(|(row, truth)| {
            let (best, value) = greatest(row);
            (value, best == truth)
        })
    }
}

/// Where the first of the greatest values is, and it.
fn greatest(row: &[f64]) -> (usize, f64) {
    row.iter()
        .copied()
        .enumerate()
        .fold((0, f64::NEG_INFINITY), |best, (at, value)| if value > best.1 { (at, value) } else { best })
}

/// A value of a row; out of range it is nothing.
fn at(row: &[f64], index: usize) -> f64 {
    row.get(index).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests;
