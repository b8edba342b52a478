//! A bounded search for changes under which the guard lets its own detected attacks pass.
//!
//! The search is greedy: of a few random changes the one with the lowest score is kept. It knows nothing of weights, and it does
//! not ask a model whether the changed text still works, so it overstates what an attacker gets. Seeded: the same data give the same figure.

use std::collections::BTreeMap;

use mantlet_guard::{Channel, detect::Detector};
use serde::Serialize;

use super::figures::Share;

/// What the search found.
#[derive(Serialize)]
pub(super) struct Figures {
    /// Changes to one text, at most.
    pub changes_max: u32,
    /// Detected attacks that pass undetected after changes.
    pub passed: Share,
    /// The change that let them pass.
    pub last_changes: BTreeMap<&'static str, usize>,
}

/// Attacks that are tried at most: the search scans each one some hundred times.
const ATTACKS_MAX: usize = 200;
/// Changes tried for each one that is kept.
const TRIES: u32 = 4;

/// Searches among detected attacks, each with its channel and the score from which it is flagged, by what the guard says or by
/// what it says of words alone.
pub(super) fn search<'a>(
    attacks: impl Iterator<Item = (&'a str, Channel, f32)>,
    changes_max: u32,
    words_only: bool,
) -> Figures {
    let detector = Detector::embedded();
    let judge = |text: &str, channel| {
        if words_only {
            detector.scan_with(text, channel, None, None).score
        } else {
            detector.scan(text, channel).score
        }
    };
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut tried, mut passed, mut last_changes) = (0, 0, BTreeMap::new());
    let attacks: Vec<_> = attacks.collect();
    // Evenly over all of them, as sources follow one another.
    let step = attacks.len().div_ceil(ATTACKS_MAX).max(1);
    for (text, channel, limit) in attacks.into_iter().step_by(step) {
        tried += 1;
        if let Some(change) = evade(&judge, (text, channel, limit), changes_max, &mut random) {
            passed += 1;
            *last_changes.entry(change).or_default() += 1;
        }
    }
    Figures { changes_max, passed: Share::new(passed, tried), last_changes }
}

/// The last of the changes that let a text pass.
fn evade(
    judge: &impl Fn(&str, Channel) -> f32,
    (text, channel, limit): (&str, Channel, f32),
    changes_max: u32,
    random: &mut Random,
) -> Option<&'static str> {
    let mut best = (text.to_owned(), f32::INFINITY);
    for _ in 0..changes_max {
        let tries = (0..TRIES).map(|_| {
            let (name, change) = random.change();
            let changed = change(&best.0, random);
            let score = judge(&changed, channel);
            (changed, score, name)
        });
        let Some((changed, score, name)) = tries.min_by(|left, right| left.1.total_cmp(&right.1)) else {
            break;
        };
        if score < limit {
            return Some(name);
        }
        if score <= best.1 {
            best = (changed, score);
        }
    }
    None
}

type Change = fn(&str, &mut Random) -> String;

const CHANGES: [(&str, Change); 8] = [
    ("letters swapped", |text, random| {
        word(text, random, |word, random| {
            let mut letters: Vec<char> = word.chars().collect();
            if letters.len() > 3 {
                let place = 1 + random.below(letters.len() - 3);
                letters.swap(place, place + 1);
            }
            letters.into_iter().collect()
        })
    }),
    ("letter doubled", |text, random| {
        word(text, random, |word, random| {
            let place = random.below(word.chars().count().max(1));
            word.chars()
                .enumerate()
                .flat_map(|(n, c)| std::iter::repeat_n(c, if n == place { 2 } else { 1 }))
                .collect()
        })
    }),
    ("letter dropped", |text, random| {
        word(text, random, |word, random| {
            let place = random.below(word.chars().count().max(1));
            word.chars().enumerate().filter(|(n, _)| *n != place).map(|(_, c)| c).collect()
        })
    }),
    ("look-alike", |text, random| {
        word(text, random, |word, _| word.replace('o', "о").replace('e', "е").replace('a', "а"))
    }),
    ("zero width", |text, random| {
        word(text, random, |word, _| word.chars().flat_map(|c| [c, '\u{200b}']).collect())
    }),
    ("digits", |text, random| {
        word(text, random, |word, _| word.replace('o', "0").replace('e', "3").replace('i', "1"))
    }),
    ("spaced", |text, random| word(text, random, |word, _| word.chars().flat_map(|c| [c, ' ']).collect())),
    ("filler", |text, random| {
        const FILLERS: [&str; 6] =
            ["kindly", "well", "as it were", "so to speak", "if you like", "for the record"];
        let filler = FILLERS.get(random.below(FILLERS.len())).unwrap_or(&"so");
        word(text, random, |word, _| format!("{word} {filler}"))
    }),
];

/// The text with one of its words changed.
fn word(text: &str, random: &mut Random, change: impl Fn(&str, &mut Random) -> String) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let place = random.below(words.len());
    let mut out = String::with_capacity(text.len() + 16);
    for (index, word) in words.into_iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        if index == place { out.push_str(&change(word, random)) } else { out.push_str(word) }
    }
    out
}

/// SplitMix64 (Steele, Lea and Flood 2014): the search must be the same each time, and nobody must be unable to guess it.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below this one; 0 for 0.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap_or_default()
    }

    fn change(&mut self) -> (&'static str, Change) {
        let [first, ..] = CHANGES;
        CHANGES.get(self.below(CHANGES.len())).copied().unwrap_or(first)
    }
}
