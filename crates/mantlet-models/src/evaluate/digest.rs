//! The digest of a table: which data a model was evaluated on, so that two evaluations can be held against each other and a
//! condition can name what it is about.
//!
//! SHA-256 over lines of JSON as [RFC 8259] has it, without spaces, each ended by `\n`: the array of the columns' names, the
//! name of the column with the truth as a string, then each row as an array of its cells, all of them strings. A number is
//! the shortest decimal that reads back as it, nothing is the empty string. So a CSV file has one digest whoever computes it,
//! with four lines of Python.
//!
//! [RFC 8259]: https://www.rfc-editor.org/rfc/rfc8259

use std::io::{self, Write};

use aws_lc_rs::digest::{Context, SHA256};
use mantlet_types::{Sha256, question::Scalar};

/// The digest of a table that is still being read.
pub(super) struct Digesting(Context);

impl Digesting {
    /// Of a table with these columns, of which one has the truth.
    pub(super) fn new(columns: &[String], target: &str) -> Self {
        let mut digesting = Self(Context::new(&SHA256));
        digesting.line(columns);
        digesting.line(target);
        digesting
    }

    /// Takes a row.
    pub(super) fn push(&mut self, cells: &[Scalar]) {
        let texts: Vec<String> = cells.iter().map(text).collect();
        self.line(&texts);
    }

    /// The digest; `None` if it has another length than SHA-256 has.
    pub(super) fn finish(self) -> Option<Sha256> {
        <[u8; 32]>::try_from(self.0.finish().as_ref()).ok().map(Sha256)
    }

    fn line<T: serde::Serialize + ?Sized>(&mut self, value: &T) {
        // Strings always become JSON, and a digest takes every byte.
        let _ = serde_json::to_writer(&mut *self, value);
        self.0.update(b"\n");
    }
}

impl Write for Digesting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn text(cell: &Scalar) -> String {
    match cell {
        Scalar::Text(text) => text.to_string(),
        Scalar::Number(number) => number.to_string(),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Null => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_one_digest_however_its_cells_are_written() {
        let of = |rows: &[[Scalar; 2]]| {
            let mut digesting = Digesting::new(&["a".to_owned(), "y".to_owned()], "y");
            rows.iter().for_each(|row| digesting.push(row));
            digesting.finish().unwrap().to_string()
        };
        let text = |text: &str| Scalar::Text(text.into());
        // Python: hashlib.sha256('["a","y"]\n"y"\n["1.5","é\\"\\n"]\n["",""]\n'.encode()).hexdigest()
        let expect = "36f18219bf2d3f43ee35780c5f61b6a7a1f363ab794595b00815d7fb446232ea";
        assert_eq!(of(&[[text("1.5"), text("é\"\n")], [text(""), text("")]]), expect);
        assert_eq!(of(&[[Scalar::Number(1.5), text("é\"\n")], [Scalar::Null, Scalar::Null]]), expect);
        // Where a cell or a row ends is part of it.
        assert_ne!(of(&[[text("ab"), text("")]]), of(&[[text("a"), text("b")]]));
    }
}
