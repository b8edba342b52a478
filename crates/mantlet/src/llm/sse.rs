//! Event streams (HTML standard, section 9.2.6), read as they arrive, within bounds.

use std::collections::VecDeque;

/// Longest event: a piece of an answer has some hundred bytes.
const EVENT_BYTES_MAX: usize = 1 << 20;

/// What is no event stream, or is one beyond its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(&'static str);

/// A reader that is fed bytes, however they are cut, and gives the data of events.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    /// The last byte was a carriage return, so that a line feed that follows belongs to it.
    returned: bool,
    events: VecDeque<String>,
}

impl Parser {
    /// Takes more bytes.
    ///
    /// # Errors
    /// If an event is too long, or is no UTF-8.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Invalid> {
        let mut rest = bytes;
        while let Some((first, _)) = rest.split_first() {
            if std::mem::take(&mut self.returned) && *first == b'\n' {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (part, next) = match end.and_then(|end| rest.split_at_checked(end)) {
                Some((part, next)) => (part, Some(next)),
                None => (rest, None),
            };
            if self.line.len() + self.data.len() + part.len() > EVENT_BYTES_MAX {
                return Err(Invalid("an event is too long"));
            }
            self.line.extend_from_slice(part);
            let Some(next) = next else { break };
            self.returned = next.first() == Some(&b'\r');
            rest = next.get(1..).unwrap_or_default();
            self.end_line()?;
        }
        Ok(())
    }

    /// The data of the next event that is whole.
    pub fn take_event(&mut self) -> Option<String> {
        self.events.pop_front()
    }

    fn end_line(&mut self) -> Result<(), Invalid> {
        if self.line.is_empty() {
            if std::mem::take(&mut self.has_data) {
                let data = String::from_utf8(std::mem::take(&mut self.data));
                self.events.push_back(data.map_err(|_| Invalid("an event is no UTF-8"))?);
            }
            return Ok(());
        }
        // Other fields (event, id, retry) and comments say nothing here.
        let value = self.line.strip_prefix(b"data").and_then(|rest| match rest.split_first() {
            None => Some(rest),
            Some((b':', value)) => Some(value.strip_prefix(b" ").unwrap_or(value)),
            Some(_) => None,
        });
        if let Some(value) = value {
            if self.has_data {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(value);
            self.has_data = true;
        }
        self.line.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(pieces: &[&[u8]]) -> Result<Vec<String>, Invalid> {
        let mut parser = Parser::default();
        for piece in pieces {
            parser.feed(piece)?;
        }
        Ok(std::iter::from_fn(|| parser.take_event()).collect())
    }

    #[test]
    fn events_are_read_as_the_standard_says() {
        let text =
            "data: a\n\ndata:b\ndata:  c\n\n: comment\nevent: x\nid: 1\ndata\n\ndatax: no\n\ndata: cut";
        assert_eq!(all(&[text.as_bytes()]).unwrap(), ["a", "b\n c", ""]);
        assert_eq!(all(&[b"data: a\r\n\r\ndata: b\r\rdata: c\n\r\n"]).unwrap(), ["a", "b", "c"]);
        assert!(all(&[b"data: \xFF\n\n"]).is_err());
        assert!(all(&[b"data: ", &vec![b'a'; EVENT_BYTES_MAX]]).is_err());
    }

    proptest! {
        #[test]
        fn every_cut_reads_the_same(text in "[a\r\n: ]{0,40}(data: [a-z]{0,3}(\r\n|\n|\r){0,3}){0,6}", at in 0_usize..80) {
            let bytes = text.as_bytes();
            let at = at.min(bytes.len());
            let whole = all(&[bytes]);
            prop_assert_eq!(&all(&[&bytes[..at], &bytes[at..]]), &whole);
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(&all(&single), &whole);
        }
    }
}
