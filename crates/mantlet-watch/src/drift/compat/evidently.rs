//! Evidently 0.7's tests for one column: its choice of a test, its bins and its limits. There is no correction for the number of columns.

use std::collections::BTreeMap;

use super::{even_edges, histogram};
use crate::stats::{
    Alternative, Counts, Method, Sorted, StatError, cramer_von_mises, energy, jensen_shannon, ks,
    mann_whitney, special, wasserstein,
};

/// Reference rows up to which it tests, and beyond which it measures a distance.
const TESTED_MAX: usize = 1_000;
/// Up to so many distinct values, numbers are categories to it when it chooses a test.
const FEW: usize = 5;
/// And when it makes bins.
const BINNED_FROM: usize = 20;
/// Size of the larger sample up to which its Kolmogorov-Smirnov test is exact.
const EXACT_MAX: usize = 10_000;

/// The tests, by their names there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// `ks`
    Ks,
    /// `wasserstein`
    Wasserstein,
    /// `psi`
    Psi,
    /// `jensenshannon`
    JensenShannon,
    /// `kl_div`
    KullbackLeibler,
    /// `hellinger`
    Hellinger,
    /// `cramer_von_mises`
    CramerVonMises,
    /// `mannw`
    MannWhitney,
    /// `ed`
    Energy,
    /// `t_test`
    TTest,
    /// `chisquare`
    ChiSquare,
    /// `z`
    Z,
}

impl Name {
    /// The name there.
    #[must_use]
    pub fn stated(self) -> &'static str {
        match self {
            Self::Ks => "ks",
            Self::Wasserstein => "wasserstein",
            Self::Psi => "psi",
            Self::JensenShannon => "jensenshannon",
            Self::KullbackLeibler => "kl_div",
            Self::Hellinger => "hellinger",
            Self::CramerVonMises => "cramer_von_mises",
            Self::MannWhitney => "mannw",
            Self::Energy => "ed",
            Self::TTest => "t_test",
            Self::ChiSquare => "chisquare",
            Self::Z => "z",
        }
    }
}

/// What it would say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// The test.
    pub name: Name,
    /// A p-value or a distance; NaN where the test has no answer.
    pub score: f64,
    /// Its limit.
    pub threshold: f64,
    /// Whether it calls that drift.
    pub is_drift: bool,
}

/// A column as it sees it, without missing values.
#[derive(Debug, Clone)]
pub enum Column {
    /// Numbers.
    Numbers(Sorted),
    /// Categories with their counts.
    Categories(BTreeMap<Box<str>, u64>),
}

impl Column {
    fn rows(&self) -> usize {
        match self {
            Self::Numbers(sample) => sample.count(),
            Self::Categories(counts) => counts.values().sum::<u64>() as usize,
        }
    }
}

/// The test that it takes by itself.
#[must_use]
pub fn choice(reference: &Column, current: &Column) -> Name {
    let distinct = by_value(reference, current).len();
    let is_large = reference.rows() > TESTED_MAX;
    let is_number = matches!(reference, Column::Numbers(_));
    match (is_large, is_number && distinct > FEW) {
        (false, true) => Name::Ks,
        (false, false) if distinct > 2 => Name::ChiSquare,
        (false, false) => Name::Z,
        (true, true) => Name::Wasserstein,
        (true, false) => Name::JensenShannon,
    }
}

/// Runs a test.
///
/// # Errors
/// If one column holds numbers and the other categories, or categories are asked for what only numbers have.
pub fn test(name: Name, reference: &Column, current: &Column) -> Result<Verdict, StatError> {
    let score = match name {
        Name::Psi | Name::JensenShannon | Name::KullbackLeibler => binned(name, reference, current)?,
        Name::Hellinger => hellinger(reference, current)?,
        Name::ChiSquare => chi_square(&by_value(reference, current)),
        Name::Z => z(&by_value(reference, current)),
        _ => match (reference, current) {
            (Column::Numbers(reference), Column::Numbers(current)) => numeric(name, reference, current),
            _ => return Err(StatError::Shape),
        },
    };
    let threshold = match name {
        Name::Ks | Name::MannWhitney | Name::TTest | Name::ChiSquare | Name::Z => 0.05,
        _ => 0.1,
    };
    let is_drift = match name {
        Name::Ks | Name::CramerVonMises => score <= threshold,
        Name::MannWhitney | Name::TTest | Name::ChiSquare | Name::Z => score < threshold,
        Name::Energy => score > threshold,
        _ => score >= threshold,
    };
    Ok(Verdict { name, score, threshold, is_drift })
}

fn numeric(name: Name, reference: &Sorted, current: &Sorted) -> f64 {
    match name {
        Name::Ks => {
            let is_exact = reference.count().max(current.count()) <= EXACT_MAX;
            ks(reference, current, if is_exact { Method::Exact } else { Method::Asymptotic }).p_value
        }
        Name::Wasserstein => wasserstein(reference, current) / reference.sd().max(0.001),
        Name::CramerVonMises => cramer_von_mises(reference, current, Method::Auto).p_value,
        Name::MannWhitney => mann_whitney(reference, current, Alternative::Less, Method::Auto).p_value,
        Name::Energy => energy(reference, current),
        _ => student(reference, current),
    }
}

/// Student's test with one variance for both.
fn student(reference: &Sorted, current: &Sorted) -> f64 {
    let (n, m) = (reference.count() as f64, current.count() as f64);
    let degrees = n + m - 2.0;
    let pooled = (n * reference.sd().powi(2) + m * current.sd().powi(2)) / degrees;
    let t = (reference.mean() - current.mean()) / (pooled * (1.0 / n + 1.0 / m)).sqrt();
    if t.is_nan() { f64::NAN } else { special::student_two_sided(t, degrees) }
}

/// Counts of each value of either, in order.
fn by_value(reference: &Column, current: &Column) -> Vec<(f64, f64)> {
    match (reference, current) {
        (Column::Numbers(a), Column::Numbers(b)) => {
            let (mut a, mut b) = (a.values(), b.values());
            let mut counts = Vec::new();
            while let Some(value) = [a.first(), b.first()].into_iter().flatten().copied().reduce(f64::min) {
                let (i, j) = (a.partition_point(|x| *x <= value), b.partition_point(|x| *x <= value));
                counts.push((i as f64, j as f64));
                (a, b) = (a.get(i..).unwrap_or_default(), b.get(j..).unwrap_or_default());
            }
            counts
        }
        (Column::Categories(a), Column::Categories(b)) => {
            let names: std::collections::BTreeSet<&Box<str>> = a.keys().chain(b.keys()).collect();
            let of = |counts: &BTreeMap<Box<str>, u64>, name| counts.get(name).copied().unwrap_or(0) as f64;
            names.into_iter().map(|name| (of(a, name), of(b, name))).collect()
        }
        _ => Vec::new(),
    }
}

/// Its bins: Sturges' over both samples together, or the values themselves where the reference has few.
fn bins(reference: &Column, current: &Column) -> Result<Vec<(f64, f64)>, StatError> {
    match (reference, current) {
        (Column::Numbers(a), Column::Numbers(b)) if a.distinct() > BINNED_FROM => {
            let (min, max) = (a.min().min(b.min()), a.max().max(b.max()));
            let edges = sturges(min, max, a.count() + b.count());
            Ok(histogram(a, &edges).into_iter().zip(histogram(b, &edges)).collect())
        }
        (Column::Numbers(_), Column::Numbers(_)) | (Column::Categories(_), Column::Categories(_)) => {
            Ok(by_value(reference, current))
        }
        _ => Err(StatError::Shape),
    }
}

fn sturges(min: f64, max: f64, count: usize) -> Vec<f64> {
    even_edges(min, max, (max - min) / ((count as f64).log2() + 1.0))
}

fn binned(name: Name, reference: &Column, current: &Column) -> Result<f64, StatError> {
    let (a, b): (Vec<f64>, Vec<f64>) = bins(reference, current)?.into_iter().unzip();
    if name == Name::JensenShannon {
        return Ok(jensen_shannon(&Counts::new(a, b)?, std::f64::consts::E));
    }
    let (p, q) = (filled(&a), filled(&b));
    if name == Name::Psi {
        return Ok(p.iter().zip(&q).map(|(p, q)| (p - q) * (p / q).ln()).sum());
    }
    let (n, m): (f64, f64) = (p.iter().sum(), q.iter().sum());
    Ok(p.iter().zip(&q).map(|(p, q)| p / n * ((p / n) / (q / m)).ln()).sum())
}

/// Shares, with empty bins given a little.
fn filled(counts: &[f64]) -> Vec<f64> {
    let total: f64 = counts.iter().sum();
    let shares: Vec<f64> = counts.iter().map(|count| count / total).collect();
    let least = shares.iter().copied().filter(|share| *share > 0.0).fold(f64::INFINITY, f64::min);
    let little = if least <= 0.0001 { least / 1e6 } else { 0.0001 };
    shares.into_iter().map(|share| if share == 0.0 { little } else { share }).collect()
}

/// Over bins of the distinct values' range, as their number, not the rows', demands. Shares are densities there, over each bin's own
/// width and times the mean one, which differ where values are large beside their range.
fn hellinger(reference: &Column, current: &Column) -> Result<f64, StatError> {
    let (bins, widths): (Vec<(f64, f64)>, Vec<f64>) = match (reference, current) {
        (Column::Numbers(a), Column::Numbers(b)) => {
            let (min, max) = (a.min().min(b.min()), a.max().max(b.max()));
            let edges = sturges(min, max, by_value(reference, current).len());
            let ends = edges.first().zip(edges.last()).map_or(0.0, |(first, last)| last - first);
            let mean = ends / (edges.len() - 1) as f64;
            let widths = edges.windows(2).map(|pair| if let [a, b] = pair { mean / (b - a) } else { 1.0 });
            (histogram(a, &edges).into_iter().zip(histogram(b, &edges)).collect(), widths.collect())
        }
        (Column::Categories(_), Column::Categories(_)) => {
            let bins = by_value(reference, current);
            let widths = vec![1.0; bins.len()];
            (bins, widths)
        }
        _ => return Err(StatError::Shape),
    };
    let (n, m) = bins.iter().fold((0.0, 0.0), |(n, m), (a, b)| (n + a, m + b));
    let overlap: f64 = bins.iter().zip(widths).map(|((p, q), width)| (p / n * (q / m)).sqrt() * width).sum();
    Ok((1.0 - overlap.clamp(0.0, 1.0)).sqrt())
}

/// Pearson's test of the current counts against the reference's shares; a value that the reference lacks makes p zero.
fn chi_square(counts: &[(f64, f64)]) -> f64 {
    let (n, m) = counts.iter().fold((0.0, 0.0), |(n, m), (a, b)| (n + a, m + b));
    let scale = m / n;
    let statistic: f64 = counts.iter().map(|(a, b)| (b - a * scale).powi(2) / (a * scale)).sum();
    if statistic.is_infinite() {
        return 0.0;
    }
    special::chi_square_sf(statistic, counts.len() as f64 - 1.0)
}

/// The test of two proportions: of whatever is not the first value.
fn z(counts: &[(f64, f64)]) -> f64 {
    let Some(first) = counts.first() else { return f64::NAN };
    if counts.len() == 1 {
        return 1.0;
    }
    let (n, m) = counts.iter().fold((0.0, 0.0), |(n, m), (a, b)| (n + a, m + b));
    let (p, q) = (1.0 - first.0 / n, 1.0 - first.1 / m);
    let pooled = (p * n + q * m) / (n + m);
    let z = (p - q) / (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
    2.0 * special::normal_sf(z.abs())
}
