//! A strict reader of JSON texts (RFC 8259) that came from strangers.
//!
//! The caller pulls values one after another and says what it expects, so numbers go straight into typed vectors
//! and nothing is ever built that the protocol does not have. Depth is bounded, trailing data is an error, strings
//! must be well-formed, and a number is handed out as its text, so that no digit is lost on the way to its type.
//! Keys seen twice are the caller's to reject, because only it knows which members there are. The reader does not
//! know any protocol.

mod number;
mod write;

use std::{borrow::Cow, collections::HashSet};

use mantlet_types::{limits::JSON_DEPTH_MAX, question::Scalar};

pub use number::{Element, half_from, half_to};
pub use write::Writer;

/// The text is not the JSON that was expected. Where and why is not kept: callers name the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the expected JSON")]
pub struct Malformed;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{`
    Object,
    /// `[`
    Array,
    /// `"`
    Text,
    /// A digit or `-`
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

/// Progress through the members of one array or object.
#[derive(Debug, Default)]
pub struct Progress {
    begun: bool,
}

/// A cursor over a JSON text.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    depth_max: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of a text.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self::within(text, JSON_DEPTH_MAX)
    }

    /// The same, where values may be nested so deeply.
    #[must_use]
    pub const fn within(text: &'a str, depth_max: usize) -> Self {
        Self { text, at: 0, depth: 0, depth_max }
    }

    /// What comes next.
    ///
    /// # Errors
    /// At the end of the text, or at a character that begins no value.
    pub fn peek(&mut self) -> Result<Kind, Malformed> {
        self.space();
        Ok(match self.byte().ok_or(Malformed)? {
            b'{' => Kind::Object,
            b'[' => Kind::Array,
            b'"' => Kind::Text,
            b'-' | b'0'..=b'9' => Kind::Number,
            b't' | b'f' => Kind::Bool,
            b'n' => Kind::Null,
            _ => return Err(Malformed),
        })
    }

    /// Enters an object; its members follow by [`Reader::key`].
    ///
    /// # Errors
    /// If there is none, or it is nested too deeply.
    pub fn object(&mut self) -> Result<Progress, Malformed> {
        self.open(b'{')
    }

    /// Enters an array; its elements follow by [`Reader::element`].
    ///
    /// # Errors
    /// If there is none, or it is nested too deeply.
    pub fn array(&mut self) -> Result<Progress, Malformed> {
        self.open(b'[')
    }

    /// The next member's key, with its value to be read; `None` at the object's end.
    ///
    /// # Errors
    /// If neither a member nor the end follows.
    pub fn key(&mut self, progress: &mut Progress) -> Result<Option<Cow<'a, str>>, Malformed> {
        if !self.more(progress, b'}')? {
            return Ok(None);
        }
        let key = self.string()?;
        self.space();
        self.expect(b':')?;
        Ok(Some(key))
    }

    /// Whether an element follows, to be read; false at the array's end.
    ///
    /// # Errors
    /// If neither an element nor the end follows.
    pub fn element(&mut self, progress: &mut Progress) -> Result<bool, Malformed> {
        self.more(progress, b']')
    }

    /// A string.
    ///
    /// # Errors
    /// If there is none, or it has raw control characters, an unknown escape or half a surrogate pair.
    pub fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        self.space();
        self.expect(b'"')?;
        let rest = self.text.as_bytes().get(self.at..).ok_or(Malformed)?;
        let plain = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20)).ok_or(Malformed)?;
        if rest.get(plain) == Some(&b'"') {
            let text = self.take(plain)?;
            self.at += 1;
            return Ok(Cow::Borrowed(text));
        }
        self.escaped(plain).map(Cow::Owned)
    }

    /// A number, as its text.
    ///
    /// # Errors
    /// If there is none that follows the grammar: `+1`, `01`, `.5`, `1.` and `NaN` do not.
    pub fn number(&mut self) -> Result<&'a str, Malformed> {
        self.space();
        let bytes = self.text.as_bytes().get(self.at..).ok_or(Malformed)?;
        let length = number::length(bytes).ok_or(Malformed)?;
        self.take(length)
    }

    /// A number as a finite double.
    ///
    /// # Errors
    /// If there is none, or it is beyond the range of doubles.
    pub fn double(&mut self) -> Result<f64, Malformed> {
        self.space();
        if let Some((value, length)) = self.text.as_bytes().get(self.at..).and_then(number::short) {
            self.at += length;
            return Ok(value);
        }
        f64::parse(self.number()?).ok_or(Malformed)
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// If neither is there.
    pub fn bool(&mut self) -> Result<bool, Malformed> {
        self.space();
        if self.word("true") {
            Ok(true)
        } else if self.word("false") {
            Ok(false)
        } else {
            Err(Malformed)
        }
    }

    /// `null`.
    ///
    /// # Errors
    /// If it is not there.
    pub fn null(&mut self) -> Result<(), Malformed> {
        self.space();
        if self.word("null") { Ok(()) } else { Err(Malformed) }
    }

    /// Anything but an array or an object.
    ///
    /// # Errors
    /// If none is there.
    pub fn scalar(&mut self) -> Result<Scalar, Malformed> {
        match self.peek()? {
            Kind::Number => self.double().map(Scalar::Number),
            Kind::Text => self.string().map(|text| Scalar::Text(text.into())),
            Kind::Bool => self.bool().map(Scalar::Bool),
            Kind::Null => self.null().map(|()| Scalar::Null),
            Kind::Array | Kind::Object => Err(Malformed),
        }
    }

    /// Passes over nested arrays of scalars, to be read later by the reader returned.
    ///
    /// # Errors
    /// If they are not well-formed.
    pub fn later(&mut self) -> Result<Self, Malformed> {
        let mark = self.clone();
        self.pass()?;
        Ok(mark)
    }

    /// The end of the text.
    ///
    /// # Errors
    /// If something follows.
    pub fn end(&mut self) -> Result<(), Malformed> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(Malformed) }
    }

    /// Bytes not yet read: an upper bound on what may still come.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.text.len().saturating_sub(self.at)
    }

    /// INVARIANT (bounded-recursion): `open` counts every level, so this cannot nest beyond `JSON_DEPTH_MAX`.
    fn pass(&mut self) -> Result<(), Malformed> {
        match self.peek()? {
            Kind::Array => {
                let mut elements = self.array()?;
                while self.element(&mut elements)? {
                    self.pass()?;
                }
                Ok(())
            }
            Kind::Object => Err(Malformed),
            Kind::Number => self.number().map(drop),
            Kind::Text => self.string().map(drop),
            Kind::Bool => self.bool().map(drop),
            Kind::Null => self.null(),
        }
    }

    fn open(&mut self, bracket: u8) -> Result<Progress, Malformed> {
        self.space();
        self.expect(bracket)?;
        self.depth += 1;
        if self.depth > self.depth_max { Err(Malformed) } else { Ok(Progress::default()) }
    }

    fn more(&mut self, progress: &mut Progress, close: u8) -> Result<bool, Malformed> {
        self.space();
        if self.byte() == Some(close) {
            self.at += 1;
            self.depth = self.depth.saturating_sub(1);
            return Ok(false);
        }
        if progress.begun {
            self.expect(b',')?;
            self.space();
        }
        progress.begun = true;
        // After a comma a value must follow: `[1,]` ends in a bracket that begins no value.
        if self.byte() == Some(close) { Err(Malformed) } else { Ok(true) }
    }

    #[cold]
    fn escaped(&mut self, plain: usize) -> Result<String, Malformed> {
        let mut text = String::from(self.take(plain)?);
        loop {
            let rest = self.text.as_bytes().get(self.at..).ok_or(Malformed)?;
            let run = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20)).ok_or(Malformed)?;
            text.push_str(self.take(run)?);
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escape()?);
                }
                _ => return Err(Malformed),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Malformed> {
        let letter = self.byte().ok_or(Malformed)?;
        self.at += 1;
        Ok(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(Malformed),
        })
    }

    fn unicode(&mut self) -> Result<char, Malformed> {
        let first = self.hex4()?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first).ok_or(Malformed); // a low surrogate alone is no character
        }
        if !self.word("\\u") {
            return Err(Malformed);
        }
        let second = self.hex4()?;
        if !(0xDC00..0xE000).contains(&second) {
            return Err(Malformed);
        }
        char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)).ok_or(Malformed)
    }

    fn hex4(&mut self) -> Result<u32, Malformed> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).ok_or(Malformed)?;
        let value = digits.iter().try_fold(0, |value, byte| {
            char::from(*byte).to_digit(16).map(|digit| (value << 4) | digit).ok_or(Malformed)
        })?;
        self.at += 4;
        Ok(value)
    }

    fn word(&mut self, word: &str) -> bool {
        let there = self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes()));
        if there {
            self.at += word.len();
        }
        there
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.byte() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(Malformed)
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, length: usize) -> Result<&'a str, Malformed> {
        let text = self.text.get(self.at..self.at + length).ok_or(Malformed)?;
        self.at += length;
        Ok(text)
    }
}

/// Checks that a text is one JSON value in which no object has a key twice, for readers that do not look.
///
/// # Errors
/// If it is not.
pub fn check(text: &str) -> Result<(), Malformed> {
    check_within(text, JSON_DEPTH_MAX, usize::MAX)
}

/// The same, where values may be nested so deeply, and there may be so many of them.
///
/// # Errors
/// As there.
pub fn check_within(text: &str, depth_max: usize, values_max: usize) -> Result<(), Malformed> {
    let mut reader = Reader::within(text, depth_max);
    let mut left = values_max;
    check_value(&mut reader, &mut left)?;
    reader.end()
}

/// INVARIANT (bounded-recursion): as for [`Reader::pass`].
fn check_value(reader: &mut Reader<'_>, left: &mut usize) -> Result<(), Malformed> {
    *left = left.checked_sub(1).ok_or(Malformed)?;
    match reader.peek()? {
        Kind::Object => {
            let mut seen = HashSet::new();
            let mut members = reader.object()?;
            while let Some(key) = reader.key(&mut members)? {
                if !seen.insert(key) {
                    return Err(Malformed);
                }
                check_value(reader, left)?;
            }
            Ok(())
        }
        Kind::Array => {
            let mut elements = reader.array()?;
            while reader.element(&mut elements)? {
                check_value(reader, left)?;
            }
            Ok(())
        }
        _ => reader.scalar().map(drop),
    }
}

/// Fills a member that may appear once.
///
/// # Errors
/// If it has appeared before: which of two equal keys counts differs between readers, and attackers use that.
pub fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), Malformed> {
    if slot.replace(value).is_some() { Err(Malformed) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
