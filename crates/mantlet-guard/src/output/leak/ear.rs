//! Listens to one view of an answer for what must not be said.

use std::collections::VecDeque;

use super::{
    Heard,
    index::{CANARY_MAX, LONG, Piece, Rolling, SHORT, Secrets},
};

/// How far apart the pieces of a prompt may lie that count together, in symbols.
const NEAR: u64 = 512;

/// What one view has said lately.
#[derive(Debug, Clone)]
pub(super) struct Ear {
    /// The last symbols; 0 where there was none since the last pause.
    ring: [u8; CANARY_MAX],
    /// How many symbols came in all.
    count: u64,
    /// How many came since the last pause.
    since: u64,
    short: Rolling<SHORT>,
    long: Rolling<LONG>,
    /// Windows of prompts that were heard, with their places. None twice.
    hits: VecDeque<(u64, Piece)>,
}

impl Default for Ear {
    fn default() -> Self {
        Self {
            ring: [0; CANARY_MAX],
            count: 0,
            since: 0,
            short: Rolling::default(),
            long: Rolling::default(),
            hits: VecDeque::new(),
        }
    }
}

impl Ear {
    /// Hears a symbol.
    pub(super) fn hear(&mut self, secrets: &Secrets, symbol: u8) -> Heard {
        self.short.roll(symbol, self.back(SHORT));
        self.long.roll(symbol, self.back(LONG));
        if let Some(place) = self.ring.get_mut(self.count as usize % CANARY_MAX) {
            *place = symbol;
        }
        self.count += 1;
        self.since += 1;
        if self.since >= SHORT as u64 && secrets.is_canary(self.short.hash(), |canary| self.ends_with(canary))
        {
            return Heard::Leak("canary");
        }
        if self.since < LONG as u64 {
            return self.warmth();
        }
        for piece in secrets.pieces(self.long.hash()) {
            if let Heard::Leak(code) = self.hit(secrets, piece) {
                return Heard::Leak(code);
            }
        }
        self.warmth()
    }

    /// Forgets the symbols: what comes next does not follow them.
    pub(super) fn pause(&mut self) {
        if self.since > 0 {
            self.since = 0;
            self.short = Rolling::default();
            self.long = Rolling::default();
        }
    }

    /// How many symbols came since the last pause.
    pub(super) fn since(&self) -> u64 {
        self.since
    }

    /// The symbol that came so many symbols ago, or 0.
    fn back(&self, symbols: usize) -> u8 {
        if self.since < symbols as u64 {
            return 0;
        }
        self.ring.get((self.count as usize).wrapping_sub(symbols) % CANARY_MAX).copied().unwrap_or_default()
    }

    fn ends_with(&self, canary: &[u8]) -> bool {
        self.since >= canary.len() as u64
            && canary.iter().rev().enumerate().all(|(index, symbol)| self.back(index + 1) == *symbol)
    }

    /// Counts a window of a prompt.
    fn hit(&mut self, secrets: &Secrets, piece: Piece) -> Heard {
        self.hits.retain(|(place, other)| place + NEAR > self.count && *other != piece);
        self.hits.push_back((self.count, piece));
        let together = self.hits.iter().filter(|(_, other)| other.group == piece.group).count();
        if together >= secrets.needed(piece.group) { Heard::Leak("prompt-leak") } else { Heard::Warm }
    }

    /// Whether a window of a prompt was heard lately.
    fn warmth(&self) -> Heard {
        let warm = self.hits.back().is_some_and(|(place, _)| place + NEAR / 4 > self.count);
        if warm { Heard::Warm } else { Heard::Nothing }
    }
}
