//! A text as a model's eye takes it: look-alikes as what they look like, and nothing that cannot be seen.
//!
//! This is for finding reserved tokens alone; nobody is ever given a folded text. Each folded character knows the bytes
//! that it stands for. ASCII stays itself. Everything else is decomposed by compatibility (Unicode Standard Annex 15,
//! NFKD), loses its combining marks, and is replaced by the ASCII letter that it may be confused with (Unicode Technical
//! Standard 39), except for brackets, bars and the like, of which that standard makes letters: they have a table here.

use unicode_normalization::char::{decompose_compatible, is_combining_mark};

use crate::normalize::{ascii_like, is_bidi, is_undrawn};

/// One character as it is seen, and the bytes of the text that it comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glyph {
    /// What it looks like, case kept.
    pub(super) seen: char,
    /// First byte.
    pub(super) start: usize,
    /// One past the last byte.
    pub(super) end: usize,
}

impl Glyph {
    /// What it is compared by: without case, and with digits as the letters that they pass for.
    pub(super) fn key(&self) -> char {
        match self.seen {
            'l' | 'L' | '1' | 'I' => 'i',
            '0' => 'o',
            other => other.to_ascii_lowercase(),
        }
    }

    pub(super) fn is_space(&self) -> bool {
        self.seen == ' '
    }

    pub(super) fn is_word(&self) -> bool {
        self.seen.is_alphanumeric() || self.seen == '_'
    }
}

/// The whole text, folded.
pub(super) fn fold(text: &str) -> Vec<Glyph> {
    let mut glyphs = Vec::with_capacity(text.len());
    for (start, character) in text.char_indices() {
        let end = start + character.len_utf8();
        see(character, &mut |seen| glyphs.push(Glyph { seen, start, end }));
    }
    glyphs
}

/// Gives what a character looks like; nothing for what is not seen.
fn see(character: char, out: &mut impl FnMut(char)) {
    match character {
        '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => return out('\n'),
        '\t' => return out(' '),
        ' '..='~' => return out(character),
        _ => {}
    }
    if is_unseen(character) {
        return;
    }
    if character.is_whitespace() {
        return out(' ');
    }
    if has_no_look_alike(character) {
        return out(character);
    }
    if let Some(seen) = punctuation(character) {
        return seen.chars().for_each(out);
    }
    decompose_compatible(character, |part| {
        if part.is_ascii() {
            if !part.is_ascii_control() {
                out(part);
            }
        } else if let Some(seen) = punctuation(part) {
            seen.chars().for_each(&mut *out);
        } else if !is_combining_mark(part) && !is_unseen(part) {
            out(ascii_like(part).unwrap_or(part));
        }
    });
}

/// Ideographs, kana and Hangul syllables: most of long texts, and like no ASCII character.
fn has_no_look_alike(character: char) -> bool {
    matches!(character, '\u{3041}'..='\u{30fa}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
}

/// Characters of which nothing is seen: those that are not drawn or turn text around, other format characters of Unicode 16,
/// the blank of Braille, and marks that stand for objects.
pub(super) fn is_unseen(character: char) -> bool {
    is_undrawn(character)
        || is_bidi(character)
        || matches!(character,
            '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{2800}' | '\u{fffc}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}')
}

/// What tokens are made of beside letters, and what passes for it.
fn punctuation(character: char) -> Option<&'static str> {
    Some(match character {
        '‹' | '〈' | '\u{2329}' | '⟨' | '❮' | '❬' | '⧼' | '˂' | 'ᐸ' | '≺' | '⪡' | '⦑' | '❰' | '𝈶' | '＜'
        | '﹤' => "<",
        '›' | '〉' | '\u{232a}' | '⟩' | '❯' | '❭' | '⧽' | '˃' | 'ᐳ' | '≻' | '⪢' | '⦒' | '❱' | '𝈷' | '＞'
        | '﹥' => ">",
        '«' | '《' | '⟪' | '≪' => "<<",
        '»' | '》' | '⟫' | '≫' => ">>",
        '｜' | '￨' | '∣' | '❘' | '│' | '┃' | '⏐' | 'ǀ' | '︱' | '︳' | '׀' | '⎮' | '▏' | '╽' | '╿' | '⼁'
        | '丨' | '।' | '∥' | '‖' | '║' | '¦' | '⫿' | 'ا' => "|",
        '［' | '❲' | '〔' | '﹝' => "[",
        '］' | '❳' | '〕' | '﹞' => "]",
        '／' | '⁄' | '∕' | '⧸' | '╱' | '𝈺' | '⟋' => "/",
        '：' | '︓' | '﹕' | '∶' | 'ː' | '꞉' | '։' | '׃' | '܃' | '܄' | '⁚' | 'ꓽ' | '˸' => {
            ":"
        }
        '＃' | '﹟' | '♯' => "#",
        '＿' | '▁' | '‗' | '̲' | '﹍' | '﹎' | '﹏' | '_' => "_",
        '‐' | '‑' | '‒' | '–' | '—' | '−' | '﹣' | '－' => "-",
        '～' | '∼' | '˜' => "~",
        '！' | 'ǃ' => "!",
        _ => return None,
    })
}
