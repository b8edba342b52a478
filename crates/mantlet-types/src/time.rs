//! Time as it is written down: microseconds since the Unix epoch, RFC 3339 in text.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A moment, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

/// The years 0000 to 9999 of UTC, which are all that RFC 3339 can write. An offset can carry a text beyond them.
const WRITABLE: std::ops::RangeInclusive<i64> = -62_167_219_200_000_000..=253_402_300_799_999_999;

/// The text is not an RFC 3339 moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a moment is written as in `2026-01-31T12:00:00Z`")]
pub struct TimestampError;

impl Timestamp {
    /// From microseconds since the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, as Cedar's `datetime` counts.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Later by so many seconds; saturates.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }
}

impl Timestamp {
    /// The moment as RFC 3339 text, always with six fractional digits, so that texts sort as the moments do; `None`
    /// outside the years 0000 to 9999, which that format cannot write.
    #[must_use]
    pub fn encode(self) -> Option<[u8; 27]> {
        if !WRITABLE.contains(&self.0) {
            return None;
        }
        let moment = OffsetDateTime::from_unix_timestamp(self.0.div_euclid(1_000_000)).ok()?;
        let (hour, minute, second) = moment.to_hms();
        let year = moment.year().unsigned_abs();
        let micros = u32::try_from(self.0.rem_euclid(1_000_000)).ok()?;
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let mut put = |end: usize, width: usize, mut number: u32| {
            for digit in text.iter_mut().take(end).rev().take(width) {
                *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
                number /= 10;
            }
        };
        put(4, 4, year);
        put(7, 2, u8::from(moment.month()).into());
        put(10, 2, moment.day().into());
        put(13, 2, hour.into());
        put(16, 2, minute.into());
        put(19, 2, second.into());
        put(26, 6, micros);
        Some(text)
    }
}

impl fmt::Display for Timestamp {
    /// As [`Timestamp::encode`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.encode().ok_or(fmt::Error)?;
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| TimestampError)?;
        let micros = i64::try_from(moment.unix_timestamp_nanos() / 1_000).map_err(|_| TimestampError)?;
        if WRITABLE.contains(&micros) { Ok(Self(micros)) } else { Err(TimestampError) }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_with_micros() {
        let at = Timestamp::from_micros(1_790_000_000_000_001);
        assert_eq!(at.to_string(), "2026-09-21T14:13:20.000001Z");
        assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
    }

    #[test]
    fn text_is_what_the_calendar_says() {
        // A step that shares no factor with a day passes through every hour, minute and second, and over leap days.
        let step = 86_400_000_000 * 3 / 7 * 13 + 1;
        let mut at = *WRITABLE.start();
        while at <= *WRITABLE.end() {
            let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000).unwrap();
            let (date, (hour, minute, second, micros)) = (moment.date(), moment.to_hms_micro());
            let expected = format!("{date}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z");
            assert_eq!(Timestamp::from_micros(at).to_string(), expected);
            at += step * 97;
        }
        for beyond in [*WRITABLE.start() - 1, *WRITABLE.end() + 1] {
            assert_eq!(Timestamp::from_micros(beyond).encode(), None);
        }
    }

    #[test]
    fn what_is_read_can_be_written() {
        for text in ["0000-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
        for text in ["0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-23:59"] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text}");
        }
    }
}
