//! Words under a simple cipher: shifted letters (rot13 and its kin), atbash, turned around.
//!
//! Stretches whose letters do not read as text (see [`letters`]) are read in each of these ways, and shown in the one that does read as
//! text. Text that reads as it is costs one pass.

use std::ops::Range;

use super::super::{Mapped, letters};

/// Letters that a stretch has at least.
const LETTERS_MIN: usize = 12;
/// Bytes of a stretch that are tried in every way.
const SAMPLE_BYTES_MAX: usize = 256;
/// Words over which surprise is averaged.
const WINDOW: usize = 4;
/// Bits per letter that reading in another way must gain.
const GAIN_BITS: f32 = 0.7;

/// Up to one view of shifted and turned stretches, and one of words in reverse order.
pub(super) fn find(source: &Mapped) -> Vec<(&'static str, Mapped)> {
    let text = source.text();
    let mut view = Mapped::default();
    let mut kind = "cipher";
    for range in unreadable(text) {
        let Some(stretch) = text.get(range.clone()) else { continue };
        let Some(reading) = best(stretch) else { continue };
        kind = reading.name();
        let span = source.origin(range);
        for shown in reading.read(stretch) {
            view.push(&shown, span);
            view.push("\n", span);
        }
    }
    let mut found = Vec::new();
    if !view.is_empty() {
        found.push((kind, view));
    }
    found.extend(backwards(source).map(|view| ("word-order", view)));
    found
}

/// A word of Latin letters.
struct Word {
    range: Range<usize>,
    bits: f32,
    letters: u32,
}

/// Stretches of words that do not read as text.
pub(crate) fn unreadable(text: &str) -> Vec<Range<usize>> {
    let words = words(text);
    let mut marked = vec![false; words.len()];
    for (index, window) in words.windows(WINDOW.min(words.len().max(1))).enumerate() {
        let bits: f32 = window.iter().map(|word| word.bits).sum();
        let count: u32 = window.iter().map(|word| word.letters).sum();
        #[expect(clippy::cast_precision_loss, reason = "a mean")]
        if bits >= letters::UNREADABLE_BITS * count as f32 {
            marked.iter_mut().skip(index).take(window.len()).for_each(|mark| *mark = true);
        }
    }
    let mut stretches = Vec::new();
    let mut place = 0;
    while let Some(first) = marked.iter().skip(place).position(|mark| *mark).map(|skip| place + skip) {
        let length = marked.iter().skip(first).take_while(|mark| **mark).count();
        place = first + length;
        let run = words.get(first..place).unwrap_or(&[]);
        // A window reaches into the readable words beside what is not.
        let from = run.iter().position(|word| !word.reads()).unwrap_or(run.len());
        let to = run.iter().rposition(|word| !word.reads()).map_or(0, |last| last + 1);
        let Some(run) = run.get(from..to) else { continue };
        if let [first, .., last] = run
            && run.iter().map(|word| word.range.len()).sum::<usize>() >= LETTERS_MIN
        {
            stretches.push(first.range.start..last.range.end);
        } else if let [only] = run
            && only.range.len() >= LETTERS_MIN
        {
            stretches.push(only.range.clone());
        }
    }
    stretches
}

impl Word {
    fn reads(&self) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "letters of a word")]
        let limit = letters::READABLE_BITS * self.letters as f32;
        self.bits < limit
    }
}

fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let bytes = text.as_bytes();
    let mut place = 0;
    while let Some(rest) = bytes.get(place..) {
        let Some(skip) = rest.iter().position(u8::is_ascii_alphabetic) else { break };
        let start = place + skip;
        let Some(rest) = bytes.get(start..) else { break };
        let length = rest.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (bits, letters) = letters::surprise(rest.iter().take(length).copied());
        words.push(Word { range: start..start + length, bits, letters });
        place = start + length;
    }
    words
}

/// A way to read a stretch.
#[derive(Clone, Copy)]
struct Reading {
    shift: Shift,
    turned: bool,
}

#[derive(Clone, Copy)]
enum Shift {
    By(u8),
    Atbash,
}

impl Reading {
    fn letter(self, byte: u8) -> u8 {
        let base = match byte {
            b'a'..=b'z' => b'a',
            b'A'..=b'Z' => b'A',
            other => return other,
        };
        base + match self.shift {
            Shift::By(by) => (byte - base + by) % 26,
            Shift::Atbash => 25 - (byte - base),
        }
    }

    fn name(self) -> &'static str {
        match (self.shift, self.turned) {
            (Shift::By(0), _) => "reversed",
            (Shift::By(13), _) => "rot13",
            (Shift::By(_), _) => "caesar",
            (Shift::Atbash, _) => "atbash",
        }
    }

    /// Bits per letter of a stretch read so.
    fn surprise(self, sample: &str) -> f32 {
        let (mut bits, mut count) = (0.0, 0);
        for word in sample.split(|character: char| !character.is_ascii_alphabetic()) {
            let (sum, letters) = if self.turned {
                letters::surprise(word.bytes().rev().map(|byte| self.letter(byte)))
            } else {
                letters::surprise(word.bytes().map(|byte| self.letter(byte)))
            };
            bits += sum;
            count += letters;
        }
        #[expect(clippy::cast_precision_loss, reason = "a mean")]
        if count == 0 { f32::MAX } else { bits / count as f32 }
    }

    /// The stretch as it reads. Letters do not tell whether a text was turned around as a whole or word by word, so one that is
    /// turned is given both ways.
    fn read(self, stretch: &str) -> Vec<String> {
        let shifted = |character: char| match u8::try_from(character) {
            Ok(byte) if byte.is_ascii() => char::from(self.letter(byte)),
            _ => character,
        };
        if !self.turned {
            return vec![stretch.chars().map(shifted).collect()];
        }
        let whole = stretch.chars().rev().map(shifted).collect();
        let mut words = String::with_capacity(stretch.len());
        for part in stretch.split_inclusive(char::is_whitespace) {
            let word = part.trim_end();
            words.extend(word.chars().rev().map(shifted));
            words.push_str(part.get(word.len()..).unwrap_or(""));
        }
        vec![whole, words]
    }
}

/// The way in which a stretch reads as text, if there is one.
fn best(stretch: &str) -> Option<Reading> {
    let mut end = stretch.len().min(SAMPLE_BYTES_MAX);
    while !stretch.is_char_boundary(end) {
        end -= 1;
    }
    let sample = stretch.get(..end)?;
    let limit = (letters::surprise_of(sample) - GAIN_BITS).min(letters::READABLE_BITS);
    let shifts = (0..26).map(Shift::By).chain([Shift::Atbash]);
    let readings = shifts.flat_map(|shift| [false, true].map(|turned| Reading { shift, turned }));
    readings
        .map(|reading| (reading, reading.surprise(sample)))
        .filter(|(_, bits)| *bits <= limit)
        .min_by(|(_, left), (_, right)| left.total_cmp(right))
        .map(|(reading, _)| reading)
}

/// Pairs of words that stand in this order only where a text was turned around word by word.
const TURNED_PAIRS: [(&str, &str); 22] = [
    ("all", "ignore"),
    ("previous", "all"),
    ("previous", "the"),
    ("instructions", "previous"),
    ("instructions", "your"),
    ("prompt", "system"),
    ("the", "of"),
    ("the", "in"),
    ("the", "to"),
    ("the", "and"),
    ("the", "on"),
    ("the", "for"),
    ("your", "reveal"),
    ("your", "to"),
    ("your", "of"),
    ("me", "tell"),
    ("me", "give"),
    ("a", "as"),
    ("a", "is"),
    ("rules", "your"),
    ("previous", "your"),
    ("the", "is"),
];
/// Such pairs that a turned text has at least.
const TURNED_PAIRS_MIN: usize = 2;
/// Longer texts are not turned around.
const TURNED_BYTES_MAX: usize = 8192;

/// The words in reverse order, where they seem to have been turned around.
fn backwards(source: &Mapped) -> Option<Mapped> {
    let text = source.text();
    if text.len() > TURNED_BYTES_MAX {
        return None;
    }
    let (mut pairs, mut last) = (0, "");
    let parts = || text.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
    for word in parts() {
        let turned = |(left, right): &(&str, &str)| {
            last.eq_ignore_ascii_case(left) && word.eq_ignore_ascii_case(right)
        };
        pairs += usize::from(last.len() <= 12 && TURNED_PAIRS.iter().any(turned));
        last = word;
    }
    if pairs < TURNED_PAIRS_MIN {
        return None;
    }
    let words: Vec<&str> = parts().filter(|word| !word.is_empty()).collect();
    let turned = words.into_iter().rev().collect::<Vec<_>>().join(" ");
    let mut view = Mapped::default();
    view.push(&turned, source.origin(0..text.len()));
    Some(view)
}
