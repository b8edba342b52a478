//! Other tools' scores on the same rows, for comparison: empirical and Ledoit-Wolf Mahalanobis distances, and ECOD with a fixed reference.
//! (PyOD adds the scored rows to the reference, so that a row's score depends on its batch; a server cannot have that.)

use super::{
    AnomalyError, Rows,
    matrix::{Factor, covariance, shrunk},
    mean,
};
use crate::stats::Sorted;

/// How a covariance is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Covariance {
    /// As it is.
    Empirical,
    /// Shrunk by as much as its own error suggests (Ledoit and Wolf 2004).
    LedoitWolf,
}

/// One mean and covariance for all rows, in the features' own units.
#[derive(Debug, Clone)]
pub struct Elliptic {
    mean: Vec<f64>,
    scale: Vec<f64>,
    factor: Factor,
}

impl Elliptic {
    /// Fits.
    ///
    /// # Errors
    /// If the covariance has no inverse.
    pub fn fit(rows: &Rows<'_>, covariance_of: Covariance) -> Result<Self, AnomalyError> {
        let (size, mean) = (rows.features(), mean(rows.iter(), rows.features()));
        let mut matrix = covariance(rows.iter(), &mean);
        if covariance_of == Covariance::LedoitWolf {
            let (share, level) = ledoit_wolf(rows, &mean, &matrix);
            matrix = shrunk(matrix, size, share, level);
        }
        // The same distance by the correlations, which keep digits where units differ by orders of magnitude.
        let scale: Vec<f64> = matrix.iter().step_by(size + 1).map(|variance| variance.sqrt()).collect();
        for (line, a) in matrix.chunks_exact_mut(size).zip(&scale) {
            line.iter_mut().zip(&scale).for_each(|(value, b)| *value /= a * b);
        }
        Ok(Self { factor: Factor::new(&matrix, size)?, mean, scale })
    }

    /// The squared distance.
    #[must_use]
    pub fn score(&self, row: &[f64]) -> f64 {
        let off =
            row.iter().zip(&self.mean).zip(&self.scale).map(|((value, mean), scale)| (value - mean) / scale);
        self.factor.squared(off, &mut Vec::new())
    }
}

/// The share and the level of the identity.
fn ledoit_wolf(rows: &Rows<'_>, mean: &[f64], matrix: &[f64]) -> (f64, f64) {
    let (size, count) = (rows.features(), rows.count() as f64);
    let level = matrix.iter().step_by(size + 1).sum::<f64>() / size as f64;
    let square: f64 = matrix.iter().map(|value| value * value).sum();
    let away = square - size as f64 * level * level;
    // Σ|x xᵀ - S|² = Σ(|x|⁴ - 2 xᵀS x + |S|²), and Σ xᵀS x = n|S|².
    let fourth: f64 = rows
        .iter()
        .map(|row| row.iter().zip(mean).map(|(value, mean)| (value - mean).powi(2)).sum::<f64>().powi(2))
        .sum();
    let error = (fourth - count * square) / (count * count);
    let share = if away > 0.0 { (error.min(away) / away).max(0.0) } else { 0.0 };
    (share, level)
}

/// ECOD (Li et al. 2022) of single rows against a fixed reference, the row counted among it.
#[derive(Debug, Clone)]
pub struct Ecod {
    columns: Vec<(Sorted, f64)>,
}

impl Ecod {
    /// Fits.
    ///
    /// # Errors
    /// If there is no row.
    pub fn fit(rows: &Rows<'_>) -> Result<Self, AnomalyError> {
        let columns = (0..rows.features())
            .map(|at| {
                let values: Vec<f64> = rows.iter().filter_map(|row| row.get(at).copied()).collect();
                let sample = Sorted::new(values).map_err(|_| AnomalyError::Empty)?;
                let mean = sample.mean();
                let skew: f64 = sample.values().iter().map(|value| (value - mean).powi(3)).sum();
                Ok((sample, skew))
            })
            .collect::<Result<_, AnomalyError>>()?;
        Ok(Self { columns })
    }

    /// The score: the greatest of the sums of left tails, right tails, and the tails that each column's skew points to.
    #[must_use]
    pub fn score(&self, row: &[f64]) -> f64 {
        let (mut left, mut right, mut skewed) = (0.0, 0.0, 0.0);
        for ((sample, skew), value) in self.columns.iter().zip(row) {
            let count = sample.count() as f64;
            let tail = |others: usize| -((others as f64 + 1.0) / (count + 1.0)).ln();
            let low = tail(sample.values().partition_point(|other| other <= value));
            let high = tail(sample.count() - sample.values().partition_point(|other| other < value));
            left += low;
            right += high;
            skewed += if *skew < 0.0 {
                low
            } else if *skew > 0.0 {
                high
            } else {
                low + high
            };
        }
        left.max(right).max(skewed)
    }
}
