//! What is known of a value before anything runs: its extents always, its elements where they may decide extents later.

use mantlet_types::limits::RANK_MAX;

use crate::onnx::{Array, Elements};

/// Why the size of a value cannot be told, or may not be so; a fixed sentence.
pub(super) type Why = &'static str;

/// Elements that are followed. Shapes, axes and their like have at most as many as there are dimensions; tables of
/// positions a few hundred. What is longer cannot decide an extent here.
pub(super) const FOLLOWED_MAX: usize = 1_024;

/// Elements as the neural engine holds them: every whole number in 32 bits, every other in a 32-bit float.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Followed {
    /// Whole numbers and truth values.
    Whole(Vec<i32>),
    /// Floats; met as constants alone.
    Float(Vec<f32>),
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    shape: Vec<usize>,
    count: usize,
    elements: Option<Followed>,
}

impl Known {
    /// A value of this shape, of whose elements nothing is known.
    pub(super) fn shaped(shape: Vec<usize>) -> Result<Self, Why> {
        if shape.len() > RANK_MAX {
            return Err("it makes a tensor of too many dimensions");
        }
        let count = shape.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent));
        Ok(Self { shape, count: count.ok_or("it makes a tensor that no memory holds")?, elements: None })
    }

    /// A list of whole numbers.
    pub(super) fn list(values: Vec<i32>) -> Self {
        let count = values.len();
        Self { shape: vec![count], count, elements: None }.with(Some(values))
    }

    /// The same value with its elements, if they are known and few, and as many as the shape says.
    pub(super) fn with(mut self, elements: Option<Vec<i32>>) -> Self {
        let fits = |values: &Vec<i32>| values.len() == self.count && values.len() <= FOLLOWED_MAX;
        self.elements = elements.filter(fits).map(Followed::Whole);
        self
    }

    /// A constant of the file.
    pub(super) fn constant(array: &Array) -> Result<Self, Why> {
        let mut known = Self::shaped(array.shape.clone())?;
        if array.len() <= FOLLOWED_MAX {
            known.elements = followed(&array.elements);
        }
        Ok(known)
    }

    /// The extents, outermost first.
    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of dimensions.
    pub(super) fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Number of elements.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// The whole numbers that it holds, if they are known.
    pub(super) fn whole(&self) -> Option<&[i32]> {
        match &self.elements {
            Some(Followed::Whole(values)) => Some(values),
            _ => None,
        }
    }

    /// The floats that it holds, if they are known.
    pub(super) fn floats(&self) -> Option<&[f32]> {
        match &self.elements {
            Some(Followed::Float(values)) => Some(values),
            _ => None,
        }
    }

    /// The same elements under another shape.
    pub(super) fn reshaped(&self, shape: Vec<usize>) -> Result<Self, Why> {
        let mut known = Self::shaped(shape)?;
        if known.count != self.count {
            return Err("the new shape holds another number of elements");
        }
        known.elements.clone_from(&self.elements);
        Ok(known)
    }
}

/// The elements as the neural engine takes them over: 64-bit integers saturate.
fn followed(elements: &Elements) -> Option<Followed> {
    Some(match elements {
        Elements::I32(values) => Followed::Whole(values.clone()),
        Elements::I64(values) => Followed::Whole(values.iter().map(|value| saturated(*value)).collect()),
        Elements::Bool(values) => Followed::Whole(values.iter().map(|value| i32::from(*value)).collect()),
        Elements::F32(values) => Followed::Float(values.clone()),
        Elements::F64(_) | Elements::Text(_) => return None,
    })
}

/// The nearest 32-bit number.
pub(super) fn saturated(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX })
}

/// An axis of so many dimensions, counted from the end if negative.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, Why> {
    let rank_signed = i64::try_from(rank).map_err(|_| "it has too many dimensions")?;
    let resolved = if axis < 0 { axis.saturating_add(rank_signed) } else { axis };
    usize::try_from(resolved).ok().filter(|axis| *axis < rank).ok_or("an axis does not exist")
}

/// Distinct axes.
pub(super) fn axes(list: &[i32], rank: usize) -> Result<Vec<usize>, Why> {
    let mut resolved = list.iter().map(|item| axis(i64::from(*item), rank)).collect::<Result<Vec<_>, _>>()?;
    resolved.sort_unstable();
    match resolved.windows(2).any(|pair| pair[0] == pair[1]) {
        true => Err("an axis is given twice"),
        false => Ok(resolved),
    }
}

/// The shape that two shapes are stretched to, as numpy does.
pub(super) fn broadcast(left: &[usize], right: &[usize]) -> Result<Vec<usize>, Why> {
    let rank = left.len().max(right.len());
    let at = |shape: &[usize], index: usize| match (index + shape.len()).checked_sub(rank) {
        Some(index) => shape.get(index).copied().unwrap_or(1),
        None => 1,
    };
    (0..rank)
        .map(|index| match (at(left, index), at(right, index)) {
            (left, right) if left == right => Ok(left),
            (1, extent) | (extent, 1) => Ok(extent),
            _ => Err("the shapes of its inputs do not fit each other"),
        })
        .collect()
}
