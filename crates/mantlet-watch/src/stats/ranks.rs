//! Tests on ranks: Mann-Whitney and Cramér-von Mises, two samples.

use std::collections::BTreeMap;

use super::{
    Method, Sorted, Test,
    special::{ln_gamma, normal_sf, scaled_bessel_k_quarter},
};

/// Up to this size of the smaller sample, and without ties, Mann-Whitney is exact.
const EXACT_MANN_WHITNEY_MAX: usize = 8;
/// Larger samples are never counted out, whatever the smaller one: 8 × 500 × 4,000 steps at most.
const EXACT_COUNT_MAX: usize = 500;
/// Up to this size of the larger sample, Cramér-von Mises is exact.
const EXACT_CRAMER_MAX: usize = 20;

/// Which difference a test looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alternative {
    /// Any.
    TwoSided,
    /// That the first sample's values are less.
    Less,
}

/// Ranks in the pooled sample (ties share their mean), one list per sample, and the sizes of all groups of ties.
fn ranks(first: &[f64], second: &[f64]) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (mut a, mut b, mut groups) =
        (Vec::with_capacity(first.len()), Vec::with_capacity(second.len()), Vec::new());
    let (mut i, mut j) = (0, 0);
    loop {
        let value = match (first.get(i), second.get(j)) {
            (Some(x), Some(y)) => x.min(*y),
            (Some(only), None) | (None, Some(only)) => *only,
            (None, None) => break,
        };
        let (start_i, start_j) = (i, j);
        while first.get(i).is_some_and(|next| *next <= value) {
            i += 1;
        }
        while second.get(j).is_some_and(|next| *next <= value) {
            j += 1;
        }
        let group = (i - start_i) + (j - start_j);
        let rank = (start_i + start_j) as f64 + (group as f64 + 1.0) / 2.0;
        a.extend(std::iter::repeat_n(rank, i - start_i));
        b.extend(std::iter::repeat_n(rank, j - start_j));
        groups.push(group as f64);
    }
    (a, b, groups)
}

/// The Mann-Whitney U test; the statistic is that of the first sample. Asymptotic is normal, with continuity and ties corrected;
/// [`Method::Auto`] counts arrangements where the smaller sample has up to 8 values and there are no ties, as others do. Exact
/// takes O(n²·m) time and is right without ties only.
#[must_use]
pub fn mann_whitney(first: &Sorted, second: &Sorted, alternative: Alternative, method: Method) -> Test {
    let (n1, n2) = (first.count(), second.count());
    let (a, _, groups) = ranks(first.values(), second.values());
    let (x, y) = (n1 as f64, n2 as f64);
    let u1 = a.iter().sum::<f64>() - x * (x + 1.0) / 2.0;
    let u2 = x * y - u1;
    // The probability of so large a U is asked for; for "less" that is the second sample's.
    let (u, factor) = match alternative {
        Alternative::TwoSided => (u1.max(u2), 2.0),
        Alternative::Less => (u2, 1.0),
    };
    let has_ties = groups.iter().any(|group| *group > 1.0);
    let is_exact = match method {
        Method::Exact => true,
        Method::Asymptotic => false,
        Method::Auto => n1.min(n2) <= EXACT_MANN_WHITNEY_MAX && n1.max(n2) <= EXACT_COUNT_MAX && !has_ties,
    };
    let p = if is_exact { exact_u_sf(n1, n2, u) } else { normal_u_sf(x, y, u, &groups) };
    Test { statistic: u1, p_value: (factor * p).clamp(0.0, 1.0) }
}

fn normal_u_sf(n1: f64, n2: f64, u: f64, groups: &[f64]) -> f64 {
    let n = n1 + n2;
    let ties: f64 = groups.iter().map(|t| t * t * t - t).sum();
    let sd = (n1 * n2 / 12.0 * ((n + 1.0) - ties / (n * (n - 1.0)))).max(0.0).sqrt();
    let centered = u - n1 * n2 / 2.0 - 0.5;
    if sd > 0.0 {
        normal_sf(centered / sd)
    } else if centered > 0.0 {
        0.0
    } else {
        1.0
    }
}

/// P(U ≥ u) by counting (Mann and Whitney 1947), as probabilities so that nothing overflows.
fn exact_u_sf(n1: usize, n2: usize, u: f64) -> f64 {
    let (small, large) = (n1.min(n2), n1.max(n2));
    // The Gaussian binomial: factors (1 - q^(large+i)) / (1 - q^i), scaled by i / (large + i) each.
    let top = small * large;
    let mut counts = vec![0.0; top + 1];
    if let Some(first) = counts.first_mut() {
        *first = 1.0;
    }
    for i in 1..=small {
        for k in (large + i..=top).rev() {
            counts[k] -= counts[k - large - i];
        }
        for k in i..=top {
            counts[k] += counts[k - i];
        }
        let scale = i as f64 / (large + i) as f64;
        counts.iter_mut().for_each(|count| *count *= scale);
    }
    let from = u.ceil().max(0.0) as usize;
    counts.iter().skip(from).sum()
}

/// The two-sample Cramér-von Mises test (Anderson 1962). Asymptotic is by the limit distribution; [`Method::Auto`] counts
/// arrangements where neither sample has more than 20 values. Exact takes time beyond the product of the sizes cubed.
#[must_use]
pub fn cramer_von_mises(first: &Sorted, second: &Sorted, method: Method) -> Test {
    let (n, m) = (first.count(), second.count());
    let (a, b, _) = ranks(first.values(), second.values());
    let square = |ranks: &[f64]| {
        ranks.iter().enumerate().map(|(i, rank)| (rank - (i + 1) as f64).powi(2)).sum::<f64>()
    };
    let (x, y) = (n as f64, m as f64);
    let u = x * square(&a) + y * square(&b);
    let (k, total) = (x * y, x + y);
    let statistic = u / (k * total) - (4.0 * k - 1.0) / (6.0 * total);
    let is_exact = match method {
        Method::Exact => true,
        Method::Asymptotic => false,
        Method::Auto => n.max(m) <= EXACT_CRAMER_MAX,
    };
    let p_value = if is_exact { exact_cramer(u, n, m) } else { asymptotic_cramer(statistic, x, y) };
    Test { statistic, p_value: p_value.clamp(0.0, 1.0) }
}

/// Normalizes by the exact mean and variance (Anderson 1962, equations 11 and 14), then asks the limit.
fn asymptotic_cramer(statistic: f64, n: f64, m: f64) -> f64 {
    let (k, total) = (n * m, n + m);
    let mean = (1.0 + 1.0 / total) / 6.0;
    let variance = (total + 1.0) * (4.0 * k * total - 3.0 * (n * n + m * m) - 2.0 * k)
        / (45.0 * total * total * 4.0 * k);
    let normalized = 1.0 / 6.0 + (statistic - mean) / (45.0 * variance).sqrt();
    if normalized < 0.003 { 1.0 } else { (1.0 - limit_cdf(normalized)).max(0.0) }
}

/// The limit distribution function, equation 1.2 of Csörgő and Faraway (1996). The series ends at a term below 1e-7, where
/// the field's tools end it; far in the tail what is left is that remainder, and p-values below 1e-8 mean "tiny".
fn limit_cdf(x: f64) -> f64 {
    let mut total = 0.0;
    for k in 0..10_000 {
        let k = f64::from(k);
        let weight =
            (ln_gamma(k + 0.5) - ln_gamma(k + 1.0)).exp() / (std::f64::consts::PI.powf(1.5) * x.sqrt());
        let y = 4.0 * k + 1.0;
        let q = y * y / (16.0 * x);
        let term = weight * y.sqrt() * (-2.0 * q).exp() * scaled_bessel_k_quarter(q);
        total += term;
        if term.abs() < 1e-7 {
            break;
        }
    }
    total
}

/// Counts all arrangements by their statistic (Xiao, Gordon and Yakovlev 2006).
fn exact_cramer(u: f64, n: usize, m: usize) -> f64 {
    let (n, m) = (n as i64, m as i64);
    let lcm = n / gcd(n, m) * m;
    let (a, b) = (lcm / n, lcm / m);
    let mn = (n * m) as f64;
    let lcm_squared = (lcm * lcm) as f64;
    // The statistic of the arrangement is compared on the integer scale of the recursion.
    let zeta = (lcm_squared * (n + m) as f64 * (6.0 * u - mn * (4.0 * mn - 1.0)) / (6.0 * mn * mn)).floor();
    let mut tables: Vec<BTreeMap<i64, f64>> = vec![BTreeMap::new(); n as usize + 1];
    if let Some(first) = tables.first_mut() {
        first.insert(0, 1.0);
    }
    for step in 0..=m {
        let mut running: BTreeMap<i64, f64> = BTreeMap::new();
        for (v, table) in tables.iter_mut().enumerate() {
            for (value, count) in table.iter() {
                *running.entry(*value).or_insert(0.0) += count;
            }
            let shift = (a * v as i64 - b * step).pow(2);
            running = running.iter().map(|(value, count)| (value + shift, *count)).collect();
            table.clone_from(&running);
        }
    }
    let last = tables.pop().unwrap_or_default();
    let all: f64 = last.values().sum();
    // Values are integers below 2^53, and the bound may be half a step beside one.
    let above: f64 = last.iter().filter(|(value, _)| **value as f64 >= zeta).map(|(_, count)| count).sum();
    above / all
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
