//! The size of everything that a graph makes, told before the graph is run or even handed to the engine.
//!
//! The neural engine allocates whatever a graph asks for, and memory that cannot be had ends the process. So each
//! operator's outputs are sized first, by rules of our own, for the very shapes that will be run; a graph beyond the
//! bounds, or whose sizes only its data would tell, is refused. What depends on constants alone may be computed by the
//! engine while it loads the graph, and is kept for good, which is why it has a bound of its own.

use crate::onnx::{Constant, Graph, LoadError, ValueId};

use super::{
    super::tabular::{self, RUN_ELEMENTS_MAX},
    known::{Known, Why},
    rule::{self, Rule},
};

/// Elements that the engine may compute from constants while loading, beyond as many as the file itself has: 64 MiB.
/// Exporters leave shapes, masks and tables of positions to be computed.
const FOLDED_ELEMENTS_MAX: usize = 16 << 20;

/// Work of one run, in nanoseconds or so: ten seconds, after which nobody waits for the answer any more.
const WORK_MAX: u64 = 10_000_000_000;

/// Nodes: the engine's planning takes time that grows with their square. A large transformer has some thousands.
const NODES_MAX: usize = 10_000;

/// Nodes one after another: the engine plans by recursion, and a thread's stack is small. Large transformers have 24
/// layers of some fifty operators each.
const DEPTH_MAX: usize = 2_000;

/// A graph, as far as sizes go.
#[derive(Debug)]
pub(super) struct Sizes {
    steps: Vec<Step>,
    constants: Vec<(ValueId, Known)>,
    inputs: Vec<ValueId>,
    outputs: Vec<ValueId>,
    values: usize,
    folded_max: usize,
}

#[derive(Debug)]
struct Step {
    rule: Rule,
    node: Box<str>,
    operator: Box<str>,
    inputs: Vec<Option<ValueId>>,
    outputs: Vec<Option<ValueId>>,
    /// The inputs that this step alone reads, and which are gone after it.
    last_use: Vec<ValueId>,
    is_folded: bool,
}

/// What one run takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Needs {
    /// Elements of all values that may be there at a time.
    pub(super) elements: usize,
    /// Nanoseconds, or so.
    pub(super) work: u64,
    /// Shapes of the outputs.
    pub(super) outputs: Vec<Vec<usize>>,
}

/// Why a graph is not run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excess<'s> {
    /// The node's name.
    pub(super) node: &'s str,
    /// Its operator.
    pub(super) operator: &'s str,
    /// What is wrong.
    pub(super) why: Why,
}

impl From<Excess<'_>> for LoadError {
    fn from(excess: Excess<'_>) -> Self {
        Self::Node { node: excess.node.into(), operator: excess.operator.into(), why: excess.why.into() }
    }
}

impl Sizes {
    /// Reads a graph.
    ///
    /// # Errors
    /// An operator without a rule, or a graph that is too long for the engine.
    pub(super) fn new(graph: Graph) -> Result<Self, LoadError> {
        if graph.nodes.len() > NODES_MAX {
            return Err(LoadError::TooLarge { what: "nodes for a neural graph", max: NODES_MAX });
        }
        let mut sizes = Self {
            steps: Vec::with_capacity(graph.nodes.len()),
            constants: Vec::with_capacity(graph.constants.len()),
            inputs: graph.inputs.iter().map(|port| port.value).collect(),
            outputs: graph.outputs.iter().map(|port| port.value).collect(),
            values: graph.values,
            folded_max: FOLDED_ELEMENTS_MAX,
        };
        for (id, constant) in graph.constants {
            sizes.constant(id, &constant, &|why: &str| LoadError::malformed(why))?;
        }
        for mut node in graph.nodes {
            if let Some(array) = tabular::constant(&mut node)? {
                let refuse = |why: &str| node.attributes.error(why);
                let [Some(id)] = node.outputs[..] else { return Err(refuse("one output is needed")) };
                sizes.constant(id, &Constant::Array(array), &refuse)?;
                node.attributes.finish()?;
                continue;
            }
            let name = node.attributes.node().into();
            let rule = rule::compile(&mut node)?;
            sizes.steps.push(Step {
                rule,
                node: name,
                operator: node.operator.into_boxed_str(),
                inputs: node.inputs,
                outputs: node.outputs,
                last_use: Vec::new(),
                is_folded: false,
            });
        }
        sizes.mark()?;
        Ok(sizes)
    }

    fn constant(
        &mut self,
        id: ValueId,
        constant: &Constant,
        refuse: &dyn Fn(&str) -> LoadError,
    ) -> Result<(), LoadError> {
        let known = match constant {
            Constant::Array(array) => Known::constant(array),
            Constant::Opaque(shape) => Known::shaped(shape.clone()),
        };
        let known = known.map_err(refuse)?;
        self.folded_max = self.folded_max.saturating_add(known.count());
        self.constants.push((id, known));
        Ok(())
    }

    /// Finds what depends on constants alone, what is read once only, and how long the longest chain is.
    fn mark(&mut self) -> Result<(), LoadError> {
        let mut uses = vec![0_usize; self.values];
        let read = self.steps.iter().flat_map(|step| step.inputs.iter().flatten().copied());
        for id in read.chain(self.outputs.iter().copied()) {
            uses[id] += 1;
        }
        let mut depths = vec![0_usize; self.values];
        let mut is_made = vec![false; self.values];
        let mut is_constant = vec![false; self.values];
        for (id, _) in &self.constants {
            is_constant[*id] = true;
        }
        for step in &mut self.steps {
            let inputs = || step.inputs.iter().flatten().copied();
            step.is_folded = inputs().all(|id| is_constant[id]);
            step.last_use = inputs().filter(|id| uses[*id] == 1 && is_made[*id]).collect();
            let depth = inputs().map(|id| depths[id]).max().unwrap_or(0) + 1;
            if depth > DEPTH_MAX {
                return Err(LoadError::TooLarge {
                    what: "neural operators one after another",
                    max: DEPTH_MAX,
                });
            }
            for id in step.outputs.iter().flatten() {
                // What is folded stays, so nothing takes its room over.
                (depths[*id], is_made[*id], is_constant[*id]) = (depth, !step.is_folded, step.is_folded);
            }
        }
        Ok(())
    }

    /// Sizes everything that a run on inputs of these shapes makes.
    ///
    /// # Errors
    /// The node at which a bound is passed, or at which a size cannot be told.
    pub(super) fn needs(&self, shapes: &[&[usize]]) -> Result<Needs, Excess<'_>> {
        let mut values: Vec<Option<Known>> = Vec::new();
        values.resize_with(self.values, || None);
        let start = |why| Excess { node: "", operator: "Input", why };
        for (id, shape) in self.inputs.iter().zip(shapes) {
            values[*id] = Some(Known::shaped(shape.to_vec()).map_err(start)?);
        }
        let mut known: Vec<Option<&Known>> = vec![None; self.values];
        for (id, constant) in &self.constants {
            known[*id] = Some(constant);
        }
        let mut count = Count { room: vec![0; self.values], ..Count::default() };
        for step in &self.steps {
            let excess = |why| Excess { node: &step.node, operator: &step.operator, why };
            let inputs: Vec<Option<&Known>> =
                step.inputs.iter().map(|id| id.and_then(|id| known[id].or(values[id].as_ref()))).collect();
            let made = step.rule.make(&inputs).map_err(excess)?;
            if made.outputs.len() < step.outputs.len() {
                return Err(excess("it has more outputs than can be sized"));
            }
            let read = step.inputs.iter().flatten().filter_map(|id| values[*id].as_ref());
            let read = read.fold(0_usize, |sum, known| sum.saturating_add(known.count()));
            count.add(step, read, &made, self.folded_max).map_err(excess)?;
            for (id, output) in step.outputs.iter().zip(made.outputs) {
                if let Some(id) = id {
                    values[*id] = Some(output);
                }
            }
        }
        let shape = |id: &ValueId| known[*id].or(values[*id].as_ref()).map(|known| known.shape().to_vec());
        let outputs = self.outputs.iter().map(shape).collect::<Option<_>>();
        let outputs = outputs.ok_or_else(|| start("an output is not made"))?;
        Ok(Needs { elements: count.kept.saturating_add(count.passing), work: count.work, outputs })
    }
}

/// Elements and work so far.
///
/// The engine chooses itself in which order it runs what can be run, so what lies in memory at a time cannot be told
/// exactly, but bounded for every order: a value that one operator alone reads is gone once that operator has run, and
/// hands its room on to the operator's output. The rooms that are handed on so, each as large as the largest value that
/// it ever held, hold all that is there between two operators; while one runs, there are its outputs beside them, and
/// at most a rearranged copy of what it reads (constants lie as they should and are not copied).
#[derive(Default)]
struct Count {
    /// By value, the size of the room that it lies in.
    room: Vec<usize>,
    kept: usize,
    passing: usize,
    folded: usize,
    work: u64,
}

impl Count {
    fn add(&mut self, step: &Step, read: usize, made: &rule::Made, folded_max: usize) -> Result<(), Why> {
        let outputs = made.outputs.iter().fold(0_usize, |sum, known| sum.saturating_add(known.count()));
        let passing = read.saturating_add(outputs.saturating_mul(2)).saturating_add(made.room);
        self.passing = self.passing.max(passing);
        let touched = read.saturating_add(outputs) as u64;
        self.work = self.work.saturating_add(touched).saturating_add(made.work);
        // The largest of the rooms that become free; the others are not counted back.
        let mut free = step.last_use.iter().map(|id| self.room[*id]).max().unwrap_or(0);
        for (id, output) in step.outputs.iter().zip(&made.outputs) {
            self.kept = self.kept.saturating_add(output.count().saturating_sub(free));
            if let Some(id) = id {
                self.room[*id] = free.max(output.count());
            }
            free = 0;
        }
        if step.is_folded {
            self.folded = self.folded.saturating_add(outputs);
        }
        if self.folded > folded_max || self.kept.saturating_add(self.passing) > RUN_ELEMENTS_MAX {
            return Err("what it makes is too large");
        }
        if self.work > WORK_MAX {
            return Err("it takes too long");
        }
        Ok(())
    }
}
