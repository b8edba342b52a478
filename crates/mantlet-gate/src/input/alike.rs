//! Which rows of an evaluation are the same question to the model.
//!
//! Figures over many rows say nothing about one of them only if they are many: thirty copies of one row are one row. Rows
//! are told apart by what the model gets, so that another spelling of a number, or digits beyond its type, make no other row.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, Hasher, RandomState},
    ops::Range,
};

use mantlet_types::{Tensor, TensorData};

/// The rows seen so far. Told apart by 64 bits of SipHash under a key of this process and this evaluation (Aumasson and
/// Bernstein 2012): two rows that fall together, which nobody can bring about, would be counted as one and not as more.
#[derive(Default)]
pub(super) struct Seen {
    keyed: RandomState,
    rows: HashMap<u64, u32>,
}

impl Seen {
    /// A number for each row of a batch: the same for rows that are the same, of all batches, from 0.
    pub(super) fn number(&mut self, tensors: &[Tensor], rows: usize) -> Vec<u32> {
        (0..rows).map(|row| self.number_of(tensors, row, rows)).collect()
    }

    fn number_of(&mut self, tensors: &[Tensor], row: usize, rows: usize) -> u32 {
        let mut state = self.keyed.build_hasher();
        for tensor in tensors {
            let width = tensor.data.len().checked_div(rows).unwrap_or(0);
            let from = row.saturating_mul(width);
            hash(&tensor.data, from..from.saturating_add(width), &mut state);
        }
        let next = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        *self.rows.entry(state.finish()).or_insert(next)
    }
}

fn hash(data: &TensorData, row: Range<usize>, state: &mut impl Hasher) {
    match data {
        TensorData::Bool(values) => values.get(row).hash(state),
        TensorData::Uint8(values) => values.get(row).hash(state),
        TensorData::Uint16(values) => values.get(row).hash(state),
        TensorData::Uint32(values) => values.get(row).hash(state),
        TensorData::Uint64(values) => values.get(row).hash(state),
        TensorData::Int8(values) => values.get(row).hash(state),
        TensorData::Int16(values) => values.get(row).hash(state),
        TensorData::Int32(values) => values.get(row).hash(state),
        TensorData::Int64(values) => values.get(row).hash(state),
        TensorData::Bytes(values) => values.get(row).hash(state),
        // Both zeros are one number, and whatever is none is missing.
        TensorData::Fp16(values) => {
            let zeroless = |bits: &u16| if *bits == 0x8000 { 0 } else { *bits };
            values.get(row).into_iter().flatten().for_each(|bits| zeroless(bits).hash(state));
        }
        TensorData::Fp32(values) => {
            values.get(row).into_iter().flatten().for_each(|value| bits(f64::from(*value)).hash(state));
        }
        TensorData::Fp64(values) => {
            values.get(row).into_iter().flatten().for_each(|value| bits(*value).hash(state));
        }
    }
}

fn bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(data: TensorData, shape: &[usize]) -> Tensor {
        Tensor { name: "x".into(), shape: shape.to_vec(), data }
    }

    #[test]
    fn rows_are_the_same_if_the_model_cannot_tell_them_apart() {
        let mut seen = Seen::default();
        let numbers = TensorData::Fp32(vec![0.0, 1.0, -0.0, 1.0, 0.0, 2.0, f32::NAN, 1.0, -f32::NAN, 1.0]);
        let texts = |row: &str| vec![row.as_bytes().to_vec(); 5];
        let batch =
            |text: &str| [tensor(numbers.clone(), &[5, 2]), tensor(TensorData::Bytes(texts(text)), &[5, 1])];
        assert_eq!(seen.number(&batch("a"), 5), [0, 0, 1, 2, 2]);
        assert_eq!(seen.number(&batch("b"), 5), [3, 3, 4, 5, 5], "every input counts");
        assert_eq!(seen.number(&batch("a"), 5), [0, 0, 1, 2, 2], "a row of an earlier batch is the same row");
        assert!(seen.number(&[], 0).is_empty());
    }
}
