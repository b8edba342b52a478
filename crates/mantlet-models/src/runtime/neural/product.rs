//! Sizes of what operators make that multiply matrices, run recurrent cells, or sum up along axes.

use crate::onnx::{LoadError, Node};

use super::{
    known::{Known, Why, axes, axis, broadcast},
    rule::{Inputs, List, Made, Rule, input, int, list},
};

/// An operator that multiplies, or sums up.
#[derive(Debug)]
pub(super) enum Product {
    Gemm { left: bool, right: bool },
    MatMul,
    Recurrent { gates: usize, hidden: usize, directions: usize },
    Reduce { axes: List, keeps: bool, skips: bool },
    Position { axis: i64, keeps: bool },
    Quantize,
}

type Compiled = Result<Rule, LoadError>;

pub(super) fn gemm(node: &mut Node) -> Compiled {
    Ok(Rule::Product(Product::Gemm {
        left: int(node, "transA", 0)? != 0,
        right: int(node, "transB", 0)? != 0,
    }))
}

pub(super) fn matmul(_: &mut Node) -> Compiled {
    Ok(Rule::Product(Product::MatMul))
}

pub(super) fn lstm(node: &mut Node) -> Compiled {
    recurrent(node, 4)
}

pub(super) fn gru(node: &mut Node) -> Compiled {
    recurrent(node, 3)
}

fn recurrent(node: &mut Node, gates: usize) -> Compiled {
    let hidden = usize::try_from(int(node, "hidden_size", 0)?).ok().filter(|hidden| *hidden > 0);
    let hidden = hidden.ok_or_else(|| node.attributes.error("attribute `hidden_size` is not positive"))?;
    let directions = match node.attributes.text("direction")?.as_deref() {
        None | Some("forward" | "reverse") => 1,
        Some("bidirectional") => 2,
        Some(_) => return Err(node.attributes.error("attribute `direction` is unknown")),
    };
    Ok(Rule::Product(Product::Recurrent { gates, hidden, directions }))
}

pub(super) fn reduce(node: &mut Node) -> Compiled {
    let (keeps, skips) = (int(node, "keepdims", 1)? != 0, int(node, "noop_with_empty_axes", 0)? != 0);
    Ok(Rule::Product(Product::Reduce { axes: list(node, "axes", 1)?, keeps, skips }))
}

pub(super) fn position(node: &mut Node) -> Compiled {
    let (axis, keeps) = (int(node, "axis", 0)?, int(node, "keepdims", 1)? != 0);
    Ok(Rule::Product(Product::Position { axis, keeps }))
}

pub(super) fn quantize(_: &mut Node) -> Compiled {
    Ok(Rule::Product(Product::Quantize))
}

const SHAPES: Why = "the shapes of its inputs do not fit each other";

impl Product {
    /// What the operator makes of inputs of these sizes.
    pub(super) fn make(&self, inputs: &Inputs<'_>) -> Result<Made, Why> {
        let first = input(inputs, 0)?;
        match self {
            Self::Gemm { left, right } => {
                let ([rows, inner], [depth, columns]) =
                    (turned(first, *left)?, turned(input(inputs, 1)?, *right)?);
                if inner != depth {
                    return Err(SHAPES);
                }
                multiplied(Known::shaped(vec![rows, columns])?, inner)
            }
            Self::MatMul => matrices(first, input(inputs, 1)?),
            Self::Recurrent { gates, hidden, directions } => {
                cells(first, input(inputs, 1)?, *gates, *hidden, *directions)
            }
            Self::Reduce { axes, keeps, skips } => {
                Ok(reduced(first, axes.get(inputs)?, *keeps, *skips)?.into())
            }
            Self::Position { axis: at, keeps } => {
                Ok(collapsed(first, &[axis(*at, first.rank())?], *keeps)?.into())
            }
            Self::Quantize => {
                let (like, scalar) = (Known::shaped(first.shape().to_vec())?, Known::shaped(Vec::new())?);
                Ok(Made { outputs: vec![like, scalar.clone(), scalar], ..Made::default() })
            }
        }
    }
}

fn turned(known: &Known, is_turned: bool) -> Result<[usize; 2], Why> {
    match *known.shape() {
        [rows, columns] if is_turned => Ok([columns, rows]),
        [rows, columns] => Ok([rows, columns]),
        _ => Err("a matrix is needed"),
    }
}

/// A product whose every element is a sum of so many.
fn multiplied(known: Known, inner: usize) -> Result<Made, Why> {
    // Eight multiplications take a nanosecond.
    let work = (known.count() as u64).saturating_mul(inner as u64) / 8;
    Ok(Made { outputs: vec![known], work, room: 0 })
}

/// Matrices over matrices, as numpy multiplies them. Lone vectors, which numpy takes too, come out of the engine in
/// another shape than the standard's, and are refused.
fn matrices(left: &Known, right: &Known) -> Result<Made, Why> {
    let ([left_outer @ .., rows, inner], [right_outer @ .., depth, columns]) = (left.shape(), right.shape())
    else {
        return Err("a matrix is needed on either side");
    };
    if inner != depth {
        return Err(SHAPES);
    }
    let mut shape = broadcast(left_outer, right_outer)?;
    shape.extend([rows, columns]);
    multiplied(Known::shaped(shape)?, *inner)
}

fn cells(from: &Known, weights: &Known, gates: usize, hidden: usize, directions: usize) -> Result<Made, Why> {
    let [length, batch, width] = *from.shape() else { return Err("three dimensions are needed") };
    // The engine takes the cell's size from the attribute and from the weights; they must agree.
    if *weights.shape() != [directions, gates.checked_mul(hidden).ok_or(SHAPES)?, width] {
        return Err(SHAPES);
    }
    let all = Known::shaped(vec![length, directions, batch, hidden])?;
    let last = Known::shaped(vec![directions, batch, hidden])?;
    let inner = width.saturating_add(hidden).saturating_mul(gates);
    let work = (all.count() as u64).saturating_mul(inner as u64) / 4;
    let room = all.count().checked_mul(gates * 2).ok_or("it makes a tensor that no memory holds")?;
    let mut outputs = vec![all, last.clone()];
    // A long short-term memory has a third output, the state of its cells.
    outputs.extend((gates == 4).then_some(last));
    Ok(Made { outputs, work, room })
}

fn reduced(from: &Known, list: Option<&[i32]>, keeps: bool, skips: bool) -> Result<Known, Why> {
    match list {
        Some(list) if !list.is_empty() => collapsed(from, &axes(list, from.rank())?, keeps),
        _ if skips => Known::shaped(from.shape().to_vec()),
        _ => collapsed(from, &(0..from.rank()).collect::<Vec<_>>(), keeps),
    }
}

fn collapsed(from: &Known, gone: &[usize], keeps: bool) -> Result<Known, Why> {
    let extents = from.shape().iter().enumerate();
    let shape = extents.filter_map(|(place, extent)| match (gone.contains(&place), keeps) {
        (false, _) => Some(*extent),
        (true, true) => Some(1),
        (true, false) => None,
    });
    Known::shaped(shape.collect())
}
