//! PyTorch's pickles, which refer to the bytes of tensors by persistent ids.
//!
//! `torch.save` writes a zip archive (`data.pkl` and one member for each storage) since version 1.6, and before that five
//! pickles and then the storages, each after its number of items.

use std::collections::BTreeMap;

use super::{
    machine::{Host, MALFORMED, Machine},
    value::Value,
};
use crate::{
    Input,
    cursor::Cursor,
    scan::{Scan, Stop},
};

/// The first pickle of the old format: protocol 2, `0x1950a86a20f9469cfc6c`, stop.
const LEGACY_MAGIC: &[u8] =
    &[0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// Storages of one file. Models of a hundred billion parameters have a few thousand.
const STORAGES_MAX: usize = 100_000;

/// Storages that a pickle refers to: key, and bytes.
#[derive(Debug, Default)]
pub(crate) struct Storages {
    /// By key. The largest size counts where a storage is referred to more than once.
    pub(crate) found: BTreeMap<String, Storage>,
}

/// What a pickle says of a storage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Storage {
    /// Bytes of one item.
    pub(crate) item_bytes: u64,
    /// Items.
    pub(crate) items: u64,
}

impl Host for Storages {
    /// `('storage', type, key, location, items)`, and in the old format a view or nothing behind.
    fn persistent(&mut self, id: &Value, cursor: &mut Cursor<'_>) -> Result<Option<Value>, Stop> {
        let Some([kind, class, key, location, items, view @ ..]) = id.items() else { return Ok(None) };
        let (Some(kind), Some(key), Some(_)) =
            (text(kind, cursor)?, text(key, cursor)?, text(location, cursor)?)
        else {
            return Ok(None);
        };
        let (Value::Global(class), Value::Int(items)) = (class, items) else { return Ok(None) };
        let item_bytes = item_bytes(class.module(), class.name());
        let (Some(item_bytes), Ok(items)) = (item_bytes, u64::try_from(*items)) else { return Ok(None) };
        if kind != "storage" || !matches!(view, [] | [Value::Nothing]) || self.found.len() >= STORAGES_MAX {
            return Ok(None);
        }
        let storage = self.found.entry(key).or_insert(Storage { item_bytes, items });
        storage.items = storage.items.max(items);
        Ok(Some(Value::Data))
    }
}

fn text(value: &Value, cursor: &mut Cursor<'_>) -> Result<Option<String>, Stop> {
    let Value::Text { at, bytes: bytes @ 0..=256 } = value else { return Ok(None) };
    Ok(std::str::from_utf8(cursor.view(*at, u64::from(*bytes))?).ok().map(str::to_owned))
}

/// Bytes of one item of a class of storages.
fn item_bytes(module: &str, name: &str) -> Option<u64> {
    if !matches!(module, "torch" | "torch.cuda" | "torch.storage") {
        return None;
    }
    Some(match name {
        "DoubleStorage" | "LongStorage" | "ComplexFloatStorage" => 8,
        "FloatStorage" | "IntStorage" | "QInt32Storage" => 4,
        "HalfStorage" | "BFloat16Storage" | "ShortStorage" => 2,
        "ByteStorage" | "CharStorage" | "BoolStorage" | "UntypedStorage" | "QInt8Storage"
        | "QUInt8Storage" => 1,
        "ComplexDoubleStorage" => 16,
        _ => return None,
    })
}

/// Judges the pickle of an archive; which storages it refers to.
pub(crate) fn scan_torch(input: Input<'_>, scan: &mut Scan<'_>) -> Result<Storages, Stop> {
    let mut storages = Storages::default();
    let mut cursor = Cursor::new(input);
    Machine::new(&mut cursor, &mut storages).run(scan)?;
    if cursor.left() > 0 {
        scan.find(&MALFORMED, cursor.at(), "something follows the pickle");
    }
    Ok(storages)
}

/// Whether a file begins like `torch.save` of versions before 1.6.
pub(super) fn is_legacy(input: &Input<'_>) -> Result<bool, Stop> {
    Ok(input.head(LEGACY_MAGIC.len() as u64)?[..] == *LEGACY_MAGIC)
}

/// Judges a file of the old format: magic number, version, system, object, keys, storages.
pub(super) fn scan_legacy(input: Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let mut cursor = Cursor::new(input);
    let mut storages = Storages::default();
    for _ in 0..4 {
        Machine::new(&mut cursor, &mut storages).run(scan)?;
    }
    let mut keys = Keys::default();
    Machine::new(&mut cursor, &mut keys).run(scan)?;
    for (at, bytes) in keys.0 {
        let place = cursor.at();
        let key = text(&Value::Text { at, bytes }, &mut cursor)?.unwrap_or_default();
        let Some(storage) = storages.found.remove(&key) else {
            return Err(Stop::malformed(
                place,
                format!("storage `{key}` is not one that the object refers to"),
            ));
        };
        let items = u64::from_le_bytes(cursor.array()?);
        let bytes = items.checked_mul(storage.item_bytes).ok_or(Stop::Cut { offset: place })?;
        cursor.skip(bytes)?;
    }
    if cursor.left() > 0 || !storages.found.is_empty() {
        return Err(Stop::malformed(cursor.at(), "the storages are not those that the object refers to"));
    }
    Ok(())
}

/// The list of the storages' keys, in their order in the file.
#[derive(Default)]
struct Keys(Vec<(u64, u32)>);

impl Host for Keys {
    fn persistent(&mut self, _: &Value, _: &mut Cursor<'_>) -> Result<Option<Value>, Stop> {
        Ok(None)
    }

    fn text(&mut self, at: u64, bytes: u32) {
        if self.0.len() < STORAGES_MAX {
            self.0.push((at, bytes));
        }
    }
}
