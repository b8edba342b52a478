//! What a 7z header says of files: their names, which of them are empty, and what kind they are.

use super::bytes::Bytes;
use crate::scan::Stop;

const END: u64 = 0x00;
const EMPTY_STREAM: u64 = 0x0e;
const EMPTY_FILE: u64 = 0x0f;
const NAMES: u64 = 0x11;
const CREATED: u64 = 0x12;
const ACCESSED: u64 = 0x13;
const MODIFIED: u64 = 0x14;
const ATTRIBUTES: u64 = 0x15;
const PADDING: u64 = 0x19;

/// Windows: a reparse point, such as a link.
const REPARSE_POINT: u32 = 0x400;
/// The upper half is a mode of Unix.
const UNIX: u32 = 0x8000;

/// What stands in the archive under one name.
#[derive(Default)]
pub(super) struct File {
    pub(super) name: String,
    /// It has no bytes in any folder.
    pub(super) is_empty: bool,
    is_file: bool,
    attributes: u32,
}

impl File {
    /// Whether it is a directory.
    pub(super) fn is_directory(&self) -> bool {
        self.is_empty && !self.is_file
    }

    /// Whether it is a link, a device or a pipe.
    pub(super) fn is_special(&self) -> bool {
        let unix = self.attributes & UNIX != 0 && !matches!(self.attributes >> 28, 0o4 | 0o10);
        unix || self.attributes & REPARSE_POINT != 0
    }
}

/// Reads the description of files, up to its end mark.
pub(super) fn read(header: &mut Bytes<'_>) -> Result<Vec<File>, Stop> {
    let count = header.count()?;
    if count > header.left() {
        return Err(header.malformed("more files are announced than the header has room for"));
    }
    let mut files: Vec<File> = std::iter::repeat_with(File::default).take(count).collect();
    let mut seen = Vec::new();
    loop {
        let id = header.number()?;
        if id == END {
            break;
        }
        if id != PADDING && seen.contains(&id) {
            return Err(header.malformed("a property of files is there twice"));
        }
        seen.push(id);
        let bytes = header.number()?;
        let property = header.take(usize::try_from(bytes).unwrap_or(usize::MAX))?;
        let mut property = Bytes::new(property);
        apply(id, &mut property, &mut files)?;
        if property.left() > 0 {
            return Err(header.malformed("a property of files is longer than what it says"));
        }
    }
    if count > 0 && !seen.contains(&NAMES) {
        return Err(header.malformed("files have no names"));
    }
    Ok(files)
}

fn apply(id: u64, property: &mut Bytes<'_>, files: &mut [File]) -> Result<(), Stop> {
    match id {
        EMPTY_STREAM => {
            let bits = property.bits(files.len())?;
            for (file, is_empty) in files.iter_mut().zip(bits) {
                file.is_empty = is_empty;
            }
        }
        EMPTY_FILE => {
            let mut empty: Vec<&mut File> = files.iter_mut().filter(|file| file.is_empty).collect();
            let bits = property.bits(empty.len())?;
            for (file, is_file) in empty.iter_mut().zip(bits) {
                file.is_file = is_file;
            }
        }
        NAMES => {
            property.expect(0)?;
            for file in files {
                file.name = name(property)?;
            }
        }
        CREATED | ACCESSED | MODIFIED => {
            let defined = property.defined(files.len())?;
            property.expect(0)?;
            property.take(defined.iter().filter(|defined| **defined).count() * 8)?;
        }
        ATTRIBUTES => {
            let defined = property.defined(files.len())?;
            property.expect(0)?;
            for (file, defined) in files.iter_mut().zip(defined) {
                if defined {
                    file.attributes = property.u32()?;
                }
            }
        }
        PADDING => {
            let padding = property.take(property.left())?;
            if padding.iter().any(|byte| *byte != 0) {
                return Err(property.malformed("padding is not zeros"));
            }
        }
        // Anti-items delete files; comments and start positions no writer writes.
        _ => return Err(property.malformed(format!("files have property {id:#04x}, which is not read here"))),
    }
    Ok(())
}

/// UTF-16 up to a zero. What is none is shown, and refused, by its replacement character.
fn name(property: &mut Bytes<'_>) -> Result<String, Stop> {
    let mut units = Vec::new();
    loop {
        let unit = property.take(2)?.iter().rev().fold(0, |unit, byte| unit << 8 | u16::from(*byte));
        if unit == 0 {
            return Ok(String::from_utf16_lossy(&units));
        }
        units.push(unit);
    }
}
