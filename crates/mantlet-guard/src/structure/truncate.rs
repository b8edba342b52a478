//! Cutting a text that is too long, so that everybody can see it.

use std::borrow::Cow;

/// Bytes of the longest sentence that says that something is missing.
pub const NOTE_BYTES_MAX: usize = 64;

/// At most `bytes_max` bytes of a text, cut between characters, and the number of its bytes that are missing. Where
/// something is, the text ends by saying so, within the same bound; a bound that has no room for that leaves nothing.
#[must_use]
pub fn truncate(text: &str, bytes_max: usize) -> (Cow<'_, str>, usize) {
    if text.len() <= bytes_max {
        return (Cow::Borrowed(text), 0);
    }
    let Some(room) = bytes_max.checked_sub(NOTE_BYTES_MAX) else {
        return (Cow::Borrowed(""), text.len());
    };
    let end = text.floor_char_boundary(room);
    let (kept, cut) = text.split_at(end);
    (Cow::Owned(format!("{kept}\n[… {} bytes left out]", cut.len())), cut.len())
}
