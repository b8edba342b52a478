//! What a model takes and gives, read off its tensors: which columns make up its input, and what its outputs mean.
//! Nothing is guessed that could be wrong in silence; what cannot be told stays opaque.

use std::sync::Arc;

use mantlet_types::{
    Datatype, TensorSpec,
    contract::{Label, Layout, Task},
    limits::FEATURES_MAX,
};

use super::{contract::ContractError, settings::Settings};

/// Names under which exporters write class probabilities.
const PROBABILITY_NAMES: &[&str] = &["probabilities", "output_probability", "probability"];

/// The model's own values for its classes, in the order of the probability columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClassValues {
    /// Whole numbers.
    Numbers(Vec<i64>),
    /// Texts.
    Texts(Vec<Arc<str>>),
}

impl ClassValues {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }
}

/// A model's tensors as columns.
#[derive(Debug, Clone)]
pub(crate) enum Columns {
    /// One numeric matrix; the width may be left open by the model.
    Matrix { datatype: Datatype, width: Option<usize> },
    /// One tensor per column.
    Each(Vec<(Arc<str>, Datatype)>),
    /// Not tabular.
    None,
}

/// A named column and the type of the tensor that it goes into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: Arc<str>,
    pub(crate) datatype: Datatype,
}

impl Columns {
    /// Reads the columns off the input tensors.
    pub(crate) fn of(inputs: &[TensorSpec]) -> Result<Self, ContractError> {
        for input in inputs {
            match input.shape.first() {
                Some(None | Some(1)) => {}
                _ => return Err(ContractError::Batch(input.name.clone())),
            }
        }
        let is_column = |input: &TensorSpec| {
            (is_number(input.datatype) || input.datatype == Datatype::Bytes)
                && matches!(input.shape.as_slice(), [_] | [_, Some(1)])
        };
        Ok(match inputs {
            [input] if is_number(input.datatype) && input.shape.len() == 2 => {
                Self::Matrix { datatype: input.datatype, width: input.shape[1] }
            }
            inputs if !inputs.is_empty() && inputs.iter().all(is_column) => {
                Self::Each(inputs.iter().map(|input| (input.name.clone(), input.datatype)).collect())
            }
            _ => Self::None,
        })
    }

    /// How the columns make up the input.
    pub(crate) fn layout(&self) -> Layout {
        match self {
            Self::Matrix { .. } => Layout::Matrix,
            Self::Each(_) => Layout::Columns,
            Self::None => Layout::Tensors,
        }
    }

    /// Gives the columns their names: the author's, else those of the reference data, else the model's own.
    pub(crate) fn named(
        &self,
        settings: &Settings,
        reference: Option<&[Arc<str>]>,
    ) -> Result<Vec<Column>, ContractError> {
        let stated = settings.features.as_deref();
        match self {
            Self::Matrix { datatype, width } => {
                let Some(names) = stated.or(reference) else {
                    let numbered = (0..width.unwrap_or(0)).map(|index| format!("f{index}").into());
                    return bounded(numbered.collect::<Vec<_>>(), *datatype);
                };
                match width {
                    Some(width) if *width != names.len() => {
                        Err(ContractError::Width { named: names.len(), taken: *width })
                    }
                    _ => bounded(names.to_vec(), *datatype),
                }
            }
            Self::Each(own) => {
                if let Some(names) = stated.filter(|names| names.len() != own.len()) {
                    return Err(ContractError::Width { named: names.len(), taken: own.len() });
                }
                let name = |index: usize| stated.map_or(&own[index].0, |names| &names[index]).clone();
                let column = |(index, (_, datatype)): (usize, &(_, Datatype))| Column {
                    name: name(index),
                    datatype: *datatype,
                };
                Ok(own.iter().enumerate().map(column).collect())
            }
            Self::None if stated.is_some() => Err(ContractError::NotTabular),
            Self::None => Ok(Vec::new()),
        }
    }
}

fn bounded(names: Vec<Arc<str>>, datatype: Datatype) -> Result<Vec<Column>, ContractError> {
    if names.len() > FEATURES_MAX {
        return Err(ContractError::TooWide(names.len()));
    }
    Ok(names.into_iter().map(|name| Column { name, datatype }).collect())
}

/// Tells what the outputs mean.
///
/// A label and probabilities, or probabilities that are called so or whose classes the author names, are a
/// classifier; a lone number per row is a regression; everything else is opaque.
pub(crate) fn task(
    outputs: &[TensorSpec],
    classes: Option<&ClassValues>,
    settings: &Settings,
) -> Result<Task, ContractError> {
    let label = outputs.iter().position(is_label);
    let stated = settings.labels.as_deref();
    let is_named = |output: &&TensorSpec| PROBABILITY_NAMES.contains(&output.name.as_ref());
    let candidates: Vec<usize> =
        (0..outputs.len()).filter(|index| is_probabilities(&outputs[*index])).collect();
    let named = candidates.iter().copied().find(|index| is_named(&&outputs[*index]));
    let lone = match candidates.as_slice() {
        [index] if label.is_some() || stated.is_some() => Some(*index),
        _ => None,
    };
    if let Some(probabilities) = named.or(lone) {
        let labels = labels(outputs[probabilities].shape[1], classes, stated)?;
        // A label output whose values cannot be told apart stays a plain output; the probabilities then decide.
        let label = label.filter(|_| classes.is_some());
        return Ok(Task::Classify { probabilities, label, labels });
    }
    if stated.is_some() {
        return Err(ContractError::NotClasses);
    }
    match outputs {
        [value] if is_float(value.datatype) && matches!(value.shape.as_slice(), [_] | [_, Some(1)]) => {
            Ok(Task::Regress { value: 0 })
        }
        _ => Ok(Task::Opaque),
    }
}

/// The classes: texts by the author, else by the model; numbers by the model.
fn labels(
    width: Option<usize>,
    classes: Option<&ClassValues>,
    stated: Option<&[Arc<str>]>,
) -> Result<Vec<Label>, ContractError> {
    let count = width.or_else(|| classes.map(ClassValues::len)).or_else(|| stated.map(<[_]>::len));
    let count = count.ok_or(ContractError::ClassesUnknown)?;
    let fits = |length: usize| {
        if length == count { Ok(()) } else { Err(ContractError::Labels { named: length, given: count }) }
    };
    classes.map_or(Ok(()), |classes| fits(classes.len()))?;
    stated.map_or(Ok(()), |stated| fits(stated.len()))?;
    if let (Some(stated), Some(ClassValues::Texts(own))) = (stated, classes) {
        // The label output speaks the model's own texts, and an answer must not have two names for one class.
        if stated != own.as_slice() {
            return Err(ContractError::OwnLabels);
        }
    }
    let number = |index: usize| match classes {
        Some(ClassValues::Numbers(numbers)) => Some(numbers[index]),
        _ => None,
    };
    let text = |index: usize| match (stated, classes) {
        (Some(stated), _) => Ok(stated[index].clone()),
        (None, Some(ClassValues::Texts(texts))) => Ok(texts[index].clone()),
        (None, Some(ClassValues::Numbers(numbers))) => Ok(numbers[index].to_string().into()),
        (None, None) => Err(ContractError::ClassesUnknown),
    };
    (0..count).map(|index| Ok(Label { text: text(index)?, number: number(index) })).collect()
}

pub(crate) fn is_number(datatype: Datatype) -> bool {
    !matches!(datatype, Datatype::Bool | Datatype::Bytes)
}

pub(crate) fn is_float(datatype: Datatype) -> bool {
    matches!(datatype, Datatype::Fp16 | Datatype::Fp32 | Datatype::Fp64)
}

/// Whether an output can be a label per row.
pub(crate) fn is_label(output: &TensorSpec) -> bool {
    matches!(output.datatype, Datatype::Int64 | Datatype::Int32 | Datatype::Bytes)
        && matches!(output.shape.as_slice(), [_] | [_, Some(1)])
}

/// Number of columns of an output that can hold class probabilities.
pub(crate) fn probability_width(output: &TensorSpec) -> Option<usize> {
    if is_probabilities(output) { output.shape[1] } else { None }
}

/// How far rounding may take a probability out of its range: a forest's second class is 1 less the sum of its trees'
/// shares for the first, which in 32 bits sum to a little more than 1.
const ROUNDING: f64 = 1e-6;

/// Whether one row is what a rule of confidence can speak of: support vector machines and others give scores instead.
pub(crate) fn is_distribution(row: &[f64]) -> bool {
    let sum: f64 = row.iter().sum();
    row.iter().all(|p| (-ROUNDING..=1.0 + ROUNDING).contains(p)) && (sum - 1.0).abs() <= 1e-3
}

/// `[N, K]` with K of at least two or left open.
fn is_probabilities(output: &TensorSpec) -> bool {
    is_float(output.datatype)
        && matches!(output.shape.as_slice(), [_, width] if width.is_none_or(|width| width >= 2))
}
