//! TensorFlow's checkpoints: an index of tensors (`variables.index`) and shards of their bytes beside it.
//!
//! The index is a table of sorted keys (LevelDB's `table_format.md`, as in `tensorflow/core/lib/io/format.cc`): blocks of entries
//! with shared prefixes, a block that lists blocks, and a footer. Values are messages of `tensor_bundle.proto`: the first
//! says how many shards there are, the others where each tensor lies. Shards are declared data if tensors cover them.

use std::collections::BTreeMap;

use super::super::{
    proto::{Message, Wire},
    window::Window,
};
use crate::{
    Beside, Input, Rule,
    scan::{Scan, Stop},
};

/// The index is whole, and so are its shards.
pub(crate) static CHECKPOINT: Rule = Rule {
    id: "tensorflow/checkpoint",
    class: "tf-malformed",
    demands: "the index of a checkpoint is whole, and its tensors cover the shards beside it",
};

const FOOTER_BYTES: u64 = 48;
const MAGIC: [u8; 8] = 0xdb47_7524_8b80_fb57_u64.to_le_bytes();
/// Kind of compression and a checksum behind each block.
const TRAILER_BYTES: u64 = 5;
/// Longest block. Writers begin a new one after 256 KiB.
const BLOCK_BYTES_MAX: u64 = 64 << 20;
const KEY_BYTES_MAX: usize = 64 << 10;
const SHARDS_MAX: u64 = 100_000;

/// Whether content ends like a table.
pub(crate) fn recognizes(input: &Input<'_>) -> Result<bool, Stop> {
    let Some(at) = input.len().checked_sub(MAGIC.len() as u64) else { return Ok(false) };
    Ok(input.len() >= FOOTER_BYTES && input.read(at, MAGIC.len() as u64)?[..] == MAGIC)
}

/// Where a block is.
#[derive(Clone, Copy)]
struct Handle {
    at: u64,
    bytes: u64,
}

/// A key and its value.
type Entry = (Vec<u8>, Vec<u8>);

/// A position in a block.
struct Block<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Block<'a> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let byte = *self.all.get(self.at)?;
            self.at += 1;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, count: u64) -> Option<&'a [u8]> {
        let end = self.at.checked_add(usize::try_from(count).ok()?)?;
        let part = self.all.get(self.at..end)?;
        self.at = end;
        Some(part)
    }

    fn handle(&mut self) -> Option<Handle> {
        Some(Handle { at: self.number()?, bytes: self.number()? })
    }
}

/// What a checkpoint says of its tensors.
#[derive(Default)]
struct Bundle {
    shards: u64,
    /// By shard: where tensors begin and end.
    spans: BTreeMap<u64, Vec<(u64, u64)>>,
}

/// Judges an index and the lengths of the shards beside it.
pub(crate) fn scan(input: &Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let footer_at = input.len() - FOOTER_BYTES;
    let footer = input.read(footer_at, FOOTER_BYTES)?;
    let mut footer = Block { all: &footer, at: 0 };
    let broken = || Stop::malformed(footer_at, "the footer of the table is broken");
    let (meta, index) = (footer.handle().ok_or_else(broken)?, footer.handle().ok_or_else(broken)?);
    let rest = footer.all.get(footer.at..40).unwrap_or_default();
    if rest.iter().any(|byte| *byte != 0) {
        return Err(broken());
    }
    let mut used = Vec::new();
    if !block(input, meta, &mut used, scan)?.is_empty() {
        return Err(Stop::malformed(
            meta.at,
            "the table has a description of itself, which is not read here",
        ));
    }
    let mut bundle = Bundle::default();
    for (_, handle) in block(input, index, &mut used, scan)? {
        let handle = Block { all: &handle, at: 0 }.handle().ok_or_else(broken)?;
        for (key, value) in block(input, handle, &mut used, scan)? {
            scan.charge(1)?;
            entry(&key, &value, &mut bundle)?;
        }
    }
    used.sort_unstable();
    let covered = used.iter().try_fold(0, |at, (start, end)| (*start == at).then_some(*end));
    if covered != Some(footer_at) {
        return Err(Stop::malformed(0, "blocks overlap, or bytes belong to none of them"));
    }
    shards(bundle, scan)
}

/// The entries of a block: keys with what they share with the one before, and values.
fn block(
    input: &Input<'_>,
    handle: Handle,
    used: &mut Vec<(u64, u64)>,
    scan: &mut Scan<'_>,
) -> Result<Vec<Entry>, Stop> {
    if handle.bytes > BLOCK_BYTES_MAX {
        return Err(Stop::Over("memory"));
    }
    let broken = || Stop::malformed(handle.at, "a block of the table is broken");
    let end = handle.at.checked_add(handle.bytes + TRAILER_BYTES).ok_or_else(broken)?;
    let _held = scan.hold(handle.bytes.min(input.len()).saturating_mul(4))?;
    let bytes = input.read(handle.at, handle.bytes + TRAILER_BYTES)?;
    used.push((handle.at, end));
    let (content, trailer) = bytes.split_at(bytes.len().saturating_sub(5));
    if trailer.first() != Some(&0) {
        return Err(Stop::malformed(handle.at, "a block is compressed, as no writer of checkpoints does"));
    }
    // Restarts, each the place of an entry that shares nothing, and their number.
    let (rest, count) = content.split_last_chunk::<4>().ok_or_else(broken)?;
    let restarts = usize::try_from(u32::from_le_bytes(*count)).ok().and_then(|count| count.checked_mul(4));
    let entries_end = restarts.and_then(|bytes| rest.len().checked_sub(bytes)).ok_or_else(broken)?;
    let mut entries = Vec::new();
    let mut key: Vec<u8> = Vec::new();
    let mut block = Block { all: rest.get(..entries_end).unwrap_or_default(), at: 0 };
    while block.at < block.all.len() {
        let head = block.number().zip(block.number()).zip(block.number());
        let ((shared, unshared), value) = head.ok_or_else(broken)?;
        let shared = usize::try_from(shared).ok().filter(|shared| *shared <= key.len()).ok_or_else(broken)?;
        let more =
            block.take(unshared).filter(|more| shared + more.len() <= KEY_BYTES_MAX).ok_or_else(broken)?;
        let before = key.clone();
        key.truncate(shared);
        key.extend(more);
        if !entries.is_empty() && key <= before {
            return Err(Stop::malformed(handle.at, "keys are not in order, or one is there twice"));
        }
        scan.charge(1 + key.len() as u64 / 64)?;
        entries.push((key.clone(), block.take(value).ok_or_else(broken)?.to_vec()));
    }
    Ok(entries)
}

/// One key: the header, which has none, or a tensor.
fn entry(key: &[u8], value: &[u8], bundle: &mut Bundle) -> Result<(), Stop> {
    let input = Input::Memory(value);
    let mut window = Window::new(&input);
    let mut message = Message::whole(&window);
    let mut numbers = [0; 6];
    while let Some(field) = message.next(&mut window)? {
        match (field.number, field.wire) {
            (number @ 1..=5, Wire::Number(value)) => {
                if let Some(place) = usize::try_from(number).ok().and_then(|number| numbers.get_mut(number)) {
                    *place = value;
                }
            }
            (2 | 3, Wire::Bytes(_)) | (6, Wire::Fixed32) => {}
            // Slices are tensors under keys of their own.
            (7, Wire::Bytes(_)) if !key.is_empty() => {}
            _ => {
                return Err(Stop::malformed(field.at, "an entry of the index has a field that is not known"));
            }
        }
    }
    let [_, first, endianness, shard, offset, bytes] = numbers;
    if key.is_empty() {
        if endianness != 0 || first > SHARDS_MAX {
            return Err(Stop::malformed(
                0,
                "the checkpoint is of a byte order or size that is not read here",
            ));
        }
        bundle.shards = first;
        return Ok(());
    }
    // Resources and variants hold whatever their own readers make of them.
    if matches!(first, 20 | 21 | 120 | 121) {
        return Err(Stop::malformed(0, "a tensor of the checkpoint is no plain data"));
    }
    let end = offset.checked_add(bytes).filter(|_| shard < bundle.shards);
    let end = end.ok_or_else(|| Stop::malformed(0, "a tensor lies where no shard is"))?;
    bundle.spans.entry(shard).or_default().push((offset, end));
    Ok(())
}

/// Holds the tensors against the shards beside the index. Content alone has none.
fn shards(bundle: Bundle, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let Some(name) = scan.name().and_then(|name| name.strip_suffix(".index")).map(str::to_owned) else {
        return Ok(());
    };
    let mut spans = bundle.spans;
    for shard in 0..bundle.shards {
        scan.charge(1)?;
        let file = format!("{name}.data-{shard:05}-of-{:05}", bundle.shards);
        let mut of_shard = spans.remove(&shard).unwrap_or_default();
        of_shard.sort_unstable();
        let covered = of_shard.iter().try_fold(0, |at, (start, end)| (*start == at).then_some(*end));
        match scan.beside(&file) {
            Some(Beside::File(bytes)) if covered == Some(bytes) => scan.claim(&file),
            // Nobody reads what is not there; what is there and not covered is no data.
            Some(Beside::Missing) | None => {}
            Some(_) => {
                let why = format!("the tensors of the index do not cover `{file}`, or it is no plain file");
                scan.find(&CHECKPOINT, None, why);
            }
        }
    }
    Ok(())
}
