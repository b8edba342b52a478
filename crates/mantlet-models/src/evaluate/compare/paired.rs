//! Figures over pairs: two versions' answers to the same rows go up and down together, and intervals that take them for
//! independent would be far too wide.

use super::{
    super::{
        disclosure::GROUP_ROWS_MIN,
        interval::{Method, Z},
    },
    Estimate, McNemar, Paired, Quantile, Spread, share,
};

/// Quantiles that are told, where enough rows lie on either side of them.
const QUANTILES: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

/// Accuracies, and their difference with the interval of Agresti and Min, "Simple improved confidence intervals for
/// comparing matched proportions" (Statistics in Medicine 24, 2005): half a row is added to each of the four cells, and the
/// textbook interval of what results is taken. It keeps its promise for few rows too, where the textbook one does not.
pub(super) fn agreement(right: &[[bool; 2]]) -> Option<Paired> {
    let count = |of: fn(&[bool; 2]) -> bool| right.iter().filter(|pair| of(pair)).count();
    let (only_live, only_candidate) = (count(|pair| pair[0] && !pair[1]), count(|pair| pair[1] && !pair[0]));
    let n = right.len() as f64 + 2.0;
    let (lost, won) = (only_live as f64 + 0.5, only_candidate as f64 + 0.5);
    let middle = (won - lost) / n;
    let spread = Z * ((won + lost) - (won - lost).powi(2) / n).max(0.0).sqrt() / n;
    let live = share(count(|pair| pair[0]), right.len())?;
    let candidate = share(count(|pair| pair[1]), right.len())?;
    let ends = Some((middle - spread, middle + spread));
    let difference = Estimate::with(candidate.value - live.value, ends, Method::AgrestiMin);
    Some(Paired { live, candidate, difference })
}

/// McNemar's test, exactly: twice the smaller tail of a fair coin over the rows on which just one is right.
pub(super) fn mcnemar(right: &[[bool; 2]]) -> McNemar {
    let only = |side: usize| right.iter().filter(|pair| pair[side] && !pair[1 - side]).count();
    let (only_live_right, only_candidate_right) = (only(0), only(1));
    let (all, fewer) = (only_live_right + only_candidate_right, only_live_right.min(only_candidate_right));
    // In logarithms, since 2⁻ⁿ is no number any more for a few thousand rows. The terms rise up to the one in the middle.
    let mut term = -(all as f64) * std::f64::consts::LN_2;
    let mut terms = vec![term];
    for k in 0..fewer {
        term += ((all - k) as f64 / (k + 1) as f64).ln();
        terms.push(term);
    }
    let tail: f64 = terms.iter().map(|other| (other - term).exp()).sum();
    let p = (std::f64::consts::LN_2 + term + tail.ln()).exp().min(1.0);
    McNemar { only_live_right, only_candidate_right, p }
}

/// Means of a figure of both, and the mean of its differences row by row; `None` of no rows.
pub(super) fn difference(pairs: &[[f64; 2]]) -> Option<Paired> {
    let of = |measure: fn(&[f64; 2]) -> f64| mean(&pairs.iter().map(measure).collect::<Vec<_>>());
    Some(Paired {
        live: of(|pair| pair[0])?,
        candidate: of(|pair| pair[1])?,
        difference: of(|pair| pair[1] - pair[0])?,
    })
}

/// A mean with the interval of the central limit theorem: m ± z s/√n. Thirty rows are the least that are spoken of.
fn mean(values: &[f64]) -> Option<Estimate> {
    if values.is_empty() {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let half = Z * (squares / (n - 1.0) / n).sqrt();
    let ends = (mean.is_finite() && half.is_finite()).then_some((mean - half, mean + half));
    mean.is_finite().then(|| Estimate::with(mean, ends, Method::Normal))
}

/// How far apart values lie; `None` of no rows.
pub(super) fn spread(mut values: Vec<f64>) -> Option<Spread> {
    let mean = mean(&values)?;
    values.sort_by(f64::total_cmp);
    let beside = GROUP_ROWS_MIN as f64 / values.len() as f64;
    let told = QUANTILES.into_iter().filter(|at| *at >= beside && 1.0 - at >= beside);
    let quantiles = told.filter_map(|at| Some(Quantile { at, value: quantile(&values, at)? })).collect();
    Some(Spread { mean, quantiles })
}

/// Interpolated linearly between the two values around `at` × (n − 1): type 7 of Hyndman and Fan, "Sample Quantiles in
/// Statistical Packages" (1996).
fn quantile(sorted: &[f64], at: f64) -> Option<f64> {
    let place = at * (sorted.len().checked_sub(1)?) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
    let below = place.floor() as usize;
    let low = *sorted.get(below)?;
    let high = sorted.get(below + 1).copied().unwrap_or(low);
    Some(low + (high - low) * (place - place.floor()))
}
