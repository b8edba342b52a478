//! Rows as tensors, and mixtures of them: some features of one row, the others of another.

use std::ops::Range;

use mantlet_types::{Tensor, TensorData, contract::Layout, for_each_datatype};

use super::sampling::Mixture;

/// Background rows in the tensors that the model takes.
#[derive(Debug)]
pub(crate) struct Rows {
    tensors: Vec<Tensor>,
    features: usize,
    layout: Layout,
}

impl Rows {
    /// Rows of so many features; `None` if the tensors are not that in this layout.
    pub(crate) fn new(tensors: Vec<Tensor>, features: usize, layout: Layout) -> Option<Self> {
        let rows = Self { tensors, features, layout };
        let count = rows.count();
        (count > 0 && rows.are_consistent(&rows.tensors, count)).then_some(rows)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.tensors.first().and_then(|tensor| tensor.shape.first()).copied().unwrap_or(0)
    }

    /// Number of features.
    pub(crate) const fn features(&self) -> usize {
        self.features
    }

    /// The one tensor of them all, if the model takes one.
    pub(crate) fn matrix(&self) -> Option<&Tensor> {
        match (&self.tensors[..], self.layout) {
            ([tensor], Layout::Matrix) => Some(tensor),
            _ => None,
        }
    }

    /// Some of them.
    pub(crate) fn some(&self, rows: Range<usize>) -> Option<Vec<Tensor>> {
        self.tensors.iter().map(|tensor| slice(tensor, rows.clone())).collect()
    }

    /// Whether tensors hold so many rows like these.
    pub(crate) fn are_consistent(&self, tensors: &[Tensor], rows: usize) -> bool {
        let width = match self.layout {
            Layout::Matrix => self.features,
            Layout::Columns | Layout::Tensors => 1,
        };
        let inputs = match self.layout {
            Layout::Matrix => 1,
            Layout::Columns => self.features,
            Layout::Tensors => return false,
        };
        let like = |(tensor, own): (&Tensor, &Tensor)| {
            tensor.data.datatype() == own.data.datatype()
                && tensor.is_consistent()
                && tensor.data.len() == rows.saturating_mul(width)
        };
        tensors.len() == inputs && self.tensors.len() == inputs && tensors.iter().zip(&self.tensors).all(like)
    }

    /// One row for each mixture of `x`, a single row, with these.
    pub(crate) fn mix(&self, x: &[Tensor], mixtures: &[Mixture<'_>]) -> Vec<Tensor> {
        let mixed = |(input, (x, background)): (usize, (&Tensor, &Tensor))| {
            let width = if self.layout == Layout::Matrix { self.features } else { 1 };
            let places = mixtures.iter().flat_map(|mixture| {
                let first = if self.layout == Layout::Matrix { 0 } else { input };
                (0..width).map(move |column| {
                    let from_x = mixture.from_x.get(first + column).copied().unwrap_or(false);
                    if from_x { Err(column) } else { Ok(mixture.background_row * width + column) }
                })
            });
            let mut shape = x.shape.clone();
            if let Some(rows) = shape.first_mut() {
                *rows = mixtures.len();
            }
            Tensor { name: background.name.clone(), shape, data: pick(&x.data, &background.data, places) }
        };
        x.iter().zip(&self.tensors).enumerate().map(mixed).collect()
    }
}

/// Some rows of a tensor; `None` if it does not have them.
pub(crate) fn slice(tensor: &Tensor, rows: Range<usize>) -> Option<Tensor> {
    let count = *tensor.shape.first()?;
    let width = tensor.data.len().checked_div(count)?;
    let (start, end) = (rows.start.checked_mul(width)?, rows.end.checked_mul(width)?);
    macro_rules! sliced {
        ($($variant:ident),*) => {
            match &tensor.data {
                $(TensorData::$variant(values) => TensorData::$variant(values.get(start..end)?.to_vec()),)*
            }
        };
    }
    let data =
        sliced!(Bool, Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64, Fp16, Fp32, Fp64, Bytes);
    let mut shape = tensor.shape.clone();
    *shape.first_mut()? = rows.len();
    Some(Tensor { name: tensor.name.clone(), shape, data })
}

/// Elements of the background (`Ok`) and of x (`Err`), by index. Both are of one type.
fn pick(
    x: &TensorData,
    background: &TensorData,
    places: impl Iterator<Item = Result<usize, usize>>,
) -> TensorData {
    macro_rules! picked {
        ($($variant:ident),*) => {
            match (x, background) {
                $((TensorData::$variant(x), TensorData::$variant(background)) => {
                    let element = |place| match place {
                        Ok(index) => background.get(index),
                        Err(index) => x.get(index),
                    };
                    TensorData::$variant(places.filter_map(element).cloned().collect())
                })*
                // Not consistent, which was checked; what is missing then shows in the shape.
                (x, _) => x.clone(),
            }
        };
    }
    picked!(Bool, Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64, Fp16, Fp32, Fp64, Bytes)
}

/// Bytes that decide a sample: all elements of a row, in a form that two different rows do not share.
pub(crate) fn fingerprint(tensors: &[Tensor]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for tensor in tensors {
        for_each_datatype!(&tensor.data, values => for value in values {
            let text = format!("{value:?};");
            bytes.extend_from_slice(text.as_bytes());
        });
    }
    bytes
}
