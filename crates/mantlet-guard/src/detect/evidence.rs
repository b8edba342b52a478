//! All that speaks for an attack in one text, as numbers that a head weighs.

use std::ops::Range;

use super::{
    model::Table,
    phrases::{self, FAMILY_CODES},
    reserved, windows,
};
use crate::normalize::{Mapped, fold, surprise_of, unreadable};

/// Evidence that is no phrase family and comes before them: how heavy the heaviest window, several of them, and all words are.
const BEFORE: [&str; 3] = ["worst", "heavy", "whole"];
/// What comes after them.
const AFTER: [&str; 3] = ["reserved-token", "frame", "gibberish"];
/// Where that begins.
const RESERVED: usize = BEFORE.len() + FAMILY_CODES.len();

/// What is measured, in the order of the weights of a head.
pub const NAMES: [&str; RESERVED + AFTER.len()] = joined();

/// One list of all three, so that a family has its name in one place.
const fn joined() -> [&'static str; RESERVED + AFTER.len()] {
    let mut names = [""; RESERVED + AFTER.len()];
    put(&AFTER, put(&FAMILY_CODES, put(&BEFORE, &mut names)));
    names
}

/// Writes names to the first places, and gives the rest of the places.
const fn put<'a>(names: &[&'static str], places: &'a mut [&'static str]) -> &'a mut [&'static str] {
    match (names, places) {
        ([name, names @ ..], [place, places @ ..]) => {
            *place = name;
            put(names, places)
        }
        (_, places) => places,
    }
}

/// Bits per letter beyond which letters look as if nobody had meant them.
const GIBBERISH_BITS: f32 = 4.8;
/// Bytes of such a stretch at least: names and abbreviations are shorter.
const GIBBERISH_BYTES_MIN: usize = 40;

/// Evidence of one text.
#[derive(Debug)]
pub(super) struct Evidence {
    /// A value for each of [`NAMES`].
    pub values: [f32; NAMES.len()],
    /// Where each was seen first, in bytes of the text as it looks.
    pub places: Vec<(&'static str, Place)>,
    /// The heaviest windows that lie apart, in bytes of `folded`.
    pub apart: Vec<windows::Window>,
    /// The text for comparing words.
    pub folded: Mapped,
}

/// A place in one of the forms of a text.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// In the text as it looks.
    Text(Range<usize>),
    /// In the folded text.
    Folded(Range<usize>),
}

/// Gathers the evidence of a text; letters without sense are looked for where asked.
#[must_use]
pub(super) fn gather(text: &Mapped, table: &Table, senseless: bool) -> Evidence {
    let folded = fold(text);
    let weighed = windows::weigh(folded.text(), table);
    let mut values = [0.0; NAMES.len()];
    let mut places = Vec::new();
    let mut set = |index: usize, value: f32| {
        if let Some(place) = values.get_mut(index) {
            *place = value;
        }
    };
    let weights = || weighed.heaviest.iter().map(|window| window.weight);
    let mean = weights().sum::<f32>() / f32::from(u8::try_from(weights().count().max(1)).unwrap_or(1));
    // Logits of texts that are nothing but one word are extreme and say little.
    set(0, weights().next().unwrap_or(weighed.whole).clamp(-8.0, 8.0));
    set(1, if weighed.heaviest.is_empty() { weighed.whole } else { mean }.clamp(-8.0, 8.0));
    set(2, weighed.whole.clamp(-8.0, 8.0));
    if let Some(window) = weighed.heaviest.first().filter(|window| window.weight > 0.0) {
        places.push((BEFORE[0], Place::Folded(window.range.clone())));
    }
    for (index, (hits, code)) in phrases::find(folded.text()).into_iter().zip(FAMILY_CODES).enumerate() {
        set(BEFORE.len() + index, saturating(hits.count));
        places.extend(hits.first.map(|range| (code, Place::Folded(range))));
    }
    let found = reserved::find(text.text());
    set(RESERVED, saturating(found.tokens.0));
    set(RESERVED + 1, saturating(found.frames.0));
    places.extend(found.tokens.1.map(|range| ("reserved-token", Place::Text(range))));
    places.extend(found.frames.1.map(|range| ("frame", Place::Text(range))));
    if let Some((range, bits)) = senseless.then(|| gibberish(text.text())).flatten() {
        set(RESERVED + 2, bits);
        places.push(("gibberish", Place::Text(range)));
    }
    Evidence { values, places, apart: weighed.apart, folded }
}

/// One for the first time, less for each further one, two at most.
fn saturating(count: u32) -> f32 {
    2.0 - 2.0 * 0.5_f32.powi(i32::try_from(count.min(16)).unwrap_or(16))
}

/// The stretch of words that surprises most, and by how many bits per letter beyond the limit.
fn gibberish(text: &str) -> Option<(Range<usize>, f32)> {
    unreadable(text)
        .into_iter()
        .filter(|range| range.len() >= GIBBERISH_BYTES_MIN)
        .filter_map(|range| {
            let stretch = text.get(range.clone())?;
            // One unbroken run is a key, a hash or data in some code.
            let spaced = stretch.split_whitespace().count() * 12 >= stretch.len();
            let bits = (surprise_of(stretch) - GIBBERISH_BITS).clamp(0.0, 2.0);
            (spaced && bits > 0.0).then_some((range, bits))
        })
        .max_by(|(_, left), (_, right)| left.total_cmp(right))
}
