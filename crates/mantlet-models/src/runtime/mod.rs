//! Executes models in process, in memory-safe code alone.
//!
//! Two engines stand behind one [`Engine`]: [`tabular`] runs what scikit-learn, XGBoost and LightGBM export, [`neural`]
//! (rten) runs neural graphs. A graph gets the first engine that runs it whole, or is refused with the operator named.
//! A model is untrusted: whatever it does, an engine answers with an error, never with a panic, and never with more
//! memory than a bound allows. Nothing here knows who asks, or what an answer means.

mod neural;
mod probe;
mod tabular;

use std::panic::{AssertUnwindSafe, catch_unwind};

use mantlet_types::{Tensor, TensorSpec};
use prost::bytes::Bytes;

use crate::{
    onnx::{self, Domain, LoadError},
    package::Declared,
};

#[cfg(test)]
pub(crate) use self::tabular::Mode;
pub(crate) use self::tabular::{Exposed, Form, LinearForm, Link, Split, Target, TreesForm};
use self::{neural::Neural, tabular::Plan};

/// A model, ready to run. Immutable; runs may overlap.
#[derive(Debug)]
pub struct Engine {
    signature: Signature,
    executor: Executor,
}

/// The tensors that a model takes and gives, in the model's order. The batch extent is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Inputs.
    pub inputs: Vec<TensorSpec>,
    /// Outputs.
    pub outputs: Vec<TensorSpec>,
}

/// What one row costs, roughly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost {
    /// Multiplications or comparisons for one row; each takes about a nanosecond.
    pub work_per_row: u64,
}

/// Work that may run on a thread that also serves connections: some 50 µs, which no other request notices.
const INLINE_WORK_MAX: u64 = 50_000;

/// What one row is taken to cost elsewhere, which nobody here can know: a tenth of a millisecond.
const ELSEWHERE_WORK: u64 = 100_000;

impl Cost {
    /// Whether so many rows may run on a thread that also serves connections; otherwise they belong into a pool.
    #[must_use]
    pub fn is_inline(self, rows: usize) -> bool {
        self.work_per_row.saturating_mul(rows as u64) <= INLINE_WORK_MAX
    }
}

#[derive(Debug)]
enum Executor {
    Tabular(Plan),
    Neural(Box<Neural>),
    /// Nothing here: the gate asks it where it runs, and only its tensors are known.
    Elsewhere,
}

/// Why a run gave no answer. Holds names and fixed sentences, never a caller's value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// An input is not what the signature says.
    #[error("input `{name}`: {why}")]
    Input {
        /// The input's name.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// An operator could not compute.
    #[error("operator `{operator}`: {why}")]
    Operator {
        /// The operator.
        operator: String,
        /// What is wrong.
        why: &'static str,
        /// Whether it is a value that the model does not know what to do with, so that other rows may fare better.
        unknown_value: bool,
    },
    /// Nothing runs here.
    #[error("the model runs elsewhere")]
    Elsewhere,
    /// The model does not compute one of its outputs.
    #[error("an output was not computed")]
    Incomplete,
    /// The neural engine reports an error; its own words are kept for the log.
    #[error("the neural engine failed: {0}")]
    Neural(String),
    /// The engine failed in a way that it should not.
    #[error("the engine failed")]
    Panicked,
}

impl RunError {
    fn input(name: &str, fault: tabular::Fault) -> Self {
        Self::Input { name: name.into(), why: fault.why() }
    }

    fn operator(operator: &str, fault: tabular::Fault) -> Self {
        let unknown_value = matches!(fault, tabular::Fault::Unknown(_));
        Self::Operator { operator: operator.into(), why: fault.why(), unknown_value }
    }

    fn wrong_input(name: &str, why: &'static str) -> Self {
        Self::Input { name: name.into(), why }
    }
}

/// Does with hostile bytes what registration does: reads, compiles and tries the model. For tests and fuzzing.
///
/// # Errors
/// See [`LoadError`].
pub fn fuzz_load(bytes: &[u8]) -> Result<Signature, LoadError> {
    Engine::load(bytes).map(|engine| engine.signature)
}

impl Engine {
    /// Reads, compiles and tries a model. Only verified bytes should come here; the caller proves that.
    ///
    /// # Errors
    /// [`LoadError`] says what is wrong, naming the operator that no engine runs.
    pub fn load(bytes: &[u8]) -> Result<Self, LoadError> {
        Self::load_shared(&Bytes::copy_from_slice(bytes))
    }

    /// The same from bytes that need not be copied to be kept.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_shared(bytes: &Bytes) -> Result<Self, LoadError> {
        catch_unwind(AssertUnwindSafe(|| Self::load_unguarded(bytes))).unwrap_or(Err(LoadError::Panicked))
    }

    fn load_unguarded(bytes: &Bytes) -> Result<Self, LoadError> {
        let graph = onnx::read(bytes)?;
        let (inputs, outputs) = (graph.inputs.clone(), graph.outputs.clone());
        let neural_may_run = graph.nodes.iter().all(|node| node.domain == Domain::Onnx) && !graph.is_zipped;
        let executor = match Plan::compile(graph) {
            Ok(plan) => Executor::Tabular(plan),
            Err(refusal) if !neural_may_run => return Err(refusal),
            Err(refusal) => match Neural::load(bytes, &refusal) {
                Ok(neural) => Executor::Neural(Box::new(neural)),
                // Not known to the one engine, and wrongly used in the eyes of the other: the latter says more.
                Err(LoadError::Operator { .. }) if matches!(refusal, LoadError::Node { .. }) => {
                    return Err(refusal);
                }
                Err(error) => return Err(error),
            },
        };
        let signature = probe::signature(&executor, &inputs, &outputs)?;
        Ok(Self { signature, executor })
    }

    /// What stands for a model that runs elsewhere: its tensors as they are declared, and nothing that computes.
    pub(crate) fn elsewhere(declared: &Declared) -> Self {
        let (inputs, outputs) = (declared.inputs.clone(), declared.outputs.clone());
        Self { signature: Signature { inputs, outputs }, executor: Executor::Elsewhere }
    }

    /// Whether the model runs elsewhere.
    #[must_use]
    pub const fn is_elsewhere(&self) -> bool {
        matches!(self.executor, Executor::Elsewhere)
    }

    /// What the model takes and gives.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }

    /// What one row costs.
    #[must_use]
    pub const fn cost(&self) -> Cost {
        Cost { work_per_row: self.executor.work() }
    }

    /// The most rows, up to so many, that one run has room and time for; at least one. Tabular graphs are
    /// judged by one row.
    #[must_use]
    pub fn rows_max(&self, limit: usize) -> usize {
        match &self.executor {
            Executor::Tabular(plan) => probe::rows_max(plan, &self.signature.inputs, limit),
            Executor::Neural(neural) => neural.rows_max(limit),
            Executor::Elsewhere => limit,
        }
    }

    /// Which engine runs the model, for people: `tabular` or `neural`; `elsewhere` if none here.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self.executor {
            Executor::Tabular(_) => "tabular",
            Executor::Neural(_) => "neural",
            Executor::Elsewhere => "elsewhere",
        }
    }

    /// Runs the model. Inputs are matched by name; outputs come in the model's order.
    ///
    /// # Errors
    /// [`RunError`]; a panic inside is an error too.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, RunError> {
        let ordered = self.order(inputs)?;
        let results = self.executor.run(&ordered)?;
        let named = self.signature.outputs.iter().zip(results);
        Ok(named.map(|(spec, (shape, data))| Tensor { name: spec.name.clone(), shape, data }).collect())
    }

    /// The sums behind an output, where they can be told exactly feature by feature.
    pub(crate) fn exposed(&self, output: usize) -> Option<Exposed> {
        match &self.executor {
            Executor::Tabular(plan) => plan.exposed(output),
            Executor::Neural(_) | Executor::Elsewhere => None,
        }
    }

    /// The values that those sums are made of, row after row. The tensor must be the model's one input.
    pub(crate) fn prepared(&self, exposed: &Exposed, input: &Tensor) -> Result<Vec<f64>, RunError> {
        let Executor::Tabular(plan) = &self.executor else { return Err(RunError::Incomplete) };
        let prepare = || plan.prepared(exposed, input);
        let prepared = catch_unwind(AssertUnwindSafe(prepare)).map_err(|_| RunError::Panicked)?;
        prepared.map_err(|fault| RunError::input(&input.name, fault))
    }

    /// The inputs in the model's order, each checked against its specification.
    fn order<'a>(&self, inputs: &'a [Tensor]) -> Result<Vec<&'a Tensor>, RunError> {
        let specs = &self.signature.inputs;
        if let Some(extra) = inputs.iter().find(|input| specs.iter().all(|spec| spec.name != input.name)) {
            return Err(RunError::wrong_input(&extra.name, "the model has no such input"));
        }
        let mut ordered = Vec::with_capacity(specs.len());
        for (index, spec) in specs.iter().enumerate() {
            // Callers nearly always keep the order, which spares the search.
            let same = inputs.get(index).filter(|input| input.name == spec.name);
            let input = same
                .or_else(|| inputs.iter().find(|input| input.name == spec.name))
                .ok_or_else(|| RunError::wrong_input(&spec.name, "it is missing"))?;
            check(spec, input)?;
            ordered.push(input);
        }
        if inputs.len() == ordered.len() {
            Ok(ordered)
        } else {
            Err(RunError::wrong_input(&specs[0].name, "an input is given twice"))
        }
    }
}

fn check(spec: &TensorSpec, input: &Tensor) -> Result<(), RunError> {
    if input.data.datatype() != spec.datatype {
        return Err(RunError::wrong_input(&spec.name, "it has another data type"));
    }
    if !spec.admits(&input.shape) {
        return Err(RunError::wrong_input(&spec.name, "it has another shape"));
    }
    if !input.is_consistent() {
        return Err(RunError::wrong_input(&spec.name, "its data is not as long as its shape says"));
    }
    Ok(())
}

type Results = Vec<(Vec<usize>, mantlet_types::TensorData)>;

impl Executor {
    const fn work(&self) -> u64 {
        match self {
            Self::Tabular(plan) => plan.work(),
            Self::Neural(neural) => neural.work(),
            Self::Elsewhere => ELSEWHERE_WORK,
        }
    }

    fn run(&self, inputs: &[&Tensor]) -> Result<Results, RunError> {
        let run = || match self {
            Self::Tabular(plan) => plan.run(inputs),
            Self::Neural(neural) => neural.run(inputs),
            Self::Elsewhere => Err(RunError::Elsewhere),
        };
        // An engine has no state that a panic could leave half-changed.
        catch_unwind(AssertUnwindSafe(run)).unwrap_or(Err(RunError::Panicked))
    }
}
