//! Why a model answers as it does: Shapley values of single answers, against rows of the reference data.
//!
//! Linear models and tree ensembles whose input is prepared column by column are explained exactly, on the scale on which
//! they sum; everything else is sampled, on the scale of its output. Whether the sums are the model is tried on every
//! row of the background when the model is loaded, and on the row itself whenever one is explained: what does not agree
//! is not explained as if it did. No file is read here, and nobody is asked who wants to know.

mod linear;
mod rows;
mod sampling;
mod sums;
mod trees;

use std::{borrow::Cow, sync::Arc};

use mantlet_gate::ports::{Attributions, Case, Effort, EngineFault, Evaluate, Method, Scale};
use mantlet_types::{
    Contract, Tensor, TensorData,
    contract::{Confidence, Task},
    limits::{EVALUATIONS_MAX, EXPLAINED_FEATURES_MAX},
};

use self::{rows::Rows, sampling::Game, sums::Sums};
use crate::{artifact::sha256, random::Random, runtime::Engine};

/// Work for the background when a model is loaded, in the units of [`crate::runtime::Cost`]: a fifth of a second.
const LOAD_WORK_MAX: u64 = 200_000_000;

/// Work for one explanation, in the same units: a quarter of what a request may take by default.
const SAMPLING_WORK_MAX: u64 = 2_500_000_000;

/// What explains one loaded model.
#[derive(Debug)]
pub struct Explainer {
    engine: Arc<Engine>,
    background: Rows,
    /// What is explained: an output of so many columns.
    output: usize,
    /// Columns of that output: a class each, or one.
    columns: usize,
    /// The model's output for each row of the background, by column. A model that runs elsewhere is asked for it with
    /// every explanation: it may be another one by then.
    said: Option<Vec<Vec<f64>>>,
    scale: Scale,
    sums: Option<Sums>,
    seed: [u8; 32],
}

impl Explainer {
    /// An explainer against background rows in the model's own tensors; `None` for outputs without a meaning, for more
    /// features than anybody reads, and for rows that the model does not answer.
    #[must_use]
    pub fn new(engine: Arc<Engine>, contract: &Contract, background: &[Tensor]) -> Option<Self> {
        let (output, columns) = match &contract.task {
            Task::Classify { probabilities, labels, .. } => (*probabilities, labels.len()),
            Task::Regress { value } => (*value, 1),
            Task::Opaque => return None,
        };
        let features = contract.features.len();
        if !(1..=EXPLAINED_FEATURES_MAX).contains(&features) {
            return None;
        }
        let affordable = LOAD_WORK_MAX / engine.cost().work_per_row.max(1);
        let affordable = usize::try_from(affordable).unwrap_or(usize::MAX).clamp(1, trees::ROWS_MAX);
        let background = background.iter().map(|tensor| first(tensor, affordable)).collect::<Option<_>>()?;
        let background = Rows::new(background, features, contract.layout)?;
        let said = match engine.is_elsewhere() {
            true => None,
            false => Some(said(&engine, contract, &background, output, columns)?),
        };
        let is_distribution = matches!(contract.judgment.confidence, Confidence::Probability { .. });
        let scale = match &contract.task {
            Task::Regress { .. } => Scale::Value,
            _ if is_distribution => Scale::Probability,
            _ => Scale::Score,
        };
        let exact = |said: &Vec<Vec<f64>>| Sums::new(&engine, output, scale, &background, features, said);
        let sums = said.as_ref().and_then(exact);
        let seed = sha256(contract.digest.0.as_slice()).0;
        Some(Self { engine, background, output, columns, said, scale, sums, seed })
    }

    /// Whether answers are explained exactly, and from what.
    #[must_use]
    pub fn method(&self) -> Method {
        self.sums.as_ref().map_or(Method::Sampling, Sums::method)
    }

    fn features(&self) -> usize {
        self.background.features()
    }

    /// The output of rows that were evaluated, for one class.
    fn read(&self, outputs: &[Tensor], column: usize, rows: usize) -> Result<Vec<f64>, EngineFault> {
        let broken = || EngineFault::Broken("the model's output cannot be explained".to_owned());
        let values = outputs.get(self.output).and_then(|tensor| numbers(&tensor.data)).ok_or_else(broken)?;
        let columns = self.columns;
        if values.len() != rows * columns || values.iter().any(|value| !value.is_finite()) {
            return Err(broken());
        }
        Ok(values.into_iter().skip(column).step_by(columns.max(1)).collect())
    }

    fn sampled(
        &self,
        case: &Case<'_>,
        column: usize,
        output: f64,
        evaluate: &mut Evaluate<'_>,
    ) -> Result<Attributions, EngineFault> {
        let asked = self.asked();
        let background = match &self.said {
            Some(said) => Cow::Borrowed(said.get(column).map(Vec::as_slice).unwrap_or_default()),
            None => Cow::Owned(self.ask(case, column, evaluate)?),
        };
        let base = mean(&background);
        let game = Game { features: self.features(), output, background: &background, base };
        let mut random = Random::new(self.seed(case.row));
        let affordable = case.evaluations.saturating_sub(asked);
        let sample = sampling::sample(&game, affordable, case.rows_at_once, &mut random, |mixtures| {
            let mut values = Vec::with_capacity(mixtures.len());
            for mixtures in mixtures.chunks(case.rows_at_once.max(1)) {
                let raw = evaluate(self.background.mix(case.row, mixtures))?;
                values.extend(self.read(&raw.0, column, mixtures.len())?);
            }
            Ok(values)
        })?;
        Ok(Attributions {
            method: Method::Sampling,
            scale: self.scale,
            base,
            output,
            values: sample.attributions,
            errors: Some(sample.errors),
            evaluations: sample.evaluations + 1 + asked,
        })
    }

    /// Rows of the background that the model is asked about with every explanation.
    fn asked(&self) -> usize {
        if self.said.is_some() { 0 } else { self.background.count() }
    }

    /// What the model says of the background now.
    fn ask(
        &self,
        case: &Case<'_>,
        column: usize,
        evaluate: &mut Evaluate<'_>,
    ) -> Result<Vec<f64>, EngineFault> {
        let count = self.background.count();
        let mut said = Vec::with_capacity(count);
        for start in (0..count).step_by(case.rows_at_once.max(1)) {
            let end = count.min(start + case.rows_at_once.max(1));
            let rows = self.background.some(start..end);
            let rows =
                rows.ok_or_else(|| EngineFault::Broken("the background has no such rows".to_owned()))?;
            said.extend(self.read(&evaluate(rows)?.0, column, end - start)?);
        }
        Ok(said)
    }

    /// The same row under the same version is explained by the same sample.
    fn seed(&self, row: &[Tensor]) -> u64 {
        let mut bytes = self.seed.to_vec();
        bytes.extend_from_slice(&rows::fingerprint(row));
        sha256(&bytes).0.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
    }
}

impl mantlet_gate::ports::Explainer for Explainer {
    fn effort(&self) -> Effort {
        if self.sums.is_some() {
            return Effort::Exact;
        }
        let least = sampling::least(self.features()) + self.asked();
        let affordable = SAMPLING_WORK_MAX / self.engine.cost().work_per_row.max(1);
        let affordable = usize::try_from(affordable).unwrap_or(usize::MAX);
        Effort::Sampled { least, most: affordable.min(EVALUATIONS_MAX).max(least) }
    }

    fn explain(&self, case: &Case<'_>, evaluate: &mut Evaluate<'_>) -> Result<Attributions, EngineFault> {
        let column = case.class.unwrap_or(0);
        if column >= self.columns || !self.background.are_consistent(case.row, 1) {
            return Err(EngineFault::Broken("the row is not one that the background fits".to_owned()));
        }
        let raw = evaluate(case.row.to_vec())?;
        let [output] = self.read(&raw.0, column, 1)?[..] else {
            return Err(EngineFault::Broken("one row has not one output".to_owned()));
        };
        match &self.sums {
            Some(sums) => sums.explain(&self.engine, case, column, output),
            None => self.sampled(case, column, output, evaluate),
        }
    }
}

/// What the model says of every row of the background, by column.
fn said(
    engine: &Engine,
    contract: &Contract,
    background: &Rows,
    output: usize,
    columns: usize,
) -> Option<Vec<Vec<f64>>> {
    let mut said = vec![Vec::with_capacity(background.count()); columns];
    for start in (0..background.count()).step_by(contract.batch_rows_max.max(1)) {
        let end = background.count().min(start + contract.batch_rows_max.max(1));
        let outputs = engine.run(&background.some(start..end)?).ok()?;
        let values = numbers(&outputs.get(output)?.data)?;
        let whole = values.len() == (end - start) * columns && values.iter().all(|value| value.is_finite());
        if !whole {
            return None;
        }
        for row in values.chunks_exact(columns) {
            said.iter_mut().zip(row).for_each(|(column, value)| column.push(*value));
        }
    }
    Some(said)
}

/// The first rows of a tensor, at most so many.
fn first(tensor: &Tensor, rows: usize) -> Option<Tensor> {
    let count = *tensor.shape.first()?;
    rows::slice(tensor, 0..count.min(rows))
}

fn numbers(data: &TensorData) -> Option<Vec<f64>> {
    match data {
        TensorData::Fp32(values) => Some(values.iter().map(|value| f64::from(*value)).collect()),
        TensorData::Fp64(values) => Some(values.clone()),
        _ => None,
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

#[cfg(test)]
mod tests;
