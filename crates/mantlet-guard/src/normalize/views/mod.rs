//! What a text decodes to, nested two deep.
//!
//! Each finder makes one linear pass over a text and gives one view of all that it found, or none: ordinary text has no
//! candidates and costs the passes alone. A view is a text of its own, judged like any other, whose map leads back to the
//! encoded place in the original.

mod blobs;
mod ciphers;
mod escapes;
mod spelling;

pub(crate) use ciphers::unreadable;

use super::{Mapped, Normalized};

/// All views of a text together have at most so many bytes for each of its own, and [`BUDGET_BYTES`] more.
pub const BUDGET_FACTOR: usize = 8;
/// What short texts may decode to beyond that.
pub const BUDGET_BYTES: usize = 1024;
/// A code within a code is followed so far.
pub const DEPTH: usize = 2;
/// No text has more views.
pub const VIEWS_MAX: usize = 24;

/// A decoded text.
#[derive(Debug)]
pub struct View {
    /// How it was written, outermost code last: `base64`, or `rot13` within it.
    pub kind: &'static str,
    /// The text; its map leads to the original.
    pub text: Mapped,
    /// How many codes deep.
    pub depth: usize,
}

/// Whether a view of this kind has its letters in other places or other letters in theirs.
#[must_use]
pub fn is_cipher(kind: &str) -> bool {
    matches!(kind, "rot13" | "caesar" | "atbash" | "reversed" | "leet" | "spelled")
}

/// Letters or words that are decoded are text from this many bytes on.
const TEXT_BYTES_MIN: usize = 8;

/// All views of a text, those of one code first.
#[must_use]
pub fn views(of: &Normalized) -> Vec<View> {
    let mut left = of.text.len().saturating_mul(BUDGET_FACTOR).saturating_add(BUDGET_BYTES);
    let mut views: Vec<View> = Vec::new();
    if !of.hidden.is_empty() {
        keep(&mut views, &mut left, View { kind: "hidden", text: of.hidden.clone(), depth: 1 });
    }
    for (kind, text) in found(&of.text) {
        keep(&mut views, &mut left, View { kind, text, depth: 1 });
    }
    let mut index = 0;
    while let Some(outer) = views.get(index) {
        let (depth, kind) = (outer.depth + 1, outer.kind);
        let inner = if outer.depth < DEPTH { found(&outer.text) } else { Vec::new() };
        // What turned a text around or shifted its letters would only undo that.
        for (inner, text) in inner.into_iter().filter(|(inner, _)| *inner != kind || kind == "base64") {
            keep(&mut views, &mut left, View { kind: inner, text, depth });
        }
        index += 1;
    }
    views
}

fn keep(views: &mut Vec<View>, left: &mut usize, view: View) {
    if view.text.len() <= *left && views.len() < VIEWS_MAX && view.text.len() >= TEXT_BYTES_MIN {
        *left -= view.text.len();
        views.push(view);
    }
}

/// What one text decodes to.
fn found(text: &Mapped) -> Vec<(&'static str, Mapped)> {
    let finders = [blobs::find, escapes::find, spelling::find, ciphers::find];
    finders.into_iter().flat_map(|find| find(text)).collect()
}

/// Whether decoded bytes are text: UTF-8, mostly letters, with hardly any control characters.
fn as_text(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).ok()?;
    let strange = text
        .chars()
        .filter(|c| {
            (c.is_control() && !c.is_whitespace()) || matches!(c, '\u{fffd}' | '\u{e000}'..='\u{f8ff}')
        })
        .count();
    // Images and keys decode to bytes that now and then are text by chance, but not to letters and spaces.
    let told = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '\n')).count();
    let all = text.chars().count();
    (all >= 4 && strange * 20 <= all && told * 4 >= all * 3).then_some(text)
}

#[cfg(test)]
mod tests;
