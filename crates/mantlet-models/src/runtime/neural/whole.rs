//! Arithmetic on whole numbers that may decide a size later, as exporters of neural graphs compute shapes.

use super::{
    known::{Known, Why, broadcast},
    rule::{Inputs, input},
};

/// What is computed element by element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    /// Sums.
    Add,
    /// Differences.
    Sub,
    /// Products.
    Mul,
    /// Quotients, cut.
    Div,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// 1 where equal.
    Equal,
    /// A choice by the first input between the other two.
    Where,
    /// Something whose elements are not followed.
    Unknown,
}

impl Arithmetic {
    /// The result: its shape, and its elements if those of all inputs are known.
    pub(super) fn make(self, inputs: &Inputs<'_>) -> Result<Known, Why> {
        let mut shape = input(inputs, 0)?.shape().to_vec();
        for index in 1..inputs.len() {
            shape = broadcast(&shape, input(inputs, index)?.shape())?;
        }
        let known = Known::shaped(shape)?;
        let elements = self.elements(inputs, known.shape(), known.count());
        Ok(known.with(elements))
    }

    fn elements(self, inputs: &Inputs<'_>, shape: &[usize], count: usize) -> Option<Vec<i32>> {
        // More than one dimension never decides a size here, and would need strides.
        if self == Self::Unknown || shape.len() > 1 || count > super::known::FOLLOWED_MAX {
            return None;
        }
        let lists: Vec<&[i32]> =
            inputs.iter().map(|known| known.and_then(Known::whole)).collect::<Option<_>>()?;
        let at = |list: usize, index: usize| {
            let list = lists.get(list)?;
            list.get(if list.len() == 1 { 0 } else { index }).copied()
        };
        (0..count)
            .map(|index| match self {
                Self::Where => at(if at(0, index)? == 0 { 2 } else { 1 }, index),
                _ => (1..lists.len()).try_fold(at(0, index)?, |left, list| self.pair(left, at(list, index)?)),
            })
            .collect()
    }

    /// One element; `None` where the engine's 32 bits would not do.
    fn pair(self, left: i32, right: i32) -> Option<i32> {
        match self {
            Self::Add => left.checked_add(right),
            Self::Sub => left.checked_sub(right),
            Self::Mul => left.checked_mul(right),
            Self::Div => left.checked_div(right),
            Self::Min => Some(left.min(right)),
            Self::Max => Some(left.max(right)),
            Self::Equal => Some(i32::from(left == right)),
            Self::Where | Self::Unknown => None,
        }
    }
}
