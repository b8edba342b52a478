//! External data: where a tensor's bytes are if not in the model.

use super::EXTERNAL;
use crate::{
    Beside,
    scan::{Scan, Stop},
};

/// Judges the entries that say where a tensor of `bytes` bytes has its data.
pub(super) fn judge(
    at: u64,
    pairs: &[(String, String)],
    bytes: u64,
    scan: &mut Scan<'_>,
) -> Result<(), Stop> {
    match location(pairs, bytes, scan) {
        Ok(location) => scan.claim(location),
        Err(why) => scan.find(&EXTERNAL, at, why),
    }
    Ok(())
}

fn location<'p>(pairs: &'p [(String, String)], bytes: u64, scan: &Scan<'_>) -> Result<&'p str, String> {
    let (mut location, mut offset, mut length) = (None, None, None);
    for (key, value) in pairs {
        let number = || {
            let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            value
                .parse::<u64>()
                .ok()
                .filter(|_| digits)
                .ok_or_else(|| format!("the {key} `{value}` is no number"))
        };
        let twice = match key.as_str() {
            "location" => location.replace(value.as_str()).is_some(),
            "offset" => offset.replace(number()?).is_some(),
            "length" => length.replace(number()?).is_some(),
            "checksum" => false,
            _ => return Err(format!("external data has an entry `{key}`")),
        };
        if twice {
            return Err(format!("external data has its {key} twice"));
        }
    }
    let location = location.ok_or("external data has no location")?;
    canonical(location)?;
    let offset = offset.unwrap_or(0);
    if length.is_some_and(|length| length != bytes) {
        return Err(format!("external data has another length than its tensor of {bytes} bytes"));
    }
    let end = offset.checked_add(length.unwrap_or(bytes)).ok_or("external data ends beyond any file")?;
    let named = format!("external data `{location}`");
    match scan.beside(location) {
        Some(Beside::File(size)) if end <= size => Ok(location),
        Some(Beside::File(size)) => Err(format!("{named} has {size} bytes, and {end} are needed")),
        Some(Beside::Linked) => Err(format!("{named} has another name as well (a hard link)")),
        Some(Beside::Symlink) => Err(format!("{named} is reached through a symbolic link")),
        Some(Beside::Other) => Err(format!("{named} is no regular file")),
        Some(Beside::Missing) => Err(format!("{named} is not there")),
        None => Err(format!("{named} cannot be looked at from here")),
    }
}

/// Whether a location is a relative path in one spelling only.
fn canonical(location: &str) -> Result<(), String> {
    let why = |what: &str| Err(format!("the location `{location}` {what}"));
    if location.is_empty() {
        return why("is empty");
    }
    if location.len() > 4_096 {
        return why("is too long");
    }
    if location.chars().any(|c| {
        c.is_control() || matches!(c, '\\' | ':' | '*' | '?' | '<' | '>' | '|' | '"' | '~' | '$' | '%')
    }) {
        return why("has characters that mean more than a name");
    }
    if location.split('/').any(|part| part.is_empty() || part == "." || part == ".." || part.trim() != part) {
        return why("is not a plain relative path");
    }
    Ok(())
}
