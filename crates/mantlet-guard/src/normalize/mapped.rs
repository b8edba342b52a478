//! A text made of another one, which knows where each of its bytes came from.

use std::ops::Range;

use crate::Span;

/// A text with a map to the original.
///
/// The map is monotone: of two places in the text, the later one never comes from an earlier place of the original.
/// Ordinary text needs one piece for all of it, so the map costs nothing until something was changed.
#[derive(Debug, Clone, Default)]
pub struct Mapped {
    text: String,
    pieces: Vec<Piece>,
}

/// A stretch of the text that came from one stretch of the original.
#[derive(Debug, Clone, Copy)]
struct Piece {
    /// Where it begins in the text; it ends where the next one begins.
    at: usize,
    /// Where it came from.
    from: Span,
    /// Whether byte `i` of the piece came from byte `i` of that stretch.
    even: bool,
}

impl Mapped {
    /// A text that is its own original.
    #[must_use]
    pub fn identity(text: &str) -> Self {
        let mut mapped = Self::default();
        mapped.push_even(text, 0);
        mapped
    }

    /// An empty text with room for this many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), pieces: Vec::new() }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Appends what came, byte for byte, from the original at `start`.
    pub fn push_even(&mut self, text: &str, start: usize) {
        if text.is_empty() {
            return;
        }
        let at = self.text.len();
        let end = start.saturating_add(text.len());
        self.text.push_str(text);
        if let Some(last) = self.pieces.last_mut()
            && last.even
            && last.from.end == start
        {
            last.from.end = end;
            return;
        }
        self.pieces.push(Piece { at, from: Span { start, end }, even: true });
    }

    /// Appends what a stretch of the original stands for.
    pub fn push(&mut self, text: &str, from: Span) {
        if text.is_empty() {
            return;
        }
        let at = self.text.len();
        self.text.push_str(text);
        if let Some(last) = self.pieces.last()
            && !last.even
            && last.from == from
        {
            return;
        }
        self.pieces.push(Piece { at, from, even: false });
    }

    /// Appends a stretch of another text with the same original.
    pub fn copy(&mut self, other: &Self, range: Range<usize>) {
        if let Some(text) = other.text.get(range.clone()) {
            self.adopt(text, other, range);
        }
    }

    /// Appends a text that stands, byte for byte, for a stretch of another text with the same original.
    pub(super) fn adopt(&mut self, text: &str, other: &Self, range: Range<usize>) {
        let mut index = other.piece_at(range.start);
        while let Some(piece) = other.pieces.get(index).filter(|piece| piece.at < range.end) {
            let piece_end = other.pieces.get(index + 1).map_or(other.text.len(), |next| next.at);
            let (start, end) = (piece.at.max(range.start), piece_end.min(range.end));
            if let Some(part) = text.get(start - range.start..end - range.start) {
                if piece.even {
                    self.push_even(part, piece.from.start + (start - piece.at));
                } else {
                    self.push(part, piece.from);
                }
            }
            index += 1;
        }
    }

    /// Where in the original a stretch of the text came from. Beyond the text's end it is the end of the last piece.
    #[must_use]
    pub fn origin(&self, range: Range<usize>) -> Span {
        let start = self.edge(range.start, false);
        let end = if range.end > range.start { self.edge(range.end - 1, true) } else { start };
        Span { start, end: end.max(start) }
    }

    /// The first byte of the original that the byte at `place` came from, or one past the last.
    fn edge(&self, place: usize, last: bool) -> usize {
        let Some(piece) = self.pieces.get(self.piece_at(place)) else { return 0 };
        let within = place.saturating_sub(piece.at);
        match (piece.even, last) {
            (true, false) => (piece.from.start + within).min(piece.from.end),
            (true, true) => (piece.from.start + within + 1).min(piece.from.end),
            (false, false) => piece.from.start,
            (false, true) => piece.from.end,
        }
    }

    /// The piece that has the byte at `place`: the last one that begins at or before it.
    fn piece_at(&self, place: usize) -> usize {
        self.pieces.partition_point(|piece| piece.at <= place).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests;
