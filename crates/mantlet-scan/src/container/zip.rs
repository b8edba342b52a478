//! Zip archives (APPNOTE 6.3): read by the central directory *and* by local headers, which must say the same and together
//! account for every byte. Readers differ in which of the two they believe, and hide-outs are made of such differences.

mod entry;

use std::collections::BTreeSet;

use entry::{ENDS_WITH_MARK, Entry, central, local};

use super::{
    inflate::{Method, inflate_by, window},
    member,
};
use crate::{
    Input, Rule,
    pickle::{self, Storages},
    scan::{Scan, Stop},
};

/// The archive is consistent.
pub(crate) static MALFORMED: Rule = Rule {
    id: "zip/malformed",
    class: "archive-malformed",
    demands: "a zip archive's directory and headers agree and account for every byte",
};
/// Members can be read.
pub(super) static UNREADABLE: Rule = Rule {
    id: "zip/unreadable",
    class: "archive-malformed",
    demands: "members are stored, or compressed in a way that is read here, not encrypted, and as long as is said",
};

const END: &[u8] = b"PK\x05\x06";
const END_BYTES: u64 = 22;
const END64: &[u8] = b"PK\x06\x06";
const END64_BYTES: u64 = 56;
const LOCATOR: &[u8] = b"PK\x06\x07";
const LOCATOR_BYTES: u64 = 20;
/// A comment has a length of two bytes.
const COMMENT_BYTES_MAX: u64 = 0xffff;
/// Members larger than this are not read for the sake of their checksum alone.
const CHECKSUM_BYTES_MAX: u64 = 16 << 20;

/// The end of the central directory.
struct End {
    /// Where its record begins.
    at: u64,
    /// Where records of the end begin, those of 64 bits first.
    records_at: u64,
    members: u64,
    directory_bytes: u64,
    directory_at: u64,
}

/// Whether content is a zip archive: begins like one, or has a directory at its end as readers look for it.
pub(crate) fn recognizes(input: &Input<'_>) -> Result<bool, Stop> {
    if matches!(&input.head(4)?[..], b"PK\x03\x04" | b"PK\x05\x06" | b"PK\x01\x02" | b"PK\x07\x08" | b"PK00")
    {
        return Ok(true);
    }
    Ok(find_end(input)?.is_some())
}

/// Looks for the end record as Python does, from the back, whatever follows it.
fn find_end(input: &Input<'_>) -> Result<Option<End>, Stop> {
    let tail_bytes = input.len().min(END_BYTES + COMMENT_BYTES_MAX);
    let tail_at = input.len() - tail_bytes;
    let tail = input.read(tail_at, tail_bytes)?;
    let found = tail.windows(END.len()).enumerate().rev().filter(|(_, window)| *window == END);
    for (at, _) in found {
        if let Some(end) = read_end(input, tail_at + at as u64)? {
            return Ok(Some(end));
        }
    }
    Ok(None)
}

/// The end record at a place, if a directory stands before it.
fn read_end(input: &Input<'_>, at: u64) -> Result<Option<End>, Stop> {
    let Ok(record) = input.read(at, END_BYTES) else { return Ok(None) };
    let mut end = End {
        at,
        records_at: at,
        members: u64::from(u16_at(&record, 10)),
        directory_bytes: u64::from(u32_at(&record, 12)),
        directory_at: u64::from(u32_at(&record, 16)),
    };
    let short = (end.members, end.directory_bytes, end.directory_at);
    if let Some(locator_at) = at.checked_sub(LOCATOR_BYTES)
        && input.read(locator_at, 4)?[..] == *LOCATOR
    {
        let record_at = u64_at(&input.read(locator_at, LOCATOR_BYTES)?, 8);
        // Its place is counted from the archive's beginning, where something may have been put before.
        let record_at = if record_at.checked_add(END64_BYTES) == Some(locator_at) {
            Some(record_at)
        } else {
            locator_at.checked_sub(END64_BYTES)
        };
        let Some(record_at) = record_at else { return Ok(None) };
        let record = input.read(record_at, END64_BYTES)?;
        if record.get(..4) != Some(END64) {
            return Ok(None);
        }
        end.records_at = record_at;
        end.members = u64_at(&record, 32);
        end.directory_bytes = u64_at(&record, 40);
        end.directory_at = u64_at(&record, 48);
        let agrees = |short: u64, full: u64, all_ones: u64| short == all_ones || short == full;
        if !agrees(short.0, end.members, 0xffff)
            || !agrees(short.1, end.directory_bytes, 0xffff_ffff)
            || !agrees(short.2, end.directory_at, 0xffff_ffff)
        {
            return Err(Stop::malformed(at, "the two records of the end disagree"));
        }
    }
    let Some(directory_at) = end.records_at.checked_sub(end.directory_bytes) else { return Ok(None) };
    let plausible = end.directory_bytes == 0 || input.read(directory_at, 4)?[..] == *b"PK\x01\x02";
    Ok(plausible.then_some(end))
}

/// Judges an archive and all its members.
pub(crate) fn scan(input: &Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let end =
        find_end(input)?.ok_or_else(|| Stop::malformed(0, "the archive has no directory at its end"))?;
    let record = input.read(end.at, END_BYTES)?;
    if (u16_at(&record, 4), u16_at(&record, 6)) != (0, 0) {
        return Err(Stop::malformed(end.at, "the archive is one of several parts"));
    }
    if end.at + END_BYTES != input.len() || u16_at(&record, 20) != 0 {
        scan.find(&MALFORMED, end.at + END_BYTES, "a comment or other bytes follow the archive");
    }
    let directory_at = end.records_at - end.directory_bytes;
    // Where all offsets count from.
    let Some(base) = directory_at.checked_sub(end.directory_at) else {
        return Err(Stop::malformed(end.at, "the directory is not where the end says"));
    };
    if base > 0 {
        scan.find(&MALFORMED, 0, format!("{base} bytes stand before the archive"));
    }
    let entries = central(input, directory_at, end.directory_bytes, end.members, scan)?;
    let placed = places(input, &entries, base, directory_at, scan)?;
    members(input, &entries, &placed, scan)
}

/// Where each member's data is, with headers compared and every byte accounted for.
fn places(
    input: &Input<'_>,
    entries: &[Entry],
    base: u64,
    directory_at: u64,
    scan: &mut Scan<'_>,
) -> Result<Vec<Option<u64>>, Stop> {
    let mut places = vec![None; entries.len()];
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|at| entries.get(*at).map(|entry| entry.local_at));
    let mut expected = base;
    for at in order {
        scan.charge(1)?;
        let Some(entry) = entries.get(at) else { continue };
        let local_at = base.saturating_add(entry.local_at);
        if local_at != expected {
            let what = if local_at > expected { "bytes stand between members" } else { "members overlap" };
            scan.find(&MALFORMED, expected.min(local_at), format!("{what} before `{}`", entry.name));
        }
        match local(input, entry, local_at, directory_at, scan) {
            Ok((data_at, ends)) => {
                if let Some(place) = places.get_mut(at) {
                    *place = Some(data_at);
                }
                expected = ends;
            }
            Err(stop) => {
                scan.stopped(&MALFORMED, stop);
                expected = directory_at;
            }
        }
    }
    if expected != directory_at {
        scan.find(&MALFORMED, expected, "bytes stand between the last member and the directory");
    }
    Ok(places)
}

fn members(
    input: &Input<'_>,
    entries: &[Entry],
    places: &[Option<u64>],
    scan: &mut Scan<'_>,
) -> Result<(), Stop> {
    let mut seen = BTreeSet::new();
    for entry in entries {
        member::check(&entry.name, entry.directory_at, scan);
        if !seen.insert(entry.name.as_str()) {
            scan.find(&member::PATH, entry.directory_at, format!("`{}` is there twice", entry.name));
        }
        if entry.is_special() {
            scan.find(&member::LINK, entry.directory_at, format!("`{}` is a link or a device", entry.name));
        }
    }
    // PyTorch: one folder with `data.pkl`, whose persistent ids name the members with the bytes of tensors.
    let mut pickles = entries.iter().filter_map(|entry| entry.name.strip_suffix("/data.pkl"));
    let torch = pickles.next().filter(|folder| !folder.contains('/')).filter(|_| pickles.next().is_none());
    let mut storages = Storages::default();
    if let Some(folder) = torch {
        let name = format!("{folder}/data.pkl");
        let found = entries.iter().zip(places).find(|(entry, _)| entry.name == name);
        if let Some((entry, Some(place))) = found {
            storages = scan.enter(&entry.name, |scan| {
                scan.carries_code();
                let mut storages = Storages::default();
                with_content(input, entry, *place, scan, &mut |content, scan| {
                    storages = pickle::scan_torch(*content, scan).unwrap_or_else(|stop| {
                        scan.stopped(&pickle::MALFORMED, stop);
                        Storages::default()
                    });
                });
                Ok(storages)
            })?;
        }
    }
    for (entry, place) in entries.iter().zip(places) {
        let (Some(place), false) = (place, entry.name.ends_with('/')) else { continue };
        let within =
            torch.and_then(|folder| entry.name.strip_prefix(folder)).and_then(|rest| rest.strip_prefix('/'));
        match within {
            Some("data.pkl") => {}
            Some(rest) if is_note(rest, entry) => {}
            Some(rest) if storage(rest, entry, &mut storages, scan) => {}
            _ => {
                scan.enter(&entry.name, |scan| {
                    with_content(input, entry, *place, scan, &mut |content, scan| {
                        scan.content(content);
                    });
                    Ok(())
                })?;
            }
        }
    }
    if let Some(key) = storages.found.keys().next() {
        scan.find(&MALFORMED, None, format!("storage `{key}` is missing"));
    }
    Ok(())
}

/// Whether a member is one of PyTorch's notes of version, byte order and alignment: a few bytes that nothing interprets.
fn is_note(name: &str, entry: &Entry) -> bool {
    let notes = ["version", "byteorder", ".format_version", ".storage_alignment", ".data/serialization_id"];
    notes.contains(&name) && entry.method == 0 && entry.bytes <= 64
}

/// Whether a member holds the bytes of a tensor, as many as the pickle says: nothing else is ever done with them.
fn storage(name: &str, entry: &Entry, storages: &mut Storages, scan: &mut Scan<'_>) -> bool {
    let Some(key) = name.strip_prefix("data/") else { return false };
    let Some(storage) = storages.found.remove(key) else { return false };
    let bytes = storage.items.checked_mul(storage.item_bytes);
    if bytes != Some(entry.bytes) || entry.stored_bytes != entry.bytes {
        let why = format!("`{}` has {} bytes where the pickle says {bytes:?}", entry.name, entry.bytes);
        scan.find(&MALFORMED, entry.directory_at, why);
    }
    true
}

/// Hands a member's content over, decompressed if need be.
fn with_content(
    input: &Input<'_>,
    entry: &Entry,
    place: u64,
    scan: &mut Scan<'_>,
    take: &mut dyn FnMut(&Input<'_>, &mut Scan<'_>),
) {
    if let Err(stop) = open(input, entry, place, scan, take) {
        scan.stopped(&UNREADABLE, stop);
    }
}

fn open(
    input: &Input<'_>,
    entry: &Entry,
    place: u64,
    scan: &mut Scan<'_>,
    take: &mut dyn FnMut(&Input<'_>, &mut Scan<'_>),
) -> Result<(), Stop> {
    let stored = input.part(place, entry.stored_bytes)?;
    let crc = match entry.method {
        0 => {
            take(&stored, scan);
            if stored.len() > CHECKSUM_BYTES_MAX {
                entry.crc
            } else {
                crc32fast::hash(&stored.read(0, stored.len())?)
            }
        }
        other => {
            let (method, stream) = compression(other, entry, stored)?;
            let inflated = inflate_by(Box::new(move || method.stream(stream)), None, &[], scan)?;
            let content = inflated.input();
            if content.len() != entry.bytes {
                let why =
                    format!("`{}` has {} bytes where {} are said", entry.name, content.len(), entry.bytes);
                scan.find(&UNREADABLE, None, why);
            }
            take(&content, scan);
            inflated.crc
        }
    };
    if crc != entry.crc {
        scan.find(&UNREADABLE, None, format!("the checksum of `{}` is wrong", entry.name));
    }
    Ok(())
}

/// How a member is compressed, and the stream behind what its compression writes before.
fn compression<'a>(number: u16, entry: &Entry, stored: Input<'a>) -> Result<(Method, Input<'a>), Stop> {
    let method = match number {
        8 => Method::Deflate,
        12 => Method::Bzip2,
        93 => Method::Zstd,
        // A version, the length of the properties, and these (APPNOTE 5.8.8).
        14 => {
            let head = stored.read(0, 9)?;
            if u16_at(&head, 2) != 5 {
                return Err(Stop::malformed(2, "the properties of LZMA are not five bytes long"));
            }
            let dictionary = window(u32_at(&head, 5), entry.bytes)?;
            let bytes = if entry.flags & ENDS_WITH_MARK != 0 { u64::MAX } else { entry.bytes };
            let method =
                Method::RawLzma { properties: head.get(4).copied().unwrap_or(u8::MAX), dictionary, bytes };
            return Ok((method, stored.part(9, stored.len() - 9)?));
        }
        other => return Err(Stop::malformed(0, format!("compression method {other} is not read here"))),
    };
    Ok((method, stored))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|part| part.try_into().ok()).map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|part| part.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|part| part.try_into().ok()).map_or(0, u64::from_le_bytes)
}
