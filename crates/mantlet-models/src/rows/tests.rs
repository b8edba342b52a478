//! Data files in both forms, whole and damaged.

use std::sync::Arc;

use parquet::{
    basic::{Compression, GzipLevel, ZstdLevel},
    data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, FloatType, Int64Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};
use proptest::prelude::*;

use super::*;

const SCHEMA: &str = "message table {
    required double age; optional int64 visits; required float weight; required boolean smokes;
    optional binary city (UTF8); required binary code;
}";

/// Three rows in every type that is read.
fn written(compression: Compression) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    macro_rules! column {
        ($type:ty, $values:expr, $defined:expr) => {
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<$type>().write_batch(&$values, $defined, None).unwrap();
            column.close().unwrap();
        };
    }
    column!(DoubleType, [41.5, f64::NAN, -0.1], None);
    column!(Int64Type, [i64::MAX, 3], Some(&[1, 0, 1]));
    column!(FloatType, [0.1, 1.0, 2.5], None);
    column!(BoolType, [true, false, true], None);
    column!(ByteArrayType, ["Köln", ""].map(ByteArray::from), Some(&[1, 1, 0]));
    column!(ByteArrayType, ["a,b", "\"", "c\nd"].map(ByteArray::from), None);
    group.close().unwrap();
    writer.into_inner().unwrap()
}

fn read(bytes: &[u8], bytes_max: u64) -> Result<Vec<Vec<String>>, TableError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let mut rows = Rows::open(file.path(), bytes_max)?;
    let mut all = vec![rows.columns().to_vec()];
    let mut record = ByteRecord::new();
    while rows.next(&mut record)? {
        all.push(record.iter().map(|cell| String::from_utf8(cell.to_vec()).unwrap()).collect());
    }
    Ok(all)
}

#[test]
fn parquet_is_rows_of_text_however_it_is_packed() {
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::LZ4_RAW,
    ] {
        let rows = read(&written(compression), 1 << 20).unwrap();
        let expect: [[&str; 6]; 4] = [
            ["age", "visits", "weight", "smokes", "city", "code"],
            ["41.5", "9223372036854775807", "0.10000000149011612", "1", "Köln", "a,b"],
            ["NaN", "", "1", "0", "", "\""],
            ["-0.1", "3", "2.5", "1", "", "c\nd"],
        ];
        assert_eq!(rows, expect, "{compression:?}");
    }
}

#[test]
fn csv_is_told_apart_by_what_is_in_it() {
    assert_eq!(read(b"a,b\n1,\"x,y\"\n", 100).unwrap(), [["a", "b"], ["1", "x,y"]]);
    assert_eq!(read(b"PAR\n1\n", 100).unwrap(), [["PAR"], ["1"]]);
    assert_eq!(read(b"", 100).unwrap(), [Vec::<String>::new()]);
}

#[test]
fn no_file_is_larger_than_it_may_be() {
    let parquet = written(Compression::UNCOMPRESSED);
    for (bytes, enough) in [(b"a\n1\n2\n".as_slice(), 6), (&parquet, 1000)] {
        assert!(read(bytes, enough).is_ok());
        assert!(matches!(read(bytes, 5), Err(TableError::TooLarge { .. })));
    }
    let wide = vec!["a"; FEATURES_MAX + 2].join(",");
    assert!(matches!(read(wide.as_bytes(), 1 << 30), Err(TableError::TooLarge { .. })));
}

#[test]
fn columns_have_one_name_each_and_hold_numbers_or_text() {
    assert!(matches!(read(b"a,b,a\n", 100), Err(TableError::Twice(name)) if name == "a"));
    let empty = |schema: &str| {
        let schema = Arc::new(parse_message_type(schema).unwrap());
        SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap().into_inner().unwrap()
    };
    let twice = empty("message t { required double a; required double a; }");
    assert!(matches!(read(&twice, 100), Err(TableError::Twice(_))));
    let nested = empty("message t { required group a { required double b; } }");
    assert!(matches!(read(&nested, 100), Err(TableError::NotATable { .. })));
    let schema = Arc::new(parse_message_type("message t { required int64 at (TIMESTAMP_MILLIS); }").unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&[1_800_000_000_000], None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    let dated = read(&writer.into_inner().unwrap(), 1000);
    assert!(matches!(dated, Err(TableError::Cell { row: 1, column, .. }) if column == "at"));
}

proptest! {
    /// Cut anywhere or altered anywhere, a file is refused or read; it takes nothing down.
    #[test]
    fn damaged_files_are_refused_or_read(cut in 0_usize..2000, place in 0_usize..2000, value: u8, packed: bool) {
        let compression = if packed { Compression::SNAPPY } else { Compression::UNCOMPRESSED };
        let mut bytes = written(compression);
        let place = place % bytes.len();
        bytes[place] = value;
        let _ = read_lossy(&bytes);
        bytes.truncate(cut % bytes.len());
        if bytes.len() >= PARQUET_MAGIC.len() && bytes.starts_with(PARQUET_MAGIC) {
            prop_assert!(read_lossy(&bytes).is_err());
        }
    }
}

fn read_lossy(bytes: &[u8]) -> Result<usize, TableError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let mut rows = Rows::open(file.path(), 1 << 20)?;
    let mut record = ByteRecord::new();
    let mut count = 0;
    while rows.next(&mut record)? {
        count += 1;
    }
    Ok(count)
}
