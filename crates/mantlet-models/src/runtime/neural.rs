//! Neural graphs, run by rten: convolutions, attention, large matrices.
//!
//! rten is pure Rust, but not written for hostile models. Loading and running are guarded against panics by the caller;
//! it is given a file written anew from what the strict reader understood, with the operators of [`rule`] and no other;
//! and since nothing bounds its memory, [`sizes`] sizes every value before it loads, and again before each run, for the
//! shapes that are about to be run. Integers are 32 bits wide inside: 64-bit inputs that do not
//! fit are rejected, and integer outputs are widened again. Each run uses one thread, so that requests share the
//! machine as the server decides.

mod form;
mod known;
mod product;
mod rule;
mod sizes;
#[cfg(test)]
mod tests;
mod whole;
mod window;

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use mantlet_types::{Tensor, TensorData};
use prost::bytes::Bytes;
use rten::{
    Model, ModelOptions, NodeId, RunOptions, ShapeInferenceMode, ThreadPool, Value, ValueOrView, ValueView,
};
use rten_tensor::{Layout, TensorView};

use crate::onnx::{self, ElementType, LoadError, Port};

use self::sizes::{Excess, Needs, Sizes};
use super::{Results, RunError};

/// Extents to try in the place of those that the model leaves open beside the batch: lengths of sentences, sides of
/// pictures. One must do, or the model is taken for one that cannot run.
const OPEN_EXTENTS: [usize; 5] = [1, 2, 8, 32, 224];

/// Shapes whose extents are not all known, one for each input.
type Shapes = Vec<Vec<Option<usize>>>;

/// A loaded neural graph.
pub(super) struct Neural {
    model: Model,
    sizes: Sizes,
    /// The inputs' shapes, with what is left open beside the batch filled in.
    typical: Shapes,
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
    pub(super) fn load(bytes: &Bytes, refusal: &LoadError) -> Result<Self, LoadError> {
        let (graph, canonical) = onnx::read_canonical(bytes)?;
        let (inputs, outputs) = (graph.inputs.clone(), graph.outputs.clone());
        let sizes = Sizes::new(graph)?;
        // INVARIANT (sized): nothing reaches the engine before every size is known to be within bounds.
        let (typical, needs) = typical(&sizes, &inputs)?;
        let mut options = ModelOptions::with_ops(rule::registry());
        // It would compute with sizes, too, in ways that nobody checked.
        options.shape_inference(ShapeInferenceMode::Off);
        let model = options.load(canonical).map_err(|error| match error.kind() {
            // The operator that the tabular engine lacks is not always the one that rten lacks; rten names its own.
            rten::LoadErrorKind::OperatorInvalid => LoadError::Neural(error.to_string()),
            _ => refusal.clone(),
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
        // Even the smallest graph takes its time, and belongs into a pool.
        let work = needs.work.max(100_000);
        Ok(Self { model, sizes, typical, inputs, outputs, work })
    }

    /// Work units for one row.
    pub(super) const fn work(&self) -> u64 {
        self.work
    }

    /// The most rows, up to so many, that one run has room and time for; at least one.
    pub(super) fn rows_max(&self, limit: usize) -> usize {
        let limit = limit.max(1);
        let is_enough = |rows: usize| {
            let shapes: Vec<Vec<usize>> = self.typical.iter().map(|shape| filled(shape, rows, 1)).collect();
            self.needs(&shapes).is_ok()
        };
        // Nearly every model has room for all of them.
        if is_enough(limit) {
            return limit;
        }
        let (mut most, mut beyond) = (1, limit);
        while beyond - most > 1 {
            let rows = most.midpoint(beyond);
            if is_enough(rows) { most = rows } else { beyond = rows }
        }
        most
    }

    fn needs(&self, shapes: &[Vec<usize>]) -> Result<Needs, Excess<'_>> {
        self.sizes.needs(&shapes.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    /// Runs the graph, if there is room and time for it on inputs of these shapes.
    pub(super) fn run(&self, inputs: &[&Tensor]) -> Result<Results, RunError> {
        let shapes: Vec<&[usize]> = inputs.iter().map(|input| input.shape.as_slice()).collect();
        let needs = self.sizes.needs(&shapes).map_err(|excess| RunError::Operator {
            operator: excess.operator.into(),
            why: excess.why,
            unknown_value: false,
        })?;
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
        // The sizes told are those that came to be, or nothing that was told can be relied on.
        let as_told = results.len() == needs.outputs.len()
            && results
                .iter()
                .zip(&needs.outputs)
                .all(|(value, shape)| value.shape().as_slice() == shape.as_slice());
        if !as_told {
            let made: Vec<_> = results.iter().map(Value::shape).collect();
            let why = format!("an output has another shape than was told: {made:?}, {:?}", needs.outputs);
            return Err(RunError::Neural(why));
        }
        results.into_iter().zip(&self.outputs).map(|(value, (_, element))| output(value, *element)).collect()
    }
}

/// Shapes with which the graph can be sized, and what one row then needs.
fn typical(sizes: &Sizes, inputs: &[Port]) -> Result<(Shapes, Needs), LoadError> {
    let unknown =
        |port: &Port| LoadError::Tensor { name: port.name.clone(), why: "its rank is unknown".into() };
    let open: Shapes = inputs
        .iter()
        .map(|port| port.shape.clone().ok_or_else(|| unknown(port)))
        .collect::<Result<_, _>>()?;
    let mut refusal = None;
    for extent in OPEN_EXTENTS {
        let shapes: Vec<Vec<usize>> = open.iter().map(|shape| filled(shape, 1, extent)).collect();
        match sizes.needs(&shapes.iter().map(Vec::as_slice).collect::<Vec<_>>()) {
            Ok(needs) => {
                let closed = |shape: &Vec<Option<usize>>| {
                    let extents = shape.iter().enumerate();
                    extents.map(|(axis, own)| own.or((axis > 0).then_some(extent))).collect()
                };
                return Ok((open.iter().map(closed).collect(), needs));
            }
            Err(excess) => refusal = refusal.or_else(|| Some(LoadError::from(excess))),
        }
    }
    Err(refusal.unwrap_or(LoadError::Unsupported("open extents")))
}

/// A shape with its open extents filled in.
fn filled(shape: &[Option<usize>], rows: usize, extent: usize) -> Vec<usize> {
    let extents = shape.iter().enumerate();
    extents.map(|(axis, own)| own.unwrap_or(if axis == 0 { rows } else { extent })).collect()
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
