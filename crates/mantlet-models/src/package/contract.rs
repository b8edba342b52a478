//! Deriving the contract that the gate judges by, from the model's tensors, the author's settings and the profile.
//! Where the three do not fit each other the package is refused: a guess here would be served as a fact.

use std::sync::Arc;

use mantlet_types::{
    Contract, ProjectId, Sha256, TensorSpec, Version,
    contract::{Confidence, Feature, FeatureKind, Judgment, Range, Task},
};

use super::{
    interface::{self, ClassValues, Column, Columns},
    settings::{ConfidenceRule, RangeRule, Settings},
};
use crate::profile::{Calibration, Profile, Summary};

/// Why a package's parts do not make a contract.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ContractError {
    /// The first extent of an input is not free.
    #[error("input `{0}` does not leave the number of rows open")]
    Batch(Arc<str>),
    /// Another number of features is named than the model takes.
    #[error("{named} features are named, but the model takes {taken}")]
    Width {
        /// By settings or profile.
        named: usize,
        /// By the model.
        taken: usize,
    },
    /// More features than any request could carry.
    #[error("the model takes {0} features, more than can be served")]
    TooWide(usize),
    /// Features are named for a model without columns.
    #[error("features are named, but the model's inputs are not tabular")]
    NotTabular,
    /// Class texts for a model without classes.
    #[error("labels are named, but no output holds class probabilities")]
    NotClasses,
    /// Another number of labels is named than there are classes.
    #[error("{named} labels are named, but the model has {given} classes")]
    Labels {
        /// By settings or by the label output.
        named: usize,
        /// By the probabilities.
        given: usize,
    },
    /// Other texts are named than the model's own label output speaks.
    #[error("`labels` are others than the model's own, which are texts already")]
    OwnLabels,
    /// The scores of a classifier are no probabilities.
    #[error("the model gives scores for its classes, not probabilities between 0 and 1 that sum to 1")]
    Scores,
    /// Neither the model nor the settings say what the classes are.
    #[error("the model does not say what its classes are")]
    ClassesUnknown,
    /// No rule of confidence fits, and none was declined.
    #[error("the package does not say how confident its answers are: {0}")]
    Confidence(&'static str),
    /// The rule of confidence does not fit the model.
    #[error("`confidence = \"{rule}\"` does not fit {task}")]
    Rule {
        /// The rule stated.
        rule: &'static str,
        /// What the model is.
        task: &'static str,
    },
    /// A text bound for something that is no text input.
    #[error("`text.{0}` names no text input of the model")]
    Text(String),
    /// A sensitivity for something that is no feature.
    #[error("`sensitivity.{0}` names no feature of the model")]
    Sensitivity(String),
    /// The profile is of other columns.
    #[error("the profile's column `{profiled}` stands where the model has `{expected}`")]
    Column {
        /// In the profile.
        profiled: String,
        /// In the model.
        expected: Arc<str>,
    },
    /// The profile's column is of another type than the input.
    #[error("the profile's column `{0}` is of another type than the model's input")]
    ColumnType(String),
    /// The profile was made with another model.
    #[error("the profile was made for another model (SHA-256 {made_for}, actual {actual})")]
    Stale {
        /// The model that the profile was made for.
        made_for: Sha256,
        /// The model in the package.
        actual: Sha256,
    },
    /// A profile for a model without columns.
    #[error("there is a profile, but the model's inputs are not tabular")]
    Unprofilable,
}

impl ContractError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Batch(_) => "export the model with a free batch dimension",
            Self::Width { .. } => "name every column once, in the model's order, in `features`",
            Self::Labels { .. } => "name every class once, in the order of the probabilities, in `labels`",
            Self::ClassesUnknown => "name the classes in `labels`, in the order of the probabilities",
            Self::OwnLabels => "remove `labels`",
            Self::Scores => {
                "export the classifier with probabilities, or say `confidence = \"none\"` in `mantlet-model.toml`"
            }
            Self::NotTabular => "remove `features`",
            Self::NotClasses => "remove `labels`, or call the output of probabilities `probabilities`",
            Self::Confidence(_) => {
                "run `mantlet model profile DIR --reference train.csv --calibration calib.csv`, or say \
                 `confidence = \"none\"` in `mantlet-model.toml`"
            }
            Self::Rule { .. } => {
                "classifiers have `probability`, regressions `interval`, everything has `none`"
            }
            Self::Column { .. } | Self::ColumnType(_) | Self::Stale { .. } => {
                "make the profile anew with `mantlet model profile`"
            }
            Self::Unprofilable => "remove `profile.json`",
            Self::TooWide(_) | Self::Text(_) | Self::Sensitivity(_) => return None,
        };
        Some(hint.to_owned())
    }
}

/// What a contract is derived from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts<'a> {
    /// The model's input tensors.
    pub(crate) inputs: &'a [TensorSpec],
    /// The model's output tensors.
    pub(crate) outputs: &'a [TensorSpec],
    /// The model's own class values, where it tells them.
    pub(crate) classes: Option<&'a ClassValues>,
    /// Whether the first output that could hold probabilities does so when tried; `None` where it could not be tried.
    pub(crate) are_probabilities: Option<bool>,
    /// SHA-256 of `model.onnx`, or of what is declared in its place.
    pub(crate) model: Sha256,
    /// What the author says.
    pub(crate) settings: &'a Settings,
    /// What the reference data say.
    pub(crate) profile: Option<&'a Profile>,
}

/// Derives the contract.
///
/// # Errors
/// The parts do not fit each other, or the package owes a statement about its confidence.
pub(crate) fn derive(
    parts: &Parts<'_>,
    project: ProjectId,
    version: Version,
    digest: Sha256,
) -> Result<Contract, ContractError> {
    let Parts { inputs, outputs, settings, profile, .. } = *parts;
    let columns = Columns::of(inputs)?;
    let layout = columns.layout();
    let features = features(&columns, parts)?;
    let task = interface::task(outputs, parts.classes, settings)?;
    let confidence = confidence(&task, settings, profile.and_then(|profile| profile.calibration.as_ref()))?;
    if matches!(confidence, Confidence::Probability { .. }) && parts.are_probabilities == Some(false) {
        return Err(ContractError::Scores);
    }
    // A model that takes exactly one row serves exactly one.
    let takes_one = inputs.iter().any(|input| input.shape.first() == Some(&Some(1)));
    Ok(Contract {
        model: settings.name.clone(),
        version,
        project,
        digest,
        inputs: inputs.to_vec(),
        outputs: outputs.to_vec(),
        features,
        layout,
        task,
        judgment: Judgment { confidence, threshold: settings.threshold, fallback: settings.fallback.clone() },
        disclosure: settings.disclosure,
        options: settings.options.clone(),
        batch_rows_max: if takes_one { 1 } else { settings.batch_rows_max },
    })
}

fn features(columns: &Columns, parts: &Parts<'_>) -> Result<Vec<Feature>, ContractError> {
    let Parts { settings, profile, model, .. } = *parts;
    let reference: Option<Vec<Arc<str>>> =
        profile.map(|profile| profile.features.iter().map(|column| column.name.as_str().into()).collect());
    let named = columns.named(settings, reference.as_deref())?;
    for text in settings.text.keys() {
        let is_text = |column: &Column| *column.name == **text && !interface::is_number(column.datatype);
        if !named.iter().any(is_text) {
            return Err(ContractError::Text(text.clone()));
        }
    }
    if let Some(unknown) =
        settings.sensitivity.keys().find(|name| named.iter().all(|own| *own.name != ***name))
    {
        return Err(ContractError::Sensitivity(unknown.clone()));
    }
    let Some(profile) = profile else {
        return Ok(named.into_iter().map(|column| unprofiled(column, settings)).collect());
    };
    if named.is_empty() {
        return Err(ContractError::Unprofilable);
    }
    if profile.model != model {
        return Err(ContractError::Stale { made_for: profile.model, actual: model });
    }
    if profile.features.len() != named.len() {
        return Err(ContractError::Width { named: profile.features.len(), taken: named.len() });
    }
    let widest = widest(profile);
    named
        .into_iter()
        .zip(&profile.features)
        .map(|(column, profiled)| {
            if *profiled.name != *column.name {
                let profiled = profiled.name.clone();
                return Err(ContractError::Column { profiled, expected: column.name });
            }
            let kind = kind(&column, &profiled.summary, settings, widest)
                .ok_or_else(|| ContractError::ColumnType(profiled.name.clone()))?;
            // Where the reference data lack values the model has learned to do without, if its type has a NaN.
            let optional = profiled.missing > 0.0 && interface::is_float(column.datatype);
            let sensitivity = settings.sensitivity_of(&column.name);
            Ok(Feature { name: column.name, kind, optional, sensitivity })
        })
        .collect()
}

fn unprofiled(column: Column, settings: &Settings) -> Feature {
    let kind = if interface::is_number(column.datatype) {
        FeatureKind::Number { seen: None, accepted: None }
    } else if let Some(chars_max) = settings.text.get(column.name.as_ref()) {
        FeatureKind::Text { chars_max: *chars_max }
    } else {
        FeatureKind::Category { values: None }
    };
    let sensitivity = settings.sensitivity_of(&column.name);
    Feature { name: column.name, kind, optional: false, sensitivity }
}

/// The values that a profiled column takes; `None` if profile and input are of different types.
fn kind(column: &Column, summary: &Summary, settings: &Settings, widest: f64) -> Option<FeatureKind> {
    let text = settings.text.get(column.name.as_ref());
    match (summary, interface::is_number(column.datatype), text) {
        (Summary::Number { min, max, .. }, true, _) => {
            Some(number(Range { min: *min, max: *max }, settings, widest))
        }
        (Summary::Text { .. }, false, Some(chars_max)) => Some(FeatureKind::Text { chars_max: *chars_max }),
        (Summary::Category { values }, false, None) => {
            let known =
                || values.as_ref().map(|all| all.iter().map(|known| known.value.as_str().into()).collect());
            let is_checked = matches!(settings.range, RangeRule::Reject { .. });
            Some(FeatureKind::Category { values: if is_checked { known() } else { None } })
        }
        _ => None,
    }
}

fn number(seen: Range, settings: &Settings, widest: f64) -> FeatureKind {
    match settings.range {
        RangeRule::Reject { margin } => {
            let accepted = accepted(seen, margin, widest);
            FeatureKind::Number { seen: Some(seen), accepted: Some(accepted) }
        }
        RangeRule::Annotate => FeatureKind::Number { seen: Some(seen), accepted: None },
        RangeRule::Off => FeatureKind::Number { seen: None, accepted: None },
    }
}

/// The reference range, widened on either side by `margin` times its own width.
///
/// A feature that is constant in the reference data (a pixel that happens to stay dark) has no width of its own and
/// takes the widest of its fellows; where all are constant, its own magnitude, at least 1.
fn accepted(seen: Range, margin: f64, widest: f64) -> Range {
    let own = seen.max - seen.min;
    let width = if own > 0.0 {
        own
    } else if widest > 0.0 {
        widest
    } else {
        seen.max.abs().max(1.0)
    };
    // Clamped: the width of a range of huge numbers may itself not be finite.
    let slack = (margin * width).min(f64::MAX);
    Range { min: (seen.min - slack).max(f64::MIN), max: (seen.max + slack).min(f64::MAX) }
}

fn widest(profile: &Profile) -> f64 {
    let width = |summary: &Summary| match summary {
        Summary::Number { min, max, .. } => max - min,
        _ => 0.0,
    };
    profile.features.iter().map(|column| width(&column.summary)).fold(0.0, f64::max)
}

fn confidence(
    task: &Task,
    settings: &Settings,
    calibration: Option<&Calibration>,
) -> Result<Confidence, ContractError> {
    use ConfidenceRule as Rule;
    match (task, settings.confidence) {
        (_, Some(Rule::None)) => Ok(Confidence::None),
        (Task::Classify { .. }, None | Some(Rule::Probability)) => {
            let temperature = match calibration {
                Some(Calibration::Probability { temperature, .. }) => *temperature,
                _ => 1.0,
            };
            Ok(Confidence::Probability { temperature })
        }
        (Task::Regress { .. }, None | Some(Rule::Interval)) => match calibration {
            Some(Calibration::Interval { coverage, half_width, .. }) => Ok(Confidence::Interval {
                coverage: *coverage,
                half_width: *half_width,
                width_max: settings.width_max,
            }),
            _ => Err(ContractError::Confidence("a regression has confidence only by calibration rows")),
        },
        (Task::Opaque, None) => Err(ContractError::Confidence("the meaning of its outputs is not known")),
        (task, Some(rule)) => Err(ContractError::Rule {
            rule: match rule {
                Rule::Probability => "probability",
                Rule::Interval => "interval",
                Rule::None => "none",
            },
            task: match task {
                Task::Classify { .. } => "a classifier",
                Task::Regress { .. } => "a regression",
                Task::Opaque => "outputs whose meaning is not known",
            },
        }),
    }
}
