//! Tensors between JSON, the binary tensor extension and typed vectors.
//!
//! Every count is bounded before anything is allocated for it: an element takes at least two bytes of JSON, or its
//! width in binary, so a shape cannot ask for more memory than its request had bytes.

use std::ops::Range;

use mantlet_types::{Datatype, TensorData, limits::RANK_MAX};

use super::json::{Element, Kind, Malformed, Reader, Writer, half_from, half_to};

/// Reads JSON data, nested or flat, of a tensor of this type and shape.
///
/// # Errors
/// If an element is not of the type, or the number or nesting of elements is not the shape's.
pub fn read(reader: &mut Reader<'_>, datatype: Datatype, shape: &[usize]) -> Result<TensorData, Malformed> {
    macro_rules! read {
        ($variant:ident, $element:expr) => {
            elements(reader, shape, $element).map(TensorData::$variant)
        };
    }
    match datatype {
        Datatype::Bool => read!(Bool, Reader::bool),
        Datatype::Uint8 => read!(Uint8, number),
        Datatype::Uint16 => read!(Uint16, number),
        Datatype::Uint32 => read!(Uint32, number),
        Datatype::Uint64 => read!(Uint64, number),
        Datatype::Int8 => read!(Int8, number),
        Datatype::Int16 => read!(Int16, number),
        Datatype::Int32 => read!(Int32, number),
        Datatype::Int64 => read!(Int64, number),
        Datatype::Fp16 => read!(Fp16, |reader| half_from(reader.double()?).ok_or(Malformed)),
        Datatype::Fp32 => read!(Fp32, number),
        Datatype::Fp64 => read!(Fp64, number),
        Datatype::Bytes => read!(Bytes, |reader| reader.string().map(|text| text.into_owned().into_bytes())),
    }
}

fn number<T: Element>(reader: &mut Reader<'_>) -> Result<T, Malformed> {
    T::parse(reader.number()?).ok_or(Malformed)
}

fn elements<'a, T>(
    reader: &mut Reader<'a>,
    shape: &[usize],
    element: impl Fn(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = volume(shape).ok_or(Malformed)?;
    let mut values = Vec::with_capacity(count.min(reader.remaining() / 2));
    let mut nest = Nest { values: &mut values, count, extents: Vec::new(), leaf: None, element };
    nest.read(reader, 0)?;
    let extents = nest.extents;
    if values.len() == count && (extents == shape || extents == [count]) {
        Ok(values)
    } else {
        Err(Malformed)
    }
}

/// Nested arrays on their way into one row-major vector.
struct Nest<'v, T, E> {
    values: &'v mut Vec<T>,
    count: usize,
    /// Length of the first array met at each level; all others at that level must have the same.
    extents: Vec<usize>,
    /// The level that holds the elements.
    leaf: Option<usize>,
    element: E,
}

impl<'a, T, E: Fn(&mut Reader<'a>) -> Result<T, Malformed>> Nest<'_, T, E> {
    fn read(&mut self, reader: &mut Reader<'a>, level: usize) -> Result<(), Malformed> {
        if level == RANK_MAX {
            return Err(Malformed);
        }
        let mut length = 0_usize;
        let mut nested = None;
        let mut items = reader.array()?;
        while reader.element(&mut items)? {
            let is_array = *nested.get_or_insert(reader.peek()? == Kind::Array);
            if is_array {
                self.read(reader, level + 1)?;
            } else if self.values.len() < self.count && *self.leaf.get_or_insert(level) == level {
                self.values.push((self.element)(reader)?);
            } else {
                return Err(Malformed);
            }
            length += 1;
        }
        // An inner array is finished before the outer one, so levels below this one may already be known.
        if self.extents.len() <= level {
            self.extents.resize(level + 1, usize::MAX);
        }
        match self.extents.get_mut(level) {
            Some(extent) if *extent == usize::MAX => *extent = length,
            Some(extent) if *extent == length => {}
            _ => return Err(Malformed),
        }
        Ok(())
    }
}

/// The number of elements of a shape, unless it overflows.
#[must_use]
pub fn volume(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent))
}

/// Reads the binary form: little-endian elements, or length-prefixed ones for `BYTES`.
///
/// # Errors
/// If the bytes are not exactly `count` elements of the type.
pub fn unpack(bytes: &[u8], datatype: Datatype, count: usize) -> Result<TensorData, Malformed> {
    if let Some(width) = datatype.width()
        && count.checked_mul(width) != Some(bytes.len())
    {
        return Err(Malformed);
    }
    macro_rules! unpack {
        ($variant:ident, $type:ty) => {
            TensorData::$variant(
                bytes
                    .as_chunks::<{ size_of::<$type>() }>()
                    .0
                    .iter()
                    .map(|b| <$type>::from_le_bytes(*b))
                    .collect(),
            )
        };
    }
    Ok(match datatype {
        Datatype::Bool => TensorData::Bool(bytes.iter().map(|b| truth(*b)).collect::<Result<_, _>>()?),
        Datatype::Uint8 => TensorData::Uint8(bytes.to_vec()),
        Datatype::Uint16 => unpack!(Uint16, u16),
        Datatype::Uint32 => unpack!(Uint32, u32),
        Datatype::Uint64 => unpack!(Uint64, u64),
        Datatype::Int8 => unpack!(Int8, i8),
        Datatype::Int16 => unpack!(Int16, i16),
        Datatype::Int32 => unpack!(Int32, i32),
        Datatype::Int64 => unpack!(Int64, i64),
        Datatype::Fp16 => unpack!(Fp16, u16),
        Datatype::Fp32 => unpack!(Fp32, f32),
        Datatype::Fp64 => unpack!(Fp64, f64),
        Datatype::Bytes => TensorData::Bytes(strings(bytes, count)?),
    })
}

fn truth(byte: u8) -> Result<bool, Malformed> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed),
    }
}

fn strings(mut bytes: &[u8], count: usize) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut strings = Vec::with_capacity(count.min(bytes.len() / 4));
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| Malformed)?;
        let (string, rest) = rest.split_at_checked(length).ok_or(Malformed)?;
        if strings.len() == count {
            return Err(Malformed);
        }
        strings.push(string.to_vec());
        bytes = rest;
    }
    if bytes.is_empty() && strings.len() == count { Ok(strings) } else { Err(Malformed) }
}

/// Appends the binary form.
pub fn pack(data: &TensorData, buffer: &mut Vec<u8>) {
    macro_rules! pack {
        ($values:expr) => {
            for value in $values {
                buffer.extend_from_slice(&value.to_le_bytes());
            }
        };
    }
    match data {
        TensorData::Bool(values) => buffer.extend(values.iter().map(|value| u8::from(*value))),
        TensorData::Uint8(values) => buffer.extend_from_slice(values),
        TensorData::Uint16(values) | TensorData::Fp16(values) => pack!(values),
        TensorData::Uint32(values) => pack!(values),
        TensorData::Uint64(values) => pack!(values),
        TensorData::Int8(values) => pack!(values),
        TensorData::Int16(values) => pack!(values),
        TensorData::Int32(values) => pack!(values),
        TensorData::Int64(values) => pack!(values),
        TensorData::Fp32(values) => pack!(values),
        TensorData::Fp64(values) => pack!(values),
        TensorData::Bytes(values) => {
            for value in values {
                // INVARIANT (u32-lengths): no string of an answer comes near 4 GiB; every size is bounded far below.
                buffer.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
                buffer.extend_from_slice(value);
            }
        }
    }
}

/// The length of the binary form.
#[must_use]
pub fn packed_length(data: &TensorData) -> usize {
    match (data, data.datatype().width()) {
        (_, Some(width)) => data.len() * width,
        (TensorData::Bytes(values), None) => values.iter().map(|value| 4 + value.len()).sum(),
        _ => 0,
    }
}

/// Writes a range of elements as JSON values, flat.
pub fn write(json: &mut Writer, data: &TensorData, range: Range<usize>) {
    macro_rules! each {
        ($values:expr, $write:expr) => {
            $values.get(range).unwrap_or_default().iter().for_each($write)
        };
    }
    match data {
        TensorData::Bool(values) => each!(values, |value| json.bool(*value)),
        TensorData::Uint8(values) => each!(values, |value| json.integer(*value)),
        TensorData::Uint16(values) => each!(values, |value| json.integer(*value)),
        TensorData::Uint32(values) => each!(values, |value| json.integer(*value)),
        TensorData::Uint64(values) => each!(values, |value| json.integer(*value)),
        TensorData::Int8(values) => each!(values, |value| json.integer(*value)),
        TensorData::Int16(values) => each!(values, |value| json.integer(*value)),
        TensorData::Int32(values) => each!(values, |value| json.integer(*value)),
        TensorData::Int64(values) => each!(values, |value| json.integer(*value)),
        TensorData::Fp16(values) => each!(values, |value| json.float(half_to(*value))),
        TensorData::Fp32(values) => each!(values, |value| json.float(*value)),
        TensorData::Fp64(values) => each!(values, |value| json.double(*value)),
        TensorData::Bytes(values) => each!(values, |value| json.string(&String::from_utf8_lossy(value))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str, datatype: Datatype, shape: &[usize]) -> Result<TensorData, Malformed> {
        let mut reader = Reader::new(text);
        let data = read(&mut reader, datatype, shape)?;
        reader.end()?;
        Ok(data)
    }

    #[test]
    fn nested_and_flat_data_are_the_same() {
        let expect = Ok(TensorData::Int8(vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(parse("[1,2,3,4,5,6]", Datatype::Int8, &[2, 3]), expect);
        assert_eq!(parse("[[1,2,3],[4,5,6]]", Datatype::Int8, &[2, 3]), expect);
        assert_eq!(parse("[[[1,2,3]],[[4,5,6]]]", Datatype::Int8, &[2, 1, 3]), expect);
        assert_eq!(parse("[]", Datatype::Int8, &[0, 3]), Ok(TensorData::Int8(vec![])));
    }

    #[test]
    fn data_must_fit_shape_and_type() {
        for (text, datatype, shape) in [
            ("[1,2,3]", Datatype::Int8, &[2, 2][..]),
            ("[1,2,3,4,5]", Datatype::Int8, &[2, 2]),
            ("[[1,2,3],[4,5,6]]", Datatype::Int8, &[3, 2]),
            ("[[1,2],[3]]", Datatype::Int8, &[3]),
            ("[[1,2],3,4]", Datatype::Int8, &[2, 2]),
            ("[1,[2]]", Datatype::Int8, &[2]),
            ("[[1],[[2]]]", Datatype::Int8, &[2, 1]),
            ("[[1],[[2]]]", Datatype::Int8, &[2, 1, 1]),
            ("[[1,2,3,4]]", Datatype::Int8, &[2, 2]),
            ("1", Datatype::Int8, &[1]),
            ("[128]", Datatype::Int8, &[1]),
            ("[1.0]", Datatype::Int8, &[1]),
            ("[-1]", Datatype::Uint64, &[1]),
            ("[1]", Datatype::Bool, &[1]),
            ("[true]", Datatype::Fp32, &[1]),
            ("[1e39]", Datatype::Fp32, &[1]),
            ("[65520]", Datatype::Fp16, &[1]),
            ("[1]", Datatype::Bytes, &[1]),
            ("[]", Datatype::Fp64, &[usize::MAX, 2]),
        ] {
            assert_eq!(parse(text, datatype, shape), Err(Malformed), "{text}");
        }
    }

    #[test]
    fn shapes_alone_allocate_nothing() {
        assert!(parse("[1]", Datatype::Fp64, &[usize::MAX]).is_err());
        assert!(unpack(b"abc", Datatype::Bytes, usize::MAX).is_err());
        assert!(unpack(b"\xff\xff\xff\xffabc", Datatype::Bytes, 1).is_err());
        assert!(unpack(&[2], Datatype::Bool, 1).is_err());
    }

    proptest! {
        #[test]
        fn binary_round_trips(bytes in prop::collection::vec(any::<u8>(), 0..64), texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9)) {
            for datatype in Datatype::ALL {
                let Some(width) = datatype.width() else { continue };
                let count = bytes.len() / width;
                let Ok(data) = unpack(&bytes[..count * width], datatype, count) else {
                    prop_assert_eq!(datatype, Datatype::Bool);
                    continue;
                };
                let mut packed = Vec::new();
                pack(&data, &mut packed);
                prop_assert_eq!(data.datatype(), datatype);
                prop_assert_eq!(&packed, &bytes[..count * width]);
                prop_assert_eq!(packed.len(), packed_length(&data));
            }
            let data = TensorData::Bytes(texts.clone());
            let mut packed = Vec::new();
            pack(&data, &mut packed);
            prop_assert_eq!(packed.len(), packed_length(&data));
            prop_assert_eq!(unpack(&packed, Datatype::Bytes, texts.len()), Ok(data));
        }

        #[test]
        fn json_round_trips(doubles in prop::collection::vec(any::<f64>().prop_filter("finite", |v| v.is_finite()), 0..9), integers in prop::collection::vec(any::<i64>(), 0..9)) {
            for data in [TensorData::Fp64(doubles), TensorData::Int64(integers)] {
                let mut json = Writer::default();
                json.array();
                write(&mut json, &data, 0..data.len());
                json.end_array();
                let text = String::from_utf8(json.into_bytes()).unwrap();
                prop_assert_eq!(parse(&text, data.datatype(), &[data.len()]), Ok(data));
            }
        }

        #[test]
        fn never_panics(text in "[\\[\\]0-9,\"a]{0,32}", bytes in prop::collection::vec(any::<u8>(), 0..32), shape in prop::collection::vec(0_usize..4, 0..4)) {
            for datatype in Datatype::ALL {
                let _ = parse(&text, datatype, &shape);
                let _ = unpack(&bytes, datatype, volume(&shape).unwrap());
            }
        }
    }
}
