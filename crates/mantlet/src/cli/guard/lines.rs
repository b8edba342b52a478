//! JSON lines in and out, in order, one answer for each line.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};

use serde::{Serialize, de::DeserializeOwned};

use super::super::{exit::Failure, print};

/// The longest line: as much text as a language model reads, and a line is held in memory.
pub(super) const LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Answers each line of standard input with one on standard output. What was answered is written before more is waited for,
/// so that whoever writes a line and waits gets its answer. Lines of white space alone are passed over.
///
/// # Errors
///
/// At the end, if a line could not be read; it has `{"error"}` in its place.
pub(super) fn answer<I: DeserializeOwned, O: Serialize>(mut of: impl FnMut(I) -> O) -> Result<(), Failure> {
    answer_bytes(|line| serde_json::from_slice(line).map(&mut of).map_err(|error| error.to_string()))
}

/// The same where the caller reads the line by itself.
///
/// # Errors
///
/// As above.
pub(in super::super) fn answer_bytes<O: Serialize>(
    mut of: impl FnMut(&[u8]) -> Result<O, String>,
) -> Result<(), Failure> {
    let mut input = BufReader::with_capacity(1 << 16, io::stdin().lock());
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    match answer_all(&mut input, &mut out, &mut of) {
        Ok(0) => Ok(()),
        Ok(unread) => Err(Failure::new(format!("`{unread}` lines could not be read"))),
        // Who reads no further has what they wanted, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::new(format!("cannot go on: {error}"))),
    }
}

/// The same between any two streams; gives how many lines could not be read.
fn answer_all<O: Serialize, R: Read>(
    input: &mut BufReader<R>,
    out: &mut impl Write,
    of: &mut impl FnMut(&[u8]) -> Result<O, String>,
) -> io::Result<u64> {
    let (mut unread, mut line) = (0, Vec::new());
    loop {
        if input.buffer().is_empty() {
            out.flush()?;
        }
        line.clear();
        if input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            out.flush()?;
            return Ok(unread);
        }
        let whole = line.ends_with(b"\n") || (line.len() as u64) < LINE_BYTES_MAX;
        if !whole {
            skip_line(input)?;
        } else if line.trim_ascii().is_empty() {
            continue;
        }
        let answer = if whole { of(&line) } else { Err(format!("longer than `{LINE_BYTES_MAX}` bytes")) };
        match answer {
            Ok(answer) => serde_json::to_writer(&mut *out, &answer).map_err(io::Error::from)?,
            Err(why) => {
                unread += 1;
                // What could not be read may be quoted in the reason.
                let why = print::plain(&why, &[]);
                serde_json::to_writer(&mut *out, &serde_json::json!({ "error": why }))
                    .map_err(io::Error::from)?;
            }
        }
        out.write_all(b"\n")?;
    }
}

/// Passes over what is left of a line.
fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() || used == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Number {
        n: u32,
    }

    fn next(line: &[u8]) -> Result<u32, String> {
        serde_json::from_slice(line).map(|number: Number| number.n + 1).map_err(|error| error.to_string())
    }

    fn check(input: &str, expect: &str, unread: u64) {
        let mut out = Vec::new();
        let mut reader = BufReader::with_capacity(7, input.as_bytes());
        let count = answer_all(&mut reader, &mut out, &mut next).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expect);
        assert_eq!(count, unread);
    }

    #[test]
    fn lines_are_answered_in_order() {
        check("{\"n\":1}\n\n{\"n\":2}", "2\n3\n", 0);
        check("", "", 0);
    }

    #[test]
    fn a_line_that_cannot_be_read_has_an_error_in_its_place() {
        let error = "{\"error\":\"EOF while parsing an object at line 1 column 1\"}";
        check(
            "{\"n\":1}\n{\n{\"n\":2}\n",
            &format!("2\n{error}\n3\n").replace("line 1 column 1", "line 2 column 0"),
            1,
        );
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let mut out = Vec::new();
        let endless = io::repeat(b'x').take(LINE_BYTES_MAX + 100).chain(&b"\n{\"n\":1}\n"[..]);
        let mut reader = BufReader::new(endless);
        assert_eq!(answer_all(&mut reader, &mut out, &mut next).unwrap(), 1);
        assert_eq!(String::from_utf8(out).unwrap(), "{\"error\":\"longer than `16777216` bytes\"}\n2\n");
    }
}
