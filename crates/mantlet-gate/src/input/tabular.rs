//! Rows of features become tensors: in the contract's order, of the model's types, or not at all.

use std::sync::Arc;

use mantlet_types::{
    Contract, Datatype, Rejection, Tensor, TensorData, TensorSpec,
    contract::{Feature, Layout},
    limits::ELEMENTS_MAX,
    question::Scalar,
};

use super::{
    columns::{self, Missing},
    half::Half,
    lookup::Lookup,
    number::Number,
    validate::{FEATURES, checked_rows, unusable},
};

/// Rows with names.
pub(super) type Named = [Vec<(Box<str>, Scalar)>];

/// The values of all rows, row-major in the contract's order; `None` where a row lacks one.
struct Grid<'a> {
    contract: &'a Contract,
    cells: Vec<Option<&'a Scalar>>,
    rows: usize,
}

/// Rows of named values. A name that the contract lacks is not repeated: the rejection says `features`.
pub(super) fn named(contract: &Contract, rows: &Named) -> Result<(usize, Vec<Tensor>), Rejection> {
    let mut grid = Grid::empty(contract, rows.len())?;
    let width = contract.features.len();
    let mut lookup = Lookup::new(&contract.features, |feature: &Feature| &feature.name);
    for (row, cells) in rows.iter().zip(grid.cells.chunks_exact_mut(width)) {
        for (name, value) in row {
            let found = lookup.find(name).and_then(|index| cells.get_mut(index));
            let cell = found.ok_or_else(|| Rejection::invalid(FEATURES))?;
            // The decoder rejects a repeated name; should one come this way, neither value is to be trusted.
            if cell.replace(value).is_some() {
                return Err(Rejection::invalid(FEATURES));
            }
        }
    }
    grid.into_tensors()
}

/// Rows of values in the contract's order, exactly as many as there are features.
pub(super) fn ordered(contract: &Contract, rows: &[Vec<Scalar>]) -> Result<(usize, Vec<Tensor>), Rejection> {
    let mut grid = Grid::empty(contract, rows.len())?;
    let width = contract.features.len();
    for (row, cells) in rows.iter().zip(grid.cells.chunks_exact_mut(width)) {
        if row.len() != width {
            return Err(Rejection::invalid(FEATURES));
        }
        for (value, cell) in row.iter().zip(cells) {
            *cell = Some(value);
        }
    }
    grid.into_tensors()
}

/// Whether the inputs can hold the features as the layout says.
///
/// # Errors
/// 503: a contract that contradicts itself can check nothing.
pub(super) fn fits(contract: &Contract) -> Result<(), Rejection> {
    let width = contract.features.len();
    let fits = match (contract.layout, contract.inputs.as_slice()) {
        (Layout::Matrix, [TensorSpec { shape, .. }]) => {
            matches!(shape.as_slice(), [_, columns] if columns.is_none_or(|columns| columns == width))
        }
        (Layout::Columns, inputs) => {
            let is_column = |input: &TensorSpec| matches!(input.shape.as_slice(), [_] | [_, None | Some(1)]);
            inputs.len() == width && inputs.iter().all(is_column)
        }
        (Layout::Matrix | Layout::Tensors, _) => false,
    };
    if fits && width > 0 { Ok(()) } else { Err(unusable()) }
}

impl<'a> Grid<'a> {
    fn empty(contract: &'a Contract, rows: usize) -> Result<Self, Rejection> {
        if contract.layout == Layout::Tensors {
            return Err(Rejection::invalid(FEATURES));
        }
        fits(contract)?;
        let rows = checked_rows(contract, rows, FEATURES)?;
        let len = rows.checked_mul(contract.features.len()).filter(|len| *len <= ELEMENTS_MAX);
        let len = len.ok_or_else(|| Rejection::invalid(FEATURES))?;
        Ok(Self { contract, cells: vec![None; len], rows })
    }

    fn into_tensors(self) -> Result<(usize, Vec<Tensor>), Rejection> {
        let Self { contract, cells, rows } = self;
        let features = &contract.features;
        let mut tensors = Vec::with_capacity(contract.inputs.len());
        for (index, input) in contract.inputs.iter().enumerate() {
            let (data, shape) = match contract.layout {
                Layout::Matrix => {
                    let cells = features.iter().cycle().zip(cells.iter().copied());
                    (
                        collect(input.datatype, cells, cells_len(rows, features.len())),
                        vec![rows, features.len()],
                    )
                }
                Layout::Columns | Layout::Tensors => {
                    let column = cells.iter().copied().skip(index).step_by(features.len());
                    let feature = features.get(index).ok_or_else(unusable)?;
                    let shape = if input.shape.len() == 1 { vec![rows] } else { vec![rows, 1] };
                    (collect(input.datatype, std::iter::repeat(feature).zip(column), rows), shape)
                }
            };
            if !input.admits(&shape) {
                // All that is left to differ is the number of rows, which some models fix.
                return Err(Rejection::invalid(FEATURES));
            }
            tensors.push(Tensor { name: Arc::clone(&input.name), shape, data: data? });
        }
        columns::check(contract, &mut tensors, Missing::Optional)?;
        Ok((rows, tensors))
    }
}

/// INVARIANT: bounded by [`ELEMENTS_MAX`], checked when the grid was made.
fn cells_len(rows: usize, width: usize) -> usize {
    rows.saturating_mul(width)
}

/// Converts cells to one element type. Ranges, categories and texts are checked afterwards, on the tensors.
fn collect<'a>(
    datatype: Datatype,
    cells: impl Iterator<Item = (&'a Feature, Option<&'a Scalar>)>,
    len: usize,
) -> Result<TensorData, Rejection> {
    Ok(match datatype {
        Datatype::Bool => TensorData::Bool(convert(cells, len, number)?),
        Datatype::Uint8 => TensorData::Uint8(convert(cells, len, number)?),
        Datatype::Uint16 => TensorData::Uint16(convert(cells, len, number)?),
        Datatype::Uint32 => TensorData::Uint32(convert(cells, len, number)?),
        Datatype::Uint64 => TensorData::Uint64(convert(cells, len, number)?),
        Datatype::Int8 => TensorData::Int8(convert(cells, len, number)?),
        Datatype::Int16 => TensorData::Int16(convert(cells, len, number)?),
        Datatype::Int32 => TensorData::Int32(convert(cells, len, number)?),
        Datatype::Int64 => TensorData::Int64(convert(cells, len, number)?),
        Datatype::Fp16 => TensorData::Fp16(convert(cells, len, |feature, cell| {
            number::<Half>(feature, cell).map(|half| half.0)
        })?),
        Datatype::Fp32 => TensorData::Fp32(convert(cells, len, number)?),
        Datatype::Fp64 => TensorData::Fp64(convert(cells, len, number)?),
        Datatype::Bytes => TensorData::Bytes(convert(cells, len, bytes)?),
    })
}

fn convert<'a, T>(
    cells: impl Iterator<Item = (&'a Feature, Option<&'a Scalar>)>,
    len: usize,
    element: impl Fn(&Feature, Option<&Scalar>) -> Option<T>,
) -> Result<Vec<T>, Rejection> {
    let mut values = Vec::with_capacity(len);
    for (feature, cell) in cells {
        let value = element(feature, cell).ok_or_else(|| Rejection::invalid(Arc::clone(&feature.name)))?;
        values.push(value);
    }
    Ok(values)
}

fn number<T: Number>(feature: &Feature, cell: Option<&Scalar>) -> Option<T> {
    match cell {
        Some(Scalar::Number(value)) => T::exact(*value),
        Some(Scalar::Bool(value)) => T::truth(*value),
        Some(Scalar::Text(_)) => None,
        None | Some(Scalar::Null) => T::MISSING.filter(|_| feature.optional),
    }
}

fn bytes(feature: &Feature, cell: Option<&Scalar>) -> Option<Vec<u8>> {
    match cell {
        Some(Scalar::Text(text)) => Some(text.as_bytes().to_vec()),
        Some(Scalar::Number(_) | Scalar::Bool(_)) => None,
        None | Some(Scalar::Null) => feature.optional.then(Vec::new),
    }
}
