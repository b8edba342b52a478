//! Text: programs are refused, templates and YAML are judged, and what is left is documentation, vocabularies and tables.

mod lightgbm;
mod python;
mod xml;
mod yaml;

pub(crate) use self::{
    lightgbm::{MALFORMED as LIGHTGBM, recognizes as is_lightgbm, scan as scan_lightgbm},
    xml::{MALFORMED as XML, recognizes as is_xml, scan as scan_xml},
    yaml::{SYNTAX as YAML, looks_like as is_yaml_text},
};
use super::template;
use crate::{
    Input, Rule, pickle,
    scan::{Scan, Stop},
};

/// Text is UTF-8.
pub(crate) static ENCODING: Rule =
    Rule { id: "text/encoding", class: "unknown", demands: "text is UTF-8 without control characters" };

/// Programs.
pub(crate) static SCRIPT: Rule = Rule {
    id: "text/script",
    class: "custom-code",
    demands: "a model's folder has no scripts and no source code that a loader could run",
};

/// Text that is longer is a data set rather than part of a model.
const TEXT_BYTES_MAX: u64 = 256 << 20;
/// YAML that is longer is not read by anybody.
const YAML_BYTES_MAX: usize = 8 << 20;

/// Whether a byte may stand in text.
fn is_textual(byte: u8) -> bool {
    byte >= 0x20 && byte != 0x7f || matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c)
}

/// The beginning of content as text, if that is what it is. A character that is cut at the end is left out.
pub(crate) fn head(input: &Input<'_>, bytes: u64) -> Result<Option<String>, Stop> {
    let head = input.head(bytes)?;
    let text = match std::str::from_utf8(&head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() && input.len() > bytes => head
            .get(..error.valid_up_to())
            .and_then(|valid| std::str::from_utf8(valid).ok())
            .unwrap_or_default(),
        Err(_) => return Ok(None),
    };
    Ok(text.bytes().all(is_textual).then(|| text.to_owned()))
}

/// Whether content begins like text. Nothing at all is text too.
pub(crate) fn recognizes(input: &Input<'_>) -> Result<bool, Stop> {
    Ok(head(input, 16 << 10)?.is_some())
}

/// Whether content begins like YAML.
pub(crate) fn is_yaml(input: &Input<'_>) -> Result<bool, Stop> {
    Ok(head(input, 4 << 10)?.is_some_and(|head| is_yaml_text(&head)))
}

/// Judges text.
pub(crate) fn scan(input: &Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    if input.len() > TEXT_BYTES_MAX {
        return Err(Stop::Over("bytes of one text"));
    }
    let bytes = input.read(0, input.len())?;
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => return Err(Stop::malformed(error.valid_up_to() as u64, "text is not UTF-8")),
    };
    scan.charge(text.len() as u64 / 16)?;
    if let Some(at) = text.bytes().position(|byte| !is_textual(byte)) {
        return Err(Stop::malformed(at as u64, "a control character stands in text"));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Python ends a line at a carriage return alone as well.
    let lines = text.contains('\r').then(|| text.replace("\r\n", "\n").replace('\r', "\n"));
    if text.starts_with("#!") {
        scan.find(&SCRIPT, 0, "the text begins with the name of its interpreter");
    } else if let Some(name) = python::other_encoding(text) {
        scan.find(&SCRIPT, 0, format!("the text is Python source in the encoding `{name}`"));
    } else if let Some((at, what)) = python::find(text) {
        scan.find(&SCRIPT, at as u64, format!("the text is Python source: {what}"));
    } else if let Some((at, what)) = lines.as_deref().and_then(python::find) {
        scan.find(&SCRIPT, at as u64, format!("the text is Python source: {what}"));
    } else if let Some(language) = other_script(text) {
        scan.find(&SCRIPT, 0, format!("the text is a program ({language})"));
    }
    if let Some(at) = pickle_lines(text) {
        scan.find(&SCRIPT, at as u64, "the text imports and calls a name as pickles do");
    }
    if template::has_tags(text) {
        template::judge(text, 0, scan)?;
    }
    if text.len() <= YAML_BYTES_MAX {
        yaml::judge(text, scan)?;
    } else if is_yaml_text(text.get(..4096).unwrap_or_default()) {
        return Err(Stop::Over("bytes of one YAML document"));
    }
    Ok(())
}

/// Where lines of a pickle of protocol 0 stand in text: a name, and an opcode that calls it soon after. A loader could
/// read numbers that are none here, and so get that far.
fn pickle_lines(text: &str) -> Option<usize> {
    /// How far behind its name a call is looked for.
    const CALL_BYTES_MAX: usize = 1 << 10;
    let word = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
    };
    let mut at = 0;
    let mut lines = text.split('\n').peekable();
    while let Some(line) = lines.next() {
        let start = at;
        at += line.len() + 1;
        let Some(name) = lines.peek().filter(|name| word(name)) else { continue };
        let module = line.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'));
        let last = line.get(module.map_or(0, |at| at + 1)..).unwrap_or_default();
        // The opcode stands before the module, perhaps with others before it.
        let telling = |wanted: char| {
            last.char_indices()
                .any(|(at, opcode)| opcode == wanted && last.get(at + 1..).is_some_and(pickle::is_telling))
        };
        let before = text.as_bytes().get(start.saturating_sub(CALL_BYTES_MAX)..start + line.len());
        let marked = telling('i') && before.is_some_and(|before| before.contains(&b'('));
        if !marked && !telling('c') {
            continue;
        }
        let rest = text.as_bytes().get(at + name.len()..).unwrap_or_default();
        let rest = rest.get(..CALL_BYTES_MAX).unwrap_or(rest);
        let calls = rest.windows(2).enumerate().any(|(place, pair)| match pair {
            b"tR" | b")R" => true,
            [b'\n', b'R' | b'o' | b'b'] => {
                rest.get(place + 2).is_none_or(|next| matches!(next, b'.' | b'0' | b'(' | b'q' | b'p'))
            }
            _ => false,
        });
        if calls || marked && rest.get(1).is_none_or(|next| matches!(next, b'.' | b'0' | b'p')) {
            return Some(start);
        }
    }
    None
}

/// Programs of other languages that announce themselves in their first line.
fn other_script(text: &str) -> Option<&'static str> {
    let first = text.trim_start().lines().next().unwrap_or_default().trim();
    let lower = first.to_ascii_lowercase();
    [
        ("<?php", "PHP"),
        ("@echo off", "batch"),
        ("<script", "HTML"),
        ("#requires -", "PowerShell"),
        ("'use strict'", "JavaScript"),
        ("\"use strict\"", "JavaScript"),
    ]
    .into_iter()
    .find(|(start, _)| lower.starts_with(start))
    .map(|(_, language)| language)
}

#[cfg(test)]
mod tests;
