//! Products of matrices: `MatMul`, `Gemm`. Written for the sizes of tabular models; large networks go to the neural engine.

use std::borrow::Cow;

use crate::onnx::Node;

use super::{
    super::{
        kernel::{Fault, Io, Kernel},
        value::{Shape, Value},
    },
    Built,
    elementwise::{Indices, broadcast_shape},
};

/// Multiplications that count like one element of an intermediate value, so that one run does at most some 10^10.
const MULTIPLICATIONS_PER_ELEMENT: usize = 128;

/// alpha · A · B + beta · C, with A and B transposed at will.
#[derive(Debug)]
struct Gemm {
    alpha: f32,
    beta: f32,
    transpose_a: bool,
    transpose_b: bool,
}

/// Makes a `Gemm`.
pub(super) fn gemm(node: &mut Node) -> Built {
    let attributes = &mut node.attributes;
    Ok(Box::new(Gemm {
        alpha: attributes.float("alpha")?.unwrap_or(1.0),
        beta: attributes.float("beta")?.unwrap_or(1.0),
        transpose_a: attributes.flag("transA", false)?,
        transpose_b: attributes.flag("transB", false)?,
    }))
}

/// Makes a `MatMul`.
#[expect(clippy::unnecessary_wraps, reason = "the table of operators wants one form")]
pub(super) fn matmul(_: &mut Node) -> Built {
    Ok(Box::new(Gemm { alpha: 1.0, beta: 0.0, transpose_a: false, transpose_b: false }))
}

/// Rows, columns and elements of a matrix.
struct Matrix<'v> {
    rows: usize,
    columns: usize,
    values: Cow<'v, [f32]>,
}

/// On which side of the product a vector stands, where it is a row or a column.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

impl<'v> Matrix<'v> {
    fn new(value: &'v Value<'_>, side: Side, transpose: bool) -> Result<Self, Fault> {
        let (rows, columns) = match (value.shape().extents(), side) {
            (&[rows, columns], _) => (rows, columns),
            (&[length], Side::Left) => (1, length),
            (&[length], Side::Right) => (length, 1),
            _ => return Err(Fault::Shape("only products of matrices and vectors are supported")),
        };
        let super::super::value::Data::F32(values) = value.data() else {
            return Err(Fault::Type("32-bit floats are needed"));
        };
        if !transpose {
            return Ok(Self { rows, columns, values: Cow::Borrowed(values) });
        }
        let mut turned = Vec::with_capacity(values.len());
        for column in 0..columns {
            turned.extend(values.iter().skip(column).step_by(columns));
        }
        Ok(Self { rows: columns, columns: rows, values: Cow::Owned(turned) })
    }
}

impl Kernel for Gemm {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let extent = |index: usize, axis: bool| -> Result<usize, Fault> {
            Ok(io.input(index)?.shape().extents().get(usize::from(axis)).copied().unwrap_or(1))
        };
        let count = extent(0, self.transpose_a)?.saturating_mul(extent(1, !self.transpose_b)?);
        // Products of large constants would take minutes: time is bounded together with memory.
        let inner = extent(1, self.transpose_b)?;
        io.charge(count.saturating_add(count.saturating_mul(inner) / MULTIPLICATIONS_PER_ELEMENT))?;
        let a = Matrix::new(io.input(0)?, Side::Left, self.transpose_a)?;
        let b = Matrix::new(io.input(1)?, Side::Right, self.transpose_b)?;
        if a.columns != b.rows {
            return Err(Fault::Shape("the inner extents differ"));
        }
        let shape = Shape::new(&[a.rows, b.columns])?;
        let mut product = vec![0.0; shape.count()];
        multiply(&a, &b, &mut product);
        if self.alpha != 1.0 {
            product.iter_mut().for_each(|value| *value *= self.alpha);
        }
        if let Some(c) = io.optional(2) {
            if broadcast_shape(c.shape(), shape)? != shape {
                return Err(Fault::Shape("the addend does not broadcast to the product"));
            }
            let addend = c.floats()?;
            let mut walk = Indices::new(c.shape(), shape);
            product.iter_mut().for_each(|value| *value += self.beta * addend[walk.advance()]);
        }
        // A vector's extent of 1 is not part of the result.
        let is_vector =
            |index: usize| io.optional(index).is_some_and(|value| value.shape().extents().len() == 1);
        let shape = match (is_vector(0), is_vector(1)) {
            (false, false) => shape,
            (false, true) => Shape::vector(a.rows),
            (true, false) => Shape::vector(b.columns),
            (true, true) => Shape::new(&[])?,
        };
        io.set(0, shape, product)
    }

    fn work(&self) -> u64 {
        // The size of the weights is known only when they meet; a layer of some thousand weights is assumed.
        4_000
    }
}

/// Adds rows of B, weighted by the elements of A: the inner loop runs along memory and vectorizes.
fn multiply(a: &Matrix<'_>, b: &Matrix<'_>, product: &mut [f32]) {
    if a.columns == 0 || b.columns == 0 {
        return;
    }
    for (weights, out) in a.values.chunks_exact(a.columns).zip(product.chunks_exact_mut(b.columns)) {
        for (weight, row) in weights.iter().zip(b.values.chunks_exact(b.columns)) {
            out.iter_mut().zip(row).for_each(|(out, value)| *out += weight * value);
        }
    }
}
