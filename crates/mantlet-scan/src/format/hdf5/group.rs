//! Groups: links in messages, in symbol tables of old files, and in the heaps of large new ones.

use super::{EXTERNAL, File, UNDEFINED, dense, header::Message};
use crate::{
    format::window::shown,
    scan::{Scan, Stop},
};

const NAME_BYTES_MAX: u64 = 1 << 16;
/// Levels of a tree over symbol tables; each has at least a dozen children.
const LEVELS_MAX: u8 = 16;

/// A link: hard links are followed, soft ones stay in the file, and all others lead out of it.
pub(super) fn link(file: &mut File<'_>, start: u64, bytes: u64, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let end = start + bytes;
    let window = &mut file.window;
    if window.byte(start)? != 1 {
        return Err(Stop::malformed(start, "a link's version is unknown"));
    }
    let flags = window.byte(start + 1)?;
    let mut at = start + 2;
    let kind = if flags & 8 != 0 {
        at += 1;
        window.byte(at - 1)?
    } else {
        0
    };
    at += if flags & 4 != 0 { 8 } else { 0 } + if flags & 0x10 != 0 { 1 } else { 0 };
    let width = 1 << (flags & 3);
    let length = window.little(at, width)?;
    at += width;
    if length > NAME_BYTES_MAX || at + length > end {
        return Err(Stop::malformed(start, "a link's name ends after its message"));
    }
    let name = String::from_utf8_lossy(window.bytes(at, length)?).into_owned();
    at += length;
    match kind {
        0 => {
            let address = window.little(at, 8)?;
            file.visit(address)
        }
        1 => Ok(()),
        64 => {
            scan.find(&EXTERNAL, start, format!("the link `{}` leads to another file", shown(&name)));
            Ok(())
        }
        other => {
            scan.find(
                &EXTERNAL,
                start,
                format!("the link `{}` is of the user-defined kind {other}", shown(&name)),
            );
            Ok(())
        }
    }
}

/// Links of a group that has many: in a heap, found through a tree of their names.
pub(super) fn link_info(file: &mut File<'_>, message: &Message, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let window = &mut file.window;
    let flags = window.byte(message.at + 1)?;
    let at = message.at + 2 + if flags & 1 != 0 { 8 } else { 0 };
    let (heap, tree) = (window.little(at, 8)?, window.little(at + 8, 8)?);
    if heap == UNDEFINED {
        return Ok(());
    }
    for (at, bytes) in dense::objects(window, heap, tree, dense::LINKS, scan)? {
        link(file, at, bytes, scan)?;
    }
    Ok(())
}

/// Links of an old group: a tree of tables, with names in a heap.
pub(super) fn symbol_table(file: &mut File<'_>, message: &Message, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let tree = file.window.little(message.at, 8)?;
    let heap = file.window.little(message.at + 8, 8)?;
    file.signature(heap, b"HEAP")?;
    let names = file.window.little(heap + 24, 8)?;
    let size = file.window.little(heap + 8, 8)?;
    if names.checked_add(size).is_none_or(|end| end > file.window.len()) {
        return Err(Stop::malformed(heap, "a heap of names ends after the file"));
    }
    let mut open = vec![(tree, LEVELS_MAX)];
    let mut nodes = 0_usize;
    while let Some((node, above)) = open.pop() {
        nodes += 1;
        if nodes > super::OBJECTS_MAX {
            return Err(Stop::Over("nodes of one HDF5 group"));
        }
        scan.charge(1)?;
        file.signature(node, b"TREE")?;
        let (kind, level) = (file.window.byte(node + 4)?, file.window.byte(node + 5)?);
        if kind != 0 || level >= above {
            return Err(Stop::malformed(node, "a group's tree is malformed"));
        }
        let entries = file.window.little(node + 6, 2)?;
        for entry in 0..entries {
            let child = file.window.little(node + 24 + 8 + entry * 16, 8)?;
            if level == 0 {
                table(file, child, size, scan)?;
            } else {
                open.push((child, level));
            }
        }
    }
    Ok(())
}

fn table(file: &mut File<'_>, node: u64, size: u64, scan: &mut Scan<'_>) -> Result<(), Stop> {
    file.signature(node, b"SNOD")?;
    let symbols = file.window.little(node + 6, 2)?;
    for symbol in 0..symbols {
        scan.charge(1)?;
        let entry = node + 8 + symbol * 40;
        let name = file.window.little(entry, 8)?;
        if name >= size {
            return Err(Stop::malformed(entry, "a link's name lies outside of the heap"));
        }
        match file.window.little(entry + 16, 4)? {
            // A soft link: its path, in the heap, stays in the file.
            2 => {
                if file.window.little(entry + 24, 4)? >= size {
                    return Err(Stop::malformed(entry, "a link's path lies outside of the heap"));
                }
            }
            0 | 1 => {
                let address = file.window.little(entry + 8, 8)?;
                file.visit(address)?;
            }
            _ => return Err(Stop::malformed(entry, "a link's kind is unknown")),
        }
    }
    Ok(())
}
