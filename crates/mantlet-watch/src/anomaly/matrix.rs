//! Symmetric positive definite matrices, by Cholesky's factor.

use super::AnomalyError;

/// The lower factor of a matrix, packed row after row: row `i` has `i + 1` values.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct Factor(Vec<f64>);

impl Factor {
    /// Factors a full matrix of this size, of which the lower half is read.
    pub(crate) fn new(matrix: &[f64], size: usize) -> Result<Self, AnomalyError> {
        let mut packed: Vec<f64> = Vec::with_capacity(size * (size + 1) / 2);
        for (i, row) in matrix.chunks_exact(size).enumerate() {
            let mut own: Vec<f64> = Vec::with_capacity(i + 1);
            for (j, value) in row.iter().enumerate().take(i + 1) {
                let start = j * (j + 1) / 2;
                let other = if i == j {
                    own.clone()
                } else {
                    packed.get(start..start + j).unwrap_or_default().to_vec()
                };
                let rest = value - own.iter().zip(&other).map(|(a, b)| a * b).sum::<f64>();
                if i == j {
                    if rest.is_nan() || rest <= 0.0 {
                        return Err(AnomalyError::Singular);
                    }
                    own.push(rest.sqrt());
                } else {
                    let pivot = packed.get(start + j).copied().ok_or(AnomalyError::Singular)?;
                    own.push(rest / pivot);
                }
            }
            packed.extend(own);
        }
        Ok(Self(packed))
    }

    /// The squared length of a vector after the inverse factor: the squared Mahalanobis distance. `scratch` is cleared and reused.
    pub(crate) fn squared(&self, vector: impl Iterator<Item = f64>, scratch: &mut Vec<f64>) -> f64 {
        scratch.clear();
        let mut rest = self.0.as_slice();
        let mut sum = 0.0;
        for value in vector {
            let Some((row, more)) = rest.split_at_checked(scratch.len() + 1) else { return f64::INFINITY };
            rest = more;
            let Some((pivot, row)) = row.split_last() else { return f64::INFINITY };
            let solved = (value - row.iter().zip(scratch.iter()).map(|(a, b)| a * b).sum::<f64>()) / pivot;
            sum += solved * solved;
            scratch.push(solved);
        }
        sum
    }

    pub(crate) fn is_of(&self, size: usize) -> bool {
        self.0.len() == size * (size + 1) / 2 && self.0.iter().all(|value| value.is_finite())
    }
}

/// The covariance of rows around a mean, full, divided by their number.
pub(crate) fn covariance<'a>(rows: impl ExactSizeIterator<Item = &'a [f64]>, mean: &[f64]) -> Vec<f64> {
    let (count, size) = (rows.len() as f64, mean.len());
    let mut sums = vec![0.0; size * size];
    for row in rows {
        let off: Vec<f64> = row.iter().zip(mean).map(|(value, mean)| value - mean).collect();
        for (line, a) in sums.chunks_exact_mut(size).zip(&off) {
            line.iter_mut().zip(&off).for_each(|(sum, b)| *sum += a * b);
        }
    }
    sums.into_iter().map(|sum| sum / count).collect()
}

/// Shrinks a matrix towards a multiple of the identity: `(1-share)·S + share·level·I`.
pub(crate) fn shrunk(matrix: Vec<f64>, size: usize, share: f64, level: f64) -> Vec<f64> {
    let mut shrunk: Vec<f64> = matrix.into_iter().map(|value| value * (1.0 - share)).collect();
    shrunk.iter_mut().step_by(size + 1).for_each(|value| *value += share * level);
    shrunk
}
