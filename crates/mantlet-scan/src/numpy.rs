//! NumPy's files of one array (NEP 1): a magic string, a header that is a Python literal, and the items, or a pickle
//! where items are objects.

use crate::{
    Input, Rule,
    pickle::{self, dtype_item},
    scan::{Scan, Stop},
};

/// The header is what NumPy writes, and the rest is the array.
pub(crate) static MALFORMED: Rule = Rule {
    id: "npy/malformed",
    class: "numpy-dos",
    demands: "the header of an array is a plain literal that accounts for every byte behind it",
};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header. NumPy itself refuses to evaluate longer ones.
const HEADER_BYTES_MAX: u64 = 10_000;
/// Types within types.
const NESTED_MAX: u32 = 8;
/// Dimensions. NumPy has at most 64.
const DIMENSIONS_MAX: usize = 64;

/// Whether content begins with the magic string.
pub(crate) fn recognizes(input: &Input<'_>) -> Result<bool, Stop> {
    Ok(input.head(MAGIC.len() as u64)?[..] == *MAGIC)
}

/// Judges header and size; items only if they are objects.
pub(crate) fn scan(input: &Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let version = input.read(6, 2)?;
    let (length_bytes, length) = match version[..] {
        [1, 0] => (2, u64::from(u16::from_le_bytes(array(&input.read(8, 2)?)?))),
        [2 | 3, 0] => (4, u64::from(u32::from_le_bytes(array(&input.read(8, 4)?)?))),
        _ => return Err(Stop::malformed(6, "no version of this format")),
    };
    if length > HEADER_BYTES_MAX {
        return Err(Stop::malformed(8, format!("a header of {length} bytes is announced")));
    }
    let header_at = 8 + length_bytes;
    let header = input.read(header_at, length)?;
    let text =
        std::str::from_utf8(&header).map_err(|_| Stop::malformed(header_at, "the header is no text"))?;
    let broken = || Stop::malformed(header_at, "the header is not the literal that NumPy writes");
    let header = Header::read(text).ok_or_else(broken)?;
    let data = input.part(header_at + length, input.len() - header_at - length)?;
    if header.objects {
        scan.carries_code();
        return pickle::scan(&data, scan);
    }
    let count = header.shape.iter().try_fold(1_u64, |count, length| count.checked_mul(*length));
    let bytes = count.and_then(|count| count.checked_mul(header.item_bytes));
    if bytes != Some(data.len()) {
        let why = format!("the header announces {bytes:?} bytes of items where {} follow", data.len());
        return Err(Stop::malformed(header_at, why));
    }
    Ok(())
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Stop> {
    bytes.try_into().map_err(|_| Stop::Cut { offset: 8 })
}

/// `{'descr': …, 'fortran_order': …, 'shape': (…), }`
#[derive(Default)]
struct Header {
    item_bytes: u64,
    objects: bool,
    shape: Vec<u64>,
}

impl Header {
    fn read(text: &str) -> Option<Self> {
        let mut literal = Literal { rest: text };
        let mut header = Self::default();
        let mut seen = [false; 3];
        literal.expect("{")?;
        while !literal.take("}") {
            let key = literal.string()?;
            literal.expect(":")?;
            let at = match key {
                "descr" => {
                    (header.item_bytes, header.objects) = literal.descr(0)?;
                    0
                }
                "fortran_order" => {
                    let known = literal.take("True") || literal.take("False");
                    known.then_some(1)?
                }
                "shape" => {
                    header.shape = literal.shape()?;
                    2
                }
                _ => return None,
            };
            let first = seen.get_mut(at)?;
            if std::mem::replace(first, true) {
                return None;
            }
            if !literal.take(",") {
                literal.expect("}")?;
                break;
            }
        }
        literal.space();
        (literal.rest.is_empty() && seen == [true; 3]).then_some(header)
    }
}

/// A Python literal, of the kinds that stand in headers.
struct Literal<'a> {
    rest: &'a str,
}

impl<'a> Literal<'a> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\n']);
    }

    fn take(&mut self, token: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Option<()> {
        self.take(token).then_some(())
    }

    fn string(&mut self) -> Option<&'a str> {
        self.space();
        let quote = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let (inner, rest) = self.rest.get(1..)?.split_once(quote)?;
        self.rest = rest;
        (!inner.contains('\\')).then_some(inner)
    }

    fn number(&mut self) -> Option<u64> {
        self.space();
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end)?;
        // Python 2 marked long integers.
        self.rest = rest.strip_prefix('L').unwrap_or(rest);
        digits.parse().ok()
    }

    fn shape(&mut self) -> Option<Vec<u64>> {
        let mut shape = Vec::new();
        self.expect("(")?;
        while !self.take(")") {
            shape.push(self.number()?);
            if shape.len() > DIMENSIONS_MAX {
                return None;
            }
            if !self.take(",") {
                // One length in parentheses is a number, not a tuple.
                self.expect(")").filter(|()| shape.len() > 1)?;
                break;
            }
        }
        Some(shape)
    }

    /// Bytes of an item, and whether it refers to objects: a type's name, or fields of name, type and shape.
    fn descr(&mut self, level: u32) -> Option<(u64, bool)> {
        if level > NESTED_MAX {
            return None;
        }
        self.space();
        if self.rest.starts_with(['\'', '"']) {
            let name = self.string()?;
            // Units of time stand behind the type.
            let name = name.split('[').next()?;
            let (bytes, objects) = dtype_item(name)?;
            return Some((bytes.or(objects.then_some(8))?, objects));
        }
        if self.take("(") {
            let (bytes, objects) = self.descr(level + 1)?;
            self.expect(",")?;
            let count = self.shape()?.iter().try_fold(1_u64, |count, length| count.checked_mul(*length))?;
            self.take(",");
            self.expect(")")?;
            return Some((bytes.checked_mul(count)?, objects));
        }
        self.expect("[")?;
        let (mut bytes, mut objects) = (0_u64, false);
        while !self.take("]") {
            let (field_bytes, field_objects) = self.field(level)?;
            bytes = bytes.checked_add(field_bytes)?;
            objects |= field_objects;
            if !self.take(",") {
                self.expect("]")?;
                break;
            }
        }
        Some((bytes, objects))
    }

    fn field(&mut self, level: u32) -> Option<(u64, bool)> {
        self.expect("(")?;
        if self.take("(") {
            // A title and a name.
            self.string()?;
            self.expect(",")?;
            self.string()?;
            self.expect(")")?;
        } else {
            self.string()?;
        }
        self.expect(",")?;
        let (mut bytes, objects) = self.descr(level + 1)?;
        if self.take(",") && !self.rest.trim_start().starts_with(')') {
            let count = self.shape()?.iter().try_fold(1_u64, |count, length| count.checked_mul(*length))?;
            bytes = bytes.checked_mul(count)?;
            self.take(",");
        }
        self.expect(")")?;
        Some((bytes, objects))
    }
}
