//! Linear models: `LinearClassifier`, `LinearRegressor`.

use crate::onnx::{LoadError, Node};

use super::{
    super::{
        kernel::{Fault, Io, Kernel},
        margin::{Form, LinearForm, Link, Margin},
        value::Shape,
    },
    Built,
    post::{Labels, Pair, Transform, largest},
};

/// Scores X · Wᵀ + b: one row of weights for each target.
#[derive(Debug)]
struct Linear {
    weights: Vec<f32>,
    bias: Vec<f32>,
    targets: usize,
    features: usize,
}

impl Linear {
    fn new(node: &mut Node, targets: usize, bias: Vec<f32>) -> Result<Self, LoadError> {
        let weights = node.attributes.floats("coefficients")?;
        if targets == 0 || weights.is_empty() || !weights.len().is_multiple_of(targets) {
            return Err(node
                .attributes
                .error("the number of coefficients does not fit the number of targets"));
        }
        if bias.len() != targets {
            return Err(node.attributes.error("one intercept for each target is needed"));
        }
        let features = weights.len() / targets;
        Ok(Self { weights, bias, targets, features })
    }

    /// The scores, with room for `stride` values a row, of which the first ones are set.
    fn scores(&self, io: &mut Io<'_, '_>, stride: usize) -> Result<(usize, Vec<f32>), Fault> {
        let (rows, columns) = io.input(0)?.shape().matrix()?;
        if columns != self.features {
            return Err(Fault::Shape("the number of columns is not that of the coefficients"));
        }
        io.charge(rows.saturating_mul(stride))?;
        let input = io.input(0)?.floats()?;
        let mut scores = vec![0.0; rows * stride];
        for (row, scores) in input.chunks_exact(columns).zip(scores.chunks_exact_mut(stride)) {
            let targets = self.weights.chunks_exact(self.features).zip(&self.bias);
            for (score, (weights, bias)) in scores.iter_mut().zip(targets) {
                *score = dot(row, weights) + bias;
            }
        }
        Ok((rows, scores))
    }

    fn work(&self) -> u64 {
        self.weights.len() as u64
    }

    fn form(&self) -> Form {
        let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect();
        let weights = self.weights.chunks_exact(self.features).map(wide).collect();
        Form::Linear(LinearForm { weights, bias: wide(&self.bias) })
    }
}

/// The inner product, in eight partial sums that the compiler keeps in one vector register.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_chunks, a_rest) = a.as_chunks::<8>();
    let (b_chunks, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0_f32; 8];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// A linear classifier.
#[derive(Debug)]
struct Classifier {
    linear: Linear,
    labels: Labels,
    transform: Transform,
}

/// Makes a `LinearClassifier`.
pub(super) fn classifier(node: &mut Node) -> Built {
    let labels = Labels::read(&mut node.attributes, "classlabels_ints")?;
    let transform = Transform::read(&mut node.attributes)?;
    // Without influence in onnxruntime: the scores of each class are computed alike.
    node.attributes.ignore(&["multi_class"]);
    let bias = node.attributes.floats("intercepts")?;
    let targets = bias.len();
    let linear = Linear::new(node, targets, bias)?;
    if labels.len() < 2 || (labels.len() != targets && targets != 1) || (targets == 1 && labels.len() != 2) {
        return Err(node
            .attributes
            .error("the number of class labels does not fit the number of intercepts"));
    }
    if targets == 1 && transform == Transform::Probit {
        return Err(node.attributes.error("a probit of one score for two classes is undefined"));
    }
    Ok(Box::new(Classifier { linear, labels, transform }))
}

impl Kernel for Classifier {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let stride = self.labels.len();
        let (rows, mut scores) = self.linear.scores(io, stride)?;
        let mut classes = Vec::with_capacity(rows);
        for row in scores.chunks_exact_mut(stride) {
            if self.linear.targets == 1 && stride == 2 {
                // One row of weights for two classes: the score is the second class's.
                let score = row[0];
                classes.push(usize::from(score > 0.0));
                Pair::Complement.expand(score, self.transform, row);
            } else {
                classes.push(largest(row));
                self.transform.apply(row);
            }
        }
        self.labels.set(io, 0, &classes)?;
        io.set(1, Shape::new(&[rows, stride])?, scores)
    }

    fn work(&self) -> u64 {
        self.linear.work()
    }

    fn margin(&self) -> Option<Margin> {
        let link = match (self.transform, self.linear.targets == 1) {
            (Transform::None, false) => Link::Each,
            (Transform::Logistic, false) => Link::EachLogistic,
            (Transform::Softmax, false) => Link::Softmax,
            (Transform::Logistic, true) => Link::PairLogistic,
            (Transform::None | Transform::Softmax, true) => Link::Complement,
            (Transform::SoftmaxZero | Transform::Probit, _) => return None,
        };
        Some(Margin { form: self.linear.form(), link })
    }
}

/// A linear regression with one or more targets.
#[derive(Debug)]
struct Regressor {
    linear: Linear,
    transform: Transform,
}

/// Makes a `LinearRegressor`.
pub(super) fn regressor(node: &mut Node) -> Built {
    let targets = node.attributes.int("targets")?.unwrap_or(1);
    let targets =
        usize::try_from(targets).map_err(|_| node.attributes.error("the number of targets is negative"))?;
    let transform = Transform::read(&mut node.attributes)?;
    let mut bias = node.attributes.floats("intercepts")?;
    if bias.is_empty() {
        bias = vec![0.0; targets.min(1 << 20)];
    }
    Ok(Box::new(Regressor { linear: Linear::new(node, targets, bias)?, transform }))
}

impl Kernel for Regressor {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let targets = self.linear.targets;
        let (rows, mut scores) = self.linear.scores(io, targets)?;
        scores.chunks_exact_mut(targets).for_each(|row| self.transform.apply(row));
        io.set(0, Shape::new(&[rows, targets])?, scores)
    }

    fn work(&self) -> u64 {
        self.linear.work()
    }

    fn margin(&self) -> Option<Margin> {
        let plain = self.transform == Transform::None && self.linear.targets == 1;
        plain.then(|| Margin { form: self.linear.form(), link: Link::Each })
    }
}
