//! ADWIN2 (Bifet and Gavaldà 2007, "Learning from Time-Changing Data with Adaptive Windowing"): a window that grows while its mean stays
//! and drops its old part when two parts differ. Logarithmic memory: an exponential histogram of buckets. Parameters as River's.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Buckets of one size; beyond, the two oldest become one of twice the size.
const BUCKETS_MAX: usize = 5;
/// Values between two looks.
const CLOCK: u64 = 32;
/// Values of a part below which it is not compared.
const PART_MIN: f64 = 5.0;
/// Values below which nothing is compared.
const GRACE: u64 = 10;
/// Sizes of buckets at most: windows of up to 2^40 values.
const SIZES_MAX: usize = 40;

/// Watches a stream for a change of its mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adwin {
    delta: f64,
    /// Row `i` has buckets of 2^i values, the oldest first.
    rows: Vec<VecDeque<Bucket>>,
    width: u64,
    total: f64,
    /// Sum of squared distances to the mean.
    scatter: f64,
    ticks: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bucket {
    total: f64,
    scatter: f64,
}

/// What two parts add to the sum of squares beyond their own.
fn between(n: f64, mean: f64, m: f64, other: f64) -> f64 {
    n * m * (mean - other).powi(2) / (n + m)
}

impl Adwin {
    /// Watches; a window without a change is cut with a probability of about `delta` per look. `None` if that is not within (0, 1).
    #[must_use]
    pub fn new(delta: f64) -> Option<Self> {
        let empty = Self { delta, rows: vec![VecDeque::new()], width: 0, total: 0.0, scatter: 0.0, ticks: 0 };
        (delta > 0.0 && delta < 1.0).then_some(empty)
    }

    /// The mean of the window.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.width == 0 { 0.0 } else { self.total / self.width as f64 }
    }

    /// Values in the window.
    #[must_use]
    pub fn width(&self) -> u64 {
        self.width
    }

    /// Takes a value and says whether the mean has changed; then everything begins anew. A value that is not finite is passed over.
    pub fn observe(&mut self, value: f64) -> bool {
        if !value.is_finite() {
            return false;
        }
        self.insert(value);
        self.ticks = self.ticks.wrapping_add(1);
        if !self.ticks.is_multiple_of(CLOCK) || self.width <= GRACE {
            return false;
        }
        let mut is_change = false;
        while self.differs() {
            is_change = true;
            self.drop_oldest();
        }
        if is_change && let Some(fresh) = Self::new(self.delta) {
            *self = fresh;
        }
        is_change
    }

    fn insert(&mut self, value: f64) {
        if let Some(row) = self.rows.first_mut() {
            row.push_back(Bucket { total: value, scatter: 0.0 });
        }
        if self.width > 0 {
            self.scatter += between(self.width as f64, self.mean(), 1.0, value);
        }
        self.width += 1;
        self.total += value;
        self.compress();
    }

    fn compress(&mut self) {
        let mut index = 0;
        while self.rows.get(index).is_some_and(|row| row.len() > BUCKETS_MAX) && index < SIZES_MAX {
            let size = size(index);
            let Some(row) = self.rows.get_mut(index) else { return };
            let (Some(a), Some(b)) = (row.pop_front(), row.pop_front()) else { return };
            let scatter = a.scatter + b.scatter + between(size, a.total / size, size, b.total / size);
            if self.rows.len() == index + 1 {
                self.rows.push(VecDeque::new());
            }
            if let Some(next) = self.rows.get_mut(index + 1) {
                next.push_back(Bucket { total: a.total + b.total, scatter });
            }
            index += 1;
        }
    }

    /// Whether some cut of the window, from the oldest bucket on, leaves two parts whose means differ.
    fn differs(&self) -> bool {
        let (mut n0, mut n1, mut u0, mut u1) = (0.0, self.width as f64, 0.0, self.total);
        let variance = self.scatter / self.width as f64;
        let confidence = (2.0 * (self.width as f64).ln() / self.delta).ln();
        for (index, row) in self.rows.iter().enumerate().rev() {
            for bucket in row {
                let size = size(index);
                n0 += size;
                n1 -= size;
                u0 += bucket.total;
                u1 -= bucket.total;
                if n0 < PART_MIN || n1 < PART_MIN {
                    continue;
                }
                let harmonic = 1.0 / (n0 - PART_MIN + 1.0) + 1.0 / (n1 - PART_MIN + 1.0);
                let cut = (2.0 * harmonic * variance * confidence).sqrt() + 2.0 / 3.0 * confidence * harmonic;
                if (u0 / n0 - u1 / n1).abs() > cut {
                    return true;
                }
            }
        }
        false
    }

    fn drop_oldest(&mut self) {
        let index = self.rows.len().saturating_sub(1);
        let size = size(index);
        let Some(bucket) = self.rows.last_mut().and_then(VecDeque::pop_front) else { return };
        self.width = self.width.saturating_sub(size as u64);
        self.total -= bucket.total;
        if self.width > 0 {
            let rest = self.mean();
            self.scatter -= bucket.scatter + between(size, bucket.total / size, self.width as f64, rest);
        }
        while self.rows.len() > 1 && self.rows.last().is_some_and(VecDeque::is_empty) {
            self.rows.pop();
        }
    }
}

/// Values in a bucket of a row.
fn size(index: usize) -> f64 {
    2.0_f64.powi(index as i32)
}
