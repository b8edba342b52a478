//! Tar: POSIX.1-1988 (ustar), POSIX.1-2001 (pax) as far as it renames, and GNU's long names.
//!
//! <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html>, section "ustar Interchange Format".

use super::{ImportError, Name, Unpacked};

const BLOCK: usize = 512;

/// Bytes of an extended header or of a long name: paths have 4,096 at most.
const EXTENDED_BYTES_MAX: usize = 64 << 10;

/// Whether bytes begin as a tar archive does: a header with a right checksum.
#[must_use]
pub fn is_tar(bytes: &[u8]) -> bool {
    bytes.first_chunk::<BLOCK>().is_some_and(|header| sum(header) == stated_sum(header) && header[0] != 0)
}

/// The sum of a header's bytes, with blanks in the place of the sum itself.
fn sum(header: &[u8; BLOCK]) -> Option<u64> {
    let bytes = header.iter().enumerate();
    Some(bytes.map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) }).sum())
}

fn stated_sum(header: &[u8; BLOCK]) -> Option<u64> {
    octal(&header[148..156])
}

/// A number in octal digits, blanks before and blanks or NULs behind. GNU's binary form is for files that are not taken.
fn octal(field: &[u8]) -> Option<u64> {
    let end = field.iter().rposition(|byte| !matches!(byte, 0 | b' ')).map_or(0, |last| last + 1);
    let digits = field.get(..end)?.trim_ascii_start();
    digits.iter().try_fold(0_u64, |number, digit| match digit {
        b'0'..=b'7' => number.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// Takes an archive apart.
///
/// # Errors
/// If it is no tar archive, has anything but files and directories, or is larger than what is taken in.
pub(super) fn unpack(bytes: &[u8], into: &mut Unpacked) -> Result<(), ImportError> {
    let mut rest = bytes;
    // A name from an extended header, for the entry behind it.
    let mut renamed: Option<Vec<u8>> = None;
    loop {
        let Some((header, behind)) = rest.split_first_chunk::<BLOCK>() else {
            return Err(ImportError::Malformed("a tar archive ends with blocks of zeros"));
        };
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        if sum(header) != stated_sum(header) {
            return Err(ImportError::Malformed("a header's checksum is wrong"));
        }
        let size = octal(&header[124..136]).ok_or(ImportError::Malformed("a size is no number"))?;
        let size = usize::try_from(size).map_err(|_| ImportError::TooLarge)?;
        if size > into.room() {
            return Err(ImportError::TooLarge);
        }
        let content = behind.get(..size).ok_or(ImportError::Malformed("a file is cut"))?;
        let padded = size.div_ceil(BLOCK).saturating_mul(BLOCK).min(behind.len());
        rest = behind.get(padded..).unwrap_or_default();
        let name = renamed.take().unwrap_or_else(|| own_name(header));
        match header[156] {
            b'0' | 0 if name.ends_with(b"/") => into.directory(&name)?,
            b'0' | 0 => into.file(&name, content.to_vec())?,
            b'5' => into.directory(&name)?,
            // Extended headers: for the next entry, and for all of them.
            b'x' => renamed = path_of(extended(content)?)?,
            b'g' if path_of(extended(content)?)?.is_none() => {}
            b'L' => renamed = Some(long_name(extended(content)?)?),
            _ => return Err(ImportError::Special(Name::of(&name))),
        }
        if matches!(header[156], b'x' | b'g' | b'L') {
            into.enter()?;
        }
    }
    if rest.iter().any(|byte| *byte != 0) {
        return Err(ImportError::Malformed("there is something behind the end of a tar archive"));
    }
    Ok(())
}

fn extended(content: &[u8]) -> Result<&[u8], ImportError> {
    if content.len() > EXTENDED_BYTES_MAX { Err(ImportError::TooLarge) } else { Ok(content) }
}

/// Name and, in ustar, the prefix before it.
fn own_name(header: &[u8; BLOCK]) -> Vec<u8> {
    let until_nul = |field: &[u8]| field.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
    let name = until_nul(&header[..100]);
    // GNU's own form keeps other things where ustar has the prefix, and says so by another magic.
    let prefix = if &header[257..263] == b"ustar\0" { until_nul(&header[345..500]) } else { Vec::new() };
    if prefix.is_empty() { name } else { [prefix, name].join(b"/".as_slice()) }
}

fn long_name(content: &[u8]) -> Result<Vec<u8>, ImportError> {
    let name = content.strip_suffix(b"\0").unwrap_or(content);
    if name.contains(&0) {
        Err(ImportError::Malformed("a long name has a NUL in it"))
    } else {
        Ok(name.to_vec())
    }
}

/// The path in an extended header, if it has one. `LENGTH KEY=VALUE\n`, where the length is the whole record's.
fn path_of(mut records: &[u8]) -> Result<Option<Vec<u8>>, ImportError> {
    let malformed = || ImportError::Malformed("an extended header is not readable");
    let mut path = None;
    while !records.is_empty() {
        let blank = records.iter().position(|byte| *byte == b' ').ok_or_else(malformed)?;
        let digits = std::str::from_utf8(&records[..blank]).map_err(|_| malformed())?;
        let length: usize = digits.parse().map_err(|_| malformed())?;
        let record = records.get(blank + 1..length).and_then(|record| record.strip_suffix(b"\n"));
        let record = record.ok_or_else(malformed)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(malformed)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        match key {
            b"path" => path = Some(value.to_vec()),
            // These change what the entry is: a reader that does not obey them would read another archive than others do.
            b"size" | b"linkpath" => return Err(ImportError::Unknown("an extended size or link")),
            key if key.starts_with(b"GNU.sparse") => return Err(ImportError::Unknown("sparse files")),
            _ => {}
        }
        records = records.get(length..).unwrap_or_default();
    }
    Ok(path)
}
