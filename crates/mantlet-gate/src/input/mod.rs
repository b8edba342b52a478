//! Input: what the model's contract does not describe does not reach the model.

mod alike;
mod columns;
mod exam;
pub(crate) mod half;
mod lookup;
mod number;
mod pair;
mod screen;
mod tabular;
mod tensors;
mod text;
mod validate;

use std::sync::Arc;

use mantlet_types::Tensor;

pub(crate) use exam::{ScreenedExam, screen_exam, validate_exam};
pub use exam::{Taken, take};
pub(crate) use pair::{ScreenedPair, screen_pair, validate_pair};
pub use screen::remarks;
pub(crate) use screen::screen;
pub use validate::{Checked, check};
pub(crate) use validate::{validate, validate_one};

use crate::perimeter::Admission;

/// A request that fits the contract: the proof that validation took place.
pub struct Valid {
    admission: Admission,
    rows: usize,
    outputs: Vec<Arc<str>>,
    tensors: Vec<Tensor>,
}

/// A valid request that the screen has looked at.
pub struct Screened {
    valid: Valid,
}

impl Screened {
    /// The same row once more, for what explains its answer.
    pub(crate) fn row(&self) -> Vec<Tensor> {
        self.valid.tensors.clone()
    }

    pub(crate) fn admission_mut(&mut self) -> &mut Admission {
        &mut self.valid.admission
    }

    /// Admission, number of rows, outputs asked for, tensors in the contract's order.
    pub(crate) fn into_parts(self) -> (Admission, usize, Vec<Arc<str>>, Vec<Tensor>) {
        let Valid { admission, rows, outputs, tensors } = self.valid;
        (admission, rows, outputs, tensors)
    }
}

#[cfg(test)]
mod tests;
