//! The three looks at a row together, with p-values from calibration rows.

use serde::{Deserialize, Serialize};

use super::{AnomalyError, ClassDistance, Neighbors, Rows, units};
use crate::calibrate::{p_value, rank};

/// Calibration scores that are kept of each look; of more, evenly spaced ones.
const SCORES_MAX: usize = 10_000;

/// How a screen is fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScreenConfig {
    /// The least p-value that anybody will ask for: calibration rows must be able to promise it.
    pub alpha_min: f64,
}

impl Default for ScreenConfig {
    /// One row in a hundred.
    fn default() -> Self {
        Self { alpha_min: 0.01 }
    }
}

/// What reference and calibration rows say about rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Screen {
    ranges: Vec<(f64, f64)>,
    classes: ClassDistance,
    neighbors: Neighbors,
    class_scores: Vec<f64>,
    neighbor_scores: Vec<f64>,
}

/// How strange a row is. For the record, and never for the caller: reasons help whoever looks for a way past.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// Features outside of their range in the reference.
    pub out_of_range: usize,
    /// How likely a distance this far from every class is for a row like those of calibration.
    pub mahalanobis_p: f64,
    /// And from its neighbors.
    pub neighbors_p: f64,
}

impl Evidence {
    /// Whether the row is strange at a false-alarm rate of `alpha`: the looks with a p-value share it. Range is no part of that promise.
    #[must_use]
    pub fn is_strange(&self, alpha: f64) -> bool {
        self.mahalanobis_p.min(self.neighbors_p) <= alpha / 2.0
    }
}

impl Screen {
    /// Fits to training rows with their classes and to calibration rows that the fit does not see.
    ///
    /// # Errors
    /// If rows do not belong together, a class has too few, or the calibration rows cannot promise `alpha_min`.
    pub fn fit(
        train: &Rows<'_>,
        labels: &[usize],
        calibration: &Rows<'_>,
        config: ScreenConfig,
    ) -> Result<Self, AnomalyError> {
        if calibration.features() != train.features() {
            return Err(AnomalyError::Shape);
        }
        // Half of the rate for each look.
        rank(calibration.count(), config.alpha_min / 2.0)?;
        let units = units(train);
        let classes = ClassDistance::fit(train, labels, units.clone())?;
        let neighbors = Neighbors::fit(train, units)?;
        let class_scores = scores(calibration.iter().map(|row| classes.score(row)).collect());
        let neighbor_scores = scores(calibration.iter().map(|row| neighbors.score(row)).collect());
        let mut ranges = vec![(f64::INFINITY, f64::NEG_INFINITY); train.features()];
        for row in train.iter() {
            ranges
                .iter_mut()
                .zip(row)
                .for_each(|(range, value)| *range = (range.0.min(*value), range.1.max(*value)));
        }
        Ok(Self { ranges, classes, neighbors, class_scores, neighbor_scores })
    }

    /// Looks at a row; one with another number of features, or a value that is not finite, is as strange as can be.
    #[must_use]
    pub fn look(&self, row: &[f64]) -> Evidence {
        let is_outside = |(value, range): &(&f64, &(f64, f64))| !(range.0..=range.1).contains(*value);
        Evidence {
            out_of_range: row.iter().zip(&self.ranges).filter(is_outside).count()
                + row.len().abs_diff(self.ranges.len()),
            mahalanobis_p: p_value(&self.class_scores, self.classes.score(row)),
            neighbors_p: p_value(&self.neighbor_scores, self.neighbors.score(row)),
        }
    }

    /// The least and the greatest value of each feature in the reference.
    #[must_use]
    pub fn ranges(&self) -> &[(f64, f64)] {
        &self.ranges
    }

    /// The reference rows.
    #[must_use]
    pub fn neighbors(&self) -> &Neighbors {
        &self.neighbors
    }
}

fn scores(mut scores: Vec<f64>) -> Vec<f64> {
    scores.sort_by(f64::total_cmp);
    let count = scores.len();
    if count <= SCORES_MAX {
        return scores;
    }
    (0..SCORES_MAX).filter_map(|i| scores.get(i * count / SCORES_MAX).copied()).collect()
}

/// A screen as it was written down.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    ranges: Vec<(f64, f64)>,
    classes: ClassDistance,
    neighbors: Neighbors,
    class_scores: Vec<f64>,
    neighbor_scores: Vec<f64>,
}

impl TryFrom<Stored> for Screen {
    type Error = AnomalyError;

    fn try_from(stored: Stored) -> Result<Self, AnomalyError> {
        let Stored { ranges, classes, neighbors, class_scores, neighbor_scores } = stored;
        let is_sorted = |scores: &[f64]| {
            !scores.is_empty()
                && scores.len() <= SCORES_MAX
                && scores.is_sorted()
                && scores.iter().all(|score| score.is_finite())
        };
        let is_sound = classes.is_sound()
            && neighbors.is_sound()
            && ranges.len() == neighbors.units().len()
            && ranges.iter().all(|(low, high)| low <= high)
            && is_sorted(&class_scores)
            && is_sorted(&neighbor_scores);
        if !is_sound {
            return Err(AnomalyError::Shape);
        }
        Ok(Self { ranges, classes, neighbors, class_scores, neighbor_scores })
    }
}
