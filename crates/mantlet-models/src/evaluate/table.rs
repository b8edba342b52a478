//! CSV files as tables of text, for whoever evaluates: read whole, within bounds.

use std::{fs::File, io::Read, path::Path};

use csv::{ReaderBuilder, StringRecord};
use mantlet_types::limits::{ELEMENTS_MAX, EVALUATED_ROWS_MAX, FEATURES_MAX};

use crate::profile::TableError;

/// The file as a whole: an evaluation's cells at a hundred bytes each.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// A header and rows of as many cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The cells.
    pub rows: Vec<StringRecord>,
}

/// Reads a CSV file.
///
/// # Errors
/// If it cannot be read, is no table of UTF-8, or has more rows or cells than one evaluation takes.
pub fn read(path: &Path) -> Result<Texts, TableError> {
    let io = |cause| TableError::Io { path: path.to_owned(), cause };
    let torn = |cause: csv::Error| TableError::Csv { path: path.to_owned(), cause: cause.to_string() };
    let too_large = |what: String| TableError::TooLarge { path: path.to_owned(), what };
    let file = File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.len() > FILE_BYTES_MAX {
        return Err(too_large(format!("{FILE_BYTES_MAX} bytes")));
    }
    let mut reader = ReaderBuilder::new().from_reader(file.take(FILE_BYTES_MAX));
    let columns: Vec<String> = reader.headers().map_err(torn)?.iter().map(str::to_owned).collect();
    if columns.len() > FEATURES_MAX + 1 {
        return Err(too_large(format!("{FEATURES_MAX} columns")));
    }
    let rows_max = EVALUATED_ROWS_MAX.min(2 * ELEMENTS_MAX / columns.len().max(1));
    let mut rows = Vec::new();
    for record in reader.into_records() {
        if rows.len() == rows_max {
            return Err(too_large(format!("{rows_max} rows")));
        }
        rows.push(record.map_err(torn)?);
    }
    if rows.is_empty() {
        return Err(TableError::Empty { path: path.to_owned() });
    }
    Ok(Texts { columns, rows })
}
