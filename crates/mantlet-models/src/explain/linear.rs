//! Shapley values of a weighted sum, exactly.
//!
//! Where features that are absent take the values of background rows, independently of those present, feature i adds
//! w_i (x_i - mean of the background's i-th values) to every coalition, so that is its Shapley value (Štrumbelj and
//! Kononenko, "Explaining prediction models and individual predictions with feature contributions", 2014, section 3).

/// One attribution for each feature: of a row `x`, against columns with these means. All have one length.
pub(crate) fn attributions(weights: &[f64], x: &[f64], means: &[f64]) -> Vec<f64> {
    weights.iter().zip(x).zip(means).map(|((weight, x), mean)| weight * (x - mean)).collect()
}

/// The sum itself.
pub(crate) fn value(weights: &[f64], bias: f64, x: &[f64]) -> f64 {
    weights.iter().zip(x).map(|(weight, x)| weight * x).sum::<f64>() + bias
}
