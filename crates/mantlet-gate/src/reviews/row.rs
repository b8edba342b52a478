//! What is inside a held row: the input, the guess, and what a person has decided. Only in memory, or sealed.

use std::sync::Arc;

use mantlet_types::{Contract, Tensor, TensorData, contract::Layout};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};
use serde_json::{Number, Value as Json};

use super::HeldAnswer;
use crate::{input::half::Half, output::Value};

/// What is kept of one row, sealed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// What was asked.
    pub input: Input,
    /// What the model said; absent where its outputs have no stated meaning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guess: Option<Said>,
    /// How sure it was, 0 to 1, as the judge saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// What a language model answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<HeldAnswer>,
}

impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contents(…)")
    }
}

/// One row as the model took it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Values by the names of the contract's features, in its order; `null` where one was missing.
    Features(Vec<(String, Json)>),
    /// Tensors of one row, where the contract has no features: `name`, `datatype`, `shape`, `data`.
    Inputs(Vec<Json>),
    /// What a language model was asked: its turns with their authors, or texts.
    Prompt(Json),
}

/// The same for whoever looks: one object with `features` in the contract's order, with `inputs`, or with `prompt`.
pub(super) fn shown<S: Serializer>(input: &Option<Input>, serializer: S) -> Result<S::Ok, S::Error> {
    struct Ordered<'a>(&'a [(String, Json)]);
    impl Serialize for Ordered<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
        }
    }
    let mut map = serializer.serialize_map(None)?;
    match input {
        Some(Input::Features(features)) => map.serialize_entry("features", &Ordered(features))?,
        Some(Input::Inputs(inputs)) => map.serialize_entry("inputs", inputs)?,
        Some(Input::Prompt(prompt)) => map.serialize_entry("prompt", prompt)?,
        None => {}
    }
    map.end()
}

/// A class, or a number.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Said {
    /// A class.
    Label(String),
    /// A number.
    Number(f64),
}

impl Said {
    /// What a judge has found, if it has a stated meaning.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Label(text) => Some(Self::Label(text.as_ref().to_owned())),
            Value::Number(number) if number.is_finite() => Some(Self::Number(*number)),
            Value::Number(_) | Value::Opaque => None,
        }
    }
}

/// What a person has decided, sealed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// What is the case.
    pub result: Said,
    /// Whether that is what the model had said.
    pub upheld: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Input {
    /// One row of a request's tensors, which are in the contract's order.
    pub(super) fn of(contract: &Contract, tensors: &[Tensor], row: usize) -> Self {
        let cells = || tensors.iter().zip(&contract.inputs).map(|(tensor, spec)| (tensor, &spec.name));
        match contract.layout {
            Layout::Matrix | Layout::Columns => {
                let names = contract.features.iter().map(|feature| feature.name.as_ref().to_owned());
                let values = cells().flat_map(|(tensor, _)| row_of(tensor, row));
                Self::Features(names.zip(values).collect())
            }
            Layout::Tensors => Self::Inputs(cells().map(|(tensor, name)| named(tensor, name, row)).collect()),
        }
    }
}

/// One row of a tensor as a tensor of the Open Inference Protocol.
fn named(tensor: &Tensor, name: &Arc<str>, row: usize) -> Json {
    let shape: Vec<usize> = std::iter::once(1).chain(tensor.shape.iter().skip(1).copied()).collect();
    let datatype = tensor.data.datatype().as_str();
    serde_json::json!({ "name": name, "datatype": datatype, "shape": shape, "data": row_of(tensor, row) })
}

/// The elements of one row, as JSON has them. INVARIANT: validated, hence consistent, so that the first extent divides
/// the number of elements.
fn row_of(tensor: &Tensor, row: usize) -> Vec<Json> {
    fn take<T: Clone>(values: &[T], rows: usize, row: usize, to: impl Fn(T) -> Json) -> Vec<Json> {
        let width = values.len().checked_div(rows).unwrap_or(0);
        values.iter().skip(row.saturating_mul(width)).take(width).cloned().map(to).collect()
    }
    let rows = tensor.shape.first().copied().unwrap_or(0);
    match &tensor.data {
        TensorData::Bool(values) => take(values, rows, row, Json::from),
        TensorData::Uint8(values) => take(values, rows, row, Json::from),
        TensorData::Uint16(values) => take(values, rows, row, Json::from),
        TensorData::Uint32(values) => take(values, rows, row, Json::from),
        TensorData::Uint64(values) => take(values, rows, row, Json::from),
        TensorData::Int8(values) => take(values, rows, row, Json::from),
        TensorData::Int16(values) => take(values, rows, row, Json::from),
        TensorData::Int32(values) => take(values, rows, row, Json::from),
        TensorData::Int64(values) => take(values, rows, row, Json::from),
        TensorData::Fp16(values) => take(values, rows, row, |bits| double(Half(bits).to_f64())),
        TensorData::Fp32(values) => take(values, rows, row, single),
        TensorData::Fp64(values) => take(values, rows, row, double),
        TensorData::Bytes(values) => {
            take(values, rows, row, |bytes| Json::from(String::from_utf8_lossy(&bytes).into_owned()))
        }
    }
}

/// A missing number is not a number, and `null` in JSON.
fn double(value: f64) -> Json {
    Number::from_f64(value).map_or(Json::Null, Json::Number)
}

/// The shortest decimal that is this number in FP32: what the caller is likely to have written, and what a person can
/// read. 0.1 in FP32 is 0.10000000149 as a double.
fn single(value: f32) -> Json {
    value.to_string().parse().map_or(Json::Null, double)
}
