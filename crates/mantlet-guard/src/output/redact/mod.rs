//! Personal data and secrets in a text: found by form, check digits and the words before them, replaced by labels.
//!
//! Nothing here searches the whole text: [`find`] is asked for the few places that the pass in [`super::scan`] stops at.

mod card;
mod checks;
mod code;
mod coin;
mod contact;
mod context;
mod document;
mod find;
mod kind;
mod lettered;
mod national;
mod network;
mod secret;
mod token;

pub(crate) use find::{at_mark, at_wide, at_word};
pub(crate) use secret::end_of_pem;
pub(crate) use token::in_token;

pub use kind::{Kind, Kinds, UnknownKind};

use super::{
    rules::Rules,
    scan::{Scanner, What},
};

/// Every list of words that a judge asks for in a [`context::Context`].
fn word_lists() -> Vec<&'static [&'static str]> {
    let mut lists = national::word_lists();
    lists.extend([
        card::WORDS,
        contact::PHONE,
        document::BORN,
        document::PASSPORT,
        document::ACCOUNT,
        lettered::PPSN,
    ]);
    lists.extend([network::VERSION, network::ADDRESS]);
    lists
}

/// A text with labels in the place of what was found in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// The text with labels.
    pub text: String,
    /// What was found, in the order of the text, without overlaps.
    pub found: Vec<Found>,
}

/// One piece that was replaced. Bounds are bytes of the original text, on character boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// Replaces every structured kind. Linear in the text.
///
/// ```
/// let redacted = mantlet_guard::output::redact("write to jane@example.org");
/// assert_eq!(redacted.text, "write to [EMAIL]");
/// assert_eq!((redacted.found[0].start, redacted.found[0].end), (9, 25));
/// ```
#[must_use]
pub fn redact(text: &str) -> Redacted {
    redact_kinds(text, Kinds::STRUCTURED)
}

/// Replaces these kinds. Linear in the text.
#[must_use]
pub fn redact_kinds(text: &str, kinds: Kinds) -> Redacted {
    let rules = Rules::new().redact(kinds);
    let mut edits = Vec::new();
    Scanner::default().run(&rules, text.as_bytes(), true, &mut edits);
    let mut redacted =
        Redacted { text: String::with_capacity(text.len()), found: Vec::with_capacity(edits.len()) };
    let mut kept = 0;
    for edit in edits {
        redacted.text.push_str(text.get(kept..edit.start).unwrap_or_default());
        kept = edit.end;
        if let What::Redacted(kind) = edit.what {
            redacted.text.push_str(kind.label());
            redacted.found.push(Found { kind, start: edit.start, end: edit.end });
        }
    }
    redacted.text.push_str(text.get(kept..).unwrap_or_default());
    redacted
}

#[cfg(test)]
mod tests;
