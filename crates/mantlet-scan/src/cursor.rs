//! Reading content from front to back through a window, so that a file of gigabytes costs no memory.

use std::borrow::Cow;

use crate::{Input, scan::Stop};

/// Bytes read ahead from a file.
const WINDOW_BYTES: u64 = 64 << 10;

/// A position in some content.
pub(crate) struct Cursor<'a> {
    input: Input<'a>,
    at: u64,
    window: Cow<'a, [u8]>,
    start: u64,
}

impl<'a> Cursor<'a> {
    /// The content's beginning.
    pub(crate) fn new(input: Input<'a>) -> Self {
        Self { input, at: 0, window: Cow::Borrowed(&[]), start: 0 }
    }

    /// Where the next byte is.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// How many bytes follow.
    pub(crate) fn left(&self) -> u64 {
        self.input.len().saturating_sub(self.at)
    }

    /// Goes to a place that was read before, or steps over what another reads.
    pub(crate) fn seek(&mut self, at: u64) {
        self.at = at.min(self.input.len());
    }

    /// Length of the content.
    pub(crate) fn len(&self) -> u64 {
        self.input.len()
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: u64) -> Result<&[u8], Stop> {
        let at = self.at;
        self.at =
            at.checked_add(count).filter(|end| *end <= self.input.len()).ok_or(Stop::Cut { offset: at })?;
        self.view(at, count)
    }

    /// Bytes that may lie behind, as those of a name.
    pub(crate) fn view(&mut self, at: u64, count: u64) -> Result<&[u8], Stop> {
        let cut = Stop::Cut { offset: at };
        let end = at.checked_add(count).filter(|end| *end <= self.input.len()).ok_or(cut)?;
        let within = at >= self.start && end <= self.start + self.window.len() as u64;
        if !within {
            let bytes = match self.input {
                Input::Memory(_) => self.input.len(),
                _ => count.max(WINDOW_BYTES).min(self.input.len() - at),
            };
            self.start = if matches!(self.input, Input::Memory(_)) { 0 } else { at };
            self.window = self.input.read(self.start, bytes)?;
        }
        let from = usize::try_from(at - self.start).map_err(|_| Stop::Cut { offset: at })?;
        let to = usize::try_from(end - self.start).map_err(|_| Stop::Cut { offset: at })?;
        self.window.get(from..to).ok_or(Stop::Cut { offset: at })
    }

    /// Steps over `count` bytes without reading them; where they were.
    pub(crate) fn skip(&mut self, count: u64) -> Result<u64, Stop> {
        let at = self.at;
        let end = at.checked_add(count).filter(|end| *end <= self.input.len());
        self.at = end.ok_or(Stop::Cut { offset: at })?;
        Ok(at)
    }

    /// The next `N` bytes as an array, for `from_le_bytes`.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let at = self.at;
        self.take(N as u64)?.try_into().map_err(|_| Stop::Cut { offset: at })
    }

    /// One byte.
    pub(crate) fn byte(&mut self) -> Result<u8, Stop> {
        Ok(self.array::<1>()?[0])
    }

    /// A line up to `bytes_max` long, without its line feed: where it begins and its length.
    pub(crate) fn line(&mut self, bytes_max: u64) -> Result<(u64, u64), Stop> {
        let at = self.at;
        let mut seen = 0;
        while seen < bytes_max {
            let chunk = (bytes_max - seen).min(256).min(self.left() - seen);
            if chunk == 0 {
                return Err(Stop::Cut { offset: at });
            }
            let found = self.view(at + seen, chunk)?.iter().position(|byte| *byte == b'\n');
            if let Some(position) = found {
                let bytes = seen + position as u64;
                self.at = at + bytes + 1;
                return Ok((at, bytes));
            }
            seen += chunk;
        }
        Err(Stop::malformed(at, "a line is too long"))
    }
}
