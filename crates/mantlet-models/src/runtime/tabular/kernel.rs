//! What a kernel is: one operator with its attributes checked and its constants laid out for speed.

use std::fmt;

use super::{
    margin::Margin,
    value::{Data, Shape, Value},
};

/// Why a kernel could not compute. Nothing here holds a caller's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An element type that the operator does not take.
    Type(&'static str),
    /// Extents that do not fit the operator or each other.
    Shape(&'static str),
    /// A value that the model does not know what to do with.
    Unknown(&'static str),
    /// Intermediate values beyond the bound of a run.
    TooLarge,
    /// More steps than anybody waits for.
    TooLong,
}

impl Fault {
    /// The reason as a fixed sentence.
    pub(crate) const fn why(self) -> &'static str {
        match self {
            Self::Type(why) | Self::Shape(why) | Self::Unknown(why) => why,
            Self::TooLarge => "the intermediate values are too large",
            Self::TooLong => "it takes too long",
        }
    }
}

/// Elements that all intermediate values of one run may have together: 512 MiB of floats. Without it, a small graph
/// that doubles its input forty times would exhaust memory.
pub(crate) const RUN_ELEMENTS_MAX: usize = 128 << 20;

/// One operator, ready to run.
pub(crate) trait Kernel: fmt::Debug + Send + Sync {
    /// Computes the outputs from the inputs.
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault>;

    /// Multiplications, comparisons or look-ups for one row, roughly.
    fn work(&self) -> u64 {
        1
    }

    /// Whether there is one data input, and each column of the one output depends on the same column of it alone.
    fn is_featurewise(&self) -> bool {
        false
    }

    /// Whether rows that are distributions already come out as they went in.
    fn keeps_distributions(&self) -> bool {
        false
    }

    /// The sums that the operator computes, if its scores are made of such and nothing else.
    fn margin(&self) -> Option<Margin> {
        None
    }
}

/// A node's inputs and outputs during a run.
pub(crate) struct Io<'r, 'a> {
    slots: &'r mut [Option<Value<'a>>],
    inputs: &'r [Option<usize>],
    outputs: &'r [Option<usize>],
    elements_left: &'r mut usize,
}

impl<'r, 'a> Io<'r, 'a> {
    /// The view of one node.
    pub(super) fn new(
        slots: &'r mut [Option<Value<'a>>],
        inputs: &'r [Option<usize>],
        outputs: &'r [Option<usize>],
        elements_left: &'r mut usize,
    ) -> Self {
        Self { slots, inputs, outputs, elements_left }
    }

    /// Number of inputs, those left out included.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs.len()
    }

    /// Input `index`, if it is given.
    pub(crate) fn optional(&self, index: usize) -> Option<&Value<'a>> {
        self.slots.get((*self.inputs.get(index)?)?)?.as_ref()
    }

    /// Input `index`.
    pub(crate) fn input(&self, index: usize) -> Result<&Value<'a>, Fault> {
        self.optional(index).ok_or(Fault::Shape("an input is missing"))
    }

    /// Reserves room for an intermediate value before it is made.
    pub(crate) fn charge(&mut self, elements: usize) -> Result<(), Fault> {
        *self.elements_left = self.elements_left.checked_sub(elements).ok_or(Fault::TooLarge)?;
        Ok(())
    }

    /// Sets output `index`; one that nobody named is dropped.
    pub(crate) fn set(&mut self, index: usize, shape: Shape, data: impl Into<Data<'a>>) -> Result<(), Fault> {
        self.put(index, Value::new(shape, data.into())?);
        Ok(())
    }

    /// Sets output `index` to a finished value.
    pub(crate) fn put(&mut self, index: usize, value: Value<'a>) {
        if let Some(Some(slot)) = self.outputs.get(index)
            && let Some(slot) = self.slots.get_mut(*slot)
        {
            *slot = Some(value);
        }
    }
}
