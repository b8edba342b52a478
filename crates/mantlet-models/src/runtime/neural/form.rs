//! Sizes of what operators make that rearrange, repeat or cut out elements. Their own semantics are those of the ONNX
//! operator pages, <https://onnx.ai/onnx/operators/>.

mod shapes;

use crate::onnx::{Array, LoadError, Node};

use self::shapes::{
    HUGE, counted, cut, extents_of, gathered, joined, one_extent, padded, parts, product, reshaped, shape_of,
    squeezed, transposed, unfolded,
};
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
