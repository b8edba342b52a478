//! Tries a freshly loaded model on rows of zeros and reads its true outputs off the answer.
//!
//! What a file declares of its outputs is often wrong (exporters write `[1]` for labels), and types that do not fit show
//! only when operators meet. Two runs, of one row and of two, tell which extents follow the batch.

use mantlet_types::{Datatype, Tensor, TensorData, TensorSpec};

use crate::onnx::{LoadError, Port};

use super::{
    Executor, Results, RunError, Signature,
    tabular::{Plan, RUN_ELEMENTS_MAX},
};

/// The signature of a loaded model.
///
/// # Errors
/// When the model cannot run on what it declares to take.
pub(super) fn signature(
    executor: &Executor,
    inputs: &[Port],
    outputs: &[Port],
) -> Result<Signature, LoadError> {
    let specs: Vec<TensorSpec> = inputs.iter().map(input_spec).collect::<Result<_, _>>()?;
    let one = run(executor, &specs, 1);
    let two = run(executor, &specs, 2);
    let outputs = match (one, two) {
        (Ok(one), Ok(two)) => outputs
            .iter()
            .zip(one.iter().zip(&two))
            .map(|(port, (one, two))| observed(port, one, two))
            .collect(),
        (Err(error), _) | (_, Err(error)) if conclusive(&error, &specs) => {
            return Err(refusal(&error));
        }
        _ => outputs.iter().map(declared).collect::<Result<_, _>>()?,
    };
    Ok(Signature { inputs: specs, outputs })
}

fn input_spec(port: &Port) -> Result<TensorSpec, LoadError> {
    let fail = |why: &str| LoadError::Tensor { name: port.name.clone(), why: why.into() };
    let element = port.element.ok_or_else(|| fail("its type cannot be served"))?;
    let shape = port.shape.clone().ok_or_else(|| fail("its rank is unknown"))?;
    Ok(TensorSpec { name: port.name.as_str().into(), datatype: element.datatype(), shape })
}

/// A tensor of zeros with this many rows; other unknown extents are 1.
fn zeros(spec: &TensorSpec, rows: usize) -> Option<Tensor> {
    let extents = spec.shape.iter().enumerate();
    let shape: Vec<usize> =
        extents.map(|(axis, extent)| extent.unwrap_or(if axis == 0 { rows } else { 1 })).collect();
    let count = shape.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent))?;
    if count > mantlet_types::limits::ELEMENTS_MAX {
        return None;
    }
    let data = match spec.datatype {
        Datatype::Fp32 => TensorData::Fp32(vec![0.0; count]),
        Datatype::Fp64 => TensorData::Fp64(vec![0.0; count]),
        Datatype::Int32 => TensorData::Int32(vec![0; count]),
        Datatype::Int64 => TensorData::Int64(vec![0; count]),
        Datatype::Int8 => TensorData::Int8(vec![0; count]),
        Datatype::Uint8 => TensorData::Uint8(vec![0; count]),
        Datatype::Bool => TensorData::Bool(vec![false; count]),
        Datatype::Bytes => TensorData::Bytes(vec![Vec::new(); count]),
        _ => return None,
    };
    Some(Tensor { name: spec.name.clone(), shape, data })
}

/// The most rows, up to so many, that a tabular graph has room for, judged by a run of one; at least one.
pub(super) fn rows_max(plan: &Plan, specs: &[TensorSpec], limit: usize) -> usize {
    let one: Option<Vec<Tensor>> = specs.iter().map(|spec| zeros(spec, 1)).collect();
    let elements = one.and_then(|tensors| plan.elements(&tensors.iter().collect::<Vec<_>>()));
    // A graph that zeros say nothing about keeps its account while it runs.
    elements.map_or(limit, |elements| (RUN_ELEMENTS_MAX / elements.max(1)).clamp(1, limit.max(1)))
}

fn run(executor: &Executor, specs: &[TensorSpec], rows: usize) -> Result<Results, RunError> {
    let mut tensors = Vec::with_capacity(specs.len());
    for spec in specs {
        let tensor = zeros(spec, rows);
        tensors
            .push(tensor.ok_or_else(|| RunError::wrong_input(&spec.name, "it is too large to be served"))?);
    }
    executor.run(&tensors.iter().collect::<Vec<_>>())
}

/// Whether a failed trial proves that the model cannot run. It does not where zeros, or the extents that had to be
/// guessed, may be what the model cannot take.
fn conclusive(error: &RunError, specs: &[TensorSpec]) -> bool {
    let guessed = specs.iter().any(|spec| spec.shape.iter().skip(1).any(Option::is_none));
    match error {
        RunError::Panicked => true,
        RunError::Operator { unknown_value, .. } => !unknown_value && !guessed,
        _ => !guessed,
    }
}

fn refusal(error: &RunError) -> LoadError {
    match error {
        RunError::Panicked => LoadError::Panicked,
        RunError::Operator { operator, why, .. } => LoadError::Node {
            node: String::new(),
            operator: operator.clone(),
            why: format!("it fails when tried on zeros: {why}"),
        },
        other => LoadError::Trial(other.to_string()),
    }
}

type Answer = (Vec<usize>, TensorData);

fn observed(port: &Port, one: &Answer, two: &Answer) -> TensorSpec {
    let same_rank = one.0.len() == two.0.len();
    let extents = one.0.iter().zip(two.0.iter().chain(std::iter::repeat(&usize::MAX)));
    // Nothing comes of nothing: empty texts have no words, and others have as many as they like.
    let shape = extents.map(|(one, two)| (same_rank && one == two && *one > 0).then_some(*one)).collect();
    TensorSpec { name: port.name.as_str().into(), datatype: one.1.datatype(), shape }
}

fn declared(port: &Port) -> Result<TensorSpec, LoadError> {
    let fail = |why: &str| LoadError::Tensor { name: port.name.clone(), why: why.into() };
    let element = port.element.ok_or_else(|| fail("its type is unknown"))?;
    let mut shape = port.shape.clone().ok_or_else(|| fail("its rank is unknown"))?;
    if let Some(batch) = shape.first_mut() {
        *batch = None;
    }
    Ok(TensorSpec { name: port.name.as_str().into(), datatype: element.datatype(), shape })
}
