//! Tensors: what their shapes say against the bytes that they have.

use super::{external, graph::unknown};
use crate::{
    format::{
        proto::{Field, Message, Wire},
        window::Window,
    },
    scan::{Scan, Stop},
};

/// Dimensions; NumPy allows as many.
const RANK_MAX: usize = 64;

/// Bits of an element of each type; strings have none.
const BITS: [u64; 27] =
    [0, 32, 8, 8, 16, 16, 32, 64, 0, 8, 16, 64, 32, 64, 64, 128, 16, 8, 8, 8, 8, 4, 4, 4, 8, 2, 2];
const STRING: u64 = 8;

#[derive(Default)]
struct Parts {
    extents: Vec<u64>,
    kind: u64,
    /// Bytes of typed lists.
    typed: u64,
    strings: u64,
    raw: Option<u64>,
    pairs: Vec<(String, String)>,
    location: u64,
    segment: bool,
}

/// Judges one tensor.
pub(super) fn judge(window: &mut Window<'_>, mut tensor: Message, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let start = tensor.start();
    let mut parts = Parts::default();
    while let Some(Field { number, at, wire }) = tensor.next(window)? {
        match (number, wire) {
            (1, Wire::Number(extent)) => parts.extents.push(extent),
            (1, Wire::Bytes(mut packed)) => {
                while packed.len() > 0 && parts.extents.len() <= RANK_MAX {
                    parts.extents.push(packed.number(window)?);
                }
            }
            (2, Wire::Number(kind)) => parts.kind = kind,
            (3, Wire::Bytes(_)) => parts.segment = true,
            (4, Wire::Fixed32) => parts.typed += 4,
            (10, Wire::Fixed64) => parts.typed += 8,
            // A number takes at least a byte, so that they can be counted from above.
            (5 | 7 | 11, Wire::Number(_)) => parts.typed += 1,
            (4 | 5 | 7 | 10 | 11, Wire::Bytes(list)) => parts.typed += list.len(),
            (6, Wire::Bytes(_)) => parts.strings += 1,
            (8 | 12, Wire::Bytes(_)) => {}
            (9, Wire::Bytes(raw)) => {
                if parts.raw.replace(raw.len()).is_some() {
                    return Err(Stop::malformed(at, "a tensor has its bytes twice"));
                }
            }
            (13, Wire::Bytes(pair)) => parts.pairs.push(pair_of(window, pair)?),
            (14, Wire::Number(location)) => parts.location = parts.location.max(location),
            (16, Wire::Bytes(pair)) => super::graph::entry(window, pair)?,
            _ => return Err(unknown(at, "tensor")),
        }
        if parts.extents.len() > RANK_MAX {
            return Err(Stop::malformed(at, "a tensor has too many dimensions"));
        }
    }
    measured(start, &parts, scan)
}

fn pair_of(window: &mut Window<'_>, mut pair: Message) -> Result<(String, String), Stop> {
    let (mut key, mut value) = (None, None);
    while let Some(Field { number, at, wire }) = pair.next(window)? {
        let slot = match (number, wire) {
            (1, Wire::Bytes(text)) => key.replace(text.text(window)?),
            (2, Wire::Bytes(text)) => value.replace(text.text(window)?),
            _ => return Err(unknown(at, "pair")),
        };
        if slot.is_some() {
            return Err(Stop::malformed(at, "a pair has a member twice"));
        }
    }
    Ok((key.unwrap_or_default(), value.unwrap_or_default()))
}

fn measured(start: u64, parts: &Parts, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let wrong = |why: &str| Err(Stop::malformed(start, format!("a tensor {why}")));
    if parts.segment {
        return wrong("is a segment of another");
    }
    let elements = parts.extents.iter().try_fold(1_u64, |product, extent| {
        product.checked_mul(i64::try_from(*extent).ok().and_then(|extent| u64::try_from(extent).ok())?)
    });
    let Some(elements) = elements else { return wrong("has a negative or too large shape") };
    let Some(bits) = usize::try_from(parts.kind).ok().and_then(|kind| BITS.get(kind).copied()) else {
        return wrong("has an unknown type");
    };
    let Some(bytes) = elements.checked_mul(bits).map(|bits| bits.div_ceil(8)) else {
        return wrong("has too large a shape");
    };
    if parts.location > 1 {
        return wrong("has its data at an unknown kind of place");
    }
    if parts.location == 1 || !parts.pairs.is_empty() {
        if parts.location == 0 || parts.raw.is_some() || parts.typed > 0 || parts.strings > 0 || bits == 0 {
            return wrong("has its data in two places");
        }
        return external::judge(start, &parts.pairs, bytes, scan);
    }
    if parts.kind == STRING {
        return if parts.strings == elements {
            Ok(())
        } else {
            wrong("has not as many strings as its shape says")
        };
    }
    if bits == 0 {
        // A tensor left out: neither type nor data.
        return if parts.typed == 0 && parts.raw.is_none() {
            Ok(())
        } else {
            wrong("has data without a type")
        };
    }
    match parts.raw {
        Some(raw) if parts.typed > 0 || raw != bytes => wrong("has a shape that does not fit its bytes"),
        Some(_) => Ok(()),
        None => typed(elements, parts.kind, parts.typed)
            .map_or_else(|| wrong("has a shape that does not fit its numbers"), Ok),
    }
}

/// Whether so many bytes of typed numbers can be so many elements.
fn typed(elements: u64, kind: u64, bytes: u64) -> Option<()> {
    // Floats and doubles have a fixed size; the other numbers take 1 to 10 bytes each, packed small types less.
    let fits = match kind {
        1 => elements.checked_mul(4)? == bytes,
        14 => elements.checked_mul(8)? == bytes,
        11 => elements.checked_mul(8)? == bytes,
        15 => elements.checked_mul(16)? == bytes,
        21..=23 => bytes >= elements / 2 && bytes <= elements.checked_mul(10)?,
        25 | 26 => bytes >= elements / 4 && bytes <= elements.checked_mul(10)?,
        _ => bytes >= elements && bytes <= elements.checked_mul(10)?,
    };
    fits.then_some(())
}

/// Judges both tensors of a sparse one.
pub(super) fn sparse(window: &mut Window<'_>, mut sparse: Message, scan: &mut Scan<'_>) -> Result<(), Stop> {
    while let Some(Field { number, at, wire }) = sparse.next(window)? {
        match (number, wire) {
            (1 | 2, Wire::Bytes(tensor)) => judge(window, tensor, scan)?,
            (3, Wire::Number(_) | Wire::Bytes(_)) => {}
            _ => return Err(unknown(at, "sparse tensor")),
        }
    }
    Ok(())
}
