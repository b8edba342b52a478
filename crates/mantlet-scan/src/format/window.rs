//! Small reads at increasing positions out of content that may be far larger than memory.

use std::borrow::Cow;

use crate::{Input, scan::Stop};

/// Read at once from a file; headers are read front to back.
const CHUNK_BYTES: u64 = 64 << 10;
/// The most that one piece (a name, a string, a header) may ask for.
const PIECE_BYTES_MAX: u64 = 128 << 20;

/// A view that moves over content. Content in memory is never copied.
pub(crate) struct Window<'a> {
    input: Input<'a>,
    start: u64,
    held: Cow<'a, [u8]>,
}

impl<'a> Window<'a> {
    /// A view of content that has read nothing yet.
    pub(crate) fn new(input: &Input<'a>) -> Self {
        let held = if let Input::Memory(bytes) = input { Cow::Borrowed(*bytes) } else { Cow::default() };
        Self { input: *input, start: 0, held }
    }

    /// Length of the content.
    pub(crate) fn len(&self) -> u64 {
        self.input.len()
    }

    /// `count` bytes at `at`.
    pub(crate) fn bytes(&mut self, at: u64, count: u64) -> Result<&[u8], Stop> {
        if at.checked_add(count).is_none_or(|end| end > self.len()) {
            return Err(Stop::Cut { offset: at });
        }
        if count > PIECE_BYTES_MAX {
            return Err(Stop::Over("bytes of one piece of a header"));
        }
        if self.range(at, count).is_none() {
            let size = count.max(CHUNK_BYTES).min(self.len() - at);
            self.held = self.input.read(at, size)?;
            self.start = at;
        }
        self.range(at, count).ok_or(Stop::Cut { offset: at })
    }

    fn range(&self, at: u64, count: u64) -> Option<&[u8]> {
        let from = usize::try_from(at.checked_sub(self.start)?).ok()?;
        self.held.get(from..from.checked_add(usize::try_from(count).ok()?)?)
    }

    /// `N` bytes at `at`.
    pub(crate) fn array<const N: usize>(&mut self, at: u64) -> Result<[u8; N], Stop> {
        self.bytes(at, N as u64)?.try_into().map_err(|_| Stop::Cut { offset: at })
    }

    /// One byte.
    pub(crate) fn byte(&mut self, at: u64) -> Result<u8, Stop> {
        self.array::<1>(at).map(|[byte]| byte)
    }

    /// A little-endian number of 1 to 8 bytes.
    pub(crate) fn little(&mut self, at: u64, bytes: u64) -> Result<u64, Stop> {
        Ok(self.bytes(at, bytes.min(8))?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A big-endian number of 1 to 8 bytes.
    pub(crate) fn big(&mut self, at: u64, bytes: u64) -> Result<u64, Stop> {
        Ok(self.bytes(at, bytes.min(8))?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

/// The same stop for content that begins `by` bytes later.
pub(crate) fn shifted(stop: Stop, by: u64) -> Stop {
    match stop {
        Stop::Cut { offset } => Stop::Cut { offset: offset.saturating_add(by) },
        Stop::Malformed { offset, why } => Stop::Malformed { offset: offset.saturating_add(by), why },
        other => other,
    }
}

/// A name out of the content, shortened for a report.
pub(crate) fn shown(name: &str) -> String {
    crate::text::printable(name, 80)
}
