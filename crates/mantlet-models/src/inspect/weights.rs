//! What a model has learned: its constants by name, with their statistics, and their values page by page.

use mantlet_types::{Code, ModelName, Rejection, Sha256, Version};
use serde::Serialize;
use serde_json::Value;

use crate::{
    artifact::VerifiedArtifact,
    onnx::{self, Parameter, Values},
};

/// Values, or tensors of a list, on a page unless another number is asked for.
pub const VALUES_DEFAULT: usize = 1_000;

/// The most of them on a page: with texts of ordinary length, a megabyte.
pub const VALUES_MAX: usize = 10_000;

/// Longest text that is shown whole, in characters.
const TEXT_CHARS_MAX: usize = 256;

/// Largest model of which weights are shown: all of it is decoded for a page, small numbers into eight bytes each.
const MODEL_BYTES_MAX: usize = 64 << 20;

/// Which part is wanted.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// The tensor whose values are wanted; the list of all tensors if absent.
    pub tensor: Option<String>,
    /// The first value, or the first tensor of the list, counted from 0.
    pub offset: usize,
    /// At most so many, from 1 to [`VALUES_MAX`].
    pub limit: Option<usize>,
}

/// What a model has learned, or a part of it.
#[derive(Debug, Serialize)]
pub struct Weights {
    /// The model.
    pub model: ModelName,
    /// Its version.
    pub version: Version,
    /// Digest of its signed manifest.
    pub digest: Sha256,
    /// How many tensors there are.
    pub tensor_count: usize,
    /// How many numbers in all of them.
    pub value_count: usize,
    /// Where to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_offset: Option<usize>,
    /// A page of the list, or the tensor that was asked for.
    pub tensors: Vec<Listed>,
    /// Of the tensor that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<Page>,
}

/// A tensor and its statistics.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// The operator that it belongs to; absent for a constant of the graph.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The element type, as the Open Inference Protocol calls it.
    pub datatype: &'static str,
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// Elements.
    pub count: usize,
    /// Of the finite numbers; absent where there is none.
    #[serde(flatten)]
    pub statistics: Option<Statistics>,
}

/// Statistics of a tensor's finite numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Statistics {
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation (divided by their number).
    pub std: f64,
    /// How many are zero.
    pub zeros: usize,
    /// How many are infinite or not a number.
    pub non_finite: usize,
}

/// Some values of a tensor, row-major.
#[derive(Debug, Serialize)]
pub struct Page {
    /// Place of the first.
    pub offset: usize,
    /// The values; what JSON has no number for is the text `NaN`, `Infinity` or `-Infinity`.
    pub values: Vec<Value>,
}

impl Weights {
    /// # Errors
    /// 400 if there is no such tensor, or the page is none; 409 for a model that runs elsewhere; 503 if the model cannot be read.
    pub(super) fn of(
        model: ModelName,
        version: Version,
        artifact: &VerifiedArtifact,
        window: &Window,
    ) -> Result<Self, Rejection> {
        let limit = window.limit.unwrap_or(VALUES_DEFAULT);
        if !(1..=VALUES_MAX).contains(&limit) {
            return Err(Rejection::argument(format!("`limit` is a number from 1 to {VALUES_MAX}")));
        }
        if artifact.package().runs_elsewhere() {
            let detail = "the model runs elsewhere, and so do its weights";
            return Err(Rejection::new(Code::Conflict).detailed(detail));
        }
        if artifact.package().model().len() > MODEL_BYTES_MAX {
            let detail = "the model is larger than weights are shown of; export it instead";
            return Err(Rejection::new(Code::TooLarge).detailed(detail));
        }
        let parameters = onnx::parameters(&artifact.package().model())
            .map_err(|error| Rejection::unavailable(error.to_string()))?;
        let value_count = parameters.iter().map(|parameter| parameter.values.len()).sum();
        let (tensors, page, length) = match &window.tensor {
            Some(name) => {
                let found = parameters.iter().find(|parameter| parameter.name == *name);
                let found = found.ok_or_else(|| Rejection::argument("`tensor` names none of the model"))?;
                let page = Page { offset: window.offset, values: values(found, window.offset, limit) };
                (vec![listed(found)], Some(page), found.values.len())
            }
            None => {
                let some = parameters.iter().skip(window.offset).take(limit);
                (some.map(listed).collect(), None, parameters.len())
            }
        };
        let next_offset = window.offset.checked_add(limit).filter(|next| *next < length);
        let (digest, tensor_count) = (artifact.digest(), parameters.len());
        Ok(Self { model, version, digest, tensor_count, value_count, next_offset, tensors, page })
    }
}

fn listed(parameter: &Parameter) -> Listed {
    let statistics = match &parameter.values {
        Values::Numbers(values) => statistics(values.iter().copied()),
        Values::Integers(values) => statistics(values.iter().map(|value| *value as f64)),
        Values::Texts(_) => None,
    };
    Listed {
        name: parameter.name.clone(),
        operator: parameter.operator.clone(),
        datatype: parameter.datatype,
        shape: parameter.shape.clone(),
        count: parameter.values.len(),
        statistics,
    }
}

fn statistics(values: impl Iterator<Item = f64> + Clone) -> Option<Statistics> {
    let finite = || values.clone().filter(|value| value.is_finite());
    let count = finite().count();
    if count == 0 {
        return None;
    }
    let n = count as f64;
    let (min, max) = finite()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), value| (value.min(min), value.max(max)));
    // Divided before it is summed, so that large numbers cannot overflow to infinity.
    let mean = finite().map(|value| value / n).sum::<f64>().clamp(min, max);
    let scale = (max - mean).max(mean - min).max(f64::MIN_POSITIVE);
    let variance = finite().map(|value| ((value - mean) / scale).powi(2) / n).sum::<f64>();
    Some(Statistics {
        min,
        max,
        mean,
        std: (variance.sqrt() * scale).min(f64::MAX),
        zeros: finite().filter(|value| *value == 0.0).count(),
        non_finite: values.filter(|value| !value.is_finite()).count(),
    })
}

fn values(parameter: &Parameter, offset: usize, limit: usize) -> Vec<Value> {
    match &parameter.values {
        Values::Numbers(values) => values.iter().skip(offset).take(limit).map(|v| number(*v)).collect(),
        Values::Integers(values) => values.iter().skip(offset).take(limit).map(|v| (*v).into()).collect(),
        Values::Texts(values) => values.iter().skip(offset).take(limit).map(|v| text(v)).collect(),
    }
}

fn number(value: f64) -> Value {
    let named = || {
        if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
    };
    serde_json::Number::from_f64(value).map_or_else(|| named().into(), Value::Number)
}

fn text(bytes: &[u8]) -> Value {
    String::from_utf8_lossy(bytes).chars().take(TEXT_CHARS_MAX).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_of_what_is_finite() {
        let values = [1.0, 0.0, f64::NAN, -3.0, f64::INFINITY, 0.0];
        let found = statistics(values.iter().copied()).unwrap();
        assert_eq!((found.min, found.max, found.mean), (-3.0, 1.0, -0.5));
        assert_eq!((found.zeros, found.non_finite), (2, 2));
        assert!((found.std - 2.25_f64.sqrt()).abs() < 1e-12, "{found:?}");
        assert_eq!(statistics([f64::NAN].into_iter()), None);
        // Neither the mean nor the spread of the largest numbers overflows.
        let huge = statistics([f64::MAX, f64::MAX, f64::MIN].into_iter()).unwrap();
        assert!(huge.mean.is_finite() && huge.std.is_finite(), "{huge:?}");
    }

    #[test]
    fn pages_end_where_the_values_do() {
        let parameter = Parameter {
            name: "w".into(),
            operator: None,
            datatype: "FP64",
            shape: vec![3],
            values: Values::Numbers(vec![1.5, f64::NAN, f64::NEG_INFINITY]),
        };
        assert_eq!(values(&parameter, 1, 5), [Value::from("NaN"), Value::from("-Infinity")]);
        assert!(values(&parameter, 3, 5).is_empty() && values(&parameter, usize::MAX, 1).is_empty());
    }
}
