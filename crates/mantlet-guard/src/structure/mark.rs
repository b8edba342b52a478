//! Marks in a text that make every part of it look as what it is: data ("datamarking").
//!
//! Source: Hines et al., "Defending Against Indirect Prompt Injection Attacks With Spotlighting" (2024), section 3.2. The
//! paper replaces white space by a mark; here nothing is lost, so that what was marked can be read again. With `M` for the
//! boundary's mark and `E` for its escape:
//!
//! | in the text | marked |
//! |---|---|
//! | a space | `M` |
//! | other white space `w` | `M` `w` |
//! | `M`, `E` | `E` `m`, `E` `z` |
//! | nothing, inside of a long run without spaces, or of an occurrence of the boundary's id | `E` `M` |
//!
//! Chinese, Japanese, Thai and others write without spaces, so their runs are marked more often.

use std::borrow::Cow;

use super::{
    boundary::Boundary,
    fold::{Glyph, fold},
    form::Form,
};

/// Characters in a row that stand unmarked in scripts with spaces between words.
const RUN_MAX: usize = 40;
/// Characters in a row that stand unmarked in scripts without.
const UNSPACED_RUN_MAX: usize = 6;

/// Marks a text. JSON and code are only kept from having the boundary's id in them.
#[must_use]
pub fn mark(text: &str, form: Form, boundary: &Boundary) -> String {
    let mut forged = forged(text, boundary.id()).into_iter().peekable();
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut run = 0;
    for (at, character) in text.char_indices() {
        if forged.next_if_eq(&at).is_some() {
            join(&mut out, boundary);
        }
        if form == Form::Prose && character.is_whitespace() {
            out.push(boundary.mark());
            if character != ' ' {
                out.push(character);
            }
            run = 0;
            continue;
        }
        if form == Form::Prose && run >= run_max(character) && !begins_role(character) {
            join(&mut out, boundary);
            run = 0;
        }
        run += 1;
        if character == boundary.mark() {
            out.extend([boundary.escape(), 'm']);
        } else if character == boundary.escape() {
            out.extend([boundary.escape(), 'z']);
        } else {
            out.push(character);
        }
    }
    out
}

/// A text of the conversation's own, in which the boundary's id has nothing to do either: each occurrence is broken.
#[must_use]
pub fn disarm<'a>(text: &'a str, boundary: &Boundary) -> Cow<'a, str> {
    let forged = forged(text, boundary.id());
    if forged.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    let mut done = 0;
    for at in forged {
        out.push_str(text.get(done..at).unwrap_or_default());
        join(&mut out, boundary);
        done = at;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(out)
}

/// What was marked. Of a text that [`mark`] did not make, something.
#[must_use]
pub fn unmark(text: &str, form: Form, boundary: &Boundary) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        if character == boundary.escape() {
            match rest.next() {
                Some('m') => out.push(boundary.mark()),
                Some('z') => out.push(boundary.escape()),
                _ => {}
            }
        } else if character == boundary.mark() && form == Form::Prose {
            out.push(rest.next_if(|next| *next != ' ' && next.is_whitespace()).unwrap_or(' '));
        } else {
            out.push(character);
        }
    }
    out
}

/// Joins two parts of a word by a mark that is none of the text's.
fn join(out: &mut String, boundary: &Boundary) {
    out.extend([boundary.escape(), boundary.mark()]);
}

fn run_max(character: char) -> usize {
    let unspaced = matches!(character,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3041}'..='\u{30ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}');
    if unspaced { UNSPACED_RUN_MAX } else { RUN_MAX }
}

/// Whether a reserved token may begin here that only counts at the beginning of a word (`USER:`), which a mark would make.
fn begins_role(character: char) -> bool {
    let mut buffer = [0; 4];
    fold(character.encode_utf8(&mut buffer)).iter().any(|glyph| matches!(glyph.key(), 'a' | 'g' | 'u'))
}

/// Where a mark has to stand so that no occurrence of the id is left, in whatever case or disguise: byte offsets, ascending.
/// An occurrence is broken in its middle, and what follows is searched from there, since one may reach into the next.
fn forged(text: &str, id: &str) -> Vec<usize> {
    let id: Vec<char> = id.chars().map(|seen| Glyph { seen, start: 0, end: 0 }.key()).collect();
    let glyphs: Vec<Glyph> = fold(text).into_iter().filter(|glyph| !glyph.is_space()).collect();
    let half = id.len() / 2;
    let (mut at, mut found) = (0, Vec::new());
    while let Some(window) = glyphs.get(at..at + id.len()) {
        if window.iter().zip(&id).all(|(glyph, wanted)| glyph.key() == *wanted) {
            // Several glyphs may come from one character; the id has none of these.
            found.extend(window.get(half).map(|glyph| glyph.start));
            at += half;
        } else {
            at += 1;
        }
    }
    found
}
