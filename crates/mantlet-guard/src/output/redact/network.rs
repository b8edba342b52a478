//! Addresses of machines: IPv4, IPv6 and MAC.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{context::Context, find::Found, kind::Kind};
use crate::output::window::Window;

/// Words before four numbers that make a version or a chapter of them.
pub(super) const VERSION: &[&str] = &[
    "version",
    "versions",
    "ver",
    "v",
    "release",
    "released",
    "firmware",
    "build",
    "section",
    "chapter",
    "figure",
    "clause",
    "article",
    "upgrade",
    "upgraded",
    "update",
    "updated",
    "patch",
    "driver",
    "oid",
    "requires",
    "bump",
    "bumped",
    "sdk",
    "paragraph",
    "annex",
    "table",
    "bios",
    "kernel",
    "browser",
    "chrome",
];

/// Words before four numbers that make an address of them all the same.
pub(super) const ADDRESS: &[&str] = &[
    "ip", "ipv4", "address", "host", "server", "dns", "gateway", "ping", "router", "subnet", "client",
    "peer", "proxy",
];

/// What begins with the word from `start` to `end`.
pub(super) fn judge(window: &Window<'_>, start: usize, end: usize) -> Option<Found> {
    let last = window.before(start);
    if last.is_ascii_alphanumeric()
        || matches!(last, b'.' | b'-' | b'_') && window.before(start - 1).is_ascii_alphanumeric()
    {
        return None;
    }
    if window.at(end) == b'.' && window.at(start).is_ascii_digit() {
        return ipv4(window, start);
    }
    let hex = end - start <= 4 && window.slice(start, end).iter().all(u8::is_ascii_hexdigit);
    if !hex || !matches!(window.at(end), b':' | b'-') {
        return None;
    }
    mac(window, start).or_else(|| if last == b':' { None } else { ipv6(window, start) })
}

/// An IPv6 address that begins with the `::` at `place`.
pub(super) fn at_colon(window: &Window<'_>, place: usize) -> Option<Found> {
    let last = window.before(place);
    let free = !last.is_ascii_alphanumeric() && last != b':' && last != b'_';
    // Paths of C++ and Rust (`::std`) are no addresses: the text must parse and have a digit.
    (free && window.at(place + 1) == b':').then(|| ipv6(window, place)).flatten()
}

fn ipv4(window: &Window<'_>, start: usize) -> Option<Found> {
    let end = window.run(start, |byte| byte.is_ascii_digit() || byte == b'.').min(start + 16);
    let text = window.slice(start, end);
    let text = text.strip_suffix(b".").unwrap_or(text);
    let end = start + text.len();
    let address: Ipv4Addr = std::str::from_utf8(text).ok()?.parse().ok()?;
    let next = window.at(end);
    let goes_on = next.is_ascii_alphanumeric()
        || next == b'_'
        || next == b'-' && window.at(end + 1).is_ascii_alphanumeric()
        || next == b'.' && window.at(end + 1).is_ascii_alphanumeric();
    // What names nobody: this host, the loopback, masks.
    let nobody = address.is_unspecified() || address.is_loopback() || address.octets().first() == Some(&255);
    if goes_on || nobody {
        return None;
    }
    let context = Context::before(window, start);
    let version = context.last_of(VERSION);
    let denied = version.is_some() && version > context.last_of(ADDRESS);
    (!denied).then(|| Found::new(start, end, Kind::Ip))
}

fn ipv6(window: &Window<'_>, start: usize) -> Option<Found> {
    let end = window.run(start, |byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
    let text = std::str::from_utf8(window.slice(start, end.min(start + 46))).ok()?;
    let text = text.trim_end_matches(['.', ':']);
    // `2001:db8::` ends with the colons that make it an address.
    let kept = if window.starts_with(start + text.len(), b"::") { text.len() + 2 } else { text.len() };
    let text = std::str::from_utf8(window.slice(start, start + kept)).ok()?;
    let address: Ipv6Addr = text.parse().ok()?;
    let next = window.at(start + kept);
    let named = text.bytes().any(|byte| byte.is_ascii_digit()) && text.len() > 4;
    let nobody = address.is_loopback() || address.is_unspecified();
    (named && !nobody && !next.is_ascii_alphanumeric() && next != b'_')
        .then(|| Found::new(start, start + kept, Kind::Ip))
}

/// Six pairs of hexadecimal digits with colons or hyphens.
fn mac(window: &Window<'_>, start: usize) -> Option<Found> {
    let separator = window.at(start + 2);
    let pairs = (0..6).all(|pair| {
        let place = start + pair * 3;
        window.at(place).is_ascii_hexdigit()
            && window.at(place + 1).is_ascii_hexdigit()
            && (pair == 5 || window.at(place + 2) == separator)
    });
    let end = start + 17;
    let next = window.at(end);
    let goes_on = next.is_ascii_alphanumeric() || next == separator && window.at(end + 1).is_ascii_hexdigit();
    let before = window.before(start);
    let inside = before == separator && window.before(start.saturating_sub(1)).is_ascii_hexdigit();
    (matches!(separator, b':' | b'-') && pairs && !goes_on && !inside)
        .then(|| Found::new(start, end, Kind::Mac))
}
