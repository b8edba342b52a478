//! HDF5: every object of a file, its links, attributes and storage, followed without libhdf5.
//!
//! After the "HDF5 File Format Specification Version 3.0": superblocks 0 to 3, object headers 1 and 2, groups as symbol
//! tables, as link messages and in fractal heaps. Whatever this reader cannot follow is refused, so that nothing in a file
//! stays unseen. Links and storage that lead to other files are refused, as are filters that would be loaded as plugins.

mod attribute;
mod dataset;
mod dense;
mod group;
mod header;

use std::collections::HashSet;

use super::window::Window;
use crate::{
    Input, Rule,
    scan::{Scan, Stop},
};

/// The file can be followed whole.
pub(crate) static MALFORMED: Rule = Rule {
    id: "hdf5/structure",
    class: "h5-malformed",
    demands: "an HDF5 file can be followed whole: every object, link, attribute and dataset",
};

/// Other files.
pub(crate) static EXTERNAL: Rule = Rule {
    id: "hdf5/external",
    class: "h5-external",
    demands: "an HDF5 file has all of its data in itself: no external links, storage or virtual datasets",
};

/// Filters.
pub(crate) static FILTER: Rule = Rule {
    id: "hdf5/filter",
    class: "h5-filter",
    demands: "datasets use the filters of HDF5 itself and LZF; others are loaded as plugins",
};

/// Pickles in attributes.
pub(crate) static ATTRIBUTE: Rule = Rule {
    id: "hdf5/attribute",
    class: "h5-attribute",
    demands: "no attribute holds a pickle, which PyTables would load",
};

const SIGNATURE: &[u8; 8] = b"\x89HDF\r\n\x1a\n";
/// An address that leads nowhere.
const UNDEFINED: u64 = u64::MAX;
const OBJECTS_MAX: usize = 1_000_000;

/// Whether content has HDF5's signature at its beginning.
pub(crate) fn recognizes(input: &Input<'_>) -> Result<bool, Stop> {
    Ok(&*input.head(8)? == SIGNATURE)
}

/// The file, and what of it has been seen.
struct File<'a> {
    window: Window<'a>,
    /// Objects still to be read.
    open: Vec<u64>,
    seen: HashSet<u64>,
}

/// Follows every object from the root group on.
pub(crate) fn scan(input: &Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let mut file = File { window: Window::new(input), open: Vec::new(), seen: HashSet::new() };
    let root = superblock(&mut file, scan)?;
    file.visit(root)?;
    while let Some(address) = file.open.pop() {
        scan.charge(16)?;
        file.object(address, scan)?;
    }
    Ok(())
}

impl File<'_> {
    /// Takes an object up, unless it has been seen.
    fn visit(&mut self, address: u64) -> Result<(), Stop> {
        if address >= self.window.len() {
            return Err(Stop::malformed(
                address.min(self.window.len()),
                "an object lies after the file's end",
            ));
        }
        if self.seen.insert(address) {
            self.open.push(address);
        }
        if self.seen.len() > OBJECTS_MAX {
            return Err(Stop::Over("objects of one HDF5 file"));
        }
        Ok(())
    }

    fn signature(&mut self, at: u64, signature: &[u8; 4]) -> Result<(), Stop> {
        if &self.window.array::<4>(at)? == signature {
            return Ok(());
        }
        let name = String::from_utf8_lossy(signature).into_owned();
        Err(Stop::malformed(at, format!("the signature `{name}` is missing")))
    }

    fn object(&mut self, address: u64, scan: &mut Scan<'_>) -> Result<(), Stop> {
        let messages = header::messages(&mut self.window, address, scan)?;
        let mut data = dataset::Dataset::default();
        for message in &messages {
            match message.kind {
                header::DATASPACE | header::DATATYPE | header::LAYOUT | header::FILTERS => {
                    data.message(&mut self.window, message, scan)?;
                }
                header::LINK => group::link(self, message.at, message.bytes, scan)?,
                header::LINK_INFO => group::link_info(self, message, scan)?,
                header::SYMBOL_TABLE => group::symbol_table(self, message, scan)?,
                header::ATTRIBUTE => attribute::judge(&mut self.window, message.at, message.bytes, scan)?,
                header::ATTRIBUTE_INFO => attribute::info(self, message, scan)?,
                header::EXTERNAL_FILES => {
                    scan.find(&EXTERNAL, message.at, "a dataset has its data in other files");
                }
                kind if header::is_harmless(kind) => {}
                kind => {
                    return Err(Stop::malformed(
                        message.at,
                        format!("the header message {kind:#x} cannot be followed"),
                    ));
                }
            }
        }
        data.judge(address, self.window.len())
    }
}

/// Reads the superblock; gives the address of the root group.
fn superblock(file: &mut File<'_>, scan: &mut Scan<'_>) -> Result<u64, Stop> {
    let window = &mut file.window;
    let version = window.byte(8)?;
    let (sizes, base, end, root) = match version {
        0 | 1 => {
            let after = if version == 0 { 24 } else { 28 };
            if window.little(after + 24, 8)? != UNDEFINED {
                return Err(Stop::malformed(after + 24, "the file needs a driver of its own"));
            }
            let entry = after + 32;
            (
                window.array::<2>(13)?,
                window.little(after, 8)?,
                window.little(after + 16, 8)?,
                window.little(entry + 8, 8)?,
            )
        }
        2 | 3 => {
            let extension = window.little(20, 8)?;
            let found =
                (window.array::<2>(9)?, window.little(12, 8)?, window.little(28, 8)?, window.little(36, 8)?);
            if extension != UNDEFINED {
                for message in header::messages(window, extension, scan)? {
                    if !header::is_harmless(message.kind) {
                        return Err(Stop::malformed(
                            message.at,
                            "the superblock's extension cannot be followed",
                        ));
                    }
                }
            }
            found
        }
        _ => return Err(Stop::malformed(8, "the superblock's version is unknown")),
    };
    if sizes != [8, 8] {
        return Err(Stop::malformed(9, "addresses and lengths have not eight bytes"));
    }
    if base != 0 {
        return Err(Stop::malformed(12, "the file does not begin at its beginning"));
    }
    match end.cmp(&file.window.len()) {
        std::cmp::Ordering::Equal => Ok(root),
        std::cmp::Ordering::Less => {
            Err(Stop::malformed(end, "bytes follow the end that the superblock states"))
        }
        std::cmp::Ordering::Greater => Err(Stop::Cut { offset: file.window.len() }),
    }
}

#[cfg(test)]
mod tests;
