//! Safetensors: a length, a JSON header, and the tensors' bytes without gaps.
//!
//! Rules of the format's own documentation and of its reference reader (`safetensors::tensor::SafeTensors::read_metadata`
//! and `Metadata::validate`). The header alone is read, whatever the size of the file.

use super::{
    json::{self, Kind, Value},
    window::{Window, shifted, shown},
};
use crate::{
    Input, Rule,
    scan::{Scan, Stop},
};

/// The header's rules.
pub(crate) static MALFORMED: Rule = Rule {
    id: "safetensors/header",
    class: "safetensors-malformed",
    demands: "a safetensors header is strict JSON of at most 100 MB and describes every byte after it exactly once",
};

/// Bound of the reference reader.
const HEADER_BYTES_MAX: u64 = 100_000_000;

/// Names of element types and their sizes in bits.
const DTYPES: [(&str, u64); 22] = [
    ("BOOL", 8),
    ("F4", 4),
    ("F6_E2M3", 6),
    ("F6_E3M2", 6),
    ("U8", 8),
    ("I8", 8),
    ("F8_E5M2", 8),
    ("F8_E4M3", 8),
    ("F8_E8M0", 8),
    ("F8_E4M3FNUZ", 8),
    ("F8_E5M2FNUZ", 8),
    ("I16", 16),
    ("U16", 16),
    ("F16", 16),
    ("BF16", 16),
    ("I32", 32),
    ("U32", 32),
    ("F32", 32),
    ("C64", 64),
    ("F64", 64),
    ("I64", 64),
    ("U64", 64),
];

/// Whether content begins like safetensors: eight bytes that are no text, and an opening brace.
pub(crate) fn recognizes(input: &Input<'_>) -> Result<bool, Stop> {
    let head = input.head(9)?;
    let text = |byte: &u8| matches!(byte, 0x09 | 0x0a | 0x0d | 0x20..0x7f);
    Ok(head.get(8) == Some(&b'{') && !head.get(..8).is_some_and(|length| length.iter().all(text)))
}

/// Checks every rule of the header. Nothing after it is read.
pub(crate) fn scan(input: &Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let mut window = Window::new(input);
    let length = window.little(0, 8)?;
    if length > HEADER_BYTES_MAX {
        return Err(Stop::malformed(
            0,
            format!("the header claims {length} bytes; {HEADER_BYTES_MAX} are allowed"),
        ));
    }
    let header = window.bytes(8, length)?;
    if header.first() != Some(&b'{') {
        return Err(Stop::malformed(8, "the header does not begin with a brace"));
    }
    let text = std::str::from_utf8(header)
        .map_err(|error| Stop::malformed(8 + error.valid_up_to() as u64, "the header is not UTF-8"))?;
    // Padding is spaces alone; other white space after the value would be read by some and refused by others.
    let end = text.trim_end_matches(' ');
    if !end.ends_with('}') {
        return Err(Stop::malformed(
            8 + end.len() as u64,
            "the header is padded with something else than spaces",
        ));
    }
    let header = json::parse(end, false, scan).map_err(|stop| shifted(stop, 8))?;
    let mut spans = Vec::new();
    for (name, value) in header.members() {
        scan.charge(1)?;
        if name == "__metadata__" {
            metadata(value)?;
        } else {
            spans.push(tensor(name, value)?);
        }
    }
    contiguous(spans, input.len() - 8 - length)
}

fn metadata(value: &Value<'_>) -> Result<(), Stop> {
    let Kind::Object(members) = &value.kind else {
        return Err(Stop::malformed(8 + value.at, "`__metadata__` is not an object"));
    };
    match members.iter().find(|(_, value)| value.text().is_none()) {
        None => Ok(()),
        Some((key, value)) => {
            let why = format!("`__metadata__` holds something else than a string under `{}`", shown(key));
            Err(Stop::malformed(8 + value.at, why))
        }
    }
}

/// Where a tensor's bytes begin and end after the header.
struct Span {
    begin: u64,
    end: u64,
    at: u64,
}

fn tensor(name: &str, value: &Value<'_>) -> Result<Span, Stop> {
    let at = 8 + value.at;
    let wrong = |why: &str| Stop::malformed(at, format!("tensor `{}` {why}", shown(name)));
    if value.members().len() != 3 {
        return Err(wrong("has other members than `dtype`, `shape` and `data_offsets`"));
    }
    let dtype = value.get("dtype").and_then(Value::text).ok_or_else(|| wrong("has no `dtype`"))?;
    let (_, bits) =
        DTYPES.iter().find(|(known, _)| *known == dtype).ok_or_else(|| wrong("has an unknown `dtype`"))?;
    let numbers = |name: &str| match value.get(name).map(|value| &value.kind) {
        Some(Kind::List(items)) => items.iter().map(Value::count).collect::<Option<Vec<_>>>(),
        _ => None,
    };
    let shape = numbers("shape").ok_or_else(|| wrong("has no `shape` of whole numbers"))?;
    let offsets = numbers("data_offsets").ok_or_else(|| wrong("has no `data_offsets` of whole numbers"))?;
    let [begin, end] = *offsets.as_slice() else { return Err(wrong("has not two `data_offsets`")) };
    let bytes = end.checked_sub(begin).ok_or_else(|| wrong("ends before it begins"))?;
    let elements = shape.iter().try_fold(1_u64, |product, extent| product.checked_mul(*extent));
    let needed =
        elements.and_then(|count| count.checked_mul(*bits)).ok_or_else(|| wrong("has too large a shape"))?;
    if needed % 8 != 0 || needed / 8 != bytes {
        return Err(wrong("has a shape that does not fit its bytes"));
    }
    Ok(Span { begin, end, at })
}

fn contiguous(mut spans: Vec<Span>, bytes: u64) -> Result<(), Stop> {
    spans.sort_by_key(|span| (span.begin, span.end));
    let mut covered = 0;
    for span in &spans {
        if span.begin != covered {
            let how =
                if span.begin < covered { "overlaps the one before it" } else { "leaves a hole before it" };
            return Err(Stop::malformed(span.at, format!("a tensor {how}")));
        }
        covered = span.end;
    }
    match covered.cmp(&bytes) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(Stop::malformed(covered, "bytes follow the last tensor")),
        std::cmp::Ordering::Greater => Err(Stop::malformed(bytes, "the last tensor ends after the file")),
    }
}

#[cfg(test)]
mod tests;
