//! Exact bounds on a probability from so many hits in so many tries.

use super::{
    StatError,
    special::{beta_cdf, normal_quantile},
};

/// The lower end of the one-sided exact interval at confidence 1 - `alpha` (Clopper and Pearson 1934).
///
/// # Errors
/// If there are more hits than tries, no try, or `alpha` is not within (0, 1).
pub fn clopper_pearson_lower(hits: u64, tries: u64, alpha: f64) -> Result<f64, StatError> {
    check(hits, tries, alpha)?;
    if hits == 0 {
        return Ok(0.0);
    }
    if hits == tries {
        return Ok((alpha.ln() / tries as f64).exp());
    }
    Ok(beta_quantile(hits as f64, (tries - hits) as f64 + 1.0, alpha))
}

/// The upper end.
///
/// # Errors
/// As for the lower one.
pub fn clopper_pearson_upper(hits: u64, tries: u64, alpha: f64) -> Result<f64, StatError> {
    check(hits, tries, alpha)?;
    Ok(1.0 - clopper_pearson_lower(tries - hits, tries, alpha)?)
}

/// The radius within which no attack changes a smoothed classifier's answer: σ·Φ⁻¹(p), with the lower bound of the top class's
/// probability (Cohen et al. 2019); `None` where the bound does not exceed one half, which is to abstain.
///
/// # Errors
/// As for [`clopper_pearson_lower`], and if `sigma` is not positive.
pub fn certified_radius(hits: u64, tries: u64, alpha: f64, sigma: f64) -> Result<Option<f64>, StatError> {
    if sigma.is_nan() || sigma <= 0.0 {
        return Err(StatError::Range("sigma"));
    }
    let lower = clopper_pearson_lower(hits, tries, alpha)?;
    Ok((lower > 0.5).then(|| sigma * normal_quantile(lower)))
}

fn check(hits: u64, tries: u64, alpha: f64) -> Result<(), StatError> {
    if tries == 0 {
        return Err(StatError::Empty);
    }
    if hits > tries {
        return Err(StatError::Range("hits"));
    }
    if alpha > 0.0 && alpha < 1.0 { Ok(()) } else { Err(StatError::Range("alpha")) }
}

/// Where the beta distribution function reaches `p`, by bisection.
fn beta_quantile(a: f64, b: f64, p: f64) -> f64 {
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if beta_cdf(a, b, middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}
