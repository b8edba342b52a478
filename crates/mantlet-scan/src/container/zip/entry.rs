//! Members of a zip archive as the central directory and their local headers describe them.

use super::{MALFORMED, UNREADABLE, u16_at, u32_at, u64_at};
use crate::{
    Input,
    scan::{Held, Scan, Stop},
};

const CENTRAL: &[u8] = b"PK\x01\x02";
const CENTRAL_BYTES: u64 = 46;
const LOCAL: &[u8] = b"PK\x03\x04";
const LOCAL_BYTES: u64 = 30;
const DESCRIPTOR: &[u8] = b"PK\x07\x08";

/// Level of deflate, data descriptor, names in UTF-8. Others encrypt, patch or hide.
const FLAGS_ALLOWED: u16 = ENDS_WITH_MARK | 1 << 2 | DESCRIBED | 1 << 11;
/// Of LZMA: a mark says where the stream ends.
pub(super) const ENDS_WITH_MARK: u16 = 1 << 1;
/// Sizes follow the data.
const DESCRIBED: u16 = 1 << 3;

/// Kinds of extra fields that change nothing but sizes, times and alignment: zip64, NTFS and Unix times and owners,
/// PyTorch's padding. Others give a member another name or encrypt it.
const EXTRA_ALLOWED: [u16; 6] = [0x0001, 0x000a, 0x5455, 0x5855, 0x7875, 0x4246];

/// A member.
pub(super) struct Entry {
    /// Where the directory describes it.
    pub(super) directory_at: u64,
    pub(super) name: String,
    raw_name: Vec<u8>,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) stored_bytes: u64,
    pub(super) bytes: u64,
    pub(super) local_at: u64,
    made_by: u16,
    attributes: u32,
    _held: Held,
}

impl Entry {
    /// Whether it is a link, a device or a pipe, as Unix has them.
    pub(super) fn is_special(&self) -> bool {
        let unix = self.made_by >> 8 == 3;
        unix && !matches!(self.attributes >> 28, 0 | 0o4 | 0o10)
    }
}

/// The central directory.
pub(super) fn central(
    input: &Input<'_>,
    directory_at: u64,
    directory_bytes: u64,
    members: u64,
    scan: &mut Scan<'_>,
) -> Result<Vec<Entry>, Stop> {
    let directory_end = directory_at + directory_bytes;
    let mut entries = Vec::new();
    let mut at = directory_at;
    while at < directory_end {
        if entries.len() as u64 >= scan.limits.members {
            return Err(Stop::Over("members"));
        }
        let fixed = input.read(at, CENTRAL_BYTES)?;
        if fixed.get(..4) != Some(CENTRAL) {
            return Err(Stop::malformed(at, "the directory is broken"));
        }
        let (name, extra, comment) = (u16_at(&fixed, 28), u16_at(&fixed, 30), u16_at(&fixed, 32));
        let entry_bytes = CENTRAL_BYTES + u64::from(name) + u64::from(extra) + u64::from(comment);
        if at + entry_bytes > directory_end {
            return Err(Stop::malformed(at, "an entry reaches over the end of the directory"));
        }
        let raw_name = input.read(at + CENTRAL_BYTES, u64::from(name))?.into_owned();
        let extra = input.read(at + CENTRAL_BYTES + u64::from(name), u64::from(extra))?;
        let mut sizes = Sizes {
            bytes: u64::from(u32_at(&fixed, 24)),
            stored_bytes: u64::from(u32_at(&fixed, 20)),
            local_at: u64::from(u32_at(&fixed, 42)),
        };
        read_extra(&extra, &mut sizes, at, scan)?;
        if comment != 0 || u16_at(&fixed, 34) != 0 {
            scan.find(&MALFORMED, at, "a member has a comment, or is in another part of the archive");
        }
        let entry = Entry {
            directory_at: at,
            name: String::from_utf8_lossy(&raw_name).into_owned(),
            flags: u16_at(&fixed, 8),
            method: u16_at(&fixed, 10),
            crc: u32_at(&fixed, 16),
            stored_bytes: sizes.stored_bytes,
            bytes: sizes.bytes,
            local_at: sizes.local_at,
            made_by: u16_at(&fixed, 4),
            attributes: u32_at(&fixed, 38),
            _held: scan.hold((size_of::<Entry>() + raw_name.len() * 2) as u64)?,
            raw_name,
        };
        if entry.flags & !FLAGS_ALLOWED != 0 {
            let why =
                format!("`{}` is encrypted, patched or hidden (flags {:#06x})", entry.name, entry.flags);
            scan.find(&UNREADABLE, at, why);
        }
        entries.push(entry);
        at += entry_bytes;
    }
    if entries.len() as u64 != members {
        scan.find(
            &MALFORMED,
            directory_at,
            format!("{members} members are said where {} are listed", entries.len()),
        );
    }
    Ok(entries)
}

/// Compares a member's local header with the directory; where its data begins, and where the member ends.
pub(super) fn local(
    input: &Input<'_>,
    entry: &Entry,
    at: u64,
    directory_at: u64,
    scan: &mut Scan<'_>,
) -> Result<(u64, u64), Stop> {
    let fixed = input.read(at, LOCAL_BYTES)?;
    if fixed.get(..4) != Some(LOCAL) {
        return Err(Stop::malformed(at, format!("`{}` has no header of its own", entry.name)));
    }
    let (name, extra) = (u64::from(u16_at(&fixed, 26)), u64::from(u16_at(&fixed, 28)));
    let raw_name = input.read(at + LOCAL_BYTES, name)?;
    if *raw_name != *entry.raw_name {
        let other = String::from_utf8_lossy(&raw_name).into_owned();
        scan.find(&MALFORMED, at, format!("`{}` is named `{other}` by its own header", entry.name));
    }
    let mut sizes = Sizes {
        bytes: u64::from(u32_at(&fixed, 22)),
        stored_bytes: u64::from(u32_at(&fixed, 18)),
        local_at: 0,
    };
    read_extra(&input.read(at + LOCAL_BYTES + name, extra)?, &mut sizes, at, scan)?;
    let described = entry.flags & DESCRIBED != 0;
    let same = (u16_at(&fixed, 6), u16_at(&fixed, 8)) == (entry.flags, entry.method);
    let told = (u32_at(&fixed, 14), sizes.stored_bytes, sizes.bytes);
    let listed = (entry.crc, entry.stored_bytes, entry.bytes);
    let later = described && matches!(told, (0, 0 | 0xffff_ffff, 0 | 0xffff_ffff));
    if !same || (told != listed && !later) {
        scan.find(&MALFORMED, at, format!("`{}` is described otherwise by its own header", entry.name));
    }
    let data_at = at + LOCAL_BYTES + name + extra;
    let data_end = data_at.checked_add(entry.stored_bytes).filter(|end| *end <= directory_at);
    let data_end = data_end.ok_or(Stop::Cut { offset: data_at })?;
    Ok((data_at, if described { descriptor(input, entry, data_end, directory_at)? } else { data_end }))
}

/// Sizes behind the data, in 4 or 8 bytes each and with or without a signature; where they end.
fn descriptor(input: &Input<'_>, entry: &Entry, at: u64, directory_at: u64) -> Result<u64, Stop> {
    let available = directory_at.saturating_sub(at).min(24);
    let bytes = input.read(at, available)?;
    let signed = if bytes.get(..4) == Some(DESCRIPTOR) { 4 } else { 0 };
    let crc = u32_at(&bytes, signed);
    let short = (u64::from(u32_at(&bytes, signed + 4)), u64::from(u32_at(&bytes, signed + 8)));
    let long = (u64_at(&bytes, signed + 4), u64_at(&bytes, signed + 12));
    let listed = (entry.stored_bytes, entry.bytes);
    let length = match (crc == entry.crc, long == listed, short == listed) {
        (true, true, _) if available >= signed as u64 + 20 => signed + 20,
        (true, _, true) if available >= signed as u64 + 12 => signed + 12,
        _ => {
            return Err(Stop::malformed(
                at,
                format!("`{}` is described otherwise behind its data", entry.name),
            ));
        }
    };
    Ok(at + length as u64)
}

struct Sizes {
    bytes: u64,
    stored_bytes: u64,
    local_at: u64,
}

/// Extra fields; the one of zip64 replaces sizes that do not fit.
fn read_extra(extra: &[u8], sizes: &mut Sizes, at: u64, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let broken = || Stop::malformed(at, "extra fields are broken");
    let mut rest = extra;
    while !rest.is_empty() {
        let (kind, bytes) = (u16_at(rest, 0), usize::from(u16_at(rest, 2)));
        let field = rest.get(4..4 + bytes).ok_or_else(broken)?;
        rest = rest.get(4 + bytes..).ok_or_else(broken)?;
        if !EXTRA_ALLOWED.contains(&kind) {
            scan.find(
                &MALFORMED,
                at,
                format!("an extra field of kind {kind:#06x} can mean another name or content"),
            );
        }
        if kind == 1 {
            let mut numbers = field.chunks_exact(8).map(|number| u64_at(number, 0));
            for size in [&mut sizes.bytes, &mut sizes.stored_bytes, &mut sizes.local_at] {
                if *size == 0xffff_ffff {
                    *size = numbers.next().ok_or_else(broken)?;
                }
            }
        }
    }
    Ok(())
}
