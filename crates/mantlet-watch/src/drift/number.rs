//! A column of numbers in the reference, prepared so that a window is compared with it without walking all of it.

use serde::{Deserialize, Serialize};

use crate::stats::{Counts, Sorted, StatError, quantile_edges};

/// Bins of the population stability index.
pub(crate) const BINS: usize = 10;

/// A reference column of numbers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub(crate) struct NumberReference {
    values: Vec<f64>,
    /// `sums[i]` is the sum of the first `i` values less the middle one, in this order.
    sums: Vec<f64>,
    middle: f64,
    sd: f64,
    edges: Vec<f64>,
    counts: Vec<f64>,
}

/// What is written down of it: the rest follows.
#[derive(Serialize, Deserialize)]
struct Stored {
    values: Vec<f64>,
    sd: f64,
}

/// How far two distribution functions are apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Apart {
    /// The greatest distance.
    pub(crate) ks: f64,
    /// The area between them.
    pub(crate) wasserstein: f64,
}

impl NumberReference {
    /// Prepares a sample; of one that is larger than `values_max`, evenly spaced order statistics are kept, which are off by at most
    /// `1/(2·values_max)` in the distribution function.
    pub(crate) fn new(sample: &Sorted, values_max: usize) -> Self {
        let sd = sample.sd();
        let count = sample.count();
        let values = if count <= values_max {
            sample.values().to_vec()
        } else {
            let place = |i: usize| ((i as f64 + 0.5) / values_max as f64 * count as f64) as usize;
            (0..values_max).filter_map(|i| sample.values().get(place(i)).copied()).collect()
        };
        Self::prepared(values, sd)
    }

    fn prepared(values: Vec<f64>, sd: f64) -> Self {
        let middle = values.get(values.len() / 2).copied().unwrap_or(0.0);
        let mut sums = Vec::with_capacity(values.len() + 1);
        let mut sum = 0.0;
        sums.push(sum);
        for value in &values {
            sum += value - middle;
            sums.push(sum);
        }
        let (edges, counts) =
            Sorted::new(values.clone()).map_or_else(|_| (Vec::new(), Vec::new()), |sample| binned(&sample));
        Self { values, sums, middle, sd, edges, counts }
    }

    pub(crate) fn values(&self) -> &[f64] {
        &self.values
    }

    pub(crate) fn sd(&self) -> f64 {
        self.sd
    }

    pub(crate) fn is_constant(&self) -> bool {
        self.values.first() == self.values.last()
    }

    /// Counts in the bins of the population stability index.
    pub(crate) fn counts(&self, window: &[f64]) -> Result<Counts, StatError> {
        let mut counts = Vec::with_capacity(self.counts.len());
        let mut last = 0;
        for edge in &self.edges {
            let upto = window.partition_point(|value| value < edge);
            counts.push(upto.saturating_sub(last) as f64);
            last = upto;
        }
        counts.push(window.len().saturating_sub(last) as f64);
        Counts::new(self.counts.clone(), counts)
    }

    /// Compares with a sorted window: O(m·log(n/m)) for m values beside n.
    pub(crate) fn apart(&self, window: &[f64]) -> Apart {
        // Multiplied by the inverse: there are five quotients a value.
        let (per_n, per_m) = (1.0 / self.values.len() as f64, 1.0 / window.len() as f64);
        let (Some(&first), Some(&last)) = (self.values.first(), self.values.last()) else {
            return Apart { ks: f64::NAN, wasserstein: f64::NAN };
        };
        // What lies between two values of the window if nothing has changed, and a little more.
        let stride = 2 * self.values.len() / window.len().max(1) + 1;
        let (mut ks, mut area) = (0.0_f64, 0.0);
        // Up to `from`, `below` values of the reference and `seen` of the window are counted.
        let mut from = first.min(window.first().copied().unwrap_or(first));
        let (mut below, mut seen) = (0, 0);
        while let Some(&value) = window.get(seen) {
            let level = seen as f64 * per_m;
            let before = gallop(&self.values, below, stride, |other| other < value);
            ks = ks.max((before as f64 * per_n - level).abs());
            area += self.area((from, value), (below, before), level, per_n);
            below = if self.values.get(before) == Some(&value) {
                gallop(&self.values, before, 1, |other| other <= value)
            } else {
                before
            };
            seen += 1;
            while window.get(seen).is_some_and(|next| *next == value) {
                seen += 1;
            }
            ks = ks.max((below as f64 * per_n - seen as f64 * per_m).abs());
            from = value;
        }
        if last > from {
            area += self.area((from, last), (below, self.values.len()), 1.0, per_n);
        }
        Apart { ks, wasserstein: area }
    }

    /// The area between the reference's distribution function and a level, from `a` to `b`, where `low` values are at most `a` and `high`
    /// below `b`.
    fn area(&self, (a, b): (f64, f64), (low, high): (usize, usize), level: f64, per_n: f64) -> f64 {
        // The function is at most the level up to where its count passes this.
        let crossing = level * self.values.len() as f64;
        let turn = (crossing as usize).clamp(low, high);
        // Where the function passes the level: before `a` if it has already, at the value that makes its count pass, or not before `b`.
        let at = if crossing < low as f64 {
            a
        } else if turn < high {
            self.values.get(turn).copied().unwrap_or(b).clamp(a, b)
        } else {
            b
        };
        (level * (at - a) - per_n * self.integral(a, at, low, turn))
            + (per_n * self.integral(at, b, turn, high) - level * (b - at))
    }

    /// The integral of the count, which is the distribution function times the number of values, from `a` to `b`, between which lie the
    /// values from `low` to `high`.
    fn integral(&self, a: f64, b: f64, low: usize, high: usize) -> f64 {
        let sum = |index: usize| self.sums.get(index).copied().unwrap_or(0.0);
        let (a, b) = (a - self.middle, b - self.middle);
        high as f64 * b - low as f64 * a - (sum(high) - sum(low))
    }
}

/// Bins that hold a tenth each. Where values repeat so much that there is but one edge, what lies above it is a bin of its own:
/// otherwise a column that was constant could only drift downwards.
fn binned(sample: &Sorted) -> (Vec<f64>, Vec<f64>) {
    let mut edges = quantile_edges(sample, BINS);
    if let [only] = edges.as_slice() {
        edges.push(only.next_up());
    }
    let counts = Counts::of_samples(sample, sample, &edges);
    let counts = counts.bins().map(|(count, _)| count).collect();
    (edges, counts)
}

/// The first place from `start` on where a condition that is true up to somewhere ends; doubling steps of at least `step`, then halving.
fn gallop(values: &[f64], start: usize, step: usize, holds: impl Fn(f64) -> bool) -> usize {
    let mut step = step;
    let (mut low, mut high) = (start, start);
    loop {
        high += step;
        if values.get(high).is_none_or(|value| !holds(*value)) {
            break;
        }
        low = high + 1;
        step *= 2;
    }
    let high = high.min(values.len());
    low + values.get(low..high).map_or(0, |part| part.partition_point(|value| holds(*value)))
}

impl From<NumberReference> for Stored {
    fn from(reference: NumberReference) -> Self {
        Self { values: reference.values, sd: reference.sd }
    }
}

impl TryFrom<Stored> for NumberReference {
    type Error = StatError;

    fn try_from(stored: Stored) -> Result<Self, StatError> {
        if !stored.sd.is_finite() || stored.sd < 0.0 {
            return Err(StatError::Range("sd"));
        }
        Ok(Self::prepared(Sorted::new(stored.values)?.values().to_vec(), stored.sd))
    }
}
