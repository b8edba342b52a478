//! What must not be said, as hashes of windows.

use super::fold::{folded, rotated};
use crate::output::rules::BadRule;

/// Symbols in the window by which a canary is recognized: the last ones of it. The rest is then compared.
pub(super) const SHORT: usize = 12;

/// Symbols in a window of a prompt, about five words.
pub(super) const LONG: usize = 24;

/// Symbols of a canary at most.
pub(super) const CANARY_MAX: usize = 128;

/// Every how many symbols a prompt has a window in the index. Answers are hashed at every symbol, so a piece of
/// `LONG + STRIDE - 1` symbols cannot be missed.
const STRIDE: usize = 4;

/// Symbols that a prompt must have to be looked for.
const PROMPT_MIN: usize = 40;

/// Windows of a prompt that make a leak, if it has so many: 60 symbols in a row, or as many in several pieces.
const NEEDED: usize = 10;

/// The base of the rolling hash: odd, so that no symbol is lost modulo 2^64.
const BASE: u64 = 0x9E37_79B9_7F4A_7C15;

/// [`BASE`] to the power of a window's length.
const fn power(length: usize) -> u64 {
    let mut power = 1_u64;
    let mut count = 0;
    while count < length {
        power = power.wrapping_mul(BASE);
        count += 1;
    }
    power
}

/// A hash of the last so many symbols (M. O. Rabin, R. M. Karp, "Efficient randomized pattern-matching algorithms", 1987).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rolling<const LENGTH: usize>(u64);

impl<const LENGTH: usize> Rolling<LENGTH> {
    const POWER: u64 = power(LENGTH);

    /// Takes in a symbol and lets go of the one that has left the window, 0 if there was none.
    pub(super) fn roll(&mut self, new: u8, old: u8) {
        let old = value(old).wrapping_mul(Self::POWER);
        self.0 = self.0.wrapping_mul(BASE).wrapping_add(value(new)).wrapping_sub(old);
    }

    /// The hash, its bits mixed.
    pub(super) fn hash(self) -> u64 {
        (self.0 ^ self.0 >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9)
    }

    fn of(symbols: &[u8]) -> u64 {
        let mut rolling = Self::default();
        symbols.iter().for_each(|symbol| rolling.roll(*symbol, 0));
        rolling.hash()
    }
}

/// A symbol as a number that is 0 for no symbol and far from its neighbors for others.
fn value(symbol: u8) -> u64 {
    u64::from(symbol).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

/// A map from hashes to numbers, with a filter before it: almost every question is answered by one bit.
#[derive(Debug, Clone, Default)]
struct Table {
    bits: Vec<u64>,
    entries: Vec<(u64, u32)>,
}

impl Table {
    fn extend(&mut self, entries: impl Iterator<Item = (u64, u32)>) {
        self.entries.extend(entries);
        self.entries.sort_unstable();
        self.bits = vec![0; (self.entries.len() / 4).next_power_of_two().max(16)];
        for (hash, _) in &self.entries {
            let (word, bit) = self.place(*hash);
            if let Some(word) = self.bits.get_mut(word) {
                *word |= bit;
            }
        }
    }

    fn place(&self, hash: u64) -> (usize, u64) {
        ((hash >> 6) as usize & self.bits.len().wrapping_sub(1), 1 << (hash & 63))
    }

    fn find(&self, hash: u64) -> impl Iterator<Item = u32> {
        let (word, bit) = self.place(hash);
        let filtered = self.bits.get(word).is_some_and(|word| word & bit != 0);
        let start =
            if filtered { self.entries.partition_point(|entry| entry.0 < hash) } else { self.entries.len() };
        let found = self.entries.iter().skip(start).take_while(move |entry| entry.0 == hash);
        found.map(|entry| entry.1)
    }
}

/// Canaries and prompts that an answer must not say, forwards and backwards, as they are and rotated.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    canaries: Vec<Vec<u8>>,
    short: Table,
    long: Table,
    /// Of each prompt and each way to write it, how many windows make a leak.
    needed: Vec<usize>,
}

/// One window of one prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// The prompt and the way in which it is written.
    pub(super) group: u16,
    /// Which window.
    pub(super) window: u16,
}

impl Secrets {
    /// Whether there is nothing to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.canaries.is_empty() && self.needed.is_empty()
    }

    pub(crate) fn add_canary(&mut self, canary: &str) -> Result<(), BadRule> {
        let symbols = folded(canary);
        if !(SHORT..=CANARY_MAX).contains(&symbols.len()) {
            return Err(BadRule::Canary);
        }
        let first = self.canaries.len();
        self.canaries.extend(ways(symbols));
        let added = self.canaries.iter().enumerate().skip(first).filter_map(|(index, way)| {
            let tail = way.get(way.len() - SHORT..)?;
            Some((Rolling::<SHORT>::of(tail), u32::try_from(index).ok()?))
        });
        self.short.extend(added);
        Ok(())
    }

    pub(crate) fn add_prompt(&mut self, prompt: &str) {
        let symbols = folded(prompt);
        if symbols.len() < PROMPT_MIN {
            return;
        }
        for way in ways(symbols) {
            let windows = way.windows(LONG).step_by(STRIDE);
            let needed = (windows.len() * 6 / 10).clamp(3, NEEDED);
            let Ok(group) = u16::try_from(self.needed.len()) else { return };
            self.needed.push(needed);
            // Of a prompt of more than a quarter of a megabyte, the rest is not looked for.
            let numbered = windows.zip(0..=u16::MAX);
            self.long.extend(numbered.map(|(window, index)| {
                (Rolling::<LONG>::of(window), u32::from(group) << 16 | u32::from(index))
            }));
        }
    }

    /// Whether the last symbols, whose last window has this hash, end with a canary.
    pub(super) fn is_canary(&self, hash: u64, ends_with: impl Fn(&[u8]) -> bool) -> bool {
        self.short.find(hash).any(|index| self.canaries.get(index as usize).is_some_and(|way| ends_with(way)))
    }

    /// The windows of prompts with this hash.
    pub(super) fn pieces(&self, hash: u64) -> impl Iterator<Item = Piece> {
        self.long
            .find(hash)
            .map(|entry| Piece { group: (entry >> 16) as u16, window: (entry & 0xFFFF) as u16 })
    }

    /// How many windows of a group make a leak.
    pub(super) fn needed(&self, group: u16) -> usize {
        self.needed.get(usize::from(group)).copied().unwrap_or(NEEDED)
    }
}

/// The ways in which symbols may be written that keep them symbols: backwards, rotated by thirteen, both.
fn ways(symbols: Vec<u8>) -> [Vec<u8>; 4] {
    let turned: Vec<u8> = symbols.iter().rev().copied().collect();
    let rotate = |symbols: &[u8]| symbols.iter().map(|symbol| rotated(*symbol)).collect();
    [rotate(&symbols), rotate(&turned), turned, symbols]
}
