//! Split conformal prediction: sets that contain the truth with a promised probability, whatever the model (Vovk et al. 2005;
//! Angelopoulos and Bates 2023 for the names).

use super::{CalibrateError, Outcomes, at};

/// How strange a class is for a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConformalScore {
    /// One less its probability: least sets on average (LAC, Sadinle et al. 2019).
    LeastAmbiguous,
    /// The probability of it and all likelier classes: sets that adapt to hard rows (APS, Romano et al. 2020, not randomized).
    Adaptive,
}

/// A calibrated maker of prediction sets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conformal {
    score: ConformalScore,
    quantile: f64,
}

impl Conformal {
    /// Calibrates sets that miss the truth in at most `alpha` of all rows.
    ///
    /// # Errors
    /// If `alpha` is not within (0, 1), or below 1/(n+1), which n rows cannot promise.
    pub fn fit(
        probabilities: &Outcomes<'_>,
        score: ConformalScore,
        alpha: f64,
    ) -> Result<Self, CalibrateError> {
        let rank = rank(probabilities.count(), alpha)?;
        let mut scores: Vec<f64> = probabilities.rows().map(|(row, truth)| score.of(row, truth)).collect();
        scores.sort_by(f64::total_cmp);
        let quantile = scores.get(rank - 1).copied().ok_or(CalibrateError::Empty)?;
        Ok(Self { score, quantile })
    }

    /// The greatest score that is within a set.
    #[must_use]
    pub fn quantile(&self) -> f64 {
        self.quantile
    }

    /// The classes that cannot be ruled out for a row of probabilities, ascending; none where even the likeliest is too strange.
    #[must_use]
    pub fn set(&self, row: &[f64]) -> Vec<usize> {
        (0..row.len()).filter(|class| self.score.of(row, *class) <= self.quantile).collect()
    }
}

impl ConformalScore {
    fn of(self, row: &[f64], class: usize) -> f64 {
        let own = at(row, class);
        match self {
            Self::LeastAmbiguous => 1.0 - own,
            Self::Adaptive => {
                let mut likelier: Vec<f64> = row
                    .iter()
                    .enumerate()
                    .filter(|(other, p)| **p > own || (**p == own && *other <= class))
                    .map(|(_, p)| *p)
                    .collect();
                // In one order, so that a row's sum is the same however its classes are numbered.
                likelier.sort_by(|a, b| b.total_cmp(a));
                likelier.iter().sum()
            }
        }
    }
}

/// ⌈(n+1)·(1-alpha)⌉: which of n ascending scores bounds a share of 1 - alpha of the next ones.
///
/// # Errors
/// If `alpha` is not within (0, 1) or below 1/(n+1).
pub fn rank(rows: usize, alpha: f64) -> Result<usize, CalibrateError> {
    if !(alpha > 0.0 && alpha < 1.0) {
        return Err(CalibrateError::Rate("alpha"));
    }
    // A hair less, so that 0.9 × 10 is 9.
    let rank = |rows: usize| (((rows as f64 + 1.0) * (1.0 - alpha) - 1e-9).ceil().max(1.0)) as usize;
    if rank(rows) > rows {
        let guess = (1.0 / alpha).ceil() as usize;
        let needed =
            (guess.saturating_sub(2).max(1)..guess.saturating_add(2)).find(|rows| rank(*rows) <= *rows);
        return Err(CalibrateError::TooFew { rows, needed: needed.unwrap_or(guess) });
    }
    Ok(rank(rows))
}

/// The conformal p-value of a score among ascending calibration scores: (1 + those at least as large) / (n + 1).
#[must_use]
pub fn p_value(sorted: &[f64], score: f64) -> f64 {
    let below = sorted.partition_point(|other| *other < score);
    (1 + sorted.len() - below) as f64 / (sorted.len() + 1) as f64
}
