//! Names in the place of personal data that can be turned back: what a caller wrote goes to the model as `<EMAIL_1_k3xq>`,
//! and in the answer to the same caller it becomes the address again.
//!
//! A [`Pseudonyms`] lives as long as one request; nothing is kept after it. Because clients send the whole conversation
//! with every turn, the same values get the same numbers each time. The mark at the end is derived by the caller under a
//! key, from tenant and conversation: nobody else can write a name that would be turned back.

use std::{collections::BTreeMap, fmt};

use zeroize::Zeroizing;

use super::{
    redact::{Kind, Kinds, redact_kinds},
    scan::{Edit, What},
    window::Window,
};

/// Letters and digits of a mark at least, so that it cannot be guessed, and at most, so that a name fits into a window.
const MARK: std::ops::RangeInclusive<usize> = 4..=32;

/// The names of one conversation.
pub struct Pseudonyms {
    mark: String,
    /// The values of each kind, in the order of their first appearance.
    values: BTreeMap<Kind, Vec<Zeroizing<String>>>,
}

/// The mark is not of 4 to 32 lower-case letters and digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a mark must have 4 to 32 lower-case letters and digits")]
pub struct BadMark;

impl Pseudonyms {
    /// No names yet.
    ///
    /// # Errors
    /// If the mark is none.
    pub fn new(mark: &str) -> Result<Self, BadMark> {
        let plain = mark.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !plain || !MARK.contains(&mark.len()) {
            return Err(BadMark);
        }
        Ok(Self { mark: mark.to_owned(), values: BTreeMap::new() })
    }

    /// The text with names in the place of what is of these kinds. Texts are to be hidden in the order of the conversation.
    pub fn hide(&mut self, text: &str, kinds: Kinds) -> String {
        let mut hidden = String::with_capacity(text.len());
        let mut kept = 0;
        for found in redact_kinds(text, kinds).found {
            hidden.push_str(text.get(kept..found.start).unwrap_or_default());
            let value = text.get(found.start..found.end).unwrap_or_default();
            let number = self.number(found.kind, value);
            hidden.push_str(&format!("<{}_{number}_{}>", found.kind.noun(), self.mark));
            kept = found.end;
        }
        hidden.push_str(text.get(kept..).unwrap_or_default());
        hidden
    }

    /// The number of a value among those of its kind, from 1 on.
    fn number(&mut self, kind: Kind, value: &str) -> usize {
        let values = self.values.entry(kind).or_default();
        if let Some(place) = values.iter().position(|known| known.as_str() == value) {
            return place + 1;
        }
        values.push(Zeroizing::new(value.to_owned()));
        values.len()
    }

    /// The name that begins with the `<` at `place`, turned back. Where answers are shown as markup, the value is escaped.
    pub(crate) fn restore(&self, window: &Window<'_>, place: usize, escape: bool) -> Option<Edit> {
        let end = window.run(place + 1, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let name = std::str::from_utf8(window.slice(place + 1, end)).ok()?;
        let (name, mark) = name.rsplit_once('_')?;
        let (noun, number) = name.rsplit_once('_')?;
        if window.at(end) != b'>' || mark != self.mark {
            return None;
        }
        let kind = Kind::ALL.iter().find(|kind| kind.noun() == noun)?;
        let index = number.parse::<usize>().ok()?.checked_sub(1)?;
        let value = self.values.get(kind)?.get(index)?;
        let value = if escape { value.replace('&', "&amp;").replace('<', "&lt;") } else { value.to_string() };
        Some(Edit::new(place, end + 1, What::Text(value)))
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pseudonyms").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::output::{Html, Rules, Stream};

    fn answer(rules: &Arc<Rules>, chunks: &[&str]) -> String {
        let mut stream = Stream::new(Arc::clone(rules));
        let left: String = chunks.iter().map(|chunk| stream.push(chunk).expect("nothing stops")).collect();
        left + &stream.finish().expect("nothing stops").0
    }

    #[test]
    fn names_are_stable_and_turn_back() {
        let mut names = Pseudonyms::new("k3xq").expect("a mark");
        let first = names.hide("I am jane@example.org, not joe@example.org.", Kinds::STRUCTURED);
        assert_eq!(first, "I am <EMAIL_1_k3xq>, not <EMAIL_2_k3xq>.");
        assert_eq!(names.hide("jane@example.org again", Kinds::STRUCTURED), "<EMAIL_1_k3xq> again");
        let rules = Arc::new(Rules::new().redact(Kinds::STRUCTURED).restore(Arc::new(names)));
        // The caller's own address comes back; the model's is redacted.
        let expected = "Dear jane@example.org, write to [EMAIL] <EMAIL_3_k3xq> <EMAIL_1_0000> <b>";
        let text = "Dear <EMAIL_1_k3xq>, write to x@example.com <EMAIL_3_k3xq> <EMAIL_1_0000> <b>";
        assert_eq!(answer(&rules, &[text]), expected);
        assert_eq!(answer(&rules, &text.split_inclusive('_').collect::<Vec<_>>()), expected);
    }

    #[test]
    fn a_value_is_no_markup() {
        let mut names = Pseudonyms::new("k3xq").expect("a mark");
        names.hide("password: a<b>c&d1", Kinds::STRUCTURED);
        let rules = Arc::new(Rules::new().html(Html::Clean).restore(Arc::new(names)));
        assert!(!answer(&rules, &["<PASSWORD_1_k3xq>"]).contains("<b>"));
        assert!(Pseudonyms::new("K3XQ").is_err() && Pseudonyms::new("abc").is_err());
    }
}
