//! A principal's latest distinct queries: whether one was there before, and whether one is nearly another.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Queries that are kept.
pub const RING_ROWS: usize = 1_024;

/// Rows in whole steps of the reference's range: 2 bytes a value, 131 kB at 64 features.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ring {
    rows: VecDeque<Vec<u16>>,
}

/// What a row is to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The same, to the step.
    Repeat,
    /// Nearly one of them.
    Near,
    /// Neither.
    New,
}

impl Ring {
    /// Compares a row with those that are kept, and keeps it unless it is one of them: O(rows · features).
    pub(crate) fn take(&mut self, row: Vec<u16>, steps: &[f32], near: f64) -> Seen {
        let limit = (near * near) as f32;
        let mut is_near = false;
        for other in &self.rows {
            if *other == row {
                return Seen::Repeat;
            }
            is_near = is_near || is_within(&row, other, steps, limit);
        }
        if self.rows.len() >= RING_ROWS {
            self.rows.pop_front();
        }
        self.rows.push_back(row);
        if is_near { Seen::Near } else { Seen::New }
    }

    pub(crate) fn is_of(&self, features: usize) -> bool {
        self.rows.len() <= RING_ROWS && self.rows.iter().all(|row| row.len() == features)
    }
}

/// Whether two rows are nearer than a limit, given squared; looks up now and then whether they can still be.
fn is_within(a: &[u16], b: &[u16], steps: &[f32], limit: f32) -> bool {
    let mut sum = 0.0_f32;
    for ((a, b), steps) in a.chunks(8).zip(b.chunks(8)).zip(steps.chunks(8)) {
        for ((a, b), step) in a.iter().zip(b).zip(steps) {
            let off = f32::from(a.abs_diff(*b)) * step;
            sum += off * off;
        }
        if sum >= limit {
            return false;
        }
    }
    sum < limit
}
