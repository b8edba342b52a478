//! JSON (RFC 8259) with places: strict where the usual parsers are lenient, since a name that stands twice means one
//! thing to one program and another to the next. It knows no cloud.

#[cfg(test)]
mod tests;

use crate::tree::{Member, Node, Place, Value};

/// The most that is read of one document: plans of large stacks are some ten megabytes.
pub const BYTES_MAX: usize = 64 << 20;
/// How deep values may stand in one another: plans of nested modules stay below half of it.
pub const DEPTH_MAX: usize = 96;

/// Why a text is no JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why} at line `{}`, column `{}`", place.line, place.column)]
pub struct Malformed {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub why: String,
}

/// Reads one document, in time linear in its length.
///
/// # Errors
///
/// Where it is no JSON, too long, too deep, or has a name twice.
pub fn read(text: &str) -> Result<Node, Malformed> {
    let mut reader = Reader { text, at: 0, place: Place { line: 1, column: 1 } };
    if text.len() > BYTES_MAX {
        return Err(reader.malformed(format!("more than `{BYTES_MAX}` bytes")));
    }
    if reader.peek() == Some('\u{feff}') {
        reader.next();
    }
    let node = reader.value(0)?;
    reader.blank();
    match reader.peek() {
        None => Ok(node),
        Some(_) => Err(reader.malformed("something after the document")),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    place: Place,
}

impl Reader<'_> {
    fn malformed(&self, why: impl Into<String>) -> Malformed {
        Malformed { place: self.place, why: why.into() }
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        if character == '\n' {
            self.place = Place { line: self.place.line.saturating_add(1), column: 1 };
        } else {
            self.place.column = self.place.column.saturating_add(1);
        }
        Some(character)
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.next();
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), Malformed> {
        self.blank();
        if self.peek() == Some(wanted) {
            self.next();
            return Ok(());
        }
        Err(self.malformed(format!("expected `{wanted}`")))
    }

    fn value(&mut self, depth: usize) -> Result<Node, Malformed> {
        self.blank();
        if depth > DEPTH_MAX {
            return Err(self.malformed(format!("more than `{DEPTH_MAX}` values in one another")));
        }
        let place = self.place;
        let value = match self.peek() {
            Some('{') => self.map(depth)?,
            Some('[') => self.list(depth)?,
            Some('"') => Value::Text(self.string()?),
            Some('-' | '0'..='9') => self.number()?,
            Some('t') => self.word("true", Value::Bool(true))?,
            Some('f') => self.word("false", Value::Bool(false))?,
            Some('n') => self.word("null", Value::Null)?,
            Some(_) => return Err(self.malformed("expected a value")),
            None => return Err(self.malformed("the document ends before its value")),
        };
        Ok(Node::new(place, value))
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Malformed> {
        for wanted in word.chars() {
            if self.peek() != Some(wanted) {
                return Err(self.malformed("expected a value"));
            }
            self.next();
        }
        Ok(value)
    }

    fn map(&mut self, depth: usize) -> Result<Value, Malformed> {
        self.expect('{')?;
        let mut members: Vec<Member> = Vec::new();
        let mut names = std::collections::HashSet::new();
        self.blank();
        if self.peek() == Some('}') {
            self.next();
            return Ok(Value::Map(members));
        }
        loop {
            self.blank();
            let place = self.place;
            let name = self.string()?;
            if !names.insert(name.clone()) {
                return Err(Malformed { place, why: format!("`{name}` stands here a second time") });
            }
            self.expect(':')?;
            let value = self.value(depth + 1)?;
            members.push(Member { name, place, value });
            self.blank();
            match self.next() {
                Some(',') => {}
                Some('}') => return Ok(Value::Map(members)),
                _ => return Err(self.malformed("expected `,` or `}`")),
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Malformed> {
        self.expect('[')?;
        let mut items = Vec::new();
        self.blank();
        if self.peek() == Some(']') {
            self.next();
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.blank();
            match self.next() {
                Some(',') => {}
                Some(']') => return Ok(Value::List(items)),
                _ => return Err(self.malformed("expected `,` or `]`")),
            }
        }
    }

    fn number(&mut self) -> Result<Value, Malformed> {
        let mut text = String::new();
        while let Some(character @ ('0'..='9' | '-' | '+' | '.' | 'e' | 'E')) = self.peek() {
            text.push(character);
            self.next();
        }
        match serde_json::from_str::<serde_json::Number>(&text) {
            Ok(_) => Ok(Value::Number(text)),
            Err(_) => Err(self.malformed("expected a number")),
        }
    }

    fn string(&mut self) -> Result<String, Malformed> {
        self.blank();
        if self.peek() != Some('"') {
            return Err(self.malformed("expected a text in double quotes"));
        }
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                None => return Err(self.malformed("the document ends within a text")),
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escaped()?),
                Some('\0'..='\u{1f}') => return Err(self.malformed("a control character within a text")),
                Some(character) => text.push(character),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, Malformed> {
        match self.next() {
            Some(character @ ('"' | '\\' | '/')) => Ok(character),
            Some('b') => Ok('\u{8}'),
            Some('f') => Ok('\u{c}'),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some('u') => self.unicode(),
            _ => Err(self.malformed("an unknown escape")),
        }
    }

    fn unicode(&mut self) -> Result<char, Malformed> {
        let first = self.hex()?;
        let code = match first {
            0xd800..=0xdbff => {
                if self.next() != Some('\\') || self.next() != Some('u') {
                    return Err(self.malformed("half of a surrogate pair"));
                }
                let second = self.hex()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(self.malformed("half of a surrogate pair"));
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(|| self.malformed("half of a surrogate pair"))
    }

    fn hex(&mut self) -> Result<u32, Malformed> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.next().and_then(|character| character.to_digit(16));
            code = code * 16 + digit.ok_or_else(|| self.malformed("expected four hexadecimal digits"))?;
        }
        Ok(code)
    }
}
