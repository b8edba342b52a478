//! The judge: is this answer good enough to be given?
//!
//! It decides per row, by the contract's rule, on the numbers as the model gave them; what it withholds it also takes
//! out of the outputs, so no later step can let a guess slip.

use std::sync::Arc;

use mantlet_types::{
    Contract, Datatype, Rejection, Tensor, TensorData,
    contract::{Confidence, Label, Task},
    entry::Token,
};

use super::{Outcome, RowAnswer, Value, Verdict, confidence, score::guessed, withhold::withhold};
use crate::{infer::Inference, input::half::Half, record::Record};

/// Why outputs cannot be judged. For the log: callers learn that the service is unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unjudgeable {
    /// The contract's confidence rule is not one for its task, or has impossible constants.
    #[error("the contract's confidence rule does not fit its task")]
    Rule,
    /// An output that the rule speaks of is absent or has another shape or type.
    #[error("an output has another shape or type than the rule speaks of")]
    Shape,
    /// The probabilities of a row are negative, not a number, or far from summing to 1.
    #[error("the class probabilities of a row are no distribution")]
    Distribution,
    /// The label output holds a value that is none of the contract's labels.
    #[error("the label output holds an unknown label")]
    Label,
    /// An output to be served is infinite or not a number.
    #[error("an output is not finite")]
    NotFinite,
}

/// Applies the contract's confidence rule to every row.
///
/// # Errors
/// 503 if the outputs are not what the rule speaks of (NaN probabilities, a label out of range).
pub(crate) fn judge(mut inference: Inference, record: &mut Record) -> Result<Verdict, Rejection> {
    let contract = Arc::clone(inference.admission.model().contract());
    let unjudgeable = |error: Unjudgeable| Rejection::unavailable(error.to_string());
    let guesses = match inference.kept {
        Some(_) => guessed(&contract, inference.rows, &inference.raw.0).map_err(unjudgeable)?,
        None => Vec::new(),
    };
    let rows = decide(&contract, inference.rows, &mut inference.raw.0).map_err(unjudgeable)?;
    record.entry().confidence_bp = confidence_bp(&rows);
    record.entry().output_class = output_class(&contract, &rows);
    Ok(Verdict { inference, rows, guesses })
}

/// Decides every row of the outputs, and puts the fallback in place of each withheld one, in all outputs.
///
/// # Errors
/// If the outputs, or the contract itself, leave nothing to decide by.
pub fn decide(
    contract: &Contract,
    rows: usize,
    outputs: &mut [Tensor],
) -> Result<Vec<RowAnswer>, Unjudgeable> {
    let whole = |tensor: &Tensor| tensor.is_consistent() && tensor.shape.first() == Some(&rows);
    if outputs.len() != contract.outputs.len() || !outputs.iter().all(whole) {
        return Err(Unjudgeable::Shape);
    }
    let answers = match &contract.task {
        Task::Classify { probabilities, label, labels } => {
            let probabilities = outputs.get(*probabilities).ok_or(Unjudgeable::Shape)?;
            let label = match label {
                Some(label) => Some(outputs.get(*label).ok_or(Unjudgeable::Shape)?),
                None => None,
            };
            classify(contract, rows, probabilities, label, labels)
        }
        Task::Regress { value } => regress(contract, rows, outputs.get(*value).ok_or(Unjudgeable::Shape)?),
        Task::Opaque if contract.judgment.confidence == Confidence::None => {
            Ok((0..rows).map(|_| served(Value::Opaque, None)).collect())
        }
        Task::Opaque => Err(Unjudgeable::Rule),
    }?;
    withhold(contract, outputs, &answers);
    if outputs.iter().all(|output| is_finite(&output.data)) {
        Ok(answers)
    } else {
        Err(Unjudgeable::NotFinite)
    }
}

fn classify(
    contract: &Contract,
    rows: usize,
    probabilities: &Tensor,
    label: Option<&Tensor>,
    labels: &[Label],
) -> Result<Vec<RowAnswer>, Unjudgeable> {
    let shaped =
        probabilities.shape == [rows, labels.len()] && label.is_none_or(|label| label.data.len() == rows);
    if !shaped {
        return Err(Unjudgeable::Shape);
    }
    let mut answers = Vec::with_capacity(rows);
    let mut row = Vec::with_capacity(labels.len());
    for index in 0..rows {
        read_row(&probabilities.data, index, labels.len(), &mut row)?;
        let (largest, most) = confidence::largest(&row).ok_or(Unjudgeable::Distribution)?;
        let class = match label {
            Some(label) => labeled(&label.data, index, labels).ok_or(Unjudgeable::Label)?,
            None => largest,
        };
        let text = &labels.get(class).ok_or(Unjudgeable::Label)?.text;
        let value = Value::Label(Arc::clone(text));
        answers.push(match contract.judgment.confidence {
            Confidence::None => served(value, None),
            Confidence::Probability { temperature } => {
                if !confidence::is_distribution(&row) {
                    return Err(Unjudgeable::Distribution);
                }
                // Some models put their own threshold between probabilities and label (a tuned binary classifier,
                // say). Then the label is the answer, and the confidence is that of the answer: one that the
                // probabilities speak against does not pass on the strength of the other class.
                let confidence =
                    confidence::calibrated(&row, class, most, temperature).ok_or(Unjudgeable::Rule)?;
                by_confidence(contract, value, confidence, probabilities.data.datatype())
            }
            Confidence::Interval { .. } => return Err(Unjudgeable::Rule),
        });
    }
    Ok(answers)
}

fn regress(contract: &Contract, rows: usize, value: &Tensor) -> Result<Vec<RowAnswer>, Unjudgeable> {
    if value.data.len() != rows {
        return Err(Unjudgeable::Shape);
    }
    let mut answers = Vec::with_capacity(rows);
    let mut row = Vec::with_capacity(1);
    for index in 0..rows {
        read_row(&value.data, index, 1, &mut row)?;
        let number =
            row.first().copied().filter(|number| number.is_finite()).ok_or(Unjudgeable::NotFinite)?;
        answers.push(match contract.judgment.confidence {
            Confidence::None => served(Value::Number(number), None),
            Confidence::Interval { coverage, half_width, width_max } => {
                let possible = (0.0..=1.0).contains(&coverage) && half_width >= 0.0 && half_width.is_finite();
                if !possible {
                    return Err(Unjudgeable::Rule);
                }
                let interval = (number - half_width, number + half_width);
                if !(interval.0.is_finite() && interval.1.is_finite()) {
                    return Err(Unjudgeable::NotFinite);
                }
                // A bound that is not a number admits no width.
                if width_max.is_none_or(|width_max| 2.0 * half_width <= width_max) {
                    let answer = by_confidence(contract, Value::Number(number), coverage, Datatype::Fp64);
                    let interval = Some(interval).filter(|_| answer.is_served());
                    RowAnswer { interval, ..answer }
                } else {
                    fallback(contract, coverage)
                }
            }
            Confidence::Probability { .. } => return Err(Unjudgeable::Rule),
        });
    }
    Ok(answers)
}

/// Serves the value if its confidence is not below the threshold.
///
/// The threshold is taken at the precision of the numbers: a model that says 0.7 in FP32 says 0.699999988, and means
/// 0.7. A threshold that is not a number withholds everything.
fn by_confidence(contract: &Contract, value: Value, confidence: f64, precision: Datatype) -> RowAnswer {
    let threshold = contract.judgment.threshold;
    let least = match precision {
        Datatype::Fp16 => Half::from_f64(threshold).to_f64(),
        Datatype::Fp32 => f64::from(threshold as f32),
        _ => threshold,
    };
    if confidence >= least.min(threshold) {
        served(value, Some(confidence))
    } else {
        fallback(contract, confidence)
    }
}

fn served(result: Value, confidence: Option<f64>) -> RowAnswer {
    RowAnswer { outcome: Outcome::Served, result, confidence, interval: None }
}

fn fallback(contract: &Contract, confidence: f64) -> RowAnswer {
    let result = Value::Label(Arc::clone(&contract.judgment.fallback.result));
    RowAnswer { outcome: Outcome::Fallback, result, confidence: Some(confidence), interval: None }
}

/// Copies one row of floating-point numbers.
pub(super) fn read_row(
    data: &TensorData,
    index: usize,
    width: usize,
    row: &mut Vec<f64>,
) -> Result<(), Unjudgeable> {
    fn copy<T: Copy>(values: &[T], index: usize, width: usize, row: &mut Vec<f64>, to: impl Fn(T) -> f64) {
        let values = values.iter().skip(index.saturating_mul(width)).take(width);
        row.extend(values.map(|value| to(*value)));
    }
    row.clear();
    match data {
        TensorData::Fp16(values) => copy(values, index, width, row, |bits| Half(bits).to_f64()),
        TensorData::Fp32(values) => copy(values, index, width, row, f64::from),
        TensorData::Fp64(values) => copy(values, index, width, row, |value| value),
        _ => return Err(Unjudgeable::Shape),
    }
    Ok(())
}

/// Which class the model's own label output names.
pub(super) fn labeled(data: &TensorData, row: usize, labels: &[Label]) -> Option<usize> {
    if let TensorData::Bytes(texts) = data {
        let text = texts.get(row)?.as_slice();
        return labels.iter().position(|label| label.text.as_bytes() == text);
    }
    let number = integer(data, row)?;
    labels.iter().position(|label| label.number == Some(number))
}

fn integer(data: &TensorData, row: usize) -> Option<i64> {
    match data {
        TensorData::Bool(values) => values.get(row).map(|value| i64::from(*value)),
        TensorData::Uint8(values) => values.get(row).map(|value| i64::from(*value)),
        TensorData::Uint16(values) => values.get(row).map(|value| i64::from(*value)),
        TensorData::Uint32(values) => values.get(row).map(|value| i64::from(*value)),
        TensorData::Uint64(values) => values.get(row).and_then(|value| i64::try_from(*value).ok()),
        TensorData::Int8(values) => values.get(row).map(|value| i64::from(*value)),
        TensorData::Int16(values) => values.get(row).map(|value| i64::from(*value)),
        TensorData::Int32(values) => values.get(row).map(|value| i64::from(*value)),
        TensorData::Int64(values) => values.get(row).copied(),
        TensorData::Fp16(_) | TensorData::Fp32(_) | TensorData::Fp64(_) | TensorData::Bytes(_) => None,
    }
}

fn is_finite(data: &TensorData) -> bool {
    match data {
        TensorData::Fp16(values) => values.iter().all(|bits| Half(*bits).is_finite()),
        TensorData::Fp32(values) => values.iter().all(|value| value.is_finite()),
        TensorData::Fp64(values) => values.iter().all(|value| value.is_finite()),
        _ => true,
    }
}

/// The least confidence of the rows, in basis points.
pub(super) fn confidence_bp(rows: &[RowAnswer]) -> Option<u32> {
    let least = rows.iter().filter_map(|row| row.confidence).reduce(f64::min)?;
    Some((least * 10_000.0).round() as u32) // 0 to 10,000: confidences are 0 to 1
}

/// What the audit entry says of the answer: the class that all rows share, `__uncertain` if all are withheld,
/// `__uncertain#3` if three rows of a batch are, and nothing of answers that are no class or differ.
pub(super) fn output_class(contract: &Contract, rows: &[RowAnswer]) -> Option<Token> {
    let withheld = rows.iter().filter(|row| !row.is_served()).count();
    if withheld == rows.len() {
        return Some(Token::of("__uncertain"));
    }
    if withheld > 0 {
        return Some(Token::of(&format!("__uncertain#{withheld}")));
    }
    let Task::Classify { labels, .. } = &contract.task else { return None };
    let (first, others) = rows.split_first()?;
    let Value::Label(text) = &first.result else { return None };
    if others.iter().any(|row| row.result != first.result) {
        return None;
    }
    // A label may be any text, and an entry carries none.
    let numbered = || {
        let index = labels.iter().position(|label| label.text == *text)?;
        Some(Token::of(&format!("label#{index}")))
    };
    Token::new(text).ok().or_else(numbered)
}
