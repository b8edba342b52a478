//! NumPy's part in pickles: the types of arrays, and arrays that joblib puts between opcodes.

use std::rc::Rc;

use super::{
    machine::{Host, Machine, USE},
    value::{Dtype, Value},
};
use crate::scan::{Scan, Stop};

/// Attributes of joblib's `NumpyArrayWrapper`. Any other could take the place of one of its methods.
const WRAPPER: [&str; 6] =
    ["subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"];

/// `NPY_ITEM_REFCOUNT | NPY_LIST_PICKLE`: what tells NumPy that items are references.
const OBJECT_FLAGS: i64 = 0x03;

/// Arrays of objects within arrays of objects.
const NESTED_MAX: u32 = 16;

impl<H: Host> Machine<'_, '_, H> {
    /// `numpy.dtype(text, align, copy)`.
    pub(super) fn dtype(&mut self, arguments: &[Value]) -> Result<Option<Dtype>, Stop> {
        let Some(first) = arguments.first() else { return Ok(None) };
        let Some(text) = self.text_of(first)? else { return Ok(None) };
        let dtype = Dtype::default();
        let Some((bytes, objects)) = item(&text) else { return Ok(None) };
        dtype.item_bytes.set(bytes);
        dtype.flexible.set(text.trim_start_matches(['<', '>', '|', '=']).starts_with(['S', 'a', 'U', 'V']));
        dtype.objects.set(objects);
        self.saw_objects |= objects;
        Ok(Some(dtype))
    }

    /// An array follows the state of its header: padding and items, or a pickle if items are objects.
    pub(super) fn array(&mut self, state: &Value, scan: &mut Scan<'_>) -> Result<(), Stop> {
        if self.trial {
            // Only who knows joblib reads on here.
            return Ok(());
        }
        let Value::Dict(dict) = state else {
            return Err(self.malformed("the header of an array is no dict"));
        };
        let entries: Vec<_> = dict.entries.borrow().clone();
        let mut header: [Option<Value>; 6] = [const { None }; 6];
        for (key, value) in entries {
            let key = self.text_of(&key)?.unwrap_or_default();
            match WRAPPER.iter().position(|name| *name == key).and_then(|at| header.get_mut(at)) {
                Some(place) if place.is_none() => *place = Some(value),
                _ => return Err(self.malformed(format!("the header of an array sets `{key}`"))),
            }
        }
        let [subclass, shape, _, dtype, _, alignment] = header;
        if !matches!(subclass, Some(Value::Global(name)) if name.module() == "numpy") {
            return Err(self.malformed("an array is of no class of numpy"));
        }
        let Some(Value::Made(_, Some(dtype))) = dtype else {
            return Err(self.malformed("the type of an array is not known"));
        };
        let wrapper = self.pop()?;
        self.push(Value::Data);
        if dtype.objects.get() {
            return self.object_array(scan);
        }
        let mut count: u64 = 1;
        for length in
            shape.as_ref().and_then(Value::items).ok_or_else(|| self.malformed("an array has no shape"))?
        {
            let length = match length {
                Value::Int(length) => u64::try_from(*length).ok(),
                _ => None,
            };
            count = length
                .and_then(|length| count.checked_mul(length))
                .ok_or_else(|| self.malformed("an array has no possible shape"))?;
        }
        let bytes = dtype.item_bytes.get().and_then(|item| item.checked_mul(count));
        let bytes = bytes.ok_or_else(|| self.malformed("the size of an array cannot be told"))?;
        self.leave_frame(scan);
        let start = self.cursor.at();
        if matches!(alignment, Some(Value::Int(_))) {
            let padding = self.cursor.byte()?;
            self.cursor.skip(u64::from(padding))?;
        }
        self.cursor.skip(bytes)?;
        self.look_at_array(start, wrapper, scan)
    }

    fn object_array(&mut self, scan: &mut Scan<'_>) -> Result<(), Stop> {
        self.leave_frame(scan);
        if self.nested >= NESTED_MAX {
            return Err(Stop::Over("nesting"));
        }
        let mut inner = Machine::new(self.cursor, self.host);
        inner.nested = self.nested + 1;
        inner.run(scan)?;
        Ok(())
    }
}

/// Bytes of one item of a type, and whether it refers to objects. `None` for what is no type.
pub(crate) fn item(text: &str) -> Option<(Option<u64>, bool)> {
    let text = text.trim_start_matches(['<', '>', '|', '=']);
    let mut letters = text.chars();
    let kind = letters.next()?;
    let digits = letters.as_str();
    let number: Option<u64> = if digits.is_empty() { None } else { Some(digits.parse().ok()?) };
    match (kind, number) {
        ('O', None | Some(4 | 8)) => Some((Some(8), true)),
        ('b' | '?', None) => Some((Some(1), false)),
        ('b', Some(1)) | ('i' | 'u', Some(1 | 2 | 4 | 8)) => Some((number, false)),
        ('f', Some(2 | 4 | 8 | 10 | 12 | 16)) | ('c', Some(8 | 16 | 20 | 24 | 32)) => Some((number, false)),
        ('S' | 'a' | 'V', _) => Some((number, false)),
        ('U', _) => Some((number.and_then(|n| n.checked_mul(4)), false)),
        ('M' | 'm', Some(8)) => Some((number, false)),
        (
            'B' | 'h' | 'H' | 'i' | 'I' | 'l' | 'L' | 'q' | 'Q' | 'e' | 'f' | 'd' | 'g' | 'F' | 'D' | 'G',
            None,
        ) => Some((None, false)),
        _ => None,
    }
}

/// `dtype.__setstate__`: version, byte order, subtype, names, fields, bytes of an item, alignment, flags.
pub(super) fn dtype_state<H: Host>(
    machine: &mut Machine<'_, '_, H>,
    dtype: &Rc<Dtype>,
    state: &Value,
    scan: &mut Scan<'_>,
) {
    // Arrays and types before that use it would be read otherwise than they were here.
    if dtype.fixed.replace(true) {
        scan.find(&USE, machine.at, "a type of arrays is given a state after it was used");
        return;
    }
    let items = state.items().unwrap_or_default();
    for item in items {
        if let Value::Dict(fields) = item {
            fields.frozen.set(true);
        }
    }
    let (Some(Value::Int(3 | 4)), Some(Value::Int(flags))) = (items.first(), items.get(7)) else {
        scan.find(&USE, machine.at, "the state of a type of arrays is not such as NumPy writes");
        return;
    };
    let flags = *flags;
    // NumPy takes the size from here for these types only.
    if dtype.flexible.get()
        && let Some(Value::Int(bytes)) = items.get(5)
        && let Ok(bytes) = u64::try_from(*bytes)
    {
        dtype.item_bytes.set(Some(bytes));
    }
    // Items that are references but are not marked so would be read from the file as addresses.
    let objects = dtype.objects.get()
        || [items.get(2), items.get(4)].into_iter().flatten().any(|part| refers(part, machine.saw_objects));
    if objects && flags & OBJECT_FLAGS != OBJECT_FLAGS {
        scan.find(&USE, machine.at, "a type of objects is declared to be one of plain data");
    }
    if flags & OBJECT_FLAGS != 0 {
        dtype.objects.set(true);
        machine.saw_objects = true;
    }
}

/// Whether the parts of a composed type refer to objects: a pair of a type and a shape, or fields by name. Where that
/// cannot be told, they do if any type of this pickle does.
fn refers(part: &Value, otherwise: bool) -> bool {
    let of_pair = |pair: &Value| match pair.items().and_then(<[Value]>::first) {
        Some(Value::Made(_, Some(dtype))) => dtype.objects.get(),
        _ => otherwise,
    };
    match part {
        Value::Nothing => false,
        Value::Dict(fields) if fields.is_whole() => {
            fields.entries.borrow().iter().any(|(_, field)| of_pair(field))
        }
        Value::Tuple(_) => of_pair(part),
        _ => otherwise,
    }
}
