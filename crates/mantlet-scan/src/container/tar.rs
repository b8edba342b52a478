//! Tar archives: ustar and what GNU and pax (POSIX 1003.1-2001) add to it.

use std::collections::BTreeSet;

use super::member;
use crate::{
    Input, Rule,
    scan::{Scan, Stop},
};

/// The archive is whole.
pub(crate) static MALFORMED: Rule = Rule {
    id: "tar/malformed",
    class: "archive-malformed",
    demands: "a tar archive is a sequence of whole entries that plain unpackers understand alike, and ends in zeros",
};

const BLOCK: u64 = 512;
/// Longest name in an entry of its own.
const LONG_NAME_BYTES_MAX: u64 = 4_096;
/// Longest list of pax records.
const RECORDS_BYTES_MAX: u64 = 64 << 10;

/// Whether content begins with a header whose checksum is right.
pub(crate) fn recognizes(input: &Input<'_>) -> Result<bool, Stop> {
    let head = input.head(BLOCK)?;
    Ok(head.len() as u64 == BLOCK && head.first() != Some(&0) && checksum(&head))
}

fn checksum(block: &[u8]) -> bool {
    let sum: u64 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) })
        .sum();
    number(block.get(148..156).unwrap_or_default()) == Some(sum)
}

/// A number in octal digits, or in base 256 as GNU writes large ones.
fn number(field: &[u8]) -> Option<u64> {
    if let [0x80, rest @ ..] = field {
        let (high, low) = rest.split_at_checked(rest.len().checked_sub(8)?)?;
        return high
            .iter()
            .all(|byte| *byte == 0)
            .then(|| low.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)));
    }
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(field.get(..end).unwrap_or_default()).into_owned()
}

/// Whether a field holds printable text and zeros after it.
fn is_padded(field: &[u8]) -> bool {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    let (text, rest) = field.split_at(end);
    rest.iter().all(|byte| *byte == 0) && text.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f)
}

/// What an entry before says of the next one.
#[derive(Default)]
struct Ahead {
    name: Option<String>,
    bytes: Option<u64>,
}

/// Judges an archive and all its members.
pub(crate) fn scan(input: &Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let mut at = 0;
    let mut ahead = Ahead::default();
    let mut seen = BTreeSet::new();
    loop {
        scan.charge(1)?;
        let block = input.read(at, BLOCK)?;
        if block.iter().all(|byte| *byte == 0) {
            break;
        }
        if !checksum(&block) {
            return Err(Stop::malformed(at, "the checksum of a header is wrong"));
        }
        let field = |from: usize, bytes: usize| block.get(from..from + bytes).unwrap_or_default();
        let said = number(field(124, 12)).ok_or_else(|| Stop::malformed(at, "a size is no number"))?;
        let kind = field(156, 1).first().copied().unwrap_or(0);
        let data_at = at + BLOCK;
        // Sizes of headers for the next entry are their own.
        let bytes =
            if matches!(kind, b'x' | b'g' | b'L' | b'K') { said } else { ahead.bytes.take().unwrap_or(said) };
        let next = bytes.checked_next_multiple_of(BLOCK).and_then(|padded| data_at.checked_add(padded));
        let next = next.filter(|next| *next <= input.len()).ok_or(Stop::Cut { offset: at })?;
        // Fields that unpackers do not read must not hold what other readers would.
        if matches!(kind, 0 | b'0' | b'5' | b'7') && field(157, 100).iter().any(|byte| *byte != 0) {
            scan.find(&MALFORMED, at, "an entry that is no link leads somewhere");
        }
        if [field(265, 32), field(297, 32)].into_iter().any(|owner| !is_padded(owner)) {
            scan.find(&MALFORMED, at, "the name of an owner is no name");
        }
        match kind {
            b'L' => ahead.name = Some(text(&input.read(data_at, bounded(at, bytes, LONG_NAME_BYTES_MAX)?)?)),
            b'x' => {
                records(&input.read(data_at, bounded(at, bytes, RECORDS_BYTES_MAX)?)?, at, &mut ahead, scan)?;
            }
            _ => {
                let name = ahead.name.take().unwrap_or_else(|| {
                    let (name, prefix) = (text(field(0, 100)), text(field(345, 155)));
                    if field(257, 6) == b"ustar\0" && !prefix.is_empty() {
                        format!("{prefix}/{name}")
                    } else {
                        name
                    }
                });
                entry(input, kind, &name, at, (data_at, bytes), scan)?;
                if !seen.insert(name.trim_start_matches("./").trim_end_matches('/').to_owned()) {
                    scan.find(&member::PATH, at, format!("`{name}` is there twice"));
                }
            }
        }
        at = next;
    }
    padding(input, at, scan)
}

fn bounded(at: u64, bytes: u64, bytes_max: u64) -> Result<u64, Stop> {
    if bytes <= bytes_max {
        Ok(bytes)
    } else {
        Err(Stop::malformed(at, format!("a header of {bytes} bytes")))
    }
}

fn entry(
    input: &Input<'_>,
    kind: u8,
    name: &str,
    at: u64,
    (data_at, bytes): (u64, u64),
    scan: &mut Scan<'_>,
) -> Result<(), Stop> {
    member::check(name, at, scan);
    match kind {
        // Before POSIX a folder was a file whose name ends in a slash.
        0 | b'0' | b'7' if name.ends_with('/') && bytes == 0 => {}
        0 | b'0' | b'7' => {
            scan.member(name, &input.part(data_at, bytes)?)?;
        }
        b'5' if bytes == 0 => {}
        b'1' | b'2' => scan.find(&member::LINK, at, format!("`{name}` is a link")),
        b'3' | b'4' | b'6' => scan.find(&member::LINK, at, format!("`{name}` is a device or a pipe")),
        other => {
            let why = format!(
                "`{name}` is an entry of kind {:?}, which unpackers understand in several ways",
                char::from(other)
            );
            scan.find(&MALFORMED, at, why);
        }
    }
    Ok(())
}

/// Pax records: `length key=value\n`. Times and owners change nothing; path and size replace those of the next entry.
fn records(bytes: &[u8], at: u64, ahead: &mut Ahead, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let broken = || Stop::malformed(at, "the records before an entry are broken");
    let mut rest = bytes;
    while !rest.is_empty() {
        let space = rest.iter().position(|byte| *byte == b' ').ok_or_else(broken)?;
        let length = std::str::from_utf8(rest.get(..space).unwrap_or_default())
            .ok()
            .and_then(|n| n.parse::<usize>().ok());
        let length =
            length.filter(|length| *length > space + 1 && *length <= rest.len()).ok_or_else(broken)?;
        let record =
            rest.get(space + 1..length).and_then(|record| record.strip_suffix(b"\n")).ok_or_else(broken)?;
        rest = rest.get(length..).ok_or_else(broken)?;
        let record = std::str::from_utf8(record).map_err(|_| broken())?;
        let (key, value) = record.split_once('=').ok_or_else(broken)?;
        match key {
            "path" => ahead.name = Some(value.to_owned()),
            "size" => ahead.bytes = Some(value.parse().map_err(|_| broken())?),
            "mtime" | "atime" | "ctime" | "uid" | "gid" | "uname" | "gname" | "comment" => {}
            other => scan.find(
                &MALFORMED,
                at,
                format!("a record `{other}` changes the entry in a way that is not read here"),
            ),
        }
    }
    Ok(())
}

/// Two blocks of zeros, and as many more as the writer's record needs.
fn padding(input: &Input<'_>, at: u64, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let mut at = at;
    if input.len() - at < 2 * BLOCK {
        scan.find(&MALFORMED, at, "the archive does not end in two blocks of zeros");
    }
    while at < input.len() {
        scan.charge(1)?;
        let count = (input.len() - at).min(64 << 10);
        if let Some(found) = input.read(at, count)?.iter().position(|byte| *byte != 0) {
            return Err(Stop::malformed(at + found as u64, "something follows the end of the archive"));
        }
        at += count;
    }
    Ok(())
}
