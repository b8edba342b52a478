//! What each opcode does to the stack: constants, containers and the memo, objects.

use std::rc::Rc;

use super::{
    Host, LINE_BYTES_MAX, LONG_BYTES_MAX, MALFORMED, MARKS_MAX, Machine, OUTSIDE, TEXT_LINE_BYTES_MAX, USE,
};
use crate::{
    pickle::value::{Dict, Value, Weight},
    scan::{Scan, Stop},
};

impl<H: Host> Machine<'_, '_, H> {
    pub(super) fn step(&mut self, opcode: u8, scan: &mut Scan<'_>) -> Result<(), Stop> {
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
}
