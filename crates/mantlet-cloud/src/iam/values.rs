//! Values of typed conditions: numbers, moments, networks. How they are written; comparing them is done elsewhere.

use std::net::IpAddr;

use ipnet::IpNet;

/// A number; neither infinite nor undefined.
#[must_use]
pub fn number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    text.parse::<f64>().ok().filter(|value| plain && value.is_finite())
}

/// A moment in seconds since 1970: as such, or as `2026-01-31`, `2026-01-31T12:00:00Z`, `…+01:00` (ISO 8601 in the
/// forms that W3C's note on dates names).
#[must_use]
pub fn moment(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(seconds);
    }
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    let mut parts = date.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = parts.next().map_or(Some(1), |part| digits(part, 2))?;
    let day = parts.next().map_or(Some(1), |part| digits(part, 2))?;
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let seconds = time.map_or(Some(0), time_of_day)?;
    days(year, month, day).checked_mul(86_400)?.checked_add(seconds)
}

fn digits(text: &str, count: usize) -> Option<i64> {
    let valid = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| valid)
}

fn time_of_day(text: &str) -> Option<i64> {
    let (clock, offset) = match text.find(['Z', '+', '-']) {
        Some(at) => (text.get(..at)?, text.get(at..)?),
        None => (text, "Z"),
    };
    let mut parts = clock.split(':');
    let hours = digits(parts.next()?, 2)?;
    let minutes = digits(parts.next()?, 2)?;
    let seconds = match parts.next() {
        Some(part) => digits(part.split('.').next()?, 2)?,
        None => 0,
    };
    let offset = match offset.strip_prefix('Z') {
        Some("") => 0,
        Some(_) => return None,
        None => {
            let sign = if offset.starts_with('-') { -1 } else { 1 };
            let (hours, minutes) = offset.get(1..)?.split_once(':')?;
            sign * (digits(hours, 2)? * 3600 + digits(minutes, 2)? * 60)
        }
    };
    Some(hours * 3600 + minutes * 60 + seconds - offset)
}

/// Days since 1970-01-01 in the Gregorian calendar (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// An address, or a network of addresses; bits behind the prefix are ignored.
#[must_use]
pub fn network(text: &str) -> Option<IpNet> {
    match text.parse::<IpNet>() {
        Ok(network) => Some(network.trunc()),
        Err(_) => text.parse::<IpAddr>().ok().map(IpNet::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        assert_eq!(moment("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(moment("2026-11-22"), Some(1_795_305_600));
        assert_eq!(moment("2000-02-29T23:59:59.5Z"), Some(951_868_799));
        assert_eq!(moment("2026-11-22T01:00:00+01:00"), moment("2026-11-22T00:00:00Z"));
        assert_eq!(moment("1795305600"), Some(1_795_305_600));
        for text in ["", "2026-13-01", "2026-1-1", "2026-01-01T1", "now", "2026-01-01T00:00:00ZZ"] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_finite() {
        assert_eq!(number("1.5"), Some(1.5));
        for text in ["inf", "NaN", "", "1e999", "0x1"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
