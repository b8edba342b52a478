//! Sizes of what operators make that rearrange, repeat or cut out elements. Their own semantics are those of the ONNX
//! operator pages, <https://onnx.ai/onnx/operators/>.

use crate::onnx::{Array, LoadError, Node};

use super::{
    known::{FOLLOWED_MAX, Known, Why, axes, axis, broadcast},
    rule::{Inputs, List, Made, Rule, input, int, ints, list, scalar, whole},
};

/// An operator that rearranges.
#[derive(Debug)]
pub(super) enum Form {
    Concat { axis: i64 },
    DepthToSpace { block: usize },
    Expand,
    Extents { start: i64, end: Option<i64> },
    Fill { value: Option<i32> },
    Flatten { axis: i64 },
    Gather { axis: i64 },
    OneHot { axis: i64 },
    Pad { pads: List },
    Range,
    Reshape { shape: List, allow_zero: bool },
    Size,
    Slice { starts: List, ends: List, axes: List },
    Split { axis: i64, sizes: List, outputs: usize },
    Squeeze { axes: List },
    Tile,
    Top { axis: i64, k: List },
    Transpose { order: Option<Vec<i64>> },
    Unsqueeze { axes: List },
}

type Compiled = Result<Rule, LoadError>;

pub(super) fn concat(node: &mut Node) -> Compiled {
    Ok(Rule::Form(Form::Concat { axis: int(node, "axis", 0)? }))
}

pub(super) fn depth_to_space(node: &mut Node) -> Compiled {
    let block = usize::try_from(int(node, "blocksize", 0)?).ok().filter(|block| *block > 0);
    let block = block.ok_or_else(|| node.attributes.error("attribute `blocksize` is not positive"))?;
    Ok(Rule::Form(Form::DepthToSpace { block }))
}

pub(super) fn expand(_: &mut Node) -> Compiled {
    Ok(Rule::Form(Form::Expand))
}

pub(super) fn extents(node: &mut Node) -> Compiled {
    let end = if node.attributes.has("end") { Some(int(node, "end", 0)?) } else { None };
    Ok(Rule::Form(Form::Extents { start: int(node, "start", 0)?, end }))
}

pub(super) fn fill(node: &mut Node) -> Compiled {
    let tensor = node.attributes.tensor("value")?.map(Array::decode).transpose()?.flatten();
    let value = tensor.as_ref().and_then(scalar);
    Ok(Rule::Form(Form::Fill { value }))
}

pub(super) fn flatten(node: &mut Node) -> Compiled {
    Ok(Rule::Form(Form::Flatten { axis: int(node, "axis", 1)? }))
}

pub(super) fn gather(node: &mut Node) -> Compiled {
    Ok(Rule::Form(Form::Gather { axis: int(node, "axis", 0)? }))
}

pub(super) fn one_hot(node: &mut Node) -> Compiled {
    Ok(Rule::Form(Form::OneHot { axis: int(node, "axis", -1)? }))
}

pub(super) fn pad(node: &mut Node) -> Compiled {
    if node.inputs.len() > 3 {
        return Err(node.attributes.error("padding of chosen axes cannot be used here"));
    }
    Ok(Rule::Form(Form::Pad { pads: list(node, "pads", 1)? }))
}

pub(super) fn range(_: &mut Node) -> Compiled {
    Ok(Rule::Form(Form::Range))
}

pub(super) fn reshape(node: &mut Node) -> Compiled {
    let shape = list(node, "shape", 1)?;
    Ok(Rule::Form(Form::Reshape { shape, allow_zero: int(node, "allowzero", 0)? != 0 }))
}

pub(super) fn size(_: &mut Node) -> Compiled {
    Ok(Rule::Form(Form::Size))
}

pub(super) fn slice(node: &mut Node) -> Compiled {
    let (starts, ends) = (list(node, "starts", 1)?, list(node, "ends", 2)?);
    Ok(Rule::Form(Form::Slice { starts, ends, axes: list(node, "axes", 3)? }))
}

pub(super) fn split(node: &mut Node) -> Compiled {
    let outputs = node.outputs.len();
    let stated = int(node, "num_outputs", i64::try_from(outputs).unwrap_or(0))?;
    if usize::try_from(stated) != Ok(outputs) {
        return Err(node.attributes.error("attribute `num_outputs` is not the number of outputs"));
    }
    Ok(Rule::Form(Form::Split { axis: int(node, "axis", 0)?, sizes: list(node, "split", 1)?, outputs }))
}

pub(super) fn squeeze(node: &mut Node) -> Compiled {
    Ok(Rule::Form(Form::Squeeze { axes: list(node, "axes", 1)? }))
}

pub(super) fn tile(_: &mut Node) -> Compiled {
    Ok(Rule::Form(Form::Tile))
}

pub(super) fn top(node: &mut Node) -> Compiled {
    let k = match node.attributes.has("k") {
        true => List::Given(vec![i32::try_from(int(node, "k", 0)?).unwrap_or(-1)]),
        false => List::Input(1),
    };
    Ok(Rule::Form(Form::Top { axis: int(node, "axis", -1)?, k }))
}

pub(super) fn transpose(node: &mut Node) -> Compiled {
    Ok(Rule::Form(Form::Transpose { order: ints(node, "perm")? }))
}

pub(super) fn unsqueeze(node: &mut Node) -> Compiled {
    Ok(Rule::Form(Form::Unsqueeze { axes: list(node, "axes", 1)? }))
}

impl Form {
    /// What the operator makes of inputs of these sizes.
    pub(super) fn make(&self, inputs: &Inputs<'_>) -> Result<Made, Why> {
        let known = match self {
            Self::Concat { axis } => joined(*axis, inputs)?,
            Self::DepthToSpace { block } => unfolded(*block, input(inputs, 0)?)?,
            Self::Expand => {
                let target = extents_of(whole(inputs, 1)?)?;
                Known::shaped(broadcast(input(inputs, 0)?.shape(), &target)?)?
            }
            Self::Extents { start, end } => shape_of(input(inputs, 0)?, *start, *end)?,
            Self::Fill { value } => {
                let known = Known::shaped(extents_of(whole(inputs, 0)?)?)?;
                let values =
                    value.filter(|_| known.count() <= FOLLOWED_MAX).map(|value| vec![value; known.count()]);
                known.with(values)
            }
            Self::Flatten { axis: at } => {
                let from = input(inputs, 0)?;
                let rank = from.rank();
                // The axis behind the last one is one, too.
                let at = if i64::try_from(rank) == Ok(*at) { rank } else { axis(*at, rank)? };
                let (outer, inner) = from.shape().split_at(at);
                from.reshaped(vec![product(outer)?, product(inner)?])?
            }
            Self::Gather { axis } => gathered(*axis, input(inputs, 0)?, input(inputs, 1)?)?,
            Self::OneHot { axis: at } => {
                let from = input(inputs, 0)?;
                let depth = one_extent(whole(inputs, 1)?)?;
                let mut shape = from.shape().to_vec();
                shape.insert(axis(*at, from.rank() + 1)?, depth);
                Known::shaped(shape)?
            }
            Self::Pad { pads } => padded(pads.get(inputs)?.ok_or("an input is missing")?, input(inputs, 0)?)?,
            Self::Range => counted(inputs)?,
            Self::Reshape { shape, allow_zero } => {
                reshaped(shape.get(inputs)?.ok_or("an input is missing")?, *allow_zero, input(inputs, 0)?)?
            }
            Self::Size => {
                let count = i32::try_from(input(inputs, 0)?.count()).map_err(|_| "it counts too much")?;
                Known::shaped(Vec::new())?.with(Some(vec![count]))
            }
            Self::Slice { starts, ends, axes } => cut(starts, ends, axes, inputs)?,
            Self::Split { axis, sizes, outputs } => {
                return parts(*axis, sizes.get(inputs)?, *outputs, input(inputs, 0)?);
            }
            Self::Squeeze { axes } => squeezed(axes.get(inputs)?, input(inputs, 0)?)?,
            Self::Tile => {
                let (from, repeats) = (input(inputs, 0)?, extents_of(whole(inputs, 1)?)?);
                if repeats.len() != from.rank() {
                    return Err("it repeats another number of dimensions");
                }
                let pairs = from.shape().iter().zip(&repeats);
                let shape = pairs.map(|(extent, repeat)| extent.checked_mul(*repeat)).collect::<Option<_>>();
                Known::shaped(shape.ok_or(HUGE)?)?
            }
            Self::Top { axis: at, k } => {
                let (from, k) =
                    (input(inputs, 0)?, one_extent(k.get(inputs)?.ok_or("an input is missing")?)?);
                let mut shape = from.shape().to_vec();
                let extent = &mut shape[axis(*at, from.rank())?];
                if k > *extent {
                    return Err("it asks for more elements than there are");
                }
                *extent = k;
                let known = Known::shaped(shape)?;
                // Sorting, with a place beside each element.
                let work = u64::try_from(from.count()).unwrap_or(u64::MAX).saturating_mul(16);
                return Ok(Made {
                    outputs: vec![known.clone(), known],
                    work,
                    room: from.count().saturating_mul(4),
                });
            }
            Self::Transpose { order } => transposed(order.as_deref(), input(inputs, 0)?)?,
            Self::Unsqueeze { axes: list } => {
                let from = input(inputs, 0)?;
                let list = list.get(inputs)?.ok_or("an input is missing")?;
                let mut shape = from.shape().to_vec();
                for at in axes(list, from.rank() + list.len())? {
                    shape.insert(at.min(shape.len()), 1);
                }
                from.reshaped(shape)?
            }
        };
        Ok(known.into())
    }
}

const HUGE: Why = "it makes a tensor that no memory holds";

fn product(extents: &[usize]) -> Result<usize, Why> {
    extents.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent)).ok_or(HUGE)
}

/// A shape that is given by whole numbers.
fn extents_of(list: &[i32]) -> Result<Vec<usize>, Why> {
    list.iter().map(|extent| usize::try_from(*extent).map_err(|_| "an extent is negative")).collect()
}

/// One extent that is given as a scalar or a list of one.
fn one_extent(list: &[i32]) -> Result<usize, Why> {
    match list {
        [extent] => usize::try_from(*extent).map_err(|_| "an extent is negative"),
        _ => Err("one number is needed"),
    }
}

fn joined(at: i64, inputs: &Inputs<'_>) -> Result<Known, Why> {
    let mut shape = input(inputs, 0)?.shape().to_vec();
    let at = axis(at, shape.len())?;
    let mut elements = Some(Vec::new());
    for index in 0..inputs.len() {
        let part = input(inputs, index)?;
        let fits = |place: usize, extent: &usize| place == at || part.shape().get(place) == Some(extent);
        if part.rank() != shape.len() || !shape.iter().enumerate().all(|(place, extent)| fits(place, extent))
        {
            return Err("the shapes of its inputs do not fit each other");
        }
        if index > 0 {
            shape[at] = shape[at].checked_add(part.shape()[at]).ok_or(HUGE)?;
        }
        match (&mut elements, part.whole()) {
            (Some(all), Some(own)) if all.len() <= FOLLOWED_MAX => all.extend_from_slice(own),
            _ => elements = None,
        }
    }
    let is_list = shape.len() == 1;
    Ok(Known::shaped(shape)?.with(elements.filter(|_| is_list)))
}

fn unfolded(block: usize, from: &Known) -> Result<Known, Why> {
    let [batch, channels, height, width] = *from.shape() else { return Err("four dimensions are needed") };
    let square = block.checked_mul(block).filter(|square| channels % square == 0);
    let square = square.ok_or("the channels do not make up whole blocks")?;
    let grown = |extent: usize| extent.checked_mul(block).ok_or(HUGE);
    Known::shaped(vec![batch, channels / square, grown(height)?, grown(width)?])
}

fn shape_of(from: &Known, start: i64, end: Option<i64>) -> Result<Known, Why> {
    let rank = i64::try_from(from.rank()).map_err(|_| HUGE)?;
    let place = |at: i64| usize::try_from((if at < 0 { at + rank } else { at }).clamp(0, rank)).unwrap_or(0);
    let extents = from.shape().get(place(start)..place(end.unwrap_or(rank))).unwrap_or_default();
    let values = extents.iter().map(|extent| i32::try_from(*extent)).collect::<Result<_, _>>();
    Ok(Known::list(values.map_err(|_| HUGE)?))
}

fn gathered(at: i64, from: &Known, places: &Known) -> Result<Known, Why> {
    let at = axis(at, from.rank())?;
    let (outer, inner) = (&from.shape()[..at], &from.shape()[at + 1..]);
    let known = Known::shaped([outer, places.shape(), inner].concat())?;
    let elements = match (from.whole(), places.whole()) {
        (Some(values), Some(places)) if from.rank() == 1 => places
            .iter()
            .map(|place| values.get(axis(i64::from(*place), values.len()).ok()?).copied())
            .collect::<Option<Vec<i32>>>(),
        _ => None,
    };
    Ok(known.with(elements))
}

fn padded(pads: &[i32], from: &Known) -> Result<Known, Why> {
    let rank = from.rank();
    if pads.len() != rank * 2 {
        return Err("it pads another number of dimensions");
    }
    let extent = |(index, extent): (usize, &usize)| {
        let sum = i64::try_from(*extent).ok()? + i64::from(pads[index]) + i64::from(pads[rank + index]);
        usize::try_from(sum).ok()
    };
    let shape = from.shape().iter().enumerate().map(extent).collect::<Option<_>>();
    Known::shaped(shape.ok_or("it cuts off more than there is")?)
}

/// `Range`, of whole numbers alone: the engine counts floats up one by one, and not always to an end.
fn counted(inputs: &Inputs<'_>) -> Result<Known, Why> {
    let one = |index: usize| match whole(inputs, index)? {
        [number] => Ok(i64::from(*number)),
        _ => Err("one number is needed"),
    };
    let (start, limit, step) = (one(0)?, one(1)?, one(2)?);
    if step == 0 {
        return Err("it counts without moving");
    }
    let distance = if step > 0 { limit - start } else { start - limit };
    let count = if distance <= 0 { 0 } else { (distance - 1) / step.abs() + 1 };
    // The engine adds once more than it counts, in 32 bits that wrap, and would then go on without an end.
    if i32::try_from(start + count * step).is_err() {
        return Err("it counts beyond 32 bits");
    }
    let known = Known::shaped(vec![usize::try_from(count).map_err(|_| HUGE)?])?;
    let listed = known.count() <= FOLLOWED_MAX;
    let elements = (0..count).map(|index| i32::try_from(start + index * step).ok());
    let elements: Option<Vec<i32>> = if listed { elements.collect() } else { None };
    Ok(known.with(elements))
}

fn reshaped(target: &[i32], allow_zero: bool, from: &Known) -> Result<Known, Why> {
    let mut shape = Vec::with_capacity(target.len());
    let mut open = None;
    for (index, extent) in target.iter().enumerate() {
        shape.push(match extent {
            -1 if open.is_none() => {
                open = Some(index);
                1
            }
            0 if !allow_zero => *from.shape().get(index).ok_or("it keeps a dimension that does not exist")?,
            extent => usize::try_from(*extent).map_err(|_| "an extent is negative")?,
        });
    }
    if let Some(index) = open {
        let rest = product(&shape)?;
        if rest == 0 || !from.count().is_multiple_of(rest) {
            return Err("the new shape holds another number of elements");
        }
        shape[index] = from.count() / rest;
    }
    from.reshaped(shape)
}

fn cut(starts: &List, ends: &List, at: &List, inputs: &Inputs<'_>) -> Result<Known, Why> {
    let from = input(inputs, 0)?;
    let (starts, ends) = (starts.get(inputs)?, ends.get(inputs)?);
    let (starts, ends) = (starts.ok_or("an input is missing")?, ends.ok_or("an input is missing")?);
    let steps = List::Input(4);
    let steps = steps.get(inputs)?;
    let places: Vec<usize> = match at.get(inputs)? {
        Some(list) => {
            list.iter().map(|item| axis(i64::from(*item), from.rank())).collect::<Result<_, _>>()?
        }
        None => (0..from.rank()).collect(),
    };
    let same_length =
        [Some(starts), Some(ends), steps].iter().flatten().all(|list| list.len() == places.len());
    if !same_length {
        return Err("starts, ends, axes and steps are not as many");
    }
    let mut shape = from.shape().to_vec();
    let mut kept = None;
    for (index, place) in places.iter().enumerate() {
        let step = steps.map_or(1, |steps| steps[index]);
        let range = stride(from.shape()[*place], starts[index], ends[index], step)?;
        shape[*place] = range.1;
        kept = Some((range.0, i64::from(step)));
    }
    let known = Known::shaped(shape)?;
    // Of a list, the elements that are left.
    let elements = match (from.whole(), kept, from.rank(), places.len()) {
        (Some(values), Some((start, step)), 1, 1) => (0..known.count())
            .map(|index| {
                let place = start + i64::try_from(index).ok()? * step;
                values.get(usize::try_from(place).ok()?).copied()
            })
            .collect::<Option<Vec<i32>>>(),
        _ => None,
    };
    Ok(known.with(elements))
}

/// The first place of a slice and how many there are, as numpy slices.
fn stride(extent: usize, start: i32, end: i32, step: i32) -> Result<(i64, usize), Why> {
    let extent = i64::try_from(extent).map_err(|_| HUGE)?;
    let (least, most) = if step > 0 { (0, extent) } else { (-1, extent - 1) };
    let place = |at: i32| (if at < 0 { i64::from(at) + extent } else { i64::from(at) }).clamp(least, most);
    let (start, end, step) = (place(start), place(end), i64::from(step));
    let distance = if step > 0 { end - start } else { start - end };
    let count = match step {
        0 => return Err("it slices without moving"),
        _ if distance <= 0 => 0,
        step => (distance - 1) / step.abs() + 1,
    };
    Ok((start, usize::try_from(count).map_err(|_| HUGE)?))
}

fn parts(at: i64, sizes: Option<&[i32]>, outputs: usize, from: &Known) -> Result<Made, Why> {
    let at = axis(at, from.rank())?;
    let extent = from.shape()[at];
    let sizes = match sizes {
        Some(sizes) => extents_of(sizes)?,
        None if outputs == 0 || outputs > extent => return Err("there are more parts than elements"),
        None => {
            let part = extent.div_ceil(outputs);
            (0..outputs).map(|index| part.min(extent.saturating_sub(part * index))).collect()
        }
    };
    if sizes.len() != outputs
        || sizes.iter().try_fold(0_usize, |sum, size| sum.checked_add(*size)) != Some(extent)
    {
        return Err("the parts do not make up the whole");
    }
    let part = |size: usize| {
        let mut shape = from.shape().to_vec();
        shape[at] = size;
        Known::shaped(shape)
    };
    Ok(Made { outputs: sizes.into_iter().map(part).collect::<Result<_, _>>()?, ..Made::default() })
}

fn squeezed(list: Option<&[i32]>, from: &Known) -> Result<Known, Why> {
    let gone: Vec<usize> = match list {
        Some(list) => axes(list, from.rank())?,
        None => (0..from.rank()).filter(|place| from.shape()[*place] == 1).collect(),
    };
    let left = from.shape().iter().enumerate().filter(|(place, _)| !gone.contains(place));
    // Taking out another extent than 1 changes the number of elements, which is refused.
    from.reshaped(left.map(|(_, extent)| *extent).collect())
}

fn transposed(order: Option<&[i64]>, from: &Known) -> Result<Known, Why> {
    let shape = from.shape();
    let Some(order) = order else { return Known::shaped(shape.iter().rev().copied().collect()) };
    let places = order.iter().map(|place| axis(*place, shape.len())).collect::<Result<Vec<_>, _>>()?;
    let complete = places.len() == shape.len() && (0..shape.len()).all(|place| places.contains(&place));
    if !complete {
        return Err("it does not name every axis once");
    }
    Known::shaped(places.into_iter().map(|place| shape[place]).collect())
}
