//! What another tool would have said of the same windows: its test for each column, its score, its limit.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    drift::{
        Cell, Values,
        compat::{evidently, nannyml},
    },
    stats::Sorted,
};

/// The other tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Like {
    /// Evidently 0.7, by its default test.
    Evidently,
    /// NannyML 0.13, by the Jensen-Shannon distance, with limits from the reference's chunks.
    Nannyml,
}

/// What it would have said of a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// The column.
    pub name: String,
    /// The test, by its name there.
    pub test: &'static str,
    /// A p-value or a distance; absent where the tool has none.
    pub score: Option<f64>,
    /// Its limit.
    pub threshold: Option<f64>,
    /// Whether it calls that drift.
    pub drift: bool,
}

/// Windows of a stream as the other tool looks at them: one after another.
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) like: Like,
    rows: usize,
    columns: Vec<Column>,
    window: Vec<Values>,
    held: usize,
}

#[derive(Debug)]
struct Column {
    name: String,
    reference: evidently::Column,
    /// NannyML's limit for this column.
    limit: f64,
}

impl Comparison {
    pub(super) fn new(like: Like, rows: usize, names: &[String], reference: &[Values]) -> Self {
        let columns = names
            .iter()
            .zip(reference)
            .filter_map(|(name, values)| {
                let limit = if like == Like::Nannyml { limit(values, rows) } else { f64::NAN };
                Some(Column { name: name.clone(), reference: seen(values)?, limit })
            })
            .collect();
        let window = reference.iter().map(|values| Values::empty(values.kind())).collect();
        Self { like, rows, columns, window, held: 0 }
    }

    /// Takes a row, and gives the verdicts of a window that is full.
    pub(super) fn take(&mut self, cells: &[Cell<'_>]) -> Option<Vec<Verdict>> {
        for (values, cell) in self.window.iter_mut().zip(cells) {
            match (values, cell) {
                (Values::Numbers(values), Cell::Number(value)) => values.push(Some(*value)),
                (Values::Numbers(values), _) => values.push(None),
                (Values::Categories(values), Cell::Category(text)) => values.push(Some((*text).into())),
                (Values::Categories(values), _) => values.push(None),
            }
        }
        self.held += 1;
        if self.held < self.rows {
            return None;
        }
        self.held = 0;
        let empty: Vec<Values> = self.window.iter().map(|values| Values::empty(values.kind())).collect();
        let window = std::mem::replace(&mut self.window, empty);
        Some(
            self.columns
                .iter()
                .zip(&window)
                .map(|(column, values)| column.judge(self.like, values))
                .collect(),
        )
    }
}

impl Column {
    fn judge(&self, like: Like, values: &Values) -> Verdict {
        let none =
            |test| Verdict { name: self.name.clone(), test, score: None, threshold: None, drift: false };
        let Some(current) = seen(values) else { return none("none") };
        match like {
            Like::Evidently => {
                let name = evidently::choice(&self.reference, &current);
                match evidently::test(name, &self.reference, &current) {
                    Ok(verdict) => Verdict {
                        score: verdict.score.is_finite().then_some(verdict.score),
                        threshold: Some(verdict.threshold),
                        drift: verdict.is_drift,
                        ..none(name.stated())
                    },
                    Err(_) => none(name.stated()),
                }
            }
            Like::Nannyml => {
                let score = distance(&self.reference, &current);
                let drift = score.is_some_and(|score| score > self.limit);
                Verdict { score, threshold: Some(self.limit), drift, ..none("jensen_shannon") }
            }
        }
    }
}

/// A column without its missing values; `None` where nothing is left.
fn seen(values: &Values) -> Option<evidently::Column> {
    match values {
        Values::Numbers(values) => {
            Sorted::new(values.iter().flatten().copied().collect()).ok().map(evidently::Column::Numbers)
        }
        Values::Categories(values) => {
            let mut counts: BTreeMap<Box<str>, u64> = BTreeMap::new();
            values.iter().flatten().for_each(|text| *counts.entry(text.clone()).or_insert(0) += 1);
            (!counts.is_empty()).then_some(evidently::Column::Categories(counts))
        }
    }
}

fn distance(reference: &evidently::Column, chunk: &evidently::Column) -> Option<f64> {
    match (reference, chunk) {
        (evidently::Column::Numbers(reference), evidently::Column::Numbers(chunk)) => {
            nannyml::continuous(reference, chunk).ok().map(|values| values.jensen_shannon)
        }
        (evidently::Column::Categories(reference), evidently::Column::Categories(chunk)) => {
            let names: std::collections::BTreeSet<&Box<str>> = reference.keys().chain(chunk.keys()).collect();
            let of = |counts: &BTreeMap<Box<str>, u64>| -> Vec<f64> {
                names.iter().map(|name| counts.get(*name).copied().unwrap_or(0) as f64).collect()
            };
            nannyml::categorical(&of(reference), &of(chunk)).ok().map(|values| values.jensen_shannon)
        }
        _ => None,
    }
}

/// Three standard deviations above the mean of the distances of the reference's own chunks; the last may be short, as there.
fn limit(reference: &Values, rows: usize) -> f64 {
    let Some(whole) = seen(reference) else { return f64::NAN };
    let chunks: Vec<Values> = match reference {
        Values::Numbers(values) => {
            values.chunks(rows.max(1)).map(|chunk| Values::Numbers(chunk.to_vec())).collect()
        }
        Values::Categories(values) => {
            values.chunks(rows.max(1)).map(|chunk| Values::Categories(chunk.to_vec())).collect()
        }
    };
    let distances: Vec<f64> =
        chunks.iter().filter_map(seen).filter_map(|chunk| distance(&whole, &chunk)).collect();
    nannyml::limits(&distances, 0.0, f64::INFINITY).1
}
