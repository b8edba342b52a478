//! Support vector machines: `SVMClassifier`, `SVMRegressor`, as libsvm trains them.

mod coupling;

use crate::onnx::{Attributes, LoadError, Node};

use self::coupling::couple;
use super::{
    super::{
        kernel::{Fault, Io, Kernel},
        value::Shape,
    },
    Built,
    linear::dot,
    post::{Labels, Pair, Transform, largest, logistic},
};

/// A kernel function of two vectors.
#[derive(Clone, Copy, Debug)]
enum Function {
    Linear,
    Poly { gamma: f32, coef0: f32, degree: f32 },
    Rbf { gamma: f32 },
    Sigmoid { gamma: f32, coef0: f32 },
}

impl Function {
    fn read(attributes: &mut Attributes) -> Result<Self, LoadError> {
        let (gamma, coef0, degree) = match attributes.floats("kernel_params")?[..] {
            [] => (0.0, 0.0, 0.0),
            [gamma, coef0, degree] => (gamma, coef0, degree),
            _ => return Err(attributes.error("three kernel parameters are needed")),
        };
        match attributes.text("kernel_type")?.as_deref() {
            None | Some("LINEAR") => Ok(Self::Linear),
            Some("POLY") => Ok(Self::Poly { gamma, coef0, degree }),
            Some("RBF") => Ok(Self::Rbf { gamma }),
            Some("SIGMOID") => Ok(Self::Sigmoid { gamma, coef0 }),
            Some(_) => Err(attributes.error("the kernel type is unknown")),
        }
    }

    fn of(self, a: &[f32], b: &[f32]) -> f32 {
        match self {
            Self::Linear => dot(a, b),
            Self::Poly { gamma, coef0, degree } => (gamma * dot(a, b) + coef0).powf(degree),
            Self::Rbf { gamma } => {
                let distance: f32 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
                (-gamma * distance).exp()
            }
            Self::Sigmoid { gamma, coef0 } => (gamma * dot(a, b) + coef0).tanh(),
        }
    }
}

/// Support vectors, one under another.
#[derive(Debug)]
struct Vectors {
    values: Vec<f32>,
    features: usize,
    function: Function,
}

impl Vectors {
    fn new(
        attributes: &Attributes,
        values: Vec<f32>,
        count: usize,
        function: Function,
    ) -> Result<Self, LoadError> {
        if count == 0 || values.is_empty() || !values.len().is_multiple_of(count) {
            return Err(attributes.error("the support vectors do not fit their number"));
        }
        Ok(Self { features: values.len() / count, values, function })
    }

    /// The kernel function of a row and each vector.
    fn kernels(&self, row: &[f32], kernels: &mut Vec<f32>) {
        kernels.clear();
        kernels.extend(self.values.chunks_exact(self.features).map(|vector| self.function.of(row, vector)));
    }

    fn work(&self) -> u64 {
        self.values.len() as u64
    }
}

/// Calls `visit` with each row of input 0, which must have this many columns; gives the number of rows.
fn each_row(io: &Io<'_, '_>, features: usize, mut visit: impl FnMut(&[f32])) -> Result<usize, Fault> {
    let input = io.input(0)?;
    let (rows, columns) = input.shape().matrix()?;
    if columns != features {
        return Err(Fault::Shape("the number of columns is not that of the model"));
    }
    input.floats()?.chunks_exact(columns).for_each(&mut visit);
    Ok(rows)
}

/// Σ αᵢ K(xᵢ, x) + ρ, or a linear function without support vectors.
#[derive(Debug)]
struct Regressor {
    vectors: Vectors,
    coefficients: Vec<f32>,
    rho: f32,
    one_class: bool,
}

/// Makes an `SVMRegressor`.
pub(super) fn regressor(node: &mut Node) -> Built {
    let attributes = &mut node.attributes;
    let mut function = Function::read(attributes)?;
    let count = attributes.int("n_supports")?.unwrap_or(0);
    let count =
        usize::try_from(count).map_err(|_| attributes.error("the number of support vectors is negative"))?;
    let mut coefficients = attributes.floats("coefficients")?;
    let mut support = attributes.floats("support_vectors")?;
    let [rho] = attributes.floats("rho")?[..] else { return Err(attributes.error("one rho is needed")) };
    let one_class = attributes.flag("one_class", false)?;
    // onnxruntime does not transform, so a model that asks for it would have two meanings.
    if Transform::read(attributes)? != Transform::None {
        return Err(attributes.error("a post-transform is not supported"));
    }
    if count == 0 {
        // The coefficients themselves are the one vector.
        function = Function::Linear;
        support = std::mem::replace(&mut coefficients, vec![1.0]);
    }
    let vectors = Vectors::new(attributes, support, count.max(1), function)?;
    if coefficients.len() != count.max(1) {
        return Err(attributes.error("one coefficient for each support vector is needed"));
    }
    Ok(Box::new(Regressor { vectors, coefficients, rho, one_class }))
}

impl Kernel for Regressor {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let mut kernels = Vec::new();
        let mut values = Vec::new();
        let rows = each_row(io, self.vectors.features, |row| {
            self.vectors.kernels(row, &mut kernels);
            let value = dot(&kernels, &self.coefficients) + self.rho;
            values.push(match self.one_class {
                true if value > 0.0 => 1.0,
                true => -1.0,
                false => value,
            });
        })?;
        io.charge(rows)?;
        io.set(0, Shape::new(&[rows, 1])?, values)
    }

    fn work(&self) -> u64 {
        self.vectors.work()
    }
}

/// A machine for each pair of classes, or one linear function for each class.
#[derive(Debug)]
struct Classifier {
    labels: Labels,
    transform: Transform,
    machine: Machine,
}

#[derive(Debug)]
enum Machine {
    /// One against one, decided by votes.
    Pairs(Pairs),
    /// liblinear: a row of weights for each class, which are `vectors` here.
    Linear { vectors: Vectors, rho: f32, positive: bool },
}

#[derive(Debug)]
struct Pairs {
    vectors: Vectors,
    /// First vector of each class, and the end of the last.
    starts: Vec<usize>,
    /// `[classes - 1, vectors]`, as libsvm lays them out.
    coefficients: Vec<f32>,
    rho: Vec<f32>,
    /// Platt's A and B for each pair; empty for a machine without probabilities.
    platt: Vec<(f32, f32)>,
    classes: usize,
}

/// Makes an `SVMClassifier`.
pub(super) fn classifier(node: &mut Node) -> Built {
    let attributes = &mut node.attributes;
    let labels = Labels::read(attributes, "classlabels_ints")?;
    let transform = Transform::read(attributes)?;
    let function = Function::read(attributes)?;
    let classes = labels.len();
    if !(2..1 << 12).contains(&classes) {
        return Err(attributes.error("the number of classes is out of bounds"));
    }
    let per_class = attributes.ints("vectors_per_class")?;
    let coefficients = attributes.floats("coefficients")?;
    let support = attributes.floats("support_vectors")?;
    let rho = attributes.floats("rho")?;
    let platt = (attributes.floats("prob_a")?, attributes.floats("prob_b")?);
    let starts =
        starts(&per_class).ok_or_else(|| attributes.error("a class has a negative number of vectors"))?;
    let count = starts.last().copied().unwrap_or(0);
    let machine = if count > 0 {
        let vectors = Vectors::new(attributes, support, count, function)?;
        let machines = classes * (classes - 1) / 2;
        let fits = per_class.len() == classes
            && Some(coefficients.len()) == count.checked_mul(classes - 1)
            && rho.len() == machines
            && platt.0.len() == platt.1.len()
            && (platt.0.is_empty() || platt.0.len() == machines);
        if !fits {
            return Err(
                attributes.error("the numbers of vectors, coefficients and classes do not fit each other")
            );
        }
        if classes == 2 && platt.0.is_empty() && transform == Transform::Probit {
            return Err(attributes.error("a probit of one score for two classes is undefined"));
        }
        let platt = platt.0.into_iter().zip(platt.1).collect();
        Machine::Pairs(Pairs { vectors, starts, coefficients, rho, platt, classes })
    } else {
        let positive = coefficients.iter().all(|value| *value >= 0.0);
        let rho = *rho.first().ok_or_else(|| attributes.error("one rho is needed"))?;
        Machine::Linear {
            vectors: Vectors::new(attributes, coefficients, classes, Function::Linear)?,
            rho,
            positive,
        }
    };
    Ok(Box::new(Classifier { labels, transform, machine }))
}

/// Running sums, from zero.
fn starts(per_class: &[i64]) -> Option<Vec<usize>> {
    let mut starts = vec![0_usize];
    for count in per_class {
        starts.push(starts.last()?.checked_add(usize::try_from(*count).ok()?)?);
    }
    Some(starts)
}

impl Kernel for Classifier {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let (rows, _) = io.input(0)?.shape().matrix()?;
        let width = self.width();
        io.charge(rows.saturating_mul(width))?;
        let mut scores: Vec<f32> = Vec::with_capacity(rows * width);
        let mut classes = Vec::with_capacity(rows);
        let mut kernels = Vec::new();
        match &self.machine {
            Machine::Pairs(pairs) => each_row(io, pairs.vectors.features, |row| {
                pairs.vectors.kernels(row, &mut kernels);
                classes.push(pairs.decide(&kernels, self.transform, &mut scores));
            })?,
            Machine::Linear { vectors, rho, positive } => each_row(io, vectors.features, |row| {
                vectors.kernels(row, &mut kernels);
                kernels.iter_mut().for_each(|score| *score += rho);
                classes.push(linear_class(&kernels, *positive));
                self.transform.apply(&mut kernels);
                scores.extend_from_slice(&kernels);
            })?,
        };
        self.labels.set(io, 0, &classes)?;
        io.set(1, Shape::new(&[rows, width])?, scores)
    }

    fn work(&self) -> u64 {
        match &self.machine {
            Machine::Pairs(pairs) => pairs.vectors.work(),
            Machine::Linear { vectors, .. } => vectors.work(),
        }
    }
}

impl Classifier {
    /// Scores for one row: one for each class, or one for each pair of more than two classes without probabilities.
    fn width(&self) -> usize {
        match &self.machine {
            Machine::Pairs(pairs) if pairs.platt.is_empty() && pairs.classes > 2 => pairs.rho.len(),
            _ => self.labels.len(),
        }
    }
}

/// onnxruntime's choice for linear machines of two classes goes by the sign or, without negative weights, by one half.
fn linear_class(scores: &[f32], positive: bool) -> usize {
    let best = largest(scores);
    let decided = if positive { scores[best] >= 0.5 } else { scores[best] > 0.0 };
    if scores.len() == 2 && decided { 1 } else { best }
}

impl Pairs {
    /// Appends the scores of one row, given its kernels, and tells the class with the most votes.
    fn decide(&self, kernels: &[f32], transform: Transform, scores: &mut Vec<f32>) -> usize {
        let mut votes = vec![0_usize; self.classes];
        let mut margins = Vec::with_capacity(self.rho.len());
        for i in 0..self.classes {
            for j in i + 1..self.classes {
                let margin = self.margin(kernels, i, j) + f64::from(self.rho[margins.len()]);
                votes[if margin > 0.0 { i } else { j }] += 1;
                #[expect(clippy::cast_possible_truncation, reason = "scores are float32 by the standard")]
                margins.push(margin as f32);
            }
        }
        let start = scores.len();
        if !self.platt.is_empty() {
            scores.extend(couple(self.classes, &self.probabilities(&margins)));
            transform.apply(&mut scores[start..]);
        } else if let [margin] = margins[..] {
            scores.extend([0.0, 0.0]);
            let pair = if transform == Transform::None { Pair::Opposite } else { Pair::Complement };
            pair.expand(margin, transform, &mut scores[start..]);
        } else {
            scores.extend(margins);
            transform.apply(&mut scores[start..]);
        }
        let most = votes.iter().copied().max().unwrap_or(0);
        votes.iter().position(|count| *count == most).unwrap_or(0)
    }

    /// The sum over the support vectors of both classes, with the coefficients of each against the other.
    fn margin(&self, kernels: &[f32], i: usize, j: usize) -> f64 {
        let count = kernels.len();
        let sum = |class: usize, row: usize| -> f64 {
            let range = self.starts[class]..self.starts[class + 1];
            let coefficients = &self.coefficients[row * count..][range.clone()];
            coefficients.iter().zip(&kernels[range]).map(|(a, b)| f64::from(a * b)).sum()
        };
        sum(i, j - 1) + sum(j, i)
    }

    /// The probability of the first class of each pair (Platt 2000), kept away from 0 and 1.
    fn probabilities(&self, margins: &[f32]) -> Vec<f32> {
        let pairs = margins.iter().zip(&self.platt);
        pairs.map(|(margin, (a, b))| (1.0 - logistic(margin * a + b)).clamp(1e-7, 1.0 - 1e-7)).collect()
    }
}
