//! Zip: stored and deflated files, by the central directory, each of whose entries its local header must confirm.
//!
//! <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>, sections 4.3 and 4.4. Two readers that find different
//! files in one archive are how things are smuggled past one of them, so what contradicts itself is refused: entries have to
//! lie one behind the other, without gaps, from the first byte to the directory.

use std::io::Read;

use flate2::bufread::DeflateDecoder;

use super::{ImportError, Name, Unpacked};

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END_BYTES: usize = 22;
const LOCAL_BYTES: usize = 30;
const CENTRAL_BYTES: usize = 46;

/// Whether bytes begin as a zip archive does.
#[must_use]
pub fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(&LOCAL.to_le_bytes()) || bytes.starts_with(&END.to_le_bytes())
}

fn malformed<T>(why: &'static str) -> Result<T, ImportError> {
    Err(ImportError::Malformed(why))
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, ImportError> {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk::<2>());
    field.map(|field| u16::from_le_bytes(*field)).ok_or(ImportError::Malformed("a zip header is cut"))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, ImportError> {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    field.map(|field| u32::from_le_bytes(*field)).ok_or(ImportError::Malformed("a zip header is cut"))
}

fn usize_at(bytes: &[u8], at: usize) -> Result<usize, ImportError> {
    usize::try_from(u32_at(bytes, at)?).map_err(|_| ImportError::TooLarge)
}

/// An entry of the central directory.
struct Entry<'a> {
    flags: u16,
    method: u16,
    crc: u32,
    packed: usize,
    plain: usize,
    external: u32,
    at: usize,
    name: &'a [u8],
}

/// Takes an archive apart.
///
/// # Errors
/// If it contradicts itself, has anything but files and directories, packs them in another way, or is larger than what is
/// taken in.
pub(super) fn unpack(bytes: &[u8], into: &mut Unpacked) -> Result<(), ImportError> {
    // Without a comment the directory's end is the archive's: a comment is where a second end could hide.
    let Some(end) = bytes.len().checked_sub(END_BYTES).and_then(|at| bytes.get(at..)) else {
        return malformed("a zip archive has an end of 22 bytes");
    };
    if u32_at(end, 0)? != END || u16_at(end, 20)? != 0 {
        return malformed("a zip archive ends with its directory's end, without a comment");
    }
    let (disk, first_disk) = (u16_at(end, 4)?, u16_at(end, 6)?);
    let (here, all) = (u16_at(end, 8)?, u16_at(end, 10)?);
    let (length, start) = (usize_at(end, 12)?, usize_at(end, 16)?);
    if disk != 0 || first_disk != 0 || here != all || all == u16::MAX || start == u32::MAX as usize {
        return Err(ImportError::Unknown("zip archives of several parts, or of the 64-bit form"));
    }
    if start.checked_add(length).and_then(|end| end.checked_add(END_BYTES)) != Some(bytes.len()) {
        return malformed("the zip directory is not where its end says");
    }
    let mut directory = bytes.get(start..start + length).unwrap_or_default();
    let mut entries = Vec::new();
    for _ in 0..all {
        into.enter()?;
        let (entry, rest) = central(directory)?;
        entries.push(entry);
        directory = rest;
    }
    if !directory.is_empty() {
        return malformed("the zip directory has more than it says");
    }
    entries.sort_by_key(|entry| entry.at);
    let mut at = 0;
    for entry in &entries {
        if entry.at != at {
            return malformed("zip entries overlap, or something lies between them");
        }
        at = take(bytes, entry, into)?;
    }
    if at == start { Ok(()) } else { malformed("something lies before the zip directory") }
}

fn central(bytes: &[u8]) -> Result<(Entry<'_>, &[u8]), ImportError> {
    if u32_at(bytes, 0)? != CENTRAL {
        return malformed("an entry of the zip directory is none");
    }
    let [name, extra, comment] = [28, 30, 32].map(|at| u16_at(bytes, at).map(usize::from));
    let (name, extra, comment) = (name?, extra?, comment?);
    let rest = bytes.get(CENTRAL_BYTES + name + extra + comment..);
    let entry = Entry {
        flags: u16_at(bytes, 8)?,
        method: u16_at(bytes, 10)?,
        crc: u32_at(bytes, 16)?,
        packed: usize_at(bytes, 20)?,
        plain: usize_at(bytes, 24)?,
        external: u32_at(bytes, 38)?,
        at: usize_at(bytes, 42)?,
        name: bytes.get(CENTRAL_BYTES..CENTRAL_BYTES + name).unwrap_or_default(),
    };
    Ok((entry, rest.ok_or(ImportError::Malformed("the zip directory is cut"))?))
}

/// Reads the entry, and says where it ends.
fn take(bytes: &[u8], entry: &Entry<'_>, into: &mut Unpacked) -> Result<usize, ImportError> {
    let Entry { flags, method, crc, packed, plain, external, at, name } = *entry;
    let local = bytes.get(at..).unwrap_or_default();
    let (name_bytes, extra) = (usize::from(u16_at(local, 26)?), usize::from(u16_at(local, 28)?));
    let shown = || Name::of(name);
    if u32_at(local, 0)? != LOCAL
        || local.get(LOCAL_BYTES..LOCAL_BYTES + name_bytes) != Some(name)
        || u16_at(local, 6)? != flags
        || u16_at(local, 8)? != method
    {
        return malformed("a zip entry is not what the directory says");
    }
    // Bits 0, 6 and 13: encrypted. Bit 3: sizes stand behind the content, and so where nobody can say where it ends.
    let behind = flags & 1 << 3 != 0;
    if flags & (1 | 1 << 6 | 1 << 13) != 0 {
        return Err(ImportError::Unknown("encrypted zip entries"));
    }
    if !behind
        && (u32_at(local, 14)? != crc || usize_at(local, 18)? != packed || usize_at(local, 22)? != plain)
    {
        return malformed("a zip entry's sizes are not what the directory says");
    }
    // The upper half of the attributes is a Unix mode where there is one: its type is a file's, a directory's or none.
    if !matches!(external >> 28, 0 | 0o4 | 0o10) {
        return Err(ImportError::Special(shown()));
    }
    let start = LOCAL_BYTES + name_bytes + extra;
    let content = start.checked_add(packed).and_then(|end| local.get(start..end));
    let content = content.ok_or(ImportError::Malformed("a zip entry is cut"))?;
    let mut end = at + start + packed;
    if behind {
        end += descriptor(bytes.get(end..).unwrap_or_default(), crc, packed, plain)?;
    }
    if name.ends_with(b"/") {
        let empty = plain == 0;
        return if empty { into.directory(name).map(|()| end) } else { Err(ImportError::Special(shown())) };
    }
    if plain > into.room() {
        return Err(ImportError::TooLarge);
    }
    let file = match method {
        0 if packed == plain => content.to_vec(),
        8 => inflated(content, plain)?,
        0 => return malformed("a stored zip entry has two sizes"),
        _ => return Err(ImportError::Unknown("a zip method that is neither stored nor deflated")),
    };
    let mut check = flate2::Crc::new();
    check.update(&file);
    if check.sum() != crc {
        return malformed("a zip entry's checksum is wrong");
    }
    into.file(name, file)?;
    Ok(end)
}

/// The length of what stands behind a content whose sizes were not known before it: with or without a mark.
fn descriptor(bytes: &[u8], crc: u32, packed: usize, plain: usize) -> Result<usize, ImportError> {
    const MARK: u32 = 0x0807_4b50;
    let marked = usize::from(u32_at(bytes, 0)? == MARK) * 4;
    let fields = (u32_at(bytes, marked)?, usize_at(bytes, marked + 4)?, usize_at(bytes, marked + 8)?);
    if fields == (crc, packed, plain) { Ok(marked + 12) } else { malformed("a zip entry's sizes contradict") }
}

fn inflated(packed: &[u8], plain: usize) -> Result<Vec<u8>, ImportError> {
    let mut decoder = DeflateDecoder::new(packed);
    // As it comes: what an entry says of its length buys no memory.
    let mut file = Vec::new();
    let read = Read::by_ref(&mut decoder).take(plain as u64 + 1).read_to_end(&mut file);
    let whole = read.is_ok() && file.len() == plain && decoder.total_in() == packed.len() as u64;
    if whole { Ok(file) } else { malformed("a zip entry does not unpack to its size") }
}
