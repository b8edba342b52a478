//! A JSON value in memory, for documents that are small by nature.

use std::borrow::Cow;

use super::{Event, Reader};
use crate::scan::{Scan, Stop};

/// Values held at most; the largest configuration seen has some ten thousand.
const VALUES_MAX: usize = 500_000;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Value<'a> {
    /// Position of its first byte.
    pub(crate) at: u64,
    /// What it is.
    pub(crate) kind: Kind<'a>,
}

/// A JSON value. Objects keep their order.
#[derive(Clone, Debug)]
pub(crate) enum Kind<'a> {
    /// `null`
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it is written.
    Number(&'a str),
    /// A string.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Value<'a>>),
    /// An object.
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// The member of this name, if this is an object that has it.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.members().iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The members, if this is an object.
    pub(crate) fn members(&self) -> &[(Cow<'a, str>, Self)] {
        if let Kind::Object(members) = &self.kind { members } else { &[] }
    }

    /// The items, if this is a list.
    pub(crate) fn items(&self) -> &[Self] {
        if let Kind::List(items) = &self.kind { items } else { &[] }
    }

    /// The string, if this is one.
    pub(crate) fn text(&self) -> Option<&str> {
        if let Kind::Text(text) = &self.kind { Some(text) } else { None }
    }

    /// The number, if this is one without sign, fraction and exponent.
    pub(crate) fn count(&self) -> Option<u64> {
        if let Kind::Number(number) = self.kind { number.parse().ok() } else { None }
    }
}

/// Reads a whole document.
pub(crate) fn parse<'a>(text: &'a str, python: bool, scan: &mut Scan<'_>) -> Result<Value<'a>, Stop> {
    let mut reader = Reader::new(text, python);
    let mut open: Vec<(Value<'a>, Option<Cow<'a, str>>)> = Vec::new();
    let mut values = 0_usize;
    while let Some((at, event)) = reader.next()? {
        values += 1;
        if values.is_multiple_of(256) {
            scan.charge(256)?;
        }
        if values > VALUES_MAX {
            return Err(Stop::Over("values of one JSON document"));
        }
        let kind = match event {
            Event::Key(key) => {
                if let Some((_, name)) = open.last_mut() {
                    *name = Some(key);
                }
                continue;
            }
            Event::ObjectStart | Event::ListStart => {
                let kind = if event == Event::ObjectStart {
                    Kind::Object(Vec::new())
                } else {
                    Kind::List(Vec::new())
                };
                open.push((Value { at: at as u64, kind }, None));
                continue;
            }
            Event::ObjectEnd | Event::ListEnd => {
                let Some((value, _)) = open.pop() else { return Err(Stop::Cut { offset: at as u64 }) };
                let Some(value) = place(&mut open, value) else { continue };
                return ended(&mut reader, value);
            }
            Event::Text(text) => Kind::Text(text),
            Event::Number(number) => Kind::Number(number),
            Event::Bool(bool) => Kind::Bool(bool),
            Event::Null => Kind::Null,
        };
        if let Some(value) = place(&mut open, Value { at: at as u64, kind }) {
            return ended(&mut reader, value);
        }
    }
    Err(Stop::Cut { offset: text.len() as u64 })
}

/// Puts a value where it belongs; gives it back if it is the outermost.
fn place<'a>(open: &mut [(Value<'a>, Option<Cow<'a, str>>)], value: Value<'a>) -> Option<Value<'a>> {
    match open.last_mut() {
        Some((Value { kind: Kind::Object(members), .. }, name)) => {
            members.push((name.take().unwrap_or_default(), value));
            None
        }
        Some((Value { kind: Kind::List(items), .. }, _)) => {
            items.push(value);
            None
        }
        _ => Some(value),
    }
}

fn ended<'a>(reader: &mut Reader<'a>, value: Value<'a>) -> Result<Value<'a>, Stop> {
    if reader.exhausted() {
        return Ok(value);
    }
    Err(Stop::malformed(reader.at() as u64, "something stands after the value"))
}
