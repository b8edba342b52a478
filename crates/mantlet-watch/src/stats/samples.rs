//! Distances between two samples by their empirical distribution functions: Kolmogorov-Smirnov, Wasserstein-1, energy.

use super::{Sorted, kolmogorov_sf};

/// How a p-value is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// By counting lattice paths (Hodges 1958): O(n·m) time.
    Exact,
    /// By the one-sample distribution at the effective sample size (Simard and L'Ecuyer 2011).
    Asymptotic,
    /// Exact up to [`EXACT_PATHS_MAX`] lattice points, and asymptotic beyond.
    Auto,
}

/// Lattice points up to which [`Method::Auto`] counts paths: a tenth of a millisecond or so.
pub const EXACT_PATHS_MAX: usize = 40_000;

/// The two-sample Kolmogorov-Smirnov test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KolmogorovSmirnov {
    /// The greatest distance of the two distribution functions, 0 to 1.
    pub statistic: f64,
    /// Where that is: a value of one of the samples.
    pub location: f64,
    /// Two-sided.
    pub p_value: f64,
}

/// One step of walking both samples upwards: a distinct value, and how many of each sample do not exceed it.
struct Step {
    value: f64,
    first: usize,
    second: usize,
    in_first: bool,
}

/// Walks the distinct values of both samples together.
fn walk<'a>(first: &'a [f64], second: &'a [f64]) -> impl Iterator<Item = Step> + 'a {
    let (mut i, mut j) = (0, 0);
    std::iter::from_fn(move || {
        let (a, b) = (first.get(i).copied(), second.get(j).copied());
        let value = match (a, b) {
            (Some(a), Some(b)) => {
                if a <= b {
                    a
                } else {
                    b
                }
            }
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => return None,
        };
        let start = i;
        while first.get(i).is_some_and(|next| *next <= value) {
            i += 1;
        }
        while second.get(j).is_some_and(|next| *next <= value) {
            j += 1;
        }
        Some(Step { value, first: i, second: j, in_first: i > start })
    })
}

/// The two-sample Kolmogorov-Smirnov test, two-sided. Linear in both samples; see [`Method`] for the p-value.
#[must_use]
pub fn ks(first: &Sorted, second: &Sorted, method: Method) -> KolmogorovSmirnov {
    let (n, m) = (first.count(), second.count());
    // Among equal distances the first sample's least value is named, as others do.
    let mut above = (f64::NEG_INFINITY, false, 0.0);
    let mut below = above;
    for step in walk(first.values(), second.values()) {
        let difference = step.first as f64 / n as f64 - step.second as f64 / m as f64;
        for (best, distance) in [(&mut above, difference), (&mut below, -difference)] {
            if distance > best.0 || (distance == best.0 && step.in_first && !best.1) {
                *best = (distance, step.in_first, step.value);
            }
        }
    }
    let (distance, _, location) = if below.0.max(0.0) > above.0 { below } else { above };
    let statistic = distance.clamp(0.0, 1.0);
    KolmogorovSmirnov { statistic, location, p_value: ks_p_value(statistic, n, m, method) }
}

/// The p-value of a two-sample statistic.
pub(crate) fn ks_p_value(statistic: f64, n: usize, m: usize, method: Method) -> f64 {
    let is_exact = match method {
        Method::Exact => true,
        Method::Asymptotic => false,
        Method::Auto => n.saturating_mul(m) <= EXACT_PATHS_MAX,
    };
    if is_exact { outside_paths(n, m, statistic).clamp(0.0, 1.0) } else { asymptotic(statistic, n, m) }
}

fn asymptotic(statistic: f64, n: usize, m: usize) -> f64 {
    let (n, m) = (n.max(m) as f64, n.min(m) as f64);
    kolmogorov_sf((n * m / (n + m)).round_ties_even().max(1.0) as u64, statistic)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The share of lattice paths from (0,0) to (n,m) that touch or cross the lines at this distance (Hodges 1958, "The
/// significance probability of the Smirnov two-sample test"). Counting what is outside keeps small p-values exact.
fn outside_paths(n: usize, m: usize, statistic: f64) -> f64 {
    let (n, m) = (n.max(m), n.min(m));
    let divisor = gcd(n, m);
    let (long, short) = (n / divisor, m / divisor);
    let Some(lcm) = long.checked_mul(m) else { return asymptotic(statistic, n, m) };
    let height = (statistic * lcm as f64).round() as usize;
    if height == 0 {
        return 1.0;
    }
    // Probability that a random path from the origin has been outside by the time it is at (i, j).
    let end = |i: usize| (short * i + height).div_ceil(long).min(m + 1);
    let mut last = (0, end(0));
    let mut row = vec![1.0; m + 2];
    row.iter_mut().take(last.1).for_each(|cell| *cell = 0.0);
    for i in 1..=n {
        let start = if short * i >= height { ((short * i - height) / long + 1).min(m) } else { 0 };
        let stop = end(i);
        if stop <= start {
            return 1.0;
        }
        let mut left = if start == 0 { 0.0 } else { 1.0 };
        for j in start..stop {
            // What the row before did not hold inside was outside.
            let before = if j < last.1 { row.get(j).copied().unwrap_or(1.0) } else { 1.0 };
            left = (before * i as f64 + left * j as f64) / (i + j) as f64;
            if let Some(cell) = row.get_mut(j) {
                *cell = left;
            }
        }
        last = (start, stop);
    }
    row.get(m).copied().unwrap_or(1.0)
}

/// The Wasserstein-1 ("earth mover's") distance: the area between the distribution functions, in the sample's unit.
#[must_use]
pub fn wasserstein(first: &Sorted, second: &Sorted) -> f64 {
    area(first, second, f64::abs)
}

/// The energy distance of Székely as the field's tools state it: √2 times the root of the squared area.
#[must_use]
pub fn energy(first: &Sorted, second: &Sorted) -> f64 {
    (2.0 * area(first, second, |difference| difference * difference)).sqrt()
}

fn area(first: &Sorted, second: &Sorted, weight: impl Fn(f64) -> f64) -> f64 {
    let (n, m) = (first.count() as f64, second.count() as f64);
    let mut sum = 0.0;
    let mut before: Option<Step> = None;
    for step in walk(first.values(), second.values()) {
        if let Some(last) = before {
            sum += weight(last.first as f64 / n - last.second as f64 / m) * (step.value - last.value);
        }
        before = Some(step);
    }
    sum
}
