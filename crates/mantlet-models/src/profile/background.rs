//! The background: a few reference rows, kept as they are, that explanations compare an answer with.
//!
//! They are rows of the data that the author gave, so whoever may read the package may read them; `--background 0` keeps
//! none. Models of free text get none: texts are long, and what people wrote.

use mantlet_types::{
    Sha256, Tensor, TensorSpec,
    contract::Layout,
    limits::{BACKGROUND_ROWS_MAX, CATEGORY_BYTES_MAX, EXPLAINED_FEATURES_MAX},
};
use serde::{Deserialize, Serialize};

use super::{
    ColumnProfile, Summary,
    table::{Table, Values},
};
use crate::random::Random;

/// Rows of the reference data, drawn at random.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Background {
    /// Each with one cell for each feature, in the profile's order.
    pub rows: Vec<Vec<Cell>>,
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// A number; finite.
    Number(f64),
    /// A category.
    Text(String),
    /// No value.
    Missing,
}

impl Background {
    /// Draws rows without putting any back; the same rows for the same model and data. `None` if none are wanted, or
    /// none can be kept.
    pub(crate) fn draw(table: &Table, columns: &[ColumnProfile], rows: usize, model: Sha256) -> Option<Self> {
        let is_text = |column: &ColumnProfile| matches!(column.summary, Summary::Text { .. });
        if columns.len() > EXPLAINED_FEATURES_MAX || columns.iter().any(is_text) {
            return None;
        }
        let seed = model.0.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte));
        let mut order: Vec<usize> = (0..table.rows).collect();
        Random::new(seed).shuffle(&mut order);
        let rows = rows.min(BACKGROUND_ROWS_MAX);
        let row =
            |row: usize| table.columns.iter().map(|column| cell(column, row)).collect::<Option<Vec<_>>>();
        let rows: Vec<Vec<Cell>> = order.into_iter().filter_map(row).take(rows).collect();
        (!rows.is_empty()).then_some(Self { rows })
    }

    /// Whether the rows are of these columns.
    pub(super) fn is_sound(&self, columns: &[ColumnProfile]) -> bool {
        let fits = |(cell, column): (&Cell, &ColumnProfile)| match (cell, &column.summary) {
            (Cell::Number(number), Summary::Number { .. }) => number.is_finite(),
            (Cell::Text(text), Summary::Category { .. }) => text.len() <= CATEGORY_BYTES_MAX,
            (Cell::Missing, Summary::Number { .. } | Summary::Category { .. }) => true,
            _ => false,
        };
        (1..=BACKGROUND_ROWS_MAX).contains(&self.rows.len())
            && columns.len() <= EXPLAINED_FEATURES_MAX
            && self.rows.iter().all(|row| row.len() == columns.len() && row.iter().zip(columns).all(fits))
    }

    /// The rows in the tensors that the model takes; `None` if they do not fit these.
    pub(crate) fn tensors(&self, layout: Layout, inputs: &[TensorSpec]) -> Option<Vec<Tensor>> {
        let width = self.rows.first()?.len();
        let column = |index: usize| {
            let cells = || self.rows.iter().filter_map(move |row| row.get(index));
            let text = |cell: &Cell| match cell {
                Cell::Text(text) => Some(text.as_str().into()),
                Cell::Number(_) | Cell::Missing => None,
            };
            let number = |cell: &Cell| match cell {
                Cell::Number(number) => *number,
                Cell::Text(_) | Cell::Missing => f64::NAN,
            };
            if cells().any(|cell| matches!(cell, Cell::Text(_))) {
                Values::Texts(cells().map(text).collect())
            } else {
                Values::Numbers(cells().map(number).collect())
            }
        };
        let columns = (0..width).map(column).collect();
        Table { columns, target: None, rows: self.rows.len() }
            .tensors(0..self.rows.len(), layout, inputs)
            .ok()
    }
}

/// One cell of a table; `None` for a text that is too long to keep.
fn cell(column: &Values, row: usize) -> Option<Cell> {
    match column {
        Values::Numbers(numbers) => {
            let number = numbers.get(row)?;
            Some(if number.is_nan() { Cell::Missing } else { Cell::Number(*number) })
        }
        Values::Texts(texts) => match texts.get(row)? {
            Some(text) if text.len() > CATEGORY_BYTES_MAX => None,
            Some(text) => Some(Cell::Text(text.to_string())),
            None => Some(Cell::Missing),
        },
    }
}
