//! WordPiece, as `train/wordpiece.py` cuts the texts that the encoder learned from.
//!
//! NFKD, lower case by character, accents (U+0300..U+036F) taken out; words end at blanks, and every punctuation mark and
//! every CJK character is a word of its own. A word is cut greedily into the longest known pieces
//! (arXiv 1609.08144, section 4.1). Time is linear in the pieces asked for: a word has at most [`WORD_CHARS_MAX`] characters.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

/// What stands for a word that cannot be cut.
pub(super) const UNKNOWN: u16 = 1;
/// What a window begins with.
pub(super) const CLASSIFY: u16 = 2;
/// What each segment ends with.
pub(super) const SEPARATE: u16 = 3;

/// Longer words are unknown, which bounds the greedy search.
const WORD_CHARS_MAX: usize = 64;

/// Characters that are words of their own: punctuation and symbols, CJK, kana, full-width marks.
const SINGLE: [(u32, u32); 14] = [
    (0x21, 0x2F),
    (0x3A, 0x40),
    (0x5B, 0x60),
    (0x7B, 0x7E),
    (0xA1, 0xBF),
    (0x2010, 0x205E),
    (0x20A0, 0x20CF),
    (0x2190, 0x2BFF),
    (0x3001, 0x30FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFE30, 0xFE4F),
    (0x1_F000, 0x1_FAFF),
];

/// Pieces by their text.
#[derive(Debug)]
pub(super) struct WordPiece {
    /// Pieces that begin a word.
    starts: HashMap<&'static str, u16>,
    /// Pieces that go on with one, without their `##`.
    rests: HashMap<&'static str, u16>,
}

impl WordPiece {
    /// Reads a vocabulary, one piece a line.
    pub(super) fn new(vocabulary: &'static str) -> Self {
        let (mut starts, mut rests) = (HashMap::new(), HashMap::new());
        for (piece, index) in vocabulary.lines().zip(0_u16..) {
            match piece.strip_prefix("##") {
                Some(rest) if !rest.is_empty() => rests.insert(rest, index),
                _ => starts.insert(piece, index),
            };
        }
        Self { starts, rests }
    }

    /// The first `most` pieces of a text.
    pub(super) fn encode(&self, text: &str, most: usize) -> Vec<u16> {
        let mut pieces = Vec::new();
        let mut word = String::new();
        let letters = text.nfkd().flat_map(char::to_lowercase);
        for letter in letters.filter(|letter| !matches!(letter, '\u{300}'..='\u{36f}')) {
            let (blank, single) = (is_blank(letter), is_single(letter));
            if !blank && !single {
                word.push(letter);
                continue;
            }
            self.cut(&word, &mut pieces);
            word.clear();
            if single {
                self.cut(letter.encode_utf8(&mut [0; 4]), &mut pieces);
            }
            if pieces.len() >= most {
                break;
            }
        }
        self.cut(&word, &mut pieces);
        pieces.truncate(most);
        pieces
    }

    /// Appends the pieces of a word.
    fn cut(&self, word: &str, pieces: &mut Vec<u16>) {
        let before = pieces.len();
        if word.chars().take(WORD_CHARS_MAX + 1).count() > WORD_CHARS_MAX {
            pieces.push(UNKNOWN);
            return;
        }
        let mut rest = word;
        while !rest.is_empty() {
            let known = if rest.len() == word.len() { &self.starts } else { &self.rests };
            let ends = rest.char_indices().map(|(at, letter)| at + letter.len_utf8()).rev();
            let longest = ends.filter_map(|end| rest.split_at_checked(end));
            let found = longest.filter_map(|(piece, after)| Some((*known.get(piece)?, after))).next();
            let Some((piece, after)) = found else {
                pieces.truncate(before);
                pieces.push(UNKNOWN);
                return;
            };
            pieces.push(piece);
            rest = after;
        }
    }
}

fn is_single(letter: char) -> bool {
    let code = u32::from(letter);
    SINGLE.iter().any(|(low, high)| (*low..=*high).contains(&code))
}

/// What Unicode calls white space, without the separators of files and records.
fn is_blank(letter: char) -> bool {
    matches!(letter,
        '\t'..='\r' | ' ' | '\u{85}' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}'
        | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}
