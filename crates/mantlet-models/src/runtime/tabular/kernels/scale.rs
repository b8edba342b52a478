//! Column-wise preparation: `Scaler`.

use crate::onnx::Node;

use super::{
    super::{
        kernel::{Fault, Io, Kernel},
        value::Data,
    },
    Built,
};

/// (x - offset) · scale, for each column or with one pair for all.
#[derive(Debug)]
struct Scaler {
    offset: Vec<f32>,
    scale: Vec<f32>,
}

/// Makes a `Scaler`.
pub(super) fn scaler(node: &mut Node) -> Built {
    let offset = node.attributes.floats("offset")?;
    let scale = node.attributes.floats("scale")?;
    if offset.is_empty() || offset.len() != scale.len() {
        return Err(node.attributes.error("offset and scale must be given with equal lengths"));
    }
    Ok(Box::new(Scaler { offset, scale }))
}

impl Kernel for Scaler {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let count = io.input(0)?.len();
        io.charge(count)?;
        let input = io.input(0)?;
        let shape = input.shape();
        let columns = *shape.extents().last().ok_or(Fault::Shape("a matrix is needed"))?;
        let values = input.floats()?;
        let scaled: Vec<f32> = match (&self.offset[..], &self.scale[..]) {
            ([offset], [scale]) => values.iter().map(|value| (value - offset) * scale).collect(),
            (offset, scale) if offset.len() == columns => {
                let mut scaled = Vec::with_capacity(values.len());
                for row in values.chunks_exact(columns) {
                    let pairs = offset.iter().zip(scale);
                    scaled.extend(row.iter().zip(pairs).map(|(value, (offset, scale))| (value - offset) * scale));
                }
                scaled
            }
            _ => return Err(Fault::Shape("the number of columns is not that of the scaler")),
        };
        io.set(0, shape, Data::from(scaled))
    }

    fn work(&self) -> u64 {
        self.offset.len() as u64
    }
}
