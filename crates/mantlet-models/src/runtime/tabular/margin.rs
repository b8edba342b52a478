//! What a model operator computes before its last transformation, laid open for exact explanations: a sum over
//! features, or a sum over trees. The kernels stay what runs; this is a copy in 64-bit floats of what they sum up.

use mantlet_types::Tensor;

use super::{
    Plan,
    kernel::{Fault, Io, RUN_ELEMENTS_MAX},
    kernels::trees::{Split, Target},
    value::{Data, Value},
};

/// The sums of one operator and the way from them to its scores.
#[derive(Debug)]
pub(crate) struct Margin {
    pub(crate) form: Form,
    pub(crate) link: Link,
}

/// What is summed.
#[derive(Debug)]
pub(crate) enum Form {
    Linear(LinearForm),
    Trees(TreesForm),
}

/// A weighted sum of features for each target.
#[derive(Debug)]
pub(crate) struct LinearForm {
    /// By target, one weight for each feature.
    pub(crate) weights: Vec<Vec<f64>>,
    /// By target.
    pub(crate) bias: Vec<f64>,
}

/// A sum of leaves for each target. INVARIANT (forest): what hangs on a root is a tree, every index is in range.
#[derive(Debug)]
pub(crate) struct TreesForm {
    pub(crate) splits: Vec<Split<f64>>,
    pub(crate) roots: Vec<Target>,
    pub(crate) members: Vec<Vec<f64>>,
    /// By target, the weight of each leaf.
    pub(crate) leaves: Vec<Vec<f64>>,
    /// By target, what is added to the sum.
    pub(crate) base: Vec<f64>,
}

/// How sums become the scores of classes, or the value of a regression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Each target's sum is its score.
    Each,
    /// Each target's score is the logistic function of its sum.
    EachLogistic,
    /// The softmax of the sums.
    Softmax,
    /// One sum s for two classes: 1 - s and s.
    Complement,
    /// One sum s for two classes: -s and s.
    Opposite,
    /// One sum s for two classes: the logistic functions of -s and of s.
    PairLogistic,
}

/// An operator's sums over values that are each made of one column of the model's input.
#[derive(Debug)]
pub(crate) struct Exposed {
    pub(crate) margin: Margin,
    /// What prepares the model's input for the operator, in order.
    steps: Vec<usize>,
    slot: usize,
    /// Whether the operator takes 64-bit floats as they are.
    takes_double: bool,
}

impl Plan {
    /// The sums behind an output, if every step before them works column by column on the one input, and every step
    /// after them leaves scores alone that are a distribution already.
    pub(crate) fn exposed(&self, output: usize) -> Option<Exposed> {
        let [input] = self.inputs[..] else { return None };
        let mut slot = *self.outputs.get(output)?;
        let (step, margin) = loop {
            let at = self.producer(slot)?;
            let step = self.steps.get(at)?;
            if let Some(margin) = step.kernel.margin() {
                // Classifiers give labels first and scores second; regressions give one output.
                let place = usize::from(step.outputs.len() == 2);
                if step.outputs.get(place) != Some(&Some(slot)) {
                    return None;
                }
                break (at, margin);
            }
            let ([Some(before)], true) = (&step.inputs[..], step.kernel.keeps_distributions()) else {
                return None;
            };
            slot = *before;
        };
        let slot = self.steps.get(step)?.inputs.first().copied().flatten()?;
        let (mut before, mut steps) = (slot, Vec::new());
        while before != input {
            let at = self.producer(before)?;
            let step = self.steps.get(at)?;
            steps.push(at);
            let ([Some(earlier)], true) = (&step.inputs[..], step.kernel.is_featurewise()) else {
                return None;
            };
            before = *earlier;
        }
        steps.reverse();
        let takes_double = matches!(margin.form, Form::Trees(_));
        Some(Exposed { margin, steps, slot, takes_double })
    }

    /// The values that an exposed operator is given for these rows, row after row.
    pub(crate) fn prepared(&self, exposed: &Exposed, input: &Tensor) -> Result<Vec<f64>, Fault> {
        let mut slots: Vec<Option<Value<'_>>> = Vec::new();
        slots.resize_with(self.slots, || None);
        let id = *self.inputs.first().ok_or(Fault::Shape("an input is missing"))?;
        slots[id] = Some(Value::input(&input.shape, &input.data)?);
        let mut elements_left = RUN_ELEMENTS_MAX;
        for step in exposed.steps.iter().filter_map(|at| self.steps.get(*at)) {
            let mut io = Io::new(&mut slots, &step.inputs, &step.outputs, &mut elements_left);
            step.kernel.run(&mut io)?;
        }
        let value = slots.get(exposed.slot).and_then(Option::as_ref);
        let value = value.ok_or(Fault::Shape("an input is missing"))?;
        match value.data() {
            Data::F64(values) if exposed.takes_double => Ok(values.to_vec()),
            _ => Ok(value.floats()?.iter().map(|value| f64::from(*value)).collect()),
        }
    }

    fn producer(&self, slot: usize) -> Option<usize> {
        self.steps.iter().position(|step| step.outputs.contains(&Some(slot)))
    }
}

impl Link {
    /// The scores of one row, as the operator computes them from its sums.
    pub(crate) fn scores(self, sums: &[f64]) -> Vec<f64> {
        match (self, sums) {
            (Self::Complement, [sum]) => vec![1.0 - sum, *sum],
            (Self::Opposite, [sum]) => vec![-sum, *sum],
            (Self::PairLogistic, [sum]) => vec![logistic(-sum), logistic(*sum)],
            (Self::EachLogistic, sums) => sums.iter().map(|sum| logistic(*sum)).collect(),
            (Self::Softmax, sums) => {
                let max = sums.iter().copied().fold(f64::MIN, f64::max);
                let total: f64 = sums.iter().map(|sum| (sum - max).exp()).sum();
                sums.iter().map(|sum| (sum - max).exp() / total).collect()
            }
            (_, sums) => sums.to_vec(),
        }
    }
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
