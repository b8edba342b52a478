//! Pickles: Python's own format, a program for a small machine that can import and call anything.
//!
//! Files hold one stream, or several one after another; joblib puts the items of arrays between opcodes, and PyTorch
//! before 1.6 those of tensors behind the last stream.

mod attributes;
mod call;
mod machine;
mod names;
mod numpy;
#[cfg(test)]
mod tests;
mod torch;
mod value;

pub(crate) use machine::MALFORMED;
pub use names::origin;
pub(crate) use names::{Name, Right, is_telling};
pub(crate) use numpy::item as dtype_item;
pub(crate) use torch::{Storages, scan_torch};

use machine::{Host, Machine};
use value::Value;

use crate::{
    Input, Limits, Rule,
    cursor::Cursor,
    scan::{Scan, Stop},
};

/// Opcodes after which there is no doubt that something without a protocol byte is a pickle.
const OPCODES_CONVINCING: u64 = 10_000;

/// No persistent ids.
struct Alone;

impl Host for Alone {
    fn persistent(&mut self, _: &Value, _: &mut Cursor<'_>) -> Result<Option<Value>, Stop> {
        Ok(None)
    }
}

/// Whether content is a pickle. Protocols 2 to 5 begin with a byte of their own; older ones are tried.
pub(crate) fn recognizes(input: &Input<'_>) -> Result<bool, Stop> {
    let head = input.head(3)?;
    Ok(match head[..] {
        [0x80, 0..=5, opcode] => opcode >= 0x80 || opcode.is_ascii_graphic(),
        _ => resembles(*input, 0),
    })
}

/// Whether bytes without a signature run as a pickle: to an end that leaves nothing, to some call, or to a name that
/// tells a pickle from a list of words.
fn resembles(input: Input<'_>, start: u64) -> bool {
    let limits = Limits { steps: OPCODES_CONVINCING, ..Limits::default() };
    let mut scan = Scan::new(None, &limits);
    let mut cursor = Cursor::new(input);
    cursor.seek(start);
    loop {
        let mut alone = Alone;
        let mut machine = Machine::new(&mut cursor, &mut alone);
        let result = machine.run(&mut scan);
        if machine.named {
            return true;
        }
        match (result, machine.calls) {
            (_, 1..) | (Err(Stop::Over(_)), _) => return true,
            (Err(_), 0) => return false,
            (Ok(_), 0) if cursor.left() == 0 => return true,
            // Text may begin like a pickle that ends: what follows tells.
            (Ok(_), 0) => {}
        }
    }
}

/// A file is one thing to every reader.
pub(crate) static POLYGLOT: Rule = Rule {
    id: "pickle/polyglot",
    class: "pickle-code",
    demands: "a file of another format does not run as a pickle",
};

/// Whether content that is something else, by its signature, imports a name if a loader of pickles reads it.
pub(crate) fn imports(input: Input<'_>) -> bool {
    let limits = Limits { steps: OPCODES_CONVINCING, ..Limits::default() };
    let mut scan = Scan::new(None, &limits);
    let mut cursor = Cursor::new(input);
    loop {
        let mut alone = Alone;
        let mut machine = Machine::new(&mut cursor, &mut alone);
        let result = machine.run(&mut scan);
        match result {
            _ if machine.imported => return true,
            // As many opcodes in a row are no accident.
            Err(Stop::Over("steps")) => return true,
            Err(_) => return false,
            Ok(_) => {}
        }
    }
}

/// Judges all streams of a file.
pub(crate) fn scan(input: &Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    if torch::is_legacy(input)? {
        return torch::scan_legacy(*input, scan);
    }
    let mut cursor = Cursor::new(*input);
    loop {
        Machine::new(&mut cursor, &mut Alone).run(scan)?;
        if cursor.left() == 0 {
            return Ok(());
        }
        let at = cursor.at();
        if input.part(at, cursor.left())?.head(1)?.first() != Some(&0x80) && !resembles(*input, at) {
            return Err(Stop::malformed(at, "something follows that is no pickle"));
        }
    }
}
