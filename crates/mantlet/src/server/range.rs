//! Parts of a representation: RFC 9110, section 14, for one range of bytes.
//!
//! A request for several ranges, in another unit, or in a form that is none gets the whole, as the standard allows: no
//! reply is ever longer than what it is a part of.

use std::ops::Range;

use http::{HeaderMap, header};

/// What a request says of the part that it wants.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    range: Option<Box<str>>,
    if_range: Option<Box<str>>,
}

/// What it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// These bytes.
    Bytes(Range<u64>),
    /// Nothing: it begins behind the end.
    Unsatisfiable,
}

impl Conditions {
    /// What the headers say; what is no text says nothing.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let only = |name: header::HeaderName| {
            let mut values = headers.get_all(name).iter();
            let value = values.next()?.to_str().ok()?;
            values.next().is_none().then(|| value.into())
        };
        Self { range: only(header::RANGE), if_range: only(header::IF_RANGE) }
    }

    /// The part of a representation of this length and with this strong entity tag, quotes included.
    #[must_use]
    pub fn part(&self, length: u64, tag: &str) -> Part {
        // A date, or a weak tag, says less than that these are the same bytes.
        let same = self.if_range.as_deref().is_none_or(|known| known == tag);
        self.range.as_deref().filter(|_| same).map_or(Part::Whole, |range| part(range, length))
    }
}

fn part(range: &str, length: u64) -> Part {
    let Some((unit, range)) = range.split_once('=') else { return Part::Whole };
    if !unit.eq_ignore_ascii_case("bytes") {
        return Part::Whole;
    }
    let Some((first, last)) = range.trim().split_once('-') else { return Part::Whole };
    let Some(part) = bounds(first, last, length) else { return Part::Whole };
    if part.is_empty() { Part::Unsatisfiable } else { Part::Bytes(part) }
}

/// The bytes between two positions as written; `None` if they are no range.
fn bounds(first: &str, last: &str, length: u64) -> Option<Range<u64>> {
    // More digits than a number has are a position behind every end.
    let position = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    if first.is_empty() {
        let suffix: u64 = position(last)?;
        return Some(length.saturating_sub(suffix)..length);
    }
    let first: u64 = position(first)?;
    if last.is_empty() {
        return Some(first..length);
    }
    let last: u64 = position(last)?;
    (first <= last).then(|| first..last.saturating_add(1).min(length))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(range: &str, expect: &Part) {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(range).unwrap());
        assert_eq!(Conditions::of(&headers).part(10, "\"t\""), *expect, "{range}");
    }

    #[test]
    fn one_range_is_a_part() {
        check("bytes=0-0", &Part::Bytes(0..1));
        check("bytes=2-4", &Part::Bytes(2..5));
        check("bytes=2-", &Part::Bytes(2..10));
        check("Bytes=-3", &Part::Bytes(7..10));
        check("bytes=-99", &Part::Bytes(0..10));
        check("bytes=5-99", &Part::Bytes(5..10));
        check("bytes=9-18446744073709551616", &Part::Bytes(9..10));
    }

    #[test]
    fn what_begins_behind_the_end_is_nothing() {
        check("bytes=10-", &Part::Unsatisfiable);
        check("bytes=10-12", &Part::Unsatisfiable);
        check("bytes=99999999999999999999-", &Part::Unsatisfiable);
        check("bytes=-0", &Part::Unsatisfiable);
    }

    #[test]
    fn what_is_no_single_range_is_not_heard() {
        for range in [
            "bytes=0-1,3-4",
            "bytes=",
            "bytes=-",
            "bytes=4-2",
            "bytes=a-b",
            "bytes=+1-2",
            "lines=1-2",
            "0-1",
            "bytes 0-1",
            "bytes=0--1",
        ] {
            check(range, &Part::Whole);
        }
    }

    #[test]
    fn a_part_of_something_else_is_not_given() {
        let part = |if_range: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, HeaderValue::from_static("bytes=0-1"));
            headers.insert(header::IF_RANGE, HeaderValue::from_static(if_range));
            Conditions::of(&headers).part(10, "\"t\"")
        };
        assert_eq!(part("\"t\""), Part::Bytes(0..2));
        for other in ["\"u\"", "W/\"t\"", "t", "Sun, 22 Nov 2026 15:00:00 GMT"] {
            assert_eq!(part(other), Part::Whole, "{other}");
        }
    }

    #[test]
    fn two_ranges_headers_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(header::RANGE, HeaderValue::from_static("bytes=0-1"));
        headers.append(header::RANGE, HeaderValue::from_static("bytes=0-1"));
        assert_eq!(Conditions::of(&headers).part(10, "\"t\""), Part::Whole);
    }
}
