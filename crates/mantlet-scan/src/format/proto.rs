//! Protocol buffers' wire format (protobuf.dev, "Encoding"), strictly: no groups, no field zero, no overlong numbers.

use super::window::Window;
use crate::scan::Stop;

/// A part of the content that is one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    at: u64,
    end: u64,
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// A number.
    Number(u64),
    /// Eight bytes.
    Fixed64,
    /// Text, bytes, packed numbers, or a message: where they are.
    Bytes(Message),
    /// Four bytes.
    Fixed32,
}

/// A field of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    /// Number in the schema.
    pub(crate) number: u64,
    /// Position of its tag.
    pub(crate) at: u64,
    /// Value.
    pub(crate) wire: Wire,
}

impl Message {
    /// All of the content.
    pub(crate) fn whole(window: &Window<'_>) -> Self {
        Self { at: 0, end: window.len() }
    }

    /// Where it begins.
    pub(crate) fn start(&self) -> u64 {
        self.at
    }

    /// Bytes that are left.
    pub(crate) fn len(&self) -> u64 {
        self.end - self.at
    }

    /// Takes the next field off.
    pub(crate) fn next(&mut self, window: &mut Window<'_>) -> Result<Option<Field>, Stop> {
        if self.at >= self.end {
            return Ok(None);
        }
        let at = self.at;
        let tag = self.number(window)?;
        let number = tag >> 3;
        if number == 0 || number >= 1 << 29 {
            return Err(Stop::malformed(at, "a field has no valid number"));
        }
        let wire = match tag & 7 {
            0 => Wire::Number(self.number(window)?),
            1 => self.skip(8).map(|_| Wire::Fixed64)?,
            2 => {
                let length = self.number(window)?;
                Wire::Bytes(self.skip(length)?)
            }
            5 => self.skip(4).map(|_| Wire::Fixed32)?,
            _ => return Err(Stop::malformed(at, "a field has an unknown wire type")),
        };
        Ok(Some(Field { number, at, wire }))
    }

    fn skip(&mut self, bytes: u64) -> Result<Self, Stop> {
        let start = self.at;
        let end =
            start.checked_add(bytes).filter(|end| *end <= self.end).ok_or(Stop::Cut { offset: start })?;
        self.at = end;
        Ok(Self { at: start, end })
    }

    /// Takes a number off, for packed lists too.
    pub(crate) fn number(&mut self, window: &mut Window<'_>) -> Result<u64, Stop> {
        let start = self.at;
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            if self.at >= self.end {
                return Err(Stop::Cut { offset: self.at });
            }
            let byte = window.byte(self.at)?;
            self.at += 1;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Stop::malformed(start, "a number is too long"))
    }

    /// The content as text.
    pub(crate) fn text(&self, window: &mut Window<'_>) -> Result<String, Stop> {
        /// Names and locations; nothing longer is ever compared with anything.
        const TEXT_BYTES_MAX: u64 = 1 << 20;
        if self.len() > TEXT_BYTES_MAX {
            return Err(Stop::malformed(self.at, "a name is too long"));
        }
        let bytes = window.bytes(self.at, self.len())?;
        let text = std::str::from_utf8(bytes).map_err(|_| Stop::malformed(self.at, "text is not UTF-8"))?;
        Ok(text.to_owned())
    }
}
