//! The distance to the nearest class, in units of that class's own spread (Mahalanobis 1936; Lee et al. 2018 for classes).

use serde::{Deserialize, Serialize};

use super::{
    AnomalyError, Rows,
    matrix::{Factor, covariance, shrunk},
    mean,
};

/// Share of the identity in each class's covariance, in the features' units: makes it invertible with few rows and constant features.
const SHRINKAGE: f64 = 0.05;
/// Rows of a class below which its spread is not known.
pub const ROWS_MIN: usize = 5;

/// Classes by their means and spreads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassDistance {
    units: Vec<f64>,
    classes: Vec<Class>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Class {
    /// In the features' units.
    mean: Vec<f64>,
    factor: Factor,
}

impl ClassDistance {
    /// Fits to rows with their classes, 0 and up; without classes, say 0 for all.
    ///
    /// # Errors
    /// If a class in between has fewer than [`ROWS_MIN`] rows, or the labels are not the rows'.
    pub fn fit(rows: &Rows<'_>, labels: &[usize], units: Vec<f64>) -> Result<Self, AnomalyError> {
        if labels.len() != rows.count() || units.len() != rows.features() {
            return Err(AnomalyError::Shape);
        }
        let classes = labels.iter().max().map_or(0, |last| last.saturating_add(1));
        if classes > rows.count() {
            // There are labels without rows below it; the first is named.
            let absent = (0..classes).find(|class| !labels.contains(class)).unwrap_or(0);
            return Err(AnomalyError::TooFew { class: absent, rows: 0, needed: ROWS_MIN });
        }
        let mut fitted = Vec::with_capacity(classes);
        for class in 0..classes {
            let scaled: Vec<Vec<f64>> = rows
                .iter()
                .zip(labels)
                .filter(|(_, label)| **label == class)
                .map(|(row, _)| row.iter().zip(&units).map(|(value, unit)| value / unit).collect())
                .collect();
            if scaled.len() < ROWS_MIN {
                return Err(AnomalyError::TooFew { class, rows: scaled.len(), needed: ROWS_MIN });
            }
            let own = || scaled.iter().map(Vec::as_slice);
            let mean = mean(own(), units.len());
            let matrix = shrunk(covariance(own(), &mean), units.len(), SHRINKAGE, 1.0);
            fitted.push(Class { mean, factor: Factor::new(&matrix, units.len())? });
        }
        Ok(Self { units, classes: fitted })
    }

    /// The squared distance to the nearest class: O(classes · features²). Infinite for what is no row of these features.
    #[must_use]
    pub fn score(&self, row: &[f64]) -> f64 {
        if row.len() != self.units.len() || row.iter().any(|value| !value.is_finite()) {
            return f64::INFINITY;
        }
        let mut scratch = Vec::with_capacity(row.len());
        self.classes
            .iter()
            .map(|class| {
                let off = row
                    .iter()
                    .zip(&self.units)
                    .zip(&class.mean)
                    .map(|((value, unit), mean)| value / unit - mean);
                class.factor.squared(off, &mut scratch)
            })
            .fold(f64::INFINITY, f64::min)
    }

    pub(crate) fn is_sound(&self) -> bool {
        let size = self.units.len();
        size > 0
            && self.units.iter().all(|unit| *unit > 0.0 && unit.is_finite())
            && !self.classes.is_empty()
            && self.classes.iter().all(|class| class.mean.len() == size && class.factor.is_of(size))
    }
}
