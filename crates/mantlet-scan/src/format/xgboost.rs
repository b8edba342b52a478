//! XGBoost's own formats: JSON, universal binary JSON, and the binary format that it no longer writes.

use super::json::{Event, Reader};
use crate::{
    Input, Rule,
    format::window::Window,
    scan::{Scan, Stop},
};

/// The file is XGBoost's.
pub(crate) static MALFORMED: Rule = Rule {
    id: "xgboost/structure",
    class: "xgboost-malformed",
    demands: "an XGBoost model is a whole document of JSON or universal binary JSON with a learner and a version",
};

/// The binary format of before version 1.0, which no reader here follows.
pub(crate) static LEGACY: Rule = Rule {
    id: "xgboost/legacy",
    class: "xgboost-malformed",
    demands: "an XGBoost model is of a format that XGBoost still writes; save old binary models again",
};

const DEPTH_MAX: usize = 64;

/// Whether content begins like a model in JSON.
pub(crate) fn recognizes(input: &Input<'_>) -> Result<bool, Stop> {
    let head = input.head(128)?;
    let head: Vec<u8> = head.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    Ok([&b"{\"learner\":{"[..], b"{\"version\":["].iter().any(|start| head.starts_with(start)))
}

/// Judges a model in JSON: strict syntax, and nothing but a learner and a version.
pub(crate) fn scan(input: &Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let bytes = input.read(0, input.len())?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| Stop::malformed(error.valid_up_to() as u64, "the model is not UTF-8"))?;
    let mut reader = Reader::new(text, true);
    let (mut depth, mut events) = (0_usize, 0_u64);
    while let Some((at, event)) = reader.next()? {
        events += 1;
        if events.is_multiple_of(1024) {
            scan.charge(1024)?;
        }
        match event {
            Event::ObjectStart | Event::ListStart => depth += 1,
            Event::ObjectEnd | Event::ListEnd => depth -= 1,
            Event::Key(key) if depth == 1 && !["learner", "version", "Config"].contains(&key.as_ref()) => {
                return Err(Stop::malformed(
                    at as u64,
                    "the model has a member besides its learner and version",
                ));
            }
            _ => {}
        }
    }
    if reader.exhausted() {
        return Ok(());
    }
    Err(Stop::malformed(reader.at() as u64, "something stands after the model"))
}

/// Whether content begins like a model in universal binary JSON.
pub(crate) fn recognizes_binary(input: &Input<'_>) -> Result<bool, Stop> {
    let head = input.head(32)?;
    let key = |name: &[u8]| {
        let mut start = vec![b'{', b'L'];
        start.extend((name.len() as u64).to_be_bytes());
        start.extend(name);
        head.starts_with(&start)
    };
    Ok(key(b"learner") || key(b"version"))
}

/// Judges a model in universal binary JSON: every length against the file.
pub(crate) fn scan_binary(input: &Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let mut walk = Walk { window: Window::new(input), at: 0 };
    walk.value(0, scan)?;
    if walk.at == input.len() {
        return Ok(());
    }
    Err(Stop::malformed(walk.at, "something stands after the model"))
}

struct Walk<'a> {
    window: Window<'a>,
    at: u64,
}

impl Walk<'_> {
    fn byte(&mut self) -> Result<u8, Stop> {
        let byte = self.window.byte(self.at)?;
        self.at += 1;
        Ok(byte)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), Stop> {
        let end = self.at.checked_add(bytes).filter(|end| *end <= self.window.len());
        self.at = end.ok_or(Stop::Cut { offset: self.at })?;
        Ok(())
    }

    /// A length: a type and a number that must not be negative.
    fn length(&mut self) -> Result<u64, Stop> {
        let at = self.at;
        let marker = self.byte()?;
        let Some(bytes) = width(marker).filter(|_| !matches!(marker, b'd' | b'D' | b'C')) else {
            return Err(Stop::malformed(at, "a length has no whole number"));
        };
        let number = self.window.big(self.at, bytes)?;
        self.at += bytes;
        if marker != b'U' && number >> (bytes * 8 - 1) == 1 {
            return Err(Stop::malformed(at, "a length is negative"));
        }
        Ok(number)
    }

    fn value(&mut self, depth: usize, scan: &mut Scan<'_>) -> Result<(), Stop> {
        let marker = self.byte()?;
        self.value_of(marker, depth, scan)
    }

    fn value_of(&mut self, marker: u8, depth: usize, scan: &mut Scan<'_>) -> Result<(), Stop> {
        scan.charge(1)?;
        let at = self.at;
        if depth > DEPTH_MAX {
            return Err(Stop::malformed(at, "values are nested too deeply"));
        }
        match marker {
            b'Z' | b'T' | b'F' | b'N' => Ok(()),
            b'S' | b'H' => {
                let length = self.length()?;
                self.skip(length)
            }
            b'[' => self.list(depth, scan),
            b'{' => self.object(depth, scan),
            other => match width(other) {
                Some(bytes) => self.skip(bytes),
                None => Err(Stop::malformed(at, "a value has an unknown type")),
            },
        }
    }

    /// The type and count that may stand before a list's items.
    fn header(&mut self) -> Result<(Option<u8>, Option<u64>), Stop> {
        let mut kind = None;
        if self.window.byte(self.at)? == b'$' {
            self.at += 1;
            kind = Some(self.byte()?);
        }
        if self.window.byte(self.at)? != b'#' {
            return match kind {
                None => Ok((None, None)),
                Some(_) => Err(Stop::malformed(self.at, "a typed list has no count")),
            };
        }
        self.at += 1;
        Ok((kind, Some(self.length()?)))
    }

    fn list(&mut self, depth: usize, scan: &mut Scan<'_>) -> Result<(), Stop> {
        match self.header()? {
            (Some(kind), Some(count)) => {
                let Some(bytes) = width(kind) else {
                    return Err(Stop::malformed(self.at, "a typed list has items of no fixed size"));
                };
                let bytes = count.checked_mul(bytes).ok_or(Stop::Cut { offset: self.at })?;
                self.skip(bytes)
            }
            (_, Some(count)) => {
                if count > self.window.len() - self.at {
                    return Err(Stop::malformed(self.at, "a list claims more items than the file has bytes"));
                }
                (0..count).try_for_each(|_| self.value(depth + 1, scan))
            }
            (_, None) => loop {
                let marker = self.byte()?;
                if marker == b']' {
                    return Ok(());
                }
                self.value_of(marker, depth + 1, scan)?;
            },
        }
    }

    fn object(&mut self, depth: usize, scan: &mut Scan<'_>) -> Result<(), Stop> {
        let (kind, count) = self.header()?;
        if kind.is_some() {
            return Err(Stop::malformed(self.at, "an object has a type"));
        }
        let mut seen = std::collections::HashSet::new();
        let mut left = count;
        loop {
            match left {
                Some(0) => return Ok(()),
                Some(count) => left = Some(count - 1),
                None if self.window.byte(self.at)? == b'}' => {
                    self.at += 1;
                    return Ok(());
                }
                None => {}
            }
            let at = self.at;
            let length = self.length()?;
            if length > 1 << 16 {
                return Err(Stop::malformed(at, "a key is too long"));
            }
            let key = self.window.bytes(self.at, length)?.to_vec();
            self.at += length;
            if !seen.insert(key) {
                return Err(Stop::malformed(at, "a key stands twice in one object"));
            }
            self.value(depth + 1, scan)?;
        }
    }
}

/// Bytes of a value of fixed size.
fn width(marker: u8) -> Option<u64> {
    match marker {
        b'i' | b'U' | b'C' => Some(1),
        b'I' => Some(2),
        b'l' | b'd' => Some(4),
        b'L' | b'D' => Some(8),
        _ => None,
    }
}

/// Whether content has the signature of the old binary format.
pub(crate) fn recognizes_legacy(input: &Input<'_>) -> Result<bool, Stop> {
    let head = input.head(4)?;
    Ok(&*head == b"binf" || &*head == b"bs64")
}

/// Refuses the old binary format.
pub(crate) fn scan_legacy(_: &Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    scan.find(&LEGACY, 0, "the model is of XGBoost's old binary format");
    Ok(())
}
