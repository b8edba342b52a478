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
    /// The heaviest windows of which no two share half of a window or more, falling; at most [`APART`].
    pub apart: Vec<Window>,
    /// The whole text as one window.
    pub whole: f32,
}

/// Heaviest windows that are kept.
const KEPT: usize = 3;
/// Windows apart that are kept. The heaviest ones are mostly one place seen several times; who reads further wants
/// other places too, since what an attacker wrote need not be what weighs most.
const APART: usize = 3;

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
    let whole = table.logit(sums.sum, sums.count);
    let mut weighed = Weighed { whole, ..Weighed::default() };
    let mut all = Vec::with_capacity(words.len() / STRIDE + 1);
    for first in starts(words.len()) {
        let last = (first + WORDS).min(words.len()) - 1;
        let (Some(from), Some(to)) = (words.get(first), words.get(last)) else { continue };
        let before = first.checked_sub(1).and_then(|before| words.get(before));
        let (sum, count) = before.map_or((0, 0), |word| (word.sum, word.count));
        let weight = table.logit(to.sum - sum, to.count - count);
        all.push((first, Window { range: from.range.start..to.range.end, weight }));
    }
    for (_, window) in &all {
        keep(&mut weighed.heaviest, window);
    }
    weighed.apart = apart(&all);
    weighed
}

/// The heaviest windows that share less than half of a window with those that are heavier; each comes with its first word.
fn apart(all: &[(usize, Window)]) -> Vec<Window> {
    let mut chosen: Vec<&(usize, Window)> = Vec::with_capacity(APART);
    while chosen.len() < APART {
        let far = |first: usize| chosen.iter().all(|other| other.0.abs_diff(first) > WORDS / 2);
        let heaviest = all.iter().filter(|(first, _)| far(*first));
        let Some(next) = heaviest.max_by(|left, right| left.1.weight.total_cmp(&right.1.weight)) else {
            break;
        };
        chosen.push(next);
    }
    chosen.into_iter().map(|(_, window)| window.clone()).collect()
}

/// The first word of each window; the last window ends with the text.
fn starts(words: usize) -> impl Iterator<Item = usize> {
    let last = words.saturating_sub(WORDS);
    let regular = (0..last).step_by(STRIDE);
    regular.chain((words > 0).then_some(last))
}

fn keep(heaviest: &mut Vec<Window>, window: &Window) {
    let place = heaviest.partition_point(|heavier| heavier.weight >= window.weight);
    if place < KEPT {
        heaviest.insert(place, window.clone());
        heaviest.truncate(KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_apart_are_the_heaviest_that_share_less_than_half() {
        let window = |first: usize, weight: f32| (first, Window { range: first..first + 1, weight });
        let at =
            |all: &[(usize, Window)]| -> Vec<usize> { apart(all).iter().map(|w| w.range.start).collect() };
        let all = [
            window(0, 1.0),
            window(8, 5.0),
            window(16, 4.0),
            window(24, 3.0),
            window(32, 2.0),
            window(80, 0.5),
        ];
        assert_eq!(at(&all), [8, 32, 80]);
        assert_eq!(at(&all[..2]), [8]);
        assert_eq!(at(&[]), [0; 0]);
        let many: Vec<_> = (0..40).map(|n| window(n * 20, f32::from(u8::try_from(n).unwrap()))).collect();
        assert_eq!(at(&many), [780, 760, 740]);
    }
}
