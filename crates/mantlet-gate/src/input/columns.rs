//! The values of a tabular input, column by column: what the features of a contract say of the tensors that hold
//! them. Rows and tensors are held against the same rules here, so neither form is a way around the other.

use std::{collections::BTreeSet, sync::Arc};

use mantlet_types::{
    Contract, Rejection, Tensor, TensorData,
    contract::{Feature, FeatureKind, Layout},
    limits::CATEGORY_BYTES_MAX,
};

use super::{half::Half, number::Number, text, validate::unusable};

/// Whether an optional feature may be missing: as NaN or as an empty string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// It may: the tensors were made of rows that can say `null`.
    Optional,
    /// It may not: the caller sent tensors, and NaN is rejected wherever it is sent.
    Never,
}

/// One expression over the numbers of a tensor, whatever their type; strings give the last argument.
macro_rules! numbers {
    ($data:expr, $values:ident, $number:ident => $body:expr, $otherwise:expr) => {
        match $data {
            TensorData::Bool($values) => {
                let $number = |value: bool| value;
                $body
            }
            TensorData::Uint8($values) => {
                let $number = |value: u8| value;
                $body
            }
            TensorData::Uint16($values) => {
                let $number = |value: u16| value;
                $body
            }
            TensorData::Uint32($values) => {
                let $number = |value: u32| value;
                $body
            }
            TensorData::Uint64($values) => {
                let $number = |value: u64| value;
                $body
            }
            TensorData::Int8($values) => {
                let $number = |value: i8| value;
                $body
            }
            TensorData::Int16($values) => {
                let $number = |value: i16| value;
                $body
            }
            TensorData::Int32($values) => {
                let $number = |value: i32| value;
                $body
            }
            TensorData::Int64($values) => {
                let $number = |value: i64| value;
                $body
            }
            TensorData::Fp16($values) => {
                let $number = Half;
                $body
            }
            TensorData::Fp32($values) => {
                let $number = |value: f32| value;
                $body
            }
            TensorData::Fp64($values) => {
                let $number = |value: f64| value;
                $body
            }
            TensorData::Bytes(_) => $otherwise,
        }
    };
}

/// Holds every feature of a tabular contract against the tensors, and cleans the texts in them.
///
/// # Errors
/// Naming the feature whose value is not taken.
pub(super) fn check(contract: &Contract, tensors: &mut [Tensor], missing: Missing) -> Result<(), Rejection> {
    let per_tensor = features_per_tensor(contract);
    for (tensor, features) in tensors.iter_mut().zip(contract.features.chunks(per_tensor)) {
        match &mut tensor.data {
            TensorData::Bytes(cells) => check_strings(cells, features, missing)?,
            data => numbers!(data, values, number => check_numbers(values, number, features, missing)?, ()),
        }
    }
    Ok(())
}

/// A matrix holds all features of a row, a column holds one; either way its elements repeat their features in order.
fn features_per_tensor(contract: &Contract) -> usize {
    if contract.layout == Layout::Matrix { contract.features.len().max(1) } else { 1 }
}

fn check_numbers<V: Copy, T: Number>(
    values: &[V],
    number: impl Fn(V) -> T,
    features: &[Feature],
    missing: Missing,
) -> Result<(), Rejection> {
    for row in values.chunks_exact(features.len()) {
        for (value, feature) in row.iter().zip(features) {
            let FeatureKind::Number { accepted, .. } = &feature.kind else { return Err(unusable()) };
            let value = number(*value);
            let fits = if value.is_finite() {
                accepted.is_none_or(|range| value.within(&range))
            } else {
                value.is_nan() && may_lack(feature, missing)
            };
            if !fits {
                return Err(Rejection::invalid(Arc::clone(&feature.name)));
            }
        }
    }
    Ok(())
}

fn check_strings(cells: &mut [Vec<u8>], features: &[Feature], missing: Missing) -> Result<(), Rejection> {
    for (cell, feature) in cells.iter_mut().zip(features.iter().cycle()) {
        let fits = (cell.is_empty() && may_lack(feature, missing))
            || match &feature.kind {
                FeatureKind::Category { values } => is_category(cell, values.as_deref()),
                FeatureKind::Text { chars_max } => clean(cell, *chars_max),
                FeatureKind::Number { .. } => return Err(unusable()),
            };
        if !fits {
            return Err(Rejection::invalid(Arc::clone(&feature.name)));
        }
    }
    Ok(())
}

fn may_lack(feature: &Feature, missing: Missing) -> bool {
    feature.optional && missing == Missing::Optional
}

fn is_category(category: &[u8], values: Option<&[Arc<str>]>) -> bool {
    match values {
        Some(values) => values.iter().any(|value| value.as_bytes() == category),
        None => category.len() <= CATEGORY_BYTES_MAX && std::str::from_utf8(category).is_ok(),
    }
}

/// Cleans a text in place; false if it is not UTF-8 or not of an accepted length.
pub(super) fn clean(cell: &mut Vec<u8>, chars_max: usize) -> bool {
    let cleaned = std::str::from_utf8(cell).ok().and_then(|text| text::clean(text, chars_max));
    let fits = cleaned.is_some();
    *cell = cleaned.unwrap_or_default().into_bytes();
    fits
}

/// Whether every element of a tensor is finite; strings and integers are.
pub(super) fn all_finite(data: &TensorData) -> bool {
    numbers!(data, values, number => values.iter().all(|value| number(*value).is_finite()), true)
}

/// Indices of the features with a value that the contract takes but the reference data did not have. Missing values
/// are not outside: the contract said that they may be missing.
pub(super) fn unseen(contract: &Contract, tensors: &[Tensor]) -> Vec<usize> {
    let per_tensor = features_per_tensor(contract);
    let mut odd = BTreeSet::new();
    for (index, (tensor, features)) in tensors.iter().zip(contract.features.chunks(per_tensor)).enumerate() {
        let first = index * per_tensor;
        numbers!(&tensor.data, values, number => mark_unseen(values, number, features, first, &mut odd), ());
    }
    odd.into_iter().collect()
}

fn mark_unseen<V: Copy, T: Number>(
    values: &[V],
    number: impl Fn(V) -> T,
    features: &[Feature],
    first: usize,
    odd: &mut BTreeSet<usize>,
) {
    for row in values.chunks_exact(features.len()) {
        for (index, (value, feature)) in row.iter().zip(features).enumerate() {
            let FeatureKind::Number { seen: Some(seen), .. } = &feature.kind else { continue };
            let value = number(*value);
            if !value.is_nan() && !value.within(seen) {
                odd.insert(first + index);
            }
        }
    }
}
