//! Distances and tests of two lists of counts in the same bins: population stability, Jensen-Shannon, χ², Hellinger, total
//! variation.

use super::{Sorted, StatError, Test, special::chi_square_sf};

/// Below this share a bin counts as this for [`psi`] and [`kullback_leibler`], which empty bins would make infinite.
pub const SHARE_FLOOR: f64 = 1e-4;

/// Two lists of counts in the same bins, each with something in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    reference: Vec<f64>,
    current: Vec<f64>,
}

impl Counts {
    /// Checks two lists of counts.
    ///
    /// # Errors
    /// If they have different lengths or no bin, a count is negative or not finite, or one of them is empty.
    pub fn new(reference: Vec<f64>, current: Vec<f64>) -> Result<Self, StatError> {
        if reference.len() != current.len() || reference.is_empty() {
            return Err(StatError::Shape);
        }
        if reference.iter().chain(&current).any(|count| !count.is_finite() || *count < 0.0) {
            return Err(StatError::NotFinite);
        }
        if reference.iter().sum::<f64>() <= 0.0 || current.iter().sum::<f64>() <= 0.0 {
            return Err(StatError::Empty);
        }
        Ok(Self { reference, current })
    }

    /// Counts two samples in bins: bin `i` holds what is at least edge `i-1` and below edge `i`.
    #[must_use]
    pub fn of_samples(reference: &Sorted, current: &Sorted, edges: &[f64]) -> Self {
        Self { reference: fill(reference, edges), current: fill(current, edges) }
    }

    /// The bins: reference count and current count.
    pub fn bins(&self) -> impl Iterator<Item = (f64, f64)> + Clone {
        self.reference.iter().copied().zip(self.current.iter().copied())
    }

    /// Sums of both.
    #[must_use]
    pub fn totals(&self) -> (f64, f64) {
        (self.reference.iter().sum(), self.current.iter().sum())
    }

    fn shares(&self) -> impl Iterator<Item = (f64, f64)> {
        let (n, m) = self.totals();
        self.bins().map(move |(p, q)| (p / n, q / m))
    }
}

fn fill(sample: &Sorted, edges: &[f64]) -> Vec<f64> {
    let below = |edge: &f64| sample.values().partition_point(|value| value < edge) as f64;
    let mut last = 0.0;
    let mut counts = Vec::with_capacity(edges.len() + 1);
    for edge in edges {
        let upto = below(edge);
        counts.push(upto - last);
        last = upto;
    }
    counts.push(sample.count() as f64 - last);
    counts
}

/// The inner edges of bins that hold about the same share of a sample each; fewer where values repeat.
#[must_use]
pub fn quantile_edges(sample: &Sorted, bins: usize) -> Vec<f64> {
    let step = 1.0 / bins as f64;
    let mut edges: Vec<f64> = (1..bins).map(|i| sample.quantile(i as f64 * step)).collect();
    edges.dedup_by(|a, b| a == b);
    edges
}

/// The population stability index: Σ (p-q)·ln(p/q), shares below [`SHARE_FLOOR`] counted as that.
#[must_use]
pub fn psi(counts: &Counts) -> f64 {
    counts
        .shares()
        .map(|(p, q)| (p.max(SHARE_FLOOR), q.max(SHARE_FLOOR)))
        .map(|(p, q)| (p - q) * (p / q).ln())
        .sum()
}

/// The Jensen-Shannon distance: the root of the divergence, in the given base of the logarithm (2 makes 1 its maximum).
#[must_use]
pub fn jensen_shannon(counts: &Counts, base: f64) -> f64 {
    let relative = |p: f64, m: f64| if p > 0.0 { p * (p / m).ln() } else { 0.0 };
    let sum: f64 = counts
        .shares()
        .map(|(p, q)| {
            let middle = f64::midpoint(p, q);
            relative(p, middle) + relative(q, middle)
        })
        .sum();
    // A distance of equals may come out as a rounding error below zero.
    (sum.max(0.0) / base.ln() / 2.0).sqrt()
}

/// The Kullback-Leibler divergence of the reference from the current counts, in nats, after [`SHARE_FLOOR`].
#[must_use]
pub fn kullback_leibler(counts: &Counts) -> f64 {
    let floored: Vec<(f64, f64)> =
        counts.shares().map(|(p, q)| (p.max(SHARE_FLOOR), q.max(SHARE_FLOOR))).collect();
    let (n, m) = floored.iter().fold((0.0, 0.0), |(n, m), (p, q)| (n + p, m + q));
    floored.into_iter().map(|(p, q)| (p / n, q / m)).map(|(p, q)| p * (p / q).ln()).sum()
}

/// The Hellinger distance, 0 to 1.
#[must_use]
pub fn hellinger(counts: &Counts) -> f64 {
    let sum: f64 = counts.shares().map(|(p, q)| (p.sqrt() - q.sqrt()).powi(2)).sum();
    (sum / 2.0).sqrt().min(1.0)
}

/// Half the sum of the shares' differences, 0 to 1.
#[must_use]
pub fn total_variation(counts: &Counts) -> f64 {
    counts.shares().map(|(p, q)| (p - q).abs()).sum::<f64>() / 2.0
}

/// The greatest difference of a share, 0 to 1.
#[must_use]
pub fn l_infinity(counts: &Counts) -> f64 {
    counts.shares().map(|(p, q)| (p - q).abs()).fold(0.0, f64::max)
}

/// Pearson's χ² test of homogeneity without continuity correction. Bins that are empty in both are no bins. Gives the test and
/// its degrees of freedom; with a single bin nothing can differ, and p is 1.
#[must_use]
pub fn chi_square(counts: &Counts) -> (Test, usize) {
    homogeneity(counts.bins(), 0.0)
}

/// The same with Yates's correction where there are two bins.
pub(crate) fn chi_square_yates(counts: &Counts) -> (Test, usize) {
    let used = counts.bins().filter(|(a, b)| a + b > 0.0).count();
    homogeneity(counts.bins(), if used == 2 { 0.5 } else { 0.0 })
}

/// The same after merging bins in which fewer than `expected_min` are expected on either side, the rarest first: below 5 or so the
/// χ² distribution is not what the statistic follows (Cochran 1954).
#[must_use]
pub fn chi_square_merged(counts: &Counts, expected_min: f64) -> (Test, usize) {
    let (n, m) = counts.totals();
    let share = n.min(m) / (n + m);
    let mut bins: Vec<(f64, f64)> = counts.bins().filter(|(a, b)| a + b > 0.0).collect();
    bins.sort_by(|x, y| (x.0 + x.1).total_cmp(&(y.0 + y.1)));
    let mut merged: Vec<(f64, f64)> = Vec::with_capacity(bins.len());
    let mut rest = (0.0, 0.0);
    for (a, b) in bins {
        rest = (rest.0 + a, rest.1 + b);
        if (rest.0 + rest.1) * share >= expected_min {
            merged.push(std::mem::take(&mut rest));
        }
    }
    match merged.last_mut() {
        Some(last) => *last = (last.0 + rest.0, last.1 + rest.1),
        None => merged.push(rest),
    }
    homogeneity(merged.into_iter(), 0.0)
}

fn homogeneity(bins: impl Iterator<Item = (f64, f64)> + Clone, correction: f64) -> (Test, usize) {
    let (n, m) = bins.clone().fold((0.0, 0.0), |(n, m), (a, b)| (n + a, m + b));
    let mut statistic = 0.0;
    let mut used = 0_usize;
    for (a, b) in bins {
        let both = a + b;
        if both == 0.0 {
            continue;
        }
        used += 1;
        for (observed, whole) in [(a, n), (b, m)] {
            let expected = both * whole / (n + m);
            let off = (observed - expected).abs();
            statistic += (off - correction.min(off)).powi(2) / expected;
        }
    }
    let degrees = used.saturating_sub(1);
    let p_value = if degrees == 0 { 1.0 } else { chi_square_sf(statistic, degrees as f64) };
    (Test { statistic, p_value }, degrees)
}
