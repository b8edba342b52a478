//! Where an answer may point: an address that a browser or a markdown renderer would follow must name a listed host.
//!
//! The threat is exfiltration: an answer that was tampered with shows an image whose address carries what the model
//! knows. What an address means is decided by the same parser that browsers follow (the URL standard of WHATWG), with
//! entities and escapes undone first; what that parser does not understand is removed.

use std::borrow::Cow;

use url::Url;

use super::{
    rules::BadRule,
    scan::{Edit, Until, What},
    window::{AHEAD, GLUE, Window},
};

/// The pages on which an address is read, to tell relative ones: no listed host can be theirs. Two, because
/// `https:host` is relative on a page of `https` and leads away from one of `http`.
const HERE: [&str; 2] = ["https://relative.invalid/", "http://relative.invalid/"];

/// Schemes that are dangerous wherever they stand.
const ACTIVE: &[&[u8]] =
    &[b"javascript", b"vbscript", b"data", b"file", b"blob", b"about", b"filesystem", b"livescript"];

/// Attributes whose value is an address.
const ATTRIBUTES: &[&[u8]] = &[
    b"href",
    b"src",
    b"srcset",
    b"action",
    b"formaction",
    b"poster",
    b"background",
    b"cite",
    b"ping",
    b"data",
    b"style",
    b"xlink:href",
    b"content",
    b"manifest",
    b"longdesc",
    b"lowsrc",
    b"dynsrc",
    b"imagesrcset",
    b"codebase",
];

/// The hosts to which an answer may point.
#[derive(Debug, Clone, Default)]
pub(crate) struct Links {
    hosts: Vec<Listed>,
}

/// One line of the list.
#[derive(Debug, Clone)]
struct Listed {
    /// The host as the URL standard writes it.
    host: String,
    /// Whether hosts below it count, and not itself.
    below: bool,
    port: Option<u16>,
}

impl Links {
    /// A list of hosts: `docs.example.org`, `*.example.org` for all below it, each with `:port` where it is not the
    /// scheme's own.
    pub(crate) fn new<'a>(hosts: impl IntoIterator<Item = &'a str>) -> Result<Self, BadRule> {
        let hosts = hosts.into_iter().map(|text| {
            let below = text.starts_with("*.");
            let url = Url::parse(&format!("https://{}/", text.strip_prefix("*.").unwrap_or(text)));
            let url = url.map_err(|_| BadRule::Host)?;
            let plain = url.username().is_empty()
                && url.password().is_none()
                && url.path() == "/"
                && url.query().is_none();
            let host = url.host_str().filter(|_| plain && url.fragment().is_none()).ok_or(BadRule::Host)?;
            Ok(Listed { host: host.to_owned(), below, port: url.port() })
        });
        Ok(Self { hosts: hosts.collect::<Result<_, _>>()? })
    }

    /// Whether an answer may point to an address as it stands in a link or an attribute.
    pub(crate) fn allow(&self, address: &str) -> bool {
        let text = undone(address);
        HERE.iter().all(|here| self.allow_on(here, text.trim()))
    }

    fn allow_on(&self, here: &str, address: &str) -> bool {
        let Ok(url) = Url::parse(here).and_then(|base| base.join(address)) else { return false };
        if url.as_str().starts_with(here) {
            return true;
        }
        let Some(host) = url.host() else { return false };
        let plain =
            matches!(url.scheme(), "https" | "http") && url.username().is_empty() && url.password().is_none();
        plain && self.hosts.iter().any(|listed| listed.fits(&host.to_string(), url.port()))
    }

    /// Judges what stands at a punctuation mark.
    pub(crate) fn judge(&self, window: &Window<'_>, place: usize) -> Option<Edit> {
        match window.at(place) {
            b']' => self.destination(window, place),
            b':' => self.scheme(window, place),
            b'=' => self.attribute(window, place),
            b'/' | b'\\' => self.protocol_relative(window, place),
            b'(' => self.function(window, place),
            _ => None,
        }
    }

    /// An address without a scheme that begins with `www.`, as renderers link it, at the word that begins at `start`.
    pub(crate) fn bare(&self, window: &Window<'_>, start: usize) -> Option<Edit> {
        let lower = window.slice(start, start + 4).to_ascii_lowercase();
        let last = window.before(start);
        if lower != b"www." || last.is_ascii_alphanumeric() || matches!(last, b'/' | b'.' | b'-' | b'@') {
            return None;
        }
        let end = window.run(start, in_address);
        let text = String::from_utf8_lossy(window.slice(start, end));
        (!self.allow(&format!("http://{text}"))).then(|| removed(window, start, end))
    }

    /// `[text](destination "title")` and `[label]: destination`, at the bracket that closes the text.
    fn destination(&self, window: &Window<'_>, place: usize) -> Option<Edit> {
        let mut open = place + 1;
        let inline = match window.at(open) {
            b'(' => true,
            b' ' if window.at(open + 1) == b'(' => {
                open += 1;
                true
            }
            b':' => false,
            _ => return None,
        };
        let start = window.run(open + 1, |byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        let angled = window.at(start) == b'<';
        let end = if angled {
            window.run(start + 1, |byte| !matches!(byte, b'>' | b'\n' | 0))
        } else {
            self.end_of_destination(window, start, inline)
        };
        let text = String::from_utf8_lossy(window.slice(start + usize::from(angled), end));
        if end < place + AHEAD && self.allow(&text) {
            return None;
        }
        let end = if angled && window.at(end) == b'>' { end + 1 } else { end };
        Some(removed(window, start, end))
    }

    /// The end of a destination without angle brackets: a space, or the parenthesis that was not opened in it.
    fn end_of_destination(&self, window: &Window<'_>, start: usize, inline: bool) -> usize {
        let mut depth = 0_u32;
        let mut index = start;
        loop {
            match window.at(index) {
                byte if byte <= b' ' => return index,
                b'\\' => index += usize::from(window.at(index + 1) > b' '),
                b'(' => depth += 1,
                b')' if inline && depth == 0 => return index,
                b')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            index += 1;
        }
    }

    /// An address by its scheme, at the colon after it.
    fn scheme(&self, window: &Window<'_>, place: usize) -> Option<Edit> {
        let start =
            window.run_back(place, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
        let name = window.slice(start, place).to_ascii_lowercase();
        let rest = place + 1;
        let slashes = window.run(rest, |byte| matches!(byte, b'/' | b'\\')) - rest;
        let active = ACTIVE.iter().any(|scheme| name.ends_with(scheme)) && is_active(&name, window, rest);
        let web = matches!(name.as_slice(), b"http" | b"https" | b"ftp" | b"ws" | b"wss");
        if start == place || !(active || slashes >= 2 || web && slashes == 1) {
            return None;
        }
        let end = window.run(rest, in_address);
        let text = String::from_utf8_lossy(window.slice(start, end));
        let kept = !active && self.allow(trimmed(&text));
        (end > rest + slashes && !kept).then(|| removed(window, start, end))
    }

    /// An attribute whose value is an address, at its equals sign.
    fn attribute(&self, window: &Window<'_>, place: usize) -> Option<Edit> {
        let name_end = window.run_back(place, is_gap).min(place);
        let start = window.run_back(name_end, |byte| byte.is_ascii_alphabetic() || byte == b':');
        // A name further away than is looked back may be any.
        let far = place - name_end >= GLUE;
        let name = if far { b"src".to_vec() } else { window.slice(start, name_end).to_ascii_lowercase() };
        if !ATTRIBUTES.contains(&name.as_slice()) {
            return None;
        }
        let value = window.run(place + 1, is_gap);
        let quote = window.at(value);
        let quoted = matches!(quote, b'"' | b'\'');
        let value = value + usize::from(quoted);
        let end = window
            .run(value, |byte| byte != 0 && if quoted { byte != quote } else { byte > b' ' && byte != b'>' });
        let text = String::from_utf8_lossy(window.slice(value, end));
        let text = undone(&text);
        let safe = match name.as_slice() {
            b"style" => !["url", "\\", "image", "import", "expression", "src"]
                .iter()
                .any(|word| text.to_ascii_lowercase().contains(word)),
            b"srcset" | b"imagesrcset" => {
                text.split(',').all(|part| part.split_whitespace().next().is_none_or(|part| self.allow(part)))
            }
            b"ping" => text.split_whitespace().all(|part| self.allow(part)),
            // `content` and `data` are names outside of markup too: only what leads elsewhere counts.
            b"content" | b"data" => {
                !text.contains("//")
                    || text
                        .split([';', ',', ' '])
                        .all(|part| self.allow(part.trim_start_matches("url=").trim_matches(['\'', '"'])))
            }
            // A program's `src = value` is no address, which would have one of these.
            _ => {
                !quoted && is_gap(window.at(place + 1)) && !text.contains([':', '/', '\\'])
                    || self.allow(&text)
            }
        };
        (!safe || end >= place + AHEAD).then(|| removed(window, value, end))
    }

    /// An address without a scheme (`//host`), where only an address can stand.
    fn protocol_relative(&self, window: &Window<'_>, place: usize) -> Option<Edit> {
        let slash = |index| matches!(window.at(index), b'/' | b'\\');
        if !matches!(window.before(place), b'"' | b'\'' | b'(' | b'=' | b'<' | b'`') || !slash(place + 1) {
            return None;
        }
        let end = window.run(place, in_address);
        let text = String::from_utf8_lossy(window.slice(place, end));
        let text = trimmed(&text);
        // A host has a dot; a comment of a program has not.
        (text.contains('.') && !self.allow(text)).then(|| removed(window, place, end))
    }

    /// `url(…)` of a style sheet, at its parenthesis.
    fn function(&self, window: &Window<'_>, place: usize) -> Option<Edit> {
        let start = window.run_back(place, |byte| byte.is_ascii_alphabetic());
        if !window.slice(start, place).eq_ignore_ascii_case(b"url") {
            return None;
        }
        let end = window.run(place + 1, |byte| byte != 0 && byte != b')');
        let text = String::from_utf8_lossy(window.slice(place + 1, end));
        let text = text.trim().trim_matches(['\'', '"']);
        (end >= place + AHEAD || text.contains('\\') || !self.allow(text))
            .then(|| removed(window, place + 1, end))
    }
}

/// What may stand around the equals sign of an attribute (HTML, ASCII whitespace).
const fn is_gap(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}

impl Listed {
    fn fits(&self, host: &str, port: Option<u16>) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        let named = if self.below {
            host.strip_suffix(&self.host).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        } else {
            host == self.host
        };
        named && self.port == port
    }
}

/// Whether what follows the name of an active scheme is a use of it. Prose has `data: three rows` and `about: …`.
fn is_active(name: &[u8], window: &Window<'_>, rest: usize) -> bool {
    let next = window.at(rest);
    match name {
        b"data" => {
            let end = window
                .run(rest, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+' | b'-' | b'.'));
            let text = window.slice(rest, end);
            matches!(window.at(end), b',' | b';') && (text.is_empty() || text.contains(&b'/'))
        }
        b"about" | b"blob" | b"filesystem" | b"file" => {
            next == b'/' || window.starts_with(rest, b"blank") || window.starts_with(rest, b"http")
        }
        _ => next > b' ',
    }
}

/// The piece, to be replaced by a note. One that reaches the end of the window goes on.
fn removed(window: &Window<'_>, start: usize, end: usize) -> Edit {
    let long = window.is_limit(end);
    Edit { start, end, what: What::Link, until: long.then_some(Until::Address) }
}

/// A byte that may stand in an address in running text.
fn in_address(byte: u8) -> bool {
    byte > b' ' && !matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'`' | b')' | b']' | b'}' | b'|')
}

/// An address without the punctuation of the sentence around it.
fn trimmed(text: &str) -> &str {
    text.trim_end_matches(['.', ',', ';', ':', '!', '?', '*', '_', '~'])
}

/// The text with entities of HTML and backslash escapes of markdown undone, as renderers do before they follow it.
fn undone(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '\\']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find(['&', '\\']) {
        let (before, tail) = rest.split_at(place);
        out.push_str(before);
        let mut characters = tail.chars();
        let first = characters.next();
        rest = characters.as_str();
        if first == Some('\\') {
            // Browsers read a backslash as a slash; markdown drops it before punctuation.
            let escapes =
                rest.starts_with(|next: char| next.is_ascii_punctuation() && !matches!(next, '/' | '\\'));
            out.push_str(if escapes { "" } else { "/" });
            continue;
        }
        match entity(rest) {
            Some((character, length)) => {
                out.push(character);
                rest = rest.get(length..).unwrap_or_default();
            }
            None => out.push('&'),
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character that an entity names, and how much of the text after `&` it takes. Of the named ones, those that an
/// address can have.
fn entity(text: &str) -> Option<(char, usize)> {
    const NAMED: &[(&str, char)] = &[
        ("colon;", ':'),
        ("sol;", '/'),
        ("bsol;", '\\'),
        ("period;", '.'),
        ("commat;", '@'),
        ("Tab;", '\t'),
        ("NewLine;", '\n'),
        ("num;", '#'),
        ("quest;", '?'),
        ("lpar;", '('),
        ("rpar;", ')'),
        ("amp;", '&'),
        ("percnt;", '%'),
        ("lowbar;", '_'),
        ("hyphen;", '-'),
        ("shy;", '\u{AD}'),
        ("ZeroWidthSpace;", '\u{200B}'),
        ("nbsp;", ' '),
        ("quot;", '"'),
        ("apos;", '\''),
        ("comma;", ','),
        ("semi;", ';'),
    ];
    if let Some(number) = text.strip_prefix('#') {
        let (digits, radix) = match number.strip_prefix(['x', 'X']) {
            Some(digits) => (digits, 16),
            None => (number, 10),
        };
        let length = digits.find(|digit: char| !digit.is_digit(radix)).unwrap_or(digits.len());
        let value = u32::from_str_radix(digits.get(..length)?, radix).ok()?;
        let taken = text.len() - digits.len() + length;
        return Some((char::from_u32(value)?, taken + usize::from(text.get(taken..)?.starts_with(';'))));
    }
    NAMED.iter().find(|(name, _)| text.starts_with(name)).map(|(name, character)| (*character, name.len()))
}

#[cfg(test)]
mod tests;
