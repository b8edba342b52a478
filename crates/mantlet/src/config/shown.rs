//! A configuration's text as errors show it: without what may be a secret.
//!
//! An error is shown with the lines around it, and what is shown ends up in terminals, tickets and collected logs. A key
//! that somebody typed into the file must not come along, whatever the error is about. So what may be one is painted
//! over, byte by byte: places in the text stay what they are.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// Paints over a byte.
const PAINT: u8 = b'*';

/// Words in the names of keys whose values nobody should see. None of the settings but `store.root_key` has one of
/// them, but people try.
const TELLING: [&str; 10] = [
    "root_key",
    "rootkey",
    "root-key",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "token",
    "api_key",
    "apikey",
];

/// What may stand between a telling word and the equals sign.
const NAME_BYTES_MAX: usize = 64;

/// The shortest run of letters and digits that is taken for a key: 16 bytes of base64 have 22, of hexadecimal 32.
const RUN_BYTES: usize = 20;

/// The shortest run with separators that is taken for a key.
const LONG_RUN_BYTES: usize = 32;

/// The text as it may be shown: of the same length, with the same lines.
pub(super) fn shown(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let told = told_by_name(text).into_iter().chain(of_the_store(text)).chain(keys(text));
    for range in told {
        for byte in bytes.get_mut(range).into_iter().flatten().filter(|byte| !b"\r\n".contains(byte)) {
            *byte = PAINT;
        }
    }
    // Ranges begin and end between characters; should one not, then nothing of the text is shown.
    String::from_utf8(bytes).unwrap_or_default()
}

/// A parser's message, which may repeat a value.
pub(super) fn message(text: &str) -> String {
    let mut masked = text.to_owned();
    for range in keys(text).into_iter().rev() {
        masked.replace_range(range, "…");
    }
    masked
}

/// Values of keys with a telling name, up to the end of the line or of the multi-line string. Looked for in the text
/// itself: most of what is shown is shown because it cannot be parsed.
fn told_by_name(text: &str) -> Vec<Range<usize>> {
    let lower = text.to_ascii_lowercase();
    let mut found: Vec<Range<usize>> = Vec::new();
    for word in TELLING {
        let mut seen = 0;
        for (at, _) in lower.match_indices(word) {
            // Within a value that was found already there is nothing to look for.
            let rest = text.get(at + word.len()..).filter(|_| at >= seen);
            let Some(value) = rest.and_then(value) else { continue };
            let start = text.len() - value.len();
            seen = start + length(value);
            found.push(start..seen);
        }
    }
    found
}

/// What comes after the rest of a key's name and the equals sign.
fn value(rest: &str) -> Option<&str> {
    let of_a_name = |c: &char| c.is_ascii_alphanumeric() || "_-.\"' \t".contains(*c);
    let name = rest.chars().take(NAME_BYTES_MAX).take_while(of_a_name).count();
    rest.get(name..)?.strip_prefix('=')
}

/// How long a value is, as far as it could be one.
fn length(value: &str) -> usize {
    let blank = value.len() - value.trim_start_matches([' ', '\t']).len();
    for quotes in ["\"\"\"", "'''"] {
        if let Some(inside) = value[blank..].strip_prefix(quotes) {
            return inside.find(quotes).map_or(value.len(), |end| blank + end + 2 * quotes.len());
        }
    }
    value.find('\n').unwrap_or(value.len())
}

/// Every value in `[store]`, if the text can be parsed: there a key's name may be written in other ways.
fn of_the_store(text: &str) -> Vec<Range<usize>> {
    let Ok(document) = DeTable::parse(text) else { return Vec::new() };
    match document.get_ref().get("store").map(|store| store.get_ref()) {
        Some(DeValue::Table(store)) => store.values().map(toml::Spanned::span).collect(),
        _ => Vec::new(),
    }
}

/// Whatever looks like a key: hexadecimal, base64 or base64url.
fn keys(text: &str) -> Vec<Range<usize>> {
    let of_a_key = |c: char| c.is_ascii_alphanumeric() || "+/=_-".contains(c);
    let (mut found, mut at) = (Vec::new(), 0);
    for piece in text.split_inclusive(|c| !of_a_key(c)) {
        let run = piece.trim_end_matches(|c| !of_a_key(c));
        if looks_like_a_key(run) {
            found.push(at..at + run.len());
        }
        at += piece.len();
    }
    found
}

fn looks_like_a_key(run: &str) -> bool {
    let has = |run: &str, is: fn(&u8) -> bool| run.as_bytes().iter().any(is);
    let mixed = |run: &str| has(run, u8::is_ascii_digit) && has(run, u8::is_ascii_alphabetic);
    // Paths and names have separators, but seldom capitals between small letters and digits.
    let long = run.len() >= LONG_RUN_BYTES && has(run, u8::is_ascii_digit);
    let varied = has(run, u8::is_ascii_uppercase) && has(run, u8::is_ascii_lowercase);
    let hexadecimal = run.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    run.split(['/', '_', '-']).any(|part| part.len() >= RUN_BYTES && mixed(part))
        || long && (varied || hexadecimal)
}

#[cfg(test)]
mod tests;
