//! Markup in an answer: what a renderer may be given is rebuilt tag by tag from a short list; the rest is shown as text
//! or removed.
//!
//! A tag is decided when its end was seen, so that answers can stream. Nothing of a tag leaves as it came: the name is
//! taken from the list, the attributes are what ammonia leaves of them, and every other `<` that could begin markup
//! becomes `&lt;`. No element of the list is raw text or foreign content, so what leaves means the same to every parser.

use std::sync::LazyLock;

use ammonia::Builder;

use super::{
    redact::redact_kinds,
    rules::Rules,
    scan::{Edit, Until, What},
    window::{AHEAD, Window, is_continuation},
};

/// Elements that may stay.
const ALLOWED: &[&str] = &[
    "a",
    "abbr",
    "b",
    "blockquote",
    "br",
    "code",
    "dd",
    "del",
    "details",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "u",
    "ul",
    "var",
];

/// Elements that are removed with everything in them.
pub(crate) const SWALLOWED: &[&str] = &[
    "script",
    "style",
    "iframe",
    "object",
    "svg",
    "math",
    "template",
    "noscript",
    "textarea",
    "title",
    "xmp",
    "noembed",
    "noframes",
    "plaintext",
    "select",
    "applet",
    "frameset",
    "audio",
    "video",
    "canvas",
    "head",
];

/// Elements that are removed alone: they have no content, or theirs may stay.
const REMOVED: &[&str] = &[
    "embed", "link", "meta", "base", "form", "input", "button", "frame", "param", "source", "track", "html",
    "body", "marquee", "keygen", "dialog", "portal", "area", "map", "image", "isindex", "option", "optgroup",
    "bgsound", "layer",
];

/// Keeps attributes that neither act nor point anywhere unlisted; addresses are judged before.
static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::default();
    builder.add_tags(ALLOWED).link_rel(Some("noopener noreferrer nofollow"));
    builder.url_schemes(["http", "https"].into()).strip_comments(true);
    builder
});

/// Judges what begins with the `<` at `place`.
pub(crate) fn judge(rules: &Rules, window: &Window<'_>, place: usize) -> Option<Edit> {
    let closing = window.at(place + 1) == b'/';
    let start = place + 1 + usize::from(closing);
    match window.at(start) {
        b'!' if !closing && window.starts_with(start, b"!--") => {
            return Some(Edit {
                start: place,
                end: start + 3,
                what: What::Html,
                until: Some(Until::Comment),
            });
        }
        b'!' | b'?' => return Some(escaped(place)),
        byte if byte.is_ascii_alphabetic() => {}
        // `</` before anything else is a comment to a browser; `<` before anything else is text.
        _ => return closing.then(|| escaped(place)),
    }
    let name_end = window.run(start, |byte| byte > b' ' && byte != b'>' && byte != b'/');
    let name = String::from_utf8_lossy(window.slice(start, name_end)).to_ascii_lowercase();
    if let Some(index) = SWALLOWED.iter().position(|other| *other == name) {
        if closing {
            return Some(escaped(place));
        }
        let index = u8::try_from(index).unwrap_or_default();
        return Some(Edit {
            start: place,
            end: name_end,
            what: What::Html,
            until: Some(Until::Element(index)),
        });
    }
    let allowed = ALLOWED.iter().find(|other| **other == name);
    if allowed.is_none() && !REMOVED.contains(&name.as_str()) {
        return Some(escaped(place));
    }
    let end = end_of_tag(window, name_end);
    if end >= place + AHEAD || window.at(end) != b'>' {
        return Some(escaped(place));
    }
    let what = match allowed {
        None => What::Html,
        Some(name) if closing => What::Text(format!("</{name}>")),
        Some(name) => rebuilt(rules, name, window.slice(name_end, end)),
    };
    Some(Edit::new(place, end + 1, what))
}

/// A `<` that is shown instead of read.
fn escaped(place: usize) -> Edit {
    Edit::new(place, place + 1, What::Text("&lt;".to_owned()))
}

/// The `>` that ends a tag, by the tokenization of HTML: quotes count after an equals sign alone.
fn end_of_tag(window: &Window<'_>, start: usize) -> usize {
    let mut index = start;
    let mut quote = 0;
    let mut after_equals = false;
    loop {
        let byte = window.at(index);
        match byte {
            // The end of the text or of the window.
            0 => return index,
            _ if quote != 0 => quote = if byte == quote { 0 } else { quote },
            b'"' | b'\'' if after_equals => quote = byte,
            b'>' => return index,
            _ => {}
        }
        after_equals = byte == b'=' || after_equals && byte <= b' ';
        index += 1;
    }
}

/// A start tag of the list with what may stay of its attributes.
fn rebuilt(rules: &Rules, name: &str, attributes: &[u8]) -> What {
    let attributes = String::from_utf8_lossy(attributes);
    let attributes = attributes.trim_end_matches('/').trim();
    if attributes.is_empty() {
        return if name == "img" { What::Html } else { What::Text(format!("<{name}>")) };
    }
    let clean = CLEANER.clean(&format!("<{name} {attributes}>")).to_string();
    // Parts of a table mean nothing by themselves, so they lose their attributes.
    let whole = clean.starts_with(&format!("<{name}"));
    let tag = whole.then(|| clean.split_inclusive('>').next()).flatten().unwrap_or_default();
    if name == "img" && !tag.contains("src=") || !points_well(rules, tag) {
        return if name == "img" { What::Link } else { What::Text(format!("<{name}>")) };
    }
    if tag.is_empty() {
        return What::Text(format!("<{name}>"));
    }
    What::Text(if rules.kinds.is_empty() { tag.to_owned() } else { redact_kinds(tag, rules.kinds).text })
}

/// Whether every address in a cleaned tag is listed. In what ammonia writes, values stand in double quotes.
fn points_well(rules: &Rules, tag: &str) -> bool {
    let Some(links) = &rules.links else { return true };
    ["href=\"", "src=\"", "cite=\""].iter().all(|name| {
        tag.split(name).skip(1).all(|value| links.allow(value.split('"').next().unwrap_or_default()))
    })
}

/// How far a removed element goes in the bytes that have arrived, and whether it ends there.
pub(crate) fn end_of_element(index: u8, bytes: &[u8], place: usize, whole: bool) -> (usize, bool) {
    let name = SWALLOWED.get(usize::from(index)).copied().unwrap_or_default().as_bytes();
    let mut start = place;
    while let Some(found) = bytes.get(start..).and_then(|rest| rest.iter().position(|byte| *byte == b'<')) {
        start += found;
        let tag = bytes.get(start + 1..).unwrap_or_default();
        let arrived = tag.get(..name.len() + 2).unwrap_or(tag);
        let named = arrived.iter().enumerate().all(|(at, byte)| match at {
            0 => *byte == b'/',
            at if at <= name.len() => name.get(at - 1) == Some(&byte.to_ascii_lowercase()),
            _ => matches!(byte, b'>' | b'/' | b' ' | b'\t' | b'\n' | b'\r' | 0x0C),
        });
        if named && arrived.len() < name.len() + 2 {
            return (if whole { bytes.len() } else { start }, whole);
        }
        if named {
            match tag.iter().take(AHEAD).position(|byte| *byte == b'>') {
                Some(close) => return (start + 1 + close + 1, true),
                // An end tag that goes on and on is taken for ended.
                None if tag.len() >= AHEAD => return (start + 1 + arrived.len(), true),
                None => return (if whole { bytes.len() } else { start }, whole),
            }
        }
        start += 1;
    }
    (floor(bytes, bytes.len()), whole)
}

/// How far a removed comment goes in the bytes that have arrived, and whether it ends there.
pub(crate) fn end_of_comment(bytes: &[u8], place: usize, whole: bool) -> (usize, bool) {
    let rest = bytes.get(place..).unwrap_or_default();
    match rest.windows(3).position(|three| three == b"-->") {
        Some(found) => (place + found + 3, true),
        // The hyphens that may belong to the end stay.
        None if whole => (bytes.len(), true),
        None => (floor(bytes, bytes.len().saturating_sub(2).max(place)), false),
    }
}

/// The character boundary at or before an index.
fn floor(bytes: &[u8], mut index: usize) -> usize {
    while index > 0 && bytes.get(index).is_some_and(|byte| is_continuation(*byte)) {
        index -= 1;
    }
    index
}

#[cfg(test)]
mod tests;
