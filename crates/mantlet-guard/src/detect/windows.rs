//! Windows over the words of a text, and how much each one's n-grams weigh.

use std::ops::Range;

use super::{model::Table, ngrams};

/// Words of a window.
pub const WORDS: usize = 32;
/// Words from one window to the next.
pub const STRIDE: usize = 8;

/// A window and its weight: about a logit, zero being as likely an attack as not in training.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// Bytes of the folded text.
    pub range: Range<usize>,
    /// The sum of the weights of its n-grams over the root of their number.
    pub weight: f32,
}

/// What a text's windows weigh.
#[derive(Debug, Clone, Default)]
pub(super) struct Weighed {
    /// The heaviest windows, falling; at most [`KEPT`].
    pub heaviest: Vec<Window>,
    /// The whole text as one window.
    pub whole: f32,
}

/// Windows that are kept.
pub(super) const KEPT: usize = 3;

/// Sums of weights up to the end of each word.
struct Sums<'a> {
    table: &'a Table,
    sum: i64,
    count: u32,
    words: Vec<Word>,
}

struct Word {
    range: Range<usize>,
    sum: i64,
    count: u32,
}

impl ngrams::Sink for Sums<'_> {
    fn gram(&mut self, place: usize) {
        self.sum += i64::from(self.table.weight(place));
        self.count += 1;
    }

    fn word(&mut self, start: usize, end: usize) {
        self.words.push(Word { range: start..end, sum: self.sum, count: self.count });
    }
}

/// Weighs all windows of a folded text.
#[must_use]
pub(super) fn weigh(folded: &str, table: &Table) -> Weighed {
    let mut sums = Sums { table, sum: 0, count: 0, words: Vec::new() };
    ngrams::each(folded, &mut sums);
    let words = &sums.words;
    let mut weighed = Weighed { heaviest: Vec::new(), whole: table.logit(sums.sum, sums.count) };
    for first in starts(words.len()) {
        let last = (first + WORDS).min(words.len()) - 1;
        let (Some(from), Some(to)) = (words.get(first), words.get(last)) else { continue };
        let before = first.checked_sub(1).and_then(|before| words.get(before));
        let (sum, count) = before.map_or((0, 0), |word| (word.sum, word.count));
        let weight = table.logit(to.sum - sum, to.count - count);
        keep(&mut weighed.heaviest, weight, from.range.start..to.range.end);
    }
    weighed
}

/// The first word of each window; the last window ends with the text.
fn starts(words: usize) -> impl Iterator<Item = usize> {
    let last = words.saturating_sub(WORDS);
    let regular = (0..last).step_by(STRIDE);
    regular.chain((words > 0).then_some(last))
}

fn keep(heaviest: &mut Vec<Window>, weight: f32, range: Range<usize>) {
    let place = heaviest.partition_point(|window| window.weight >= weight);
    if place < KEPT {
        heaviest.insert(place, Window { range, weight });
        heaviest.truncate(KEPT);
    }
}
