//! Rows for the demo model, from the data that it was tested with.

use serde_json::{Map, Value, json};

const TEST_SET: &str = include_str!("../../../../../testdata/models/breast_cancer/test.csv");

/// The features' names in the model's order.
pub fn names() -> Vec<&'static str> {
    let header = TEST_SET.lines().next().unwrap();
    header.split(',').filter(|name| *name != "target").collect()
}

/// The first row of a class: 1 is benign, 0 is malignant.
pub fn first_of(class: &str) -> Vec<f64> {
    let mut rows = TEST_SET.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    let row = rows.find(|row| row.last() == Some(&class)).unwrap();
    row[..row.len() - 1].iter().map(|cell| cell.parse().unwrap()).collect()
}

/// A row that the model answers with confidence.
pub fn benign() -> Vec<f64> {
    first_of("1")
}

/// Two fifths of the way from a benign row to a malignant one, where the model is not sure.
pub fn doubtful() -> Vec<f64> {
    first_of("1")
        .iter()
        .zip(first_of("0"))
        .map(|(benign, malignant)| 0.6 * benign + 0.4 * malignant)
        .collect()
}

/// A row by name.
pub fn named(row: &[f64]) -> Map<String, Value> {
    names().iter().zip(row).map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
}

/// A question in the simple protocol.
pub fn question(row: &[f64]) -> Value {
    json!({ "features": named(row) })
}

/// A batch of one row so many times.
pub fn batch(row: &[f64], rows: usize) -> Value {
    json!({ "features": vec![row; rows] })
}

/// A labelled table of the fewest rows that a report speaks of, all of them nearly the same.
pub fn labelled(row: &[f64], truth: &str) -> Value {
    let columns = [names(), vec!["target"]].concat();
    let cells = |number: u32| {
        let mut row = row.to_vec();
        row[0] += f64::from(number) / 1_000.0;
        row.iter().map(|value| json!(value)).chain([json!(truth)]).collect::<Vec<Value>>()
    };
    json!({ "columns": columns, "rows": (0..30).map(cells).collect::<Vec<_>>(), "target": "target" })
}

/// The first row of a labelled table so many times.
pub fn copies(mut table: Value, rows: usize) -> Value {
    let rows = vec![table["rows"][0].clone(); rows];
    table["rows"] = json!(rows);
    table
}

/// The whole test set as a labelled table, every cell as text.
pub fn test_set() -> Value {
    let mut lines = TEST_SET.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let columns = lines.next().unwrap();
    json!({ "columns": columns, "rows": lines.collect::<Vec<_>>(), "target": "target" })
}

/// A question in the Open Inference Protocol.
pub fn inference(row: &[f64]) -> Value {
    json!({ "inputs": [{ "name": "input", "datatype": "FP32", "shape": [1, row.len()], "data": row }] })
}
