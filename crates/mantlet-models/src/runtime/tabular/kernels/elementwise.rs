//! Operators that work element by element, with the broadcasting of ONNX.

use crate::onnx::{Attributes, LoadError, Node};

use super::{
    super::{
        kernel::{Fault, Io, Kernel},
        value::{Data, Shape, Value},
    },
    Built,
};

/// The shape that two shapes broadcast to.
pub(super) fn broadcast_shape(a: Shape, b: Shape) -> Result<Shape, Fault> {
    let (a, b) = (a.extents(), b.extents());
    let rank = a.len().max(b.len());
    let extent =
        |list: &[usize], axis: usize| (axis + list.len()).checked_sub(rank).map_or(1, |axis| list[axis]);
    let mut extents = Vec::with_capacity(rank);
    for axis in 0..rank {
        extents.push(match (extent(a, axis), extent(b, axis)) {
            (a, b) if a == b => a,
            (1, other) | (other, 1) => other,
            _ => return Err(Fault::Shape("the extents do not broadcast")),
        });
    }
    Shape::new(&extents)
}

/// The index into an operand for every element of the result, in order.
pub(super) struct Indices {
    extents: Vec<usize>,
    strides: Vec<usize>,
    position: Vec<usize>,
    index: usize,
}

impl Indices {
    /// Walks an operand of the shape `from` as if it had the shape `to`, to which it must broadcast.
    pub(super) fn new(from: Shape, to: Shape) -> Self {
        let extents = to.extents().to_vec();
        let mut strides = vec![0; extents.len()];
        let mut stride = 1;
        for (axis, extent) in from.extents().iter().enumerate().rev() {
            if *extent != 1 {
                strides[axis + extents.len() - from.extents().len()] = stride;
            }
            stride *= extent;
        }
        let position = vec![0; extents.len()];
        Self { extents, strides, position, index: 0 }
    }

    /// The index of the current element; moves on.
    pub(super) fn advance(&mut self) -> usize {
        let current = self.index;
        for axis in (0..self.extents.len()).rev() {
            self.position[axis] += 1;
            self.index += self.strides[axis];
            if self.position[axis] < self.extents[axis] {
                break;
            }
            self.index -= self.strides[axis] * self.extents[axis];
            self.position[axis] = 0;
        }
        current
    }
}

/// Applies `f` to each pair of elements, broadcast.
fn pairs<A: Copy, R>(a: (&[A], Shape), b: (&[A], Shape), to: Shape, f: impl Fn(A, A) -> R) -> Vec<R> {
    let ((a, a_shape), (b, b_shape)) = (a, b);
    if a_shape == b_shape {
        return a.iter().zip(b).map(|(a, b)| f(*a, *b)).collect();
    }
    if let ([b], true) = (b, a_shape == to) {
        return a.iter().map(|a| f(*a, *b)).collect();
    }
    let row = b.len();
    if a_shape == to && row > 0 && a_shape.extents().last() == Some(&row) {
        return a.chunks_exact(row).flat_map(|chunk| chunk.iter().zip(b)).map(|(a, b)| f(*a, *b)).collect();
    }
    let (mut left, mut right) = (Indices::new(a_shape, to), Indices::new(b_shape, to));
    (0..to.count()).map(|_| f(a[left.advance()], b[right.advance()])).collect()
}

/// An operator of two or more operands.
#[derive(Clone, Copy, Debug)]
enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Max,
    Min,
    Mean,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    And,
    Or,
    Xor,
}

/// Makes an operator of two or more operands, if that is what the name says.
pub(super) fn binary(node: &Node) -> Option<Built> {
    let operator = match node.operator.as_str() {
        "Add" | "Sum" => Binary::Add,
        "Sub" => Binary::Sub,
        "Mul" => Binary::Mul,
        "Div" => Binary::Div,
        "Pow" => Binary::Pow,
        "Max" => Binary::Max,
        "Min" => Binary::Min,
        "Mean" => Binary::Mean,
        "Less" => Binary::Less,
        "LessOrEqual" => Binary::LessOrEqual,
        "Greater" => Binary::Greater,
        "GreaterOrEqual" => Binary::GreaterOrEqual,
        "Equal" => Binary::Equal,
        "And" => Binary::And,
        "Or" => Binary::Or,
        "Xor" => Binary::Xor,
        _ => return None,
    };
    if node.opset < 7 {
        return Some(Err(node.attributes.error("broadcasting before opset 7 is not supported")));
    }
    Some(Ok(Box::new(operator)))
}

impl Kernel for Binary {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let mut result = self.fold(io, 0)?;
        if let Self::Mean = self {
            #[expect(clippy::cast_precision_loss, reason = "a node has far fewer than 2^24 inputs")]
            let count = io.inputs() as f32;
            let Data::F32(values) = result.data() else {
                return Err(Fault::Type("32-bit floats are needed"));
            };
            let values: Vec<f32> = values.iter().map(|value| value / count).collect();
            result = Value::new(result.shape(), values.into())?;
        }
        io.put(0, result);
        Ok(())
    }
}

impl Binary {
    /// The operands from the left, two at a time.
    fn fold<'a>(self, io: &mut Io<'_, 'a>, first: usize) -> Result<Value<'a>, Fault> {
        let mut result = io.input(first)?.clone();
        for index in first + 1..io.inputs() {
            let shape = broadcast_shape(result.shape(), io.input(index)?.shape())?;
            io.charge(shape.count())?;
            result = Value::new(shape, self.apply(&result, io.input(index)?, shape)?)?;
        }
        Ok(result)
    }

    fn apply<'a>(self, a: &Value<'_>, b: &Value<'_>, to: Shape) -> Result<Data<'a>, Fault> {
        let shapes = (a.shape(), b.shape());
        match (a.data(), b.data()) {
            (Data::F32(a), Data::F32(b)) => self.floats((a, shapes.0), (b, shapes.1), to),
            (Data::F64(a), Data::F64(b)) => self.doubles((a, shapes.0), (b, shapes.1), to),
            (Data::I64(a), Data::I64(b)) => self.integers((a, shapes.0), (b, shapes.1), to),
            (Data::I32(a), Data::I32(b)) => {
                let wide = |values: &[i32]| values.iter().copied().map(i64::from).collect::<Vec<i64>>();
                match self.integers((&wide(a), shapes.0), (&wide(b), shapes.1), to)? {
                    #[expect(clippy::cast_possible_truncation, reason = "32-bit arithmetic wraps")]
                    Data::I64(values) => {
                        Ok(values.iter().map(|value| *value as i32).collect::<Vec<_>>().into())
                    }
                    other => Ok(other),
                }
            }
            (Data::Bool(a), Data::Bool(b)) => {
                let f: fn(bool, bool) -> bool = match self {
                    Self::And => |a, b| a && b,
                    Self::Or => |a, b| a || b,
                    Self::Xor => |a, b| a != b,
                    Self::Equal => |a, b| a == b,
                    _ => return Err(Fault::Type("truth values cannot be calculated with")),
                };
                Ok(pairs((a, shapes.0), (b, shapes.1), to, f).into())
            }
            (Data::Text(a), Data::Text(b)) if matches!(self, Self::Equal) => {
                let (mut left, mut right) = (Indices::new(shapes.0, to), Indices::new(shapes.1, to));
                let equal = (0..to.count()).map(|_| a[left.advance()] == b[right.advance()]);
                Ok(equal.collect::<Vec<bool>>().into())
            }
            _ => Err(Fault::Type("the operands have different types, or types that it does not take")),
        }
    }

    fn integers<'a>(self, a: (&[i64], Shape), b: (&[i64], Shape), to: Shape) -> Result<Data<'a>, Fault> {
        if matches!(self, Self::Div) && b.0.contains(&0) {
            return Err(Fault::Unknown("an integer is divided by zero"));
        }
        Ok(match self {
            Self::Add => pairs(a, b, to, i64::wrapping_add).into(),
            Self::Sub => pairs(a, b, to, i64::wrapping_sub).into(),
            Self::Mul => pairs(a, b, to, i64::wrapping_mul).into(),
            Self::Div => pairs(a, b, to, i64::wrapping_div).into(),
            Self::Max => pairs(a, b, to, i64::max).into(),
            Self::Min => pairs(a, b, to, i64::min).into(),
            Self::Less => pairs(a, b, to, |a, b| a < b).into(),
            Self::LessOrEqual => pairs(a, b, to, |a, b| a <= b).into(),
            Self::Greater => pairs(a, b, to, |a, b| a > b).into(),
            Self::GreaterOrEqual => pairs(a, b, to, |a, b| a >= b).into(),
            Self::Equal => pairs(a, b, to, |a, b| a == b).into(),
            Self::Pow | Self::Mean | Self::And | Self::Or | Self::Xor => {
                return Err(Fault::Type("integers are not taken"));
            }
        })
    }
}

macro_rules! arithmetic {
    ($name:ident, $float:ty) => {
        impl Binary {
            fn $name<'a>(
                self,
                a: (&[$float], Shape),
                b: (&[$float], Shape),
                to: Shape,
            ) -> Result<Data<'a>, Fault> {
                Ok(match self {
                    Self::Add | Self::Mean => pairs(a, b, to, |a, b| a + b).into(),
                    Self::Sub => pairs(a, b, to, |a, b| a - b).into(),
                    Self::Mul => pairs(a, b, to, |a, b| a * b).into(),
                    Self::Div => pairs(a, b, to, |a, b| a / b).into(),
                    Self::Pow => pairs(a, b, to, <$float>::powf).into(),
                    // Unlike `f32::max`, these hand NaN on, as ONNX does.
                    Self::Max => pairs(a, b, to, |a, b| if a >= b || a.is_nan() { a } else { b }).into(),
                    Self::Min => pairs(a, b, to, |a, b| if a <= b || a.is_nan() { a } else { b }).into(),
                    Self::Less => pairs(a, b, to, |a, b| a < b).into(),
                    Self::LessOrEqual => pairs(a, b, to, |a, b| a <= b).into(),
                    Self::Greater => pairs(a, b, to, |a, b| a > b).into(),
                    Self::GreaterOrEqual => pairs(a, b, to, |a, b| a >= b).into(),
                    Self::Equal => pairs(a, b, to, |a, b| a == b).into(),
                    Self::And | Self::Or | Self::Xor => return Err(Fault::Type("truth values are needed")),
                })
            }
        }
    };
}

arithmetic!(floats, f32);
arithmetic!(doubles, f64);

/// An operator of one operand of floats.
#[derive(Debug)]
struct Unary {
    single: fn(f32) -> f32,
    double: fn(f64) -> f64,
}

/// One function at both widths.
type Functions = (fn(f32) -> f32, fn(f64) -> f64);

/// Makes an operator of one operand, if that is what the name says.
pub(super) fn unary(node: &Node) -> Option<Built> {
    let (single, double): Functions = match node.operator.as_str() {
        "Neg" => (|x| -x, |x| -x),
        "Abs" => (f32::abs, f64::abs),
        "Exp" => (f32::exp, f64::exp),
        "Log" => (f32::ln, f64::ln),
        "Sqrt" => (f32::sqrt, f64::sqrt),
        "Reciprocal" => (f32::recip, f64::recip),
        "Sigmoid" => (super::post::logistic, |x| 1.0 / (1.0 + (-x).exp())),
        "Tanh" => (f32::tanh, f64::tanh),
        "Relu" => (|x| if x < 0.0 { 0.0 } else { x }, |x| if x < 0.0 { 0.0 } else { x }),
        "Floor" => (f32::floor, f64::floor),
        "Ceil" => (f32::ceil, f64::ceil),
        "Round" => (f32::round_ties_even, f64::round_ties_even),
        "Sign" => (
            |x| {
                if x > 0.0 {
                    1.0
                } else if x < 0.0 {
                    -1.0
                } else {
                    x
                }
            },
            |x| {
                if x > 0.0 {
                    1.0
                } else if x < 0.0 {
                    -1.0
                } else {
                    x
                }
            },
        ),
        _ => return None,
    };
    Some(Ok(Box::new(Unary { single, double })))
}

impl Kernel for Unary {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let count = io.input(0)?.len();
        io.charge(count)?;
        let input = io.input(0)?;
        let shape = input.shape();
        let data: Data<'a> = match input.data() {
            Data::F32(values) => values.iter().map(|value| (self.single)(*value)).collect::<Vec<_>>().into(),
            Data::F64(values) => values.iter().map(|value| (self.double)(*value)).collect::<Vec<_>>().into(),
            _ => return Err(Fault::Type("floats are needed")),
        };
        io.set(0, shape, data)
    }
}

/// `Not`, `IsNaN`, `Clip` and `Where`.
#[derive(Debug)]
enum Choice {
    Not,
    IsNaN,
    Clip { min: f32, max: f32 },
    Where,
}

/// Makes `Not`, `IsNaN`, `Clip` or `Where`, if that is what the name says.
pub(super) fn choice(node: &mut Node) -> Option<Built> {
    let built = match node.operator.as_str() {
        "Not" => Ok(Choice::Not),
        "IsNaN" => Ok(Choice::IsNaN),
        "Where" => Ok(Choice::Where),
        "Clip" => clip(&mut node.attributes),
        _ => return None,
    };
    Some(built.map(|choice| Box::new(choice) as Box<dyn Kernel>))
}

/// Bounds are attributes before opset 11 and inputs since.
fn clip(attributes: &mut Attributes) -> Result<Choice, LoadError> {
    let min = attributes.float("min")?.unwrap_or(f32::NEG_INFINITY);
    let max = attributes.float("max")?.unwrap_or(f32::INFINITY);
    Ok(Choice::Clip { min, max })
}

impl Kernel for Choice {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        if let Self::Where = self {
            return select(io);
        }
        let count = io.input(0)?.len();
        io.charge(count)?;
        let bound = |index: usize, default: f32| -> Result<f32, Fault> {
            let Some(value) = io.optional(index) else { return Ok(default) };
            value.floats()?.first().copied().ok_or(Fault::Shape("a bound is empty"))
        };
        let (input, shape) = (io.input(0)?, io.input(0)?.shape());
        let data: Data<'a> = match (self, input.data()) {
            (Self::Not, Data::Bool(values)) => values.iter().map(|value| !value).collect::<Vec<_>>().into(),
            (Self::IsNaN, Data::F32(values)) => {
                values.iter().map(|value| value.is_nan()).collect::<Vec<_>>().into()
            }
            (Self::IsNaN, Data::F64(values)) => {
                values.iter().map(|value| value.is_nan()).collect::<Vec<_>>().into()
            }
            (Self::Clip { min, max }, Data::F32(values)) => {
                let (min, max) = (bound(1, *min)?, bound(2, *max)?);
                // Not `clamp`, which panics when the bounds are out of order.
                let clip = |value: &f32| {
                    if *value < min {
                        min
                    } else if *value > max {
                        max
                    } else {
                        *value
                    }
                };
                values.iter().map(clip).collect::<Vec<_>>().into()
            }
            _ => return Err(Fault::Type("the operand has a type that it does not take")),
        };
        io.set(0, shape, data)
    }
}

/// Elements of the second operand where the first is true, else of the third.
fn select(io: &mut Io<'_, '_>) -> Result<(), Fault> {
    let branches = broadcast_shape(io.input(1)?.shape(), io.input(2)?.shape())?;
    let to = broadcast_shape(io.input(0)?.shape(), branches)?;
    io.charge(to.count())?;
    let (condition, a, b) = (io.input(0)?, io.input(1)?, io.input(2)?);
    let Data::Bool(flags) = condition.data() else {
        return Err(Fault::Type("the condition must be truth values"));
    };
    let mut walks = [condition.shape(), a.shape(), b.shape()].map(|shape| Indices::new(shape, to));
    let mut picks = (0..to.count()).map(|_| {
        let [condition, a, b] = walks.each_mut().map(Indices::advance);
        if flags[condition] { (true, a) } else { (false, b) }
    });
    macro_rules! pick {
        ($a:expr, $b:expr) => {
            picks
                .by_ref()
                .map(|(first, index)| if first { $a[index].clone() } else { $b[index].clone() })
                .collect::<Vec<_>>()
                .into()
        };
    }
    let data: Data<'_> = match (a.data(), b.data()) {
        (Data::F32(a), Data::F32(b)) => pick!(a, b),
        (Data::F64(a), Data::F64(b)) => pick!(a, b),
        (Data::I64(a), Data::I64(b)) => pick!(a, b),
        (Data::I32(a), Data::I32(b)) => pick!(a, b),
        (Data::Bool(a), Data::Bool(b)) => pick!(a, b),
        (Data::Text(a), Data::Text(b)) => pick!(a, b),
        _ => return Err(Fault::Type("the branches have different types")),
    };
    drop(picks);
    io.set(0, to, data)
}
