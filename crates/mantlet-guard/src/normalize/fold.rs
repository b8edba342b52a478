//! Text for comparing words: lower case, Latin letters without their marks, one space between words.

use unicode_normalization::char::decompose_canonical;

use super::Mapped;

/// What stands between words without meaning anything for their sense: white space, quotes, dashes, emphasis.
pub(super) fn is_gap(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\t' | b'\r' | b'"' | b'*' | b'_' | b'-' | b'~' | b'`' | b'\\')
}

/// Folds a text. Its map leads to the same original.
#[must_use]
pub fn fold(source: &Mapped) -> Mapped {
    let text = source.text();
    let mut out = Folding { source, out: Mapped::with_capacity(text.len()), even: String::new(), from: 0 };
    let mut gap = false;
    let mut place = 0;
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(place) {
        if is_gap(byte) {
            if gap {
                out.flush(place);
                out.from = place + 1;
            } else {
                out.even.push(' ');
            }
            gap = true;
            place += 1;
        } else if byte.is_ascii() {
            out.even.push(char::from(byte.to_ascii_lowercase()));
            gap = false;
            place += 1;
        } else {
            let Some(character) = text.get(place..).and_then(|rest| rest.chars().next()) else { break };
            let end = place + character.len_utf8();
            out.fold(character, place, end, &mut gap);
            place = end;
        }
    }
    out.flush(place);
    out.out
}

struct Folding<'a> {
    source: &'a Mapped,
    out: Mapped,
    /// Bytes that stand for the same number of bytes of the source, from `from` on.
    even: String,
    from: usize,
}

impl Folding<'_> {
    /// Appends the pending bytes, which end at `place` of the source.
    fn flush(&mut self, place: usize) {
        if !self.even.is_empty() {
            self.out.adopt(&self.even, self.source, self.from..place);
            self.even.clear();
        }
        self.from = place;
    }

    /// Appends what a character beyond ASCII folds into.
    fn fold(&mut self, character: char, start: usize, end: usize, gap: &mut bool) {
        let mut folded = String::new();
        for lower in character.to_lowercase() {
            match lower {
                'ß' => folded.push_str("ss"),
                'æ' => folded.push_str("ae"),
                'œ' => folded.push_str("oe"),
                'ø' => folded.push('o'),
                'ł' => folded.push('l'),
                'đ' | 'ð' => folded.push('d'),
                'ı' => folded.push('i'),
                // Dashes, quotes and bullets separate like their ASCII kin.
                '\u{2010}'..='\u{2015}' | '“' | '”' | '„' | '«' | '»' | '•' | '·' => {
                    if !*gap {
                        folded.push(' ');
                    }
                }
                lower if lower.is_whitespace() => {
                    if !*gap {
                        folded.push(' ');
                    }
                }
                // Hangul is left in one piece; of the others, marks of Latin, Greek and Cyrillic letters go.
                '\u{ac00}'..='\u{d7a3}' => folded.push(lower),
                lower => decompose_canonical(lower, |part| {
                    if !matches!(part, '\u{300}'..='\u{36f}') {
                        folded.push(part);
                    }
                }),
            }
        }
        if folded.is_empty() {
            self.flush(start);
            self.from = end;
            return;
        }
        *gap = folded == " ";
        if folded.len() == end - start && folded.chars().nth(1).is_none() {
            self.even.push_str(&folded);
            return;
        }
        self.flush(start);
        let span = self.source.origin(start..end);
        self.out.push(&folded, span);
        self.from = end;
    }
}
