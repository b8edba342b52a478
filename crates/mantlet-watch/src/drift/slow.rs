//! Long windows without their rows: counts in the reference's bins, which replicas add up.

use serde::{Deserialize, Serialize};

use super::{
    Cell, Reference, Rules,
    category::Tally,
    check::{Seen, effects_of, seen_categories},
    number::NumberReference,
    reference::{ColumnReference, Known},
};
use crate::stats::{Counts, Method, samples};

/// Bins of a column of numbers. At 256 the Kolmogorov-Smirnov statistic is too small by at most a few thousandths; too small means
/// that p is too large, so noise is never made an alarm by it.
const BINS: usize = 256;

/// What a slow window has counted of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SlowColumn {
    missing: u64,
    counted: Counted,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Counted {
    /// Count and sum of each bin, the sum less the bin's edge so that digits are kept.
    Bins(Vec<(u64, f64)>),
    Categories(Tally),
}

impl SlowColumn {
    pub(crate) fn new(column: &ColumnReference) -> Self {
        let counted = match &column.known {
            Known::Number(_) => Counted::Bins(vec![(0, 0.0); BINS]),
            Known::Category(_) => Counted::Categories(Tally::default()),
        };
        Self { missing: 0, counted }
    }

    /// Counts a value, whose kind has been checked. Gives a category that is new.
    pub(crate) fn observe(&mut self, column: &ColumnReference, cell: Cell<'_>) -> Option<Box<str>> {
        match (&column.known, &mut self.counted, cell) {
            (Known::Number(numbers), Counted::Bins(bins), Cell::Number(value)) => {
                let (place, base) = place(numbers, value);
                if let Some((count, sum)) = bins.get_mut(place) {
                    *count = count.saturating_add(1);
                    // Kept within what can be written down and read again.
                    *sum = (*sum + (value - base)).clamp(f64::MIN, f64::MAX);
                }
                None
            }
            (Known::Category(categories), Counted::Categories(tally), Cell::Category(name)) => {
                categories.tally(name, tally)
            }
            _ => {
                self.missing = self.missing.saturating_add(1);
                None
            }
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.missing = self.missing.saturating_add(other.missing);
        match (&mut self.counted, &other.counted) {
            (Counted::Bins(own), Counted::Bins(other)) => {
                for ((count, sum), (more, part)) in own.iter_mut().zip(other) {
                    *count = count.saturating_add(*more);
                    *sum = (*sum + part).clamp(f64::MIN, f64::MAX);
                }
            }
            (Counted::Categories(own), Counted::Categories(other)) => own.merge(other),
            _ => {}
        }
    }

    /// Whether it can have been counted against this column.
    pub(crate) fn is_of(&self, column: &ColumnReference) -> bool {
        match (&self.counted, &column.known) {
            (Counted::Bins(bins), Known::Number(_)) => {
                bins.len() == BINS && bins.iter().all(|(_, sum)| sum.is_finite())
            }
            (Counted::Categories(tally), Known::Category(categories)) => tally.is_of(categories),
            _ => false,
        }
    }

    pub(crate) fn seen(&self, column: &ColumnReference, rules: &Rules) -> Option<Seen> {
        match (&column.known, &self.counted) {
            (Known::Category(categories), Counted::Categories(tally)) => {
                Some(seen_categories(categories, tally, self.missing, rules))
            }
            (Known::Number(numbers), Counted::Bins(bins)) => {
                let values = bins.iter().fold(0, |sum, (count, _)| count.saturating_add(sum));
                let effects =
                    (values >= rules.values_min as u64).then(|| binned(numbers, bins, rules)).flatten();
                Some(Seen { values, missing: self.missing, effects, new: Vec::new(), new_rows: None })
            }
            _ => None,
        }
    }
}

/// A value's bin, and the value that the bin's sum is counted from. The first bin is what lies below the reference, the last what lies
/// above it.
fn place(numbers: &NumberReference, value: f64) -> (usize, f64) {
    let values = numbers.values();
    let bin = if values.last().is_some_and(|last| value > *last) {
        BINS - 1
    } else {
        let below = values.partition_point(|other| *other <= value);
        (below * (BINS - 2)).div_ceil(values.len().max(1)).min(BINS - 2)
    };
    (bin, base(numbers, bin))
}

fn base(numbers: &NumberReference, bin: usize) -> f64 {
    let values = numbers.values();
    let index = (bin * values.len() / (BINS - 2)).min(values.len().saturating_sub(1));
    values.get(index).copied().unwrap_or(0.0)
}

/// Compares counts: the distribution functions at the bins' ends, and the bins' means as if all of a bin were there.
fn binned(numbers: &NumberReference, bins: &[(u64, f64)], rules: &Rules) -> Option<super::Effects> {
    let mut own = vec![(0_u64, 0.0); BINS];
    for value in numbers.values() {
        let (at, base) = place(numbers, *value);
        if let Some((count, sum)) = own.get_mut(at) {
            *count += 1;
            *sum += value - base;
        }
    }
    let total = |bins: &[(u64, f64)]| bins.iter().map(|(count, _)| *count).sum::<u64>() as f64;
    let (n, m) = (total(&own), total(bins));
    let (mut f, mut g, mut ks) = (0.0, 0.0, 0.0_f64);
    let mut atoms: Vec<(f64, f64)> = Vec::with_capacity(2 * BINS);
    for (bin, ((count, sum), (more, part))) in own.iter().zip(bins).enumerate() {
        f += *count as f64 / n;
        g += *more as f64 / m;
        ks = ks.max((f - g).abs());
        let mean = |count: u64, sum: f64| base(numbers, bin) + sum / count as f64;
        if *count > 0 {
            atoms.push((mean(*count, *sum), *count as f64 / n));
        }
        if *more > 0 {
            atoms.push((mean(*more, *part), -(*more as f64) / m));
        }
    }
    atoms.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut area, mut difference) = (0.0, 0.0_f64);
    for pair in atoms.windows(2) {
        if let [(a, weight), (b, _)] = pair {
            difference += weight;
            area += difference.abs() * (b - a);
        }
    }
    // Tenths of the reference, each a run of the fine bins.
    let coarse = |bins: &[(u64, f64)]| -> Vec<f64> {
        bins.chunks(BINS.div_ceil(super::number::BINS)).map(total).collect()
    };
    let counts = Counts::new(coarse(&own), coarse(bins)).ok()?;
    let p_value = samples::ks_p_value(ks, n as usize, m as usize, Method::Asymptotic);
    let shift = (numbers.sd() > 0.0).then(|| area / numbers.sd());
    let effects = effects_of("ks", (ks, p_value), &counts, rules.alpha);
    Some(super::Effects { wasserstein: Some(area), shift, ..effects })
}

/// Empty columns for a reference.
pub(crate) fn columns(reference: &Reference) -> Vec<SlowColumn> {
    reference.columns().iter().map(SlowColumn::new).collect()
}
