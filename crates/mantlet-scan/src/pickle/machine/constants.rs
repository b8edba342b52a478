//! Numbers and text, as the loaders of each protocol read them.

use super::{Host, LINE_BYTES_MAX, Machine, TEXT_LINE_BYTES_MAX};
use crate::{cursor::Cursor, pickle::value::Value, scan::Stop};

impl<H: Host> Machine<'_, '_, H> {
    pub(super) fn data(&mut self, bytes: u64) -> Result<(), Stop> {
        self.cursor.skip(bytes)?;
        self.push(Value::Data);
        Ok(())
    }

    pub(super) fn text(&mut self, bytes: u64) -> Result<(), Stop> {
        let at = self.cursor.skip(bytes)?;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.host.text(at, bytes);
        self.push(Value::Text { at, bytes });
        Ok(())
    }

    pub(super) fn long(&mut self, bytes: u64) -> Result<(), Stop> {
        let digits = self.cursor.take(bytes)?;
        let mut number = [if digits.last().is_some_and(|top| *top >= 0x80) { 0xff } else { 0 }; 8];
        let value = match number.get_mut(..digits.len()) {
            Some(low) => {
                low.copy_from_slice(digits);
                Value::Int(i64::from_le_bytes(number))
            }
            None => Value::Data,
        };
        self.push(value);
        Ok(())
    }

    /// The line of a number without the spaces around it. Loaders read it as C does: up to a zero byte.
    pub(super) fn number_text(&mut self) -> Result<String, Stop> {
        let (at, bytes) = self.cursor.line(TEXT_LINE_BYTES_MAX)?;
        let line = self.cursor.view(at, bytes)?;
        let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
        let line = line.trim_ascii();
        let line = line.strip_prefix(b"\x0b").unwrap_or(line);
        let long = line.len() as u64 > LINE_BYTES_MAX;
        let line = String::from_utf8_lossy(line.get(..200).filter(|_| long).unwrap_or(line)).into_owned();
        if long { Err(self.malformed(format!("`{line}` is no number"))) } else { Ok(line) }
    }

    /// An integer, as Python's `int(line, 0)` and C's `strtol` read it.
    pub(super) fn number_line(&mut self, long: bool) -> Result<(), Stop> {
        let line = self.number_text()?;
        let number = if long { line.strip_suffix('L').unwrap_or(&line) } else { &line };
        let (sign, bare) = match number.strip_prefix(['-', '+']) {
            Some(bare) if number.starts_with('-') => ("-", bare),
            Some(bare) => ("", bare),
            None => ("", number),
        };
        let (radix, digits) = match bare.get(..2).map(str::to_ascii_lowercase).as_deref() {
            Some("0x") => (16, bare.get(2..).unwrap_or_default()),
            Some("0o") => (8, bare.get(2..).unwrap_or_default()),
            Some("0b") => (2, bare.get(2..).unwrap_or_default()),
            // C takes a leading zero for octal.
            Some(_) if bare.starts_with('0') && bare.bytes().all(|b| matches!(b, b'0'..=b'7')) => (8, bare),
            _ => (10, bare),
        };
        let digits = digits.replace('_', "");
        if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
            return Err(self.malformed(format!("`{line}` is no number")));
        }
        self.push(i64::from_str_radix(&format!("{sign}{digits}"), radix).map_or(Value::Data, Value::Int));
        Ok(())
    }

    pub(super) fn quoted_line(&mut self) -> Result<(), Stop> {
        let (at, bytes) = self.cursor.line(TEXT_LINE_BYTES_MAX)?;
        let ends = |cursor: &mut Cursor<'_>| -> Result<(u8, u8), Stop> {
            let first = cursor.view(at, 1)?.first().copied().unwrap_or(0);
            let last = cursor.view(at + bytes - 1, 1)?.first().copied().unwrap_or(0);
            Ok((first, last))
        };
        if bytes < 2 {
            return Err(self.malformed("a string has no quotes"));
        }
        let (first, last) = ends(self.cursor)?;
        if first != last || !matches!(first, b'\'' | b'"') {
            return Err(self.malformed("a string has no quotes"));
        }
        let bytes = u32::try_from(bytes - 2).unwrap_or(u32::MAX);
        self.push(Value::Text { at: at + 1, bytes });
        Ok(())
    }

    pub(super) fn index_line(&mut self) -> Result<u64, Stop> {
        let line = self.number_text()?;
        let digits = line.strip_prefix('+').unwrap_or(&line).replace('_', "");
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // Whatever is larger than that no loader has room for.
        plain
            .then(|| digits.parse().ok())
            .flatten()
            .ok_or_else(|| self.malformed("a place in the memo is no number"))
    }
}
