//! Frequent words, to find where one ends in text without spaces.

use std::{collections::HashMap, sync::LazyLock};

/// Words by falling frequency, one a line. Written by `train/letters.py`.
static WORDS: &str = include_str!("../../data/words.txt");
/// The longest word of the list.
const WORD_BYTES_MAX: usize = 16;
/// Letters that are split at most; what is longer is split in parts.
const LETTERS_MAX: usize = 4096;

/// Costs of words in sixteenths of a bit, by Zipf's law.
static COSTS: LazyLock<HashMap<&'static [u8], u32>> = LazyLock::new(|| {
    let words: Vec<&str> = WORDS.lines().collect();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a logarithm of a small number"
    )]
    let cost = |rank: usize| (((rank + 2) as f64).log2() * 16.0 + 32.0) as u32;
    words.iter().enumerate().map(|(rank, word)| (word.as_bytes(), cost(rank))).collect()
});
/// The cost of a letter that belongs to no word.
const STRAY: u32 = 16 * 16;

/// Whether this is a frequent word, in lower case.
#[must_use]
pub(super) fn knows(word: &str) -> bool {
    COSTS.contains_key(word.as_bytes())
}

/// Where words end in letters that are written together, by the cheapest way to read them (Viterbi). `None` if they do not
/// read as frequent words for the most part.
#[must_use]
pub(super) fn split(letters: &str) -> Option<Vec<usize>> {
    let lower = letters.to_ascii_lowercase();
    let bytes = lower.as_bytes();
    if bytes.len() > LETTERS_MAX || !bytes.iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    // The cheapest way to read the first n letters: its cost, the length of its last word, letters that are strays.
    let mut best: Vec<(u32, usize, usize)> = vec![(0, 0, 0)];
    for end in 1..=bytes.len() {
        let mut choice =
            best.get(end - 1).map_or((u32::MAX, 1, 0), |(cost, _, strays)| (cost + STRAY, 1, strays + 1));
        for length in 1..=WORD_BYTES_MAX.min(end) {
            let Some(cost) = bytes.get(end - length..end).and_then(|word| COSTS.get(word)) else { continue };
            let Some((before, _, strays)) = best.get(end - length) else { continue };
            if before + cost < choice.0 {
                choice = (before + cost, length, *strays);
            }
        }
        best.push(choice);
    }
    let strays = best.last().map_or(0, |(_, _, strays)| *strays);
    let mut ends = Vec::new();
    let mut end = bytes.len();
    while end > 0 {
        ends.push(end);
        end -= best.get(end).map_or(end, |(_, length, _)| (*length).clamp(1, end));
    }
    ends.reverse();
    // Words of the list are short by chance; text has longer ones.
    (strays * 5 <= bytes.len() && ends.len() * 5 <= bytes.len() * 2).then_some(ends)
}
