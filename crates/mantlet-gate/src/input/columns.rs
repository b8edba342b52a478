//! The values of a tabular input, column by column: what the features of a contract say of the tensors that hold
//! them. Rows and tensors are held against the same rules here, so neither form is a way around the other.

use std::sync::Arc;

use mantlet_types::{
    Contract, Rejection, Tensor, TensorData,
    contract::{Feature, FeatureKind, Layout, Range},
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

/// Where a feature's values lie.
#[derive(Clone, Copy)]
struct Column {
    tensor: usize,
    start: usize,
    stride: usize,
}

impl Column {
    fn of(contract: &Contract, feature: usize) -> Self {
        match contract.layout {
            Layout::Matrix => Self { tensor: 0, start: feature, stride: contract.features.len().max(1) },
            Layout::Columns | Layout::Tensors => Self { tensor: feature, start: 0, stride: 1 },
        }
    }

    fn all<T: Copy>(self, values: &[T], fits: impl Fn(T) -> bool) -> bool {
        values.iter().skip(self.start).step_by(self.stride).all(|value| fits(*value))
    }
}

/// Holds every feature of a tabular contract against the tensors, and cleans the texts in them.
///
/// # Errors
/// Naming the feature whose value is not taken.
pub(super) fn check(contract: &Contract, tensors: &mut [Tensor], missing: Missing) -> Result<(), Rejection> {
    for (index, feature) in contract.features.iter().enumerate() {
        let column = Column::of(contract, index);
        let Some(tensor) = tensors.get_mut(column.tensor) else { return Err(unusable()) };
        let missing = feature.optional && missing == Missing::Optional;
        if !fits(&mut tensor.data, column, feature, missing)? {
            return Err(Rejection::invalid(Arc::clone(&feature.name)));
        }
    }
    Ok(())
}

fn fits(data: &mut TensorData, column: Column, feature: &Feature, missing: bool) -> Result<bool, Rejection> {
    match (&feature.kind, data) {
        (FeatureKind::Number { .. }, TensorData::Bytes(_)) => Err(unusable()),
        (FeatureKind::Number { accepted, .. }, data) => Ok(within(data, column, accepted.as_ref(), missing)),
        (FeatureKind::Category { values }, TensorData::Bytes(bytes)) => {
            let known = |category: &[u8]| is_category(category, values.as_deref());
            let mut cells = bytes.iter().skip(column.start).step_by(column.stride);
            Ok(cells.all(|cell| (missing && cell.is_empty()) || known(cell)))
        }
        (FeatureKind::Text { chars_max }, TensorData::Bytes(bytes)) => {
            let mut cells = bytes.iter_mut().skip(column.start).step_by(column.stride);
            Ok(cells.all(|cell| (missing && cell.is_empty()) || clean(cell, *chars_max)))
        }
        (FeatureKind::Category { .. } | FeatureKind::Text { .. }, _) => Err(unusable()),
    }
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

/// One expression over the numbers of a tensor, whatever their type; strings give the last argument.
macro_rules! numbers {
    ($data:expr, $values:ident, $wrap:ident => $body:expr, $otherwise:expr) => {
        match $data {
            TensorData::Bool($values) => {
                let $wrap = |value: bool| value;
                $body
            }
            TensorData::Uint8($values) => {
                let $wrap = |value: u8| value;
                $body
            }
            TensorData::Uint16($values) => {
                let $wrap = |value: u16| value;
                $body
            }
            TensorData::Uint32($values) => {
                let $wrap = |value: u32| value;
                $body
            }
            TensorData::Uint64($values) => {
                let $wrap = |value: u64| value;
                $body
            }
            TensorData::Int8($values) => {
                let $wrap = |value: i8| value;
                $body
            }
            TensorData::Int16($values) => {
                let $wrap = |value: i16| value;
                $body
            }
            TensorData::Int32($values) => {
                let $wrap = |value: i32| value;
                $body
            }
            TensorData::Int64($values) => {
                let $wrap = |value: i64| value;
                $body
            }
            TensorData::Fp16($values) => {
                let $wrap = Half;
                $body
            }
            TensorData::Fp32($values) => {
                let $wrap = |value: f32| value;
                $body
            }
            TensorData::Fp64($values) => {
                let $wrap = |value: f64| value;
                $body
            }
            TensorData::Bytes(_) => $otherwise,
        }
    };
}

fn within(data: &TensorData, column: Column, range: Option<&Range>, missing: bool) -> bool {
    fn takes<T: Number>(value: T, range: Option<&Range>, missing: bool) -> bool {
        if value.is_finite() {
            range.is_none_or(|range| value.within(range))
        } else {
            missing && value.is_nan()
        }
    }
    numbers!(data, values, wrap => column.all(values, |value| takes(wrap(value), range, missing)), false)
}

/// Whether every element of a tensor is finite; strings and integers are.
pub(super) fn all_finite(data: &TensorData) -> bool {
    numbers!(data, values, wrap => values.iter().all(|value| wrap(*value).is_finite()), true)
}

/// Indices of the features with a value that the contract takes but the reference data did not have. Missing values
/// are not outside: the contract said that they may be missing.
pub(super) fn unseen<'a>(contract: &'a Contract, tensors: &'a [Tensor]) -> impl Iterator<Item = usize> + 'a {
    contract.features.iter().enumerate().filter_map(move |(index, feature)| {
        let FeatureKind::Number { seen: Some(seen), .. } = &feature.kind else { return None };
        let column = Column::of(contract, index);
        let tensor = tensors.get(column.tensor)?;
        (!within(&tensor.data, column, Some(seen), true)).then_some(index)
    })
}
