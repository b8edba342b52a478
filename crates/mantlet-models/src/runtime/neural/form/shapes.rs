//! The shapes themselves: what each rearrangement makes of the extents, and of elements that may decide a size later.

use super::super::{
    known::{FOLLOWED_MAX, Known, Why, axes, axis},
    rule::{Inputs, List, Made, input, whole},
};

pub(super) const HUGE: Why = "it makes a tensor that no memory holds";

pub(super) fn product(extents: &[usize]) -> Result<usize, Why> {
    extents.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent)).ok_or(HUGE)
}

/// A shape that is given by whole numbers.
pub(super) fn extents_of(list: &[i32]) -> Result<Vec<usize>, Why> {
    list.iter().map(|extent| usize::try_from(*extent).map_err(|_| "an extent is negative")).collect()
}

/// One extent that is given as a scalar or a list of one.
pub(super) fn one_extent(list: &[i32]) -> Result<usize, Why> {
    match list {
        [extent] => usize::try_from(*extent).map_err(|_| "an extent is negative"),
        _ => Err("one number is needed"),
    }
}

pub(super) fn joined(at: i64, inputs: &Inputs<'_>) -> Result<Known, Why> {
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

pub(super) fn unfolded(block: usize, from: &Known) -> Result<Known, Why> {
    let [batch, channels, height, width] = *from.shape() else { return Err("four dimensions are needed") };
    let square = block.checked_mul(block).filter(|square| channels % square == 0);
    let square = square.ok_or("the channels do not make up whole blocks")?;
    let grown = |extent: usize| extent.checked_mul(block).ok_or(HUGE);
    Known::shaped(vec![batch, channels / square, grown(height)?, grown(width)?])
}

pub(super) fn shape_of(from: &Known, start: i64, end: Option<i64>) -> Result<Known, Why> {
    let rank = i64::try_from(from.rank()).map_err(|_| HUGE)?;
    let place = |at: i64| usize::try_from((if at < 0 { at + rank } else { at }).clamp(0, rank)).unwrap_or(0);
    let extents = from.shape().get(place(start)..place(end.unwrap_or(rank))).unwrap_or_default();
    let values = extents.iter().map(|extent| i32::try_from(*extent)).collect::<Result<_, _>>();
    Ok(Known::list(values.map_err(|_| HUGE)?))
}

pub(super) fn gathered(at: i64, from: &Known, places: &Known) -> Result<Known, Why> {
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

pub(super) fn padded(pads: &[i32], from: &Known) -> Result<Known, Why> {
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
pub(super) fn counted(inputs: &Inputs<'_>) -> Result<Known, Why> {
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

pub(super) fn reshaped(target: &[i32], allow_zero: bool, from: &Known) -> Result<Known, Why> {
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

pub(super) fn cut(starts: &List, ends: &List, at: &List, inputs: &Inputs<'_>) -> Result<Known, Why> {
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
pub(super) fn stride(extent: usize, start: i32, end: i32, step: i32) -> Result<(i64, usize), Why> {
    let extent = i64::try_from(extent).map_err(|_| HUGE)?;
    let (least, most) = if step > 0 { (0, extent) } else { (-1, extent - 1) };
    let place = |at: i32| (if at < 0 { i64::from(at) + extent } else { i64::from(at) }).clamp(least, most);
    let (start, end, step) = (place(start), place(end), i64::from(step));
    let distance = if step > 0 { end - start } else { start - end };
    let count = match step {
        0 => return Err("it slices without moving"),
        // The engine fails over it.
        ..0 if extent == 0 => return Err("it slices nothing backwards"),
        _ if distance <= 0 => 0,
        step => (distance - 1) / step.abs() + 1,
    };
    Ok((start, usize::try_from(count).map_err(|_| HUGE)?))
}

pub(super) fn parts(at: i64, sizes: Option<&[i32]>, outputs: usize, from: &Known) -> Result<Made, Why> {
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

pub(super) fn squeezed(list: Option<&[i32]>, from: &Known) -> Result<Known, Why> {
    let gone: Vec<usize> = match list {
        Some(list) => axes(list, from.rank())?,
        None => (0..from.rank()).filter(|place| from.shape()[*place] == 1).collect(),
    };
    let left = from.shape().iter().enumerate().filter(|(place, _)| !gone.contains(place));
    // Taking out another extent than 1 changes the number of elements, which is refused.
    from.reshaped(left.map(|(_, extent)| *extent).collect())
}

pub(super) fn transposed(order: Option<&[i64]>, from: &Known) -> Result<Known, Why> {
    let shape = from.shape();
    let Some(order) = order else { return Known::shaped(shape.iter().rev().copied().collect()) };
    let places = order.iter().map(|place| axis(*place, shape.len())).collect::<Result<Vec<_>, _>>()?;
    let complete = places.len() == shape.len() && (0..shape.len()).all(|place| places.contains(&place));
    if !complete {
        return Err("it does not name every axis once");
    }
    Known::shaped(places.into_iter().map(|place| shape[place]).collect())
}
