//! Data files, row by row: CSV and Parquet, told apart by what is in them.
//!
//! Either way a row is cells of text, of which the reader knows what they should be: CSV knows no types, and those of a
//! Parquet file say how a column is stored, which is not what a model takes it for. Nothing in an error repeats what
//! a file holds.

mod columnar;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    fs::File,
    io::{Read, Seek},
    path::{Path, PathBuf},
};

use csv::{ByteRecord, ReaderBuilder};
use mantlet_types::limits::FEATURES_MAX;

use self::columnar::Columnar;
use crate::profile::TableError;

/// With what every Parquet file begins.
const PARQUET_MAGIC: &[u8; 4] = b"PAR1";

/// A data file while it is read.
pub struct Rows {
    path: PathBuf,
    columns: Vec<String>,
    source: Source,
}

enum Source {
    Csv(Box<csv::Reader<std::io::Take<File>>>, u64),
    Parquet(Columnar),
}

impl Rows {
    /// Opens a file that is not larger than this, compressed or not, and reads its columns' names.
    ///
    /// # Errors
    /// If it cannot be read, is larger, is no table, or has two columns of one name.
    pub fn open(path: &Path, bytes_max: u64) -> Result<Self, TableError> {
        let io = |cause| TableError::Io { path: path.to_owned(), cause };
        let mut file = File::open(path).map_err(io)?;
        let mut magic = Vec::with_capacity(PARQUET_MAGIC.len());
        (&mut file).take(PARQUET_MAGIC.len() as u64).read_to_end(&mut magic).map_err(io)?;
        file.rewind().map_err(io)?;
        let (source, columns) = if magic == PARQUET_MAGIC {
            let (source, columns) = Columnar::open(path, file, bytes_max)?;
            (Source::Parquet(source), columns)
        } else {
            // One byte beyond the bound, so that a file that is cut there is noticed.
            let mut reader = ReaderBuilder::new().from_reader(file.take(bytes_max + 1));
            let header = reader.byte_headers().map_err(|cause| torn(path, cause.to_string()))?;
            let name = |name: &[u8]| String::from_utf8(name.to_vec());
            let columns = header.iter().map(name).collect::<Result<Vec<_>, _>>();
            let columns = columns.map_err(|_| torn(path, "the header is not UTF-8".into()))?;
            (Source::Csv(Box::new(reader), bytes_max), columns)
        };
        if columns.len() > FEATURES_MAX + 1 {
            return Err(too_large(path, format!("{FEATURES_MAX} columns")));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = columns.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(TableError::Twice(twice.clone()));
        }
        Ok(Self { path: path.to_owned(), columns, source })
    }

    /// The columns' names.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Reads the next row into `record`, a cell for each column, empty where there is no value. Says whether there was
    /// one.
    ///
    /// # Errors
    /// If the file is damaged, larger than it may be, or holds something else than numbers and text.
    pub(crate) fn next(&mut self, record: &mut ByteRecord) -> Result<bool, TableError> {
        match &mut self.source {
            Source::Parquet(columnar) => columnar.next(record),
            Source::Csv(reader, bytes_max) => {
                // The library's message repeats no cell, only positions and lengths.
                let more =
                    reader.read_byte_record(record).map_err(|cause| torn(&self.path, cause.to_string()))?;
                if reader.position().byte() > *bytes_max {
                    return Err(too_large(&self.path, format!("{bytes_max} bytes")));
                }
                Ok(more)
            }
        }
    }

    /// Reads the next row as texts into `cells`, one for each column, empty where there is no value. Says whether there was one;
    /// `row` is what an error calls it.
    ///
    /// # Errors
    /// As for reading, and if a cell is not UTF-8.
    pub fn next_texts(&mut self, cells: &mut Vec<String>, row: u64) -> Result<bool, TableError> {
        let mut record = ByteRecord::new();
        if !self.next(&mut record)? {
            return Ok(false);
        }
        cells.clear();
        for (bytes, column) in record.iter().zip(&self.columns) {
            let text = std::str::from_utf8(bytes).map_err(|_| TableError::Cell {
                row,
                column: column.clone(),
                why: "not UTF-8",
            })?;
            cells.push(text.to_owned());
        }
        Ok(true)
    }
}

fn torn(path: &Path, cause: String) -> TableError {
    TableError::NotATable { path: path.to_owned(), cause }
}

fn too_large(path: &Path, what: String) -> TableError {
    TableError::TooLarge { path: path.to_owned(), what }
}
