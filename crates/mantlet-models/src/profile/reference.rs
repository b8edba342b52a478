//! Statistics of reference columns. Exact, and the same for the same rows.

use std::collections::BTreeMap;

use mantlet_types::limits::CATEGORY_BYTES_MAX;

use super::{
    CATEGORIES_MAX, ColumnProfile, Known, QUANTILES, Summary,
    table::{Table, TableError, Values},
};
use crate::package::interface::Column;

/// Summarizes every column; `is_text` tells free text from categories.
pub(crate) fn summarize(
    table: &Table,
    columns: &[Column],
    is_text: impl Fn(&str) -> bool,
) -> Result<Vec<ColumnProfile>, TableError> {
    columns
        .iter()
        .zip(&table.columns)
        .map(|(column, values)| {
            let void = || TableError::Void(column.name.to_string());
            let (present, summary) = match values {
                Values::Numbers(numbers) => numeric(numbers).ok_or_else(void)?,
                Values::Texts(texts) if is_text(&column.name) => free(texts).ok_or_else(void)?,
                Values::Texts(texts) => categorical(texts).ok_or_else(void)?,
            };
            let missing = share(table.rows - present, table.rows);
            Ok(ColumnProfile { name: column.name.to_string(), missing, summary })
        })
        .collect()
}

/// Count of values and their statistics; `None` without a value.
fn numeric(numbers: &[f64]) -> Option<(usize, Summary)> {
    let mut sorted: Vec<f64> = numbers.iter().copied().filter(|number| !number.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let (min, max) = (*sorted.first()?, *sorted.last()?);
    let count = sorted.len() as f64;
    // Divided before it is summed, so that large numbers cannot overflow to infinity.
    let mean = sorted.iter().map(|number| number / count).sum::<f64>().clamp(min, max);
    let scale = (max - mean).max(mean - min);
    let variance =
        sorted.iter().map(|number| ((number - mean) / scale.max(f64::MIN_POSITIVE)).powi(2) / count);
    let sd = (variance.sum::<f64>().sqrt() * scale).min(f64::MAX);
    let quantile = |percent: &u8| {
        // Nearest rank: the least value that at least this share of the rows does not exceed.
        let rank = (sorted.len() * usize::from(*percent)).div_ceil(100);
        sorted[rank.saturating_sub(1)]
    };
    let quantiles = QUANTILES.iter().map(quantile).collect();
    Some((sorted.len(), Summary::Number { min, max, mean, sd, quantiles }))
}

fn categorical(texts: &[Option<Box<str>>]) -> Option<(usize, Summary)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut present = 0;
    let mut is_listed = true;
    for text in texts.iter().flatten() {
        present += 1;
        if is_listed {
            *counts.entry(text).or_default() += 1;
            is_listed = counts.len() <= CATEGORIES_MAX && text.len() <= CATEGORY_BYTES_MAX;
        }
    }
    let known =
        |(value, count): (&str, usize)| Known { value: value.to_owned(), share: share(count, present) };
    let values = is_listed.then(|| counts.into_iter().map(known).collect());
    (present > 0).then_some((present, Summary::Category { values }))
}

fn free(texts: &[Option<Box<str>>]) -> Option<(usize, Summary)> {
    let present = texts.iter().flatten().count();
    let chars_max = texts.iter().flatten().map(|text| text.chars().count()).max()?;
    Some((present, Summary::Text { chars_max }))
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
