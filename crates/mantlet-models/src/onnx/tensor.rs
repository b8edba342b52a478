//! Constant tensors and element types, decoded with checked sizes.

use mantlet_types::{Datatype, limits::RANK_MAX};

use super::{
    error::LoadError,
    limits::EXTENT_MAX,
    proto::{TensorProto, element},
};

/// An element type that an engine here can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// 32-bit floating point.
    F32,
    /// 64-bit floating point.
    F64,
    /// 32-bit signed integer.
    I32,
    /// 64-bit signed integer.
    I64,
    /// 8-bit signed integer; neural graphs only.
    I8,
    /// 8-bit unsigned integer; neural graphs only.
    U8,
    /// Truth value.
    Bool,
    /// UTF-8 text.
    Text,
}

impl ElementType {
    /// The type of a `TensorProto.DataType` number, if it is one of these.
    pub(crate) const fn from_onnx(number: i32) -> Option<Self> {
        Some(match number {
            element::FLOAT => Self::F32,
            element::DOUBLE => Self::F64,
            element::INT32 => Self::I32,
            element::INT64 => Self::I64,
            element::INT8 => Self::I8,
            element::UINT8 => Self::U8,
            element::BOOL => Self::Bool,
            element::STRING => Self::Text,
            _ => return None,
        })
    }

    /// The protocol's name for it.
    #[must_use]
    pub const fn datatype(self) -> Datatype {
        match self {
            Self::F32 => Datatype::Fp32,
            Self::F64 => Datatype::Fp64,
            Self::I32 => Datatype::Int32,
            Self::I64 => Datatype::Int64,
            Self::I8 => Datatype::Int8,
            Self::U8 => Datatype::Uint8,
            Self::Bool => Datatype::Bool,
            Self::Text => Datatype::Bytes,
        }
    }
}

/// The elements of a constant, row-major.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "one variant per element type")]
pub enum Elements {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    Bool(Vec<bool>),
    Text(Vec<Vec<u8>>),
}

/// A constant tensor whose shape and elements agree.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Extents, outermost first; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements.
    pub elements: Elements,
}

/// Elements of a constant that an outline has: more than there are classes, or numbers that decide a size.
const OUTLINE_ELEMENTS_MAX: usize = 1 << 16;

/// A constant of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Constant {
    /// Decoded.
    Array(Array),
    /// Only its extents are known: it is of a type that only the neural engine holds and decodes itself, or this is an
    /// outline.
    Opaque(Vec<usize>),
}

impl Constant {
    /// The elements, if they are decoded.
    pub(crate) const fn array(&self) -> Option<&Array> {
        match self {
            Self::Array(array) => Some(array),
            Self::Opaque(_) => None,
        }
    }

    /// Decodes a constant that is not large, and leaves a large one as it is: whoever asks what a graph is about has no
    /// need of its weights.
    ///
    /// # Errors
    /// As [`Self::decode`], but for large ones' elements.
    pub(crate) fn outline(tensor: TensorProto) -> Result<Self, LoadError> {
        let count = |shape: &Vec<usize>| {
            shape.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent))
        };
        match extents(&tensor.dims) {
            Some(shape) if count(&shape).is_none_or(|count| count > OUTLINE_ELEMENTS_MAX) => {
                Ok(Self::Opaque(shape))
            }
            _ => Self::decode(tensor),
        }
    }

    /// Decodes a constant.
    ///
    /// # Errors
    /// [`LoadError::Tensor`] when shape and data disagree, or no engine holds elements of this type.
    pub(crate) fn decode(tensor: TensorProto) -> Result<Self, LoadError> {
        let name = tensor.name.clone();
        let fail = |why: &str| LoadError::Tensor { name: name.clone(), why: why.into() };
        let shape = extents(&tensor.dims).ok_or_else(|| fail("its shape is out of bounds"))?;
        let count = shape
            .iter()
            .try_fold(1_usize, |product, extent| product.checked_mul(*extent))
            .ok_or_else(|| fail("its shape is out of bounds"))?;
        let raw = (!tensor.raw_data.is_empty()).then_some(&*tensor.raw_data);
        let elements = match ElementType::from_onnx(tensor.data_type) {
            Some(ElementType::F32) => Elements::F32(fixed(raw, tensor.float_data, f32::from_le_bytes)),
            Some(ElementType::F64) => Elements::F64(fixed(raw, tensor.double_data, f64::from_le_bytes)),
            Some(ElementType::I32) => Elements::I32(fixed(raw, tensor.int32_data, i32::from_le_bytes)),
            Some(ElementType::I64) => Elements::I64(fixed(raw, tensor.int64_data, i64::from_le_bytes)),
            Some(ElementType::Bool) => Elements::Bool(match raw {
                Some(raw) => raw.iter().map(|byte| *byte != 0).collect(),
                None => tensor.int32_data.iter().map(|value| *value != 0).collect(),
            }),
            Some(ElementType::Text) => Elements::Text(tensor.string_data),
            Some(ElementType::I8 | ElementType::U8) => {
                let length = raw.map_or(tensor.int32_data.len(), <[u8]>::len);
                return if length == count { Ok(Self::Opaque(shape)) } else { Err(fail(LENGTH)) };
            }
            None if tensor.data_type == element::FLOAT16 => {
                let length = raw.map_or(0, <[u8]>::len);
                return if count.checked_mul(2) == Some(length) {
                    Ok(Self::Opaque(shape))
                } else {
                    Err(fail(LENGTH))
                };
            }
            None => return Err(fail("its element type cannot be used here")),
        };
        let array = Array { shape, elements };
        if array.len() == count { Ok(Self::Array(array)) } else { Err(fail(LENGTH)) }
    }
}

impl Array {
    /// Decodes a constant; `None` for elements of a type that only the neural engine holds.
    ///
    /// # Errors
    /// As [`Constant::decode`].
    pub(crate) fn decode(tensor: TensorProto) -> Result<Option<Self>, LoadError> {
        Ok(match Constant::decode(tensor)? {
            Constant::Array(array) => Some(array),
            Constant::Opaque(_) => None,
        })
    }

    /// The elements of a list of unsigned bytes.
    pub(crate) fn octets(tensor: &TensorProto) -> Option<Vec<u8>> {
        if tensor.data_type != element::UINT8 {
            return None;
        }
        let octets = match tensor.raw_data.is_empty() {
            true => tensor.int32_data.iter().map(|value| u8::try_from(*value).ok()).collect::<Option<_>>()?,
            false => tensor.raw_data.to_vec(),
        };
        (tensor.dims.iter().try_fold(1_i64, |product, dim| product.checked_mul(*dim))
            == i64::try_from(octets.len()).ok())
        .then_some(octets)
    }

    /// A list of integers, as `Constant` and `Cast` nodes of exporters make them.
    pub(crate) fn vector(elements: Elements) -> Self {
        let mut array = Self { shape: Vec::new(), elements };
        array.shape = vec![array.len()];
        array
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.elements {
            Elements::F32(values) => values.len(),
            Elements::F64(values) => values.len(),
            Elements::I32(values) => values.len(),
            Elements::I64(values) => values.len(),
            Elements::Bool(values) => values.len(),
            Elements::Text(values) => values.len(),
        }
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

const LENGTH: &str = "its data is not as long as its shape says";

/// Extents within bounds, at most [`RANK_MAX`] of them.
fn extents(dims: &[i64]) -> Option<Vec<usize>> {
    if dims.len() > RANK_MAX {
        return None;
    }
    dims.iter().map(|dim| usize::try_from(*dim).ok().filter(|_| *dim <= EXTENT_MAX)).collect()
}

/// Little-endian elements from raw bytes if there are any, else those of the member for the type. Bytes that do not
/// divide evenly yield nothing, which then disagrees with the shape.
fn fixed<T, const WIDTH: usize>(raw: Option<&[u8]>, typed: Vec<T>, read: fn([u8; WIDTH]) -> T) -> Vec<T> {
    let Some(raw) = raw else { return typed };
    match raw.as_chunks::<WIDTH>() {
        (chunks, []) => chunks.iter().map(|chunk| read(*chunk)).collect(),
        _ => Vec::new(),
    }
}
