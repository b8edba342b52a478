//! JSON, strictly: what two parsers could read differently is refused.
//!
//! RFC 8259 with every optional strictness: no byte order mark, no duplicate key at any level, no lone surrogate,
//! nothing after the value, bounded depth. `NaN`, `Infinity` and `-Infinity`, which Python's writer makes, are numbers
//! where the caller says so.

pub(crate) mod document;
mod tree;

use std::{borrow::Cow, collections::HashSet};

pub(crate) use self::tree::{Kind, Value, parse};
use crate::scan::Stop;

/// Levels of nesting; real configurations have some ten.
const DEPTH_MAX: usize = 128;

/// One step through a JSON text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event<'a> {
    /// `{`
    ObjectStart,
    /// `}`
    ObjectEnd,
    /// `[`
    ListStart,
    /// `]`
    ListEnd,
    /// A key of an object.
    Key(Cow<'a, str>),
    /// A string.
    Text(Cow<'a, str>),
    /// A number, as it is written.
    Number(&'a str),
    /// `true` or `false`.
    Bool(bool),
    /// `null`
    Null,
}

enum Level<'a> {
    Object(HashSet<Cow<'a, str>>),
    List,
}

#[derive(Clone, Copy, PartialEq)]
enum Expect {
    /// A value.
    Value,
    /// A value, or the end of a list that has just begun.
    ValueOrEnd,
    /// A key, or the end of an object that has just begun.
    KeyOrEnd,
    /// A comma, or the end of what we are in.
    CommaOrEnd,
    /// Nothing more.
    End,
}

/// A pull parser. It holds the keys of the objects that are open, and nothing else.
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    levels: Vec<Level<'a>>,
    expect: Expect,
    python: bool,
}

impl<'a> Reader<'a> {
    /// Reads the value at the beginning of `text`; `python` allows the numbers that only Python writes.
    pub(crate) fn new(text: &'a str, python: bool) -> Self {
        Self { text, at: 0, levels: Vec::new(), expect: Expect::Value, python }
    }

    /// Where the next event is looked for, in bytes.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    fn wrong<T>(&self, why: &str) -> Result<T, Stop> {
        Err(Stop::malformed(self.at as u64, why))
    }

    fn peek(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.text.as_bytes().get(self.at).copied()
    }

    /// Whether nothing but white space is left.
    pub(crate) fn exhausted(&mut self) -> bool {
        self.peek().is_none()
    }

    /// The next event and its place; nothing after the value's end.
    pub(crate) fn next(&mut self) -> Result<Option<(usize, Event<'a>)>, Stop> {
        if self.expect == Expect::End {
            return Ok(None);
        }
        let Some(mut byte) = self.peek() else { return Err(Stop::Cut { offset: self.at as u64 }) };
        if self.expect == Expect::CommaOrEnd && byte == b',' {
            self.at += 1;
            let Some(next) = self.peek() else { return Err(Stop::Cut { offset: self.at as u64 }) };
            byte = next;
            if let Some(Level::Object(_)) = self.levels.last() {
                return self.key(byte).map(Some);
            }
            return self.value(byte).map(Some);
        }
        match (self.expect, byte) {
            (Expect::KeyOrEnd | Expect::CommaOrEnd, b'}')
                if matches!(self.levels.last(), Some(Level::Object(_))) =>
            {
                Ok(Some(self.close(Event::ObjectEnd)))
            }
            (Expect::ValueOrEnd | Expect::CommaOrEnd, b']')
                if matches!(self.levels.last(), Some(Level::List)) =>
            {
                Ok(Some(self.close(Event::ListEnd)))
            }
            (Expect::KeyOrEnd, _) => self.key(byte).map(Some),
            (Expect::Value | Expect::ValueOrEnd, _) => self.value(byte).map(Some),
            _ => self.wrong("a comma or an end is missing"),
        }
    }

    fn close(&mut self, event: Event<'a>) -> (usize, Event<'a>) {
        let at = self.at;
        self.at += 1;
        self.levels.pop();
        self.after_value();
        (at, event)
    }

    fn after_value(&mut self) {
        self.expect = if self.levels.is_empty() { Expect::End } else { Expect::CommaOrEnd };
    }

    fn key(&mut self, byte: u8) -> Result<(usize, Event<'a>), Stop> {
        let at = self.at;
        if byte != b'"' {
            return self.wrong("a key is not a string");
        }
        let key = self.string()?;
        if self.peek() != Some(b':') {
            return self.wrong("a colon is missing");
        }
        self.at += 1;
        self.expect = Expect::Value;
        if let Some(Level::Object(keys)) = self.levels.last_mut()
            && !keys.insert(key.clone())
        {
            let why = format!("the key `{}` stands twice in one object", super::window::shown(&key));
            return Err(Stop::malformed(at as u64, why));
        }
        Ok((at, Event::Key(key)))
    }

    fn value(&mut self, byte: u8) -> Result<(usize, Event<'a>), Stop> {
        let at = self.at;
        let event = match byte {
            b'{' | b'[' => {
                if self.levels.len() >= DEPTH_MAX {
                    return self.wrong("values are nested too deeply");
                }
                self.at += 1;
                let object = byte == b'{';
                self.levels.push(if object { Level::Object(HashSet::new()) } else { Level::List });
                self.expect = if object { Expect::KeyOrEnd } else { Expect::ValueOrEnd };
                return Ok((at, if object { Event::ObjectStart } else { Event::ListStart }));
            }
            b'"' => Event::Text(self.string()?),
            b'-' | b'0'..=b'9' => self.number()?,
            _ => self.word()?,
        };
        self.after_value();
        Ok((at, event))
    }

    fn word(&mut self) -> Result<Event<'a>, Stop> {
        let words = [
            ("true", Event::Bool(true)),
            ("false", Event::Bool(false)),
            ("null", Event::Null),
            ("NaN", Event::Number("NaN")),
            ("Infinity", Event::Number("Infinity")),
        ];
        let rest = self.text.get(self.at..).unwrap_or_default();
        for (word, event) in words {
            if rest.starts_with(word) && (self.python || !matches!(event, Event::Number(_))) {
                self.at += word.len();
                return Ok(event);
            }
        }
        self.wrong("no value begins like this")
    }

    fn number(&mut self) -> Result<Event<'a>, Stop> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let digits = |from: usize| {
            bytes.get(from..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count()
        };
        let mut at = start + usize::from(bytes.get(start) == Some(&b'-'));
        if self.python && self.text.get(at..).is_some_and(|rest| rest.starts_with("Infinity")) {
            self.at = at + "Infinity".len();
            return Ok(Event::Number("-Infinity"));
        }
        let whole = digits(at);
        if whole == 0 || (whole > 1 && bytes.get(at) == Some(&b'0')) {
            return self.wrong("a number is malformed");
        }
        at += whole;
        if bytes.get(at) == Some(&b'.') {
            let fraction = digits(at + 1);
            if fraction == 0 {
                return self.wrong("a number is malformed");
            }
            at += 1 + fraction;
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            let exponent = digits(at);
            if exponent == 0 {
                return self.wrong("a number is malformed");
            }
            at += exponent;
        }
        self.at = at;
        Ok(Event::Number(self.text.get(start..at).unwrap_or_default()))
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Stop> {
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let plain = |from: usize| {
            let rest = bytes.get(from..).unwrap_or_default();
            from + rest.iter().take_while(|byte| **byte >= 0x20 && !matches!(byte, b'"' | b'\\')).count()
        };
        let mut end = plain(start);
        if bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(Cow::Borrowed(self.text.get(start..end).unwrap_or_default()));
        }
        let mut decoded = String::new();
        let mut from = start;
        loop {
            decoded.push_str(self.text.get(from..end).unwrap_or_default());
            self.at = end;
            match bytes.get(end) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(decoded));
                }
                Some(b'\\') => decoded.push(self.escape()?),
                Some(_) => return self.wrong("a control character stands in a string"),
                None => return Err(Stop::Cut { offset: end as u64 }),
            }
            from = self.at;
            end = plain(from);
        }
    }

    /// The character of the escape sequence at the backslash.
    fn escape(&mut self) -> Result<char, Stop> {
        let letter = self.text.as_bytes().get(self.at + 1).copied();
        self.at += 2;
        Ok(match letter {
            Some(letter @ (b'"' | b'\\' | b'/')) => char::from(letter),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = self.unit()?;
                let mut units = vec![first];
                if (0xd800..0xdc00).contains(&first)
                    && self.text.get(self.at..).is_some_and(|rest| rest.starts_with("\\u"))
                {
                    self.at += 2;
                    units.push(self.unit()?);
                }
                match char::decode_utf16(units).collect::<Result<Vec<_>, _>>().as_deref() {
                    Ok([character]) => *character,
                    _ => return self.wrong("a surrogate stands alone"),
                }
            }
            _ => return self.wrong("an escape sequence is unknown"),
        })
    }

    fn unit(&mut self) -> Result<u16, Stop> {
        let digits = self
            .text
            .get(self.at..self.at + 4)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let Some(unit) = unit else { return self.wrong("an escape sequence is cut") };
        self.at += 4;
        Ok(unit)
    }
}

#[cfg(test)]
mod tests;
