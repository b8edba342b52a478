//! Tries a freshly loaded model on rows of zeros and reads its true outputs off the answer.
//!
//! What a file declares of its outputs is often wrong (exporters write `[1]` for labels), and types that do not fit show
//! only when operators meet. Two runs, of one row and of two, tell which extents follow the batch.

use mantlet_types::{Tensor, TensorData, TensorSpec};

use crate::onnx::{ElementType, LoadError, Port};

use super::{Executor, Results, RunError, Signature};

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
    let one = run(executor, inputs, &specs, 1);
    let two = run(executor, inputs, &specs, 2);
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
fn zeros(port: &Port, spec: &TensorSpec, rows: usize) -> Option<Tensor> {
    let extents = spec.shape.iter().enumerate();
    let shape: Vec<usize> =
        extents.map(|(axis, extent)| extent.unwrap_or(if axis == 0 { rows } else { 1 })).collect();
    let count = shape.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent))?;
    if count > mantlet_types::limits::ELEMENTS_MAX {
        return None;
    }
    let data = match port.element? {
        ElementType::F32 => TensorData::Fp32(vec![0.0; count]),
        ElementType::F64 => TensorData::Fp64(vec![0.0; count]),
        ElementType::I32 => TensorData::Int32(vec![0; count]),
        ElementType::I64 => TensorData::Int64(vec![0; count]),
        ElementType::I8 => TensorData::Int8(vec![0; count]),
        ElementType::U8 => TensorData::Uint8(vec![0; count]),
        ElementType::Bool => TensorData::Bool(vec![false; count]),
        ElementType::Text => TensorData::Bytes(vec![Vec::new(); count]),
    };
    Some(Tensor { name: spec.name.clone(), shape, data })
}

fn run(executor: &Executor, ports: &[Port], specs: &[TensorSpec], rows: usize) -> Result<Results, RunError> {
    let mut tensors = Vec::with_capacity(specs.len());
    for (port, spec) in ports.iter().zip(specs) {
        let tensor = zeros(port, spec, rows);
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
