//! Finding what a caller names among what a contract names.
//!
//! Callers mostly send names in the contract's order, so that is tried first. Otherwise a short list is scanned and
//! a long one indexed once per request: ten thousand names in the worst order must not cost a hundred million
//! comparisons.

/// Lists up to this long are scanned: comparing lengths first makes that cheaper than building an index.
const SCANNED_MAX: usize = 64;

/// Positions by name in a list of the contract's.
pub(super) struct Lookup<'a, T> {
    items: &'a [T],
    name: fn(&T) -> &str,
    /// Where the next name is expected.
    next: usize,
    /// Positions in the order of their names; made when first needed.
    index: Option<Vec<usize>>,
}

impl<'a, T> Lookup<'a, T> {
    pub(super) fn new(items: &'a [T], name: fn(&T) -> &str) -> Self {
        Self { items, name, next: 0, index: None }
    }

    /// The position of the item with this name.
    pub(super) fn find(&mut self, name: &str) -> Option<usize> {
        let expected = self.items.get(self.next).is_some_and(|item| (self.name)(item) == name);
        let found = if expected { self.next } else { self.search(name)? };
        // The next row begins again at the first name.
        self.next = if found + 1 == self.items.len() { 0 } else { found + 1 };
        Some(found)
    }

    fn search(&mut self, name: &str) -> Option<usize> {
        let (items, name_of) = (self.items, self.name);
        if items.len() <= SCANNED_MAX {
            return items.iter().position(|item| name_of(item) == name);
        }
        let index = self.index.get_or_insert_with(|| {
            let mut index: Vec<usize> = (0..items.len()).collect();
            index.sort_unstable_by_key(|position| items.get(*position).map(name_of));
            index
        });
        let rank =
            index.binary_search_by_key(&Some(name), |position| items.get(*position).map(name_of)).ok()?;
        index.get(rank).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(len: usize, asked: &[usize]) {
        let names: Vec<String> = (0..len).map(|number| format!("name{number}")).collect();
        let mut lookup = Lookup::new(&names, String::as_str);
        for number in asked {
            let expect = (*number < len).then_some(*number);
            assert_eq!(lookup.find(&format!("name{number}")), expect, "{number} of {len}");
        }
    }

    #[test]
    fn names_are_found_in_any_order() {
        for len in [0, 1, 5, SCANNED_MAX, SCANNED_MAX + 1, 500] {
            check(len, &(0..len + 2).collect::<Vec<_>>());
            check(len, &(0..len + 2).rev().collect::<Vec<_>>());
            check(len, &[3, 3, 0, 499, 1, 2, 7, 0, 1]);
        }
    }
}
