//! Data to standard output: JSON for programs, tables for people.

use std::io::{self, Write};

use serde_json::Value;

use super::exit::Failure;

/// Writes one line; a closed pipe ends the command quietly, as `head` expects.
pub fn line(text: impl AsRef<str>) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", text.as_ref()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes one JSON document.
pub fn json(value: &impl serde::Serialize) -> Result<(), Failure> {
    line(serde_json::to_string(value).map_err(|error| Failure::new(error.to_string()))?)
}

/// Writes rows under a header, columns aligned; nothing but the header's absence for an empty list.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain([header[column].len()]).max().unwrap_or(0)
        })
        .collect();
    let render = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    line(render(header.to_vec()))?;
    rows.iter().try_for_each(|row| line(render(row.iter().map(String::as_str).collect())))
}

/// A member of a reply as a table cell.
pub fn cell(value: &Value, member: &str) -> String {
    match &value[member] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A list in a reply: the reply itself as JSON, or a table of the named members. The list is the reply, or stands in
/// it under `name`.
pub fn listing(reply: &Value, name: &str, columns: &[&str], as_json: bool) -> Result<(), Failure> {
    if as_json {
        return json(reply);
    }
    let items = reply.as_array().or_else(|| reply[name].as_array());
    let rows: Vec<Vec<String>> = items
        .into_iter()
        .flatten()
        .map(|item| columns.iter().map(|member| cell(item, member)).collect())
        .collect();
    table(columns, &rows)
}

/// A remark for a person, beside the data: to standard error.
#[expect(clippy::print_stderr, reason = "remarks go beside the data, not into it")]
pub fn note(text: std::fmt::Arguments<'_>) {
    eprintln!("{text}");
}
