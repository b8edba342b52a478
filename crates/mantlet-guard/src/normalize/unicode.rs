//! Characters as a reader sees them: compatibility forms composed, invisible ones gone, look-alikes of other scripts folded.

use std::ops::Range;

use unicode_normalization::{
    UnicodeNormalization,
    char::{canonical_combining_class, is_combining_mark},
};
use unicode_security::mixed_script::MixedScript;

use super::{
    Mapped,
    seen::{ascii_like, is_bidi, is_undrawn},
};
use crate::Span;

/// Marks on one character that are kept; a writing system needs no more, and sorting them stays cheap.
const MARKS_PER_CHARACTER_MAX: usize = 4;
/// Characters of a word that are looked at for scripts; longer ones are judged by their beginning.
const WORD_BYTES_MAX: usize = 512;
/// Letters that hidden characters must spell to count as hidden text: flags of regions use up to six tags.
const HIDDEN_BYTES_MIN: usize = 8;

/// A text as a reader sees it.
#[derive(Debug, Default)]
pub struct Normalized {
    /// NFKC (Unicode Standard Annex 15), without invisible characters, with look-alikes folded in words of mixed scripts.
    /// The case is as it was.
    pub text: Mapped,
    /// What characters that nobody sees spell: tag characters, variation selectors, bits of zero-width characters.
    pub hidden: Mapped,
    /// What was unusual.
    pub marks: Marks,
}

/// What a text has that ordinary text does not.
#[derive(Debug, Clone, Copy, Default)]
pub struct Marks {
    /// Characters that are never drawn.
    pub invisible: Tally,
    /// Characters that change the direction of text.
    pub bidi: Tally,
    /// Words that mix letters of several scripts, of which some look like Latin ones.
    pub homoglyphs: Tally,
    /// Characters that carry more marks than any writing system puts there.
    pub stacked: Tally,
}

/// How often something was seen, and where first.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// How often.
    pub count: u32,
    /// Where first, in the original.
    pub first: Option<Span>,
}

impl Tally {
    fn add(&mut self, span: Span) {
        self.count = self.count.saturating_add(1);
        self.first.get_or_insert(span);
    }
}

/// Makes the text that a reader sees.
#[must_use]
pub fn normalize(text: &str) -> Normalized {
    if text.bytes().all(is_plain) {
        return Normalized { text: Mapped::identity(text), ..Normalized::default() };
    }
    let mut seen = Seen { out: Normalized::default(), hidden: Hidden::default() };
    seen.out.text = Mapped::with_capacity(text.len());
    let mut place = 0;
    while let Some(rest) = text.get(place..).filter(|rest| !rest.is_empty()) {
        // Ordinary bytes go over in one piece.
        let plain = rest.bytes().position(|byte| !is_plain(byte)).unwrap_or(rest.len());
        if let Some(run) = rest.get(..plain).filter(|run| !run.is_empty()) {
            // A mark on the last of them belongs to it.
            let next = rest.get(plain..).and_then(|rest| rest.chars().next());
            let kept = if next.is_some_and(is_mark) { run.len() - 1 } else { run.len() };
            if let Some(run) = rest.get(..kept).filter(|run| !run.is_empty()) {
                seen.hidden.end(&mut seen.out.hidden);
                seen.out.text.push_even(run, place);
                place += kept;
                continue;
            }
        }
        place += seen.cluster(rest, place);
    }
    seen.hidden.end(&mut seen.out.hidden);
    let mut out = seen.out;
    fold_lookalikes(&mut out);
    out
}

/// Printable ASCII and the usual white space.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\n' | b'\t' | b'\r')
}

fn is_mark(character: char) -> bool {
    canonical_combining_class(character) != 0
        || is_combining_mark(character)
        // Vowels and finals that compose with a Hangul syllable before them.
        || matches!(character, '\u{1161}'..='\u{1175}' | '\u{11a8}'..='\u{11c2}')
}

/// Characters that leave no trace in what is read: undrawn ones, and the two feeds that no text has today.
fn is_invisible(character: char) -> bool {
    is_undrawn(character) || matches!(character, '\u{b}' | '\u{c}')
}

struct Seen {
    out: Normalized,
    hidden: Hidden,
}

impl Seen {
    /// Takes one character with its marks from the beginning of `rest`, and gives its length.
    fn cluster(&mut self, rest: &str, place: usize) -> usize {
        let mut characters = rest.chars();
        let Some(first) = characters.next() else { return 0 };
        let mut length = first.len_utf8();
        let span = |length| Span { start: place, end: place + length };
        if is_bidi(first) {
            self.out.marks.bidi.add(span(length));
            return length;
        }
        if is_invisible(first) {
            // Joiners within emoji and letters, and what chooses between drawings of one, are how these are written.
            if !matches!(first, '\u{200d}' | '\u{fe0e}' | '\u{fe0f}' | '\u{200c}' | '\u{ad}') {
                self.out.marks.invisible.add(span(length));
            }
            self.hidden.take(first, span(length), &mut self.out.hidden);
            return length;
        }
        self.hidden.end(&mut self.out.hidden);
        let mut cluster = String::from(first);
        let mut kept = 0;
        for character in characters.take_while(|character| is_mark(*character) && !is_invisible(*character)) {
            length += character.len_utf8();
            kept += 1;
            if kept <= MARKS_PER_CHARACTER_MAX {
                cluster.push(character);
            }
        }
        if kept > MARKS_PER_CHARACTER_MAX {
            self.out.marks.stacked.add(span(length));
        }
        let composed: String = cluster.nfkc().map(letter_of).collect();
        if rest.get(..length) == Some(&composed) {
            self.out.text.push_even(&composed, place);
        } else {
            self.out.text.push(&composed, span(length));
        }
        length
    }
}

/// The Latin letter that a letter-like symbol draws, where NFKC has none: small capitals, enclosed and turned letters.
fn letter_of(character: char) -> char {
    let code = u32::from(character);
    let nth = |n: u32| char::from_u32(u32::from(b'a') + n).unwrap_or(character);
    match character {
        '\u{1f1e6}'..='\u{1f1ff}' => nth(code - 0x1f1e6),
        '\u{1f150}'..='\u{1f169}' => nth(code - 0x1f150),
        '\u{1f170}'..='\u{1f189}' => nth(code - 0x1f170),
        'ᴀ' | 'ɐ' => 'a',
        'ʙ' => 'b',
        'ᴄ' | 'ɔ' => 'c',
        'ᴅ' => 'd',
        'ᴇ' | 'ǝ' => 'e',
        'ꜰ' | 'ɟ' => 'f',
        'ɢ' | 'ɡ' | 'ƃ' => 'g',
        'ʜ' | 'ɥ' => 'h',
        'ɪ' | 'ᴉ' => 'i',
        'ᴊ' | 'ɾ' => 'j',
        'ᴋ' | 'ʞ' => 'k',
        'ʟ' | 'ן' => 'l',
        'ᴍ' | 'ɯ' => 'm',
        'ɴ' => 'n',
        'ᴏ' => 'o',
        'ᴘ' => 'p',
        'ʀ' | 'ɹ' => 'r',
        'ꜱ' => 's',
        'ᴛ' | 'ʇ' => 't',
        'ᴜ' => 'u',
        'ᴠ' | 'ʌ' => 'v',
        'ᴡ' | 'ʍ' => 'w',
        'ʏ' | 'ʎ' => 'y',
        'ᴢ' => 'z',
        '\u{2028}' | '\u{2029}' | '\u{85}' => '\n',
        '’' | '‘' | 'ʼ' => '\'',
        other => other,
    }
}

/// Text in characters that nobody sees.
#[derive(Default)]
struct Hidden {
    run: Option<Span>,
    tags: String,
    selected: Vec<u8>,
    zero_width: Vec<char>,
}

impl Hidden {
    fn take(&mut self, character: char, span: Span, out: &mut Mapped) {
        let code = u32::from(character);
        let byte = |base: u32| u8::try_from(code - base).unwrap_or(b'?');
        match character {
            // Tag characters draw nothing and have the codes of ASCII.
            '\u{e0020}'..='\u{e007e}' => self.tags.push(char::from(byte(0xe_0000))),
            // Variation selectors count to 256, so they carry bytes.
            '\u{fe00}'..='\u{fe0f}' => self.selected.push(byte(0xfe00)),
            '\u{e0100}'..='\u{e01ef}' => self.selected.push(byte(0xe_0100).saturating_add(16)),
            '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{2062}'..='\u{2064}' | '\u{feff}' => {
                self.zero_width.push(character);
            }
            _ => return self.end(out),
        }
        match &mut self.run {
            Some(run) => run.end = span.end,
            None => self.run = Some(span),
        }
    }

    /// The run of hidden characters has ended; what it spells goes into `out`.
    fn end(&mut self, out: &mut Mapped) {
        let Some(span) = self.run.take() else { return };
        let tags = std::mem::take(&mut self.tags);
        let selected = std::mem::take(&mut self.selected);
        let zero_width = std::mem::take(&mut self.zero_width);
        let selected = String::from_utf8(selected).unwrap_or_default();
        for text in [tags, selected, bits(&zero_width).unwrap_or_default()] {
            if text.len() >= HIDDEN_BYTES_MIN {
                out.push(&text, span);
                out.push("\n", span);
            }
        }
    }
}

/// ASCII text in two kinds of zero-width characters, eight to a byte, whichever of them is the one.
fn bits(run: &[char]) -> Option<String> {
    let zero = *run.first()?;
    let one = *run.iter().find(|character| **character != zero)?;
    let used: Vec<bool> =
        run.iter().filter(|character| [zero, one].contains(character)).map(|c| *c == one).collect();
    [false, true].into_iter().find_map(|flip| {
        let bytes = used
            .chunks_exact(8)
            .map(|bits| bits.iter().fold(0, |sum, bit| sum << 1 | u8::from(*bit != flip)));
        String::from_utf8(bytes.collect()).ok().filter(|text| text.bytes().all(is_plain))
    })
}

/// Folds look-alikes into the Latin letters that they draw, in words that have letters of several scripts. Words of one
/// script are left alone: whole sentences of Cyrillic look like Latin here and there.
fn fold_lookalikes(out: &mut Normalized) {
    let text = out.text.text();
    if !text.bytes().any(|byte| byte.is_ascii_alphabetic()) || text.is_ascii() {
        return;
    }
    let mut folded: Option<(Mapped, usize)> = None;
    for word in words(text) {
        let Some(letters) = text.get(word.clone()).filter(|letters| is_mixed(letters)) else { continue };
        let (made, copied) = folded.get_or_insert_with(|| (Mapped::with_capacity(text.len()), 0));
        made.copy(&out.text, *copied..word.start);
        let mut changed = false;
        for (offset, character) in letters.char_indices() {
            let start = word.start + offset;
            let span = out.text.origin(start..start + character.len_utf8());
            match looks_like(character) {
                Some(letter) => {
                    changed = true;
                    made.push(letter.encode_utf8(&mut [0; 4]), span);
                }
                None => made.copy(&out.text, start..start + character.len_utf8()),
            }
        }
        if changed {
            out.marks.homoglyphs.add(out.text.origin(word.clone()));
        }
        *copied = word.end;
    }
    if let Some((mut made, copied)) = folded {
        made.copy(&out.text, copied..text.len());
        out.text = made;
    }
}

/// Runs of letters and digits.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut place = 0;
    std::iter::from_fn(move || {
        let rest = text.get(place..)?;
        let start = place + rest.find(|character: char| character.is_alphanumeric())?;
        let rest = text.get(start..)?;
        let length = rest.find(|character: char| !character.is_alphanumeric()).unwrap_or(rest.len());
        place = start + length;
        Some(start..place)
    })
}

fn is_mixed(word: &str) -> bool {
    if word.is_ascii() || !word.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        return false;
    }
    let mut end = word.len().min(WORD_BYTES_MAX);
    while !word.is_char_boundary(end) {
        end -= 1;
    }
    word.get(..end).is_some_and(|word| !word.is_single_script())
}

/// The Latin letter or digit that a letter of another script looks like (Unicode Technical Standard 39).
fn looks_like(character: char) -> Option<char> {
    if character.is_ascii() {
        return None;
    }
    // The table has capital I and digit one as a small L; which letter was meant is seen by the case.
    ascii_like(character).map(|like| if like == 'l' && character.is_uppercase() { 'I' } else { like })
}

#[cfg(test)]
mod tests;
