//! One window against the reference: tests, corrected over all columns, effects, and what follows.

use serde::Serialize;

use super::{
    DriftError, Kind, Reference, Rules, Values,
    category::{CategoryReference, Tally},
    number::NumberReference,
    reference::{ColumnReference, Known},
};
use crate::stats::{
    Counts, Method, benjamini_hochberg, chi_square, chi_square_merged, jensen_shannon, psi, psi_limit,
    psi_p_value, samples,
};

/// Expected counts below which categories are merged before the χ² test (Cochran 1954).
const EXPECTED_MIN: f64 = 5.0;

/// What a window shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Rows of the window.
    pub rows: u64,
    /// In the reference's order.
    pub columns: Vec<ColumnReport>,
    /// Columns that raise an alarm.
    pub alarms: usize,
}

/// What a column of a window shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnReport {
    /// The column.
    pub name: String,
    /// What it holds.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Rows with a value.
    pub values: u64,
    /// Share of rows without one, 0 to 1.
    pub missing: f64,
    /// The same in the reference.
    pub missing_reference: f64,
    /// How likely so different a share of missing values is without a change; absent where none is missing on either side.
    pub missing_p_value: Option<f64>,
    /// How it was tested, and what came out; absent with too few values.
    pub effects: Option<Effects>,
    /// Names of categories that the reference does not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub new_categories: Vec<Box<str>>,
    /// Share of rows with such a category.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_share: Option<f64>,
    /// What follows.
    pub outcome: Outcome,
    /// Why, for an alarm.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

/// A column's test and how large the difference is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effects {
    /// `ks` for numbers, `chi_square` for categories.
    pub test: &'static str,
    /// Its statistic.
    pub statistic: f64,
    /// Its p-value.
    pub p_value: f64,
    /// The same, corrected for all tests of the window (Benjamini and Hochberg).
    pub p_adjusted: f64,
    /// The population stability index on the reference's tenths, or on categories.
    pub psi: f64,
    /// How likely so large an index is at these sizes without a change; absent where all values fall into one bin.
    pub psi_p_value: Option<f64>,
    /// The index that is exceeded with the window's alpha without a change.
    pub psi_limit: Option<f64>,
    /// The Jensen-Shannon distance on the same bins, base 2.
    pub jensen_shannon: f64,
    /// Wasserstein-1 in the column's unit; of numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wasserstein: Option<f64>,
    /// Wasserstein-1 over the reference's standard deviation; absent where that is zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shift: Option<f64>,
}

/// What is to be thought of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing is significant.
    Quiet,
    /// Significant, and too small to matter.
    Small,
    /// Significant and large.
    Alarm,
    /// Too few values to say.
    TooFew,
}

/// What raised an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The values are distributed differently.
    Distribution,
    /// More or fewer values are missing.
    Missing,
    /// Categories that the reference does not have.
    NewCategories,
}

/// What is known of a window's column before corrections.
pub(crate) struct Seen {
    pub(crate) values: u64,
    pub(crate) missing: u64,
    pub(crate) effects: Option<Effects>,
    pub(crate) new: Vec<Box<str>>,
    pub(crate) new_rows: Option<u64>,
}

/// Compares a window's columns, in the reference's order, with the reference.
///
/// # Errors
/// If the columns are not the reference's, have different lengths or no rows, or a number is not finite.
pub fn check(reference: &Reference, window: &[Values], rules: &Rules) -> Result<Report, DriftError> {
    let columns = reference.columns();
    if columns.len() != window.len() {
        return Err(DriftError::Columns { expected: columns.len(), got: window.len() });
    }
    let rows = window.first().map_or(0, Values::rows);
    if rows == 0 {
        return Err(DriftError::Empty);
    }
    let mut seen = Vec::with_capacity(columns.len());
    for (column, values) in columns.iter().zip(window) {
        if values.rows() != rows {
            return Err(DriftError::Ragged(column.name.clone()));
        }
        seen.push(look(column, values, rules)?);
    }
    Ok(judge(reference, seen, rows as u64, rules, rules.alpha))
}

/// Tests one column.
fn look(column: &ColumnReference, values: &Values, rules: &Rules) -> Result<Seen, DriftError> {
    match (&column.known, values) {
        (Known::Number(numbers), Values::Numbers(values)) => {
            let mut present: Vec<f64> = values.iter().flatten().copied().collect();
            if present.iter().any(|value| !value.is_finite()) {
                return Err(DriftError::NotFinite(column.name.clone()));
            }
            present.sort_unstable_by(f64::total_cmp);
            let missing = (values.len() - present.len()) as u64;
            let count = present.len() as u64;
            let effects =
                if present.len() < rules.values_min { None } else { of_numbers(numbers, &present, rules) };
            Ok(Seen { values: count, missing, effects, new: Vec::new(), new_rows: None })
        }
        (Known::Category(categories), Values::Categories(values)) => {
            let mut tally = Tally::default();
            for value in values.iter().flatten() {
                categories.tally(value, &mut tally);
            }
            Ok(seen_categories(categories, &tally, values.len() as u64 - tally.rows(), rules))
        }
        _ => Err(DriftError::Kind(column.name.clone())),
    }
}

/// What a tally of categories shows.
pub(crate) fn seen_categories(
    categories: &CategoryReference,
    tally: &Tally,
    missing: u64,
    rules: &Rules,
) -> Seen {
    let values = tally.rows();
    let counts = (values >= rules.values_min as u64).then(|| categories.counts(tally).ok()).flatten();
    let effects = counts.map(|counts| {
        let (test, _) = chi_square_merged(&counts, EXPECTED_MIN);
        effects_of("chi_square", (test.statistic, test.p_value), &counts, rules.alpha)
    });
    Seen { values, missing, effects, new: tally.new.clone(), new_rows: Some(categories.new_rows(tally)) }
}

fn of_numbers(numbers: &NumberReference, window: &[f64], rules: &Rules) -> Option<Effects> {
    let apart = numbers.apart(window);
    let counts = numbers.counts(window).ok()?;
    let p_value = samples::ks_p_value(apart.ks, numbers.values().len(), window.len(), Method::Auto);
    let shift = (numbers.sd() > 0.0).then(|| apart.wasserstein / numbers.sd());
    Some(Effects {
        wasserstein: Some(apart.wasserstein),
        shift,
        ..effects_of("ks", (apart.ks, p_value), &counts, rules.alpha)
    })
}

/// A test's outcome with the effects that counts show.
pub(crate) fn effects_of(test: &'static str, outcome: (f64, f64), counts: &Counts, alpha: f64) -> Effects {
    let (statistic, p_value) = outcome;
    let (n, m) = counts.totals();
    let used = counts.bins().filter(|(a, b)| a + b > 0.0).count();
    let psi = psi(counts);
    Effects {
        test,
        statistic,
        p_value,
        p_adjusted: p_value,
        psi,
        psi_p_value: psi_p_value(psi, n as u64, m as u64, used).ok(),
        psi_limit: psi_limit(n as u64, m as u64, used, alpha).ok(),
        jensen_shannon: jensen_shannon(counts, 2.0),
        wasserstein: None,
        shift: None,
    }
}

/// Corrects over all columns and decides.
pub(crate) fn judge(reference: &Reference, seen: Vec<Seen>, rows: u64, rules: &Rules, alpha: f64) -> Report {
    let missing: Vec<Option<f64>> =
        reference.columns().iter().zip(&seen).map(|(column, seen)| missing_p_value(column, seen)).collect();
    let tests = seen.iter().filter_map(|seen| seen.effects.as_ref()).map(|effects| effects.p_value);
    let family: Vec<f64> = tests.chain(missing.iter().flatten().copied()).collect();
    let mut adjusted = benjamini_hochberg(&family, alpha).into_iter();
    let mut seen = seen;
    for effects in seen.iter_mut().filter_map(|seen| seen.effects.as_mut()) {
        effects.p_adjusted = adjusted.next().map_or(1.0, |one| one.p_value);
    }
    let missing: Vec<Option<(f64, f64)>> =
        missing.into_iter().map(|p| p.map(|p| (p, adjusted.next().map_or(1.0, |one| one.p_value)))).collect();
    let columns: Vec<ColumnReport> = reference
        .columns()
        .iter()
        .zip(seen)
        .zip(missing)
        .map(|((column, seen), missing)| decide(column, seen, missing, rules, alpha))
        .collect();
    let alarms = columns.iter().filter(|column| column.outcome == Outcome::Alarm).count();
    Report { rows, columns, alarms }
}

fn missing_p_value(column: &ColumnReference, seen: &Seen) -> Option<f64> {
    if column.missing == 0 && seen.missing == 0 {
        return None;
    }
    let pair = |missing: u64, rest: u64| vec![missing as f64, rest as f64];
    let counts =
        Counts::new(pair(column.missing, column.rows - column.missing), pair(seen.missing, seen.values))
            .ok()?;
    Some(chi_square(&counts).0.p_value)
}

fn decide(
    column: &ColumnReference,
    seen: Seen,
    missing: Option<(f64, f64)>,
    rules: &Rules,
    alpha: f64,
) -> ColumnReport {
    let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    let rows = seen.values + seen.missing;
    let (is_missing, was_missing) = (share(seen.missing, rows), share(column.missing, column.rows));
    let mut reasons = Vec::new();
    let mut is_significant = false;
    if let Some(effects) = seen.effects.as_ref().filter(|effects| effects.p_adjusted <= alpha) {
        is_significant = true;
        // The index must itself be more than noise: at 100 rows it exceeds any fixed limit without a change.
        let is_reshaped = effects.psi >= rules.psi_min && effects.psi_p_value.is_some_and(|p| p <= alpha);
        // A shift beyond what a double can hold is no small one.
        let is_shifted = |shift: f64| shift >= rules.shift_min || !shift.is_finite();
        if is_reshaped || effects.shift.is_some_and(is_shifted) {
            reasons.push(Reason::Distribution);
        }
    }
    if rows >= rules.values_min as u64 && missing.is_some_and(|(_, adjusted)| adjusted <= alpha) {
        is_significant = true;
        if (is_missing - was_missing).abs() >= rules.missing_min {
            reasons.push(Reason::Missing);
        }
    }
    let new_share = seen.new_rows.map(|new| share(new, rows));
    if rows >= rules.values_min as u64 && new_share.is_some_and(|share| share > 0.0 && share >= rules.new_min)
    {
        reasons.push(Reason::NewCategories);
    }
    let outcome = match (reasons.is_empty(), is_significant, seen.effects.is_some()) {
        (false, ..) => Outcome::Alarm,
        (true, true, _) => Outcome::Small,
        (true, false, true) => Outcome::Quiet,
        (true, false, false) => Outcome::TooFew,
    };
    ColumnReport {
        name: column.name.clone(),
        kind: column.kind(),
        values: seen.values,
        missing: is_missing,
        missing_reference: was_missing,
        missing_p_value: missing.map(|(p, _)| p),
        effects: seen.effects,
        new_categories: seen.new,
        new_share,
        outcome,
        reasons,
    }
}
