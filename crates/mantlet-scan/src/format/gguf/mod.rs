//! GGUF: metadata, tensor descriptions, and aligned tensor data (versions 1 to 3, either byte order).
//!
//! Rules of the specification (`ggml/docs/gguf.md`) and of llama.cpp's reader. Counts are held against the file's length
//! before anything is allocated; the tensors' bytes are never read.

use std::collections::HashSet;

use super::{
    template,
    window::{Window, shown},
};
use crate::{
    Input, Rule,
    scan::{Scan, Stop},
};

/// The header's rules.
pub(crate) static MALFORMED: Rule = Rule {
    id: "gguf/header",
    class: "gguf-malformed",
    demands: "a GGUF header has unique keys, known types, and tensors that lie aligned, apart and within the file",
};

const DIMENSIONS_MAX: u64 = 4;
const KEY_BYTES_MAX: u64 = 65_535;
/// The specification allows tensor names of 64 bytes; writers of multimodal models use somewhat more.
const TENSOR_NAME_BYTES_MAX: u64 = 255;
const STRING_BYTES_MAX: u64 = 64 << 20;
const ARRAY_DEPTH_MAX: u32 = 4;

/// Tensor types: elements of a block, and its size in bytes; `None` for those that were removed.
const TENSOR_TYPES: [Option<(u64, u64)>; 40] = [
    Some((1, 4)),     // F32
    Some((1, 2)),     // F16
    Some((32, 18)),   // Q4_0
    Some((32, 20)),   // Q4_1
    None,             // Q4_2
    None,             // Q4_3
    Some((32, 22)),   // Q5_0
    Some((32, 24)),   // Q5_1
    Some((32, 34)),   // Q8_0
    Some((32, 36)),   // Q8_1
    Some((256, 84)),  // Q2_K
    Some((256, 110)), // Q3_K
    Some((256, 144)), // Q4_K
    Some((256, 176)), // Q5_K
    Some((256, 210)), // Q6_K
    Some((256, 292)), // Q8_K
    Some((256, 66)),  // IQ2_XXS
    Some((256, 74)),  // IQ2_XS
    Some((256, 98)),  // IQ3_XXS
    Some((256, 50)),  // IQ1_S
    Some((32, 18)),   // IQ4_NL
    Some((256, 110)), // IQ3_S
    Some((256, 82)),  // IQ2_S
    Some((256, 136)), // IQ4_XS
    Some((1, 1)),     // I8
    Some((1, 2)),     // I16
    Some((1, 4)),     // I32
    Some((1, 8)),     // I64
    Some((1, 8)),     // F64
    Some((256, 56)),  // IQ1_M
    Some((1, 2)),     // BF16
    None,             // Q4_0_4_4
    None,             // Q4_0_4_8
    None,             // Q4_0_8_8
    Some((256, 54)),  // TQ1_0
    Some((256, 66)),  // TQ2_0
    None,             // IQ4_NL_4_4
    None,             // IQ4_NL_4_8
    None,             // IQ4_NL_8_8
    Some((32, 17)),   // MXFP4
];

/// Whether content has GGUF's signature.
pub(crate) fn recognizes(input: &Input<'_>) -> Result<bool, Stop> {
    Ok(&*input.head(4)? == b"GGUF")
}

/// Checks the header, and the templates in it.
pub(crate) fn scan(input: &Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let mut reader = Reader { window: Window::new(input), at: 4, big_endian: false, wide: true };
    let version = reader.version()?;
    reader.wide = version > 1;
    let tensors_at = reader.at;
    let tensors = reader.length()?;
    let keys = reader.length()?;
    // No key takes less than a length, a type and a value, no tensor less than its fixed members.
    let rest = input.len() - reader.at;
    if keys > rest / 9 || tensors > rest / 20 {
        return Err(Stop::malformed(tensors_at, "more keys or tensors are claimed than the file has bytes"));
    }
    let alignment = metadata(&mut reader, keys, scan)?;
    let spans = tensors_of(&mut reader, tensors, scan)?;
    layout(&reader, spans, alignment)
}

struct Reader<'a> {
    window: Window<'a>,
    at: u64,
    big_endian: bool,
    /// Lengths have eight bytes; version 1 had four.
    wide: bool,
}

impl Reader<'_> {
    fn version(&mut self) -> Result<u64, Stop> {
        let little = self.number(4)?;
        // A version has a small number in its low byte; read the wrong way around it is huge.
        if little & 0xffff == 0 && little != 0 {
            self.big_endian = true;
            self.at -= 4;
        } else if (1..=3).contains(&little) {
            return Ok(little);
        }
        let version = if self.big_endian { self.number(4)? } else { little };
        // Version 3 introduced the other byte order.
        if version != 3 {
            return Err(Stop::malformed(4, "the version is not 1, 2 or 3"));
        }
        Ok(version)
    }

    fn number(&mut self, bytes: u64) -> Result<u64, Stop> {
        let number = if self.big_endian {
            self.window.big(self.at, bytes)?
        } else {
            self.window.little(self.at, bytes)?
        };
        self.at += bytes;
        Ok(number)
    }

    fn length(&mut self) -> Result<u64, Stop> {
        self.number(if self.wide { 8 } else { 4 })
    }

    fn text(&mut self, bytes_max: u64, what: &str) -> Result<String, Stop> {
        let at = self.at;
        let length = self.length()?;
        if length > bytes_max {
            return Err(Stop::malformed(at, format!("{what} claims {length} bytes")));
        }
        let text = std::str::from_utf8(self.window.bytes(self.at, length)?)
            .map_err(|_| Stop::malformed(at, format!("{what} is not UTF-8")))?
            .to_owned();
        self.at += length;
        Ok(text)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), Stop> {
        let end = self.at.checked_add(bytes).filter(|end| *end <= self.window.len());
        self.at = end.ok_or(Stop::Cut { offset: self.at })?;
        Ok(())
    }
}

/// Size of a value of fixed size.
fn width(kind: u64) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

const BOOL: u64 = 7;
const STRING: u64 = 8;
const ARRAY: u64 = 9;

fn metadata(reader: &mut Reader<'_>, keys: u64, scan: &mut Scan<'_>) -> Result<u64, Stop> {
    let mut seen = HashSet::new();
    let mut alignment = 32;
    for _ in 0..keys {
        scan.charge(1)?;
        let at = reader.at;
        let key = reader.text(KEY_BYTES_MAX, "a key")?;
        let plain = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'/'))
        };
        if !key.split('.').all(plain) {
            return Err(Stop::malformed(
                at,
                format!("the key `{}` is not of plain words and dots", shown(&key)),
            ));
        }
        let kind = reader.number(4)?;
        if key == "general.alignment" {
            if kind != 4 {
                return Err(Stop::malformed(at, "the alignment is not a 32-bit number"));
            }
            alignment = reader.window_number_ahead()?;
            if !alignment.is_power_of_two() || !(8..=1 << 20).contains(&alignment) {
                return Err(Stop::malformed(at, "the alignment is not a power of two from 8 on"));
            }
        }
        let template = key.contains("template");
        value(reader, kind, 0, template, scan)?;
        if !seen.insert(key) {
            return Err(Stop::malformed(at, "a key stands twice"));
        }
    }
    Ok(alignment)
}

impl Reader<'_> {
    /// The next 32-bit number, without moving on.
    fn window_number_ahead(&mut self) -> Result<u64, Stop> {
        let number = self.number(4)?;
        self.at -= 4;
        Ok(number)
    }
}

fn value(
    reader: &mut Reader<'_>,
    kind: u64,
    depth: u32,
    template: bool,
    scan: &mut Scan<'_>,
) -> Result<(), Stop> {
    let at = reader.at;
    if kind == STRING {
        let text = reader.text(STRING_BYTES_MAX, "a string")?;
        if template {
            template::judge(&text, at + if reader.wide { 8 } else { 4 }, scan)?;
        }
        return Ok(());
    }
    if kind == BOOL {
        return match reader.number(1)? {
            0 | 1 => Ok(()),
            other => Err(Stop::malformed(at, format!("a truth value is {other}"))),
        };
    }
    if kind != ARRAY {
        let Some(width) = width(kind) else {
            return Err(Stop::malformed(at, format!("the value type {kind} is unknown")));
        };
        return reader.skip(width);
    }
    if depth >= ARRAY_DEPTH_MAX {
        return Err(Stop::malformed(at, "arrays are nested too deeply"));
    }
    let kind = reader.number(4)?;
    let count = reader.length()?;
    if let Some(width) = width(kind) {
        let bytes = count.checked_mul(width).ok_or_else(|| Stop::malformed(at, "an array is too long"))?;
        return reader.skip(bytes);
    }
    if kind != STRING && kind != ARRAY {
        return Err(Stop::malformed(at, format!("the value type {kind} is unknown")));
    }
    let least = if reader.wide { 8 } else { 4 };
    if count > (reader.window.len() - reader.at) / least {
        return Err(Stop::malformed(at, "an array claims more items than the file has bytes"));
    }
    for item in 0..count {
        if item.is_multiple_of(1024) {
            scan.charge(1024)?;
        }
        if kind == STRING && !template {
            // Vocabularies have hundreds of thousands of tokens: checked in place.
            let at = reader.at;
            let length = reader.length()?;
            if length > STRING_BYTES_MAX {
                return Err(Stop::malformed(at, format!("a string claims {length} bytes")));
            }
            if std::str::from_utf8(reader.window.bytes(reader.at, length)?).is_err() {
                return Err(Stop::malformed(at, "a string is not UTF-8"));
            }
            reader.at += length;
        } else {
            value(reader, kind, depth + 1, template, scan)?;
        }
    }
    Ok(())
}

/// Where a tensor's data lies after the header.
struct Span {
    offset: u64,
    bytes: u64,
    at: u64,
}

fn tensors_of(reader: &mut Reader<'_>, tensors: u64, scan: &mut Scan<'_>) -> Result<Vec<Span>, Stop> {
    let mut names = HashSet::new();
    let mut spans = Vec::new();
    for _ in 0..tensors {
        scan.charge(1)?;
        let at = reader.at;
        let name = reader.text(TENSOR_NAME_BYTES_MAX, "a tensor's name")?;
        let wrong = |why: &str| Stop::malformed(at, format!("tensor `{}` {why}", shown(&name)));
        let dimensions = reader.number(4)?;
        if dimensions > DIMENSIONS_MAX {
            return Err(wrong("has too many dimensions"));
        }
        let mut extents = Vec::new();
        for _ in 0..dimensions {
            extents.push(reader.length()?);
        }
        let kind = reader.number(4)?;
        let offset = reader.number(8)?;
        let known = usize::try_from(kind).ok().and_then(|kind| TENSOR_TYPES.get(kind).copied().flatten());
        let (block, size) = known.ok_or_else(|| wrong("has an unknown type"))?;
        let row = extents.first().copied().unwrap_or(1);
        if row % block != 0 {
            return Err(wrong("has rows that are not whole blocks"));
        }
        let elements = extents.iter().try_fold(1_u64, |product, extent| product.checked_mul(*extent));
        let elements = elements.filter(|elements| i64::try_from(*elements).is_ok());
        let bytes = elements.and_then(|elements| (elements / block).checked_mul(size));
        let bytes = bytes.ok_or_else(|| wrong("has too large a shape"))?;
        if !names.insert(name.clone()) {
            return Err(wrong("stands twice"));
        }
        spans.push(Span { offset, bytes, at });
    }
    Ok(spans)
}

/// Tensors lie one after another, each aligned, padded with less than the alignment, and the last ends with the file.
fn layout(reader: &Reader<'_>, mut spans: Vec<Span>, alignment: u64) -> Result<(), Stop> {
    let length = reader.window.len();
    let data = reader.at.next_multiple_of(alignment);
    if spans.is_empty() {
        // A vocabulary alone: nothing follows but padding.
        return if length <= data { Ok(()) } else { Err(Stop::malformed(data, "bytes follow the header")) };
    }
    spans.sort_by_key(|span| (span.offset, span.bytes));
    let mut end = 0_u64;
    for span in &spans {
        if span.offset % alignment != 0 {
            return Err(Stop::malformed(span.at, "a tensor is not aligned"));
        }
        if span.offset < end {
            return Err(Stop::malformed(span.at, "a tensor overlaps the one before it"));
        }
        let last = span.offset.checked_add(span.bytes).filter(|last| *last <= length.saturating_sub(data));
        let last = last.ok_or_else(|| Stop::malformed(span.at, "a tensor ends after the file"))?;
        if span.offset != end.next_multiple_of(alignment) {
            return Err(Stop::malformed(span.at, "a tensor leaves a hole before it"));
        }
        end = last;
    }
    let padded = data.saturating_add(end).next_multiple_of(alignment);
    if length > padded {
        return Err(Stop::malformed(padded, "bytes follow the last tensor"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
