//! Parquet files as rows of text.

use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use csv::ByteRecord;
use parquet::{
    errors::ParquetError,
    file::{reader::FileReader, serialized_reader::SerializedFileReader},
    record::{Field, Row, reader::RowIter},
};

use super::{too_large, torn};
use crate::profile::TableError;

/// Rows that are decoded at a time, for each column.
const BATCH_ROWS: usize = 1024;

/// A Parquet file while it is read.
pub(super) struct Columnar {
    path: PathBuf,
    rows: RowIter<'static>,
    row: u64,
    columns: Vec<String>,
}

impl Columnar {
    /// Opens a file whose columns, unpacked, have no more than so many bytes. Gives the columns' names.
    pub(super) fn open(path: &Path, file: File, bytes_max: u64) -> Result<(Self, Vec<String>), TableError> {
        let damaged = |cause: ParquetError| torn(path, told(&cause));
        let reader = guarded(|| SerializedFileReader::new(file)).map_err(damaged)?;
        let metadata = reader.metadata();
        let unpacked =
            metadata.row_groups().iter().flat_map(|group| group.columns()).try_fold(0_u64, |sum, column| {
                // A size below zero is as much as no size at all.
                sum.checked_add(u64::try_from(column.uncompressed_size()).ok()?)
            });
        if unpacked.is_none_or(|bytes| bytes > bytes_max) {
            return Err(too_large(path, format!("{bytes_max} bytes")));
        }
        let schema = metadata.file_metadata().schema_descr();
        let root = schema.root_schema();
        let mut columns = Vec::with_capacity(root.get_fields().len());
        for field in root.get_fields() {
            if !field.is_primitive() {
                return Err(torn(path, format!("the column `{}` is nested", field.name())));
            }
            columns.push(field.name().to_owned());
        }
        let rows = RowIter::from_file_into(Box::new(reader)).with_batch_size(BATCH_ROWS);
        Ok((Self { path: path.to_owned(), rows, row: 0, columns: columns.clone() }, columns))
    }

    /// The next row, cells as text.
    pub(super) fn next(&mut self, record: &mut ByteRecord) -> Result<bool, TableError> {
        record.clear();
        let damaged = |cause: ParquetError| torn(&self.path, told(&cause));
        let Some(row) = guarded(|| self.rows.next().transpose()).map_err(damaged)? else { return Ok(false) };
        self.row += 1;
        self.push(&row, record)?;
        Ok(true)
    }

    fn push(&self, row: &Row, record: &mut ByteRecord) -> Result<(), TableError> {
        for ((_, field), column) in row.get_column_iter().zip(&self.columns) {
            let text = match field {
                Field::Null => String::new(),
                Field::Str(text) => {
                    record.push_field(text.as_bytes());
                    continue;
                }
                Field::Bytes(bytes) => {
                    record.push_field(bytes.data());
                    continue;
                }
                // As models are given them.
                Field::Bool(value) => u8::from(*value).to_string(),
                Field::Byte(number) => number.to_string(),
                Field::Short(number) => number.to_string(),
                Field::Int(number) => number.to_string(),
                Field::Long(number) => number.to_string(),
                Field::UByte(number) => number.to_string(),
                Field::UShort(number) => number.to_string(),
                Field::UInt(number) => number.to_string(),
                Field::ULong(number) => number.to_string(),
                // The very number that is stored, not the shortest that would be stored alike.
                Field::Float16(number) => number.to_f64().to_string(),
                Field::Float(number) => f64::from(*number).to_string(),
                Field::Double(number) => number.to_string(),
                Field::Decimal(_)
                | Field::Date(_)
                | Field::TimeMillis(_)
                | Field::TimeMicros(_)
                | Field::TimestampMillis(_)
                | Field::TimestampMicros(_)
                | Field::Group(_)
                | Field::ListInternal(_)
                | Field::MapInternal(_) => {
                    let why = "neither a number nor text";
                    return Err(TableError::Cell { row: self.row, column: column.clone(), why });
                }
            };
            record.push_field(text.as_bytes());
        }
        Ok(())
    }
}

/// The library takes care with damaged files, but makes no promise; a reader that unwound is not used again.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(ParquetError::General("the file is damaged".to_owned())))
}

/// What was wrong, in a few words of which none is the file's.
fn told(error: &ParquetError) -> String {
    match error {
        ParquetError::EOF(_) | ParquetError::NeedMoreData(_) | ParquetError::NeedMoreDataRange(_) => {
            "the Parquet file is cut off".to_owned()
        }
        ParquetError::NYI(_) => "the Parquet file uses a form or compression that is not read".to_owned(),
        _ => "the Parquet file is damaged, or of a form that is not read".to_owned(),
    }
}
