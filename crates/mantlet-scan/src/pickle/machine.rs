//! The pickle machine: every opcode of protocols 0 to 5 with the stack, the marks, the memo and the frames that a loader
//! would have, but with what is known of each object in its place (Python's `Lib/pickletools.py` describes the opcodes).
//! Nothing is imported, called or built.

use std::{cell::Cell, collections::BTreeMap, rc::Rc};

use super::{
    call::is_numeric,
    names::Right,
    value::{DEPTH_MAX, Dict, Value, Weight},
};
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

    fn step(&mut self, opcode: u8, scan: &mut Scan<'_>) -> Result<(), Stop> {
        match opcode {
            // Constants.
            b'N' => self.push(Value::Nothing),
            0x88 | 0x89 => self.push(Value::Int(i64::from(opcode == 0x88))),
            b'K' => {
                let number = i64::from(self.cursor.byte()?);
                self.push(Value::Int(number));
            }
            b'M' => {
                let number = i64::from(u16::from_le_bytes(self.cursor.array()?));
                self.push(Value::Int(number));
            }
            b'J' => {
                let number = i64::from(i32::from_le_bytes(self.cursor.array()?));
                self.push(Value::Int(number));
            }
            b'I' | b'L' => self.number_line(opcode == b'L')?,
            0x8a => {
                let bytes = u64::from(self.cursor.byte()?);
                self.long(bytes)?;
            }
            0x8b => {
                let bytes = i32::from_le_bytes(self.cursor.array()?);
                let bytes = u64::try_from(bytes).ok().filter(|bytes| *bytes <= LONG_BYTES_MAX);
                let bytes = bytes.ok_or_else(|| self.malformed("an integer is too long"))?;
                self.long(bytes)?;
            }
            b'F' => {
                let line = self.number_text()?;
                if line.replace('_', "").parse::<f64>().is_err() {
                    return Err(self.malformed(format!("`{line}` is no number")));
                }
                self.push(Value::Data);
            }
            b'G' => self.data(8)?,
            // Text and bytes.
            b'U' | 0x8c => {
                let bytes = u64::from(self.cursor.byte()?);
                self.text(bytes)?;
            }
            b'X' | b'T' => {
                let bytes = u64::from(u32::from_le_bytes(self.cursor.array()?));
                self.text(bytes)?;
            }
            0x8d => {
                let bytes = u64::from_le_bytes(self.cursor.array()?);
                self.text(bytes)?;
            }
            b'C' => {
                let bytes = u64::from(self.cursor.byte()?);
                self.data(bytes)?;
            }
            b'B' => {
                let bytes = u64::from(u32::from_le_bytes(self.cursor.array()?));
                self.data(bytes)?;
            }
            0x8e | 0x96 => {
                let bytes = u64::from_le_bytes(self.cursor.array()?);
                self.data(bytes)?;
            }
            b'S' => self.quoted_line()?,
            b'V' => {
                let (at, bytes) = self.cursor.line(TEXT_LINE_BYTES_MAX)?;
                let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
                self.push(Value::Text { at, bytes });
            }
            _ => return self.step_structure(opcode, scan),
        }
        Ok(())
    }

    fn step_structure(&mut self, opcode: u8, scan: &mut Scan<'_>) -> Result<(), Stop> {
        match opcode {
            // Containers.
            b']' => self.push(Value::List(Rc::new(Weight::new(&self.live, 0)))),
            b'}' => self.push(Value::Dict(Rc::new(Dict::new(&self.live)))),
            b')' => {
                let tuple = self.tuple(Vec::new(), scan);
                self.push(tuple);
            }
            0x8f => self.push(Value::Data),
            b'l' => {
                let items = self.since_mark()?;
                let weight = Weight::new(&self.live, 0);
                weight.add(&items);
                self.push(Value::List(Rc::new(weight)));
            }
            b'd' => {
                let items = self.since_mark()?;
                let dict = Rc::new(Dict::new(&self.live));
                self.insert(&dict, &items)?;
                self.push(Value::Dict(dict));
            }
            b't' => {
                let items = self.since_mark()?;
                let tuple = self.tuple(items, scan);
                self.push(tuple);
            }
            0x91 => {
                self.since_mark()?;
                self.push(Value::Data);
            }
            0x85..=0x87 => {
                let from =
                    self.stack.len().checked_sub(usize::from(opcode - 0x84)).filter(|at| *at >= self.floor());
                let from = from.ok_or_else(|| self.underflow())?;
                let items = self.stack.split_off(from);
                let tuple = self.tuple(items, scan);
                self.push(tuple);
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item], scan)?;
            }
            b'e' => {
                let items = self.since_mark()?;
                self.append(&items, scan)?;
            }
            0x90 => {
                self.since_mark()?;
                if !matches!(self.top()?, Value::Data | Value::Refused) {
                    scan.find(&USE, self.at, "items are added to what is no set");
                }
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(&[key, value], scan)?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.set_items(&items, scan)?;
            }
            // Stack and memo.
            b'(' => {
                if self.marks.len() >= MARKS_MAX {
                    return Err(Stop::Over("nesting"));
                }
                self.marks.push(self.stack.len());
            }
            b'0' => {
                // On an empty level this drops the mark itself.
                if self.stack.len() > self.floor() {
                    self.stack.pop();
                } else if self.marks.pop().is_none() {
                    return Err(self.underflow());
                }
            }
            b'1' => {
                self.since_mark()?;
            }
            b'2' => {
                let top = self.top()?.clone();
                self.copied(&top, scan);
                self.push(top);
            }
            b'p' | b'g' => {
                let index = self.index_line()?;
                self.memo(opcode == b'p', index, scan)?;
            }
            b'q' | b'h' => {
                let index = u64::from(self.cursor.byte()?);
                self.memo(opcode == b'q', index, scan)?;
            }
            b'r' | b'j' => {
                let index = u64::from(u32::from_le_bytes(self.cursor.array()?));
                self.memo(opcode == b'r', index, scan)?;
            }
            0x94 => {
                let index = self.memoized;
                self.memo(true, index, scan)?;
            }
            _ => return self.step_object(opcode, scan),
        }
        Ok(())
    }

    fn step_object(&mut self, opcode: u8, scan: &mut Scan<'_>) -> Result<(), Stop> {
        match opcode {
            b'c' => {
                let global = self.global_lines(scan)?;
                self.push(global);
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let global = self.global_values(&module, &name, scan)?;
                self.push(global);
            }
            b'i' => {
                let class = self.global_lines(scan)?;
                let items = self.since_mark()?;
                let arguments = self.tuple(items, scan);
                let made = self.instantiate(&class, &arguments, scan)?;
                self.push(made);
            }
            b'o' => {
                let mut items = self.since_mark()?;
                if items.is_empty() {
                    return Err(self.underflow());
                }
                let class = items.remove(0);
                let arguments = self.tuple(items, scan);
                let made = self.instantiate(&class, &arguments, scan)?;
                self.push(made);
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                let made = self.call(&function, &arguments, scan)?;
                self.push(made);
            }
            0x81 | 0x92 => {
                let keywords = if opcode == 0x92 { Some(self.pop()?) } else { None };
                let (arguments, class) = (self.pop()?, self.pop()?);
                let made = self.new_object(&class, &arguments, keywords.as_ref(), scan);
                self.push(made);
            }
            b'b' => {
                let state = self.pop()?;
                self.build(&state, scan)?;
            }
            b'P' => {
                let (at, bytes) = self.cursor.line(LINE_BYTES_MAX)?;
                let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
                self.persistent(&Value::Text { at, bytes }, scan)?;
            }
            b'Q' => {
                let id = self.pop()?;
                self.persistent(&id, scan)?;
            }
            0x82..=0x84 => {
                self.cursor.skip(1 << (opcode - 0x82))?;
                scan.find(
                    &OUTSIDE,
                    self.at,
                    "an extension code stands for a name that only the loader knows",
                );
                self.push(Value::Refused);
            }
            0x97 | 0x98 => {
                scan.find(&OUTSIDE, self.at, "a buffer is expected from outside the file");
                self.push(Value::Refused);
            }
            0x80 => {
                let protocol = self.cursor.byte()?;
                // A loader reads it wherever it stands, and does nothing more.
                if protocol > 5 {
                    return Err(self.malformed(format!("protocol {protocol} is announced here")));
                }
            }
            0x95 => {
                let bytes = u64::from_le_bytes(self.cursor.array()?);
                if bytes > self.cursor.left() {
                    let why =
                        format!("a frame of {bytes} bytes is announced where {} follow", self.cursor.left());
                    scan.find(&MALFORMED, self.at, why);
                } else if self.frame_end.is_some() {
                    scan.find(&MALFORMED, self.at, "a frame begins within a frame");
                } else {
                    self.frame_end = Some(self.cursor.at() + bytes);
                }
            }
            other => return Err(self.malformed(format!("{other:#04x} is no opcode"))),
        }
        Ok(())
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

    /// A loader that knows nothing of joblib takes the bytes of an array for opcodes. Whatever they would import counts;
    /// that they end nowhere does not.
    pub(super) fn look_at_array(
        &mut self,
        start: u64,
        wrapper: Value,
        scan: &mut Scan<'_>,
    ) -> Result<(), Stop> {
        let after = self.cursor.at();
        self.cursor.seek(start);
        scan.charge((self.stack.len() + self.far.len()) as u64)?;
        let mut stack = self.stack.clone();
        if let Some(top) = stack.last_mut() {
            *top = wrapper;
        }
        let memo = std::mem::take(&mut self.memo);
        let places = memo.len();
        let mut trial = Machine {
            stack,
            memo,
            far: self.far.clone(),
            memoized: self.memoized,
            trial: true,
            marks: self.marks.clone(),
            ..Machine::new(self.cursor, self.host)
        };
        trial.live = Rc::clone(&self.live);
        trial.saw_objects = self.saw_objects;
        let mut heard = Vec::new();
        // Items call what is no function by accident, so that alone says nothing; an imported name does.
        let result = scan.aside(&mut heard, |scan| scan.only(IMPORTS, |scan| trial.run(scan).map(|_| ())));
        let (mut memo, undo) = (std::mem::take(&mut trial.memo), std::mem::take(&mut trial.undo));
        for (place, before) in undo.into_iter().rev() {
            if let Some(at) = memo.get_mut(place) {
                *at = before;
            }
        }
        memo.truncate(places);
        self.memo = memo;
        self.cursor.seek(after);
        scan.adopt(heard);
        match result {
            Err(Stop::Over(what)) => Err(Stop::Over(what)),
            _ => Ok(()),
        }
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

    fn tuple(&mut self, items: Vec<Value>, scan: &mut Scan<'_>) -> Value {
        let tuple = Value::tuple(items, &self.live);
        let (objects, depth) = tuple.weight();
        // What is too deep is not kept: freeing it would recurse as deep.
        if self.weigh(objects, depth, scan) { tuple } else { Value::Refused }
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

    fn data(&mut self, bytes: u64) -> Result<(), Stop> {
        self.cursor.skip(bytes)?;
        self.push(Value::Data);
        Ok(())
    }

    fn text(&mut self, bytes: u64) -> Result<(), Stop> {
        let at = self.cursor.skip(bytes)?;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.host.text(at, bytes);
        self.push(Value::Text { at, bytes });
        Ok(())
    }

    fn long(&mut self, bytes: u64) -> Result<(), Stop> {
        let digits = self.cursor.take(bytes)?;
        let mut number = [if digits.last().is_some_and(|top| *top >= 0x80) { 0xff } else { 0 }; 8];
        let value = match number.get_mut(..digits.len()) {
            Some(low) => {
                low.copy_from_slice(digits);
                Value::Int(i64::from_le_bytes(number))
            }
            None => Value::Data,
        };
        self.push(value);
        Ok(())
    }

    /// The line of a number without the spaces around it. Loaders read it as C does: up to a zero byte.
    fn number_text(&mut self) -> Result<String, Stop> {
        let (at, bytes) = self.cursor.line(TEXT_LINE_BYTES_MAX)?;
        let line = self.cursor.view(at, bytes)?;
        let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
        let line = line.trim_ascii();
        let line = line.strip_prefix(b"\x0b").unwrap_or(line);
        let long = line.len() as u64 > LINE_BYTES_MAX;
        let line = String::from_utf8_lossy(line.get(..200).filter(|_| long).unwrap_or(line)).into_owned();
        if long { Err(self.malformed(format!("`{line}` is no number"))) } else { Ok(line) }
    }

    /// An integer, as Python's `int(line, 0)` and C's `strtol` read it.
    fn number_line(&mut self, long: bool) -> Result<(), Stop> {
        let line = self.number_text()?;
        let number = if long { line.strip_suffix('L').unwrap_or(&line) } else { &line };
        let (sign, bare) = match number.strip_prefix(['-', '+']) {
            Some(bare) if number.starts_with('-') => ("-", bare),
            Some(bare) => ("", bare),
            None => ("", number),
        };
        let (radix, digits) = match bare.get(..2).map(str::to_ascii_lowercase).as_deref() {
            Some("0x") => (16, bare.get(2..).unwrap_or_default()),
            Some("0o") => (8, bare.get(2..).unwrap_or_default()),
            Some("0b") => (2, bare.get(2..).unwrap_or_default()),
            // C takes a leading zero for octal.
            Some(_) if bare.starts_with('0') && bare.bytes().all(|b| matches!(b, b'0'..=b'7')) => (8, bare),
            _ => (10, bare),
        };
        let digits = digits.replace('_', "");
        if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
            return Err(self.malformed(format!("`{line}` is no number")));
        }
        self.push(i64::from_str_radix(&format!("{sign}{digits}"), radix).map_or(Value::Data, Value::Int));
        Ok(())
    }

    fn quoted_line(&mut self) -> Result<(), Stop> {
        let (at, bytes) = self.cursor.line(TEXT_LINE_BYTES_MAX)?;
        let ends = |cursor: &mut Cursor<'_>| -> Result<(u8, u8), Stop> {
            let first = cursor.view(at, 1)?.first().copied().unwrap_or(0);
            let last = cursor.view(at + bytes - 1, 1)?.first().copied().unwrap_or(0);
            Ok((first, last))
        };
        if bytes < 2 {
            return Err(self.malformed("a string has no quotes"));
        }
        let (first, last) = ends(self.cursor)?;
        if first != last || !matches!(first, b'\'' | b'"') {
            return Err(self.malformed("a string has no quotes"));
        }
        let bytes = u32::try_from(bytes - 2).unwrap_or(u32::MAX);
        self.push(Value::Text { at: at + 1, bytes });
        Ok(())
    }

    fn index_line(&mut self) -> Result<u64, Stop> {
        let line = self.number_text()?;
        let digits = line.strip_prefix('+').unwrap_or(&line).replace('_', "");
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // Whatever is larger than that no loader has room for.
        plain
            .then(|| digits.parse().ok())
            .flatten()
            .ok_or_else(|| self.malformed("a place in the memo is no number"))
    }

    fn memo(&mut self, put: bool, index: u64, scan: &mut Scan<'_>) -> Result<(), Stop> {
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

    fn append(&mut self, items: &[Value], scan: &mut Scan<'_>) -> Result<(), Stop> {
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

    fn set_items(&mut self, items: &[Value], scan: &mut Scan<'_>) -> Result<(), Stop> {
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

    fn insert(&mut self, dict: &Rc<Dict>, items: &[Value]) -> Result<(), Stop> {
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
                let key = self.cursor.view(*at, u64::from(*bytes))?;
                let fine =
                    if matches!(value, Value::Global(_)) { keeps_function(key) } else { !is_method(key) };
                dict.callable.set(dict.callable.get() || !fine);
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
    fn weigh(&mut self, objects: u64, depth: u32, scan: &mut Scan<'_>) -> bool {
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

/// Parts of the names under which estimators keep a function or a class that they were given.
const FUNCTIONS: [&str; 26] = [
    "func",
    "metric",
    "kernel",
    "type",
    "loss",
    "scor",
    "objective",
    "activation",
    "distance",
    "class",
    "random_state",
    "estimator",
    "link",
    "criterion",
    "weight",
    "optimizer",
    "norm",
    "eval",
    "fun",
    "agg",
    "storage",
    "default",
    "init",
    "regressor",
    "_single",
    "_asarray",
];

/// Names and their beginnings that stand for methods, which loading or using the object would call.
const METHODS: [&str; 18] = [
    "predict",
    "transform",
    "fit",
    "score",
    "pop",
    "copy",
    "get",
    "update",
    "items",
    "keys",
    "values",
    "setdefault",
    "get_params",
    "set_params",
    "predict_proba",
    "decision_function",
    "inverse_transform",
    "fit_transform",
];
const METHOD_STARTS: [&str; 4] = ["_build", "_check", "_validate", "_get_"];

fn is_method(key: &[u8]) -> bool {
    METHODS.iter().any(|name| name.as_bytes() == key)
        || METHOD_STARTS.iter().any(|start| key.starts_with(start.as_bytes()))
}

/// Whether an estimator may keep a function or a class under this name.
fn keeps_function(key: &[u8]) -> bool {
    let contains = |part: &str| key.windows(part.len()).any(|within| within == part.as_bytes());
    !is_method(key) && FUNCTIONS.iter().any(|part| contains(part))
}
