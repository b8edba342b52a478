//! NannyML 0.13's values for one column against a reference, and its limits from the reference's own chunks.

use super::{even_edges, histogram};
use crate::stats::{
    Counts, Method, Sorted, StatError, Test, chi_square_yates, hellinger, jensen_shannon, ks, l_infinity,
    wasserstein,
};

/// Reference rows from which on it estimates Kolmogorov-Smirnov from bins.
pub const ESTIMATED_FROM: usize = 10_000;
/// Standard deviations beside the mean at which its limits lie.
const DEVIATIONS: f64 = 3.0;

/// Its values for a column of numbers. Those of [`ESTIMATED_FROM`] rows or more are exact here and estimated there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Continuous {
    /// `kolmogorov_smirnov`
    pub kolmogorov_smirnov: f64,
    /// `jensen_shannon`
    pub jensen_shannon: f64,
    /// `wasserstein`
    pub wasserstein: f64,
    /// `hellinger`
    pub hellinger: f64,
}

/// Its values for a column of categories.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Categorical {
    /// `chi2`: the statistic that it reports, and the p-value that it alerts on below 0.05.
    pub chi2: Test,
    /// `jensen_shannon`
    pub jensen_shannon: f64,
    /// `l_infinity`
    pub l_infinity: f64,
    /// `hellinger`
    pub hellinger: f64,
}

/// Compares numbers: Doane's bins of the reference, and one more for what falls outside them.
///
/// # Errors
/// If all of the chunk is outside what can be counted.
pub fn continuous(reference: &Sorted, chunk: &Sorted) -> Result<Continuous, StatError> {
    let edges = doane(reference);
    let (mut own, mut other) = (histogram(reference, &edges), histogram(chunk, &edges));
    let outside = chunk.count() as f64 - other.iter().sum::<f64>();
    own.push(0.0);
    other.push(outside);
    let counts = Counts::new(own, other)?;
    Ok(Continuous {
        kolmogorov_smirnov: ks(reference, chunk, Method::Asymptotic).statistic,
        jensen_shannon: jensen_shannon(&counts, 2.0),
        wasserstein: wasserstein(reference, chunk),
        hellinger: hellinger(&counts),
    })
}

/// Compares categories' counts. It takes what the reference lacks as one category, which the χ² test and the greatest difference do not.
///
/// # Errors
/// If the lists do not belong together or have no row.
pub fn categorical(reference: &[f64], chunk: &[f64]) -> Result<Categorical, StatError> {
    let all = Counts::new(reference.to_vec(), chunk.to_vec())?;
    let known = |(a, _): &(f64, f64)| *a > 0.0;
    let mut merged: Vec<(f64, f64)> = all.bins().filter(known).collect();
    merged.push((0.0, all.bins().filter(|bin| !known(bin)).map(|(_, b)| b).sum()));
    let (a, b) = merged.into_iter().unzip();
    let counts = Counts::new(a, b)?;
    Ok(Categorical {
        chi2: chi_square_yates(&all).0,
        jensen_shannon: jensen_shannon(&counts, 2.0),
        l_infinity: l_infinity(&all),
        hellinger: hellinger(&counts),
    })
}

/// Limits from the values of the reference's chunks: three standard deviations (divided by their number) beside the mean, within
/// `floor` and `ceiling`. A value beyond a limit is an alert.
#[must_use]
pub fn limits(values: &[f64], floor: f64, ceiling: f64) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let sd = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    ((mean - DEVIATIONS * sd).max(floor), (mean + DEVIATIONS * sd).min(ceiling))
}

/// Bins whose width follows the skew (Doane 1976).
fn doane(sample: &Sorted) -> Vec<f64> {
    let (n, sd, mean) = (sample.count() as f64, sample.sd(), sample.mean());
    let (min, max) = (sample.min(), sample.max());
    if n <= 2.0 || sd <= 0.0 {
        return even_edges(min, max, 0.0);
    }
    let spread = (6.0 * (n - 2.0) / ((n + 1.0) * (n + 3.0))).sqrt();
    let skew = sample.values().iter().map(|value| ((value - mean) / sd).powi(3)).sum::<f64>() / n;
    even_edges(min, max, (max - min) / (1.0 + n.log2() + (1.0 + skew.abs() / spread).log2()))
}
