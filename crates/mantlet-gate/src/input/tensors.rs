//! Tensors as the protocol carries them: named, typed, shaped and counted as the contract says.

use std::sync::Arc;

use mantlet_types::{
    Contract, Rejection, Tensor, TensorData, TensorSpec,
    contract::Layout,
    limits::{ELEMENTS_MAX, RANK_MAX, TENSORS_MAX, TEXT_CHARS_MAX},
};

use super::{
    columns::{self, Missing},
    lookup::Lookup,
    tabular,
    validate::{INPUTS, checked_rows, unusable},
};

/// Puts the tensors in the contract's order and checks them.
pub(super) fn arrange(contract: &Contract, tensors: Vec<Tensor>) -> Result<(usize, Vec<Tensor>), Rejection> {
    bounded(&tensors)?;
    let mut tensors = in_order(contract, tensors)?;
    let rows = tensors.first().and_then(|tensor| tensor.shape.first().copied());
    let rows = checked_rows(contract, rows.ok_or_else(|| Rejection::invalid(INPUTS))?, INPUTS)?;
    for (tensor, spec) in tensors.iter().zip(&contract.inputs) {
        if !fits(tensor, spec, rows) {
            return Err(Rejection::invalid(Arc::clone(&spec.name)));
        }
    }
    match contract.layout {
        Layout::Matrix | Layout::Columns => tables(contract, &mut tensors, rows)?,
        Layout::Tensors => undescribed(&mut tensors)?,
    }
    Ok((rows, tensors))
}

/// Bounds come first: everything after may cost time in proportion.
fn bounded(tensors: &[Tensor]) -> Result<(), Rejection> {
    let elements = tensors.iter().try_fold(0_usize, |sum, tensor| sum.checked_add(tensor.data.len()));
    let fits = tensors.len() <= TENSORS_MAX
        && elements.is_some_and(|elements| elements <= ELEMENTS_MAX)
        && tensors.iter().all(|tensor| tensor.shape.len() <= RANK_MAX);
    if fits { Ok(()) } else { Err(Rejection::invalid(INPUTS)) }
}

/// A name that the contract lacks is not repeated: the rejection says `inputs`.
fn in_order(contract: &Contract, tensors: Vec<Tensor>) -> Result<Vec<Tensor>, Rejection> {
    let mut lookup = Lookup::new(&contract.inputs, |input: &TensorSpec| &input.name);
    let mut places: Vec<Option<Tensor>> = contract.inputs.iter().map(|_| None).collect();
    for tensor in tensors {
        let place = lookup.find(&tensor.name).and_then(|index| places.get_mut(index));
        let place = place.ok_or_else(|| Rejection::invalid(INPUTS))?;
        if let Some(first) = place.replace(tensor) {
            return Err(Rejection::invalid(first.name));
        }
    }
    let named = places.into_iter().zip(&contract.inputs);
    named.map(|(tensor, spec)| tensor.ok_or_else(|| Rejection::invalid(Arc::clone(&spec.name)))).collect()
}

fn fits(tensor: &Tensor, spec: &TensorSpec, rows: usize) -> bool {
    tensor.data.datatype() == spec.datatype
        && spec.admits(&tensor.shape)
        && tensor.shape.first() == Some(&rows)
        && tensor.is_consistent()
}

/// The inputs of a tabular contract hold its features, so the features' rules apply to them.
fn tables(contract: &Contract, tensors: &mut [Tensor], rows: usize) -> Result<(), Rejection> {
    tabular::fits(contract)?;
    let width = if contract.layout == Layout::Matrix { contract.features.len() } else { 1 };
    let len = rows.checked_mul(width).ok_or_else(unusable)?;
    for (tensor, spec) in tensors.iter().zip(&contract.inputs) {
        // The model may leave the number of columns open; the features do not.
        if tensor.data.len() != len {
            return Err(Rejection::invalid(Arc::clone(&spec.name)));
        }
    }
    columns::check(contract, tensors, Missing::Never)
}

/// Inputs that no feature describes: numbers are finite, strings are text (ONNX has no other: UTF-8) and cleaned as
/// text is.
fn undescribed(tensors: &mut [Tensor]) -> Result<(), Rejection> {
    for tensor in tensors {
        let fits = match &mut tensor.data {
            TensorData::Bytes(texts) => texts.iter_mut().all(|text| columns::clean(text, TEXT_CHARS_MAX)),
            numbers => columns::all_finite(numbers),
        };
        if !fits {
            return Err(Rejection::invalid(Arc::clone(&tensor.name)));
        }
    }
    Ok(())
}
