//! Data files as a model's columns. Reads row by row within bounds; every refusal names the column and the row, and
//! never a value: data files hold what must not reach a log.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use csv::ByteRecord;
use mantlet_types::{Datatype, Tensor, TensorData, TensorSpec, contract::Layout};

use crate::{
    package::interface::{Column, is_number},
    rows::Rows,
};

/// The file as a whole, unpacked.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// Cells that are held at once: 256 MiB of numbers.
const CELLS_MAX: usize = 32 << 20;
/// Text in cells that is held at once.
const TEXT_BYTES_MAX: usize = 256 << 20;

/// Why a table cannot be read as a model's columns.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file cannot be opened or read.
    #[error("`{}` cannot be read: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Neither CSV with rows of one length nor Parquet.
    #[error("`{}` is not a table: {cause}", path.display())]
    NotATable {
        /// The file.
        path: PathBuf,
        /// Where and why.
        cause: String,
    },
    /// More than is read.
    #[error("`{}` has more than {what}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound.
        what: String,
    },
    /// No row.
    #[error("`{}` has no rows", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The same name twice.
    #[error("the column `{0}` stands twice")]
    Twice(String),
    /// The model's column is absent.
    #[error("the data have no column `{0}`, which the model takes")]
    Missing(String),
    /// A column that the model does not take.
    #[error("the data have a column `{0}`, which the model does not take")]
    Unknown(String),
    /// A column without a single value.
    #[error("the column `{0}` has no value in any row")]
    Void(String),
    /// A cell that is not what its column holds.
    #[error("row {row}, column `{column}`: {why}")]
    Cell {
        /// Counted from 1, without the header.
        row: u64,
        /// The column.
        column: String,
        /// What is wrong.
        why: &'static str,
    },
}

impl TableError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Missing(column) => {
                format!("add the column `{column}`, or name the file's columns in `features`")
            }
            Self::Unknown(column) => {
                format!("remove the column `{column}`; if it holds the truth, say `--target {column}`")
            }
            Self::TooLarge { .. } => "take a sample of the rows".into(),
            _ => return None,
        })
    }
}

/// The values of one column; NaN and `None` where a cell is empty.
pub(crate) enum Values {
    Numbers(Vec<f64>),
    Texts(Vec<Option<Box<str>>>),
}

/// A model's columns, and the truth where the file has it.
pub(crate) struct Table {
    pub(crate) columns: Vec<Values>,
    pub(crate) target: Option<Vec<Box<str>>>,
    pub(crate) rows: usize,
}

/// The names of a file's columns.
pub(crate) fn header(path: &Path) -> Result<Vec<Arc<str>>, TableError> {
    let rows = Rows::open(path, FILE_BYTES_MAX)?;
    Ok(rows.columns().iter().map(|name| name.as_str().into()).collect())
}

impl Table {
    /// Reads the model's columns in any order; every other column but the target is refused.
    pub(crate) fn read(path: &Path, columns: &[Column], target: Option<&str>) -> Result<Self, TableError> {
        let rows = Rows::open(path, FILE_BYTES_MAX)?;
        let place = |name: &str| rows.columns().iter().position(|column| column == name);
        let places = columns
            .iter()
            .map(|column| place(&column.name).ok_or_else(|| TableError::Missing(column.name.to_string())))
            .collect::<Result<Vec<_>, _>>()?;
        let target_place = target.and_then(place).filter(|place| !places.contains(place));
        let is_known = |index: usize| places.contains(&index) || Some(index) == target_place;
        let unknown = rows.columns().iter().enumerate().find(|(index, _)| !is_known(*index));
        if let Some((_, name)) = unknown {
            return Err(TableError::Unknown(name.clone()));
        }
        Filling::new(path, columns, places, target_place).fill(rows)
    }

    /// The tensors of some rows, as the model takes them.
    pub(crate) fn tensors(
        &self,
        rows: std::ops::Range<usize>,
        layout: Layout,
        inputs: &[TensorSpec],
    ) -> Result<Vec<Tensor>, &'static str> {
        match (layout, inputs) {
            (Layout::Matrix, [input]) => {
                let row = |row: usize| self.columns.iter().map(move |column| number_at(column, row));
                let numbers: Vec<f64> = rows.clone().flat_map(row).collect();
                let shape = vec![rows.len(), self.columns.len()];
                Ok(vec![Tensor { name: input.name.clone(), shape, data: numeric(input.datatype, &numbers)? }])
            }
            (Layout::Columns, inputs) => inputs
                .iter()
                .zip(&self.columns)
                .map(|(input, column)| {
                    let shape = match input.shape.len() {
                        1 => vec![rows.len()],
                        _ => vec![rows.len(), 1],
                    };
                    let data = match column {
                        Values::Numbers(numbers) => numeric(input.datatype, &numbers[rows.clone()])?,
                        Values::Texts(texts) => {
                            TensorData::Bytes(texts[rows.clone()].iter().map(bytes).collect())
                        }
                    };
                    Ok(Tensor { name: input.name.clone(), shape, data })
                })
                .collect(),
            _ => Err("the model's inputs are not tabular"),
        }
    }
}

fn number_at(column: &Values, row: usize) -> f64 {
    match column {
        Values::Numbers(numbers) => numbers[row],
        // A matrix is numeric throughout, so its table has no texts.
        Values::Texts(_) => f64::NAN,
    }
}

fn bytes(text: &Option<Box<str>>) -> Vec<u8> {
    text.as_deref().unwrap_or_default().as_bytes().to_vec()
}

/// Numbers in the tensor's own type. Whole-number types take only what they can hold exactly.
fn numeric(datatype: Datatype, numbers: &[f64]) -> Result<TensorData, &'static str> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounding to the model's own precision is what is meant"
    )]
    let single = |number: &f64| *number as f32;
    macro_rules! whole {
        ($variant:ident, $type:ty) => {
            numbers
                .iter()
                .map(|number| {
                    // 2^53: above, a double no longer tells neighbours apart.
                    let is_whole = number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0;
                    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
                    let whole = *number as i64;
                    <$type>::try_from(whole).ok().filter(|_| is_whole)
                })
                .collect::<Option<Vec<$type>>>()
                .map(TensorData::$variant)
                .ok_or("a number does not fit the model's whole-number input")
        };
    }
    match datatype {
        Datatype::Fp32 => Ok(TensorData::Fp32(numbers.iter().map(single).collect())),
        Datatype::Fp64 => Ok(TensorData::Fp64(numbers.to_vec())),
        Datatype::Int8 => whole!(Int8, i8),
        Datatype::Int16 => whole!(Int16, i16),
        Datatype::Int32 => whole!(Int32, i32),
        Datatype::Int64 => whole!(Int64, i64),
        Datatype::Uint8 => whole!(Uint8, u8),
        Datatype::Uint16 => whole!(Uint16, u16),
        Datatype::Uint32 => whole!(Uint32, u32),
        Datatype::Uint64 => whole!(Uint64, u64),
        Datatype::Fp16 | Datatype::Bool | Datatype::Bytes => Err("the model's input type cannot be profiled"),
    }
}

/// A table while it is read.
struct Filling<'a> {
    path: &'a Path,
    columns: &'a [Column],
    places: Vec<usize>,
    target_place: Option<usize>,
    table: Table,
    cells: usize,
    text_bytes: usize,
}

impl<'a> Filling<'a> {
    fn new(path: &'a Path, columns: &'a [Column], places: Vec<usize>, target_place: Option<usize>) -> Self {
        let empty = |column: &Column| {
            if is_number(column.datatype) { Values::Numbers(Vec::new()) } else { Values::Texts(Vec::new()) }
        };
        let table = Table {
            columns: columns.iter().map(empty).collect(),
            target: target_place.map(|_| Vec::new()),
            rows: 0,
        };
        Self { path, columns, places, target_place, table, cells: 0, text_bytes: 0 }
    }

    fn fill(mut self, mut rows: Rows) -> Result<Table, TableError> {
        let mut record = ByteRecord::new();
        while rows.next(&mut record)? {
            self.table.rows += 1;
            self.row(&record)?;
        }
        if self.table.rows == 0 {
            return Err(TableError::Empty { path: self.path.to_owned() });
        }
        Ok(self.table)
    }

    fn row(&mut self, record: &ByteRecord) -> Result<(), TableError> {
        self.cells += record.len();
        self.text_bytes += record.as_slice().len();
        if self.cells > CELLS_MAX {
            return Err(self.too_large(format!("{CELLS_MAX} cells")));
        }
        if self.text_bytes > TEXT_BYTES_MAX
            && self.table.columns.iter().any(|c| matches!(c, Values::Texts(_)))
        {
            return Err(self.too_large(format!("{TEXT_BYTES_MAX} bytes of text")));
        }
        let row = self.table.rows as u64;
        let cell = |column: &str, why| TableError::Cell { row, column: column.to_owned(), why };
        for ((place, column), values) in self.places.iter().zip(self.columns).zip(&mut self.table.columns) {
            let text = record.get(*place).and_then(|bytes| std::str::from_utf8(bytes).ok());
            let text = text.ok_or_else(|| cell(&column.name, "not UTF-8"))?;
            match values {
                Values::Numbers(numbers) => {
                    numbers.push(number(text).ok_or_else(|| cell(&column.name, "not a finite number"))?);
                }
                Values::Texts(texts) => texts.push((!text.is_empty()).then(|| text.into())),
            }
        }
        if let (Some(target), Some(place)) = (&mut self.table.target, self.target_place) {
            let text = record.get(place).and_then(|bytes| std::str::from_utf8(bytes).ok());
            target.push(text.ok_or_else(|| cell("target", "not UTF-8"))?.into());
        }
        Ok(())
    }

    fn too_large(&self, what: String) -> TableError {
        TableError::TooLarge { path: self.path.to_owned(), what }
    }
}

/// A finite number, NaN for an empty cell or one that says it is missing; `None` for everything else.
fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    if text.is_empty() || text.eq_ignore_ascii_case("nan") {
        return Some(f64::NAN);
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}
