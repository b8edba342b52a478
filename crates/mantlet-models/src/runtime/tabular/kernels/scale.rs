//! Preparation of numbers: `Scaler`, `Normalizer`, `Imputer`, `Binarizer`.

use crate::onnx::Node;

use super::{
    super::{
        kernel::{Fault, Io, Kernel},
        value::Data,
    },
    Built,
};

/// (x - offset) · scale, for each column or with one pair for all.
#[derive(Debug)]
struct Scaler {
    offset: Vec<f32>,
    scale: Vec<f32>,
}

/// Makes a `Scaler`.
pub(super) fn scaler(node: &mut Node) -> Built {
    let offset = node.attributes.floats("offset")?;
    let scale = node.attributes.floats("scale")?;
    if offset.is_empty() || offset.len() != scale.len() {
        return Err(node.attributes.error("offset and scale must be given with equal lengths"));
    }
    Ok(Box::new(Scaler { offset, scale }))
}

impl Kernel for Scaler {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let count = io.input(0)?.len();
        io.charge(count)?;
        let input = io.input(0)?;
        let shape = input.shape();
        let columns = *shape.extents().last().ok_or(Fault::Shape("a matrix is needed"))?;
        let values = input.floats()?;
        let scaled: Vec<f32> = match (&self.offset[..], &self.scale[..]) {
            ([offset], [scale]) => values.iter().map(|value| (value - offset) * scale).collect(),
            (offset, scale) if offset.len() == columns => {
                let mut scaled = Vec::with_capacity(values.len());
                for row in values.chunks_exact(columns) {
                    let pairs = offset.iter().zip(scale);
                    scaled.extend(
                        row.iter().zip(pairs).map(|(value, (offset, scale))| (value - offset) * scale),
                    );
                }
                scaled
            }
            _ => return Err(Fault::Shape("the number of columns is not that of the scaler")),
        };
        io.set(0, shape, Data::from(scaled))
    }

    fn work(&self) -> u64 {
        self.offset.len() as u64
    }

    fn is_featurewise(&self) -> bool {
        true
    }
}

/// Divides each row by its norm.
#[derive(Clone, Copy, Debug)]
enum Normalizer {
    Max,
    L1,
    L2,
}

/// Makes a `Normalizer`.
pub(super) fn normalizer(node: &mut Node) -> Built {
    let norm = match node.attributes.text("norm")?.as_deref() {
        None | Some("MAX") => Normalizer::Max,
        Some("L1") => Normalizer::L1,
        Some("L2") => Normalizer::L2,
        Some(_) => return Err(node.attributes.error("the norm is unknown")),
    };
    Ok(Box::new(norm))
}

impl Kernel for Normalizer {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let count = io.input(0)?.len();
        io.charge(count)?;
        let input = io.input(0)?;
        let shape = input.shape();
        let (_, columns) = shape.matrix()?;
        let mut values = input.floats()?.into_owned();
        for row in values.chunks_exact_mut(columns.max(1)) {
            let norm = match self {
                Self::Max => row.iter().copied().fold(f32::MIN, f32::max),
                Self::L1 => row.iter().map(|value| value.abs()).sum(),
                Self::L2 => row.iter().map(|value| value * value).sum::<f32>().sqrt(),
            };
            // A row of zeros stays as it is.
            if norm != 0.0 {
                row.iter_mut().for_each(|value| *value /= norm);
            }
        }
        io.set(0, shape, values)
    }

    fn keeps_distributions(&self) -> bool {
        matches!(self, Self::L1)
    }
}

/// Replaces one value, usually NaN, by one for each column.
#[derive(Debug)]
enum Imputer {
    Floats { replaced: f32, by: Vec<f32> },
    Integers { replaced: i64, by: Vec<i64> },
}

/// Makes an `Imputer`.
pub(super) fn imputer(node: &mut Node) -> Built {
    let attributes = &mut node.attributes;
    let floats = attributes.floats("imputed_value_floats")?;
    let integers = attributes.ints("imputed_value_int64s")?;
    let replaced_float = attributes.float("replaced_value_float")?.unwrap_or(0.0);
    let replaced_integer = attributes.int("replaced_value_int64")?.unwrap_or(0);
    match (floats.is_empty(), integers.is_empty()) {
        (false, true) => Ok(Box::new(Imputer::Floats { replaced: replaced_float, by: floats })),
        (true, false) => Ok(Box::new(Imputer::Integers { replaced: replaced_integer, by: integers })),
        _ => Err(attributes.error("replacements of one kind are needed")),
    }
}

impl Kernel for Imputer {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let count = io.input(0)?.len();
        io.charge(count)?;
        let input = io.input(0)?;
        let shape = input.shape();
        let (_, columns) = shape.matrix()?;
        let data: Data<'a> = match (self, input.data()) {
            (Self::Floats { replaced, by }, Data::F32(values)) => {
                let is_missing = |value: f32| value == *replaced || (value.is_nan() && replaced.is_nan());
                replace(values, columns, by, is_missing)?.into()
            }
            (Self::Integers { replaced, by }, Data::I64(values)) => {
                replace(values, columns, by, |value| value == *replaced)?.into()
            }
            _ => return Err(Fault::Type("the replacements are of another type")),
        };
        io.set(0, shape, data)
    }

    fn is_featurewise(&self) -> bool {
        true
    }
}

fn replace<T: Copy>(
    values: &[T],
    columns: usize,
    by: &[T],
    is_missing: impl Fn(T) -> bool,
) -> Result<Vec<T>, Fault> {
    let replacement = |column: usize| match by {
        [one] => *one,
        many => many[column],
    };
    if by.len() != 1 && by.len() != columns {
        return Err(Fault::Shape("one replacement for each column is needed"));
    }
    let value =
        |(index, value): (usize, &T)| if is_missing(*value) { replacement(index % columns) } else { *value };
    Ok(values.iter().enumerate().map(value).collect())
}

/// 1 where a value exceeds the threshold, else 0.
#[derive(Debug)]
struct Binarizer {
    threshold: f32,
}

/// Makes a `Binarizer`.
pub(super) fn binarizer(node: &mut Node) -> Built {
    Ok(Box::new(Binarizer { threshold: node.attributes.float("threshold")?.unwrap_or(0.0) }))
}

impl Kernel for Binarizer {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let count = io.input(0)?.len();
        io.charge(count)?;
        let input = io.input(0)?;
        let shape = input.shape();
        let mark = |value: &f32| if *value > self.threshold { 1.0 } else { 0.0 };
        let marks: Vec<f32> = input.floats()?.iter().map(mark).collect();
        io.set(0, shape, marks)
    }

    fn is_featurewise(&self) -> bool {
        true
    }
}
