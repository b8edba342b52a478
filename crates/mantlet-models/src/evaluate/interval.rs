//! How far a figure from so many rows can be trusted: 95 % confidence intervals, each by a method that suits its figure.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// The 97.5 % quantile of the normal distribution.
pub(super) const Z: f64 = 1.959_963_984_540_054;

/// Fixed: the same rows give the same intervals.
pub(super) const SEED: u64 = 20_261_122;

/// Resamples of few rows. A percentile at 2.5 % then rests on 25 of them.
const RESAMPLES_MAX: usize = 1_000;
/// Resamples of many rows, whose figures hardly vary.
const RESAMPLES_MIN: usize = 200;
/// Rows drawn in all resamples together: a fraction of a second.
const DRAWN_ROWS: usize = 20_000_000;

/// A figure with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Where it may lie; absent where the rows say nothing of that, as for an AUC of exactly 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
}

/// A 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// How it was found.
    pub method: Method,
}

/// How an interval was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Wilson's score interval for a share (Wilson 1927).
    Wilson,
    /// From the variance of an AUC by DeLong, DeLong and Clarke-Pearson (1988).
    Delong,
    /// The same structural components, summed over the classes of each row before their variance is taken.
    StructuralComponents,
    /// Percentiles over resampled rows (Efron 1979), drawn from a fixed seed.
    Bootstrap,
    /// Of a difference of two shares of the same rows (Agresti and Min 2005).
    AgrestiMin,
    /// Of a mean, by the central limit theorem.
    Normal,
}

impl Estimate {
    pub(super) fn with(value: f64, ends: Option<(f64, f64)>, method: Method) -> Self {
        Self { value, interval: ends.map(|(low, high)| Interval { low, high, method }) }
    }
}

/// A share of rows with Wilson's interval; `None` of no rows.
///
/// (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n). It stays within 0 and 1 and is honest for few rows and for shares
/// near the ends, where the textbook interval collapses.
pub(super) fn share(part: usize, whole: usize) -> Option<Estimate> {
    if whole == 0 {
        return None;
    }
    let n = whole as f64;
    let p = part as f64 / n;
    let z2 = Z * Z;
    let middle = p + z2 / (2.0 * n);
    let spread = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z2 / n;
    // At the ends the interval begins at the share itself, of which rounding may leave a hair.
    let low = if part == 0 { 0.0 } else { ((middle - spread) / scale).max(0.0) };
    let high = if part == whole { 1.0 } else { ((middle + spread) / scale).min(1.0) };
    Some(Estimate::with(p, Some((low, high)), Method::Wilson))
}

/// How many resamples so many rows get.
pub(super) fn resamples(rows: usize) -> usize {
    (DRAWN_ROWS / rows.max(1)).clamp(RESAMPLES_MIN, RESAMPLES_MAX)
}

/// Percentile intervals of several statistics over the same resamples. `statistics` computes all of them from the
/// indices of one resample; NaN stands for one that is not defined there. From `ends` on there are no more of them.
pub(super) fn bootstrap(
    rows: usize,
    count: usize,
    ends: Option<Instant>,
    mut statistics: impl FnMut(&[usize], &mut [f64]),
) -> Vec<Option<(f64, f64)>> {
    let resamples = resamples(rows);
    let mut draws = Random::new(SEED);
    let mut drawn = vec![0; rows];
    let mut values = vec![f64::NAN; count];
    let mut kept: Vec<Vec<f64>> = vec![Vec::with_capacity(resamples); count];
    for _ in 0..resamples {
        // Who waited has gone by then. Too few resamples have no percentiles, so nothing is said that was not found out.
        if ends.is_some_and(|ends| Instant::now() >= ends) {
            break;
        }
        drawn.iter_mut().for_each(|index| *index = draws.below(rows));
        values.fill(f64::NAN);
        statistics(&drawn, &mut values);
        for (kept, value) in kept.iter_mut().zip(&values) {
            if value.is_finite() {
                kept.push(*value);
            }
        }
    }
    kept.into_iter().map(|kept| percentiles(kept, resamples)).collect()
}

/// The middle 95 % of a statistic; `None` if more than one resample in twenty could not say.
fn percentiles(mut values: Vec<f64>, resamples: usize) -> Option<(f64, f64)> {
    if values.len() * 20 < resamples * 19 || values.is_empty() {
        return None;
    }
    values.sort_by(f64::total_cmp);
    // Nearest rank from either end, so that both tails are treated alike.
    let tail = values.len() * 25 / 1_000;
    let (low, high) = (values.get(tail)?, values.get(values.len() - 1 - tail)?);
    Some((*low, *high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(part: usize, whole: usize, expect: (f64, f64)) {
        let interval = share(part, whole).unwrap().interval.unwrap();
        assert!((interval.low - expect.0).abs() < 5e-5, "{interval:?}");
        assert!((interval.high - expect.1).abs() < 5e-5, "{interval:?}");
    }

    #[test]
    fn wilson_gives_what_newcombe_printed() {
        // Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3.
        check(81, 263, (0.2553, 0.3662));
        check(15, 148, (0.0624, 0.1605));
        check(0, 20, (0.0, 0.1611));
        check(1, 29, (0.0061, 0.1718));
        assert_eq!(share(0, 0), None);
        assert_eq!(share(5, 5).unwrap().interval.unwrap().high, 1.0);
    }

    #[test]
    fn the_bootstrap_of_a_mean_is_about_as_wide_as_theory_says() {
        let values: Vec<f64> = (0..400).map(|index| f64::from(index % 20)).collect();
        let mean = |drawn: &[usize], out: &mut [f64]| {
            out[0] = drawn.iter().map(|index| values[*index]).sum::<f64>() / drawn.len() as f64;
        };
        let (low, high) = bootstrap(values.len(), 1, None, mean)[0].unwrap();
        // The standard deviation of 0..20 is √(399/12).
        let half = Z * (399.0_f64 / 12.0).sqrt() / 20.0;
        assert!((low - (9.5 - half)).abs() < 0.1 && (high - (9.5 + half)).abs() < 0.1, "{low} {high}");
        assert_eq!(bootstrap(values.len(), 1, None, mean)[0], Some((low, high)));
    }

    #[test]
    fn nobody_draws_for_whom_nobody_waits() {
        let mut drawn = 0;
        let ends = bootstrap(10, 1, Some(Instant::now()), |_, out| {
            drawn += 1;
            out[0] = 1.0;
        });
        assert_eq!((drawn, ends), (0, vec![None]));
    }

    #[test]
    fn what_most_resamples_cannot_say_has_no_interval() {
        let mut turn = 0;
        let ends = bootstrap(10, 2, None, |_, out| {
            turn += 1;
            out[0] = 1.0;
            out[1] = if turn % 4 == 0 { f64::NAN } else { 1.0 };
        });
        assert_eq!(ends, [Some((1.0, 1.0)), None]);
    }
}
