//! The least confidence at which a promised error rate is kept.

use super::{CalibrateError, Outcomes};
use crate::stats::clopper_pearson_upper;

/// Steps from the strictest threshold that could be judged to answering everything.
const STEPS: usize = 48;
/// Places from which the search begins, each with its share of the level. From the strictest alone, a single error among the surest rows
/// would end it.
const STARTS: usize = 4;

/// A confidence limit with what calibration rows say about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// Answers of at least this confidence are given.
    pub confidence: f64,
    /// Share of the calibration rows that are answered.
    pub coverage: f64,
    /// Rows that are answered.
    pub rows: usize,
    /// Errors among them.
    pub errors: usize,
    /// The upper bound of the error rate among what is answered, at the asked-for level.
    pub error_bound: f64,
}

/// Finds the threshold of greatest coverage at which the error rate among what is answered is at most `target`, with probability
/// 1 - `level` over the choice of calibration rows.
///
/// From each of a few places, fixed before the rows are looked at, thresholds are tried downwards, each by the exact binomial bound, and the
/// search from there ends at the first that fails: tests in a fixed order need no correction for their number, and the places share the
/// level (Maurer, Hothorn and Lehmacher 1995; Angelopoulos et al. 2021, "Learn then Test", fixed sequences with several starts). With too
/// few rows for that there is one start, the strictest.
///
/// # Errors
/// If a rate is not within (0, 1); if even rows without a single error would be too few, how many are needed; if there are too many errors
/// among the surest rows.
pub fn choose_threshold(
    outcomes: &Outcomes<'_>,
    target: f64,
    level: f64,
) -> Result<Threshold, CalibrateError> {
    for (name, rate) in [("target", target), ("level", level)] {
        if !(rate > 0.0 && rate < 1.0) {
            return Err(CalibrateError::Rate(name));
        }
    }
    let mut answers: Vec<(f64, bool)> = outcomes.answers().collect();
    answers.sort_by(|a, b| b.0.total_cmp(&a.0));
    let rows = answers.len();
    // With this many rows and no error, the bound is just met.
    let needed = |starts: usize| ((level / starts as f64).ln() / (1.0 - target).ln()).ceil() as usize;
    if needed(1) > rows {
        return Err(CalibrateError::TooFew { rows, needed: needed(1) });
    }
    let starts = if needed(STARTS) > rows { 1 } else { STARTS };
    let search = Search { answers: &answers, needed: needed(starts), target, level: level / starts as f64 };
    let mut chosen: Option<Threshold> = None;
    for start in (0..starts).rev() {
        let best = search.from(STEPS * start / starts);
        if best.is_some_and(|best| chosen.is_none_or(|chosen| best.rows > chosen.rows)) {
            chosen = best;
        }
    }
    chosen.ok_or_else(|| {
        let errors = answers.iter().take(search.needed).filter(|(_, is_right)| !is_right).count();
        CalibrateError::Unreachable { target, rows: search.needed, errors }
    })
}

struct Search<'a> {
    answers: &'a [(f64, bool)],
    needed: usize,
    target: f64,
    level: f64,
}

impl Search<'_> {
    /// The last threshold that passes before the first that does not.
    fn from(&self, start: usize) -> Option<Threshold> {
        let rows = self.answers.len();
        let mut passed = None;
        for step in start..=STEPS {
            let wished = self.needed + (rows - self.needed) * step / STEPS;
            let (confidence, _) = self.answers.get(wished.checked_sub(1)?).copied()?;
            // All rows of one confidence are answered, or none.
            let answered = self.answers.partition_point(|(other, _)| *other >= confidence);
            let errors = self.answers.iter().take(answered).filter(|(_, is_right)| !is_right).count();
            let error_bound =
                clopper_pearson_upper(errors as u64, answered as u64, self.level).unwrap_or(1.0);
            if error_bound > self.target {
                break;
            }
            let coverage = answered as f64 / rows as f64;
            passed = Some(Threshold { confidence, coverage, rows: answered, errors, error_bound });
        }
        passed
    }
}
