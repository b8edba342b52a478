//! What the words before a number say of it.

use crate::output::window::{CONTEXT, Window};

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

/// The text before a place, in lower case.
pub(super) struct Context {
    text: [u8; CONTEXT],
    length: usize,
}

impl Context {
    /// What stands before a byte.
    pub(super) fn before(window: &Window<'_>, start: usize) -> Self {
        let bytes = window.context(start);
        let mut text = [0; CONTEXT];
        let length = bytes.len().min(CONTEXT);
        for (place, byte) in text.iter_mut().zip(bytes) {
            *place = byte.to_ascii_lowercase();
        }
        Self { text, length }
    }

    fn bytes(&self) -> &[u8] {
        self.text.get(..self.length).unwrap_or_default()
    }

    /// Where the last of the words begins, if one is there.
    pub(super) fn last_of(&self, words: &[&str]) -> Option<usize> {
        words.iter().filter_map(|word| self.last(word.as_bytes())).max()
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

    /// The last place at which a word stands by itself. Beside letters outside ASCII, every place counts: their
    /// languages may write no spaces.
    fn last(&self, word: &[u8]) -> Option<usize> {
        let bytes = self.bytes();
        let ascii = word.is_ascii();
        let last = bytes.len().checked_sub(word.len())?;
        (0..=last).rev().find(|&start| {
            let end = start + word.len();
            let edge = |byte: Option<&u8>| !ascii || byte.is_none_or(|byte| !byte.is_ascii_alphabetic());
            bytes.get(start..end) == Some(word)
                && edge(start.checked_sub(1).and_then(|index| bytes.get(index)))
                && edge(bytes.get(end))
        })
    }
}
