//! Object headers: lists of messages, in blocks that continue each other.

use crate::{
    format::window::Window,
    scan::{Scan, Stop},
};

pub(super) const DATASPACE: u16 = 0x1;
pub(super) const LINK_INFO: u16 = 0x2;
pub(super) const DATATYPE: u16 = 0x3;
pub(super) const LINK: u16 = 0x6;
pub(super) const EXTERNAL_FILES: u16 = 0x7;
pub(super) const LAYOUT: u16 = 0x8;
pub(super) const FILTERS: u16 = 0xb;
pub(super) const ATTRIBUTE: u16 = 0xc;
const CONTINUATION: u16 = 0x10;
pub(super) const SYMBOL_TABLE: u16 = 0x11;
pub(super) const ATTRIBUTE_INFO: u16 = 0x15;

/// Blocks of one header; files made by anybody have a handful.
const BLOCKS_MAX: usize = 10_000;
const MESSAGES_MAX: usize = 200_000;

/// Messages that neither name nor lead to anything: nothing, fill values, group info, comments, times, tree sizes,
/// counts of references, file space.
pub(super) fn is_harmless(kind: u16) -> bool {
    matches!(kind, 0x0 | 0x4 | 0x5 | 0xa | 0xd | 0xe | 0x12 | 0x13 | 0x16 | 0x17)
}

/// A message of an object header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) kind: u16,
    pub(super) at: u64,
    pub(super) bytes: u64,
}

/// A part of a header that holds messages.
struct Block {
    at: u64,
    end: u64,
}

/// All messages of the header at an address.
pub(super) fn messages(
    window: &mut Window<'_>,
    address: u64,
    scan: &mut Scan<'_>,
) -> Result<Vec<Message>, Stop> {
    let second = &window.array::<4>(address)? == b"OHDR";
    let (first, flags) = if second { version_2(window, address)? } else { (version_1(window, address)?, 0) };
    let mut blocks = vec![first];
    let mut messages = Vec::new();
    let mut read = 0;
    while let Some(block) = blocks.get(read) {
        let (mut at, end) = (block.at, block.end);
        read += 1;
        let prefix = if second { 4 + if flags & 4 != 0 { 2 } else { 0 } } else { 8 };
        // What is left at the end and too short for a message is a gap.
        while at.saturating_add(prefix) <= end {
            scan.charge(1)?;
            let (kind, bytes, flag) = if second {
                (u16::from(window.byte(at)?), window.little(at + 1, 2)?, window.byte(at + 3)?)
            } else {
                let kind = u16::try_from(window.little(at, 2)?).unwrap_or(u16::MAX);
                (kind, window.little(at + 2, 2)?, window.byte(at + 4)?)
            };
            let message = Message { kind, at: at + prefix, bytes };
            at = at + prefix + bytes;
            if at > end {
                return Err(Stop::malformed(message.at, "a header message ends after its block"));
            }
            if flag & 2 != 0 && kind != 0 {
                return Err(Stop::malformed(message.at, "a shared message cannot be followed"));
            }
            if kind == CONTINUATION {
                let (start, length) = (window.little(message.at, 8)?, window.little(message.at + 8, 8)?);
                blocks.push(continued(window, start, length, second)?);
            } else {
                messages.push(message);
            }
            if blocks.len() > BLOCKS_MAX || messages.len() > MESSAGES_MAX {
                return Err(Stop::Over("messages of one HDF5 object"));
            }
        }
    }
    Ok(messages)
}

fn version_1(window: &mut Window<'_>, address: u64) -> Result<Block, Stop> {
    if window.byte(address)? != 1 {
        return Err(Stop::malformed(address, "no object header stands here"));
    }
    let size = window.little(address + 8, 4)?;
    block(window, address + 16, size)
}

fn version_2(window: &mut Window<'_>, address: u64) -> Result<(Block, u8), Stop> {
    if window.byte(address + 4)? != 2 {
        return Err(Stop::malformed(address, "the object header's version is unknown"));
    }
    let flags = window.byte(address + 5)?;
    let times = if flags & 0x20 != 0 { 16 } else { 0 };
    let phases = if flags & 0x10 != 0 { 4 } else { 0 };
    let at = address + 6 + times + phases;
    let width = 1 << (flags & 3);
    let size = window.little(at, width)?;
    Ok((block(window, at + width, size)?, flags))
}

fn continued(window: &mut Window<'_>, start: u64, length: u64, second: bool) -> Result<Block, Stop> {
    if !second {
        return block(window, start, length);
    }
    if &window.array::<4>(start)? != b"OCHK" {
        return Err(Stop::malformed(start, "the signature `OCHK` is missing"));
    }
    let inner = length.checked_sub(8).ok_or_else(|| Stop::malformed(start, "a continuation is too short"))?;
    block(window, start + 4, inner)
}

fn block(window: &Window<'_>, at: u64, bytes: u64) -> Result<Block, Stop> {
    let end = at.checked_add(bytes).filter(|end| *end <= window.len());
    Ok(Block { at, end: end.ok_or(Stop::Cut { offset: at })? })
}
