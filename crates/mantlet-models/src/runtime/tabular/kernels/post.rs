//! Post-transforms of scores, and class labels: what the classifiers of `ai.onnx.ml` share.

use crate::onnx::{Attributes, LoadError};

use super::super::{
    kernel::{Fault, Io},
    value::Shape,
};

/// What is done to scores before they leave a model operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transform {
    None,
    Softmax,
    Logistic,
    SoftmaxZero,
    Probit,
}

impl Transform {
    /// Reads the attribute `post_transform`.
    pub(super) fn read(attributes: &mut Attributes) -> Result<Self, LoadError> {
        match attributes.text("post_transform")?.as_deref() {
            None | Some("NONE") => Ok(Self::None),
            Some("SOFTMAX") => Ok(Self::Softmax),
            Some("LOGISTIC") => Ok(Self::Logistic),
            Some("SOFTMAX_ZERO") => Ok(Self::SoftmaxZero),
            Some("PROBIT") => Ok(Self::Probit),
            Some(other) => Err(attributes.error(format!("post-transform `{other}` is unknown"))),
        }
    }

    /// Transforms the scores of one row in place.
    pub(super) fn apply(self, scores: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Softmax => softmax(scores),
            Self::Logistic => scores.iter_mut().for_each(|score| *score = logistic(*score)),
            Self::SoftmaxZero => softmax_zero(scores),
            Self::Probit => scores.iter_mut().for_each(|score| *score = probit(*score)),
        }
    }
}

/// The two scores that stand for one score of a two-class model. The standard is silent; these are onnxruntime's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pair {
    /// The score is a probability: 1 - s and s.
    Complement,
    /// The score is a margin: -s and s.
    Opposite,
}

impl Pair {
    /// Writes both scores; softmax has no meaning for one score and is left out, as there.
    pub(super) fn expand(self, score: f32, transform: Transform, row: &mut [f32]) {
        let [first, second] = row else { return };
        (*first, *second) = match (transform, self) {
            (Transform::Logistic, _) => (logistic(-score), logistic(score)),
            (_, Self::Complement) => (1.0 - score, score),
            (_, Self::Opposite) => (-score, score),
        };
    }
}

/// 1 / (1 + e^-x), computed so that neither end overflows.
pub(super) fn logistic(x: f32) -> f32 {
    let value = 1.0 / (1.0 + (-x.abs()).exp());
    if x < 0.0 { 1.0 - value } else { value }
}

/// e^x over its sum, shifted by the maximum.
pub(super) fn softmax(scores: &mut [f32]) {
    let max = scores.iter().copied().fold(f32::MIN, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - max).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// A softmax in which scores of zero keep no weight of their own (`ai.onnx.ml`, `SOFTMAX_ZERO`).
fn softmax_zero(scores: &mut [f32]) {
    let max = scores.iter().copied().fold(f32::MIN, f32::max);
    let scale = (-max).exp();
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        if score.abs() > 1e-7 {
            *score = (*score - max).exp();
            sum += *score;
        } else {
            *score *= scale;
        }
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// √2 · erf⁻¹(2x - 1), with the approximation of erf⁻¹ (Winitzki 2008, a = 0.147) that onnxruntime uses.
#[expect(clippy::approx_constant, reason = "onnxruntime has these five decimals of π")]
fn probit(x: f32) -> f32 {
    let x = 2.0 * x - 1.0;
    let sign = if x < 0.0 { -1.0 } else { 1.0 };
    let log = ((1.0 - x) * (1.0 + x)).ln();
    let v = 2.0 / (3.14159 * 0.147) + 0.5 * log;
    let v2 = (1.0 / 0.147) * log;
    std::f32::consts::SQRT_2 * sign * ((v * v - v2).sqrt() - v).sqrt()
}

/// The labels of a classifier.
#[derive(Debug)]
pub(super) enum Labels {
    Numbers(Vec<i64>),
    Texts(Vec<Vec<u8>>),
}

impl Labels {
    /// Reads `classlabels_strings` and the integer attribute of the given name; exactly one must be given.
    pub(super) fn read(attributes: &mut Attributes, integers: &str) -> Result<Self, LoadError> {
        let texts = attributes.texts("classlabels_strings")?;
        let numbers = attributes.ints(integers)?;
        match (texts.len(), numbers.len()) {
            (0, 0) => Err(attributes.error("it has no class labels")),
            (_, 0) => Ok(Self::Texts(texts)),
            (0, _) => Ok(Self::Numbers(numbers)),
            _ => Err(attributes.error("it has class labels of two kinds")),
        }
    }

    /// Number of classes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Texts(texts) => texts.len(),
        }
    }

    /// Sets output `index` to the labels of the given classes, one for each row.
    pub(super) fn set(&self, io: &mut Io<'_, '_>, index: usize, classes: &[usize]) -> Result<(), Fault> {
        let shape = Shape::vector(classes.len());
        let missing = Fault::Shape("a class has no label");
        match self {
            Self::Numbers(numbers) => {
                let labels: Option<Vec<i64>> =
                    classes.iter().map(|class| numbers.get(*class).copied()).collect();
                io.set(index, shape, labels.ok_or(missing)?)
            }
            Self::Texts(texts) => {
                let labels: Option<Vec<Vec<u8>>> =
                    classes.iter().map(|class| texts.get(*class).cloned()).collect();
                io.set(index, shape, labels.ok_or(missing)?)
            }
        }
    }
}

/// Index of the largest score; the first of equals. NaN is never larger.
pub(super) fn largest(scores: &[f32]) -> usize {
    let mut best = 0;
    for (index, score) in scores.iter().enumerate().skip(1) {
        if *score > scores[best] {
            best = index;
        }
    }
    best
}
