//! Rows that are not like those a model was made for: out of range, far from every class, far from every neighbor.
//!
//! Scores become p-values by split conformal prediction: on rows like the calibration rows, `p <= alpha` happens in a share of at most `alpha`,
//! whatever the model and the score. That is the promise, and what this is for: broken, foreign and out-of-range rows. **It does
//! not stop adversarial inputs**: those that stay within the training data's box pass all of it.

pub mod compat;
mod knn;
mod mahalanobis;
mod matrix;
mod screen;

pub use knn::{NEIGHBORS, Neighbors, ROWS_MAX};
pub use mahalanobis::{ClassDistance, ROWS_MIN};
pub use screen::{Evidence, Screen, ScreenConfig};

/// Why rows cannot be screened.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AnomalyError {
    /// No row, or no feature.
    #[error("there are no rows")]
    Empty,
    /// Rows of different lengths, or labels that are not theirs.
    #[error("the rows do not belong together")]
    Shape,
    /// A value that is NaN or infinite.
    #[error("row {0} has a value that is not finite")]
    NotFinite(usize),
    /// Too few rows of a class.
    #[error("the class {class} has {rows} rows: at least {needed} are needed")]
    TooFew {
        /// The class.
        class: usize,
        /// Its rows.
        rows: usize,
        /// From which on it can be described.
        needed: usize,
    },
    /// A rate that calibration rows cannot promise.
    #[error(transparent)]
    Promise(#[from] crate::calibrate::CalibrateError),
    /// A matrix that has no inverse although it was shrunk.
    #[error("the covariance of the rows has no inverse")]
    Singular,
}

/// Rows of numbers, one after another.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    values: &'a [f64],
    features: usize,
}

impl<'a> Rows<'a> {
    /// Checks shape and values.
    ///
    /// # Errors
    /// If there is none, they are ragged, or a value is not finite.
    pub fn new(values: &'a [f64], features: usize) -> Result<Self, AnomalyError> {
        if features == 0 || values.is_empty() {
            return Err(AnomalyError::Empty);
        }
        if !values.len().is_multiple_of(features) {
            return Err(AnomalyError::Shape);
        }
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(AnomalyError::NotFinite(at / features)),
            None => Ok(Self { values, features }),
        }
    }

    /// The rows.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [f64]> + Clone + use<'a> {
        self.values.chunks_exact(self.features)
    }

    /// Values of a row.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.values.len() / self.features
    }
}

/// The unit of each feature: its standard deviation, but at least a twentieth of their median, so that a feature that is constant in the
/// reference does not make everything strange that differs in it by a hair.
#[must_use]
pub fn units(rows: &Rows<'_>) -> Vec<f64> {
    /// The share of the median.
    const FLOOR: f64 = 0.05;
    let count = rows.count() as f64;
    let mean = mean(rows.iter(), rows.features);
    let mut squares = vec![0.0; rows.features];
    for row in rows.iter() {
        squares
            .iter_mut()
            .zip(row)
            .zip(&mean)
            .for_each(|((sum, value), mean)| *sum += (value - mean).powi(2));
    }
    let sds: Vec<f64> = squares.into_iter().map(|sum| (sum / count).sqrt()).collect();
    let mut sorted = sds.clone();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2).copied().unwrap_or(1.0);
    let lower = sorted.get((sorted.len() - 1) / 2).copied().unwrap_or(upper);
    let floor = FLOOR * f64::midpoint(lower, upper);
    // Where half of all features are constant there is no median to take a part of.
    let floor = if floor > 0.0 { floor } else { 1.0 };
    sds.into_iter().map(|sd| sd.max(floor)).collect()
}

/// The mean of rows.
pub(crate) fn mean<'a>(rows: impl ExactSizeIterator<Item = &'a [f64]>, features: usize) -> Vec<f64> {
    let count = rows.len() as f64;
    let mut sums = vec![0.0; features];
    for row in rows {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    sums.into_iter().map(|sum| sum / count).collect()
}

#[cfg(test)]
mod tests;
