//! Figures of a regression. Definitions are those of scikit-learn, with which the tests compare.

use std::time::Instant;

use super::{
    interval::{self, Estimate, Method, share},
    report::{Conformal, NumberFigures},
};

/// A conformal interval as a package promises it.
#[derive(Clone, Copy)]
pub(super) struct Promise {
    pub(super) coverage: f64,
    pub(super) half_width: f64,
}

/// One row: what is true, and what the model made of it.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) truth: f64,
    pub(super) value: f64,
}

/// The figures of these rows; `None` of no rows.
pub(super) fn figures(
    rows: &[Row],
    promise: Option<Promise>,
    ends: Option<Instant>,
) -> Option<NumberFigures> {
    if rows.is_empty() {
        return None;
    }
    let count = rows.len() as f64;
    let mean = rows.iter().map(|row| row.truth).sum::<f64>() / count;
    let sums = Sums::of(rows.iter(), mean);
    let around = rows.iter().map(|row| (row.truth - mean).powi(2)).sum::<f64>();
    let resampled = interval::bootstrap(rows.len(), 3, ends, |drawn, out| {
        let sums = Sums::of(drawn.iter().filter_map(|index| rows.get(*index)), mean);
        // Σ(y − ȳ)² from sums about the mean of all rows, which loses no digits.
        let around = sums.square - sums.off * sums.off / count;
        let values =
            [sums.absolute / count, (sums.squared / count).sqrt(), determination(sums.squared, around)];
        out.copy_from_slice(&values);
    });
    let estimate = |value: f64, at: usize| {
        Estimate::with(value, resampled.get(at).copied().flatten(), Method::Bootstrap)
    };
    let r2 = determination(sums.squared, around);
    Some(NumberFigures {
        mae: estimate(sums.absolute / count, 0),
        rmse: estimate((sums.squared / count).sqrt(), 1),
        r2: r2.is_finite().then(|| estimate(r2, 2)),
        interval: promise.and_then(|promise| {
            let within = |row: &&Row| (row.truth - row.value).abs() <= promise.half_width;
            let coverage = share(rows.iter().filter(within).count(), rows.len())?;
            Some(Conformal { promised: promise.coverage, coverage, width: 2.0 * promise.half_width })
        }),
    })
}

/// 1 − Σ(y − ŷ)² / Σ(y − ȳ)²; NaN where the truth is constant.
fn determination(squared: f64, around: f64) -> f64 {
    if around > 0.0 { 1.0 - squared / around } else { f64::NAN }
}

struct Sums {
    /// Of |error|.
    absolute: f64,
    /// Of error².
    squared: f64,
    /// Of the truth's distance from the mean of all rows, and of its square.
    off: f64,
    square: f64,
}

impl Sums {
    fn of<'a>(rows: impl Iterator<Item = &'a Row>, mean: f64) -> Self {
        let mut sums = Self { absolute: 0.0, squared: 0.0, off: 0.0, square: 0.0 };
        for Row { truth, value } in rows {
            let (error, off) = (truth - value, truth - mean);
            sums.absolute += error.abs();
            sums.squared += error * error;
            sums.off += off;
            sums.square += off * off;
        }
        sums
    }
}
