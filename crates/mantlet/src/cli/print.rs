//! Data to standard output: JSON for programs, tables for people.
//!
//! Much of it comes from packages and servers that somebody else made. A terminal obeys control characters, and shows text
//! that changes its direction in an order that nobody wrote, so neither is ever printed as it is.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, Write},
};

use serde_json::Value;

use super::exit::Failure;

/// Writes one line; a closed pipe ends the command quietly, as `head` expects.
pub fn line(text: impl AsRef<str>) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", plain(text.as_ref(), &['\n', '\t'])) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes one JSON document.
pub fn json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::new(error.to_string()))?;
    line(json_escaped(&text))
}

/// A document with what a terminal would obey escaped, as JSON may always have it: such characters stand within strings alone.
fn json_escaped(text: &str) -> Cow<'_, str> {
    escaped(text, &[], |out, character| write!(out, "\\u{:04x}", u32::from(character)))
}

/// Text as a terminal may get it, with all but these characters of those that it would obey escaped.
pub fn plain<'a>(text: &'a str, kept: &[char]) -> Cow<'a, str> {
    escaped(text, kept, |out, character| write!(out, "{}", character.escape_unicode()))
}

fn escaped<'a>(
    text: &'a str,
    kept: &[char],
    escape: impl Fn(&mut String, char) -> std::fmt::Result,
) -> Cow<'a, str> {
    let obeyed = |character: char| is_obeyed(character) && !kept.contains(&character);
    if !text.chars().any(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if obeyed(character) {
            // Writing to a string does not fail.
            let _ = escape(&mut out, character);
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// Control characters, C1 included; marks and overrides of direction ("Trojan Source", CVE-2021-42574); separators that are
/// line ends to some.
fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// Writes rows under a header, columns aligned; nothing but the header's absence for an empty list.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
    let header: Vec<Cow<'_, str>> = header.iter().map(|cell| plain(cell, &[])).collect();
    let rows: Vec<Vec<Cow<'_, str>>> =
        rows.iter().map(|row| row.iter().map(|cell| plain(cell, &[])).collect()).collect();
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain([header[column].chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let render = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    line(render(header.iter().map(AsRef::as_ref).collect()))?;
    rows.iter().try_for_each(|row| line(render(row.iter().map(AsRef::as_ref).collect())))
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
    eprintln!("{}", plain(&text.to_string(), &['\n', '\t']));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_reaches_it() {
        assert_eq!(plain("größer → 1 µs", &[]), "größer → 1 µs");
        assert_eq!(plain("\u{1b}]0;title\u{7}", &[]), "\\u{1b}]0;title\\u{7}");
        assert_eq!(plain("a\r\nb\u{9b}2J\u{202e}c", &['\n']), "a\\u{d}\nb\\u{9b}2J\\u{202e}c");
        let value = serde_json::json!({ "a\u{9b}": "\u{1b}[2J\u{202e}\u{7f}" });
        let text = json_escaped(&value.to_string()).into_owned();
        assert_eq!(text, r#"{"a\u009b":"\u001b[2J\u202e\u007f"}"#);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value, "the document is the same");
    }
}
