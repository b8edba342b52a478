//! Statistics of two samples: distances, tests and their p-values. Exact where that is affordable, and otherwise by the
//! approximation that the field's tools use, so that a number here is the number there.
//!
//! Tests take a [`Sorted`] sample: passing the check for emptiness, NaN and infinity once is what makes the rest total.

mod binned;
mod binomial;
mod kolmogorov;
mod many;
mod ranks;
pub(crate) mod samples;
pub(crate) mod special;

pub(crate) use binned::chi_square_yates;
pub use binned::{
    Counts, SHARE_FLOOR, chi_square, chi_square_merged, hellinger, jensen_shannon, kullback_leibler,
    l_infinity, psi, quantile_edges, total_variation,
};
pub use binomial::{certified_radius, clopper_pearson_lower, clopper_pearson_upper};
pub use kolmogorov::kolmogorov_sf;
pub use many::{Adjusted, benjamini_hochberg, psi_limit, psi_p_value};
pub use ranks::{Alternative, cramer_von_mises, mann_whitney};
pub use samples::{EXACT_PATHS_MAX, KolmogorovSmirnov, Method, energy, ks, wasserstein};

/// Why a statistic cannot be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StatError {
    /// No value.
    #[error("a sample has no value")]
    Empty,
    /// A value is NaN or infinite.
    #[error("a sample has a value that is not finite")]
    NotFinite,
    /// Two lists that belong together are not of one length, or have no bin.
    #[error("the counts do not belong together")]
    Shape,
    /// A number outside the range that it is defined for.
    #[error("`{0}` is out of range")]
    Range(&'static str),
}

/// A test's outcome.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Test {
    /// The statistic.
    pub statistic: f64,
    /// How likely so large a statistic is if there is no difference, 0 to 1.
    pub p_value: f64,
}

/// A sample of finite numbers in ascending order; never empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Sorted(Vec<f64>);

impl Sorted {
    /// Checks and sorts a sample.
    ///
    /// # Errors
    /// If it is empty, or a value is NaN or infinite.
    pub fn new(mut values: Vec<f64>) -> Result<Self, StatError> {
        if values.is_empty() {
            return Err(StatError::Empty);
        }
        if values.iter().any(|value| !value.is_finite()) {
            return Err(StatError::NotFinite);
        }
        values.sort_unstable_by(f64::total_cmp);
        Ok(Self(values))
    }

    /// The values.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The least value.
    #[must_use]
    pub fn min(&self) -> f64 {
        self.0.first().copied().unwrap_or(f64::NAN)
    }

    /// The greatest value.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }

    /// The mean; divided before it is summed, so that large values cannot overflow.
    #[must_use]
    pub fn mean(&self) -> f64 {
        // Around the middle value, so that values of 1e12 keep the digits in which they differ.
        let middle = self.0.get(self.0.len() / 2).copied().unwrap_or(0.0);
        let count = self.0.len() as f64;
        let shift: f64 = self.0.iter().map(|value| value / count - middle / count).sum();
        if shift.is_finite() { middle + shift } else { middle }
    }

    /// The standard deviation, divided by the number of values.
    #[must_use]
    pub fn sd(&self) -> f64 {
        let mean = self.mean();
        let scale = (self.max() - mean).max(mean - self.min());
        if scale == 0.0 {
            return 0.0;
        }
        let count = self.0.len() as f64;
        let sum: f64 = self.0.iter().map(|value| ((value - mean) / scale).powi(2)).sum();
        (sum / count).sqrt() * scale
    }

    /// The quantile at a share, 0 to 1, linear between order statistics (Hyndman and Fan 1996, type 7).
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        let place = share.clamp(0.0, 1.0) * (self.0.len() - 1) as f64;
        let (low, part) = (place.floor(), place - place.floor());
        let at = |index: f64| self.0.get(index as usize).copied().unwrap_or_else(|| self.max());
        let (a, b) = (at(low), at(low + 1.0));
        if part == 0.0 || a == b {
            return a;
        }
        if !(b - a).is_finite() {
            // Of opposite ends of what a double can hold, the difference is more than it can.
            return a * (1.0 - part) + b * part;
        }
        // From the nearer end: the two forms round differently, and this one is monotone.
        if part < 0.5 { a + (b - a) * part } else { b - (b - a) * (1.0 - part) }
    }

    /// How many values differ from each other; zero is zero whatever its sign.
    #[must_use]
    pub fn distinct(&self) -> usize {
        1 + self.0.windows(2).filter(|pair| matches!(pair, [a, b] if a != b)).count()
    }
}

#[cfg(test)]
mod tests;
