//! A column of categories in the reference.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{CATEGORIES_MAX, NEW_CATEGORIES_MAX, shortened};
use crate::stats::{Counts, StatError};

/// A reference column of categories.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CategoryReference {
    counts: BTreeMap<Box<str>, u64>,
    /// Rows with a category that is not listed.
    others: u64,
}

/// What a window has of each category that is known, and what is new.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tally {
    known: BTreeMap<Box<str>, u64>,
    /// Rows with a category that is not listed.
    pub(crate) unlisted: u64,
    /// Names of such, the first ones seen, where the reference lists all that it has.
    pub(crate) new: Vec<Box<str>>,
}

impl CategoryReference {
    /// Counts categories; beyond [`CATEGORIES_MAX`] names only how many there were.
    pub(crate) fn new<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut reference = Self { counts: BTreeMap::new(), others: 0 };
        for value in values {
            let name = shortened(value);
            if let Some(count) = reference.counts.get_mut(name) {
                *count += 1;
            } else if reference.counts.len() < CATEGORIES_MAX {
                reference.counts.insert(name.into(), 1);
            } else {
                reference.others += 1;
            }
        }
        reference
    }

    pub(crate) fn rows(&self) -> u64 {
        self.counts.values().sum::<u64>().saturating_add(self.others)
    }

    pub(crate) fn is_constant(&self) -> bool {
        self.counts.len() == 1
    }

    pub(crate) fn is_sound(&self) -> bool {
        !self.counts.is_empty()
            && self.counts.len() <= CATEGORIES_MAX
            && self.counts.values().try_fold(self.others, |sum, count| sum.checked_add(*count)).is_some()
            && self.counts.values().all(|count| *count > 0)
    }

    /// Counts one row; gives the category's name if it is new and has not been named yet.
    pub(crate) fn tally(&self, value: &str, tally: &mut Tally) -> Option<Box<str>> {
        let name = shortened(value);
        if self.counts.contains_key(name) {
            match tally.known.get_mut(name) {
                Some(count) => *count = count.saturating_add(1),
                None => {
                    tally.known.insert(name.into(), 1);
                }
            }
            return None;
        }
        tally.unlisted = tally.unlisted.saturating_add(1);
        // With a list that is not whole, nobody knows what is new.
        let is_named = tally.new.len() >= NEW_CATEGORIES_MAX || tally.new.iter().any(|new| **new == *name);
        if self.others > 0 || is_named {
            return None;
        }
        tally.new.push(name.into());
        Some(name.into())
    }

    /// Rows with categories of which it is certain that the reference has none.
    pub(crate) fn new_rows(&self, tally: &Tally) -> u64 {
        if self.others == 0 { tally.unlisted } else { 0 }
    }

    /// Both sides' counts, everything that is not listed as one category.
    pub(crate) fn counts(&self, tally: &Tally) -> Result<Counts, StatError> {
        let of = |name: &str| tally.known.get(name).copied().unwrap_or(0) as f64;
        let mut reference: Vec<f64> = self.counts.values().map(|count| *count as f64).collect();
        let mut current: Vec<f64> = self.counts.keys().map(|name| of(name)).collect();
        if self.others > 0 || tally.unlisted > 0 {
            reference.push(self.others as f64);
            current.push(tally.unlisted as f64);
        }
        Counts::new(reference, current)
    }
}

impl Tally {
    pub(crate) fn rows(&self) -> u64 {
        self.known.values().fold(self.unlisted, |sum, count| sum.saturating_add(*count))
    }

    /// Adds another replica's counts.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (name, count) in &other.known {
            let own = self.known.entry(name.clone()).or_insert(0);
            *own = own.saturating_add(*count);
        }
        self.unlisted = self.unlisted.saturating_add(other.unlisted);
        for name in &other.new {
            if self.new.len() < NEW_CATEGORIES_MAX && !self.new.contains(name) {
                self.new.push(name.clone());
            }
        }
    }

    /// Whether it counts nothing but what this reference lists, within bounds.
    pub(crate) fn is_of(&self, reference: &CategoryReference) -> bool {
        self.known.keys().all(|name| reference.counts.contains_key(name))
            && self.new.len() <= NEW_CATEGORIES_MAX
    }
}
