//! What ordinary queries of a model look like: fitted once, shared by all principals.

use serde::{Deserialize, Serialize};

use crate::anomaly::{AnomalyError, Evidence, Rows, Screen, ScreenConfig};

/// A p-value up to which a query counts as an event.
const EVENT: f64 = 0.05;
/// Of the distances of reference rows to their nearest other one, the share below which "near" lies.
const NEAR: f64 = 0.005;
/// Reference rows whose nearest other one is looked for: the search is quadratic.
const NEAR_ROWS_MAX: usize = 2_000;
/// How far beyond the reference's range, in ranges, a value is still told apart in a ring.
const BEYOND: f64 = 1.0;

/// A screen with what else a prober needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Ordinary {
    screen: Screen,
    /// Of calibration rows: probability of the likeliest class less that of the next; ascending.
    margins: Vec<f64>,
    /// Nearer than this, in the features' units, two rows are nearly one.
    near: f64,
}

/// A query as a prober sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// Strangely far from every class.
    pub(crate) is_far: bool,
    /// Strangely far from its neighbors.
    pub(crate) is_lonely: bool,
    /// Strangely close to a border of the model.
    pub(crate) is_marginal: bool,
}

impl Ordinary {
    /// Fits to what a screen is fitted to, and to the margins of the model's answers on the calibration rows.
    ///
    /// # Errors
    /// If the screen cannot be fitted, or there is not a margin within [0, 1] for each calibration row.
    pub fn fit(
        train: &Rows<'_>,
        labels: &[usize],
        calibration: &Rows<'_>,
        margins: &[f64],
    ) -> Result<Self, AnomalyError> {
        if margins.len() != calibration.count() || margins.iter().any(|margin| !(0.0..=1.0).contains(margin))
        {
            return Err(AnomalyError::Shape);
        }
        // Both looks are cut at the same rate here, each by itself.
        let screen = Screen::fit(train, labels, calibration, ScreenConfig { alpha_min: 2.0 * EVENT })?;
        let mut margins = margins.to_vec();
        margins.sort_by(f64::total_cmp);
        let near = near(train, screen.neighbors().units());
        Ok(Self { screen, margins, near })
    }

    /// Looks at a query: its row, and the margin of the model's answer. What cannot be looked at is strange in every way.
    #[must_use]
    pub fn look(&self, row: &[f64], margin: f64) -> Query {
        let Evidence { mahalanobis_p, neighbors_p, .. } = self.screen.look(row);
        let below = self.margins.partition_point(|other| *other <= margin);
        let margin_p = (1 + below) as f64 / (self.margins.len() + 1) as f64;
        Query {
            is_far: mahalanobis_p <= EVENT,
            is_lonely: neighbors_p <= EVENT,
            is_marginal: margin.is_nan() || margin_p <= EVENT,
        }
    }

    /// The screen.
    #[must_use]
    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// Nearer than this, in the features' units, two rows are nearly one.
    #[must_use]
    pub fn near(&self) -> f64 {
        self.near
    }

    /// A row in whole steps of the reference's range, as rings keep it.
    pub(crate) fn quantized(&self, row: &[f64]) -> Vec<u16> {
        let steps = f64::from(u16::MAX);
        row.iter()
            .zip(self.screen.ranges())
            .map(|(value, (low, high))| {
                let width = (high - low).max(f64::MIN_POSITIVE);
                let share = ((value - low) / width + BEYOND) / (1.0 + 2.0 * BEYOND);
                (share.clamp(0.0, 1.0) * steps) as u16
            })
            .collect()
    }

    /// The size of a step of each feature, in its units.
    pub(crate) fn steps(&self) -> Vec<f32> {
        let width = |((low, high), unit): (&(f64, f64), &f64)| {
            ((high - low) * (1.0 + 2.0 * BEYOND) / f64::from(u16::MAX) / unit) as f32
        };
        self.screen.ranges().iter().zip(self.screen.neighbors().units()).map(width).collect()
    }
}

/// The quantile of leave-one-out nearest distances. Exact repeats in the reference are no neighbors: a query's are none either.
fn near(train: &Rows<'_>, units: &[f64]) -> f64 {
    let stride = train.count().div_ceil(NEAR_ROWS_MAX).max(1);
    let rows: Vec<Vec<f32>> = train
        .iter()
        .step_by(stride)
        .map(|row| row.iter().zip(units).map(|(value, unit)| (value / unit) as f32).collect())
        .collect();
    let mut nearest = vec![f32::INFINITY; rows.len()];
    for (i, a) in rows.iter().enumerate() {
        for (j, b) in rows.iter().enumerate().take(i) {
            let squared: f32 = a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum();
            if squared > 0.0 {
                for at in [i, j] {
                    if let Some(best) = nearest.get_mut(at) {
                        *best = best.min(squared);
                    }
                }
            }
        }
    }
    nearest.sort_by(f32::total_cmp);
    let at = (nearest.len() as f64 * NEAR) as usize;
    nearest.get(at).filter(|squared| squared.is_finite()).map_or(0.0, |squared| f64::from(*squared).sqrt())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    screen: Screen,
    margins: Vec<f64>,
    near: f64,
}

impl TryFrom<Stored> for Ordinary {
    type Error = AnomalyError;

    fn try_from(Stored { screen, margins, near }: Stored) -> Result<Self, AnomalyError> {
        let is_margin = |margin: &f64| (0.0..=1.0).contains(margin);
        let is_sound = !margins.is_empty() && margins.is_sorted() && margins.iter().all(is_margin);
        if !is_sound || !near.is_finite() || near < 0.0 {
            return Err(AnomalyError::Shape);
        }
        Ok(Self { screen, margins, near })
    }
}
