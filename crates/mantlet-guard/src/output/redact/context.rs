//! What the words before a number say of it.

use std::{cell::OnceCell, sync::LazyLock};

use aho_corasick::AhoCorasick;

use crate::output::window::Window;

/// Words before a number that speak against its being an identifier of a person.
const AGAINST: &[&str] = &[
    "order",
    "orders",
    "invoice",
    "invoices",
    "tracking",
    "ticket",
    "case",
    "ref",
    "reference",
    "sku",
    "model",
    "serial",
    "part",
    "item",
    "batch",
    "lot",
    "build",
    "version",
    "timestamp",
    "epoch",
    "unix",
    "commit",
    "hash",
    "isbn",
    "issn",
    "ean",
    "upc",
    "gtin",
    "barcode",
    "po",
    "rma",
    "quantity",
    "qty",
    "population",
    "total",
    "amount",
    "price",
    "revenue",
    "seed",
    "port",
    "pid",
    "offset",
    "bytes",
    "row",
    "rows",
    "line",
    "page",
    "pages",
    "figure",
    "section",
    "chapter",
    "volume",
    "issue",
    "bug",
    "job",
    "run",
    "transaction",
    "confirmation",
    "booking",
    "product",
    "catalog",
    "article",
    "doi",
    "pmid",
    "arxiv",
    "request",
    "trace",
    "span",
    "session",
    "checksum",
    "milliseconds",
    "seconds",
    "ms",
    "ns",
    "votes",
    "shipment",
    "parcel",
    "package",
    "flight",
    "receipt",
    "code",
];

/// The words of all lists, found in one pass.
static WORDS: LazyLock<Words> = LazyLock::new(Words::new);

/// An automaton over the words of all lists.
struct Words {
    automaton: Option<AhoCorasick>,
    words: Vec<&'static str>,
}

impl Words {
    fn new() -> Self {
        let mut words: Vec<&'static str> = super::word_lists().into_iter().flatten().copied().collect();
        words.extend_from_slice(AGAINST);
        words.sort_unstable();
        words.dedup();
        // Without an automaton no word would be found, and what needs one would stay: a test holds that there is one.
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(&words).ok();
        Self { automaton, words }
    }
}

/// The most words that are told of one place; beyond them the last ones count.
const TOLD: usize = 12;

/// The words of the lists that stand before a place.
pub(super) struct Context {
    /// Where each begins.
    told: [(usize, &'static str); TOLD],
    count: usize,
}

impl Context {
    /// What stands before a byte.
    pub(super) fn before(window: &Window<'_>, start: usize) -> Self {
        let bytes = window.context(start);
        let mut context = Self { told: [(0, ""); TOLD], count: 0 };
        // Every word has a letter, and in rows of numbers none stands before most of them.
        if !bytes.iter().any(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii()) {
            return context;
        }
        for found in WORDS.automaton.iter().flat_map(|automaton| automaton.find_overlapping_iter(bytes)) {
            let word = WORDS.words.get(found.pattern().as_usize()).copied().unwrap_or_default();
            if stands_alone(bytes, word, found.start(), found.end()) {
                if context.count == TOLD {
                    context.told.rotate_left(1);
                    context.count -= 1;
                }
                if let Some(place) = context.told.get_mut(context.count) {
                    *place = (found.start(), word);
                }
                context.count += 1;
            }
        }
        context
    }

    /// Where the last of the words begins, if one is there.
    pub(super) fn last_of(&self, words: &[&str]) -> Option<usize> {
        let told = self.told.iter().take(self.count);
        told.filter(|(_, word)| words.contains(word)).map(|(place, _)| *place).max()
    }

    /// Whether one of the words is there and no word that speaks against it stands nearer.
    pub(super) fn says(&self, words: &[&str]) -> bool {
        let Some(place) = self.last_of(words) else { return false };
        self.last_of(AGAINST).is_none_or(|against| against <= place)
    }

    /// Whether a word is there that speaks against an identifier.
    pub(super) fn denies(&self) -> bool {
        self.last_of(AGAINST).is_some()
    }
}

/// The words before a place, found when they are first asked for.
pub(super) struct Told<'a> {
    window: &'a Window<'a>,
    start: usize,
    context: OnceCell<Context>,
}

impl<'a> Told<'a> {
    /// What stands before a byte.
    pub(super) fn before(window: &'a Window<'a>, start: usize) -> Self {
        Self { window, start, context: OnceCell::new() }
    }

    pub(super) fn get(&self) -> &Context {
        self.context.get_or_init(|| Context::before(self.window, self.start))
    }
}

/// Whether a word stands by itself. One outside ASCII always does: its language may write no spaces.
fn stands_alone(bytes: &[u8], word: &str, start: usize, end: usize) -> bool {
    let edge = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphabetic());
    !word.is_ascii() || edge(start.checked_sub(1).and_then(|index| bytes.get(index))) && edge(bytes.get(end))
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_is_an_automaton_and_lists_are_in_lower_case() {
        assert!(super::WORDS.automaton.is_some());
        assert!(super::WORDS.words.iter().all(|word| word.to_lowercase() == **word && !word.is_empty()));
    }
}
