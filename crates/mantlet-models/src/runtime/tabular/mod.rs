//! The engine for tabular graphs: what scikit-learn, XGBoost and LightGBM models are exported as.
//!
//! A graph is compiled at load into a flat list of kernels over numbered slots; a run allocates one slot table and the
//! values themselves, looks nothing up by name and cannot panic. Results agree with onnxruntime: float32 arithmetic,
//! the same order of sums where it matters, the same choices where the standard is silent.

mod kernel;
mod kernels;
mod margin;
mod value;

use mantlet_types::{Tensor, TensorData};

use crate::onnx::{Array, Constant, Graph, LoadError, Node, ValueId};

#[cfg(test)]
pub(crate) use self::kernels::trees::Mode;
pub(super) use self::{
    kernel::{Fault, RUN_ELEMENTS_MAX},
    kernels::constant,
};
use self::{
    kernel::{Io, Kernel},
    value::Value,
};
pub(crate) use self::{
    kernels::trees::{Split, Target},
    margin::{Exposed, Form, LinearForm, Link, TreesForm},
};
use super::RunError;

/// A compiled graph.
#[derive(Debug)]
pub(super) struct Plan {
    steps: Vec<Step>,
    constants: Vec<(ValueId, Array)>,
    inputs: Vec<ValueId>,
    outputs: Vec<ValueId>,
    slots: usize,
    work: u64,
}

/// One kernel and the slots that it reads and writes.
#[derive(Debug)]
struct Step {
    kernel: Box<dyn Kernel>,
    operator: Box<str>,
    inputs: Vec<Option<ValueId>>,
    outputs: Vec<Option<ValueId>>,
    /// Slots that nobody reads after this step.
    done: Vec<ValueId>,
}

impl Plan {
    /// Compiles the graph.
    ///
    /// # Errors
    /// [`LoadError::Operator`] names the first operator that this engine does not run.
    pub(super) fn compile(graph: Graph) -> Result<Self, LoadError> {
        let mut aliases: Vec<ValueId> = (0..graph.values).collect();
        let mut constants = Vec::with_capacity(graph.constants.len());
        for (id, constant) in graph.constants {
            let Constant::Array(array) = constant else {
                return Err(LoadError::Unsupported("constants of this element type"));
            };
            constants.push((id, array));
        }
        let mut steps = Vec::with_capacity(graph.nodes.len());
        for mut node in graph.nodes {
            resolve(&mut node.inputs, &aliases);
            if let Some((from, to)) = kernels::alias(&mut node)? {
                aliases[to] = from;
            } else if let Some(array) = kernels::constant(&mut node)? {
                let id = only_output(&node)?;
                constants.push((id, array));
            } else {
                steps.push(step(node)?);
            }
        }
        let outputs: Vec<ValueId> = graph.outputs.iter().map(|port| aliases[port.value]).collect();
        steps = needed(steps, &outputs);
        release(&mut steps, &outputs);
        let work = steps.iter().map(|step| step.kernel.work()).fold(0, u64::saturating_add);
        let inputs = graph.inputs.iter().map(|port| port.value).collect();
        Ok(Self { steps, constants, inputs, outputs, slots: graph.values, work })
    }

    /// Work units for one row.
    pub(super) const fn work(&self) -> u64 {
        self.work
    }

    /// Runs the graph on inputs in the graph's order; gives shapes and elements in the order of its outputs.
    pub(super) fn run<'a>(
        &'a self,
        inputs: &[&'a Tensor],
    ) -> Result<Vec<(Vec<usize>, TensorData)>, RunError> {
        let mut left = RUN_ELEMENTS_MAX;
        self.run_within(inputs, &mut left)
    }

    /// Elements that a run on these inputs takes in between; `None` if it fails.
    pub(super) fn elements(&self, inputs: &[&Tensor]) -> Option<usize> {
        let mut left = RUN_ELEMENTS_MAX;
        self.run_within(inputs, &mut left).ok()?;
        Some(RUN_ELEMENTS_MAX - left)
    }

    fn run_within<'a>(
        &'a self,
        inputs: &[&'a Tensor],
        elements_left: &mut usize,
    ) -> Result<Vec<(Vec<usize>, TensorData)>, RunError> {
        let mut slots: Vec<Option<Value<'a>>> = Vec::new();
        slots.resize_with(self.slots, || None);
        for (id, tensor) in self.inputs.iter().zip(inputs) {
            let value = Value::input(&tensor.shape, &tensor.data)
                .map_err(|fault| RunError::input(&tensor.name, fault));
            slots[*id] = Some(value?);
        }
        for (id, array) in &self.constants {
            slots[*id] = Some(Value::constant(array).map_err(|fault| RunError::operator("Constant", fault))?);
        }
        for step in &self.steps {
            let mut io = Io::new(&mut slots, &step.inputs, &step.outputs, elements_left);
            step.kernel.run(&mut io).map_err(|fault| RunError::operator(&step.operator, fault))?;
            for id in &step.done {
                slots[*id] = None;
            }
        }
        self.answer(slots)
    }

    fn answer(&self, mut slots: Vec<Option<Value<'_>>>) -> Result<Vec<(Vec<usize>, TensorData)>, RunError> {
        let mut answer = Vec::with_capacity(self.outputs.len());
        for (index, id) in self.outputs.iter().enumerate() {
            let again = self.outputs[index + 1..].contains(id);
            let value = if again { slots[*id].clone() } else { slots[*id].take() };
            answer.push(value.ok_or(RunError::Incomplete)?.into_output());
        }
        Ok(answer)
    }
}

fn resolve(inputs: &mut [Option<ValueId>], aliases: &[ValueId]) {
    for id in inputs.iter_mut().flatten() {
        *id = aliases[*id];
    }
}

fn only_output(node: &Node) -> Result<ValueId, LoadError> {
    match node.outputs[..] {
        [Some(id)] => Ok(id),
        _ => Err(node.attributes.error("one output is needed")),
    }
}

fn step(mut node: Node) -> Result<Step, LoadError> {
    let kernel = kernels::compile(&mut node)?;
    node.attributes.finish()?;
    Ok(Step {
        kernel,
        operator: node.operator.into_boxed_str(),
        inputs: node.inputs,
        outputs: node.outputs,
        done: Vec::new(),
    })
}

/// Drops steps whose results nobody uses.
fn needed(steps: Vec<Step>, outputs: &[ValueId]) -> Vec<Step> {
    let mut used: std::collections::HashSet<ValueId> = outputs.iter().copied().collect();
    let mut kept: Vec<Step> = Vec::with_capacity(steps.len());
    for step in steps.into_iter().rev() {
        if step.outputs.iter().flatten().any(|id| used.contains(id)) {
            used.extend(step.inputs.iter().flatten());
            kept.push(step);
        }
    }
    kept.reverse();
    kept
}

/// Notes for each step which slots are read for the last time, so that large values do not pile up.
fn release(steps: &mut [Step], outputs: &[ValueId]) {
    let mut seen: std::collections::HashSet<ValueId> = outputs.iter().copied().collect();
    for step in steps.iter_mut().rev() {
        let ids = step.inputs.iter().chain(&step.outputs).flatten();
        step.done = ids.filter(|id| seen.insert(**id)).copied().collect();
    }
}
