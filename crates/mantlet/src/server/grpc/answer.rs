//! `ModelInferResponse`, behind the five bytes that frame it: written once, straight from the tensors.
//!
//! The parameters are those of the REST form, at the answer and at each of its outputs.

use mantlet_gate::output::Answer;
use mantlet_types::{RequestId, Tensor, TensorData};

use super::{frame, request::Form, wire::Writer};
use crate::server::{
    tensor,
    v2::{Parameter, Parameters},
};

/// Writes an answer as a framed message in the form that its request asked for.
#[must_use]
pub fn write(answer: &Answer, form: &Form, request_id: RequestId) -> Vec<u8> {
    let raw = form.raw || answer.outputs.iter().any(|output| matches!(output.data, TensorData::Fp16(_)));
    let lengths = answer.outputs.iter().map(|output| tensor::packed_length(&output.data));
    let mut message = Writer::behind(frame::begin(256 + 128 * answer.outputs.len() + lengths.sum::<usize>()));
    let parameters = Parameters::of(answer, request_id);
    message.text(1, answer.contract.model.as_str());
    message.text(2, itoa::Buffer::new().format(answer.contract.version.number()));
    message.text(3, form.id.as_deref().unwrap_or_default());
    parameters.each(|name, value| parameter(&mut message, name, &value));
    if answer.candidate {
        entry(&mut message, "candidate", |choice| choice.bool(1, true));
    }
    for output in &answer.outputs {
        message.nested(5, |within| self::output(within, output, &parameters, raw));
    }
    if raw {
        for output in &answer.outputs {
            message.announce(6, tensor::packed_length(&output.data));
            message.append(|bytes| tensor::pack(&output.data, bytes));
        }
    }
    frame::end(message.into_bytes())
}

fn output(message: &mut Writer, output: &Tensor, parameters: &Parameters, raw: bool) {
    message.text(1, &output.name);
    message.text(2, output.data.datatype().as_str());
    message.nested(3, |packed| output.shape.iter().for_each(|extent| packed.varint(*extent as u64)));
    parameters.each(|name, value| parameter(message, name, &value));
    if !raw {
        message.nested(5, |contents| self::contents(contents, &output.data));
    }
}

fn parameter(message: &mut Writer, name: &str, value: &Parameter<'_>) {
    entry(message, name, |choice| match value {
        Parameter::Text(text) => choice.bytes(3, text.as_bytes()),
        Parameter::Number(number) => choice.double(4, *number),
    });
}

/// An entry of `parameters`, which has the same number in an answer and in an output.
fn entry(message: &mut Writer, name: &str, choose: impl FnOnce(&mut Writer)) {
    message.nested(4, |entry| {
        entry.text(1, name);
        entry.nested(2, choose);
    });
}

/// The elements in the list of their type.
fn contents(message: &mut Writer, data: &TensorData) {
    macro_rules! packed {
        ($list:literal, $values:expr, $each:expr) => {
            message.nested($list, |packed| $values.iter().for_each(|value| $each(packed, *value)))
        };
    }
    match data {
        TensorData::Bool(values) => packed!(1, values, |w: &mut Writer, v| w.varint(u64::from(v))),
        TensorData::Int8(values) => packed!(2, values, |w: &mut Writer, v| w.varint(signed(v))),
        TensorData::Int16(values) => packed!(2, values, |w: &mut Writer, v| w.varint(signed(v))),
        TensorData::Int32(values) => packed!(2, values, |w: &mut Writer, v| w.varint(signed(v))),
        TensorData::Int64(values) => packed!(3, values, |w: &mut Writer, v| w.varint(signed(v))),
        TensorData::Uint8(values) => packed!(4, values, |w: &mut Writer, v| w.varint(u64::from(v))),
        TensorData::Uint16(values) => packed!(4, values, |w: &mut Writer, v| w.varint(u64::from(v))),
        TensorData::Uint32(values) => packed!(4, values, |w: &mut Writer, v| w.varint(u64::from(v))),
        TensorData::Uint64(values) => packed!(5, values, |w: &mut Writer, v| w.varint(v)),
        TensorData::Fp32(values) => packed!(6, values, |w: &mut Writer, v: f32| w.raw(&v.to_le_bytes())),
        TensorData::Fp64(values) => packed!(7, values, |w: &mut Writer, v: f64| w.raw(&v.to_le_bytes())),
        TensorData::Bytes(values) => values.iter().for_each(|value| message.bytes(8, value)),
        // Without a list of their own: an answer that has any is written raw.
        TensorData::Fp16(_) => {}
    }
}

/// A signed number as the 64 bits that stand for it.
fn signed(value: impl Into<i64>) -> u64 {
    value.into().cast_unsigned()
}

#[cfg(test)]
mod tests;
