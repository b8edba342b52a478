//! Explaining: what each feature added to an answer, for those who may see it.
//!
//! Only an answer that is given is explained: what stands in the place of a guess says nothing of it, and neither does
//! an explanation. What several features added that the caller may not see is told as one sum; what a single one added
//! would be the remainder of all others, so then nothing is told.

use std::sync::Arc;

use mantlet_types::{
    Code, Contract, Rejection, Tensor, Timestamp,
    contract::Task,
    limits::{EVALUATIONS_DEFAULT, EXACT_EXPLANATION_CHARGE, EXPLAINED_FEATURES_MAX},
    quota::Standing,
};

use crate::{
    Gate,
    infer::{self, Explained},
    input::Screened,
    output::{Rounding, RowAnswer, Value},
    perimeter::Admission,
    policy,
    ports::{Attributions, Behalf, Effort, Method, Scale},
    reviews::Settled,
};

/// An explained answer, in no particular protocol.
#[derive(Debug)]
pub struct Explanation {
    /// What answered.
    pub contract: Arc<Contract>,
    /// The answer, or what stands in its place.
    pub row: RowAnswer,
    /// Why; absent where the answer is withheld.
    pub reasons: Option<Reasons>,
    /// Whether the version that answered is not live.
    pub candidate: bool,
    /// How the caller's limit stands.
    pub standing: Standing,
}

/// What each feature added.
#[derive(Clone, Debug, PartialEq)]
pub struct Reasons {
    /// The class whose probability or score is explained; `None` for the value of a regression.
    pub of: Option<Arc<str>>,
    /// In what it is measured.
    pub scale: Scale,
    /// How it was found.
    pub method: Method,
    /// What the model says on average over the background.
    pub base: f64,
    /// What it says of the row: the base and all that follows.
    pub output: f64,
    /// The features that the caller may see, in the contract's order.
    pub features: Vec<Reason>,
    /// The others together.
    pub withheld: Option<Withheld>,
    /// Evaluations of the model that it took.
    pub evaluations: usize,
}

/// What one feature added.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// The feature.
    pub feature: Arc<str>,
    /// What it added.
    pub value: f64,
    /// The standard error of that, where it is an estimate.
    pub error: Option<f64>,
}

/// What features added that the caller may not see.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Withheld {
    /// How many there are: two or more.
    pub features: usize,
    /// What they added together.
    pub value: f64,
    /// At most the standard error of that: the sum of theirs.
    pub error: Option<f64>,
}

/// For each feature, whether the caller may see what it added. INVARIANT (no remainder): never all but one.
pub(crate) struct Shown(Vec<bool>);

/// What may be shown of an explanation to this caller.
///
/// # Errors
/// 409 if the model cannot be explained; 403 if just one feature would be withheld.
pub(crate) async fn shown(gate: &Gate, admission: &Admission, now: Timestamp) -> Result<Shown, Rejection> {
    let model = admission.model();
    let features = model.contract().features.len();
    if model.explainer().is_none() || !(1..=EXPLAINED_FEATURES_MAX).contains(&features) {
        return Err(Rejection::new(Code::Conflict).detailed(
            "the model came without a background to explain answers against: give its package a profile with one \
             (`mantlet model profile`)",
        ));
    }
    let permit = admission.permit();
    let shown = match policy::attributable_recalled(permit, now) {
        Some(shown) => shown,
        None => {
            let decide = policy::attributable(permit, now);
            infer::work(gate, admission.place(), move || Ok(decide())).await?
        }
    };
    Shown::new(shown)
}

impl Shown {
    fn new(shown: Vec<bool>) -> Result<Self, Rejection> {
        if shown.iter().filter(|shown| !**shown).count() == 1 {
            return Err(Rejection::new(Code::Forbidden)
                .detailed("an explanation would reveal the one feature that may not be seen in it"));
        }
        Ok(Self(shown))
    }
}

/// An explanation that is paid for.
pub(crate) struct Paid {
    row: Vec<Tensor>,
    evaluations: usize,
}

/// Charges what the explanation will take: evaluations as asked for, otherwise the usual number or, where that is less,
/// all that is left of the limit.
///
/// # Errors
/// 429 and 413 as for rows, where not even the least is left, or less than was asked for.
pub(crate) fn charge(screened: &mut Screened, wanted: Option<usize>) -> Result<Paid, Rejection> {
    let row = screened.row();
    let admission = screened.admission_mut();
    let effort = admission.model().explainer().map_or(Effort::Exact, |explainer| explainer.effort());
    let (units, evaluations) = match effort {
        // The prediction itself is charged already.
        Effort::Exact => (EXACT_EXPLANATION_CHARGE.saturating_sub(1), 0),
        Effort::Sampled { least, most } => {
            let left = usize::try_from(admission.standing().remaining).unwrap_or(usize::MAX);
            let usual = || EVALUATIONS_DEFAULT.min(left);
            let evaluations = wanted.unwrap_or_else(usual).min(most).max(least);
            (evaluations, evaluations)
        }
    };
    admission.charge(units).map_err(|rejection| match rejection.code {
        Code::TooLarge => {
            rejection.detailed("the explanation takes more than the limit allows in a whole minute")
        }
        _ => rejection,
    })?;
    Ok(Paid { row, evaluations })
}

/// Explains the one answer of a verdict, if it is given.
///
/// # Errors
/// 503 if the explainer fails, or what it says does not add up.
pub(crate) async fn explain(
    gate: &Gate,
    settled: &Settled,
    paid: Paid,
    shown: &Shown,
    behalf: Behalf,
) -> Result<Option<Reasons>, Rejection> {
    let verdict = settled.verdict();
    let admission = verdict.admission();
    let contract = admission.model().contract();
    let Some(answer) = verdict.rows().first().filter(|row| row.is_served()) else { return Ok(None) };
    let class = class(contract, &answer.result)?;
    let explained =
        Explained { row: paid.row, class: class.map(|(index, _)| index), evaluations: paid.evaluations };
    let attributions = infer::explain(gate, admission, explained, behalf).await?;
    reasons(contract, class.map(|(_, text)| text), &attributions, shown).map(Some)
}

/// The class that was answered, by its place and its text.
fn class<'a>(contract: &'a Contract, result: &Value) -> Result<Option<(usize, &'a Arc<str>)>, Rejection> {
    let unknown = || Rejection::unavailable("the answer is none of the contract's classes");
    match (&contract.task, result) {
        (Task::Classify { labels, .. }, Value::Label(text)) => {
            let place = labels.iter().position(|label| label.text == *text).ok_or_else(unknown)?;
            Ok(labels.get(place).map(|label| (place, &label.text)))
        }
        (Task::Regress { .. }, Value::Number(_)) => Ok(None),
        _ => Err(unknown()),
    }
}

/// What of attributions leaves, rounded as the contract's disclosure says.
fn reasons(
    contract: &Contract,
    of: Option<&Arc<str>>,
    attributions: &Attributions,
    shown: &Shown,
) -> Result<Reasons, Rejection> {
    let Attributions { method, scale, base, output, values, errors, evaluations } = attributions;
    let count = contract.features.len();
    let whole = values.len() == count
        && shown.0.len() == count
        && errors.as_ref().is_none_or(|errors| errors.len() == count)
        && values.iter().chain([base, output]).chain(errors.iter().flatten()).all(|value| value.is_finite());
    let missing = output - base - values.iter().sum::<f64>();
    let size = values.iter().map(|value| value.abs()).sum::<f64>() + output.abs() + base.abs();
    if !whole || missing.abs() > SUM_TOLERANCE * size.max(1.0) {
        return Err(Rejection::unavailable("the explanation does not add up"));
    }
    let rounding = Rounding::to(contract.disclosure.decimals);
    let error = |index: usize| errors.as_ref().and_then(|errors| errors.get(index)).copied();
    let rounded = |error: Option<f64>| error.map(|error| rounding.round(error));
    let mut features = Vec::with_capacity(count);
    let mut hidden: Option<Withheld> = None;
    for (index, ((feature, value), shown)) in contract.features.iter().zip(values).zip(&shown.0).enumerate() {
        if *shown {
            let feature = Arc::clone(&feature.name);
            features.push(Reason { feature, value: rounding.round(*value), error: rounded(error(index)) });
        } else {
            let before =
                hidden.unwrap_or(Withheld { features: 0, value: 0.0, error: errors.as_ref().map(|_| 0.0) });
            hidden = Some(Withheld {
                features: before.features + 1,
                value: before.value + value,
                error: before.error.zip(error(index)).map(|(sum, error)| sum + error),
            });
        }
    }
    let withheld = hidden.map(|hidden| Withheld {
        value: rounding.round(hidden.value),
        error: rounded(hidden.error),
        ..hidden
    });
    Ok(Reasons {
        of: of.cloned(),
        scale: *scale,
        method: *method,
        base: rounding.round(*base),
        output: rounding.round(*output),
        features,
        withheld,
        evaluations: *evaluations,
    })
}

/// How far attributions may be off their sum, relative to their size, before rounding.
const SUM_TOLERANCE: f64 = 1e-6;

/// Shapes what leaves.
pub(crate) fn sanitize(settled: Settled, reasons: Option<Reasons>) -> Explanation {
    let verdict = settled.into_verdict();
    let admission = verdict.admission();
    let contract = Arc::clone(admission.model().contract());
    let (candidate, standing) = (admission.permit().is_candidate(), admission.standing());
    let fallback = RowAnswer {
        outcome: crate::output::Outcome::Fallback,
        result: Value::Label(Arc::clone(&contract.judgment.fallback.result)),
        confidence: None,
        interval: None,
    };
    let row = verdict.into_rows().pop().unwrap_or(fallback);
    Explanation { contract, row, reasons, candidate, standing }
}

#[cfg(test)]
mod tests;
