//! Dense storage: objects in a fractal heap, listed by a version 2 B-tree.

use super::UNDEFINED;
use crate::{
    format::window::Window,
    scan::{Scan, Stop},
};

/// A tree of links by the hash of their names: 4 bytes of hash, then the heap's identifier.
pub(super) const LINKS: Tree = Tree { kind: 5, identifier_at: 4, shared_at: None };
/// A tree of attributes by the hash of their names: the heap's identifier, then flags.
pub(super) const ATTRIBUTES: Tree = Tree { kind: 8, identifier_at: 0, shared_at: Some(8) };

/// What a tree's records look like.
#[derive(Clone, Copy)]
pub(super) struct Tree {
    kind: u8,
    identifier_at: u64,
    shared_at: Option<u64>,
}

const RECORDS_MAX: u64 = 1_000_000;

/// Where all objects of a heap are, with their lengths.
pub(super) fn objects(
    window: &mut Window<'_>,
    heap: u64,
    tree: u64,
    of: Tree,
    scan: &mut Scan<'_>,
) -> Result<Vec<(u64, u64)>, Stop> {
    let heap = Heap::read(window, heap)?;
    let mut objects = Vec::new();
    for record in records(window, tree, of.kind, scan)? {
        scan.charge(1)?;
        if let Some(shared) = of.shared_at
            && window.byte(record + shared)? & 2 != 0
        {
            return Err(Stop::malformed(record, "a shared message cannot be followed"));
        }
        objects.push(heap.object(window, record + of.identifier_at)?);
    }
    Ok(objects)
}

fn signature(window: &mut Window<'_>, at: u64, signature: &[u8; 4]) -> Result<(), Stop> {
    if &window.array::<4>(at)? == signature {
        return Ok(());
    }
    Err(Stop::malformed(at, format!("the signature `{}` is missing", String::from_utf8_lossy(signature))))
}

/// Bytes that a number up to `most` takes.
fn width(most: u64) -> u64 {
    u64::from(64 - most.leading_zeros()).div_ceil(8).max(1)
}

/// Where the records of a tree are.
fn records(window: &mut Window<'_>, tree: u64, kind: u8, scan: &mut Scan<'_>) -> Result<Vec<u64>, Stop> {
    signature(window, tree, b"BTHD")?;
    if window.byte(tree + 5)? != kind {
        return Err(Stop::malformed(tree, "a tree is of another type than its place"));
    }
    let node_bytes = window.little(tree + 6, 4)?;
    let record_bytes = window.little(tree + 10, 2)?;
    let depth = window.little(tree + 12, 2)?;
    let root = window.little(tree + 16, 8)?;
    let root_records = window.little(tree + 24, 2)?;
    let total = window.little(tree + 26, 8)?;
    if depth > 16 || record_bytes == 0 || node_bytes < 32 || total > RECORDS_MAX {
        return Err(Stop::malformed(tree, "a tree is out of bounds"));
    }
    // How many records, and records below, a node of each depth can have decides how wide its counts are.
    let mut widths = Vec::new();
    let leaf_most = (node_bytes - 10) / record_bytes;
    let mut below = leaf_most;
    for level in 1..=depth {
        let count = width(leaf_most);
        let sum = if level > 1 { width(below) } else { 0 };
        widths.push((count, sum));
        let pointer = 8 + count + sum;
        let most = node_bytes.saturating_sub(10 + pointer) / (record_bytes + pointer);
        below = (most + 1).saturating_mul(below).saturating_add(most);
    }
    let mut found = Vec::new();
    let mut open = if root == UNDEFINED { Vec::new() } else { vec![(root, root_records, depth)] };
    while let Some((node, count, level)) = open.pop() {
        scan.charge(1)?;
        signature(window, node, if level == 0 { b"BTLF" } else { b"BTIN" })?;
        let start = node + 6;
        if start + count * record_bytes > node + node_bytes {
            return Err(Stop::malformed(node, "a node has more records than it can hold"));
        }
        found.extend((0..count).map(|record| start + record * record_bytes));
        if level > 0 {
            let (counts, sums) = usize::try_from(level - 1)
                .ok()
                .and_then(|level| widths.get(level).copied())
                .unwrap_or((1, 0));
            let mut at = start + count * record_bytes;
            for _ in 0..=count {
                open.push((window.little(at, 8)?, window.little(at + 8, counts)?, level - 1));
                at += 8 + counts + sums;
            }
        }
        if found.len() as u64 > total || open.len() as u64 > RECORDS_MAX {
            return Err(Stop::malformed(node, "a tree has more records than it says"));
        }
    }
    if found.len() as u64 != total {
        return Err(Stop::malformed(tree, "a tree has fewer records than it says"));
    }
    Ok(found)
}

/// A fractal heap: blocks in rows, of sizes that double.
struct Heap {
    at: u64,
    table_width: u64,
    first_bytes: u64,
    direct_bytes_max: u64,
    offset_bytes: u64,
    length_bytes: u64,
    identifier_bytes: u64,
    root: u64,
    rows: u64,
    heap_bits: u64,
}

impl Heap {
    fn read(window: &mut Window<'_>, at: u64) -> Result<Self, Stop> {
        signature(window, at, b"FRHP")?;
        if window.little(at + 7, 2)? != 0 {
            return Err(Stop::malformed(at, "a heap with filters cannot be followed"));
        }
        let object_max = window.little(at + 10, 4)?;
        let direct_bytes_max = window.little(at + 120, 8)?;
        let heap_bits = window.little(at + 128, 2)?;
        let heap = Self {
            at,
            table_width: window.little(at + 110, 2)?,
            first_bytes: window.little(at + 112, 8)?,
            direct_bytes_max,
            offset_bytes: heap_bits.div_ceil(8),
            length_bytes: width(direct_bytes_max.min(object_max)),
            identifier_bytes: window.little(at + 5, 2)?,
            root: window.little(at + 132, 8)?,
            rows: window.little(at + 140, 2)?,
            heap_bits,
        };
        let sane = (1..=1024).contains(&heap.table_width)
            && heap.first_bytes.is_power_of_two()
            && heap.direct_bytes_max.is_power_of_two()
            && heap.first_bytes <= heap.direct_bytes_max
            && heap.direct_bytes_max <= 1 << 32
            && (1..=64).contains(&heap.heap_bits)
            && heap.rows <= 64
            && heap.root != UNDEFINED;
        if sane { Ok(heap) } else { Err(Stop::malformed(at, "a heap is out of bounds")) }
    }

    /// Where the object of an identifier is.
    fn object(&self, window: &mut Window<'_>, identifier: u64) -> Result<(u64, u64), Stop> {
        let flags = window.byte(identifier)?;
        match flags >> 4 & 3 {
            0 => {}
            // Within the identifier itself.
            2 if self.identifier_bytes <= 18 => {
                return Ok((identifier + 1, u64::from(flags & 0xf) + 1));
            }
            _ => return Err(Stop::malformed(identifier, "an object of a heap cannot be followed")),
        }
        let offset = window.little(identifier + 1, self.offset_bytes)?;
        let length = window.little(identifier + 1 + self.offset_bytes, self.length_bytes)?;
        let (block, start, bytes) = self.block(window, offset)?;
        let within = offset - start;
        if within.checked_add(length).is_none_or(|end| end > bytes) {
            return Err(Stop::malformed(identifier, "an object ends after its block"));
        }
        let at = block.checked_add(within).ok_or(Stop::Cut { offset: block })?;
        if at.checked_add(length).is_none_or(|end| end > window.len()) {
            return Err(Stop::Cut { offset: at });
        }
        Ok((at, length))
    }

    /// The direct block that an offset is in: its address, first offset and size.
    fn block(&self, window: &mut Window<'_>, offset: u64) -> Result<(u64, u64, u64), Stop> {
        let wrong = || Stop::malformed(self.at, "an object lies outside of its heap");
        if self.rows == 0 {
            signature(window, self.root, b"FHDB")?;
            return if offset < self.first_bytes {
                Ok((self.root, 0, self.first_bytes))
            } else {
                Err(wrong())
            };
        }
        signature(window, self.root, b"FHIB")?;
        let children = self.root + 13 + self.offset_bytes;
        let mut start = 0_u64;
        for row in 0..self.rows {
            let bytes = self
                .first_bytes
                .checked_shl(u32::try_from(row.saturating_sub(1)).unwrap_or(63))
                .ok_or_else(wrong)?;
            if bytes > self.direct_bytes_max {
                return Err(Stop::malformed(self.at, "a heap of several levels cannot be followed"));
            }
            let row_bytes = bytes.checked_mul(self.table_width).ok_or_else(wrong)?;
            if offset - start < row_bytes {
                let column = (offset - start) / bytes;
                let block = window.little(children + (row * self.table_width + column) * 8, 8)?;
                if block == UNDEFINED {
                    return Err(wrong());
                }
                signature(window, block, b"FHDB")?;
                return Ok((block, start + column * bytes, bytes));
            }
            start = start.checked_add(row_bytes).ok_or_else(wrong)?;
        }
        Err(wrong())
    }
}
