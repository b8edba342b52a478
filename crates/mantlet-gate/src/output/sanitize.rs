//! Sanitizing: what leaves is shaped by the contract's disclosure, after the decision.
//!
//! Fine digits and small probabilities are what model extraction and inversion feed on (Tramèr et al. 2016, Fredrikson
//! et al. 2015), and hardly what anybody else does.

use std::sync::Arc;

use mantlet_types::{
    Contract, Tensor, TensorData,
    contract::{Disclosure, Task},
};

use super::{Answer, RowAnswer, Value, Verdict};
use crate::{infer::Inference, input::half::Half, reviews::Settled};

/// Shapes what leaves.
pub(crate) fn sanitize(settled: Settled) -> Answer {
    let Verdict { inference, mut rows, .. } = settled.into_verdict();
    let Inference { admission, outputs: wanted, raw, .. } = inference;
    let contract = Arc::clone(admission.model().contract());
    let outputs = shape(&contract, &mut rows, raw.0, &wanted);
    Answer {
        contract,
        rows,
        outputs,
        candidate: admission.permit().is_candidate(),
        standing: admission.standing(),
    }
}

/// Selects the wanted outputs (all, if none is named) in the contract's order, and rounds and cuts them and the rows.
/// The outputs are those that [`decide`](super::decide) has left, in the contract's order.
#[must_use]
pub fn shape(
    contract: &Contract,
    rows: &mut [RowAnswer],
    outputs: Vec<Tensor>,
    wanted: &[Arc<str>],
) -> Vec<Tensor> {
    let Disclosure { decimals, top_k } = contract.disclosure;
    let rounding = Rounding::to(decimals);
    for row in rows.iter_mut() {
        rounding.row(row);
    }
    let top = match &contract.task {
        Task::Classify { labels, .. } => {
            top_k.filter(|k| *k < labels.len()).map(|k| Top { k, classes: labels.len() })
        }
        Task::Regress { .. } | Task::Opaque => None,
    };
    let mut leaving = Vec::with_capacity(outputs.len());
    for (mut tensor, spec) in outputs.into_iter().zip(&contract.outputs) {
        if !wanted.is_empty() && !wanted.contains(&spec.name) {
            continue;
        }
        if let Some(top) = &top {
            top.cut(&mut tensor, rows);
        }
        rounding.data(&mut tensor.data);
        tensor.name = Arc::clone(&spec.name);
        leaving.push(tensor);
    }
    leaving
}

/// So many decimals.
pub(crate) struct Rounding {
    scale: f64,
}

impl Rounding {
    pub(crate) fn to(decimals: u8) -> Self {
        Self { scale: f64::powi(10.0, i32::from(decimals)) }
    }

    /// The nearest number with so many decimals, halves away from zero; zero has no sign.
    pub(crate) fn round(&self, value: f64) -> f64 {
        let scaled = value * self.scale;
        // From 2^50 on, multiplying and dividing err by as much as rounding takes: all fifteen digits that a binary64
        // is good for are asked for, and left alone. An infinite product says nothing either.
        if scaled.abs() < 1_125_899_906_842_624.0 { scaled.round() / self.scale + 0.0 } else { value }
    }

    pub(super) fn row(&self, row: &mut RowAnswer) {
        if let Value::Number(number) = &mut row.result {
            *number = self.round(*number);
        }
        row.confidence = row.confidence.map(|confidence| self.round(confidence));
        row.interval = row.interval.map(|(low, high)| (self.round(low), self.round(high)));
    }

    fn data(&self, data: &mut TensorData) {
        match data {
            TensorData::Fp16(values) => {
                for bits in values {
                    *bits = Half::from_f64(self.round(Half(*bits).to_f64())).0;
                }
            }
            TensorData::Fp32(values) => {
                for value in values {
                    *value = self.round(f64::from(*value)) as f32;
                }
            }
            TensorData::Fp64(values) => {
                for value in values {
                    *value = self.round(*value);
                }
            }
            _ => {}
        }
    }
}

/// How many classes of a row stay visible.
struct Top {
    k: usize,
    classes: usize,
}

impl Top {
    /// Sets all but the k largest of every served row to zero, in each output that has a number per class: the
    /// members of an ensemble or the logits would tell what the probabilities no longer do.
    fn cut(&self, tensor: &mut Tensor, rows: &[RowAnswer]) {
        if tensor.shape.len() < 2 || tensor.shape.last() != Some(&self.classes) {
            return;
        }
        match &mut tensor.data {
            TensorData::Fp16(values) => self.cut_rows(values, rows, |bits| Half(bits).to_f64()),
            TensorData::Fp32(values) => self.cut_rows(values, rows, f64::from),
            TensorData::Fp64(values) => self.cut_rows(values, rows, |value| value),
            _ => {}
        }
    }

    fn cut_rows<T: Copy + Default>(&self, values: &mut [T], rows: &[RowAnswer], to: impl Fn(T) -> f64) {
        let width = (values.len() / rows.len().max(1)).max(1);
        let mut order: Vec<usize> = Vec::with_capacity(self.classes);
        for (row, answer) in values.chunks_mut(width).zip(rows) {
            // A withheld row holds the fallback, of which every number counts.
            if !answer.is_served() {
                continue;
            }
            for classes in row.chunks_mut(self.classes) {
                order.clear();
                order.extend(0..classes.len());
                // Stable, so that of equal numbers the first ones stay.
                order.sort_by(|a, b| {
                    let value = |index: &usize| classes.get(*index).map_or(f64::NAN, |value| to(*value));
                    value(b).total_cmp(&value(a))
                });
                for index in order.iter().skip(self.k) {
                    if let Some(value) = classes.get_mut(*index) {
                        *value = T::default();
                    }
                }
            }
        }
    }
}
