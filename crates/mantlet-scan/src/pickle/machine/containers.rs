//! The memo and the containers: what is kept in what, how much hangs below it, and what may be kept under which key.

use std::rc::Rc;

use super::{Host, Machine, NAME_BYTES_MAX, OBJECTS_MAX, OBJECTS_PER_BYTE, SIZE, USE};
use crate::{
    pickle::{
        attributes::Attribute,
        call::is_numeric,
        names::Right,
        value::{DEPTH_MAX, Dict, Value},
    },
    scan::{Scan, Stop},
};

impl<H: Host> Machine<'_, '_, H> {
    pub(super) fn tuple(&mut self, items: Vec<Value>, scan: &mut Scan<'_>) -> Value {
        let tuple = Value::tuple(items, &self.live);
        let (objects, depth) = tuple.weight();
        // What is too deep is not kept: freeing it would recurse as deep.
        if self.weigh(objects, depth, scan) { tuple } else { Value::Refused }
    }

    pub(super) fn memo(&mut self, put: bool, index: u64, scan: &mut Scan<'_>) -> Result<(), Stop> {
        let place = usize::try_from(index).unwrap_or(usize::MAX);
        if !put {
            let near = self.memo.get(place).filter(|value| !matches!(value, Value::Unset));
            let value = near.or_else(|| self.far.get(&index)).cloned();
            let value = value.ok_or_else(|| self.malformed(format!("place {index} of the memo is empty")))?;
            self.copied(&value, scan);
            self.push(value);
            return Ok(());
        }
        let value = self.top()?.clone();
        // Picklers count up; Python 2's begin with one, and `pickletools.optimize` leaves gaps. A loader makes room up to
        // the largest.
        if place > self.memo.len() + 1 {
            if index > self.cursor.len() {
                scan.find(&SIZE, self.at, format!("place {index} of the memo is used before those below it"));
            }
            if self.far.insert(index, value).is_none() {
                self.memoized += 1;
            }
            return Ok(());
        }
        if place >= self.memo.len() {
            self.memo.resize(place + 1, Value::Unset);
        }
        let far = self.far.remove(&index).is_some();
        if let Some(at) = self.memo.get_mut(place) {
            let before = std::mem::replace(at, value);
            if matches!(before, Value::Unset) && !far {
                self.memoized += 1;
            }
            if self.trial {
                self.undo.push((place, before));
            }
        }
        Ok(())
    }

    pub(super) fn append(&mut self, items: &[Value], scan: &mut Scan<'_>) -> Result<(), Stop> {
        match self.top()? {
            Value::List(weight) => {
                weight.add(items);
                let (objects, depth) = (weight.objects.get(), weight.depth.get());
                self.weigh(objects, depth, scan);
            }
            Value::Made(class, _) if class.may(Right::Append) => {}
            Value::Refused => {}
            _ => scan.find(&USE, self.at, "items are appended to what is no list"),
        }
        Ok(())
    }

    pub(super) fn set_items(&mut self, items: &[Value], scan: &mut Scan<'_>) -> Result<(), Stop> {
        match self.top()?.clone() {
            Value::Dict(dict) => {
                if dict.frozen.get() {
                    self.acts(scan);
                    scan.find(&USE, self.at, "the fields of a type of arrays are changed after it has them");
                }
                self.insert(&dict, items)?;
                let (objects, depth) = (dict.weight.objects.get(), dict.weight.depth.get());
                self.weigh(objects, depth, scan);
            }
            Value::Made(class, _) if class.may(Right::SetItem) => {}
            Value::Refused => {}
            _ => scan.find(&USE, self.at, "items are set in what is no dict"),
        }
        Ok(())
    }

    pub(super) fn insert(&mut self, dict: &Rc<Dict>, items: &[Value]) -> Result<(), Stop> {
        if !items.len().is_multiple_of(2) {
            return Err(self.malformed("a key has no value"));
        }
        for pair in items.chunks_exact(2) {
            let [key, value] = pair else { continue };
            let may_be_called = match value {
                Value::Global(_) => true,
                // Requests are kept under the names of the methods that they are for.
                Value::Made(class, _) => {
                    !is_numeric(*class) && class.module() != "sklearn.utils._metadata_requests"
                }
                _ => false,
            };
            if let Value::Text { at, bytes } = key
                && may_be_called
                && u64::from(*bytes) <= NAME_BYTES_MAX
            {
                let attribute = Attribute::find(self.cursor.view(*at, u64::from(*bytes))?);
                dict.holds(attribute, matches!(value, Value::Global(_)));
                let of_arrays = matches!(value, Value::Global(class) if class.may(Right::Array));
                dict.array_class.set(dict.array_class.get() || of_arrays);
            }
            let special = match key {
                Value::Text { bytes, .. } if u64::from(*bytes) > NAME_BYTES_MAX => true,
                Value::Text { at, bytes } => {
                    let key = self.cursor.view(*at, u64::from(*bytes))?;
                    // An escape of protocol 0 could stand for anything.
                    (key.starts_with(b"__") && key.ends_with(b"__")) || key.contains(&b'\\')
                }
                Value::Int(_) | Value::Nothing | Value::Tuple(_) => false,
                // Subclasses of text are no text to whom they are shown as keys.
                _ => true,
            };
            dict.insert(key, value, special);
        }
        dict.weight.add(items);
        Ok(())
    }

    /// Objects below one object, and the levels between, are bounded: who walks through them would never end.
    pub(super) fn weigh(&mut self, objects: u64, depth: u32, scan: &mut Scan<'_>) -> bool {
        let objects_max = OBJECTS_MAX.saturating_add(self.cursor.len().saturating_mul(OBJECTS_PER_BYTE));
        if objects > objects_max {
            scan.find(
                &SIZE,
                self.at,
                "containers refer to each other so often that walking through them never ends",
            );
        }
        if depth > DEPTH_MAX {
            scan.find(&SIZE, self.at, format!("containers are nested more than {DEPTH_MAX} deep"));
        }
        depth <= DEPTH_MAX
    }
}
