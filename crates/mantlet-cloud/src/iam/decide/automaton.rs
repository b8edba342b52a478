//! Products of glob automata: which combinations of a number of patterns some text matches, each with a shortest such
//! text. Exact for `*` and `?`.
//!
//! A pattern of n characters is a nondeterministic automaton of n + 1 positions, stepped with bit operations (R.
//! Baeza-Yates and G. Gonnet, "A new approach to text searching", 1992); `*` is a position that stays. The positions
//! of all patterns lie side by side in one row of bits, and a breadth-first search over such rows is the subset
//! construction of the product, made only as far as it is reachable. It knows nothing of policies.

use std::{
    collections::HashSet,
    hash::{BuildHasherDefault, Hasher},
    ops::ControlFlow,
};

/// One sign of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sign {
    /// This character.
    Char(char),
    /// This ASCII character in either case.
    Fold(char),
    /// Any one character but, where one is named, this.
    One(Option<char>),
    /// Any number of such.
    Star(Option<char>),
}

/// Patterns over which texts are sought.
#[derive(Debug)]
pub struct Product {
    words: usize,
    patterns: usize,
    start: Row,
    accept: Vec<(usize, u64)>,
    /// First and last position of each pattern.
    spans: Vec<(usize, usize)>,
    /// Positions that stay whatever comes, with the first position of their pattern: those between are of no matter then.
    absorbing: Vec<(usize, usize)>,
    symbols: Vec<Symbol>,
}

/// A row of bits, one for each position.
pub type Row = Box<[u64]>;

#[derive(Debug)]
struct Symbol {
    character: char,
    /// Positions that this character leads on from.
    step: Row,
    /// Those of `step` that not every character leads on from.
    special: Row,
    /// Positions that stay at it.
    stay: Row,
    /// Whether some position treats it unlike a character that no pattern names.
    excluded: bool,
}

/// Which patterns a text matches, one bit each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Matched(Vec<u64>);

impl Matched {
    /// Whether it matches this pattern.
    #[must_use]
    pub fn has(&self, pattern: usize) -> bool {
        self.0.get(pattern / 64).is_some_and(|word| word >> (pattern % 64) & 1 == 1)
    }

    /// The same with the pattern at `index` called `names[index]`.
    #[must_use]
    pub fn spread(&self, names: &[usize]) -> Self {
        let most = names.iter().max().map_or(0, |most| most + 1);
        let mut bits = vec![0; most.div_ceil(64)];
        for (_, name) in names.iter().enumerate().filter(|(index, _)| self.has(*index)) {
            set(&mut bits, *name);
        }
        Self(bits)
    }
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything reachable was seen.
    Exhausted,
    /// The visitor had enough.
    Found,
    /// More rows than allowed.
    TooMany,
}

/// What a search did.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// How it ended.
    pub end: End,
    /// Rows that were reached.
    pub rows: usize,
}

impl Product {
    /// The product of patterns.
    #[must_use]
    pub fn new(patterns: &[Vec<Sign>]) -> Self {
        let positions: usize = patterns.iter().map(|signs| positions(signs) + 1).sum();
        let words = positions.div_ceil(64).max(1);
        let empty = vec![0; words].into_boxed_slice();
        let mut product = Self {
            words,
            patterns: patterns.len(),
            start: empty.clone(),
            accept: Vec::new(),
            spans: Vec::new(),
            absorbing: Vec::new(),
            symbols: alphabet(patterns)
                .into_iter()
                .map(|character| Symbol {
                    character,
                    step: empty.clone(),
                    special: empty.clone(),
                    stay: empty.clone(),
                    excluded: false,
                })
                .collect(),
        };
        let mut first = 0;
        for signs in patterns {
            first = product.add(signs, first);
        }
        product
    }

    /// Lays a pattern down from a position on; gives the first position behind it.
    fn add(&mut self, signs: &[Sign], first: usize) -> usize {
        let mut at = first;
        set(&mut self.start, first);
        for sign in signs {
            match *sign {
                Sign::Star(but) => {
                    for symbol in self.symbols.iter_mut() {
                        if but != Some(symbol.character) {
                            set(&mut symbol.stay, at);
                        } else {
                            symbol.excluded = true;
                        }
                    }
                    if but.is_none() && !self.absorbing.contains(&(at, first)) {
                        self.absorbing.push((at, first));
                    }
                }
                other => {
                    for symbol in self.symbols.iter_mut() {
                        let (takes, special) = match other {
                            Sign::Char(character) => (symbol.character == character, true),
                            Sign::Fold(character) => {
                                (symbol.character.eq_ignore_ascii_case(&character), true)
                            }
                            Sign::One(but) | Sign::Star(but) => {
                                symbol.excluded |= but == Some(symbol.character);
                                (but != Some(symbol.character), false)
                            }
                        };
                        if takes {
                            set(&mut symbol.step, at);
                        }
                        if takes && special {
                            set(&mut symbol.special, at);
                        }
                    }
                    at += 1;
                }
            }
        }
        self.accept.push((at / 64, 1 << (at % 64)));
        self.spans.push((first, at));
        at + 1
    }

    /// Whether a pattern can still match what begins as this row's text does.
    #[must_use]
    pub fn alive(&self, row: &Row, pattern: usize) -> bool {
        let Some((first, last)) = self.spans.get(pattern) else { return false };
        (*first..=*last).any(|at| bit(row, at))
    }

    fn matched(&self, row: &Row) -> Matched {
        let mut bits = vec![0; self.patterns.div_ceil(64)];
        for (pattern, (word, mask)) in self.accept.iter().enumerate() {
            if row.get(*word).is_some_and(|bits| bits & mask != 0)
                && let Some(bits) = bits.get_mut(pattern / 64)
            {
                *bits |= 1 << (pattern % 64);
            }
        }
        Matched(bits)
    }

    /// What a text matches, by stepping through it.
    #[must_use]
    pub fn run(&self, text: &str) -> Matched {
        let fresh = self.symbols.last();
        let mut row = self.start.clone();
        for character in text.chars() {
            if let Some(symbol) = self.symbols.iter().find(|symbol| symbol.character == character).or(fresh) {
                row = self.next(&row, symbol);
            }
        }
        self.matched(&row)
    }

    fn next(&self, row: &Row, symbol: &Symbol) -> Row {
        let mut next = vec![0; self.words].into_boxed_slice();
        let mut carry = 0;
        for (((next, row), step), stay) in next.iter_mut().zip(row).zip(&symbol.step).zip(&symbol.stay) {
            let moved = row & step;
            *next = (moved << 1) | carry | (row & stay);
            carry = moved >> 63;
        }
        for (at, first) in self.absorbing.iter().rev() {
            if bit(&next, *at) {
                clear(&mut next, *first, *at);
            }
        }
        next
    }

    /// Searches all texts in the order of their length, and visits each combination of matched patterns once, with a
    /// shortest text. `hopeless` says of which rows nothing more is wanted.
    pub fn search(
        &self,
        rows_max: usize,
        hopeless: impl Fn(&Row) -> bool,
        mut visit: impl FnMut(&Matched, &dyn Fn() -> String) -> ControlFlow<()>,
    ) -> Search {
        let mut found: HashSet<Row, Fast> = HashSet::default();
        let mut rows: Vec<(Row, usize, char)> = vec![(self.start.clone(), 0, '\0')];
        let mut seen = HashSet::new();
        found.insert(self.start.clone());
        let mut at = 0;
        while let Some((row, ..)) = rows.get(at) {
            let row = row.clone();
            let matched = self.matched(&row);
            if seen.insert(matched.clone()) && visit(&matched, &|| text(&rows, at)).is_break() {
                return Search { end: End::Found, rows: rows.len() };
            }
            for symbol in self.distinct(&row) {
                let next = self.next(&row, symbol);
                if !hopeless(&next) && !found.contains(&next) {
                    found.insert(next.clone());
                    rows.push((next, at, symbol.character));
                }
            }
            if rows.len() > rows_max {
                return Search { end: End::TooMany, rows: rows.len() };
            }
            at += 1;
        }
        Search { end: End::Exhausted, rows: rows.len() }
    }

    /// Symbols that lead from a row to different rows: those that it names, those excluded somewhere, and one of all others.
    fn distinct<'s>(&'s self, row: &'s Row) -> impl Iterator<Item = &'s Symbol> {
        let fresh = self.symbols.len().saturating_sub(1);
        self.symbols.iter().enumerate().filter_map(move |(index, symbol)| {
            let named = row.iter().zip(&symbol.special).any(|(row, special)| row & special != 0);
            (named || symbol.excluded || index == fresh).then_some(symbol)
        })
    }
}

/// The characters that patterns name, in order, and last one that none names.
fn alphabet(patterns: &[Vec<Sign>]) -> Vec<char> {
    let mut named: Vec<char> = Vec::new();
    for sign in patterns.iter().flatten() {
        match sign {
            Sign::Char(character) => named.push(*character),
            Sign::Fold(character) => {
                named.extend([character.to_ascii_lowercase(), character.to_ascii_uppercase()]);
            }
            Sign::One(but) | Sign::Star(but) => named.extend(but),
        }
    }
    named.sort_unstable();
    named.dedup();
    let fresh = ('a'..='z').rev().chain('0'..='9').chain('A'..='Z').chain('\u{e000}'..='\u{f8ff}');
    let fresh = fresh.into_iter().find(|character| !named.contains(character));
    named.extend(fresh);
    named
}

fn positions(signs: &[Sign]) -> usize {
    signs.iter().filter(|sign| !matches!(sign, Sign::Star(_))).count()
}

fn text(rows: &[(Row, usize, char)], mut at: usize) -> String {
    let mut characters = Vec::new();
    while at > 0 {
        let Some((_, before, character)) = rows.get(at) else { break };
        characters.push(*character);
        at = *before;
    }
    characters.iter().rev().collect()
}

fn bit(row: &[u64], at: usize) -> bool {
    row.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
}

fn set(row: &mut [u64], at: usize) {
    if let Some(word) = row.get_mut(at / 64) {
        *word |= 1 << (at % 64);
    }
}

fn clear(row: &mut [u64], from: usize, to: usize) {
    for at in from..to {
        if let Some(word) = row.get_mut(at / 64) {
            *word &= !(1 << (at % 64));
        }
    }
}

type Fast = BuildHasherDefault<Multiply>;

/// A multiplicative hash: rows are our own and not chosen to collide, and hashing them is most of a search.
#[derive(Default)]
struct Multiply(u64);

impl Hasher for Multiply {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let word = chunk.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
            self.write_u64(word);
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}
