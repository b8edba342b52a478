//! Values that flow between kernels: a shape and elements, borrowed from inputs and constants where possible.

use std::borrow::Cow;

use mantlet_types::{TensorData, limits::RANK_MAX};

use crate::onnx::{Array, ElementType, Elements};

use super::kernel::Fault;

/// Extents of a value, without an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    rank: usize,
    extents: [usize; RANK_MAX],
}

impl Shape {
    /// A shape of at most [`RANK_MAX`] extents whose product does not overflow.
    pub(crate) fn new(list: &[usize]) -> Result<Self, Fault> {
        let mut extents = [1; RANK_MAX];
        extents.get_mut(..list.len()).ok_or(Fault::Shape("too many dimensions"))?.copy_from_slice(list);
        let shape = Self { rank: list.len(), extents };
        list.iter()
            .try_fold(1_usize, |product, extent| product.checked_mul(*extent))
            .ok_or(Fault::Shape("the extents overflow"))?;
        Ok(shape)
    }

    /// One dimension.
    pub(crate) const fn vector(length: usize) -> Self {
        let mut extents = [1; RANK_MAX];
        extents[0] = length;
        Self { rank: 1, extents }
    }

    /// The extents, outermost first.
    pub(crate) fn extents(&self) -> &[usize] {
        &self.extents[..self.rank]
    }

    /// Number of elements.
    pub(crate) fn count(&self) -> usize {
        self.extents().iter().product()
    }

    /// Rows and columns as the `ai.onnx.ml` operators see them: one dimension is a single row.
    pub(crate) fn matrix(&self) -> Result<(usize, usize), Fault> {
        match self.extents() {
            [columns] => Ok((1, *columns)),
            [rows, columns] => Ok((*rows, *columns)),
            _ => Err(Fault::Shape("a matrix is needed")),
        }
    }
}

/// Elements, row-major, borrowed or owned.
#[derive(Clone, Debug)]
pub(crate) enum Data<'a> {
    F32(Cow<'a, [f32]>),
    F64(Cow<'a, [f64]>),
    I32(Cow<'a, [i32]>),
    I64(Cow<'a, [i64]>),
    Bool(Cow<'a, [bool]>),
    Text(Cow<'a, [Vec<u8>]>),
}

/// A tensor inside a run; its data is as long as its shape says.
#[derive(Clone, Debug)]
pub(crate) struct Value<'a> {
    shape: Shape,
    data: Data<'a>,
}

impl<'a> Value<'a> {
    /// A value, checked.
    pub(crate) fn new(shape: Shape, data: Data<'a>) -> Result<Self, Fault> {
        let value = Self { shape, data };
        if value.len() == shape.count() { Ok(value) } else { Err(Fault::Shape("data and shape disagree")) }
    }

    /// A value that borrows a constant.
    pub(crate) fn constant(array: &'a Array) -> Result<Self, Fault> {
        let data = match &array.elements {
            Elements::F32(values) => Data::F32(Cow::Borrowed(values)),
            Elements::F64(values) => Data::F64(Cow::Borrowed(values)),
            Elements::I32(values) => Data::I32(Cow::Borrowed(values)),
            Elements::I64(values) => Data::I64(Cow::Borrowed(values)),
            Elements::Bool(values) => Data::Bool(Cow::Borrowed(values)),
            Elements::Text(values) => Data::Text(Cow::Borrowed(values)),
        };
        Self::new(Shape::new(&array.shape)?, data)
    }

    /// A value that borrows an input.
    pub(crate) fn input(shape: &[usize], data: &'a TensorData) -> Result<Self, Fault> {
        let data = match data {
            TensorData::Fp32(values) => Data::F32(Cow::Borrowed(values)),
            TensorData::Fp64(values) => Data::F64(Cow::Borrowed(values)),
            TensorData::Int32(values) => Data::I32(Cow::Borrowed(values)),
            TensorData::Int64(values) => Data::I64(Cow::Borrowed(values)),
            TensorData::Bool(values) => Data::Bool(Cow::Borrowed(values)),
            TensorData::Bytes(values) => Data::Text(Cow::Borrowed(values)),
            _ => return Err(Fault::Type("no kernel takes this data type")),
        };
        Self::new(Shape::new(shape)?, data)
    }

    /// The extents and owned elements, for the answer.
    pub(crate) fn into_output(self) -> (Vec<usize>, TensorData) {
        let data = match self.data {
            Data::F32(values) => TensorData::Fp32(values.into_owned()),
            Data::F64(values) => TensorData::Fp64(values.into_owned()),
            Data::I32(values) => TensorData::Int32(values.into_owned()),
            Data::I64(values) => TensorData::Int64(values.into_owned()),
            Data::Bool(values) => TensorData::Bool(values.into_owned()),
            Data::Text(values) => TensorData::Bytes(values.into_owned()),
        };
        (self.shape.extents().to_vec(), data)
    }

    /// The shape.
    pub(crate) const fn shape(&self) -> Shape {
        self.shape
    }

    /// The elements.
    pub(crate) const fn data(&self) -> &Data<'a> {
        &self.data
    }

    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        match &self.data {
            Data::F32(values) => values.len(),
            Data::F64(values) => values.len(),
            Data::I32(values) => values.len(),
            Data::I64(values) => values.len(),
            Data::Bool(values) => values.len(),
            Data::Text(values) => values.len(),
        }
    }

    /// The element type.
    pub(crate) const fn element(&self) -> ElementType {
        match &self.data {
            Data::F32(_) => ElementType::F32,
            Data::F64(_) => ElementType::F64,
            Data::I32(_) => ElementType::I32,
            Data::I64(_) => ElementType::I64,
            Data::Bool(_) => ElementType::Bool,
            Data::Text(_) => ElementType::Text,
        }
    }

    /// The elements as 32-bit floats, converted as onnxruntime converts numbers for the `ai.onnx.ml` operators.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "float32 is the operators' own type"
    )]
    pub(crate) fn floats(&self) -> Result<Cow<'_, [f32]>, Fault> {
        Ok(match &self.data {
            Data::F32(values) => Cow::Borrowed(values),
            Data::F64(values) => values.iter().map(|value| *value as f32).collect(),
            Data::I32(values) => values.iter().map(|value| *value as f32).collect(),
            Data::I64(values) => values.iter().map(|value| *value as f32).collect(),
            Data::Bool(values) => values.iter().map(|value| f32::from(u8::from(*value))).collect(),
            Data::Text(_) => return Err(Fault::Type("numbers are needed")),
        })
    }

    /// The elements as 64-bit integers, for shapes, axes and indices.
    pub(crate) fn integers(&self) -> Result<Cow<'_, [i64]>, Fault> {
        match &self.data {
            Data::I64(values) => Ok(Cow::Borrowed(values)),
            Data::I32(values) => Ok(values.iter().map(|value| i64::from(*value)).collect()),
            _ => Err(Fault::Type("integers are needed")),
        }
    }

    /// The same elements under another shape.
    pub(crate) fn reshaped(self, shape: Shape) -> Result<Self, Fault> {
        Self::new(shape, self.data)
    }
}

impl From<Vec<f32>> for Data<'_> {
    fn from(values: Vec<f32>) -> Self {
        Self::F32(Cow::Owned(values))
    }
}

impl From<Vec<f64>> for Data<'_> {
    fn from(values: Vec<f64>) -> Self {
        Self::F64(Cow::Owned(values))
    }
}

impl From<Vec<i32>> for Data<'_> {
    fn from(values: Vec<i32>) -> Self {
        Self::I32(Cow::Owned(values))
    }
}

impl From<Vec<i64>> for Data<'_> {
    fn from(values: Vec<i64>) -> Self {
        Self::I64(Cow::Owned(values))
    }
}

impl From<Vec<bool>> for Data<'_> {
    fn from(values: Vec<bool>) -> Self {
        Self::Bool(Cow::Owned(values))
    }
}

impl From<Vec<Vec<u8>>> for Data<'_> {
    fn from(values: Vec<Vec<u8>>) -> Self {
        Self::Text(Cow::Owned(values))
    }
}
