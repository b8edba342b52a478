//! Words spelled oddly: with digits for letters, letter by letter, or without spaces.

use std::ops::Range;

use super::super::{Mapped, letters, vocabulary};

/// Letters side by side, each alone, that are a word and no list.
const LONE_LETTERS_MIN: usize = 5;
/// Words that must read as words once digits are letters.
const LEET_WORDS_MIN: usize = 2;
/// Letters without a space that are more than a word.
const JOINED_LETTERS_MIN: usize = 16;

/// Up to one view for each way.
pub(super) fn find(source: &Mapped) -> Vec<(&'static str, Mapped)> {
    let mut found = Vec::new();
    found.extend(leet(source).map(|view| ("leet", view)));
    found.extend(spelled(source).map(|view| ("spelled", view)));
    found
}

/// Replaces digits and signs that stand for letters in words that have both.
fn leet(source: &Mapped) -> Option<Mapped> {
    let text = source.text();
    if !text.bytes().any(|byte| matches!(byte, b'0'..=b'9' | b'@' | b'$')) {
        return None;
    }
    let mut changes: Vec<(Range<usize>, String)> = Vec::new();
    let (mut sure, mut after_leet) = (0, false);
    for range in words(text) {
        let Some(word) = text.get(range.clone()) else { continue };
        let core = word
            .trim_matches(|c: char| matches!(c, '.' | ',' | '!' | '?' | ':' | ';' | '"' | '\'' | '(' | ')'));
        let start = range.start + (core.as_ptr() as usize - word.as_ptr() as usize);
        let lone_number = core.bytes().all(|byte| byte.is_ascii_digit());
        if core.len() > 24
            || core.is_empty()
            || !(has_both(core) || lone_number && after_leet && core.len() <= 4)
        {
            after_leet = false;
            continue;
        }
        let plain = plain(core);
        let reads = vocabulary::knows(&plain) || {
            let (bits, count) = letters::surprise(plain.bytes());
            #[expect(clippy::cast_precision_loss, reason = "a mean over a word")]
            let mean = bits / count.max(1) as f32;
            core.len() >= 5 && mean <= letters::READABLE_BITS
        };
        if reads {
            sure += usize::from(!lone_number);
            changes.push((start..start + core.len(), plain));
        }
        after_leet = reads;
    }
    (sure >= LEET_WORDS_MIN).then(|| replaced(source, &changes))
}

/// Whether a word has letters, and digits or signs that stand for some.
fn has_both(word: &str) -> bool {
    word.bytes().any(|byte| byte.is_ascii_alphabetic())
        && word.bytes().any(|byte| letter_of(byte, 'i').is_some())
        && word.bytes().all(|byte| {
            byte.is_ascii_alphabetic() || letter_of(byte, 'i').is_some() || b"-'_".contains(&byte)
        })
}

fn letter_of(sign: u8, one: char) -> Option<char> {
    Some(match sign {
        b'0' => 'o',
        b'1' | b'!' | b'|' => one,
        b'2' => 'z',
        b'3' => 'e',
        b'4' | b'@' => 'a',
        b'5' | b'$' => 's',
        b'6' | b'9' => 'g',
        b'7' | b'+' => 't',
        b'8' => 'b',
        b'(' => 'c',
        _ => return None,
    })
}

/// The word in letters; a one is an I or an L, whichever gives a word.
fn plain(word: &str) -> String {
    let with = |one: char| -> String {
        word.bytes()
            .map(|byte| letter_of(byte, one).unwrap_or(char::from(byte)))
            .map(|letter| letter.to_ascii_lowercase())
            .collect()
    };
    let (i, l) = (with('i'), with('l'));
    if vocabulary::knows(&i) {
        return i;
    }
    if vocabulary::knows(&l) {
        return l;
    }
    let cost = |word: &str| letters::surprise(word.bytes()).0;
    if cost(&l) < cost(&i) { l } else { i }
}

/// Joins letters that stand alone to words, and parts words that are written together.
fn spelled(source: &Mapped) -> Option<Mapped> {
    let text = source.text();
    let mut changes: Vec<(Range<usize>, String)> = Vec::new();
    let mut run: Vec<Range<usize>> = Vec::new();
    for range in letters_and_words(text) {
        let word = text.get(range.clone()).unwrap_or("");
        let alone = word.chars().count() == 1;
        let near = run.last().is_none_or(|last| range.start - last.end <= 4);
        if alone && near {
            run.push(range);
            continue;
        }
        changes.extend(joined(text, &run));
        run.clear();
        if alone {
            run.push(range);
        } else if word.len() >= JOINED_LETTERS_MIN
            && word.bytes().all(|byte| byte.is_ascii_alphabetic())
            && let Some(ends) = vocabulary::split(word).filter(|ends| ends.len() >= 3)
        {
            changes.push((range, spaced(word, &ends)));
        }
    }
    changes.extend(joined(text, &run));
    (!changes.is_empty()).then(|| replaced(source, &changes))
}

/// Words of a run of lone letters: parted where the gap is not the usual one, or by what reads as words.
fn joined(text: &str, run: &[Range<usize>]) -> Option<(Range<usize>, String)> {
    let (first, second, last) = (run.first()?, run.get(1)?, run.last()?);
    if run.len() < LONE_LETTERS_MIN {
        return None;
    }
    let usual = text.get(first.end..second.start)?;
    let mut out = String::new();
    let mut place = first.start;
    for range in run {
        let gap = text.get(place..range.start).unwrap_or("");
        if place > first.start && gap != usual {
            out.push(' ');
        }
        out.push_str(text.get(range.clone())?);
        place = range.end;
    }
    if !out.contains(' ')
        && let Some(ends) = vocabulary::split(&out)
    {
        out = spaced(&out, &ends);
    }
    Some((first.start..last.end, out))
}

fn spaced(letters: &str, ends: &[usize]) -> String {
    let mut out = String::with_capacity(letters.len() + ends.len());
    let mut start = 0;
    for end in ends {
        if start > 0 {
            out.push(' ');
        }
        out.push_str(letters.get(start..*end).unwrap_or(""));
        start = *end;
    }
    out
}

/// What stands between white space.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    stretches(text, |character| !character.is_ascii_whitespace())
}

/// Runs of letters and digits.
fn letters_and_words(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    stretches(text, char::is_alphanumeric)
}

fn stretches(text: &str, within: fn(char) -> bool) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut place = 0;
    std::iter::from_fn(move || {
        let start = place + text.get(place..)?.find(within)?;
        let rest = text.get(start..)?;
        place = start + rest.find(|character| !within(character)).unwrap_or(rest.len());
        Some(start..place)
    })
}

/// The text with some stretches of it replaced.
fn replaced(source: &Mapped, changes: &[(Range<usize>, String)]) -> Mapped {
    let mut out = Mapped::with_capacity(source.len());
    let mut copied = 0;
    for (range, text) in changes {
        out.copy(source, copied..range.start);
        out.push(text, source.origin(range.clone()));
        copied = range.end;
    }
    out.copy(source, copied..source.len());
    out
}
