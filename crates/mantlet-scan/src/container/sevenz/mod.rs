//! 7z archives (7zFormat.txt of the LZMA SDK): every file of every folder, whose streams together account for every byte.
//!
//! Several files share one compressed stream. It is unpacked once for its checksums; files for which there is room are then
//! judged in memory, in the order in which they stand, so that the stream need not be begun again for each.

mod bytes;
mod coder;
mod files;
mod streams;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use bytes::Bytes;
use files::File;
use streams::Folder;

use super::{inflate::inflate_by, member};
use crate::{
    Input, Rule,
    scan::{Scan, Stop},
};

/// The archive is consistent.
pub(crate) static MALFORMED: Rule = Rule {
    id: "sevenz/malformed",
    class: "archive-malformed",
    demands: "a 7z archive's header is whole, and its streams account for every byte",
};
/// Members can be read.
static UNREADABLE: Rule = Rule {
    id: "sevenz/unreadable",
    class: "archive-malformed",
    demands: "members of 7z archives are compressed in a way that is read here, not encrypted, and as their checksums say",
};

const MAGIC: &[u8] = b"7z\xbc\xaf\x27\x1c";
/// What precedes the packed streams.
const START_BYTES: u64 = 32;
/// Longest header, unpacked. One of 100,000 files has about 10 MB.
const HEADER_BYTES_MAX: u64 = 16 << 20;
/// Headers within headers. Writers pack theirs once.
const PACKED_MAX: u32 = 2;

const HEADER: u8 = 0x01;
const MAIN_STREAMS: u8 = 0x04;
const FILES: u8 = 0x05;
const PACKED_HEADER: u8 = 0x17;

/// Whether content begins with the signature.
pub(crate) fn recognizes(input: &Input<'_>) -> Result<bool, Stop> {
    Ok(input.head(MAGIC.len() as u64)?[..] == *MAGIC)
}

/// Judges an archive and all its members.
pub(crate) fn scan(input: &Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let start = input.read(0, START_BYTES)?;
    let mut fields = Bytes::new(start.get(6..).unwrap_or_default());
    let version = fields.take(2)?;
    let start_crc = fields.u32()?;
    if version.first() != Some(&0) || start_crc != crc32fast::hash(start.get(12..).unwrap_or_default()) {
        return Err(Stop::malformed(6, "the archive's beginning is of no known version, or spoiled"));
    }
    let mut next = || Ok(u64::from(fields.u32()?) | u64::from(fields.u32()?) << 32);
    let (header_at, header_bytes): (u64, u64) = (next()?, next()?);
    let header_crc = fields.u32()?;
    let end = header_at.checked_add(header_bytes).and_then(|end| end.checked_add(START_BYTES));
    if end != Some(input.len()) {
        return Err(Stop::malformed(12, "the header is not where the archive ends"));
    }
    let packed = input.part(START_BYTES, header_at)?;
    // Ranges of packed streams.
    let mut used: Vec<(u64, u64)> = Vec::new();
    let archive = if header_bytes == 0 {
        Archive::default()
    } else {
        let header = input.part(START_BYTES + header_at, header_bytes)?;
        read(packed, header, header_crc, &mut used, scan)?
    };
    used.extend(archive.folders.iter().map(|folder| (folder.packed_at, folder.packed_bytes)));
    used.sort_unstable();
    let covered = used.iter().try_fold(0_u64, |at, (start, bytes)| (*start == at).then(|| at + bytes));
    if covered != Some(header_at) {
        scan.find(&MALFORMED, START_BYTES, "packed streams overlap, or bytes belong to none of them");
    }
    members(packed, &archive, scan)
}

/// Everything that a header says.
#[derive(Default)]
struct Archive {
    folders: Vec<Folder>,
    files: Vec<File>,
}

/// Reads the header, unpacked if need be.
fn read(
    packed: Input<'_>,
    header: Input<'_>,
    crc: u32,
    used: &mut Vec<(u64, u64)>,
    scan: &mut Scan<'_>,
) -> Result<Archive, Stop> {
    let bounded = |bytes: u64| if bytes > HEADER_BYTES_MAX { Err(Stop::Over("memory")) } else { Ok(()) };
    bounded(header.len())?;
    // What is made of a header's bytes takes several times as much.
    let mut held = scan.hold(header.len())?;
    let mut text = header.read(0, header.len())?.into_owned();
    let mut expected = Some(crc);
    for _ in 0..=PACKED_MAX {
        scan.charge(text.len() as u64)?;
        if expected.is_some_and(|crc| crc != crc32fast::hash(&text)) {
            return Err(Stop::malformed(header_place(&packed), "the checksum of the header is wrong"));
        }
        let mut fields = Bytes::new(&text);
        match fields.byte()? {
            HEADER => return parse(&mut fields),
            PACKED_HEADER => {
                let folders = streams::read(&mut fields)?;
                let ([folder], 0) = (&folders[..], fields.left()) else {
                    return Err(fields.malformed("a packed header is no single stream"));
                };
                bounded(folder.bytes)?;
                used.push((folder.packed_at, folder.packed_bytes));
                let stream = packed.part(folder.packed_at, folder.packed_bytes)?;
                let inflated =
                    inflate_by(coder::open(&folder.coders, stream)?, Some(folder.bytes), &[], scan)?;
                expected = folder.crc;
                let unpacked = inflated.input().read(0, folder.bytes)?.into_owned();
                drop(inflated);
                held = scan.hold(unpacked.len() as u64)?;
                text = unpacked;
            }
            _ => return Err(fields.malformed("the header begins as none does")),
        }
    }
    drop(held);
    Err(Stop::malformed(header_place(&packed), "headers are packed in headers"))
}

fn header_place(packed: &Input<'_>) -> u64 {
    START_BYTES + packed.len()
}

fn parse(fields: &mut Bytes<'_>) -> Result<Archive, Stop> {
    let mut archive = Archive::default();
    let mut id = fields.byte()?;
    if id == MAIN_STREAMS {
        archive.folders = streams::read(fields)?;
        id = fields.byte()?;
    }
    if id == FILES {
        archive.files = files::read(fields)?;
        id = fields.byte()?;
    }
    if id != streams::END || fields.left() > 0 {
        return Err(fields.malformed("the header has more than streams and files"));
    }
    let parts: usize = archive.folders.iter().map(|folder| folder.parts.len()).sum();
    if parts != archive.files.iter().filter(|file| !file.is_empty).count() {
        return Err(fields.malformed("files are not as many as there are contents"));
    }
    Ok(archive)
}

/// Judges names and kinds, and then what files hold.
fn members(packed: Input<'_>, archive: &Archive, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let mut seen = BTreeSet::new();
    for file in &archive.files {
        scan.charge(1)?;
        let name = if file.is_directory() { format!("{}/", file.name) } else { file.name.clone() };
        member::check(&name, START_BYTES + packed.len(), scan);
        if !seen.insert(file.name.as_str()) {
            scan.find(&member::PATH, None, format!("`{}` is there twice", file.name));
        }
        if file.is_special() {
            scan.find(&member::LINK, None, format!("`{}` is a link or a device", file.name));
        }
        if file.is_empty && !file.is_directory() {
            scan.member(&file.name, &Input::Memory(&[]))?;
        }
    }
    let mut files = archive.files.iter().filter(|file| !file.is_empty);
    for folder in &archive.folders {
        let names: Vec<&str> =
            files.by_ref().take(folder.parts.len()).map(|file| file.name.as_str()).collect();
        match unpack(packed, folder, &names, scan) {
            Err(stop @ (Stop::Cut { .. } | Stop::Malformed { .. })) => scan.stopped(&UNREADABLE, stop),
            other => other?,
        }
    }
    Ok(())
}

/// Unpacks one folder and judges its files.
fn unpack(packed: Input<'_>, folder: &Folder, names: &[&str], scan: &mut Scan<'_>) -> Result<(), Stop> {
    let stream = packed.part(folder.packed_at, folder.packed_bytes)?;
    let _window = scan.hold(folder.coders.iter().map(coder::Coder::window).sum())?;
    let lengths: Vec<u64> = folder.parts.iter().map(|part| part.bytes).collect();
    let inflated = inflate_by(coder::open(&folder.coders, stream)?, Some(folder.bytes), &lengths, scan)?;
    if folder.crc.is_some_and(|crc| crc != inflated.crc) {
        scan.find(&UNREADABLE, None, "the checksum of a folder is wrong");
    }
    let content = inflated.input();
    let mut at = 0;
    for ((part, name), crc) in folder.parts.iter().zip(names).zip(&inflated.crcs) {
        if part.crc.is_some_and(|expected| expected != *crc) {
            scan.find(&UNREADABLE, None, format!("the checksum of `{name}` is wrong"));
        }
        let file = content.part(at, part.bytes)?;
        // A stream would be begun again for whatever is read twice.
        let wanted = if matches!(file, Input::Memory(_)) { 0 } else { part.bytes };
        match scan.hold(wanted) {
            Ok(_held) => scan.member(name, &Input::Memory(&file.read(0, part.bytes)?))?,
            Err(_) => scan.member(name, &file)?,
        };
        at += part.bytes;
    }
    Ok(())
}
