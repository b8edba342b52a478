//! Neural graphs, run by rten: convolutions, attention, large matrices.
//!
//! rten is pure Rust, but not written for hostile models: loading and running are guarded against panics by the caller,
//! and what reaches it has passed the strict reader first. Integers are 32 bits wide inside: 64-bit inputs that do not
//! fit are rejected, and integer outputs are widened again. Each run uses one thread, so that requests share the
//! machine as the server decides.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use mantlet_types::{Tensor, TensorData};
use rten::{Model, NodeId, RunOptions, ThreadPool, Value, ValueOrView, ValueView};
use rten_tensor::{Layout, TensorView};

use crate::onnx::{ElementType, LoadError, Port};

use super::{Results, RunError};

/// A loaded neural graph.
pub(super) struct Neural {
    model: Model,
    inputs: Vec<NodeId>,
    outputs: Vec<(NodeId, ElementType)>,
    work: u64,
}

impl std::fmt::Debug for Neural {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Neural").field("model", &self.model).finish_non_exhaustive()
    }
}

impl Neural {
    /// Loads a model that the tabular engine refused; `refusal` says why, and is the answer if neither runs it.
    pub(super) fn load(
        bytes: &[u8],
        inputs: &[Port],
        outputs: &[Port],
        refusal: LoadError,
    ) -> Result<Self, LoadError> {
        let model = Model::load(bytes.to_vec()).map_err(|error| match error.kind() {
            // The operator that the tabular engine lacks is not always the one that rten lacks; rten names its own.
            rten::LoadErrorKind::OperatorInvalid => LoadError::Neural(error.to_string()),
            _ => refusal,
        })?;
        let id =
            |port: &Port| model.node_id(&port.name).map_err(|error| LoadError::Neural(error.to_string()));
        let inputs = inputs.iter().map(id).collect::<Result<_, _>>()?;
        let outputs = outputs
            .iter()
            .map(|port| {
                let fail =
                    || LoadError::Tensor { name: port.name.clone(), why: "its type cannot be served".into() };
                Ok((
                    id(port)?,
                    port.element.filter(|element| *element != ElementType::Text).ok_or_else(fail)?,
                ))
            })
            .collect::<Result<_, LoadError>>()?;
        // Each parameter takes part in one multiplication or more; convolutions use theirs many times.
        let work = (model.total_params() as u64).saturating_mul(4).max(100_000);
        Ok(Self { model, inputs, outputs, work })
    }

    /// Work units for one row.
    pub(super) const fn work(&self) -> u64 {
        self.work
    }

    /// Runs the graph.
    pub(super) fn run(&self, inputs: &[&Tensor]) -> Result<Results, RunError> {
        let mut values: Vec<(NodeId, ValueOrView<'_>)> = Vec::with_capacity(inputs.len());
        for (id, tensor) in self.inputs.iter().zip(inputs) {
            values.push((*id, input(tensor)?));
        }
        let ids: Vec<NodeId> = self.outputs.iter().map(|(id, _)| *id).collect();
        let options = RunOptions::default().with_thread_pool(Some(pool()));
        let results = self
            .model
            .run(values, &ids, Some(options))
            .map_err(|error| RunError::Neural(error.to_string()))?;
        results.into_iter().zip(&self.outputs).map(|(value, (_, element))| output(value, *element)).collect()
    }
}

/// A thread pool of one thread, from a shelf of one for each core, taken in turn.
fn pool() -> Arc<ThreadPool> {
    static SHELF: OnceLock<Vec<Arc<ThreadPool>>> = OnceLock::new();
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let shelf = SHELF.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(64));
        (0..cores).map(|_| Arc::new(ThreadPool::with_num_threads(1))).collect()
    });
    shelf[NEXT.fetch_add(1, Ordering::Relaxed) % shelf.len()].clone()
}

fn input(tensor: &Tensor) -> Result<ValueOrView<'_>, RunError> {
    let wrong = |why| RunError::wrong_input(&tensor.name, why);
    let narrow = |values: Option<Vec<i32>>| {
        let values = values.ok_or_else(|| wrong("an integer does not fit into 32 bits"))?;
        let value = Value::from_shape(tensor.shape.as_slice(), values);
        value.map(ValueOrView::from).map_err(|_| wrong("its shape is wrong"))
    };
    match &tensor.data {
        TensorData::Fp32(values) => view(tensor, values),
        TensorData::Int32(values) => view(tensor, values),
        TensorData::Int8(values) => view(tensor, values),
        TensorData::Uint8(values) => view(tensor, values),
        TensorData::Int64(values) => narrow(values.iter().map(|value| i32::try_from(*value).ok()).collect()),
        TensorData::Bool(values) => narrow(Some(values.iter().map(|value| i32::from(*value)).collect())),
        _ => Err(wrong("its data type cannot be used by this model")),
    }
}

/// A view of an input whose elements rten takes as they are.
fn view<'a, T>(tensor: &'a Tensor, values: &'a [T]) -> Result<ValueOrView<'a>, RunError>
where
    ValueView<'a>: From<TensorView<'a, T>>,
{
    let view = TensorView::try_from_data(tensor.shape.as_slice(), values);
    let view = view.map_err(|_| RunError::wrong_input(&tensor.name, "its shape is wrong"))?;
    Ok(ValueOrView::from(ValueView::from(view)))
}

/// The model's declared type, from the types that rten has.
fn output(value: Value, element: ElementType) -> Result<(Vec<usize>, TensorData), RunError> {
    let other = || RunError::Neural("an output has another type than declared".into());
    Ok(match (value, element) {
        (Value::FloatTensor(tensor), ElementType::F32) => {
            (tensor.shape().to_vec(), TensorData::Fp32(tensor.into_data()))
        }
        (Value::Int32Tensor(tensor), element) => {
            let shape = tensor.shape().to_vec();
            let values = tensor.into_data();
            let data = match element {
                ElementType::I32 => TensorData::Int32(values),
                ElementType::I64 => TensorData::Int64(values.into_iter().map(i64::from).collect()),
                ElementType::Bool => TensorData::Bool(values.into_iter().map(|value| value != 0).collect()),
                _ => return Err(other()),
            };
            (shape, data)
        }
        (Value::Int8Tensor(tensor), ElementType::I8) => {
            (tensor.shape().to_vec(), TensorData::Int8(tensor.into_data()))
        }
        (Value::UInt8Tensor(tensor), ElementType::U8) => {
            (tensor.shape().to_vec(), TensorData::Uint8(tensor.into_data()))
        }
        _ => return Err(other()),
    })
}
