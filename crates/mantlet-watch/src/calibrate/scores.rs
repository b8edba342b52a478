//! How well probabilities are calibrated.

use super::{CalibrateError, Outcomes, at};

/// Below this a probability counts as this: in single precision softmax underflows to zero, which has no logarithm.
const PROBABILITY_MIN: f64 = 1e-30;

/// The expected calibration error (Naeini et al. 2015): by confidence in bins of equal width, each including its upper end, the mean
/// distance of confidence and accuracy, weighted by rows.
///
/// # Errors
/// If there is no bin.
pub fn calibration_error(probabilities: &Outcomes<'_>, bins: usize) -> Result<f64, CalibrateError> {
    if bins == 0 {
        return Err(CalibrateError::Shape);
    }
    let mut sums = vec![0.0_f64; bins];
    for (confidence, is_right) in probabilities.answers() {
        let bin = ((confidence * bins as f64).ceil() as usize).clamp(1, bins) - 1;
        if let Some(sum) = sums.get_mut(bin) {
            *sum += confidence - f64::from(u8::from(is_right));
        }
    }
    Ok(sums.into_iter().map(f64::abs).sum::<f64>() / probabilities.count() as f64)
}

/// The Brier score: the mean squared distance to the truth over all classes, 0 to 2.
#[must_use]
pub fn brier(probabilities: &Outcomes<'_>) -> f64 {
    let row = |(row, truth): (&[f64], usize)| -> f64 {
        row.iter().enumerate().map(|(class, p)| (p - f64::from(u8::from(class == truth))).powi(2)).sum()
    };
    probabilities.rows().map(row).sum::<f64>() / probabilities.count() as f64
}

/// The mean negative log likelihood, in nats.
#[must_use]
pub fn log_loss(probabilities: &Outcomes<'_>) -> f64 {
    let sum: f64 = probabilities.rows().map(|(row, truth)| -at(row, truth).max(PROBABILITY_MIN).ln()).sum();
    sum / probabilities.count() as f64
}
