//! Isotonic regression: the nondecreasing step function nearest to what was seen, by pooling adjacent violators (Ayer et al. 1955), linear
//! between its knots.

use serde::{Deserialize, Serialize};

use super::CalibrateError;

/// A fitted nondecreasing function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Isotonic {
    knots: Vec<(f64, f64)>,
}

#[derive(Serialize, Deserialize)]
struct Stored(Vec<(f64, f64)>);

struct Block {
    first: f64,
    last: f64,
    sum: f64,
    weight: f64,
}

impl Isotonic {
    /// Fits to pairs of a score and what became of it, such as 0 and 1.
    ///
    /// # Errors
    /// If there is none, or a number is not finite.
    pub fn fit(mut pairs: Vec<(f64, f64)>) -> Result<Self, CalibrateError> {
        if pairs.is_empty() {
            return Err(CalibrateError::Empty);
        }
        if let Some(row) = pairs.iter().position(|(x, y)| !x.is_finite() || !y.is_finite()) {
            return Err(CalibrateError::Values(row));
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut blocks: Vec<Block> = Vec::with_capacity(pairs.len());
        for (x, y) in pairs {
            // Equal scores are one from the start.
            match blocks.last_mut() {
                Some(last) if last.first == x && last.last == x => {
                    last.sum += y;
                    last.weight += 1.0;
                }
                _ => blocks.push(Block { first: x, last: x, sum: y, weight: 1.0 }),
            }
        }
        let mut pooled: Vec<Block> = Vec::with_capacity(blocks.len());
        for mut block in blocks {
            while let Some(last) = pooled.pop_if(|last| last.mean() >= block.mean()) {
                block.first = last.first;
                block.sum += last.sum;
                block.weight += last.weight;
            }
            pooled.push(block);
        }
        let mut knots = Vec::with_capacity(2 * pooled.len());
        for block in pooled {
            knots.push((block.first, block.mean()));
            if block.last > block.first {
                knots.push((block.last, block.mean()));
            }
        }
        Ok(Self { knots })
    }

    /// The knots, by ascending score.
    #[must_use]
    pub fn knots(&self) -> &[(f64, f64)] {
        &self.knots
    }

    /// The value at a score; beyond the ends that of the end.
    #[must_use]
    pub fn at(&self, score: f64) -> f64 {
        let above = self.knots.partition_point(|(x, _)| *x <= score);
        let low = above.checked_sub(1).and_then(|index| self.knots.get(index));
        match (low, self.knots.get(above)) {
            (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * ((score - x0) / (x1 - x0)),
            (Some((_, y)), None) | (None, Some((_, y))) => *y,
            (None, None) => f64::NAN,
        }
    }
}

impl Block {
    fn mean(&self) -> f64 {
        self.sum / self.weight
    }
}

impl From<Isotonic> for Stored {
    fn from(isotonic: Isotonic) -> Self {
        Self(isotonic.knots)
    }
}

impl TryFrom<Stored> for Isotonic {
    type Error = CalibrateError;

    fn try_from(Stored(knots): Stored) -> Result<Self, CalibrateError> {
        let is_finite = knots.iter().all(|(x, y)| x.is_finite() && y.is_finite());
        let is_sorted = knots.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1);
        if knots.is_empty() || !is_finite || !is_sorted {
            return Err(CalibrateError::Shape);
        }
        Ok(Self { knots })
    }
}
