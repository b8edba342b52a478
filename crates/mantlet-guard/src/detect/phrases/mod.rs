//! Phrase families: what words of several classes do when they stand together.
//!
//! Attackers have many words for the same sentence, and each language its own order of them. So families are not lists of
//! sentences: each is a set of classes of terms (`lexicon`) that occur within a few words of each other, in any order.

mod lexicon;

use std::{ops::Range, sync::LazyLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use self::lexicon::{CLASSES, Class, TERMS};
use crate::normalize::{Mapped, fold};

/// A family: the classes that it takes, and within how many characters of folded text.
struct Family {
    classes: &'static [Class],
    within: usize,
}

/// The families, in the order of their codes.
const FAMILIES: [Family; FAMILY_CODES.len()] = [
    family(&[Class::Override, Class::Prior, Class::Instruction], 72),
    family(&[Class::Override, Class::Own, Class::Instruction], 48),
    family(&[Class::Reveal, Class::OwnSystem], 72),
    family(&[Class::Reveal, Class::System], 48),
    family(&[Class::Role, Class::Unbound], 400),
    family(&[Class::Role], 0),
    family(&[Class::Unbound], 0),
    family(&[Class::Refusal], 0),
    family(&[Class::Address, Class::Command], 120),
    family(&[Class::NewTask], 0),
    family(&[Class::Send, Class::Secret, Class::Destination], 160),
    family(&[Class::Stealth], 0),
    family(&[Class::Tool, Class::Address], 120),
    family(&[Class::Send, Class::Destination], 72),
    family(&[Class::Put, Class::Output], 56),
    family(&[Class::Decode, Class::Obey], 80),
];

const fn family(classes: &'static [Class], within: usize) -> Family {
    Family { classes, within }
}

/// The codes of the families.
pub(super) const FAMILY_CODES: [&str; 16] = [
    "override",
    "override-own",
    "reveal",
    "reveal-system",
    "jailbreak",
    "role",
    "unbound",
    "refusal",
    "address",
    "new-task",
    "exfiltration",
    "stealth",
    "tool",
    "send",
    "steer",
    "decode",
];

/// What was found of one family.
#[derive(Debug, Clone, Default)]
pub(super) struct Hits {
    /// How often.
    pub count: u32,
    /// The first, in bytes of the folded text.
    pub first: Option<Range<usize>>,
}

struct Terms {
    automaton: AhoCorasick,
    /// For each term: its class, and whether it must begin and end with a word.
    kinds: Vec<Kind>,
}

#[derive(Clone, Copy)]
struct Kind {
    class: Class,
    begins: bool,
    ends: bool,
    /// Whether the word may go on.
    goes_on: bool,
}

static COMPILED: LazyLock<Option<Terms>> = LazyLock::new(|| {
    let mut patterns = Vec::new();
    let mut kinds = Vec::new();
    for (class, terms) in TERMS {
        for term in terms.split('|').map(str::trim).filter(|term| !term.is_empty()) {
            let (stem, goes_on) = term.strip_suffix('*').map_or((term, false), |stem| (stem, true));
            let folded = fold(&Mapped::identity(stem));
            let edged = |character: Option<char>| character.is_some_and(has_edges);
            kinds.push(Kind {
                class: *class,
                begins: edged(folded.text().chars().next()),
                ends: !goes_on && edged(folded.text().chars().next_back()),
                goes_on,
            });
            patterns.push(folded.text().to_owned());
        }
    }
    let automaton = AhoCorasick::builder()
        .match_kind(MatchKind::Standard)
        .kind(Some(AhoCorasickKind::ContiguousNFA))
        .build(&patterns)
        .ok()?;
    Some(Terms { automaton, kinds })
});

/// Letters of scripts that part words by spaces and put no endings into the word before.
fn has_edges(character: char) -> bool {
    character.is_alphanumeric() && u32::from(character) < 0x530
}

/// Finds all families in a folded text, in one pass.
#[must_use]
pub(super) fn find(folded: &str) -> [Hits; FAMILY_CODES.len()] {
    let mut hits: [Hits; FAMILY_CODES.len()] = std::array::from_fn(|_| Hits::default());
    let Some(terms) = COMPILED.as_ref() else { return hits };
    let mut last: [Option<Range<usize>>; CLASSES] = std::array::from_fn(|_| None);
    // Where each family was found last: one sentence counts once.
    let mut counted = [0; FAMILY_CODES.len()];
    for found in terms.automaton.find_overlapping_iter(folded) {
        let Some(kind) = terms.kinds.get(found.pattern().as_usize()) else { continue };
        if kind.begins && is_within_word(folded, found.start())
            || kind.ends && is_within_word(folded, found.end())
        {
            continue;
        }
        let range = found.start()..if kind.goes_on { word_end(folded, found.end()) } else { found.end() };
        if let Some(place) = last.get_mut(kind.class as usize) {
            *place = Some(range.clone());
        }
        for ((family, hits), counted) in FAMILIES.iter().zip(&mut hits).zip(&mut counted) {
            if family.classes.contains(&kind.class)
                && let Some(range) = together(folded, family, &last, range.clone())
                && range.start >= *counted
            {
                *counted = range.end;
                hits.count += 1;
                hits.first.get_or_insert(range);
            }
        }
    }
    hits
}

/// The stretch in which all classes of a family stand, if they stand near each other and not on the same word.
fn together(
    folded: &str,
    family: &Family,
    last: &[Option<Range<usize>>; CLASSES],
    now: Range<usize>,
) -> Option<Range<usize>> {
    let mut all = now;
    for class in family.classes {
        let place = last.get(*class as usize)?.as_ref()?;
        all = all.start.min(place.start)..all.end.max(place.end);
    }
    let near = || {
        // A character has four bytes at most.
        all.len() <= family.within * 4
            && folded.get(all.clone()).is_some_and(|text| text.chars().count() <= family.within)
    };
    (family.within == 0 || near()).then_some(all)
}

/// The longest ending that a stem has.
const ENDING_MAX: usize = 24;

/// Where the word ends that goes on here.
fn word_end(text: &str, place: usize) -> usize {
    let rest = text.get(place..).unwrap_or("").chars().take(ENDING_MAX);
    place + rest.take_while(|character| character.is_alphanumeric()).map(char::len_utf8).sum::<usize>()
}

/// Whether a place is between two letters or digits.
fn is_within_word(text: &str, place: usize) -> bool {
    let before = text.get(..place).and_then(|text| text.chars().next_back());
    let after = text.get(place..).and_then(|text| text.chars().next());
    before.is_some_and(char::is_alphanumeric) && after.is_some_and(char::is_alphanumeric)
}

#[cfg(test)]
mod tests;
