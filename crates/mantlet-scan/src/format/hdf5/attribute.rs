//! Attributes: their strings are read, since that is where Keras keeps a model's configuration.

use super::{ATTRIBUTE, File, UNDEFINED, dense, header::Message};
use crate::{
    format::{
        keras,
        window::{Window, shown},
    },
    scan::{Scan, Stop},
};

const VALUE_BYTES_MAX: u64 = 64 << 20;
const STRINGS_MAX: u64 = 100_000;

/// Attributes of an object that has many.
pub(super) fn info(file: &mut File<'_>, message: &Message, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let window = &mut file.window;
    let flags = window.byte(message.at + 1)?;
    let at = message.at + 2 + if flags & 1 != 0 { 2 } else { 0 };
    let (heap, tree) = (window.little(at, 8)?, window.little(at + 8, 8)?);
    if heap == UNDEFINED {
        return Ok(());
    }
    for (at, bytes) in dense::objects(window, heap, tree, dense::ATTRIBUTES, scan)? {
        judge(window, at, bytes, scan)?;
    }
    Ok(())
}

/// Judges one attribute.
pub(super) fn judge(
    window: &mut Window<'_>,
    start: u64,
    bytes: u64,
    scan: &mut Scan<'_>,
) -> Result<(), Stop> {
    let version = window.byte(start)?;
    let flags = window.byte(start + 1)?;
    let wrong = |why: &str| Stop::malformed(start, format!("an attribute {why}"));
    if !(1..=3).contains(&version) || (version > 1 && flags & 3 != 0) {
        return Err(wrong("cannot be followed"));
    }
    let padded = |size: u64| if version == 1 { size.next_multiple_of(8) } else { size };
    let sizes = [window.little(start + 2, 2)?, window.little(start + 4, 2)?, window.little(start + 6, 2)?];
    let name_at = start + 8 + u64::from(version == 3);
    let type_at = name_at + padded(sizes[0]);
    let space_at = type_at + padded(sizes[1]);
    let data_at = space_at + padded(sizes[2]);
    let end = start + bytes;
    if data_at > end || sizes[1] < 8 || sizes[2] < 4 {
        return Err(wrong("is cut"));
    }
    let name = String::from_utf8_lossy(window.bytes(name_at, sizes[0])?).trim_end_matches('\0').to_owned();
    let elements = elements(window, space_at, sizes[2])?.ok_or_else(|| wrong("has too large a shape"))?;
    let class = window.byte(type_at)? & 0xf;
    let size = window.little(type_at + 4, 4)?;
    let data = end - data_at;
    if elements.checked_mul(size).is_none_or(|needed| needed > data) {
        return Err(wrong("has a shape that does not fit its bytes"));
    }
    let string_of_any_length = class == 9 && window.byte(type_at + 1)? & 0xf == 1;
    if class == 3 {
        for element in 0..elements.min(STRINGS_MAX) {
            scan.charge(1)?;
            let at = data_at + element * size;
            let value = window.bytes(at, size)?.to_vec();
            text(&name, &value, at, scan)?;
        }
    } else if string_of_any_length {
        if elements > STRINGS_MAX {
            return Err(wrong("has too many strings"));
        }
        for element in 0..elements {
            let at = data_at + element * size;
            let (length, heap) = (window.little(at, 4)?, window.little(at + 4, 8)?);
            let index = window.little(at + 12, 4)?;
            if length == 0 || heap == UNDEFINED || heap == 0 {
                continue;
            }
            let (at, bytes) = global(window, heap, index, scan)?;
            let value = window.bytes(at, bytes.min(length))?.to_vec();
            text(&name, &value, at, scan)?;
        }
    } else if data > 1 && (class == 5 || size == 1) {
        let value = window.bytes(data_at, data.min(VALUE_BYTES_MAX))?.to_vec();
        text(&name, &value, data_at, scan)?;
    }
    Ok(())
}

/// Number of elements of a dataspace; nothing if it is more than can be counted.
pub(super) fn elements(window: &mut Window<'_>, at: u64, bytes: u64) -> Result<Option<u64>, Stop> {
    let version = window.byte(at)?;
    let rank = u64::from(window.byte(at + 1)?);
    let first = match version {
        1 => at + 8,
        2 => at + 4,
        _ => return Err(Stop::malformed(at, "a dataspace's version is unknown")),
    };
    // A null dataspace has no elements, a scalar one.
    if version == 2 && window.byte(at + 3)? == 2 {
        return Ok(Some(0));
    }
    if rank > 32 || first + rank * 8 > at + bytes {
        return Err(Stop::malformed(at, "a dataspace is cut"));
    }
    let mut product = Some(1_u64);
    for dimension in 0..rank {
        let extent = window.little(first + dimension * 8, 8)?;
        product = product.and_then(|product| product.checked_mul(extent));
    }
    Ok(product)
}

/// Where an object of a global heap is.
fn global(window: &mut Window<'_>, heap: u64, index: u64, scan: &mut Scan<'_>) -> Result<(u64, u64), Stop> {
    if &window.array::<4>(heap)? != b"GCOL" {
        return Err(Stop::malformed(heap, "the signature `GCOL` is missing"));
    }
    let size = window.little(heap + 8, 8)?;
    let end = heap.checked_add(size).filter(|end| *end <= window.len()).ok_or(Stop::Cut { offset: heap })?;
    let mut at = heap + 16;
    while at + 16 <= end {
        scan.charge(1)?;
        let (found, bytes) = (window.little(at, 2)?, window.little(at + 8, 8)?);
        if found == 0 {
            break;
        }
        let next = bytes.checked_next_multiple_of(8).and_then(|bytes| at.checked_add(16)?.checked_add(bytes));
        let next = next.filter(|next| *next <= end).ok_or(Stop::Cut { offset: at })?;
        if found == index {
            return Ok((at + 16, bytes));
        }
        at = next;
    }
    Err(Stop::malformed(heap, "a string is not in its heap"))
}

/// Judges a string.
fn text(name: &str, value: &[u8], at: u64, scan: &mut Scan<'_>) -> Result<(), Stop> {
    if matches!(value, [0x80, 0..=5, ..]) {
        scan.find(&ATTRIBUTE, at, format!("the attribute `{}` is a pickle", shown(name)));
    }
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    let config = matches!(name, "model_config" | "training_config");
    match std::str::from_utf8(value.get(..end).unwrap_or_default()) {
        Ok(text) if config || (text.trim_start().starts_with('{') && text.contains("class_name")) => {
            keras::judge_text(text, at, scan)
        }
        Err(_) if config => Err(Stop::malformed(at, "the configuration is not UTF-8")),
        _ => Ok(()),
    }
}
