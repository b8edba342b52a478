//! XML: PMML and OpenVINO's intermediate representation. Entities, external subsets and includes are refused.

use crate::{
    Input, Rule,
    format::window::shown,
    scan::{Scan, Stop},
};

/// The document is well-formed.
pub(crate) static MALFORMED: Rule =
    Rule { id: "xml/syntax", class: "xml-malformed", demands: "an XML document is well-formed" };

static ENTITY: Rule = Rule {
    id: "xml/entity",
    class: "xml-entity",
    demands: "XML has no document type, no entities but the five, and no processing instructions",
};

static ROOT: Rule = Rule {
    id: "xml/root",
    class: "unknown",
    demands: "an XML document is PMML or OpenVINO's representation, which are the ones known here",
};

static CODE: Rule = Rule {
    id: "xml/code",
    class: "xml-code",
    demands: "PMML calls built-in functions and its own, and names no classes, scripts or other documents",
};

const DEPTH_MAX: usize = 1_000;

/// Whether content begins like XML that is no page for people.
pub(crate) fn recognizes(input: &Input<'_>) -> Result<bool, Stop> {
    let head = super::head(input, 1 << 10)?.unwrap_or_default();
    let head = head.trim_start_matches('\u{feff}').trim_start();
    Ok(["<?xml", "<!DOCTYPE", "<!ENTITY", "<PMML", "<net "].iter().any(|start| head.starts_with(start)))
}

/// Judges a document.
pub(crate) fn scan(input: &Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let bytes = input.read(0, input.len())?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| Stop::malformed(error.valid_up_to() as u64, "the document is not UTF-8"))?;
    let mut open: Vec<&str> = Vec::new();
    let mut roots = 0;
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('<')) {
        scan.charge(1)?;
        references(text.get(at..at + found).unwrap_or_default(), at, scan);
        at += found;
        let rest = text.get(at..).unwrap_or_default();
        let until =
            |end: &str| rest.find(end).map(|to| to + end.len()).ok_or(Stop::Cut { offset: at as u64 });
        if rest.starts_with("<!--") {
            at += until("-->")?;
        } else if rest.starts_with("<![CDATA[") {
            at += until("]]>")?;
        } else if rest.starts_with("<!") {
            scan.find(&ENTITY, at as u64, "the document declares a type or entities");
            return Ok(());
        } else if rest.starts_with("<?") {
            let end = until("?>")?;
            if !(rest.starts_with("<?xml ") && at < 4) {
                scan.find(&ENTITY, at as u64, "the document has a processing instruction");
            }
            at += end;
        } else {
            let end = tag_end(rest).ok_or(Stop::Cut { offset: at as u64 })?;
            let tag = rest.get(1..end).unwrap_or_default();
            at = element(tag, at, end, &mut open, &mut roots, scan)?;
        }
    }
    if !open.is_empty() {
        return Err(Stop::Cut { offset: text.len() as u64 });
    }
    if roots != 1 {
        return Err(Stop::malformed(0, "the document has not one root"));
    }
    Ok(())
}

/// Where a tag ends: at the first `>` outside of quotes.
fn tag_end(tag: &str) -> Option<usize> {
    let mut quote = None;
    tag.char_indices().find_map(|(at, c)| {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if c == '>' => return Some(at),
            None => {}
        }
        None
    })
}

fn element<'t>(
    tag: &'t str,
    at: usize,
    end: usize,
    open: &mut Vec<&'t str>,
    roots: &mut usize,
    scan: &mut Scan<'_>,
) -> Result<usize, Stop> {
    let offset = at as u64;
    let next = at + end + 1;
    if let Some(name) = tag.strip_prefix('/') {
        if open.pop() != Some(name.trim_end()) {
            return Err(Stop::malformed(offset, "elements do not close in turn"));
        }
        return Ok(next);
    }
    let empty = tag.ends_with('/');
    let tag = tag.strip_suffix('/').unwrap_or(tag);
    let name = tag.split(char::is_whitespace).next().unwrap_or_default();
    if name.is_empty() {
        return Err(Stop::malformed(offset, "an element has no name"));
    }
    references(tag, at, scan);
    if open.is_empty() {
        *roots += 1;
        if !["PMML", "net"].contains(&name) {
            scan.find(&ROOT, offset, format!("the document is `{}`", shown(name)));
        }
    }
    let lower = name.to_ascii_lowercase();
    if name.contains(':') || lower.contains("script") || lower == "include" || name == "TableLocator" {
        scan.find(&CODE, offset, format!("the document has the element `{}`", shown(name)));
    }
    let root = open.first().copied().unwrap_or(name);
    for (key, value) in attributes(tag.get(name.len()..).unwrap_or_default()) {
        let class = key == "function" && value.contains(['.', ':', '(']) && root == "PMML";
        let outside = ["href", "src", "xlink:href", "xi:href", "xsi:schemaLocation"].contains(&key)
            && key != "xsi:schemaLocation";
        let extension = root == "net"
            && key == "version"
            && name == "layer"
            && !value.starts_with("opset")
            && !value.starts_with("experimental");
        if class || outside || extension {
            scan.find(&CODE, offset, format!("`{}` is `{}`", shown(key), shown(value)));
        }
    }
    if !empty {
        if open.len() >= DEPTH_MAX {
            return Err(Stop::malformed(offset, "elements are nested too deeply"));
        }
        open.push(name);
    }
    Ok(next)
}

fn attributes(tag: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = tag;
    std::iter::from_fn(move || {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let quote = after.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        let (value, next) = after.get(1..)?.split_once(quote)?;
        rest = next;
        Some((key.trim(), value))
    })
}

/// Refers to nothing but the five characters that XML itself names, and characters by number.
fn references(text: &str, at: usize, scan: &mut Scan<'_>) {
    for (place, _) in text.match_indices('&') {
        let rest = text.get(place + 1..).unwrap_or_default();
        let known = ["amp;", "lt;", "gt;", "quot;", "apos;", "#"].iter().any(|name| rest.starts_with(name));
        if !known {
            scan.find(&ENTITY, (at + place) as u64, "the document refers to an entity");
            return;
        }
    }
}
