//! Temperature scaling (Guo et al. 2017, "On Calibration of Modern Neural Networks").

use super::{Outcomes, at};

/// Inverse temperatures between which the minimum is looked for.
const INVERSE_RANGE: (f64, f64) = (0.01, 100.0);

/// The temperature of least negative log likelihood of these logits. The loss is convex in its inverse, so halving finds it.
#[must_use]
pub fn fit_temperature(logits: &Outcomes<'_>) -> f64 {
    let (mut low, mut high) = INVERSE_RANGE;
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if slope(logits, middle) < 0.0 { low = middle } else { high = middle }
    }
    1.0 / f64::midpoint(low, high)
}

/// The derivative of the loss by the inverse temperature: expected less actual logit.
fn slope(logits: &Outcomes<'_>, inverse: f64) -> f64 {
    logits
        .rows()
        .map(|(row, truth)| {
            let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weight = |logit: f64| (inverse * (logit - max)).exp();
            let (sum, weighted) = row
                .iter()
                .fold((0.0, 0.0), |(sum, by), logit| (sum + weight(*logit), by + weight(*logit) * logit));
            weighted / sum - at(row, truth)
        })
        .sum()
}

/// Probabilities of a row of logits at a temperature.
#[must_use]
pub fn softmax(logits: &[f64], temperature: f64) -> Vec<f64> {
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logits.iter().map(|logit| ((logit - max) / temperature).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}
