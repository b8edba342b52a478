//! `ModelInferRequest`: the question and the form of its answer, read field by field within the same bounds as JSON.
//!
//! Elements come in `raw_input_contents`, one entry for each input, or typed in each input's `contents`; never both.
//! Fields that this server does not know are passed over, as protobuf has it: nothing of them reaches a model.

use std::sync::Arc;

use mantlet_types::{
    Contract, Datatype, ModelName, Rejection, Tensor, TensorData, VersionRef,
    limits::{ELEMENTS_MAX, RANK_MAX, TENSORS_MAX},
    question::{Question, Rows, Scalar},
};

use super::wire::{Fields, Value, fixed, varint};
use crate::server::{
    json::{Malformed, once},
    tensor,
    v2::{binary_data_output, is_id, known, listed, place},
};

/// Parameters in one list; contracts list a handful of options.
const PARAMETERS_MAX: usize = 64;

/// What the request says of its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// To be echoed.
    pub id: Option<Box<str>>,
    /// Whether outputs come in `raw_output_contents`. They do if inputs came so, unless a parameter says otherwise.
    pub raw: bool,
}

/// Finds out which model a message asks, and reads no more of it than that takes.
///
/// # Errors
/// 400 if it is no message; 404 for a name or version that nothing can have.
pub fn asked(message: &[u8]) -> Result<(ModelName, Option<VersionRef>), Rejection> {
    let whole = |_: Malformed| Rejection::invalid("message");
    let (mut model, mut version) = ("", "");
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next().map_err(whole)? {
        match number {
            1 => model = value.text().map_err(whole)?,
            2 => version = value.text().map_err(whole)?,
            _ => {}
        }
    }
    super::which(model, version)
}

/// Decodes a message; the model that it names has been looked up already.
///
/// # Errors
/// 400 naming the field that is wrong, as in `inputs[1].shape`.
pub fn decode(message: &[u8], contract: &Contract) -> Result<(Question, Form), Rejection> {
    let whole = |_: Malformed| Rejection::invalid("message");
    let (mut id, mut options) = (None, Vec::new());
    let mut inputs: Vec<Input<'_>> = Vec::with_capacity(contract.inputs.len().min(TENSORS_MAX));
    let (mut outputs, mut raw): (Vec<Arc<str>>, Vec<&[u8]>) = (Vec::new(), Vec::new());
    let mut binary = None;
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next().map_err(whole)? {
        match number {
            3 => id = Some(value.text().ok().filter(|id| is_id(id)).ok_or_else(|| Rejection::invalid("id"))?),
            4 => parameter(value, &mut options).map_err(|_| Rejection::invalid("parameters"))?,
            5 => {
                let index = inputs.len();
                let wrong = |member: &'static str| Rejection::invalid(place("inputs", index, member));
                if index == TENSORS_MAX {
                    return Err(Rejection::invalid("inputs"));
                }
                inputs.push(input(value).map_err(wrong)?);
            }
            6 => {
                let index = outputs.len();
                let wrong = |member: &'static str| Rejection::invalid(place("outputs", index, member));
                let (name, wish) = output(value, contract).map_err(wrong)?;
                // INVARIANT (small-product): both sides of this scan are at most as long as the contract's outputs.
                if outputs.contains(&name) {
                    return Err(wrong("name"));
                }
                binary = wish.or(binary);
                outputs.push(name);
            }
            7 if raw.len() < TENSORS_MAX => raw.push(value.bytes().map_err(whole)?),
            7 => return Err(Rejection::invalid("raw_input_contents")),
            _ => {}
        }
    }
    if let Some(wish) = binary_data_output(&mut options)? {
        binary = Some(wish);
    }
    let form =
        Form { id: id.filter(|id| !id.is_empty()).map(Into::into), raw: binary.unwrap_or(!raw.is_empty()) };
    let rows = Rows::Tensors(tensors(inputs, &raw, contract)?);
    Ok((Question { rows, outputs, options, body_bytes: message.len() }, form))
}

/// An input whose elements are yet to be read: they may stand before what says of which type they are.
#[derive(Default)]
struct Input<'a> {
    name: &'a str,
    datatype: &'a str,
    shape: Vec<usize>,
    binary_data_size: Option<u64>,
    contents: Option<&'a [u8]>,
}

/// Reads one input but for its elements; the error is the member to blame.
fn input(value: Value<'_>) -> Result<Input<'_>, &'static str> {
    let mut input = Input::default();
    let mut fields = Fields::of(value.bytes().map_err(|_| "")?);
    while let Some((number, value)) = fields.next().map_err(|_| "")? {
        match number {
            1 => input.name = value.text().map_err(|_| "name")?,
            2 => input.datatype = value.text().map_err(|_| "datatype")?,
            3 => extents(value, &mut input.shape).map_err(|_| "shape")?,
            4 => binary_data_size(value)
                .and_then(|size| once(&mut input.binary_data_size, size))
                .map_err(|_| "parameters")?,
            5 => value
                .bytes()
                .and_then(|contents| once(&mut input.contents, contents))
                .map_err(|_| "contents")?,
            _ => {}
        }
    }
    Ok(input)
}

fn extents(value: Value<'_>, shape: &mut Vec<usize>) -> Result<(), Malformed> {
    let mut push = |extent: u64| {
        // An extent below zero is one above 2^63 here.
        let extent = usize::try_from(extent).ok().filter(|extent| i64::try_from(*extent).is_ok());
        if shape.len() == RANK_MAX {
            return Err(Malformed);
        }
        shape.push(extent.ok_or(Malformed)?);
        Ok(())
    };
    match value {
        Value::Varint(extent) => push(extent),
        Value::Bytes(mut packed) => {
            while !packed.is_empty() {
                push(varint(&mut packed)?)?;
            }
            Ok(())
        }
        Value::Fixed32(_) | Value::Fixed64(_) => Err(Malformed),
    }
}

/// An entry of a map of parameters.
fn entry(value: Value<'_>) -> Result<(&str, Scalar), Malformed> {
    let (mut name, mut parameter) = ("", None);
    let mut fields = Fields::of(value.bytes()?);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => name = value.text()?,
            2 => parameter = Some(choice(value.bytes()?)?),
            _ => {}
        }
    }
    Ok((name, parameter.ok_or(Malformed)?))
}

/// An `InferParameter`: the last of its choices counts.
fn choice(message: &[u8]) -> Result<Scalar, Malformed> {
    let mut chosen = None;
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next()? {
        chosen = match (number, value) {
            (1, Value::Varint(flag)) => Some(Scalar::Bool(flag != 0)),
            (2, Value::Varint(raw)) => {
                let integer = raw.cast_signed();
                Some(Scalar::Number(exact(integer.unsigned_abs())? * integer.signum() as f64))
            }
            (3, text) => Some(Scalar::Text(text.text()?.into())),
            (4, Value::Fixed64(bytes)) => Some(finite(f64::from_le_bytes(bytes))?),
            (5, Value::Varint(integer)) => Some(Scalar::Number(exact(integer)?)),
            (1..=5, _) => return Err(Malformed),
            _ => chosen,
        };
    }
    chosen.ok_or(Malformed)
}

/// An integer, if a double holds it and every smaller one.
fn exact(integer: u64) -> Result<f64, Malformed> {
    if integer <= 1 << f64::MANTISSA_DIGITS { Ok(integer as f64) } else { Err(Malformed) }
}

fn finite(number: f64) -> Result<Scalar, Malformed> {
    if number.is_finite() { Ok(Scalar::Number(number)) } else { Err(Malformed) }
}

/// Adds a parameter of the request; each once.
fn parameter(value: Value<'_>, options: &mut Vec<(Box<str>, Scalar)>) -> Result<(), Malformed> {
    let (name, parameter) = entry(value)?;
    if options.len() == PARAMETERS_MAX || options.iter().any(|(taken, _)| **taken == *name) {
        return Err(Malformed);
    }
    options.push((name.into(), parameter));
    Ok(())
}

/// The parameters of an input: `binary_data_size`, which some clients repeat here, is the only one taken.
fn binary_data_size(value: Value<'_>) -> Result<u64, Malformed> {
    match entry(value)? {
        ("binary_data_size", Scalar::Number(size)) if size >= 0.0 => Ok(size as u64), // a whole number was sent
        _ => Err(Malformed),
    }
}

/// A requested output: its name, and whether it is wanted raw; the error is the member to blame.
fn output(value: Value<'_>, contract: &Contract) -> Result<(Arc<str>, Option<bool>), &'static str> {
    let (mut name, mut binary) = ("", None);
    let mut fields = Fields::of(value.bytes().map_err(|_| "")?);
    while let Some((number, value)) = fields.next().map_err(|_| "")? {
        match number {
            1 => name = value.text().map_err(|_| "name")?,
            2 => match entry(value) {
                Ok(("binary_data", Scalar::Bool(wish))) => {
                    once(&mut binary, wish).map_err(|_| "parameters")?;
                }
                _ => return Err("parameters"),
            },
            _ => {}
        }
    }
    Ok((listed(name, &contract.outputs).ok_or("name")?, binary))
}

/// Gives every input its elements.
fn tensors(inputs: Vec<Input<'_>>, raw: &[&[u8]], contract: &Contract) -> Result<Vec<Tensor>, Rejection> {
    if !raw.is_empty() && raw.len() != inputs.len() {
        return Err(Rejection::invalid("raw_input_contents"));
    }
    let mut budget = ELEMENTS_MAX;
    let mut tensors = Vec::with_capacity(inputs.len());
    for (index, input) in inputs.into_iter().enumerate() {
        let wrong = |member: &'static str| Rejection::invalid(place("inputs", index, member));
        let datatype: Datatype = input.datatype.parse().map_err(|_| wrong("datatype"))?;
        // Counted against what one request may have before anything is allocated.
        let count = tensor::volume(&input.shape).ok_or_else(|| wrong("shape"))?;
        budget = budget.checked_sub(count).ok_or_else(|| wrong("shape"))?;
        let data = match (raw.get(index), input.contents) {
            (Some(_), Some(_)) => return Err(wrong("contents")),
            (Some(bytes), None) => {
                if input.binary_data_size.is_some_and(|size| size != bytes.len() as u64) {
                    return Err(wrong("parameters"));
                }
                let wrong = |_: Malformed| Rejection::invalid(place("raw_input_contents", index, ""));
                tensor::unpack(bytes, datatype, count).map_err(wrong)?
            }
            (None, contents) => self::contents(contents.unwrap_or_default(), datatype, count)
                .map_err(|_| wrong("contents"))?,
        };
        tensors.push(Tensor { name: known(input.name, &contract.inputs), shape: input.shape, data });
    }
    Ok(tensors)
}

/// `InferTensorContents`: elements in the one list that the protocol has for their type. It has none for `FP16`.
fn contents(message: &[u8], datatype: Datatype, count: usize) -> Result<TensorData, Malformed> {
    macro_rules! read {
        ($variant:ident, $list:literal, $convert:expr) => {
            numbers(message, $list, count, $convert).map(TensorData::$variant)
        };
    }
    match datatype {
        Datatype::Bool => read!(Bool, 1, |raw: u64| Ok(raw != 0)),
        // An `int32` stands on the wire as the 64 bits of the same number.
        Datatype::Int8 => read!(Int8, 2, |raw: u64| raw.cast_signed().try_into().map_err(|_| Malformed)),
        Datatype::Int16 => read!(Int16, 2, |raw: u64| raw.cast_signed().try_into().map_err(|_| Malformed)),
        Datatype::Int32 => read!(Int32, 2, |raw: u64| raw.cast_signed().try_into().map_err(|_| Malformed)),
        Datatype::Int64 => read!(Int64, 3, |raw: u64| Ok(raw.cast_signed())),
        Datatype::Uint8 => read!(Uint8, 4, |raw: u64| raw.try_into().map_err(|_| Malformed)),
        Datatype::Uint16 => read!(Uint16, 4, |raw: u64| raw.try_into().map_err(|_| Malformed)),
        Datatype::Uint32 => read!(Uint32, 4, |raw: u64| raw.try_into().map_err(|_| Malformed)),
        Datatype::Uint64 => read!(Uint64, 5, |raw: u64| Ok(raw)),
        Datatype::Fp32 => read!(Fp32, 6, |raw: [u8; 4]| Ok(f32::from_le_bytes(raw))),
        Datatype::Fp64 => read!(Fp64, 7, |raw: [u8; 8]| Ok(f64::from_le_bytes(raw))),
        Datatype::Bytes => strings(message, count).map(TensorData::Bytes),
        Datatype::Fp16 if count == 0 && message.is_empty() => Ok(TensorData::Fp16(Vec::new())),
        Datatype::Fp16 => Err(Malformed),
    }
}

/// What stands on the wire for a number.
trait Raw: Sized {
    /// One of several, packed together.
    fn packed(bytes: &mut &[u8]) -> Result<Self, Malformed>;

    /// One by itself.
    fn single(value: Value<'_>) -> Result<Self, Malformed>;
}

impl Raw for u64 {
    fn packed(bytes: &mut &[u8]) -> Result<Self, Malformed> {
        varint(bytes)
    }

    fn single(value: Value<'_>) -> Result<Self, Malformed> {
        if let Value::Varint(raw) = value { Ok(raw) } else { Err(Malformed) }
    }
}

impl Raw for [u8; 4] {
    fn packed(bytes: &mut &[u8]) -> Result<Self, Malformed> {
        fixed(bytes)
    }

    fn single(value: Value<'_>) -> Result<Self, Malformed> {
        if let Value::Fixed32(raw) = value { Ok(raw) } else { Err(Malformed) }
    }
}

impl Raw for [u8; 8] {
    fn packed(bytes: &mut &[u8]) -> Result<Self, Malformed> {
        fixed(bytes)
    }

    fn single(value: Value<'_>) -> Result<Self, Malformed> {
        if let Value::Fixed64(raw) = value { Ok(raw) } else { Err(Malformed) }
    }
}

/// The numbers of one list, packed or one by one; what is in any other list is of another type.
fn numbers<R: Raw, T>(
    message: &[u8],
    list: u32,
    count: usize,
    convert: impl Fn(R) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    // A number takes at least a byte, so a shape alone reserves no more than there are bytes.
    let mut values = Vec::with_capacity(count.min(message.len()));
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next()? {
        if number != list {
            return Err(Malformed);
        }
        let Value::Bytes(mut packed) = value else {
            values.push(convert(R::single(value)?)?);
            continue;
        };
        while !packed.is_empty() && values.len() < count {
            values.push(convert(R::packed(&mut packed)?)?);
        }
        if !packed.is_empty() {
            return Err(Malformed);
        }
    }
    if values.len() == count { Ok(values) } else { Err(Malformed) }
}

fn strings(message: &[u8], count: usize) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut strings = Vec::with_capacity(count.min(message.len() / 2));
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next()? {
        if number != 8 || strings.len() == count {
            return Err(Malformed);
        }
        strings.push(value.bytes()?.to_vec());
    }
    if strings.len() == count { Ok(strings) } else { Err(Malformed) }
}

#[cfg(test)]
mod tests;
