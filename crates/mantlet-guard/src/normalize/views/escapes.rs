//! Characters written by their codes within text: `%69`, `&#105;`, `\u0069`, `\x69`, `=69`, `U+0069`.

use super::super::Mapped;
use crate::Span;

/// Codes that a text has at least; one or two occur in ordinary links and pages.
const CODES_MIN: usize = 4;

/// The text with all codes replaced, if it has some.
pub(super) fn find(source: &Mapped) -> Vec<(&'static str, Mapped)> {
    let text = source.text();
    // Nothing else begins a code.
    if text.bytes().filter(|byte| matches!(byte, b'%' | b'&' | b'\\' | b'=' | b'+')).count() < CODES_MIN {
        return Vec::new();
    }
    let mut out = Mapped::with_capacity(text.len());
    let (mut codes, mut copied, mut place) = (0, 0, 0);
    let mut pending = Pending::default();
    while place < text.len() {
        let Some(rest) = text.as_bytes().get(place..) else { break };
        let Some((code, length)) = code(rest) else {
            pending.flush(source, &mut out);
            place += 1;
            continue;
        };
        pending.adjoins(place, source, &mut out);
        if pending.bytes.is_empty() && pending.text.is_empty() {
            out.copy(source, copied..place);
            pending.start = place;
        }
        pending.take(code);
        codes += 1;
        place += length;
        pending.end = place;
        copied = place;
    }
    pending.flush(source, &mut out);
    out.copy(source, copied..text.len());
    if codes < CODES_MIN { Vec::new() } else { vec![("escapes", out)] }
}

/// What one code stands for: a byte of UTF-8, or a character.
#[derive(Clone, Copy)]
enum Code {
    Byte(u8),
    Unit(u32),
}

/// A code at the beginning of this, and its length.
fn code(rest: &[u8]) -> Option<(Code, usize)> {
    let hex = |from: usize, to: usize| number(rest.get(from..to)?, 16);
    match rest {
        [b'%', b'u', ..] => Some((Code::Unit(hex(2, 6)?), 6)),
        [b'%' | b'=', ..] => Some((Code::Byte(u8::try_from(hex(1, 3)?).ok()?), 3)),
        [b'\\', b'u', b'{', ..] => braced(rest, 3, b'}', 16),
        [b'\\', b'u', ..] => Some((Code::Unit(hex(2, 6)?), 6)),
        [b'\\', b'U', ..] => Some((Code::Unit(hex(2, 10)?), 10)),
        [b'\\', b'x', ..] => Some((Code::Byte(u8::try_from(hex(2, 4)?).ok()?), 4)),
        [b'\\', b'0'..=b'7', ..] => Some((Code::Byte(u8::try_from(number(rest.get(1..4)?, 8)?).ok()?), 4)),
        [b'U' | b'u', b'+', ..] => {
            // A space after it belongs to the notation.
            let length = if rest.get(6) == Some(&b' ') && rest.get(7).is_some_and(|b| b"Uu".contains(b)) {
                7
            } else {
                6
            };
            Some((Code::Unit(hex(2, 6)?), length))
        }
        [b'&', b'#', b'x' | b'X', ..] => braced(rest, 3, b';', 16),
        [b'&', b'#', ..] => braced(rest, 2, b';', 10),
        [b'&', ..] => {
            const NAMED: [(&[u8], u32); 11] = [
                (b"&lt;", 0x3c),
                (b"&gt;", 0x3e),
                (b"&amp;", 0x26),
                (b"&quot;", 0x22),
                (b"&apos;", 0x27),
                (b"&nbsp;", 0x20),
                (b"&excl;", 0x21),
                (b"&period;", 0x2e),
                (b"&comma;", 0x2c),
                (b"&colon;", 0x3a),
                (b"&NewLine;", 0x0a),
            ];
            NAMED
                .iter()
                .find(|(name, _)| rest.starts_with(name))
                .map(|(name, unit)| (Code::Unit(*unit), name.len()))
        }
        _ => None,
    }
}

/// Digits from `from` up to an end mark.
fn braced(rest: &[u8], from: usize, end: u8, radix: u32) -> Option<(Code, usize)> {
    let digits = rest.get(from..)?.iter().take(8).position(|byte| *byte == end)?;
    Some((Code::Unit(number(rest.get(from..from + digits)?, radix)?), from + digits + 1))
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u32, |sum, digit| {
        sum.checked_mul(radix)?.checked_add(char::from(*digit).to_digit(radix)?)
    })
}

/// Codes that stand side by side: bytes of one character, halves of a surrogate pair.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    text: String,
    high: Option<u32>,
    start: usize,
    end: usize,
}

impl Pending {
    fn take(&mut self, code: Code) {
        match code {
            Code::Byte(byte) => self.bytes.push(byte),
            Code::Unit(unit) => {
                self.settle();
                match (self.high.take(), unit) {
                    (_, 0xd800..=0xdbff) => self.high = Some(unit),
                    (Some(high), 0xdc00..=0xdfff) => {
                        let code = 0x1_0000 + ((high - 0xd800) << 10) + (unit - 0xdc00);
                        self.text.extend(char::from_u32(code));
                    }
                    _ => self.text.extend(char::from_u32(unit)),
                }
            }
        }
    }

    fn settle(&mut self) {
        if !self.bytes.is_empty() {
            self.text.push_str(&String::from_utf8_lossy(&self.bytes));
            self.bytes.clear();
        }
    }

    /// A code that does not follow the one before ends its run; so does a run that is long enough to be shown by itself.
    fn adjoins(&mut self, place: usize, source: &Mapped, out: &mut Mapped) {
        if place != self.end || self.text.len() + self.bytes.len() > 64 && self.high.is_none() && !self.open()
        {
            self.flush(source, out);
        }
    }

    /// Whether the bytes so far are the beginning of a character.
    fn open(&self) -> bool {
        std::str::from_utf8(&self.bytes).is_err_and(|error| error.error_len().is_none())
    }

    fn flush(&mut self, source: &Mapped, out: &mut Mapped) {
        self.settle();
        if self.text.is_empty() {
            return;
        }
        self.high = None;
        let Span { start, end } = source.origin(self.start..self.end);
        out.push(&self.text, Span { start, end });
        self.text.clear();
    }
}
