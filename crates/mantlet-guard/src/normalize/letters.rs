//! How surprising a word's letters are to somebody who reads European languages: a letter trigram model.
//!
//! Rot13, reversed and random text have letters where readable text has none of the kind. The model has seen several
//! languages in Latin letters, without their marks, so it tells text from what is no text, not English from the rest.

/// Bits per letter up to which a stretch of words reads as text.
pub(super) const READABLE_BITS: f32 = 3.9;
/// Bits per letter from which a stretch of words does not.
pub(super) const UNREADABLE_BITS: f32 = 3.9;

/// Costs of a letter after two others, in sixteenths of a bit: `[before last][last][letter]`, 32 by 32 by 32, where 0 is the edge
/// of a word and 1 to 26 are letters. Written by `train/letters.py`.
static COSTS: &[u8; 32 * 32 * 32] = include_bytes!("../../data/letters.u8");
const UNIT: f32 = 1.0 / 16.0;

/// The surprise of a word of Latin letters, and how many letters were judged, the edge after the last one included. Other
/// characters are passed over.
#[must_use]
pub(super) fn surprise(word: impl Iterator<Item = u8>) -> (f32, u32) {
    let (mut before, mut last, mut sum, mut count) = (0_usize, 0_usize, 0_u32, 0_u32);
    for byte in word {
        if !byte.is_ascii_alphabetic() {
            continue;
        }
        let letter = usize::from(byte.to_ascii_lowercase() - b'a') + 1;
        sum += cost(before, last, letter);
        count += 1;
        (before, last) = (last, letter);
    }
    if count == 0 {
        return (0.0, 0);
    }
    sum += cost(before, last, 0);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a sum of costs of at most 255 is shown as bits, not counted with"
    )]
    (sum as f32 * UNIT, count + 1)
}

fn cost(before: usize, last: usize, letter: usize) -> u32 {
    COSTS.get((before * 32 + last) * 32 + letter).copied().map_or(255, u32::from)
}

/// Mean bits per letter of all words of a text.
#[must_use]
pub(crate) fn surprise_of(text: &str) -> f32 {
    let (mut bits, mut letters) = (0.0, 0);
    for word in text.split(|character: char| !character.is_ascii_alphabetic()) {
        let (sum, count) = surprise(word.bytes());
        bits += sum;
        letters += count;
    }
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    if letters == 0 { f32::MAX } else { bits / letters as f32 }
}
