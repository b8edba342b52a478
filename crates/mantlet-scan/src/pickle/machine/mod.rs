//! The pickle machine: every opcode of protocols 0 to 5 with the stack, the marks, the memo and the frames that a loader
//! would have, but with what is known of each object in its place (Python's `Lib/pickletools.py` describes the opcodes).
//! Nothing is imported, called or built.

mod constants;
mod containers;
mod opcodes;
mod trial;

use std::{cell::Cell, collections::BTreeMap, rc::Rc};

use super::value::{DEPTH_MAX, Value};
use crate::{
    Rule,
    cursor::Cursor,
    scan::{Held, Scan, Stop},
};

/// Longest line of an opcode with text: module, name, digits. Python prints no longer number either.
pub(super) const LINE_BYTES_MAX: u64 = 4_300;
/// Longest text of protocol 0, which stands in a line.
const TEXT_LINE_BYTES_MAX: u64 = 64 << 20;
/// Longest module or name.
const NAME_BYTES_MAX: u64 = 256;
/// Longest integer in bytes. Generators' states have 32.
const LONG_BYTES_MAX: u64 = 64 << 10;
/// Marks that may be open at once.
const MARKS_MAX: usize = DEPTH_MAX as usize * 4;
/// Objects below one object that a file of no size may have, counted as often as they are referred to; a file may have
/// [`OBJECTS_PER_BYTE`] more for each of its bytes.
const OBJECTS_MAX: u64 = 1 << 26;
const OBJECTS_PER_BYTE: u64 = 1_000;
/// Opcodes between two looks at the clock.
const OPCODES_AT_ONCE: u64 = 1 << 10;
/// Memory that is taken at once.
const HELD_AT_ONCE: u64 = 1 << 18;

/// A name is on the list.
pub(super) static NAME: Rule = Rule {
    id: "pickle/name",
    class: "pickle-code",
    demands: "a pickle imports nothing but listed names of data and model classes",
};
/// A listed name is used as listed.
pub(super) static USE: Rule = Rule {
    id: "pickle/use",
    class: "pickle-code",
    demands: "a pickle does with a listed name no more than that name's own writer does",
};
/// No opcode reaches outside the file.
pub(super) static OUTSIDE: Rule = Rule {
    id: "pickle/outside",
    class: "pickle-code",
    demands: "a pickle refers to nothing outside itself: no extension codes, foreign buffers or unknown persistent ids",
};
/// What counts of a trial, before and after some name was used.
static IMPORTS: &[&Rule] = &[&NAME];
static ACTS: &[&Rule] = &[&NAME, &USE, &OUTSIDE];
/// The stream is whole and as a pickler writes it.
pub(crate) static MALFORMED: Rule = Rule {
    id: "pickle/malformed",
    class: "pickle-code",
    demands: "a pickle is whole, and every opcode finds on the stack what it needs",
};
/// Sizes are possible.
pub(super) static SIZE: Rule = Rule {
    id: "pickle/size",
    class: "pickle-dos",
    demands: "a pickle asks for no more than its own length gives reason for",
};

/// Who answers for persistent ids and for arrays that stand between opcodes.
pub(super) trait Host {
    /// A persistent id: whether the loader of such files knows what to do with it.
    fn persistent(&mut self, id: &Value, cursor: &mut Cursor<'_>) -> Result<Option<Value>, Stop>;
    /// Text was met; legacy torch files list their storages so.
    fn text(&mut self, _at: u64, _bytes: u32) {}
}

/// The state of one stream.
pub(super) struct Machine<'c, 'a, H> {
    pub(super) cursor: &'c mut Cursor<'a>,
    pub(super) host: &'c mut H,
    /// Where the opcode under execution is.
    pub(super) at: u64,
    pub(super) stack: Vec<Value>,
    marks: Vec<usize>,
    memo: Vec<Value>,
    /// Places of the memo that were used before those below them.
    far: BTreeMap<u64, Value>,
    /// Places of the memo in use: `MEMOIZE` takes this one next, whatever the places are.
    memoized: u64,
    /// Where the current frame ends.
    frame_end: Option<u64>,
    /// A dtype whose items are objects was seen.
    pub(super) saw_objects: bool,
    pub(super) opcodes: u64,
    /// This only tries how a loader that knows nothing of joblib would go on.
    pub(super) trial: bool,
    undo: Vec<(usize, Value)>,
    /// Calls of whatever kind, listed or not: what tells a pickle from text.
    pub(super) calls: u64,
    /// A name was imported that is listed, or that attacks begin with.
    pub(super) named: bool,
    /// Something was imported, listed or not.
    pub(super) imported: bool,
    /// Bytes of containers that live, and of memory that was taken for them.
    pub(super) live: Rc<Cell<u64>>,
    /// Arrays of objects that this stream is within.
    pub(super) nested: u32,
    held: Vec<Held>,
    held_bytes: u64,
}

impl<'c, 'a, H: Host> Machine<'c, 'a, H> {
    pub(super) fn new(cursor: &'c mut Cursor<'a>, host: &'c mut H) -> Self {
        Self {
            at: cursor.at(),
            cursor,
            host,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Vec::new(),
            far: BTreeMap::new(),
            memoized: 0,
            frame_end: None,
            saw_objects: false,
            opcodes: 0,
            trial: false,
            undo: Vec::new(),
            calls: 0,
            named: false,
            imported: false,
            live: Rc::default(),
            nested: 0,
            held: Vec::new(),
            held_bytes: 0,
        }
    }

    /// Runs one stream to its `STOP`; what it leaves.
    pub(super) fn run(&mut self, scan: &mut Scan<'_>) -> Result<Value, Stop> {
        loop {
            self.at = self.cursor.at();
            self.opcodes += 1;
            if self.opcodes.is_multiple_of(OPCODES_AT_ONCE) {
                scan.charge(OPCODES_AT_ONCE)?;
            }
            if self.frame_end == Some(self.at) {
                self.frame_end = None;
            }
            let opcode = self.cursor.byte()?;
            if opcode == b'.' {
                let value = self.pop()?;
                if !self.stack.is_empty() || !self.marks.is_empty() {
                    return Err(self.malformed("objects are left on the stack at the end"));
                }
                return Ok(value);
            }
            self.step(opcode, scan)?;
            if self.frame_end.is_some_and(|end| self.cursor.at() > end) {
                self.frame_end = None;
                scan.find(&MALFORMED, self.at, "an opcode reaches over the end of its frame");
            }
            self.hold(scan)?;
        }
    }
    /// Takes memory as stack, memo and containers grow. Vectors may have twice the room that they need.
    fn hold(&mut self, scan: &mut Scan<'_>) -> Result<(), Stop> {
        let places = (self.stack.len() + self.memo.len() + self.far.len() * 4) * size_of::<Value>() * 2;
        while places as u64 + self.live.get() > self.held_bytes {
            self.held.push(scan.hold(HELD_AT_ONCE)?);
            self.held_bytes += HELD_AT_ONCE;
        }
        Ok(())
    }

    /// A listed name is used. In a trial that is no accident: from here on whatever is wrong counts.
    pub(super) fn acts(&self, scan: &mut Scan<'_>) {
        if self.trial {
            scan.listen(ACTS);
        }
    }

    /// What follows stands between frames.
    pub(super) fn leave_frame(&mut self, scan: &mut Scan<'_>) {
        if self.frame_end.take().is_some_and(|end| end != self.cursor.at()) {
            scan.find(&MALFORMED, self.at, "an array stands within a frame");
        }
    }

    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    pub(super) fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    pub(super) fn pop(&mut self) -> Result<Value, Stop> {
        if self.stack.len() <= self.floor() {
            return Err(self.underflow());
        }
        self.stack.pop().ok_or_else(|| self.underflow())
    }

    pub(super) fn top(&self) -> Result<&Value, Stop> {
        if self.stack.len() <= self.floor() {
            return Err(self.underflow());
        }
        self.stack.last().ok_or_else(|| self.underflow())
    }

    fn since_mark(&mut self) -> Result<Vec<Value>, Stop> {
        let mark = self.marks.pop().ok_or_else(|| self.malformed("no mark was set"))?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    pub(super) fn malformed(&self, why: impl Into<String>) -> Stop {
        Stop::malformed(self.at, why)
    }

    fn underflow(&self) -> Stop {
        self.malformed("an opcode finds nothing on the stack")
    }
}
