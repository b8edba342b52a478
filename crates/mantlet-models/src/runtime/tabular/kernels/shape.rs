//! Operators that move elements without calculating: reshaping, joining, picking.

use crate::onnx::{Array, Elements, LoadError, Node};

use super::{
    super::{
        kernel::{Fault, Io, Kernel},
        value::{Data, Shape, Value},
    },
    Built,
};

/// An axis as ONNX counts it, negative from the end.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, Fault> {
    let wrong = Fault::Shape("an axis is out of bounds");
    let rank_signed = i64::try_from(rank).map_err(|_| wrong)?;
    let axis = if axis < 0 { axis.saturating_add(rank_signed) } else { axis };
    usize::try_from(axis).ok().filter(|axis| *axis < rank).ok_or(wrong)
}

/// One expression over the elements of a value, whatever their type; it gives elements of the same type.
macro_rules! same_type {
    ($data:expr, $values:ident => $body:expr) => {
        match $data {
            Data::F32($values) => Data::from($body),
            Data::F64($values) => Data::from($body),
            Data::I32($values) => Data::from($body),
            Data::I64($values) => Data::from($body),
            Data::Bool($values) => Data::from($body),
            Data::Text($values) => Data::from($body),
        }
    };
}

/// Changes of shape alone.
#[derive(Debug)]
enum Form {
    Reshape { shape: Vec<i64>, zero_is_zero: bool },
    Flatten { axis: i64 },
    Squeeze { axes: Vec<i64> },
    Unsqueeze { axes: Vec<i64> },
}

/// Makes a change of shape, if that is what the name says.
pub(super) fn form(node: &mut Node) -> Option<Built> {
    let attributes = &mut node.attributes;
    let form = match node.operator.as_str() {
        "Reshape" => attributes.ints("shape").and_then(|shape| {
            Ok(Form::Reshape { shape, zero_is_zero: attributes.flag("allowzero", false)? })
        }),
        "Flatten" => attributes.int("axis").map(|axis| Form::Flatten { axis: axis.unwrap_or(1) }),
        "Squeeze" => attributes.ints("axes").map(|axes| Form::Squeeze { axes }),
        "Unsqueeze" => attributes.ints("axes").map(|axes| Form::Unsqueeze { axes }),
        _ => return None,
    };
    Some(form.map(|form| Box::new(form) as Box<dyn Kernel>))
}

impl Kernel for Form {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let input = io.input(0)?;
        let from = input.shape();
        // Later opsets give shape and axes as an input.
        let given = |list: &Vec<i64>| match io.optional(1) {
            Some(value) => value.integers().map(std::borrow::Cow::into_owned),
            None => Ok(list.clone()),
        };
        let shape = match self {
            Self::Reshape { shape, zero_is_zero } => reshape(from, &given(shape)?, *zero_is_zero)?,
            Self::Flatten { axis } => flatten(from, *axis)?,
            Self::Squeeze { axes } => squeeze(from, &given(axes)?)?,
            Self::Unsqueeze { axes } => unsqueeze(from, &given(axes)?)?,
        };
        let value = input.clone();
        if let Data::Text(_) = value.data() {
            io.charge(value.len())?;
        }
        io.put(0, value.reshaped(shape)?);
        Ok(())
    }
}

fn reshape(from: Shape, to: &[i64], zero_is_zero: bool) -> Result<Shape, Fault> {
    let wrong = Fault::Shape("the elements do not fit the new shape");
    let mut extents = Vec::with_capacity(to.len());
    let mut open = None;
    for (index, extent) in to.iter().enumerate() {
        extents.push(match extent {
            0 if !zero_is_zero => *from.extents().get(index).ok_or(wrong)?,
            -1 if open.replace(index).is_none() => 1,
            extent => usize::try_from(*extent).map_err(|_| wrong)?,
        });
    }
    if let Some(open) = open {
        let known = Shape::new(&extents)?.count();
        extents[open] = from.count().checked_div(known).ok_or(wrong)?;
    }
    Shape::new(&extents)
}

fn flatten(from: Shape, axis: i64) -> Result<Shape, Fault> {
    let extents = from.extents();
    // The axis may be the rank itself, which makes one column.
    let axis = if usize::try_from(axis) == Ok(extents.len()) {
        extents.len()
    } else {
        self::axis(axis, extents.len())?
    };
    Shape::new(&[extents[..axis].iter().product(), extents[axis..].iter().product()])
}

fn squeeze(from: Shape, axes: &[i64]) -> Result<Shape, Fault> {
    let extents = from.extents();
    let mut drop = Vec::with_capacity(axes.len());
    for axis in axes {
        drop.push(self::axis(*axis, extents.len())?);
    }
    let keep = |(index, extent): (usize, &usize)| -> Option<Result<usize, Fault>> {
        let dropped = if axes.is_empty() { *extent == 1 } else { drop.contains(&index) };
        match (dropped, *extent) {
            (false, extent) => Some(Ok(extent)),
            (true, 1) => None,
            (true, _) => Some(Err(Fault::Shape("an extent that is squeezed is not 1"))),
        }
    };
    let extents = extents.iter().enumerate().filter_map(keep).collect::<Result<Vec<_>, _>>()?;
    Shape::new(&extents)
}

fn unsqueeze(from: Shape, axes: &[i64]) -> Result<Shape, Fault> {
    let rank = from.extents().len() + axes.len();
    let mut extents = vec![0; rank];
    for axis in axes {
        extents[self::axis(*axis, rank)?] = 1;
    }
    let mut rest = from.extents().iter();
    for extent in extents.iter_mut().filter(|extent| **extent == 0) {
        *extent = *rest.next().ok_or(Fault::Shape("an axis is given twice"))?;
    }
    if rest.next().is_some() {
        return Err(Fault::Shape("an axis is given twice"));
    }
    Shape::new(&extents)
}

/// Joins values along an axis.
#[derive(Debug)]
struct Concat {
    axis: i64,
}

/// Makes a `Concat`.
pub(super) fn concat(node: &mut Node) -> Built {
    let axis = node.attributes.int("axis")?.ok_or_else(|| node.attributes.error("an axis is needed"))?;
    if node.inputs.is_empty() || node.inputs.iter().any(Option::is_none) {
        return Err(node.attributes.error("an input is missing"));
    }
    Ok(Box::new(Concat { axis }))
}

impl Kernel for Concat {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let first = io.input(0)?.shape();
        let axis = axis(self.axis, first.extents().len())?;
        let mut extents = first.extents().to_vec();
        for index in 1..io.inputs() {
            let other = io.input(index)?.shape();
            let same = |(position, (a, b)): (usize, (&usize, &usize))| position == axis || a == b;
            if other.extents().len() != extents.len()
                || !extents.iter().zip(other.extents()).enumerate().all(same)
            {
                return Err(Fault::Shape("the values that are joined differ in shape"));
            }
            extents[axis] = extents[axis].saturating_add(other.extents()[axis]);
        }
        let shape = Shape::new(&extents)?;
        io.charge(shape.count())?;
        let rows: usize = extents[..axis].iter().product();
        macro_rules! join {
            ($variant:ident) => {{
                let mut parts = Vec::with_capacity(io.inputs());
                for index in 0..io.inputs() {
                    let value = io.input(index)?;
                    let Data::$variant(values) = value.data() else {
                        return Err(Fault::Type("the values that are joined differ in type"));
                    };
                    parts.push((&values[..], value.shape().extents()[axis..].iter().product::<usize>()));
                }
                let mut joined = Vec::with_capacity(shape.count());
                for row in 0..rows {
                    for (values, width) in &parts {
                        joined.extend_from_slice(&values[row * width..(row + 1) * width]);
                    }
                }
                Data::from(joined)
            }};
        }
        let data = match io.input(0)?.data() {
            Data::F32(_) => join!(F32),
            Data::F64(_) => join!(F64),
            Data::I32(_) => join!(I32),
            Data::I64(_) => join!(I64),
            Data::Bool(_) => join!(Bool),
            Data::Text(_) => join!(Text),
        };
        io.set(0, shape, data)
    }
}

/// Permutes axes.
#[derive(Debug)]
struct Transpose {
    order: Vec<i64>,
}

/// Makes a `Transpose`.
pub(super) fn transpose(node: &mut Node) -> Built {
    Ok(Box::new(Transpose { order: node.attributes.ints("perm")? }))
}

impl Kernel for Transpose {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let count = io.input(0)?.len();
        io.charge(count)?;
        let input = io.input(0)?;
        let from = input.shape().extents().to_vec();
        let mut order = Vec::with_capacity(from.len());
        for axis in &self.order {
            order.push(self::axis(*axis, from.len())?);
        }
        if order.is_empty() {
            order.extend((0..from.len()).rev());
        }
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..from.len()) {
            return Err(Fault::Shape("the order of axes is no permutation"));
        }
        let mut strides = vec![1; from.len()];
        for axis in (1..from.len()).rev() {
            strides[axis - 1] = strides[axis] * from[axis];
        }
        let extents: Vec<usize> = order.iter().map(|axis| from[*axis]).collect();
        let to = Shape::new(&extents)?;
        let indices: Vec<usize> = (0..count)
            .map(|mut position| {
                let mut index = 0;
                for (extent, axis) in extents.iter().zip(&order).rev() {
                    index += position % extent * strides[*axis];
                    position /= extent;
                }
                index
            })
            .collect();
        let data = same_type!(input.data(), values => indices.iter().filter_map(|index| values.get(*index).cloned()).collect::<Vec<_>>());
        io.set(0, to, data)
    }
}

/// Picks by index along an axis: `Gather`, and `ArrayFeatureExtractor` along the last one.
#[derive(Debug)]
enum Pick {
    Gather { axis: i64 },
    Columns,
}

/// Makes a `Gather`.
pub(super) fn gather(node: &mut Node) -> Built {
    Ok(Box::new(Pick::Gather { axis: node.attributes.int("axis")?.unwrap_or(0) }))
}

/// Makes an `ArrayFeatureExtractor`.
#[expect(clippy::unnecessary_wraps, reason = "the table of operators wants one form")]
pub(super) fn columns(_: &mut Node) -> Built {
    Ok(Box::new(Pick::Columns))
}

impl Kernel for Pick {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let (from, indices) = (io.input(0)?.shape(), io.input(1)?.shape());
        let axis = match self {
            Self::Gather { axis } => self::axis(*axis, from.extents().len())?,
            Self::Columns => from.extents().len().checked_sub(1).ok_or(Fault::Shape("a matrix is needed"))?,
        };
        let width = from.extents()[axis];
        let picks = picks(io.input(1)?, width)?;
        let (outer, inner) = (&from.extents()[..axis], &from.extents()[axis + 1..]);
        let extents: Vec<usize> = match self {
            Self::Gather { .. } => [outer, indices.extents(), inner].concat(),
            // One dimension is a single row.
            Self::Columns if outer.is_empty() => vec![1, picks.len()],
            Self::Columns => [outer, &[picks.len()]].concat(),
        };
        let to = Shape::new(&extents)?;
        io.charge(to.count())?;
        let picked = take(io.input(0)?, axis, &picks)?.reshaped(to)?;
        io.put(0, picked);
        Ok(())
    }
}

/// Indices, negative ones from the end, all in range.
fn picks(value: &Value<'_>, width: usize) -> Result<Vec<usize>, Fault> {
    value
        .integers()?
        .iter()
        .map(|index| axis(*index, width).map_err(|_| Fault::Shape("an index is out of bounds")))
        .collect()
}

/// Joins numeric matrices into one of 32-bit floats: `FeatureVectorizer`.
#[derive(Debug)]
struct Vectorizer {
    widths: Vec<usize>,
}

/// Makes a `FeatureVectorizer`.
pub(super) fn vectorizer(node: &mut Node) -> Result<Box<dyn Kernel>, LoadError> {
    let widths = node.attributes.ints("inputdimensions")?;
    let widths: Option<Vec<usize>> = widths.iter().map(|width| usize::try_from(*width).ok()).collect();
    let widths = widths.filter(|widths| widths.len() == node.inputs.len());
    Ok(Box::new(Vectorizer {
        widths: widths.ok_or_else(|| node.attributes.error("one width for each input is needed"))?,
    }))
}

impl Kernel for Vectorizer {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let rows = io.input(0)?.shape().extents().first().copied().unwrap_or(1);
        let width = self.widths.iter().fold(0_usize, |sum, width| sum.saturating_add(*width));
        io.charge(rows.saturating_mul(width))?;
        let mut parts = Vec::with_capacity(self.widths.len());
        for (index, width) in self.widths.iter().enumerate() {
            let value = io.input(index)?;
            if rows.checked_mul(*width) != Some(value.len()) {
                return Err(Fault::Shape("an input is not as wide as it is said to be"));
            }
            parts.push((value.floats()?, *width));
        }
        let mut joined: Vec<f32> = Vec::with_capacity(rows * width);
        for row in 0..rows {
            for (values, width) in &parts {
                joined.extend_from_slice(&values[row * width..(row + 1) * width]);
            }
        }
        io.set(0, Shape::new(&[rows, width])?, joined)
    }
}

/// The extents of a value, as a list of integers.
#[derive(Debug)]
struct Extents {
    start: i64,
    end: i64,
}

/// Makes a `Shape`.
pub(super) fn extents(node: &mut Node) -> Built {
    let start = node.attributes.int("start")?.unwrap_or(0);
    let end = node.attributes.int("end")?.unwrap_or(i64::MAX);
    Ok(Box::new(Extents { start, end }))
}

impl Kernel for Extents {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let shape = io.input(0)?.shape();
        let range = clamp(self.start, shape.extents().len())..clamp(self.end, shape.extents().len());
        let extents = shape.extents().get(range).unwrap_or_default();
        let extents: Option<Vec<i64>> = extents.iter().map(|extent| i64::try_from(*extent).ok()).collect();
        let extents = extents.ok_or(Fault::Shape("an extent is too large"))?;
        io.set(0, Shape::vector(extents.len()), extents)
    }
}

/// A position counted from the end if negative, moved into range.
fn clamp(position: i64, length: usize) -> usize {
    let end = i64::try_from(length).unwrap_or(i64::MAX);
    let position = if position < 0 { position.saturating_add(end) } else { position };
    usize::try_from(position.clamp(0, end)).unwrap_or(0)
}

/// Cuts ranges out of axes.
#[derive(Debug)]
struct Slice;

/// Makes a `Slice`, whose ranges are inputs since opset 10.
pub(super) fn slice(node: &mut Node) -> Built {
    if node.opset < 10 {
        return Err(node.attributes.error("slices before opset 10 are not supported"));
    }
    Ok(Box::new(Slice))
}

impl Kernel for Slice {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let count = io.input(0)?.len();
        io.charge(count)?;
        let mut value = io.input(0)?.clone();
        let starts = io.input(1)?.integers()?;
        let ends = io.input(2)?.integers()?;
        let default: Vec<i64> = (0..).take(starts.len()).collect();
        let axes = io.optional(3).map(Value::integers).transpose()?.unwrap_or(default.into());
        let steps = io.optional(4).map(Value::integers).transpose()?.unwrap_or(vec![1; starts.len()].into());
        if [ends.len(), axes.len(), steps.len()].iter().any(|length| *length != starts.len()) {
            return Err(Fault::Shape("the lists of ranges differ in length"));
        }
        for index in 0..starts.len() {
            let axis = axis(axes[index], value.shape().extents().len())?;
            let step = usize::try_from(steps[index]).ok().filter(|step| *step > 0);
            let step = step.ok_or(Fault::Shape("only steps forward are supported"))?;
            let length = value.shape().extents()[axis];
            let picks: Vec<usize> =
                (clamp(starts[index], length)..clamp(ends[index], length)).step_by(step).collect();
            value = take(&value, axis, &picks)?;
        }
        io.put(0, value);
        Ok(())
    }
}

/// The given positions along an axis, all of which must be in range.
fn take<'a>(value: &Value<'_>, axis: usize, picks: &[usize]) -> Result<Value<'a>, Fault> {
    let extents = value.shape().extents().to_vec();
    let width = extents[axis];
    let outer: usize = extents[..axis].iter().product();
    let inner: usize = extents[axis + 1..].iter().product();
    let data = same_type!(value.data(), values => {
        let mut picked = Vec::with_capacity(outer * picks.len() * inner);
        for row in 0..outer {
            for pick in picks {
                let start = (row * width + pick) * inner;
                picked.extend_from_slice(&values[start..start + inner]);
            }
        }
        picked
    });
    let mut extents = extents;
    extents[axis] = picks.len();
    Value::new(Shape::new(&extents)?, data)
}

/// A value of a given shape, filled with one element.
#[derive(Debug)]
struct Fill {
    element: Array,
}

/// Makes a `ConstantOfShape`.
pub(super) fn fill(node: &mut Node) -> Built {
    let element = match node.attributes.tensor("value")? {
        None => Some(Array::vector(Elements::F32(vec![0.0]))),
        Some(tensor) => Array::decode(tensor)?.filter(|array| array.len() == 1),
    };
    Ok(Box::new(Fill { element: element.ok_or_else(|| node.attributes.error("one element is needed"))? }))
}

impl Kernel for Fill {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let extents = io.input(0)?.integers()?;
        let extents: Option<Vec<usize>> =
            extents.iter().map(|extent| usize::try_from(*extent).ok()).collect();
        let shape = Shape::new(&extents.ok_or(Fault::Shape("an extent is negative"))?)?;
        io.charge(shape.count())?;
        let element = Value::constant(&self.element)?;
        let data = same_type!(element.data(), values => values.iter().cycle().take(shape.count()).cloned().collect::<Vec<_>>());
        io.set(0, shape, data)
    }
}
