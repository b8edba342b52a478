//! Performance without labels (CBPE, NannyML's confidence-based performance estimation): calibrated probabilities say how many
//! answers of a chunk are expected to be right. It sees a change of inputs, and is blind to a change of what inputs mean.

use super::super::calibrate::{CalibrateError, Isotonic};

/// Folds in which it is tried whether calibration helps.
const FOLDS: usize = 10;
/// Bins of equal count by which calibration is judged.
const BINS: usize = 10;
/// Standard deviations beside the mean of the reference's chunks at which the limits lie.
const DEVIATIONS: f64 = 3.0;

/// Why performance cannot be estimated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CbpeError {
    /// Fewer reference rows than two chunks.
    #[error("the reference has fewer than two chunks of {0} rows")]
    Chunks(usize),
    /// Not as many truths as answers.
    #[error("the reference has another number of truths than of answers")]
    Shape,
    /// A probability outside [0, 1].
    #[error("the probability of row {0} is not between 0 and 1")]
    Probability(usize),
    /// An empty chunk.
    #[error("the chunk has no rows")]
    Empty,
    /// What calibration says.
    #[error(transparent)]
    Calibrate(#[from] CalibrateError),
}

/// A binary classifier's answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// The probability of the positive class, 0 to 1.
    pub probability: f64,
    /// Whether the answer was positive.
    pub is_positive: bool,
}

/// What is expected of a chunk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Share of right answers.
    pub accuracy: f64,
    /// The harmonic mean of precision and recall; 0 where both are.
    pub f1: f64,
    /// The area under the receiver operating characteristic; NaN where one class is not expected at all.
    pub roc_auc: f64,
}

/// Where a chunk's accuracy is expected to lie, from the reference's own chunks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Below this is an alert.
    pub lower: f64,
    /// Above this too: too good is as strange.
    pub upper: f64,
}

/// A fitted estimator.
#[derive(Debug, Clone)]
pub struct Cbpe {
    calibration: Option<Isotonic>,
    accuracy: Limits,
    f1: Limits,
}

impl Cbpe {
    /// Fits to reference rows whose truth is known, in order, and sets limits from their chunks of `chunk` rows. Isotonic calibration is used only
    /// if it lowers the calibration error on rows that it has not seen.
    ///
    /// # Errors
    /// If there are fewer than two chunks, lists do not belong together, or a probability is none.
    pub fn fit(answers: &[Answer], truths: &[bool], chunk: usize) -> Result<Self, CbpeError> {
        if answers.len() != truths.len() {
            return Err(CbpeError::Shape);
        }
        if chunk == 0 || answers.len() / chunk < 2 {
            return Err(CbpeError::Chunks(chunk));
        }
        check(answers)?;
        let pairs: Vec<(f64, f64)> = answers
            .iter()
            .zip(truths)
            .map(|(a, truth)| (a.probability, f64::from(u8::from(*truth))))
            .collect();
        let calibration = if helps(&pairs)? { Some(Isotonic::fit(pairs)?) } else { None };
        let realized: Vec<(f64, f64)> = answers
            .chunks_exact(chunk)
            .zip(truths.chunks_exact(chunk))
            .map(|(a, t)| realized(a, t))
            .collect();
        let limits = |of: fn(&(f64, f64)) -> f64| limits(&realized.iter().map(of).collect::<Vec<_>>());
        Ok(Self { calibration, accuracy: limits(|chunk| chunk.0), f1: limits(|chunk| chunk.1) })
    }

    /// Estimates a chunk.
    ///
    /// # Errors
    /// If it is empty, or a probability is none.
    pub fn estimate(&self, chunk: &[Answer]) -> Result<Estimate, CbpeError> {
        if chunk.is_empty() {
            return Err(CbpeError::Empty);
        }
        check(chunk)?;
        let calibrated: Vec<f64> = chunk
            .iter()
            .map(|answer| {
                self.calibration.as_ref().map_or(answer.probability, |curve| curve.at(answer.probability))
            })
            .collect();
        let (mut tp, mut fp, mut fn_, mut tn) = (0.0, 0.0, 0.0, 0.0);
        for (answer, p) in chunk.iter().zip(&calibrated) {
            if answer.is_positive {
                tp += p;
                fp += 1.0 - p;
            } else {
                fn_ += p;
                tn += 1.0 - p;
            }
        }
        Ok(Estimate {
            accuracy: (tp + tn) / chunk.len() as f64,
            f1: f1(tp, fp, fn_),
            roc_auc: roc_auc(chunk, &calibrated),
        })
    }

    /// Where the accuracy of a chunk is expected.
    #[must_use]
    pub fn accuracy_limits(&self) -> Limits {
        self.accuracy
    }

    /// Where its F1 is.
    #[must_use]
    pub fn f1_limits(&self) -> Limits {
        self.f1
    }
}

impl Limits {
    /// Whether a value is outside.
    #[must_use]
    pub fn is_alert(&self, value: f64) -> bool {
        // NaN is outside of everything.
        !(self.lower..=self.upper).contains(&value)
    }
}

fn check(answers: &[Answer]) -> Result<(), CbpeError> {
    match answers.iter().position(|answer| !(0.0..=1.0).contains(&answer.probability)) {
        Some(row) => Err(CbpeError::Probability(row)),
        None => Ok(()),
    }
}

fn realized(answers: &[Answer], truths: &[bool]) -> (f64, f64) {
    let count = |positive: bool, truth: bool| {
        answers.iter().zip(truths).filter(|(a, t)| a.is_positive == positive && **t == truth).count() as f64
    };
    let (tp, tn) = (count(true, true), count(false, false));
    ((tp + tn) / answers.len() as f64, f1(tp, count(true, false), count(false, true)))
}

fn f1(tp: f64, fp: f64, fn_: f64) -> f64 {
    let denominator = tp + 0.5 * (fp + fn_);
    if denominator == 0.0 { 0.0 } else { tp / denominator }
}

fn limits(values: &[f64]) -> Limits {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let sd = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    Limits { lower: (mean - DEVIATIONS * sd).max(0.0), upper: (mean + DEVIATIONS * sd).min(1.0) }
}

/// The expected curve: as many positives as calibrated probabilities say, in the order of the model's own. Rows of one score are one
/// step, so that their order does not matter.
fn roc_auc(chunk: &[Answer], calibrated: &[f64]) -> f64 {
    let mut rows: Vec<(f64, f64)> =
        chunk.iter().map(|answer| answer.probability).zip(calibrated.iter().copied()).collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let positives: f64 = calibrated.iter().sum();
    let negatives = calibrated.len() as f64 - positives;
    let (mut area, mut seen) = (0.0, 0.0);
    for group in rows.chunk_by(|a, b| a.0 == b.0) {
        let hits: f64 = group.iter().map(|(_, p)| p).sum();
        area += (group.len() as f64 - hits) * (seen + hits / 2.0);
        seen += hits;
    }
    area / (positives * negatives)
}

/// Whether calibration lowers the error on folds that it was not fitted to. Folds are every tenth row: the same for the same rows.
fn helps(pairs: &[(f64, f64)]) -> Result<bool, CbpeError> {
    let (mut before, mut after) = (Vec::with_capacity(pairs.len()), Vec::with_capacity(pairs.len()));
    for fold in 0..FOLDS {
        let is_held = |row: usize| row % FOLDS == fold;
        let fitted: Vec<(f64, f64)> =
            pairs.iter().enumerate().filter(|(row, _)| !is_held(*row)).map(|(_, pair)| *pair).collect();
        if fitted.is_empty() {
            return Ok(false);
        }
        let curve = Isotonic::fit(fitted)?;
        for (_, (p, truth)) in pairs.iter().enumerate().filter(|(row, _)| is_held(*row)) {
            before.push((*p, *truth));
            after.push((curve.at(*p), *truth));
        }
    }
    Ok(error(before) > error(after))
}

/// The calibration error over bins of equal count.
fn error(mut pairs: Vec<(f64, f64)>) -> f64 {
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let off = |bin: &[(f64, f64)]| bin.iter().map(|(p, truth)| p - truth).sum::<f64>().abs();
    pairs.chunks(pairs.len().div_ceil(BINS).max(1)).map(off).sum()
}
