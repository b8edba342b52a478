//! Secrets that are known by what stands around them: PEM blocks, passwords in addresses, and values after words such
//! as `password`.

use super::{find::Found, kind::Kind};
use crate::output::{
    scan::Until,
    window::{AHEAD, Window},
};

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";

/// A private key that begins with the hyphens at `place` (RFC 7468). From its header on everything is withheld.
pub(super) fn pem(window: &Window<'_>, place: usize) -> Option<Found> {
    if window.before(place) == b'-' || !window.starts_with(place, BEGIN) {
        return None;
    }
    let label = window
        .run(place + BEGIN.len(), |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ');
    let name = window.slice(place + BEGIN.len(), label);
    let private = name.windows(11).any(|word| word == b"PRIVATE KEY");
    let end = window.run(label, |byte| byte == b'-');
    (private && end >= label + 5 && name.len() <= 64).then_some(Found {
        start: place,
        end,
        kind: Kind::PrivateKey,
        until: Some(Until::Pem),
    })
}

/// How far a PEM block goes in the bytes that have arrived, and whether it ends there: with the hyphens that end its
/// footer.
pub(crate) fn end_of_pem(bytes: &[u8], place: usize, whole: bool) -> (usize, bool) {
    let mut index = place;
    while let Some(rest) = bytes.get(index..).filter(|rest| !rest.is_empty()) {
        let Some(hyphen) = rest.iter().position(|byte| *byte == b'-') else { return (bytes.len(), whole) };
        index += hyphen;
        let rest = bytes.get(index..).unwrap_or_default();
        if rest.starts_with(END) {
            let label =
                rest.iter().skip(END.len()).take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b' ');
            let after = END.len() + label.take(64).count();
            let closing = rest.iter().skip(after).take(5).take_while(|byte| **byte == b'-').count();
            if closing == 5 {
                return (index + after + 5, true);
            }
            if rest.len() < after + 5 && !whole {
                return (index, false);
            }
        } else if END.starts_with(rest) && !whole {
            return (index, false);
        }
        index += 1;
    }
    (bytes.len(), whole)
}

/// An address with a user and a password, at the colon after its scheme: `postgres://user:password@host/db`.
pub(super) fn address(window: &Window<'_>, place: usize) -> Option<Found> {
    if !window.starts_with(place, b"://") {
        return None;
    }
    let start =
        window.run_back(place, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    let body = place + 3;
    let end = window.run(body, in_address);
    let text = window.slice(body, end);
    let authority = text.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let at = text
        .iter()
        .take(authority.unwrap_or(text.len()))
        .rposition(|byte| *byte == b'@')
        // A password may have a slash that was not encoded.
        .or_else(|| {
            text.iter().position(|byte| *byte == b'@').filter(|_| start < place && !text.starts_with(b"/"))
        })?;
    let user = text.get(..at)?;
    let colon = user.iter().position(|byte| *byte == b':')?;
    let password = user.get(colon + 1..)?;
    let hidden = password.is_empty() || is_placeholder(password);
    let long = end >= place + AHEAD;
    (start < place && !hidden).then_some(Found {
        start,
        end: if long { end } else { trim(window, end) },
        kind: Kind::ConnectionString,
        until: long.then_some(Until::Address),
    })
}

/// A byte that may stand in an address.
fn in_address(byte: u8) -> bool {
    byte > b' ' && byte < 0x7F && !matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'`' | b'\\')
}

/// The end without the punctuation of the sentence around it.
fn trim(window: &Window<'_>, mut end: usize) -> usize {
    while matches!(window.before(end), b'.' | b',' | b';' | b')' | b']' | b'}' | b'!' | b'?' | b':') {
        end -= 1;
    }
    end
}

/// Endings of names whose values are secrets, without `_`, `-` and spaces.
const NAMES: &[&[u8]] = &[
    b"password",
    b"passwd",
    b"passphrase",
    b"passwort",
    b"kennwort",
    b"motdepasse",
    "contraseña".as_bytes(),
    b"senha",
    b"pwd",
    b"secret",
    b"secretkey",
    b"secretaccesskey",
    b"clientsecret",
    b"apikey",
    b"apisecret",
    b"apitoken",
    b"accesskey",
    b"accesstoken",
    b"authtoken",
    b"refreshtoken",
    b"sessiontoken",
    b"bearertoken",
    b"privatekey",
    b"signingkey",
    b"encryptionkey",
    b"accountkey",
    b"sharedaccesskey",
    b"masterkey",
    b"token",
    b"pass",
    b"credential",
    b"credentials",
    b"pin",
    b"cvv",
    b"cvc",
    b"authorization",
];

/// The value after a name such as `password`, at the colon or equals sign between them.
pub(super) fn assigned(window: &Window<'_>, place: usize) -> Option<Found> {
    let name = name_before(window, place)?;
    let mut start = place + 1;
    // `:=`, `=>`, `==` is a comparison.
    match (window.at(place), window.at(start)) {
        (b':', b'=') | (b'=', b'>') => start += 1,
        (b'=', b'=') | (b':', b':') => return None,
        _ => {}
    }
    start = window.run(start, |byte| byte == b' ' || byte == b'\t').min(start + 8);
    if name == b"authorization" {
        let scheme = window.run(start, |byte| byte.is_ascii_alphabetic());
        if scheme > start && window.at(scheme) == b' ' {
            start = scheme + 1;
        }
    }
    let escaped = window.at(start) == b'\\';
    let quote = window.at(start + usize::from(escaped));
    let quoted = matches!(quote, b'"' | b'\'' | b'`');
    if quoted {
        start += 1 + usize::from(escaped);
    }
    let end = if quoted {
        window.run(start, |byte| byte != quote && byte >= b' ' && !(escaped && byte == b'\\'))
    } else {
        window.run(start, |byte| {
            byte > b' '
                && !matches!(
                    byte,
                    b'"' | b'\'' | b'`' | b',' | b';' | b'&' | b'<' | b'>' | b')' | b'}' | b']'
                )
        })
    };
    let long = end >= place + AHEAD;
    let end = if quoted || long { end } else { trim(window, end) };
    let value = window.slice(start, end);
    let next = window.at(end);
    let digits = matches!(name, b"pin" | b"cvv" | b"cvc");
    let sound = if digits {
        (3..=8).contains(&value.len()) && value.iter().all(u8::is_ascii_digit)
    } else if quoted || window.at(place) == b'=' {
        is_secret(value) && !(quoted && value.contains(&b' ') && value.len() > 40)
    } else {
        is_secret(value) && is_said(value, next)
    };
    sound.then_some(Found { start, end, kind: Kind::Password, until: long.then_some(Until::Token) })
}

/// The name before `place` that says that a secret follows.
fn name_before(window: &Window<'_>, place: usize) -> Option<&'static [u8]> {
    let mut end = place;
    while end + 3 > place && matches!(window.before(end), b' ' | b'"' | b'\'' | b'`' | b'*' | b'\\' | b']') {
        end -= 1;
    }
    // Read back without `_`, `-` and single spaces, as far as the longest name goes.
    let mut name = [0_u8; 20];
    let mut length = name.len();
    let mut index = end;
    let mut spaces = 0;
    while length > 0 && index > 0 {
        let byte = window.before(index);
        let inside = byte.is_ascii_alphanumeric() || byte >= 0x80;
        if !inside && !matches!(byte, b'_' | b'-' | b'.') {
            if byte != b' ' || spaces == 2 {
                break;
            }
            spaces += 1;
        }
        if inside {
            length -= 1;
            if let Some(slot) = name.get_mut(length) {
                *slot = byte.to_ascii_lowercase();
            }
        }
        index -= 1;
    }
    let text = name.get(length..).unwrap_or_default();
    NAMES.iter().copied().filter(|name| text.ends_with(name)).max_by_key(|name| name.len()).filter(|name| {
        // Short names must be whole words: `compass:` has no password.
        name.len() > 5 || {
            let start = end.saturating_sub(name.len());
            !window.before(start).is_ascii_alphanumeric()
                || name == b"token" && window.at(start).is_ascii_uppercase()
        }
    })
}

/// Whether a value can be a secret rather than a mention of one.
fn is_secret(value: &[u8]) -> bool {
    value.len() >= 4
        && !value.starts_with(b" ")
        && !is_placeholder(value)
        && !value.contains(&b'(')
        && !value.starts_with(b"$")
}

/// Whether a word after `password:` in a sentence is a secret: it has what words of prose have not, or nothing follows.
fn is_said(value: &[u8], next: u8) -> bool {
    let mixed = value.iter().any(u8::is_ascii_digit)
        || value.iter().any(|byte| byte.is_ascii_punctuation() && !matches!(byte, b'-' | b'.' | b'/' | b':'))
        || value.iter().skip(1).any(u8::is_ascii_uppercase) && value.iter().any(u8::is_ascii_lowercase);
    mixed || matches!(next, b'\n' | b'\r' | 0)
}

/// Whether a value stands for one: a variable, asterisks, or a word of documentation.
fn is_placeholder(value: &[u8]) -> bool {
    const WORDS: &[&[u8]] = &[
        b"null",
        b"none",
        b"true",
        b"false",
        b"undefined",
        b"string",
        b"required",
        b"optional",
        b"password",
        b"secret",
        b"token",
        b"redacted",
        b"hidden",
        b"example",
        b"changeme",
        b"value",
        b"text",
        b"empty",
        b"nil",
        b"str",
        b"pass",
        b"passwd",
        b"admin_password",
        b"pwd",
        b"bearer",
        b"basic",
        b"missing",
        b"invalid",
        b"expired",
        b"incorrect",
        b"wrong",
    ];
    let lower = value.to_ascii_lowercase();
    let first = value.first().copied().unwrap_or_default();
    let uniform = value.iter().all(|byte| *byte == first);
    let starts: [&[u8]; 12] =
        [b"your", b"<", b"{", b"$", b"%", b"[", b"os.", b"process.", b"env.", b"xxx", b"***", b"my_"];
    uniform || WORDS.contains(&lower.as_slice()) || starts.iter().any(|start| lower.starts_with(start))
}
