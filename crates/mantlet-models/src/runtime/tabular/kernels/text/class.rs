//! Sets of characters, as an expression names them.

use std::sync::Arc;

/// A set of characters. INVARIANT (ranges): they are in order and none touches the next, so that one is found by
/// halving: an expression may name hundreds, and every character of every text is looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Class {
    /// Shared: a counted repetition holds the class as often as it counts.
    ranges: Arc<[(char, char)]>,
    is_negated: bool,
}

impl Class {
    /// The characters of all these ranges, first and last of each; or all others.
    pub(super) fn new(mut ranges: Vec<(char, char)>, is_negated: bool) -> Self {
        ranges.sort_unstable();
        ranges.dedup_by(|next, kept| {
            let touches = u32::from(next.0) <= u32::from(kept.1) + 1;
            if touches {
                kept.1 = kept.1.max(next.1);
            }
            touches
        });
        Self { ranges: ranges.into(), is_negated }
    }

    /// One character.
    pub(super) fn one(character: char) -> Self {
        Self::new(vec![(character, character)], false)
    }

    /// All characters but one.
    pub(super) fn all_but(character: char) -> Self {
        Self::new(vec![(character, character)], true)
    }

    /// The one character that it names, if it names one and no others.
    pub(super) fn only(&self) -> Option<char> {
        match self.ranges[..] {
            [(first, last)] if first == last && !self.is_negated => Some(first),
            _ => None,
        }
    }

    /// What it names, in order, negated or not.
    pub(super) fn ranges(&self) -> &[(char, char)] {
        &self.ranges
    }

    /// Whether it is of the characters that it does not name.
    pub(super) const fn is_negated(&self) -> bool {
        self.is_negated
    }

    /// Whether a character belongs to it.
    pub(super) fn has(&self, character: char) -> bool {
        let next = self.ranges.partition_point(|(first, _)| *first <= character);
        let range = next.checked_sub(1).and_then(|at| self.ranges.get(at));
        range.is_some_and(|(_, last)| character <= *last) != self.is_negated
    }
}
