//! E-mail addresses and telephone numbers.

use super::{
    code::{Code, Cut, may_begin, may_end},
    context::Told,
    find::Found,
    kind::Kind,
};
use crate::output::window::Window;

/// Endings that look like a domain after `@2x` or `@latest` and are names of files.
const FILES: &[&[u8]] = &[
    b"png", b"jpg", b"jpeg", b"gif", b"svg", b"webp", b"css", b"js", b"ts", b"json", b"html", b"pdf", b"py",
    b"md",
];

/// An e-mail address around the `@` at `place` (RFC 5321 and 6531, without quoted local parts).
pub(super) fn email(window: &Window<'_>, place: usize) -> Option<Found> {
    let local =
        |byte: u8| byte.is_ascii_alphanumeric() || byte >= 0x80 || b".!#$%&*+/?^_`{|}~'-".contains(&byte);
    let mut start = window.run_back(place, local);
    // What may stand in a local part but rather belongs to the text around it. The set of `atext` has a quotation
    // mark, a slash and braces.
    while start < place && b".'/!#$&*?^`{|}~-".contains(&window.at(start)) {
        start += 1;
    }
    let mut cut = start;
    for index in start..place {
        if b"/'!#$&*?^`{|}~".contains(&window.at(index)) {
            cut = index + 1;
        }
    }
    start = cut;
    // An escape (`\nname@…`) is no letter.
    if window.before(start) == b'\\' && matches!(window.at(start), b'n' | b't' | b'r') {
        start += 1;
    }
    if start >= place || window.before(place) == b'.' {
        return None;
    }
    let end = domain(window, place + 1)?;
    // `git@host:path` is an address of a repository.
    let is_git = window.slice(start, place) == b"git" && matches!(window.at(end), b':' | b'/');
    (!is_git).then(|| Found::new(start, end, Kind::Email))
}

/// The end of a domain name of at least two labels whose last is no number.
fn domain(window: &Window<'_>, start: usize) -> Option<usize> {
    let mut index = start;
    let mut last;
    let mut accepted = None;
    let mut labels = 0;
    loop {
        last = index;
        index = window.run(index, |byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte >= 0x80);
        let label = window.slice(last, index);
        if label.is_empty() || label.len() > 63 || label.first() == Some(&b'-') {
            break;
        }
        labels += 1;
        let top = label.len() >= 2
            && (label.iter().all(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80)
                || label.starts_with(b"xn--"));
        if labels > 1 && top {
            let lower = label.to_ascii_lowercase();
            let file = labels == 2 && FILES.contains(&lower.as_slice());
            accepted = if file { accepted } else { Some(index) };
        }
        if window.at(index) != b'.' || labels > 10 {
            break;
        }
        index += 1;
    }
    accepted
}

/// Words that say that a number is one of a telephone.
pub(super) const PHONE: &[&str] = &[
    "phone",
    "telephone",
    "tel",
    "call",
    "mobile",
    "cell",
    "cellphone",
    "fax",
    "contact",
    "whatsapp",
    "text",
    "sms",
    "hotline",
    "dial",
    "ring",
    "reach",
    "ph",
    "landline",
    "phone number",
    "telefon",
    "handy",
    "mobil",
    "téléphone",
    "portable",
    "teléfono",
    "movil",
    "móvil",
    "celular",
    "telefone",
    "telefono",
    "cellulare",
    "telefoon",
    "puhelin",
    "тел",
    "телефон",
    "電話",
    "电话",
    "手机",
    "전화",
    "signal",
    "viber",
    "pager",
    "toll-free",
    "helpline",
    "number is",
];

/// A telephone number that begins with the digits at `start`, by E.164, as it is written in North America, or as
/// numbers with a trunk prefix are grouped.
pub(super) fn phone(window: &Window<'_>, code: &Code, start: usize, told: &Told<'_>) -> Option<Found> {
    let (begin, plus) = prefix(window, start);
    if !may_begin(window, begin) {
        return None;
    }
    let earlier = Told::before(window, begin);
    let context = if begin == start { told } else { &earlier };
    for cut in code.cuts() {
        let written = cut.is_number() && cut.groups.iter().skip(1).all(|group| group.separator != b'+');
        if !written || !may_end(window, cut.end) && !is_extension(window, cut.end) {
            continue;
        }
        let opened = window.at(begin) == b'(' && !plus;
        let believed = if plus {
            is_international(cut.text, cut.groups.len())
        } else if let Some(rest) = cut.text.strip_prefix(b"00").filter(|_| !opened) {
            is_international(rest, cut.groups.len())
                && (splits_after_country(rest, cut.length(0))
                    && cut.is_isolated(window, begin)
                    && !context.get().denies()
                    || context.get().says(PHONE))
        } else {
            is_national(&cut, opened, cut.is_isolated(window, begin), context)
        };
        if believed {
            return Some(Found::new(begin, extension(window, cut.end), Kind::Phone));
        }
    }
    None
}

/// Where the number begins when `+`, `(` or both stand before the digits, and whether a `+` does.
fn prefix(window: &Window<'_>, start: usize) -> (usize, bool) {
    let mut begin = start;
    let mut plus = false;
    for _ in 0..2 {
        match window.before(begin) {
            b'+' if !plus => {
                plus = true;
                begin -= 1;
            }
            b'(' => begin -= 1,
            // The full-width plus sign.
            0x8B if window.slice(begin.saturating_sub(3), begin) == "＋".as_bytes() => {
                plus = true;
                begin -= 3;
            }
            _ => break,
        }
    }
    (begin, plus)
}

/// Whether the first group, after `00`, ends with the country code or has it all.
fn splits_after_country(digits: &[u8], first: usize) -> bool {
    let code = match digits {
        [b'1' | b'7', ..] => 1,
        _ if is_small(digits) => 3,
        _ => 2,
    };
    first == 2 || first == 2 + code
}

/// Whether the digits are a number of E.164: an assigned country code and 8 to 15 digits.
fn is_international(digits: &[u8], groups: usize) -> bool {
    let known = match digits {
        [b'1', area, ..] => *area >= b'2' && digits.len() == 11,
        [b'7', ..] => digits.len() == 11,
        [b'2', b'0' | b'7', ..] => true,
        [b'2', b'1' | b'2' | b'3' | b'4' | b'5' | b'6' | b'9', ..] => true,
        [b'3', ..] => !matches!(digits.get(1), Some(b'5' | b'7' | b'8')) || is_small(digits),
        [b'4', b'2', third, ..] => matches!(third, b'0' | b'1' | b'3'),
        [b'4', ..] => true,
        [b'5', ..] => true,
        [b'6', b'0'..=b'6', ..] => true,
        [b'6', ..] => is_small(digits),
        [b'8', b'1' | b'2' | b'4' | b'6', ..] => true,
        [b'8', ..] => is_small(digits),
        [b'9', b'0'..=b'5' | b'8', ..] => true,
        [b'9', ..] => is_small(digits),
        _ => false,
    };
    known && (8..=15).contains(&digits.len()) && groups <= 8
}

/// Whether the number begins with an assigned country code of three digits in the ranges that share two.
fn is_small(digits: &[u8]) -> bool {
    matches!(
        super::checks::part(digits, 0, 3),
        Some(
            350..=359
            | 370..=389
            | 670
            | 672..=683
            | 685..=692
            | 800
            | 808
            | 850
            | 852..=856
            | 870
            | 878
            | 880..=883
            | 886
            | 888
            | 960..=968
            | 970..=979
            | 992..=996
            | 998,
        )
    )
}

/// Whether the cut is a number as it is written inside a country.
fn is_national(cut: &Cut<'_>, opened: bool, isolated: bool, context: &Told<'_>) -> bool {
    let digits = cut.text;
    let grouped = cut.groups.len() > 1;
    let american = digits.len() == 10 && is_american(digits)
        || digits.len() == 11 && digits.first() == Some(&b'1') && is_american(&digits[1..]);
    let shapes = [
        "3-3-4", "3.3.4", "3)3-4", "3)3.4", "3)3 4", "3)7", "1-3-3-4", "1.3.3.4", "1 3 3 4", "1(3)3-4",
        "1 3-3-4", "3 3-4", "1-3)3-4", "3)3)4",
    ];
    if american && (shapes.iter().any(|shape| cut.has_shape(shape)) || opened && grouped) {
        return !context.get().denies() || context.get().says(PHONE);
    }
    // With a trunk prefix, in groups that no date, price or code has.
    let trunk = digits.first() == Some(&b'0') && digits.get(1).is_some_and(|byte| *byte != b'0');
    let groups = cut.groups.len();
    if trunk && isolated && (9..=12).contains(&digits.len()) && grouped && groups <= 6 {
        let first = cut.length(0);
        let split = groups > 2 || digits.len() > 9 && cut.length(1) >= 6;
        let dated =
            cut.groups.iter().skip(1).all(|group| matches!(group.separator, b'.' | b'/')) && groups == 3;
        if first >= 2 && split && !dated {
            return !context.get().denies() || context.get().says(PHONE);
        }
    }
    let closed = cut.groups.get(1).is_some_and(|group| group.separator == b')');
    let once = cut.groups.iter().skip(2).all(|group| !matches!(group.separator, b'(' | b')'));
    let year = cut.length(0) == 4 && matches!(digits.get(..2), Some(b"19" | b"20"));
    if opened && closed && once && !year && (8..=12).contains(&digits.len()) {
        return !context.get().denies() || context.get().says(PHONE);
    }
    (7..=13).contains(&digits.len()) && groups <= 6 && !is_dated(cut) && context.get().says(PHONE)
}

/// Whether area and exchange are such as the North American Numbering Plan has.
fn is_american(digits: &[u8]) -> bool {
    matches!(digits.first(), Some(b'2'..=b'9')) && !super::checks::is_uniform(digits)
}

/// Whether the cut looks like a date.
fn is_dated(cut: &Cut<'_>) -> bool {
    cut.has_shape("4-2-2") || cut.has_shape("2-2-4") || cut.has_shape("2/2/4") || cut.has_shape("2.2.4")
}

/// Whether an extension stands at an index.
fn is_extension(window: &Window<'_>, end: usize) -> bool {
    extension(window, end) > end
}

/// The end of an extension (`x123`, ` ext. 12`) at an index, or the index.
fn extension(window: &Window<'_>, end: usize) -> usize {
    let mut index = window.run(end, |byte| byte == b' ').min(end + 2);
    let word = [&b"extension"[..], b"ext.", b"ext", b"x"].into_iter().find(|word| {
        word.iter().enumerate().all(|(at, byte)| window.at(index + at).to_ascii_lowercase() == *byte)
    });
    let Some(word) = word else { return end };
    index = window.run(index + word.len(), |byte| byte == b' ');
    let last = window.run(index, |byte| byte.is_ascii_digit());
    let sound = (1..=6).contains(&(last - index)) && !window.at(last).is_ascii_alphanumeric();
    if sound { last } else { end }
}
