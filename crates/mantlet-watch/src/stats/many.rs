//! Many tests at once, and limits that know how many values were looked at.

use super::{
    StatError,
    special::{chi_square_quantile, chi_square_sf},
};

/// One hypothesis after the correction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adjusted {
    /// The p-value to compare with the false discovery rate.
    pub p_value: f64,
    /// Whether it is rejected.
    pub is_rejected: bool,
}

/// Controls the false discovery rate at `alpha` (Benjamini and Hochberg 1995). In the order of what is given; NaN is never
/// rejected and counts as a hypothesis.
#[must_use]
pub fn benjamini_hochberg(p_values: &[f64], alpha: f64) -> Vec<Adjusted> {
    let count = p_values.len() as f64;
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    let of = |index: usize| p_values.get(index).copied().filter(|p| !p.is_nan()).unwrap_or(1.0);
    order.sort_by(|a, b| of(*a).total_cmp(&of(*b)));
    let mut adjusted = vec![Adjusted { p_value: 1.0, is_rejected: false }; p_values.len()];
    let mut least = 1.0_f64;
    for (rank, index) in order.into_iter().enumerate().rev() {
        // No less than the p-value itself, which rounding could make of count / count.
        least = least.min((of(index) * (count / (rank + 1) as f64)).max(of(index)));
        if let Some(slot) = adjusted.get_mut(index) {
            *slot = Adjusted { p_value: least, is_rejected: least <= alpha };
        }
    }
    adjusted
}

/// The PSI that is exceeded with probability `alpha` without any drift: (1/n + 1/m)·χ²(bins - 1) (Yurdakul 2018).
///
/// # Errors
/// If a sample is empty, there are fewer than two bins, or `alpha` is not within (0, 1).
pub fn psi_limit(reference: u64, current: u64, bins: usize, alpha: f64) -> Result<f64, StatError> {
    let scale = psi_scale(reference, current, bins)?;
    if !(alpha > 0.0 && alpha < 1.0) {
        return Err(StatError::Range("alpha"));
    }
    Ok(scale * chi_square_quantile(alpha, bins as f64 - 1.0))
}

/// How likely so large a PSI is without any drift.
///
/// # Errors
/// If a sample is empty or there are fewer than two bins.
pub fn psi_p_value(psi: f64, reference: u64, current: u64, bins: usize) -> Result<f64, StatError> {
    Ok(chi_square_sf(psi / psi_scale(reference, current, bins)?, bins as f64 - 1.0))
}

fn psi_scale(reference: u64, current: u64, bins: usize) -> Result<f64, StatError> {
    if reference == 0 || current == 0 {
        return Err(StatError::Empty);
    }
    if bins < 2 {
        return Err(StatError::Range("bins"));
    }
    Ok(1.0 / reference as f64 + 1.0 / current as f64)
}
