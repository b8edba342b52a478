//! Chat-template tokens in a text, and how they lose their meaning.
//!
//! A model's tokenizer makes one token of `<|im_end|>` wherever it stands, and the model believes that the turn ended there. So
//! none may be left in what others wrote: not of the model that is asked, not of any other (a gateway does not know whose
//! weights are behind an upstream's name), and no look-alike, since models read those too.
//!
//! Two kinds of rule: **shapes** that tokens have and text does not (`<|…|>`, `<|…>`, `<…|>`, `[|…|]`, `>>…<<`), whatever
//! is in them, and **names** ([`names`](super::names)) in shapes that markup has too (`<s>`, `[INST]`, `### Response:`). A
//! token is replaced by its name in brackets that no token has: `<|im_end|>` becomes `⟦im_end⟧`. That stays readable, and
//! cannot become part of another token.

use std::borrow::Cow;

use super::{
    fold::{Glyph, fold},
    names::{ANGLE, ANGLE_NUMBERED, CORES, HEADINGS, SQUARE, SQUARE_ANY_CASE},
};
use crate::Span;

/// Folded characters of the longest token that is recognized; the longest known has 37.
const TOKEN_CHARACTERS_MAX: usize = 72;

/// What stands for a token's brackets when it has been neutralized.
const OPENING: char = '⟦';
const CLOSING: char = '⟧';

/// The text without reserved tokens of any known family; the text itself where it has none.
#[must_use]
pub fn neutralize(text: &str) -> Cow<'_, str> {
    let glyphs = fold(text);
    let found = found(&glyphs);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (token, span) in found {
        out.push_str(text.get(done..span.start).unwrap_or_default());
        out.push(OPENING);
        let name: String = token.iter().map(|glyph| glyph.seen).filter(|seen| is_of_name(*seen)).collect();
        out.push_str(name.trim());
        out.push(CLOSING);
        done = span.end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(out)
}

/// Where reserved tokens stand in a text.
#[must_use]
pub fn reserved(text: &str) -> Vec<Span> {
    found(&fold(text)).into_iter().map(|(_, span)| span).collect()
}

fn is_of_name(seen: char) -> bool {
    seen.is_alphanumeric() || matches!(seen, '_' | '-' | '/' | ' ')
}

/// All tokens from left to right, without overlaps.
fn found(glyphs: &[Glyph]) -> Vec<(&[Glyph], Span)> {
    let mut found: Vec<(&[Glyph], Span)> = Vec::new();
    let mut at = 0;
    while at < glyphs.len() {
        let token = token_at(glyphs, at).and_then(|end| glyphs.get(at..end));
        let Some((token, first, last)) = token.and_then(|token| Some((token, token.first()?, token.last()?)))
        else {
            at += 1;
            continue;
        };
        // One character may look like two, of which only one is the token's: all of it goes.
        found.push((token, Span { start: first.start, end: last.end }));
        at += token.len();
        while glyphs.get(at).is_some_and(|next| next.start < last.end) {
            at += 1;
        }
    }
    found
}

/// One past the end of the token that begins here.
fn token_at(glyphs: &[Glyph], at: usize) -> Option<usize> {
    let here = glyphs.get(at)?;
    let scan = Scan { glyphs, at };
    match here.seen {
        '<' => scan.bar().or_else(|| scan.doubled('<', '>')).or_else(|| scan.named()),
        '>' => scan.doubled('>', '<'),
        '[' => scan.square(),
        ']' => scan.literal("]~b]").or_else(|| scan.literal("]~!b[")),
        '#' => scan.heading(),
        _ if here.seen.is_ascii_alphabetic() => scan.role(),
        _ => None,
    }
}

/// Reads on from where a token may begin.
#[derive(Clone, Copy)]
struct Scan<'a> {
    glyphs: &'a [Glyph],
    at: usize,
}

impl<'a> Scan<'a> {
    fn glyph(&self, at: usize) -> Option<&'a Glyph> {
        self.glyphs.get(at)
    }

    fn seen(&self, at: usize) -> Option<char> {
        self.glyph(at).map(|glyph| glyph.seen)
    }

    /// The next place from `from` on where this stands, before a line's end, another opening bracket, a
    /// token that was neutralized, or the bound.
    fn until(&self, from: usize, wanted: char, never: char) -> Option<usize> {
        let end = (self.at + TOKEN_CHARACTERS_MAX).min(self.glyphs.len());
        let near = self.glyphs.get(from..end)?;
        let stops = [wanted, never, '\n', OPENING, CLOSING];
        let offset = near.iter().position(|glyph| stops.contains(&glyph.seen))?;
        (near.get(offset)?.seen == wanted).then_some(from + offset)
    }

    fn skip_spaces(&self, mut at: usize) -> usize {
        while self.glyph(at).is_some_and(Glyph::is_space) {
            at += 1;
        }
        at
    }

    /// `<|…|>` with anything in it, `<|name>` and `<name|>`; with spaces around the bars for known names.
    fn bar(&self) -> Option<usize> {
        let close = self.until(self.at + 1, '>', '<')?;
        let all = self.glyphs.get(self.at + 1..close)?;
        let inner = trim(all);
        let (before, inner) = match inner.split_first() {
            Some((first, rest)) if first.seen == '|' => (true, rest),
            _ => (false, inner),
        };
        let (after, inner) = match inner.split_last() {
            Some((last, rest)) if last.seen == '|' => (true, rest),
            _ => (false, inner),
        };
        let core = trim(inner);
        let spaced = all.len() != core.len() + usize::from(before) + usize::from(after);
        let solid = core.iter().all(|glyph| !glyph.is_space());
        let is_token = match (before, after) {
            (true, true) if spaced || !solid => CORES.contains(&key(&squeezed(core))),
            (true, true) => is_solid(core),
            (true, false) | (false, true) => !spaced && is_name(core),
            (false, false) => false,
        };
        is_token.then_some(close + 1)
    }

    /// `<<SYS>>`, `<</SYS>>`, and Falcon's `>>QUESTION<<`.
    fn doubled(&self, open: char, close: char) -> Option<usize> {
        if self.seen(self.at + 1)? != open {
            return None;
        }
        let end = self.until(self.at + 2, close, open)?;
        if self.seen(end + 1)? != close {
            return None;
        }
        let name = without_slash(trim(self.glyphs.get(self.at + 2..end)?));
        let known = match open {
            '<' => ["sys", "human", "bot", "user", "system", "assistant", "inst"]
                .iter()
                .any(|known| key(name) == super::names::keyed(known)),
            _ => name.len() >= 3 && name.iter().all(|glyph| glyph.seen.is_ascii_uppercase()),
        };
        known.then_some(end + 2)
    }

    /// `<name>` and `</name>` of the list, names before a number, and prefixes that tools are called by.
    fn named(&self) -> Option<usize> {
        let slash = usize::from(self.seen(self.at + 1)? == '/');
        for prefix in ["antml:", "function=", "seed:", "parameter="] {
            if let Some(end) = (Scan { at: self.at + 1 + slash, ..*self }).literal(prefix) {
                return Some(end);
            }
        }
        let close = self.until(self.at + 1, '>', '<')?;
        let name = trim(self.glyphs.get(self.at + 1..close)?);
        let name = trim(without_last_slash(name));
        let name = trim(without_slash(name));
        let known = ANGLE.contains(&key(name)) || is_numbered(name) || is_edge(name);
        known.then_some(close + 1)
    }

    /// `[NAME]`, `[/NAME]`, `[|name|]` and `[e~[`.
    fn square(&self) -> Option<usize> {
        if let Some(end) = self.literal("[e~[") {
            return Some(end);
        }
        let close = self.until(self.at + 1, ']', '[')?;
        let inner = trim(self.glyphs.get(self.at + 1..close)?);
        if let [first, core @ .., last] = inner
            && first.seen == '|'
            && last.seen == '|'
        {
            return (core.len() >= 3 && is_name(core)).then_some(close + 1);
        }
        let name = trim(without_slash(inner));
        let shouted = name.iter().all(|glyph| !glyph.seen.is_ascii_lowercase() || glyph.seen == 'l');
        let known = SQUARE_ANY_CASE.contains(&key(name)) || (SQUARE.contains(&key(name)) && shouted);
        known.then_some(close + 1)
    }

    /// `### Response:` and its like.
    fn heading(&self) -> Option<usize> {
        // Within a run of signs, the token is what begins at its first.
        if self.at.checked_sub(1).and_then(|before| self.seen(before)) == Some('#') {
            return None;
        }
        let mut at = self.at;
        while at < self.at + 6 && self.seen(at) == Some('#') {
            at += 1;
        }
        if at < self.at + 2 {
            return None;
        }
        let colon = self.until(at, ':', '#')?;
        let name = trim(self.glyphs.get(at..colon)?);
        let name = if key(name).starts_with("new ") { name.get(4..).unwrap_or_default() } else { name };
        HEADINGS.contains(&key(trim(name))).then_some(colon + 1)
    }

    /// Roles that are told by a word and a colon: `Human:` and `Assistant:` at the beginning of a line (older Claude),
    /// `USER:` and `ASSISTANT:` anywhere (Vicuna), `GPT4 Correct User:` (OpenChat).
    fn role(&self) -> Option<usize> {
        let before = self.at.checked_sub(1).and_then(|before| self.glyph(before));
        // Tokenizers write a space as `▁`, which looks like `_` and is no part of a word.
        if before
            .is_some_and(|before| before.is_word() && (before.seen != '_' || before.end - before.start == 1))
        {
            return None;
        }
        for phrase in ["gpt4 correct user:", "gpt4 correct assistant:", "gpt4 user:", "gpt4 assistant:"] {
            if let Some(end) = self.literal(phrase) {
                return Some(end);
            }
        }
        for word in ["user", "assistant"] {
            if let Some(end) = self.word(word).filter(|_| self.is_shouted(word.len())) {
                return Some(end);
            }
        }
        if !self.begins_line() {
            return None;
        }
        let shouted = ["system", "bot"].into_iter().filter(|word| self.is_shouted(word.len()));
        ["human", "assistant"].into_iter().chain(shouted).find_map(|word| self.word(word))
    }

    /// The end of this word with a colon behind it, if that is here.
    fn word(&self, word: &str) -> Option<usize> {
        let end = self.literal(word)?;
        let colon = self.skip_spaces(end);
        (colon <= end + 2 && self.seen(colon) == Some(':')).then_some(colon + 1)
    }

    fn is_shouted(&self, length: usize) -> bool {
        let word = self.glyphs.get(self.at..self.at + length);
        word.is_some_and(|word| word.iter().all(|glyph| !glyph.seen.is_ascii_lowercase()))
    }

    /// Whether nothing but spaces and signs of quoting or emphasis stands before on the line.
    fn begins_line(&self) -> bool {
        let start = self.at.saturating_sub(16);
        let before = self.glyphs.get(start..self.at).unwrap_or_default();
        let line = before.iter().rev().take_while(|glyph| glyph.seen != '\n');
        let mut length = 0;
        for glyph in line {
            if !glyph.is_space() && !matches!(glyph.seen, '>' | '*' | '#' | '"' | '-') {
                return false;
            }
            length += 1;
        }
        length < before.len() || start == 0
    }

    /// The end of this text, compared by key, if it is here.
    fn literal(&self, text: &str) -> Option<usize> {
        let mut at = self.at;
        for wanted in text.chars() {
            if self.glyph(at)?.key() != (Glyph { seen: wanted, start: 0, end: 0 }).key() {
                return None;
            }
            at += 1;
        }
        Some(at)
    }
}

fn trim(glyphs: &[Glyph]) -> &[Glyph] {
    let start = glyphs.iter().position(|glyph| !glyph.is_space()).unwrap_or(glyphs.len());
    let end = glyphs.iter().rposition(|glyph| !glyph.is_space()).map_or(start, |last| last + 1);
    glyphs.get(start..end).unwrap_or_default()
}

fn without_slash(glyphs: &[Glyph]) -> &[Glyph] {
    match glyphs.split_first() {
        Some((first, rest)) if first.seen == '/' => rest,
        _ => glyphs,
    }
}

/// Without the `/` of an element that closes itself.
fn without_last_slash(glyphs: &[Glyph]) -> &[Glyph] {
    match glyphs.split_last() {
        Some((last, rest)) if last.seen == '/' => rest,
        _ => glyphs,
    }
}

fn key(glyphs: &[Glyph]) -> String {
    glyphs.iter().map(Glyph::key).collect()
}

/// Without its spaces: what a name is that was spread out.
fn squeezed(glyphs: &[Glyph]) -> Vec<Glyph> {
    glyphs.iter().filter(|glyph| !glyph.is_space()).copied().collect()
}

/// A letter, and nothing but letters, digits and what joins them.
fn is_name(glyphs: &[Glyph]) -> bool {
    has_letter(glyphs)
        && glyphs.len() >= 2
        && glyphs.iter().all(|glyph| glyph.is_word() || matches!(glyph.seen, '-' | '.' | '/'))
}

/// Something, of letters, digits and signs of ASCII; a mark between words is neither.
fn is_solid(core: &[Glyph]) -> bool {
    core.iter().any(|glyph| glyph.seen != '|')
        && core.iter().all(|glyph| glyph.is_word() || glyph.seen.is_ascii_graphic())
}

fn has_letter(glyphs: &[Glyph]) -> bool {
    glyphs.iter().any(|glyph| glyph.seen.is_alphabetic())
}

/// `unused12`, `extra_id_0`, `image_1`.
fn is_numbered(name: &[Glyph]) -> bool {
    let digits = name.iter().rev().take_while(|glyph| glyph.seen.is_ascii_digit()).count();
    let (stem, _) = name.split_at(name.len() - digits);
    let stem = match stem.split_last() {
        Some((last, rest)) if matches!(last.seen, '_' | '-') => rest,
        _ => stem,
    };
    digits > 0 && ANGLE_NUMBERED.contains(&key(stem))
}

/// `start_of_…`, `end_of_…`, `begin_of_…`, `fim_…`: names that no markup has.
fn is_edge(name: &[Glyph]) -> bool {
    let key = key(name);
    is_name(name)
        && ["start_of_", "end_of_", "begin_of_", "fim_", "reserved_special_"]
            .iter()
            .any(|edge| key.starts_with(&super::names::keyed(edge)))
}
