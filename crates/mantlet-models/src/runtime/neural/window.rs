//! Sizes of what operators make that slide a window over pictures or signals: convolutions, pools, and resizing.
//!
//! The formulas are those of the ONNX operator pages; attributes are bounded at load, so that no product overflows.

use crate::onnx::{LoadError, Node};

use super::{
    known::{Known, Why},
    rule::{Inputs, Made, Rule, input, int, ints, whole},
};

/// An operator that slides a window.
#[derive(Debug)]
pub(super) enum Window {
    Conv { slide: Slide, groups: usize },
    Transposed { slide: Slide, groups: usize, extra: Option<Vec<i64>> },
    Pool { slide: Slide, kernel: Vec<i64>, round_up: bool },
    Global,
    Resize,
}

/// How a window moves; a list that is left out is of ones or zeros.
#[derive(Debug)]
pub(super) struct Slide {
    strides: Option<Vec<i64>>,
    dilations: Option<Vec<i64>>,
    pads: Option<Vec<i64>>,
    keeps_size: bool,
}

type Compiled = Result<Rule, LoadError>;

fn slide(node: &mut Node) -> Result<Slide, LoadError> {
    let keeps_size = match node.attributes.text("auto_pad")?.as_deref() {
        None | Some("NOTSET" | "VALID") => false,
        Some("SAME_UPPER") => true,
        // The engine takes `SAME_LOWER` for the other one.
        Some(_) => return Err(node.attributes.error("attribute `auto_pad` is none that can be used here")),
    };
    let slide = Slide {
        strides: ints(node, "strides")?,
        dilations: ints(node, "dilations")?,
        pads: ints(node, "pads")?,
        keeps_size,
    };
    let below = |list: &Option<Vec<i64>>, least: i64| list.iter().flatten().any(|item| *item < least);
    if below(&slide.strides, 1) || below(&slide.dilations, 1) || below(&slide.pads, 0) {
        return Err(node.attributes.error("a stride, a dilation or a padding is out of bounds"));
    }
    Ok(slide)
}

fn groups(node: &mut Node) -> Result<usize, LoadError> {
    let groups = usize::try_from(int(node, "group", 1)?).ok().filter(|groups| *groups > 0);
    groups.ok_or_else(|| node.attributes.error("attribute `group` is not positive"))
}

pub(super) fn conv(node: &mut Node) -> Compiled {
    Ok(Rule::Window(Window::Conv { slide: slide(node)?, groups: groups(node)? }))
}

pub(super) fn transposed(node: &mut Node) -> Compiled {
    let extra = ints(node, "output_padding")?;
    if node.attributes.has("output_shape") || extra.iter().flatten().any(|item| *item < 0) {
        return Err(node.attributes.error("its output's shape is given in a way that cannot be used here"));
    }
    Ok(Rule::Window(Window::Transposed { slide: slide(node)?, groups: groups(node)?, extra }))
}

pub(super) fn pool(node: &mut Node) -> Compiled {
    let kernel = ints(node, "kernel_shape")?.unwrap_or_default();
    if kernel.is_empty() || kernel.iter().any(|extent| *extent < 1) {
        return Err(node.attributes.error("attribute `kernel_shape` is missing or out of bounds"));
    }
    if !node.attributes.has("strides") {
        return Err(node.attributes.error("attribute `strides` is left out, which cannot be done here"));
    }
    let round_up = int(node, "ceil_mode", 0)? != 0;
    Ok(Rule::Window(Window::Pool { slide: slide(node)?, kernel, round_up }))
}

pub(super) fn global(_: &mut Node) -> Compiled {
    Ok(Rule::Window(Window::Global))
}

pub(super) fn resize(node: &mut Node) -> Compiled {
    let (mode, rounding) = (node.attributes.text("mode")?, node.attributes.text("nearest_mode")?);
    // The engine takes `cubic` for linear, and rounds up other halves than the standard does.
    let exact = !matches!(mode.as_deref(), Some("cubic"))
        && !matches!(rounding.as_deref(), Some("round_prefer_ceil"));
    if !exact {
        return Err(node.attributes.error("it resizes in a way that cannot be used here"));
    }
    Ok(Rule::Window(Window::Resize))
}

const HUGE: Why = "it makes a tensor that no memory holds";
const SHAPES: Why = "the shapes of its inputs do not fit each other";
const SMALL: Why = "the window is larger than what it slides over";

impl Window {
    /// What the operator makes of inputs of these sizes.
    pub(super) fn make(&self, inputs: &Inputs<'_>) -> Result<Made, Why> {
        match self {
            Self::Conv { slide, groups } => convolved(slide, *groups, input(inputs, 0)?, input(inputs, 1)?),
            Self::Transposed { slide, groups, extra } => {
                spread(slide, *groups, extra.as_deref(), input(inputs, 0)?, input(inputs, 1)?)
            }
            Self::Pool { slide, kernel, round_up } => {
                let (batch, channels, space) = picture(input(inputs, 0)?)?;
                let mut shape = vec![batch, channels];
                shape.extend(slide.over(space, kernel, *round_up)?);
                let known = Known::shaped(shape)?;
                let work = work(known.count(), kernel.iter().map(|extent| size(*extent)));
                Ok(Made { outputs: vec![known], work, room: 0 })
            }
            Self::Global => {
                let (batch, channels, space) = picture(input(inputs, 0)?)?;
                let mut shape = vec![batch, channels];
                shape.resize(space.len() + 2, 1);
                Ok(Known::shaped(shape)?.into())
            }
            Self::Resize => Ok(resized(inputs)?.into()),
        }
    }
}

/// Batch, channels and the extents in space.
fn picture(known: &Known) -> Result<(usize, usize, &[usize]), Why> {
    match known.shape() {
        [batch, channels, space @ ..] if !space.is_empty() => Ok((*batch, *channels, space)),
        _ => Err("three or more dimensions are needed"),
    }
}

fn signed(extent: usize) -> Result<i64, Why> {
    i64::try_from(extent).map_err(|_| HUGE)
}

fn size(extent: i64) -> usize {
    usize::try_from(extent).unwrap_or(usize::MAX)
}

/// Steps of a loop over so many elements, so many for each.
fn work(count: usize, each: impl Iterator<Item = usize>) -> u64 {
    each.fold(count as u64, |work, extent| work.saturating_mul(extent as u64))
}

/// A multiplication in a product of matrices takes about an eighth of a nanosecond.
fn multiplications(count: usize, each: impl Iterator<Item = usize>) -> u64 {
    work(count, each) / 8
}

impl Slide {
    fn stride(&self, axis: usize) -> Result<i64, Why> {
        at(self.strides.as_deref(), axis, 1)
    }

    /// The window's extent with the gaps that a dilation leaves.
    fn reach(&self, axis: usize, kernel: i64) -> Result<i64, Why> {
        let dilation = at(self.dilations.as_deref(), axis, 1)?;
        (kernel - 1).checked_mul(dilation).and_then(|reach| reach.checked_add(1)).ok_or(HUGE)
    }

    /// Padding before and behind, of `axes` axes.
    fn pads(&self, axis: usize, axes: usize) -> Result<(i64, i64), Why> {
        match &self.pads {
            Some(pads) if pads.len() != axes * 2 => Err("it pads another number of dimensions"),
            pads => Ok((at(pads.as_deref(), axis, 0)?, at(pads.as_deref(), axis + axes, 0)?)),
        }
    }

    /// Places of a window on each axis.
    fn over(&self, space: &[usize], kernel: &[i64], round_up: bool) -> Result<Vec<usize>, Why> {
        if kernel.len() != space.len() {
            return Err("the window has another number of dimensions");
        }
        let places = |(axis, (extent, kernel)): (usize, (&usize, &i64))| {
            let (extent, stride) = (signed(*extent)?, self.stride(axis)?);
            if self.keeps_size {
                return Ok(size((extent + stride - 1) / stride));
            }
            let (before, behind) = self.pads(axis, space.len())?;
            let room = extent.checked_add(before + behind).ok_or(HUGE)? - self.reach(axis, *kernel)?;
            if room < 0 {
                return Err(SMALL);
            }
            let mut places = if round_up { (room + stride - 1) / stride + 1 } else { room / stride + 1 };
            // Rounded up, the last window may lie in the padding alone; then there is none.
            if round_up && (places - 1) * stride >= extent + before {
                places -= 1;
            }
            Ok(size(places))
        };
        space.iter().zip(kernel).enumerate().map(places).collect()
    }
}

fn at(list: Option<&[i64]>, index: usize, default: i64) -> Result<i64, Why> {
    match list {
        None => Ok(default),
        Some(list) => list.get(index).copied().ok_or("an attribute has too few numbers"),
    }
}

fn convolved(slide: &Slide, groups: usize, from: &Known, weights: &Known) -> Result<Made, Why> {
    let (batch, channels, space) = picture(from)?;
    let (filters, depth, kernel) = picture(weights)?;
    if depth.checked_mul(groups) != Some(channels) || filters % groups != 0 {
        return Err(SHAPES);
    }
    let window = kernel.iter().map(|extent| signed(*extent)).collect::<Result<Vec<_>, _>>()?;
    let mut shape = vec![batch, filters];
    shape.extend(slide.over(space, &window, false)?);
    let known = Known::shaped(shape)?;
    let each = kernel.iter().copied().chain([depth]);
    Ok(Made { work: multiplications(known.count(), each), outputs: vec![known], room: 0 })
}

fn spread(
    slide: &Slide,
    groups: usize,
    extra: Option<&[i64]>,
    from: &Known,
    weights: &Known,
) -> Result<Made, Why> {
    let (batch, channels, space) = picture(from)?;
    let (depth, filters, kernel) = picture(weights)?;
    if depth != channels || channels % groups != 0 || kernel.len() != space.len() {
        return Err(SHAPES);
    }
    let mut shape = vec![batch, filters.checked_mul(groups).ok_or(HUGE)?];
    for (axis, (extent, kernel)) in space.iter().zip(kernel).enumerate() {
        let (extent, stride) = (signed(*extent)?, slide.stride(axis)?);
        let (before, behind) = slide.pads(axis, space.len())?;
        if extent == 0 || *kernel == 0 {
            return Err(SMALL);
        }
        let whole = match slide.keeps_size {
            true => extent.checked_mul(stride).ok_or(HUGE)?,
            false => {
                let moved = (extent - 1).checked_mul(stride).ok_or(HUGE)?;
                let reach = slide.reach(axis, signed(*kernel)?)?;
                let sum = moved.checked_add(reach).and_then(|sum| sum.checked_add(at(extra, axis, 0).ok()?));
                sum.ok_or(HUGE)? - before - behind
            }
        };
        shape.push(usize::try_from(whole).map_err(|_| SMALL)?);
    }
    let known = Known::shaped(shape)?;
    // One column of every filter's weights for each place of the picture, before they are added up.
    let columns =
        [filters].iter().chain(kernel).chain(space).try_fold(1_usize, |all, extent| all.checked_mul(*extent));
    let each = kernel.iter().copied().chain([filters]);
    Ok(Made { outputs: vec![known], work: multiplications(from.count(), each), room: columns.ok_or(HUGE)? })
}

/// `Resize`: by factors in the third input, or to extents in the fourth.
fn resized(inputs: &Inputs<'_>) -> Result<Known, Why> {
    let from = input(inputs, 0)?;
    let has = |index: usize| inputs.get(index).copied().flatten();
    let shape: Vec<usize> = match (has(2).filter(|scales| scales.count() > 0), has(3)) {
        (Some(scales), None) => {
            let scales = scales.floats().ok_or("the size of what it makes depends on data")?;
            if scales.len() != from.rank() {
                return Err(SHAPES);
            }
            from.shape()
                .iter()
                .zip(scales)
                .map(|(extent, scale)| scaled(*extent, *scale))
                .collect::<Result<_, _>>()?
        }
        (None, Some(_)) => whole(inputs, 3)?
            .iter()
            .map(|extent| usize::try_from(*extent).map_err(|_| "an extent is negative"))
            .collect::<Result<_, _>>()?,
        _ => return Err("either factors or extents are needed"),
    };
    if shape.len() == from.rank() { Known::shaped(shape) } else { Err(SHAPES) }
}

/// An extent by a factor, in the 32-bit floats that the engine computes it in.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "checked to be a number from 0 to 2^31, and rounded as the engine rounds it"
)]
fn scaled(extent: usize, scale: f32) -> Result<usize, Why> {
    let scaled = (extent as f32 * scale).floor();
    if (0.0..2_147_483_648.0).contains(&scaled) { Ok(scaled as usize) } else { Err(HUGE) }
}
