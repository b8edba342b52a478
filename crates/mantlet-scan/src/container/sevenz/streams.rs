//! What a 7z header says of its streams: where they are packed, by what they are unpacked, and how what comes out is
//! divided among files (7zFormat.txt of the LZMA SDK).

use super::{bytes::Bytes, coder::Coder};
use crate::scan::Stop;

pub(super) const END: u8 = 0x00;
pub(super) const PACK_INFO: u8 = 0x06;
pub(super) const UNPACK_INFO: u8 = 0x07;
pub(super) const SUBSTREAMS_INFO: u8 = 0x08;
const SIZE: u8 = 0x09;
const CRC: u8 = 0x0a;
const FOLDER: u8 = 0x0b;
const UNPACK_SIZE: u8 = 0x0c;
const NUM_UNPACK_STREAM: u8 = 0x0d;

/// Coders of one folder: a filter or two before the compression.
const CODERS_MAX: usize = 4;

/// A packed stream and everything that comes out of it.
pub(super) struct Folder {
    /// From what reads the packed stream to what makes the content.
    pub(super) coders: Vec<Coder>,
    /// Where the packed stream is, from the end of the archive's first 32 bytes on.
    pub(super) packed_at: u64,
    pub(super) packed_bytes: u64,
    /// Bytes that come out.
    pub(super) bytes: u64,
    pub(super) crc: Option<u32>,
    /// Files, one after another.
    pub(super) parts: Vec<Part>,
}

/// The bytes of one file.
pub(super) struct Part {
    pub(super) bytes: u64,
    pub(super) crc: Option<u32>,
}

/// Reads what a header says of streams, up to its end mark.
pub(super) fn read(header: &mut Bytes<'_>) -> Result<Vec<Folder>, Stop> {
    let mut packed = Vec::new();
    let mut folders = Vec::new();
    let mut id = header.byte()?;
    if id == PACK_INFO {
        packed = pack_info(header)?;
        id = header.byte()?;
    }
    if id == UNPACK_INFO {
        folders = unpack_info(header, &packed)?;
        id = header.byte()?;
    }
    if folders.len() != packed.len() {
        return Err(header.malformed("packed streams and folders are not as many"));
    }
    if id == SUBSTREAMS_INFO {
        substreams_info(header, &mut folders)?;
        id = header.byte()?;
    } else {
        for folder in &mut folders {
            folder.parts = vec![Part { bytes: folder.bytes, crc: folder.crc }];
        }
    }
    if id == END { Ok(folders) } else { Err(header.malformed("the description of streams does not end")) }
}

/// Where each packed stream is, and its length.
fn pack_info(header: &mut Bytes<'_>) -> Result<Vec<(u64, u64)>, Stop> {
    let mut at = header.number()?;
    let count = header.count()?;
    header.expect(SIZE)?;
    let mut packed = Vec::new();
    for _ in 0..count {
        let bytes = header.number()?;
        packed.push((at, bytes));
        at = at.checked_add(bytes).ok_or_else(|| header.malformed("packed streams have no possible size"))?;
    }
    match header.byte()? {
        END => return Ok(packed),
        CRC => header.digests(count)?,
        _ => return Err(header.malformed("the description of packed streams does not end")),
    };
    header.expect(END)?;
    Ok(packed)
}

fn unpack_info(header: &mut Bytes<'_>, packed: &[(u64, u64)]) -> Result<Vec<Folder>, Stop> {
    header.expect(FOLDER)?;
    let count = header.count()?;
    if count != packed.len() {
        // Coders of several inputs (BCJ2) take several streams for one folder.
        return Err(header.malformed("folders are not as many as packed streams, which is not read here"));
    }
    header.expect(0)?;
    let mut folders = Vec::new();
    for (packed_at, packed_bytes) in packed.iter().copied() {
        let coders = coders(header)?;
        folders.push(Folder { coders, packed_at, packed_bytes, bytes: 0, crc: None, parts: Vec::new() });
    }
    header.expect(UNPACK_SIZE)?;
    for folder in &mut folders {
        // In the order in which coders are written, which was kept beside them.
        let mut sizes = Vec::new();
        for _ in &folder.coders {
            sizes.push(header.number()?);
        }
        for coder in &mut folder.coders {
            coder.bytes = sizes.get(coder.place).copied().unwrap_or(0);
        }
        folder.bytes = folder.coders.last().map_or(0, |coder| coder.bytes);
    }
    match header.byte()? {
        END => return Ok(folders),
        CRC => {
            let digests = header.digests(folders.len())?;
            for (folder, crc) in folders.iter_mut().zip(digests) {
                folder.crc = crc;
            }
        }
        _ => return Err(header.malformed("the description of folders does not end")),
    }
    header.expect(END)?;
    Ok(folders)
}

/// The coders of one folder, from the packed stream on. Each has one input and one output.
fn coders(header: &mut Bytes<'_>) -> Result<Vec<Coder>, Stop> {
    let count = header.number()?;
    let count = usize::try_from(count).ok().filter(|count| (1..=CODERS_MAX).contains(count));
    let count = count.ok_or_else(|| header.malformed("a folder has no possible number of coders"))?;
    let mut written = Vec::new();
    for place in 0..count {
        written.push(Some(Coder::read(header, place)?));
    }
    // Which coder's input takes which coder's output.
    let mut feeds = vec![None; count];
    let mut fed = vec![false; count];
    for _ in 1..count {
        let (to, from) = (header.number()?, header.number()?);
        let place = |number: u64| usize::try_from(number).ok().filter(|place| *place < count);
        let (Some(to), Some(from)) = (place(to), place(from)) else {
            return Err(header.malformed("a coder is bound to one that is not there"));
        };
        let taken = fed.get_mut(to).is_none_or(|fed| std::mem::replace(fed, true));
        if taken || feeds.get_mut(from).is_none_or(|feeds| feeds.replace(to).is_some()) {
            return Err(header.malformed("a coder is bound twice"));
        }
    }
    let mut next = fed.iter().position(|fed| !fed);
    let mut coders = Vec::new();
    while let Some(place) = next {
        coders.extend(written.get_mut(place).and_then(Option::take));
        next = feeds.get_mut(place).and_then(Option::take);
    }
    if coders.len() == count { Ok(coders) } else { Err(header.malformed("coders are bound in a ring")) }
}

/// How what comes out of each folder is divided.
fn substreams_info(header: &mut Bytes<'_>, folders: &mut [Folder]) -> Result<(), Stop> {
    let mut id = header.byte()?;
    let mut counts = vec![1; folders.len()];
    if id == NUM_UNPACK_STREAM {
        for count in &mut counts {
            *count = header.count()?;
        }
        id = header.byte()?;
    }
    let total: usize = counts.iter().sum();
    if total > header.left().saturating_mul(8).saturating_add(folders.len()) {
        return Err(header.malformed("more files are announced than the header has room for"));
    }
    let sized = id == SIZE;
    for (folder, count) in folders.iter_mut().zip(counts) {
        let mut left = folder.bytes;
        for nth in 0..count {
            // The last takes what is left.
            let bytes = if nth + 1 == count {
                left
            } else if sized {
                header.number()?
            } else {
                u64::MAX
            };
            left = left
                .checked_sub(bytes)
                .ok_or_else(|| header.malformed("files are longer than their folder"))?;
            folder.parts.push(Part { bytes, crc: None });
        }
        if count == 0 && left > 0 {
            return Err(header.malformed("a folder holds bytes of no file"));
        }
    }
    if sized {
        id = header.byte()?;
    }
    checksums(header, folders, id)
}

/// Checksums of parts that are not a whole folder with a checksum of its own.
fn checksums(header: &mut Bytes<'_>, folders: &mut [Folder], id: u8) -> Result<(), Stop> {
    let mut unknown: Vec<&mut Part> = Vec::new();
    for folder in folders {
        match &mut folder.parts[..] {
            [part] if folder.crc.is_some() => part.crc = folder.crc,
            parts => unknown.extend(parts),
        }
    }
    match id {
        END => return Ok(()),
        CRC => {
            let digests = header.digests(unknown.len())?;
            for (part, crc) in unknown.into_iter().zip(digests) {
                part.crc = crc;
            }
        }
        _ => return Err(header.malformed("the division of folders does not end")),
    }
    header.expect(END)
}
