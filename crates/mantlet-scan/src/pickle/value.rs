//! What the machine knows of the objects that a loader would have at the same moment.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use super::{attributes::Attribute, names::Name};

/// Entries of a dict that are remembered. States that are looked into have fewer.
const ENTRIES_MAX: usize = 16;

/// Memory of a container here without its items, with what the allocator adds.
const OBJECT_BYTES: usize = 96;

/// Levels of tuples within tuples. Writers stop at a few hundred, where their own recursion ends.
pub(super) const DEPTH_MAX: u32 = 1_000;

/// An object, as far as it matters.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// `None`.
    Nothing,
    /// A small integer or a bool.
    Int(i64),
    /// Text, by where its bytes are in the content.
    Text {
        /// First byte.
        at: u64,
        /// Length in bytes.
        bytes: u32,
    },
    /// A number, bytes, a set: data without further meaning.
    Data,
    /// A list.
    List(Rc<Weight>),
    /// A tuple.
    Tuple(Rc<Tuple>),
    /// A dict.
    Dict(Rc<Dict>),
    /// A listed class or function itself.
    Global(Name),
    /// What a listed class or function made.
    Made(Name, Option<Rc<Dtype>>),
    /// What stands for something that was refused; said once, where it was refused.
    Refused,
    /// An empty place of the memo.
    Unset,
}

/// How much there is below an object, counted as often as it is referred to.
#[derive(Debug)]
pub(super) struct Weight {
    pub(super) objects: Cell<u64>,
    pub(super) depth: Cell<u32>,
    /// Memory of the object here, as part of what its machine holds.
    bytes: Cell<u64>,
    live: Rc<Cell<u64>>,
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.live.set(self.live.get().saturating_sub(self.bytes.get()));
    }
}

/// A tuple's items.
#[derive(Debug)]
pub(super) struct Tuple {
    pub(super) items: Box<[Value]>,
    pub(super) weight: Weight,
}

/// What is remembered of a dict. It is shared by all who refer to it, since it can change after that.
#[derive(Debug)]
pub(super) struct Dict {
    /// Some key is a special name such as `__setstate__`, or is unknown.
    pub(super) special: Cell<bool>,
    /// Some value takes the place of a method, or is a function where libraries keep none.
    pub(super) callable: Cell<bool>,
    /// Attributes that hold an object and that only some classes have.
    pub(super) shared: RefCell<Vec<Attribute>>,
    /// It holds a class of arrays, as only the header of an array does.
    pub(super) array_class: Cell<bool>,
    /// It is part of a type of arrays, which reads it again whenever it likes.
    pub(super) frozen: Cell<bool>,
    /// Every key so far was text.
    all: Cell<bool>,
    /// The first entries with text for a key. Values hold no containers but tuples of plain values: no cycle arises.
    pub(super) entries: RefCell<Vec<(Value, Value)>>,
    pub(super) weight: Weight,
}

/// What is known of a `numpy.dtype`.
#[derive(Debug, Default)]
pub(super) struct Dtype {
    /// Bytes of one item; `None` if it could not be told.
    pub(super) item_bytes: Cell<Option<u64>>,
    /// Bytes, text or records, whose size is part of the state.
    pub(super) flexible: Cell<bool>,
    /// It was referred to once more or has its state: whoever uses it must not see it change.
    pub(super) fixed: Cell<bool>,
    /// Items are references to objects, so an array of it is a pickle.
    pub(super) objects: Cell<bool>,
}

impl Value {
    /// How much there is below.
    pub(super) fn weight(&self) -> (u64, u32) {
        let weight = match self {
            Self::List(weight) => weight,
            Self::Tuple(tuple) => &tuple.weight,
            Self::Dict(dict) => &dict.weight,
            _ => return (1, 0),
        };
        (weight.objects.get(), weight.depth.get())
    }

    /// A tuple of these items.
    pub(super) fn tuple(items: Vec<Value>, live: &Rc<Cell<u64>>) -> Self {
        let weight = Weight::new(live, items.len() * size_of::<Value>());
        weight.add(&items);
        Self::Tuple(Rc::new(Tuple { items: items.into(), weight }))
    }

    /// The items of a tuple.
    pub(super) fn items(&self) -> Option<&[Value]> {
        match self {
            Self::Tuple(tuple) => Some(&tuple.items),
            _ => None,
        }
    }

    fn is_plain(&self) -> bool {
        !matches!(self, Self::List(_) | Self::Tuple(_) | Self::Dict(_))
    }

    /// The value without anything that could hold containers.
    fn flat(&self) -> Self {
        match self {
            Self::List(_) | Self::Dict(_) => Self::Data,
            Self::Tuple(tuple) if !tuple.items.iter().all(Self::is_plain) => Self::Data,
            other => other.clone(),
        }
    }
}

impl Weight {
    /// Of an object that takes `bytes` of memory here beyond its fixed part.
    pub(super) fn new(live: &Rc<Cell<u64>>, bytes: usize) -> Self {
        let bytes = (bytes + OBJECT_BYTES) as u64;
        live.set(live.get().saturating_add(bytes));
        Self { objects: Cell::new(0), depth: Cell::new(0), bytes: Cell::new(bytes), live: Rc::clone(live) }
    }

    fn grow(&self, bytes: usize) {
        self.bytes.set(self.bytes.get() + bytes as u64);
        self.live.set(self.live.get().saturating_add(bytes as u64));
    }

    /// Adds what is put into the object.
    pub(super) fn add(&self, items: &[Value]) {
        for item in items {
            let (objects, depth) = item.weight();
            self.objects.set(self.objects.get().saturating_add(objects).saturating_add(1));
            self.depth.set(self.depth.get().max(depth.saturating_add(1)));
        }
    }
}

impl Dict {
    /// An empty dict.
    pub(super) fn new(live: &Rc<Cell<u64>>) -> Self {
        let weight = Weight::new(live, 0);
        Self {
            special: Cell::new(false),
            callable: Cell::new(false),
            shared: RefCell::default(),
            array_class: Cell::new(false),
            frozen: Cell::new(false),
            all: Cell::new(true),
            entries: RefCell::default(),
            weight,
        }
    }

    /// Whether all entries are remembered.
    pub(super) fn is_whole(&self) -> bool {
        self.all.get() && self.entries.borrow().len() < ENTRIES_MAX
    }

    /// An attribute holds something that can be called, or whose methods can; `None` if it is not on the list.
    pub(super) fn holds(&self, attribute: Option<Attribute>, function: bool) {
        match attribute {
            Some(attribute) if !function || attribute.keeps_functions() => {
                let mut shared = self.shared.borrow_mut();
                if !attribute.is_anybodys() && shared.len() < ENTRIES_MAX {
                    shared.push(attribute);
                } else if !attribute.is_anybodys() {
                    self.callable.set(true);
                }
            }
            _ => self.callable.set(true),
        }
    }

    /// Adds one entry.
    pub(super) fn insert(&self, key: &Value, value: &Value, special: bool) {
        self.special.set(self.special.get() || special);
        self.all.set(self.all.get() && matches!(key, Value::Text { .. }));
        let mut entries = self.entries.borrow_mut();
        if entries.len() < ENTRIES_MAX && matches!(key, Value::Text { .. }) {
            entries.push((key.clone(), value.flat()));
            self.weight.grow(2 * size_of::<Value>());
        }
    }
}
