//! Data files as tables of text, for whoever evaluates: read whole, within bounds.

use std::path::Path;

use csv::{ByteRecord, StringRecord};
use mantlet_types::limits::{ELEMENTS_MAX, EVALUATED_ROWS_MAX};

use crate::{profile::TableError, rows::Rows};

/// The file as a whole, unpacked: an evaluation's cells at a hundred bytes each.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// A header and rows of as many cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The cells.
    pub rows: Vec<StringRecord>,
}

/// Reads a CSV or a Parquet file.
///
/// # Errors
/// If it cannot be read, is no table of UTF-8, or has more rows or cells than one evaluation takes.
pub fn read(path: &Path) -> Result<Texts, TableError> {
    let mut source = Rows::open(path, FILE_BYTES_MAX)?;
    let columns = source.columns().to_vec();
    let rows_max = EVALUATED_ROWS_MAX.min(2 * ELEMENTS_MAX / columns.len().max(1));
    let mut rows = Vec::new();
    let mut record = ByteRecord::new();
    while source.next(&mut record)? {
        if rows.len() == rows_max {
            return Err(TableError::TooLarge { path: path.to_owned(), what: format!("{rows_max} rows") });
        }
        let row = StringRecord::from_byte_record(record.clone()).map_err(|_| TableError::NotATable {
            path: path.to_owned(),
            cause: format!("row {} is not UTF-8", rows.len() + 1),
        })?;
        rows.push(row);
    }
    if rows.is_empty() {
        return Err(TableError::Empty { path: path.to_owned() });
    }
    Ok(Texts { columns, rows })
}
