//! Questions to an upstream: tensors as JSON, or as a JSON header with the elements behind it.

use mantlet_types::{Tensor, TensorData, TensorSpec};

use crate::server::{json::Writer, tensor};

/// A question in bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Written {
    /// Header and elements.
    pub body: Vec<u8>,
    /// Length of the JSON header, if elements follow it.
    pub header_bytes: Option<usize>,
}

/// JSON has no way to say this: a missing number, or bytes that are no text. The binary form has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the question holds what JSON cannot say, and the other side reads nothing else")]
pub struct Unsayable;

/// Writes a question for these outputs, and for no others that the model may have.
///
/// # Errors
/// If it must be JSON and JSON cannot say it.
pub fn write(
    id: &str,
    inputs: &[Tensor],
    outputs: &[TensorSpec],
    binary: bool,
) -> Result<Written, Unsayable> {
    if !(binary || inputs.iter().all(|input| is_sayable(&input.data))) {
        return Err(Unsayable);
    }
    let elements: usize = inputs.iter().map(|input| input.data.len()).sum();
    let mut json = Writer::with_capacity(256 + if binary { 0 } else { 12 * elements });
    json.object();
    json.member("id", id);
    json.key("inputs");
    json.array();
    inputs.iter().for_each(|input| self::input(&mut json, input, binary));
    json.end_array();
    json.key("outputs");
    json.array();
    for output in outputs {
        json.object();
        json.member("name", &output.name);
        if binary {
            json.key("parameters");
            json.object();
            json.key("binary_data");
            json.bool(true);
            json.end_object();
        }
        json.end_object();
    }
    json.end_array();
    json.end_object();
    let mut body = json.into_bytes();
    if !binary {
        return Ok(Written { body, header_bytes: None });
    }
    let header_bytes = body.len();
    body.reserve(inputs.iter().map(|input| tensor::packed_length(&input.data)).sum());
    inputs.iter().for_each(|input| tensor::pack(&input.data, &mut body));
    Ok(Written { body, header_bytes: Some(header_bytes) })
}

fn input(json: &mut Writer, input: &Tensor, binary: bool) {
    json.object();
    json.member("name", &input.name);
    json.key("shape");
    json.array();
    input.shape.iter().for_each(|extent| json.integer(*extent));
    json.end_array();
    json.member("datatype", input.data.datatype().as_str());
    if binary {
        json.key("parameters");
        json.object();
        json.key("binary_data_size");
        json.integer(tensor::packed_length(&input.data));
        json.end_object();
    } else {
        json.key("data");
        json.array();
        tensor::write(json, &input.data, 0..input.data.len());
        json.end_array();
    }
    json.end_object();
}

fn is_sayable(data: &TensorData) -> bool {
    match data {
        TensorData::Fp16(values) => values.iter().all(|bits| bits & 0x7C00 != 0x7C00),
        TensorData::Fp32(values) => values.iter().all(|value| value.is_finite()),
        TensorData::Fp64(values) => values.iter().all(|value| value.is_finite()),
        TensorData::Bytes(values) => values.iter().all(|bytes| std::str::from_utf8(bytes).is_ok()),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use mantlet_types::Datatype;

    use super::*;

    fn tensor(data: TensorData) -> Tensor {
        Tensor { name: "x".into(), shape: vec![data.len(), 1], data }
    }

    fn output() -> Vec<TensorSpec> {
        vec![TensorSpec { name: "p".into(), datatype: Datatype::Fp32, shape: vec![None, Some(2)] }]
    }

    #[test]
    fn json_says_it_all() {
        let written = write("7", &[tensor(TensorData::Fp32(vec![0.1, -2.0]))], &output(), false).unwrap();
        let expect = concat!(
            r#"{"id":"7","inputs":[{"name":"x","shape":[2,1],"datatype":"FP32","data":[0.1,-2.0]}],"#,
            r#""outputs":[{"name":"p"}]}"#
        );
        assert_eq!((String::from_utf8(written.body).unwrap().as_str(), written.header_bytes), (expect, None));
    }

    #[test]
    fn elements_lie_behind_a_header() {
        let inputs = [tensor(TensorData::Bytes(vec![b"ab".to_vec()])), tensor(TensorData::Int16(vec![-2]))];
        let Written { body, header_bytes } = write("7", &inputs, &output(), true).unwrap();
        let (header, tail) = body.split_at(header_bytes.unwrap());
        let header: serde_json::Value = serde_json::from_slice(header).unwrap();
        assert_eq!(header["inputs"][0]["parameters"]["binary_data_size"], 6);
        assert_eq!(header["outputs"][0]["parameters"]["binary_data"], true);
        assert_eq!(tail, b"\x02\0\0\0ab\xfe\xff");
    }

    #[test]
    fn what_json_cannot_say_is_not_said_otherwise() {
        for data in [
            TensorData::Fp64(vec![f64::NAN]),
            TensorData::Fp32(vec![f32::INFINITY]),
            TensorData::Fp16(vec![0x7E00]),
            TensorData::Bytes(vec![vec![0xFF]]),
        ] {
            assert_eq!(write("7", &[tensor(data.clone())], &[], false), Err(Unsayable));
            assert!(write("7", &[tensor(data)], &[], true).is_ok());
        }
    }
}
