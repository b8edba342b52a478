//! The distance to the fifth-nearest reference row (Ramaswamy et al. 2000).

use serde::{Deserialize, Serialize};

use super::{AnomalyError, Rows};

/// Which neighbor's distance is the score.
pub const NEIGHBORS: usize = 5;
/// Reference rows that are kept; of more, evenly spaced ones.
pub const ROWS_MAX: usize = 2_000;

/// Reference rows in their units, in single precision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neighbors {
    units: Vec<f64>,
    rows: Vec<f32>,
}

impl Neighbors {
    /// Keeps reference rows.
    ///
    /// # Errors
    /// If there are fewer than [`NEIGHBORS`], or the units are not the features'.
    pub fn fit(rows: &Rows<'_>, units: Vec<f64>) -> Result<Self, AnomalyError> {
        if units.len() != rows.features() {
            return Err(AnomalyError::Shape);
        }
        let count = rows.count();
        if count < NEIGHBORS {
            return Err(AnomalyError::TooFew { class: 0, rows: count, needed: NEIGHBORS });
        }
        let kept = count.min(ROWS_MAX);
        let is_kept = |row: usize| row * kept / count != (row + 1) * kept / count;
        let rows = rows
            .iter()
            .enumerate()
            .filter(|(at, _)| is_kept(*at))
            .flat_map(|(_, row)| row.iter().zip(&units).map(|(value, unit)| (value / unit) as f32))
            .collect();
        Ok(Self { units, rows })
    }

    /// The distance to the fifth-nearest row, in the features' units: O(rows · features). Infinite for what is no row of these features.
    #[must_use]
    pub fn score(&self, row: &[f64]) -> f64 {
        self.nearest(row, NEIGHBORS)
    }

    fn nearest(&self, row: &[f64], which: usize) -> f64 {
        if row.len() != self.units.len() || row.iter().any(|value| !value.is_finite()) {
            return f64::INFINITY;
        }
        let scaled: Vec<f32> =
            row.iter().zip(&self.units).map(|(value, unit)| (value / unit) as f32).collect();
        let mut best = [f32::INFINITY; NEIGHBORS];
        let kept = best.get_mut(..which.min(NEIGHBORS)).unwrap_or_default();
        for other in self.rows.chunks_exact(scaled.len()) {
            let distance: f32 = squared(&scaled, other);
            if kept.last().is_some_and(|worst| distance < *worst) {
                let place = kept.partition_point(|known| *known <= distance);
                if let Some(tail) = kept.get_mut(place..) {
                    tail.rotate_right(1);
                    if let Some(first) = tail.first_mut() {
                        *first = distance;
                    }
                }
            }
        }
        kept.last().map_or(f64::INFINITY, |distance| f64::from(*distance).sqrt())
    }

    /// The units.
    #[must_use]
    pub fn units(&self) -> &[f64] {
        &self.units
    }

    pub(crate) fn is_sound(&self) -> bool {
        let size = self.units.len();
        size > 0
            && self.units.iter().all(|unit| *unit > 0.0 && unit.is_finite())
            && self.rows.len().is_multiple_of(size)
            && (NEIGHBORS..=ROWS_MAX).contains(&(self.rows.len() / size))
            && self.rows.iter().all(|value| value.is_finite())
    }
}

/// The squared distance; in eight sums at once, which the compiler makes vector instructions of.
fn squared(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (wide, narrow) = (a.chunks_exact(8), a.chunks_exact(8).remainder());
    let others = b.chunks_exact(8);
    let rest: f32 = narrow.iter().zip(others.remainder()).map(|(x, y)| (x - y) * (x - y)).sum();
    for (x, y) in wide.zip(others) {
        sums.iter_mut().zip(x.iter().zip(y)).for_each(|(sum, (x, y))| *sum += (x - y) * (x - y));
    }
    sums.iter().sum::<f32>() + rest
}
