//! Taking a guess out of the outputs: a withheld row holds the fallback in every tensor, whatever the model said.

use mantlet_types::{
    Contract, Tensor, TensorData,
    contract::{Fallback, Label, Task},
};

use super::RowAnswer;
use crate::input::half::Half;

/// Replaces the rows of every output that are not served.
pub(super) fn withhold(contract: &Contract, outputs: &mut [Tensor], answers: &[RowAnswer]) {
    if answers.iter().all(RowAnswer::is_served) {
        return;
    }
    let labels = match &contract.task {
        Task::Classify { label: Some(label), labels, .. } => Some((*label, labels.as_slice())),
        _ => None,
    };
    for (index, output) in outputs.iter_mut().enumerate() {
        let taken = labels.filter(|(label, _)| *label == index).map_or(&[][..], |(_, labels)| labels);
        fill(&mut output.data, answers, &Filler { fallback: &contract.judgment.fallback, taken });
    }
}

/// What stands in a withheld row.
struct Filler<'a> {
    fallback: &'a Fallback,
    /// For the label output: the classes, none of which may seem to be answered.
    taken: &'a [Label],
}

impl Filler<'_> {
    fn float(&self) -> f64 {
        self.fallback.number.filter(|number| number.is_finite()).unwrap_or(0.0)
    }

    /// The configured number if it is of the type, else the first of these that is no class. A configured number
    /// may be a class: an operator may state which class is the safe one.
    fn integer<T: TryFrom<i64> + Copy>(&self, defaults: [T; 3]) -> T
    where
        i64: TryFrom<T>,
    {
        let configured = self.fallback.number.filter(|number| number.trunc() == *number);
        // A cast saturates, and only what comes back equal was in range.
        let configured = configured.map(|number| (number as i64, number));
        let exact = configured.filter(|(integer, number)| *integer as f64 == *number);
        if let Some(value) = exact.and_then(|(integer, _)| T::try_from(integer).ok()) {
            return value;
        }
        let free = |value: &T| {
            let value = i64::try_from(*value).ok();
            value.is_none() || !self.taken.iter().any(|label| label.number == value)
        };
        defaults.into_iter().find(free).unwrap_or(defaults[0])
    }
}

fn fill(data: &mut TensorData, answers: &[RowAnswer], filler: &Filler<'_>) {
    match data {
        TensorData::Bool(values) => rows(values, answers, &false),
        TensorData::Uint8(values) => rows(values, answers, &filler.integer([0, u8::MAX, u8::MAX - 1])),
        TensorData::Uint16(values) => rows(values, answers, &filler.integer([0, u16::MAX, u16::MAX - 1])),
        TensorData::Uint32(values) => rows(values, answers, &filler.integer([0, u32::MAX, u32::MAX - 1])),
        TensorData::Uint64(values) => rows(values, answers, &filler.integer([0, u64::MAX, u64::MAX - 1])),
        TensorData::Int8(values) => rows(values, answers, &filler.integer([-1, i8::MIN, i8::MAX])),
        TensorData::Int16(values) => rows(values, answers, &filler.integer([-1, i16::MIN, i16::MAX])),
        TensorData::Int32(values) => rows(values, answers, &filler.integer([-1, i32::MIN, i32::MAX])),
        TensorData::Int64(values) => rows(values, answers, &filler.integer([-1, i64::MIN, i64::MAX])),
        TensorData::Fp16(values) => {
            let filler = Half::from_f64(filler.float());
            rows(values, answers, &(if filler.is_finite() { filler.0 } else { 0 }));
        }
        TensorData::Fp32(values) => {
            let filler = filler.float() as f32;
            rows(values, answers, &(if filler.is_finite() { filler } else { 0.0 }));
        }
        TensorData::Fp64(values) => rows(values, answers, &filler.float()),
        TensorData::Bytes(values) => rows(values, answers, &filler.fallback.result.as_bytes().to_vec()),
    }
}

fn rows<T: Clone>(values: &mut [T], answers: &[RowAnswer], filler: &T) {
    let width = values.len() / answers.len().max(1);
    if width == 0 {
        return;
    }
    for (row, answer) in values.chunks_exact_mut(width).zip(answers) {
        if !answer.is_served() {
            row.fill(filler.clone());
        }
    }
}
