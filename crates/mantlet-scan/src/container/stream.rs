//! Compressed streams on their own, as joblib writes them: one, or several one after another.

use super::inflate::{Method, inflate};
use crate::{
    Input, Rule,
    scan::{Scan, Stop},
};

/// A stream is whole.
pub(crate) static MALFORMED: Rule = Rule {
    id: "stream/malformed",
    class: "archive-malformed",
    demands: "a compressed stream is whole, and only further streams follow it",
};

/// Bytes of text or zlib that tell one from the other.
const TRIED_BYTES: u64 = 4 << 10;

/// Whether content begins with the signature of a compressed stream.
pub(crate) fn recognizes(input: &Input<'_>) -> Result<bool, Stop> {
    Ok(method(input)?.is_some())
}

fn method(input: &Input<'_>) -> Result<Option<Method>, Stop> {
    let head = input.head(TRIED_BYTES)?;
    Ok(match head[..] {
        [0x1f, 0x8b, 8, ..] => Some(Method::Gzip),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..]
        | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, ..] => Some(Method::Bzip2),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Method::Xz),
        // Its properties, a dictionary of a power of two, and a size that is unknown or possible.
        [0x5d, 0, 0, _, 0 | 1 | 2 | 4 | 8, ..] if lzma_size(&head) => Some(Method::Lzma),
        [0x04, 0x22, 0x4d, 0x18, ..] => Some(Method::Lz4),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Method::Zstd),
        // Two bytes that may begin a text as well.
        [0x78, level, ..]
            if (0x7800 + u16::from(level)).is_multiple_of(31)
                && Method::Zlib.begins(Input::Memory(&head)) =>
        {
            Some(Method::Zlib)
        }
        _ => None,
    })
}

fn lzma_size(head: &[u8]) -> bool {
    let size = head.get(5..13).and_then(|size| size.try_into().ok()).map(u64::from_le_bytes);
    size.is_some_and(|size| size == u64::MAX || size < 1 << 48)
}

/// Decompresses, and judges what comes out.
pub(crate) fn scan(input: &Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let method = method(input)?.ok_or_else(|| Stop::malformed(0, "no stream begins here"))?;
    let inflated = inflate(*input, method, scan)?;
    scan.member("(decompressed)", &inflated.input())?;
    Ok(())
}
