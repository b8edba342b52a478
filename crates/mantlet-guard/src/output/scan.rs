//! One pass over a text that finds what must not leave as it is.
//!
//! A table of byte classes finds the few places at which anything can begin; judges look at these places, through a
//! [`Window`], and nothing looks at the rest. The pass is made of the bytes that have arrived and goes as far as can
//! be decided, so what it has decided after so many bytes does not depend on how they arrived.

use super::{
    html,
    redact::{self, Kind},
    rules::{Html, Rules},
    window::{AHEAD, GLUE, Window, is_continuation},
};

/// What stands in the place of a piece of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// The label of a kind.
    Redacted(Kind),
    /// A note that a link or an image was removed.
    Link,
    /// A note that markup was removed.
    Html,
    /// This text.
    Text(String),
}

/// How far a replaced piece goes whose end was not yet seen when it was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// To the first byte that no token has.
    Token,
    /// To the end of the line with the footer of a PEM block.
    Pem,
    /// To the first byte that no address has.
    Address,
    /// To the end tag of an element, by its place in [`html::SWALLOWED`].
    Element(u8),
    /// To the end of a comment of markup.
    Comment,
}

/// A piece of text and what stands in its place. Bounds are offsets in the scanned bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    /// The first byte.
    pub(crate) start: usize,
    /// One past the last byte that is known to belong to it.
    pub(crate) end: usize,
    /// What stands there instead.
    pub(crate) what: What,
    /// How it goes on after `end`.
    pub(crate) until: Option<Until>,
}

impl Edit {
    /// A piece whose end is known.
    pub(crate) fn new(start: usize, end: usize, what: What) -> Self {
        Self { start, end, what, until: None }
    }
}

/// Bytes that may stand inside a word of letters and digits.
const WORD: u8 = 1;
/// Decimal digits.
const DIGIT: u8 = 2;
/// Capital letters.
const UPPER: u8 = 4;
/// Punctuation at which something can begin or be recognized.
const MARK: u8 = 8;
/// Lead bytes of characters that may be digits outside ASCII.
const WIDE: u8 = 16;

const CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0_usize;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'0'..=b'9' => WORD | DIGIT,
            b'A'..=b'Z' => WORD | UPPER,
            b'a'..=b'z' | b'_' => WORD,
            b'@' | b':' | b'=' | b'-' | b'<' | b']' | b'(' | b'/' | b'\\' => MARK,
            // Full-width and Arabic digits, and those of India.
            0xEF | 0xD9 | 0xDB | 0xE0 => WIDE,
            _ => 0,
        };
        byte += 1;
    }
    table
}

/// Words of at least this length are looked at even without a digit: keys and tokens are long.
const LONG: usize = 16;

/// Where the pass stands. Offsets are those of the bytes that it is given, and are moved by [`Scanner::shift`].
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    /// Everything before this byte is decided.
    place: usize,
    /// The end of the last edit: no later one begins before it.
    free: usize,
    /// The replaced piece that is still going on.
    open: Option<Until>,
    /// Where such a piece ended, or has come to, whose edit was taken before its end was seen.
    swallowed: usize,
}

impl Scanner {
    /// Goes on as far as can be decided and appends what must be replaced.
    pub(crate) fn run(&mut self, rules: &Rules, bytes: &[u8], whole: bool, edits: &mut Vec<Edit>) {
        loop {
            let Some(until) = self.open else {
                match self.next(rules, bytes, whole) {
                    Some(mut edit) => {
                        while bytes.get(edit.end).is_some_and(|byte| is_continuation(*byte)) {
                            edit.end -= 1;
                        }
                        self.place = edit.end;
                        self.free = edit.end;
                        self.open = edit.until;
                        edits.push(edit);
                        continue;
                    }
                    None => return,
                }
            };
            let (end, closed) = end_of(until, bytes, self.place, whole);
            self.place = end;
            self.free = end;
            match edits.last_mut() {
                Some(edit) => edit.end = end,
                None => self.swallowed = end,
            }
            if !closed {
                return;
            }
            self.open = None;
        }
    }

    /// Everything before this byte may leave, as far as this pass is concerned: no later edit begins before it.
    pub(crate) fn settled(&self, bytes: &[u8]) -> usize {
        if self.open.is_some() {
            return self.place;
        }
        let floor = self.place.saturating_sub(GLUE).max(self.free);
        let mut settled = self.place;
        while settled > floor && bytes.get(settled - 1).is_some_and(|byte| !byte.is_ascii_whitespace()) {
            settled -= 1;
        }
        while settled > self.free && bytes.get(settled).is_some_and(|byte| is_continuation(*byte)) {
            settled -= 1;
        }
        settled
    }

    /// The first byte that is not decided.
    pub(crate) fn place(&self) -> usize {
        self.place
    }

    /// Whether a replaced piece is still going on.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Where the piece that is or was going on has come to.
    pub(crate) fn swallowed(&self) -> usize {
        self.swallowed
    }

    /// Follows the bytes when `count` of them were dropped at their start.
    pub(crate) fn shift(&mut self, count: usize) {
        self.place = self.place.saturating_sub(count);
        self.free = self.free.saturating_sub(count);
        self.swallowed = self.swallowed.saturating_sub(count);
    }

    /// The next edit, or nothing if there is none in what can be decided. Moves `place` over what is decided.
    fn next(&mut self, rules: &Rules, bytes: &[u8], whole: bool) -> Option<Edit> {
        while let Some(byte) = bytes.get(self.place) {
            let class = CLASS[usize::from(*byte)];
            let mut end = self.place + 1;
            let mut wanted = class & (MARK | WIDE) != 0;
            if class & WORD != 0 {
                let word = word(bytes, self.place);
                end = word.end;
                if end == bytes.len() && !whole && end - self.place < AHEAD {
                    return None;
                }
                wanted = word.wanted(bytes);
            }
            if wanted {
                let window = Window::new(bytes, self.place, whole);
                let judged = judge(rules, &window, self.place, end, class);
                if window.starved() {
                    return None;
                }
                match judged {
                    Some(edit) if edit.start >= self.free => return Some(edit),
                    _ => {}
                }
            }
            self.place = end;
        }
        None
    }
}

/// A run of letters and digits.
struct Word {
    start: usize,
    end: usize,
    seen: u8,
}

/// The run of letters and digits that begins at `start`, cut after as many bytes as a window has.
fn word(bytes: &[u8], start: usize) -> Word {
    let mut seen = 0;
    let mut end = start;
    let limit = start.saturating_add(AHEAD).min(bytes.len());
    while end < limit {
        let class = bytes.get(end).map_or(0, |byte| CLASS[usize::from(*byte)]);
        if class & WORD == 0 {
            break;
        }
        seen |= class;
        end += 1;
    }
    Word { start, end, seen }
}

impl Word {
    /// Whether anything that a judge knows can begin with this word.
    fn wanted(&self, bytes: &[u8]) -> bool {
        let length = self.end - self.start;
        // Capital letters before a digit that stands apart (`AB 12 34 56 C`), prefixes of keys that end with a hyphen
        // (`sk-`), hexadecimal groups without a digit, and `www.`.
        self.seen & DIGIT != 0
            || length >= LONG
            || self.seen & UPPER != 0
                && length <= 4
                && bytes.get(self.end + 1).is_none_or(|byte| byte.is_ascii_digit() || *byte == b'.')
            || length <= 6 && matches!(bytes.get(self.end), Some(b'-' | b':'))
            || matches!(length, 2 | 3) && bytes.get(self.end) == Some(&b'.')
    }
}

/// Asks the judges for the place, in the order in which they are to be believed.
fn judge(rules: &Rules, window: &Window<'_>, place: usize, end: usize, class: u8) -> Option<Edit> {
    if class & MARK != 0 && window.at(place) == b'<' {
        let clean = rules.html == Html::Clean;
        let names = rules.pseudonyms.as_ref();
        let restored = names.and_then(|names| names.restore(window, place, clean));
        return restored.or_else(|| if clean { html::judge(rules, window, place) } else { None });
    }
    let kinds = rules.kinds;
    let found = if kinds.is_empty() {
        None
    } else if class & WORD != 0 {
        redact::at_word(kinds, window, place, end)
    } else if class & WIDE != 0 {
        redact::at_wide(kinds, window, place)
    } else {
        redact::at_mark(kinds, window, place)
    };
    if let Some(found) = found {
        let what = What::Redacted(found.kind);
        return Some(Edit { start: found.start, end: found.end, what, until: found.until });
    }
    let links = rules.links.as_ref()?;
    if class & WORD != 0 { links.bare(window, place) } else { links.judge(window, place) }
}

/// How far an open piece goes in the bytes that have arrived, and whether it ends there.
fn end_of(until: Until, bytes: &[u8], place: usize, whole: bool) -> (usize, bool) {
    let run = |accepts: fn(u8) -> bool| {
        let end =
            bytes.iter().skip(place).position(|byte| !accepts(*byte)).map_or(bytes.len(), |n| place + n);
        (end, end < bytes.len() || whole)
    };
    match until {
        Until::Token => run(redact::in_token),
        Until::Pem => redact::end_of_pem(bytes, place, whole),
        Until::Address => run(|byte| byte > b' '),
        Until::Element(index) => html::end_of_element(index, bytes, place, whole),
        Until::Comment => html::end_of_comment(bytes, place, whole),
    }
}
