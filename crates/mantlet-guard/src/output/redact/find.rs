//! Where each kind is looked for.

use super::{
    card,
    code::{Code, may_begin, may_end, wide_digit},
    contact,
    context::Told,
    document,
    kind::{Kind, Kinds},
    lettered, national, network, secret, token,
};
use crate::output::{scan::Until, window::Window};

/// A piece of text that must not leave, in bytes of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) kind: Kind,
    /// How it goes on after `end`, if its end was not seen.
    pub(crate) until: Option<Until>,
}

impl Found {
    /// A piece whose end is known.
    pub(crate) fn new(start: usize, end: usize, kind: Kind) -> Self {
        Self { start, end, kind, until: None }
    }

    /// Keeps it if its kind is asked for.
    fn among(self, kinds: Kinds) -> Option<Self> {
        kinds.has(self.kind).then_some(self)
    }
}

/// What begins with the word from `start` to `end`.
pub(crate) fn at_word(kinds: Kinds, window: &Window<'_>, start: usize, end: usize) -> Option<Found> {
    token::judge(window, start, end)
        .or_else(|| network::judge(window, start, end))
        .and_then(|found| found.among(kinds))
        .or_else(
            || if begins_identifier(window, start, end) { identifier(kinds, window, start) } else { None },
        )
}

/// Whether an identifier can begin with the word: it has a digit, or it is a few capital letters before a group that
/// begins with one (`AB 12 34 56 C`).
fn begins_identifier(window: &Window<'_>, start: usize, end: usize) -> bool {
    let word = window.slice(start, end);
    let capital = word.len() <= 4 && word.iter().all(u8::is_ascii_uppercase);
    word.iter().any(u8::is_ascii_digit) || capital && window.at(end + 1).is_ascii_digit()
}

/// What begins with a digit outside ASCII.
pub(crate) fn at_wide(kinds: Kinds, window: &Window<'_>, start: usize) -> Option<Found> {
    wide_digit(window, start)?;
    identifier(kinds, window, start)
}

/// What is recognized by the punctuation at `place`.
pub(crate) fn at_mark(kinds: Kinds, window: &Window<'_>, place: usize) -> Option<Found> {
    let found = match window.at(place) {
        b'@' => contact::email(window, place),
        b':' => secret::address(window, place)
            .or_else(|| network::at_colon(window, place))
            .or_else(|| secret::assigned(window, place)),
        b'=' => secret::assigned(window, place),
        b'-' => secret::pem(window, place),
        _ => None,
    }?;
    found.among(kinds)
}

/// A number of a person, an account or a telephone that begins at `start`.
fn identifier(kinds: Kinds, window: &Window<'_>, start: usize) -> Option<Found> {
    let code = Code::read(window, start);
    let context = Told::before(window, start);
    if may_begin(window, start) {
        for cut in code.cuts() {
            if !may_end(window, cut.end) && !lettered::is_rut(&cut) {
                continue;
            }
            let number = cut.is_number();
            let kind = if number && card::judge(&cut, &context) {
                Some(Kind::Card)
            } else if number {
                national::judge(&cut, cut.is_isolated(window, start), &context)
                    .or_else(|| lettered::is_rut(&cut).then_some(Kind::NationalId))
            } else {
                lettered::judge(&cut, &context)
            };
            if let Some(found) = kind.and_then(|kind| Found::new(start, cut.end, kind).among(kinds)) {
                return Some(found);
            }
        }
    }
    if let Some(found) = contact::phone(window, &code, start, &context).and_then(|found| found.among(kinds)) {
        return Some(found);
    }
    if !may_begin(window, start) {
        return None;
    }
    code.cuts().filter(|cut| may_end(window, cut.end)).find_map(|cut| {
        let kind = document::judge(&cut, &context)?;
        Found::new(start, cut.end, kind).among(kinds)
    })
}
