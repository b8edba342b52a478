//! Operators along an axis: sums, extremes, their positions, softmax.

use crate::onnx::Node;

use super::{
    super::{
        kernel::{Fault, Io, Kernel},
        value::{Data, Shape, Value},
    },
    Built, post,
    shape::axis,
};

/// A value seen along one axis: `outer` blocks of `length` steps, `inner` elements apart.
#[derive(Clone, Copy)]
struct Lanes {
    outer: usize,
    length: usize,
    inner: usize,
}

impl Lanes {
    fn new(shape: Shape, axis: usize) -> Self {
        let extents = shape.extents();
        Self {
            outer: extents[..axis].iter().product(),
            length: extents[axis],
            inner: extents[axis + 1..].iter().product(),
        }
    }

    /// Calls `visit` with the elements of each lane, in order of the result.
    fn each<T: Copy>(self, values: &[T], mut visit: impl FnMut(&mut dyn Iterator<Item = T>)) {
        for outer in 0..self.outer {
            for inner in 0..self.inner {
                let start = outer * self.length * self.inner + inner;
                visit(&mut (0..self.length).map(|step| values[start + step * self.inner]));
            }
        }
    }
}

/// The shape once an axis is reduced.
fn reduced(shape: Shape, axis: usize, keep: bool) -> Result<Shape, Fault> {
    let mut extents = shape.extents().to_vec();
    if keep {
        extents[axis] = 1;
    } else {
        extents.remove(axis);
    }
    Shape::new(&extents)
}

/// What becomes of the elements along the reduced axes.
#[derive(Clone, Copy, Debug)]
enum Fold {
    Sum,
    Mean,
    Max,
    Min,
    Product,
    SumOfSquares,
    L1,
    L2,
    LogSumExp,
}

/// A reduction.
#[derive(Debug)]
struct Reduce {
    fold: Fold,
    axes: Vec<i64>,
    keep: bool,
    none_means_all: bool,
}

/// Makes a reduction, if that is what the name says.
pub(super) fn reduce(node: &mut Node) -> Option<Built> {
    let fold = match node.operator.as_str() {
        "ReduceSum" => Fold::Sum,
        "ReduceMean" => Fold::Mean,
        "ReduceMax" => Fold::Max,
        "ReduceMin" => Fold::Min,
        "ReduceProd" => Fold::Product,
        "ReduceSumSquare" => Fold::SumOfSquares,
        "ReduceL1" => Fold::L1,
        "ReduceL2" => Fold::L2,
        "ReduceLogSumExp" => Fold::LogSumExp,
        _ => return None,
    };
    let attributes = &mut node.attributes;
    let mut built = || {
        let axes = attributes.ints("axes")?;
        let keep = attributes.flag("keepdims", true)?;
        let none_means_all = !attributes.flag("noop_with_empty_axes", false)?;
        Ok(Box::new(Reduce { fold, axes, keep, none_means_all }) as Box<dyn Kernel>)
    };
    Some(built())
}

impl Fold {
    #[expect(
        clippy::cast_precision_loss,
        reason = "extents are far below 2^24 in practice, and float32 is the result's type"
    )]
    fn floats(self, lane: &mut dyn Iterator<Item = f32>, length: usize) -> f32 {
        match self {
            Self::Sum => lane.sum(),
            Self::Mean => lane.sum::<f32>() / length as f32,
            Self::Max => lane.fold(f32::NEG_INFINITY, f32::max),
            Self::Min => lane.fold(f32::INFINITY, f32::min),
            Self::Product => lane.product(),
            Self::SumOfSquares => lane.map(|value| value * value).sum(),
            Self::L1 => lane.map(f32::abs).sum(),
            Self::L2 => lane.map(|value| value * value).sum::<f32>().sqrt(),
            Self::LogSumExp => {
                let values: Vec<f32> = lane.collect();
                let max = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let shift = if max.is_finite() { max } else { 0.0 };
                values.iter().map(|value| (value - shift).exp()).sum::<f32>().ln() + shift
            }
        }
    }

    fn integers(self, lane: &mut dyn Iterator<Item = i64>) -> Option<i64> {
        Some(match self {
            Self::Sum => lane.fold(0, i64::wrapping_add),
            Self::Max => lane.max()?,
            Self::Min => lane.min()?,
            Self::Product => lane.fold(1, i64::wrapping_mul),
            Self::Mean | Self::SumOfSquares | Self::L1 | Self::L2 | Self::LogSumExp => return None,
        })
    }
}

impl Kernel for Reduce {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let count = io.input(0)?.len();
        io.charge(count)?;
        let input = io.input(0)?;
        let rank = input.shape().extents().len();
        let listed = match io.optional(1) {
            Some(value) => value.integers()?.into_owned(),
            None => self.axes.clone(),
        };
        let mut axes = listed.iter().map(|axis| self::axis(*axis, rank)).collect::<Result<Vec<_>, _>>()?;
        if axes.is_empty() && self.none_means_all {
            axes.extend(0..rank);
        }
        // From the last axis, so that dropping one does not renumber those still to come.
        axes.sort_unstable();
        axes.dedup();
        let mut value = input.clone();
        let mut fold = self.fold;
        for axis in axes.into_iter().rev() {
            let lanes = Lanes::new(value.shape(), axis);
            let shape = reduced(value.shape(), axis, self.keep)?;
            let data: Data<'a> = match value.data() {
                Data::F32(values) => {
                    let mut folded = Vec::with_capacity(shape.count());
                    lanes.each(values, |lane| folded.push(fold.floats(lane, lanes.length)));
                    folded.into()
                }
                Data::I64(values) => {
                    let mut folded = Vec::with_capacity(shape.count());
                    lanes.each(values, |lane| folded.push(fold.integers(lane)));
                    let folded: Option<Vec<i64>> = folded.into_iter().collect();
                    folded.ok_or(Fault::Type("integers are not taken"))?.into()
                }
                _ => return Err(Fault::Type("numbers are needed")),
            };
            value = Value::new(shape, data)?;
            // The squares of the first axis are only summed along the others; every other fold repeats.
            if let Fold::SumOfSquares = fold {
                fold = Fold::Sum;
            }
        }
        io.put(0, value);
        Ok(())
    }
}

/// The position of the largest or smallest element.
#[derive(Debug)]
struct Position {
    axis: i64,
    keep: bool,
    last: bool,
    largest: bool,
}

/// Makes `ArgMax` or `ArgMin`.
pub(super) fn position(node: &mut Node, largest: bool) -> Built {
    let axis = node.attributes.int("axis")?.unwrap_or(0);
    let keep = node.attributes.flag("keepdims", true)?;
    let last = node.attributes.flag("select_last_index", false)?;
    Ok(Box::new(Position { axis, keep, last, largest }))
}

impl Position {
    fn find<T: Copy + PartialOrd>(&self, lane: &mut dyn Iterator<Item = T>) -> Option<i64> {
        let mut best: Option<(i64, T)> = None;
        for (index, value) in (0_i64..).zip(lane) {
            let better = best.is_none_or(|(_, best)| {
                (if self.largest { value > best } else { value < best }) || (self.last && value == best)
            });
            if better {
                best = Some((index, value));
            }
        }
        best.map(|(index, _)| index)
    }
}

impl Kernel for Position {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let input = io.input(0)?;
        let axis = axis(self.axis, input.shape().extents().len())?;
        let lanes = Lanes::new(input.shape(), axis);
        let shape = reduced(input.shape(), axis, self.keep)?;
        let mut found = Vec::new();
        match input.data() {
            Data::F32(values) => lanes.each(values, |lane| found.push(self.find(lane))),
            Data::F64(values) => lanes.each(values, |lane| found.push(self.find(lane))),
            Data::I64(values) => lanes.each(values, |lane| found.push(self.find(lane))),
            Data::I32(values) => lanes.each(values, |lane| found.push(self.find(lane))),
            _ => return Err(Fault::Type("numbers are needed")),
        }
        let found: Option<Vec<i64>> = found.into_iter().collect();
        io.set(0, shape, found.ok_or(Fault::Shape("there is nothing to choose from"))?)
    }
}

/// Softmax along an axis; before opset 13, over all axes from the given one on.
#[derive(Debug)]
struct Softmax {
    axis: i64,
    rest: bool,
    logarithm: bool,
}

/// Makes `Softmax` or `LogSoftmax`.
pub(super) fn softmax(node: &mut Node, logarithm: bool) -> Built {
    let rest = node.opset < 13;
    let axis = node.attributes.int("axis")?.unwrap_or(if rest { 1 } else { -1 });
    Ok(Box::new(Softmax { axis, rest, logarithm }))
}

impl Kernel for Softmax {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let count = io.input(0)?.len();
        io.charge(count)?;
        let input = io.input(0)?;
        let shape = input.shape();
        let Data::F32(values) = input.data() else { return Err(Fault::Type("32-bit floats are needed")) };
        let axis = axis(self.axis, shape.extents().len())?;
        let lanes = Lanes::new(shape, axis);
        let width = if self.rest { lanes.length * lanes.inner } else { lanes.length };
        let mut scores = values.to_vec();
        let finish = |row: &mut [f32]| {
            post::softmax(row);
            if self.logarithm {
                row.iter_mut().for_each(|score| *score = score.ln());
            }
        };
        if self.rest || lanes.inner == 1 {
            scores.chunks_exact_mut(width.max(1)).for_each(finish);
        } else {
            strided(lanes, &mut scores, finish);
        }
        io.set(0, shape, scores)
    }
}

fn strided(lanes: Lanes, scores: &mut [f32], finish: impl Fn(&mut [f32])) {
    let mut lane = vec![0.0; lanes.length];
    for start in (0..lanes.outer).flat_map(|outer| (0..lanes.inner).map(move |inner| (outer, inner))) {
        let index = |step: usize| (start.0 * lanes.length + step) * lanes.inner + start.1;
        for (step, value) in lane.iter_mut().enumerate() {
            *value = scores[index(step)];
        }
        finish(&mut lane);
        for (step, value) in lane.iter().enumerate() {
            scores[index(step)] = *value;
        }
    }
}

/// Divides by the norm along an axis.
#[derive(Debug)]
struct Norm {
    axis: i64,
    squared: bool,
}

/// Makes an `LpNormalization`.
pub(super) fn norm(node: &mut Node) -> Built {
    let axis = node.attributes.int("axis")?.unwrap_or(-1);
    let squared = match node.attributes.int("p")? {
        None | Some(2) => true,
        Some(1) => false,
        Some(_) => return Err(node.attributes.error("only the norms 1 and 2 exist")),
    };
    Ok(Box::new(Norm { axis, squared }))
}

impl Kernel for Norm {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let count = io.input(0)?.len();
        io.charge(count)?;
        let input = io.input(0)?;
        let shape = input.shape();
        let Data::F32(values) = input.data() else { return Err(Fault::Type("32-bit floats are needed")) };
        let lanes = Lanes::new(shape, axis(self.axis, shape.extents().len())?);
        let mut values = values.to_vec();
        strided(lanes, &mut values, |lane| {
            let norm: f32 = match self.squared {
                true => lane.iter().map(|value| value * value).sum::<f32>().sqrt(),
                false => lane.iter().map(|value| value.abs()).sum(),
            };
            // A lane of zeros stays as it is.
            if norm != 0.0 {
                lane.iter_mut().for_each(|value| *value /= norm);
            }
        });
        io.set(0, shape, values)
    }
}
