//! A view of the text around one place, which notes whether more text could change what was read.
//!
//! Decisions must not depend on how a stream was cut. So whatever judges a place reads bytes through a [`Window`]
//! alone, and the window remembers whether it was asked for a byte that has not arrived. If it was, the judgment is
//! thrown away and made again when there is more; if not, the same judgment is made of every longer text. A window
//! ends [`AHEAD`] bytes after its place, so no judgment waits for more than that.

use std::cell::Cell;

/// How many bytes after its place a judgment may read.
pub(crate) const AHEAD: usize = 384;

/// How many bytes before its place a judgment may read: a match may begin [`GLUE`] before it, and what stands
/// before a match is read for [`CONTEXT`] bytes.
pub(crate) const BEHIND: usize = GLUE + CONTEXT;

/// How far before its place a match may begin, and only within the same word.
pub(crate) const GLUE: usize = 64;

/// How many bytes before a match are read for words that say what it is.
pub(crate) const CONTEXT: usize = 64;

/// The readable text around one place.
pub(crate) struct Window<'a> {
    bytes: &'a [u8],
    floor: usize,
    limit: usize,
    /// The text ends where `bytes` end.
    whole: bool,
    starved: Cell<bool>,
}

impl<'a> Window<'a> {
    /// The window around the byte at `place`.
    pub(crate) fn new(bytes: &'a [u8], place: usize, whole: bool) -> Self {
        let floor = place.saturating_sub(BEHIND);
        Self { bytes, floor, limit: place.saturating_add(AHEAD), whole, starved: Cell::new(false) }
    }

    /// The byte at an index of the text; 0 outside the window and beyond the end of the text.
    pub(crate) fn at(&self, index: usize) -> u8 {
        if index < self.floor || index >= self.limit {
            return 0;
        }
        match self.bytes.get(index) {
            Some(byte) => *byte,
            None => {
                self.starved.set(self.starved.get() || !self.whole);
                0
            }
        }
    }

    /// The byte before an index, or 0.
    pub(crate) fn before(&self, index: usize) -> u8 {
        index.checked_sub(1).map_or(0, |index| self.at(index))
    }

    /// The bytes of a range, as far as they lie in the window and have arrived.
    pub(crate) fn slice(&self, start: usize, end: usize) -> &'a [u8] {
        let end = end.min(self.limit);
        if end > self.bytes.len() && !self.whole {
            self.starved.set(true);
        }
        let end = end.min(self.bytes.len());
        self.bytes.get(start.max(self.floor)..end).unwrap_or_default()
    }

    /// Whether the text goes on with these bytes at an index.
    pub(crate) fn starts_with(&self, index: usize, expected: &[u8]) -> bool {
        expected.iter().enumerate().all(|(offset, byte)| self.at(index + offset) == *byte)
    }

    /// The end of the run of bytes, from an index on, that a test accepts.
    pub(crate) fn run(&self, mut index: usize, accepts: impl Fn(u8) -> bool) -> usize {
        // A byte outside the window reads as 0, which no test may accept.
        while accepts(self.at(index)) {
            index += 1;
        }
        index
    }

    /// The start of the run of bytes, back from an index, that a test accepts, of [`GLUE`] bytes at most before
    /// `place`.
    pub(crate) fn run_back(&self, place: usize, accepts: impl Fn(u8) -> bool) -> usize {
        let floor = place.saturating_sub(GLUE).max(self.floor);
        let mut index = place;
        while index > floor && accepts(self.before(index)) {
            index -= 1;
        }
        // Never into the middle of a character.
        while index < place && is_continuation(self.at(index)) {
            index += 1;
        }
        index
    }

    /// The bytes before an index that are read for context.
    pub(crate) fn context(&self, index: usize) -> &'a [u8] {
        let start = index.saturating_sub(CONTEXT).max(self.floor);
        self.bytes.get(start..index.min(self.bytes.len())).unwrap_or_default()
    }

    /// Whether an index is the end of the window, so that a run up to it may go on.
    pub(crate) fn is_limit(&self, index: usize) -> bool {
        index >= self.limit
    }

    /// Whether a byte was asked for that has not arrived.
    pub(crate) fn starved(&self) -> bool {
        self.starved.get()
    }
}

/// Whether a byte continues a character of UTF-8.
pub(crate) const fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}
