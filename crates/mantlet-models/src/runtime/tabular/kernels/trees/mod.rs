//! Tree ensembles: `TreeEnsembleClassifier`, `TreeEnsembleRegressor`, `TreeEnsemble`.

mod attributes;
mod ensemble;
mod forest;
mod version5;

#[cfg(test)]
pub(crate) use self::forest::Mode;
pub(crate) use self::forest::{Split, Target};

use std::sync::OnceLock;

use crate::onnx::{Attributes, LoadError, Node};

use self::{
    attributes::{CLASS, Read, TARGET},
    ensemble::{Aggregate, Ensemble, Score},
    forest::Real,
};
use super::{
    super::{
        kernel::{Fault, Io, Kernel},
        margin::{Form, Link, Margin},
        value::{Data, Shape},
    },
    Built,
    post::{Labels, Pair, Transform},
};

/// An ensemble at the width in which it was given, and at 64 bits for inputs of that width.
#[derive(Debug)]
enum Trees {
    Single { narrow: Ensemble<f32>, wide: OnceLock<Box<Ensemble<f64>>> },
    Double(Ensemble<f64>),
}

impl Trees {
    fn new(attributes: &Attributes, read: Read) -> Result<Self, LoadError> {
        match read {
            Read::Single(parts) => {
                Ensemble::new(parts).map(|narrow| Self::Single { narrow, wide: OnceLock::new() })
            }
            Read::Double(parts) => Ensemble::new(parts).map(Self::Double),
        }
        .map_err(|why| attributes.error(why))
    }

    fn only_target(&self) -> Option<u32> {
        match self {
            Self::Single { narrow, .. } => narrow.only_target(),
            Self::Double(ensemble) => ensemble.only_target(),
        }
    }

    fn is_positive(&self) -> bool {
        match self {
            Self::Single { narrow, .. } => narrow.is_positive(),
            Self::Double(ensemble) => ensemble.is_positive(),
        }
    }

    fn base_len(&self) -> usize {
        match self {
            Self::Single { narrow, .. } => narrow.base().len(),
            Self::Double(ensemble) => ensemble.base().len(),
        }
    }

    fn work(&self) -> u64 {
        match self {
            Self::Single { narrow, .. } => narrow.work(),
            Self::Double(ensemble) => ensemble.work(),
        }
    }

    /// The sums, with so many base values as there are targets; `None` if leaves are not summed.
    fn form(&self, base: Vec<f64>) -> Option<Form> {
        let form = match self {
            Self::Single { narrow, .. } => narrow.form(base),
            Self::Double(ensemble) => ensemble.form(base),
        };
        form.map(Form::Trees)
    }

    fn base(&self) -> Vec<f64> {
        match self {
            Self::Single { narrow, .. } => narrow.base().iter().map(|value| value.wide()).collect(),
            Self::Double(ensemble) => ensemble.base().to_vec(),
        }
    }

    /// Runs over the rows of input 0; `finish` turns the scores of one row into `stride` outputs.
    fn rows(
        &self,
        io: &mut Io<'_, '_>,
        stride: usize,
        finish: &mut impl Finish,
    ) -> Result<(usize, Vec<f32>), Fault> {
        let (rows, columns) = io.input(0)?.shape().matrix()?;
        io.charge(rows.saturating_mul(stride))?;
        let input = io.input(0)?;
        let mut out = vec![0.0; rows * stride];
        match (self, input.data()) {
            (Self::Single { narrow, wide }, Data::F64(values)) => {
                let ensemble = wide.get_or_init(|| Box::new(narrow.widened()));
                each_row(ensemble, values, columns, stride, &mut out, finish)?;
            }
            (Self::Single { narrow, .. }, _) => {
                let values = input.floats()?;
                each_row(narrow, &values, columns, stride, &mut out, finish)?;
            }
            (Self::Double(ensemble), Data::F64(values)) => {
                each_row(ensemble, values, columns, stride, &mut out, finish)?;
            }
            (Self::Double(_), _) => return Err(Fault::Type("trees of 64-bit floats need such an input")),
        }
        Ok((rows, out))
    }
}

/// What is done with the scores of one row, at either width.
trait Finish {
    fn row<T: Real>(&mut self, scores: &mut [Score<T>], base: &[T], out: &mut [f32]);
}

fn each_row<T: Real>(
    ensemble: &Ensemble<T>,
    values: &[T],
    columns: usize,
    stride: usize,
    out: &mut [f32],
    finish: &mut impl Finish,
) -> Result<(), Fault> {
    if columns < ensemble.forest().features() {
        return Err(Fault::Shape("a tree needs more columns than there are"));
    }
    let mut scores = vec![Score::default(); ensemble.targets()];
    let mut rows = values.chunks_exact(columns.max(1));
    for out in out.chunks_exact_mut(stride) {
        ensemble.scores(rows.next().unwrap_or_default(), &mut scores);
        finish.row(&mut scores, ensemble.base(), out);
    }
    Ok(())
}

/// Scores for classes, and the label of the winning one.
#[derive(Debug)]
struct Classifier {
    trees: Trees,
    labels: Labels,
    transform: Transform,
    kind: Kind,
}

/// How scores become classes. The standard leaves the cases of two classes open; these are onnxruntime's choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Three classes or more: the largest score wins.
    Many,
    /// Two classes, and all weights are for one of them. `positive`: none is negative, so that the score is a
    /// probability rather than a margin.
    Two { positive: bool },
    /// Two classes with weights for both: the second wins when its score is positive.
    Both,
}

/// Makes a `TreeEnsembleClassifier`.
pub(super) fn classifier(node: &mut Node) -> Built {
    let attributes = &mut node.attributes;
    let labels = Labels::read(attributes, "classlabels_int64s")?;
    let transform = Transform::read(attributes)?;
    let classes = labels.len();
    let read = attributes::read(attributes, &CLASS, classes, Aggregate::Sum)?;
    let trees = Trees::new(attributes, read)?;
    let base = trees.base_len();
    if base != 0 && base != classes && !(classes == 2 && base == 1) {
        return Err(attributes.error("the number of base values is not that of the classes"));
    }
    let kind = match (classes, trees.only_target()) {
        (0 | 1, _) => return Err(attributes.error("two classes or more are needed")),
        (2, Some(_)) => Kind::Two { positive: trees.is_positive() },
        // onnxruntime answers such models with the literal labels 0 and 1, and one base value with memory that it did
        // not write.
        (2, None) if base == 1 || matches!(&labels, Labels::Numbers(numbers) if numbers[..] != [0, 1]) => {
            return Err(attributes
                .error("weights for both of two classes are ambiguous with these labels or base values"));
        }
        (2, None) => Kind::Both,
        _ => Kind::Many,
    };
    if classes == 2 && transform == Transform::Probit && base != 2 {
        return Err(attributes.error("a probit of one score for two classes is undefined"));
    }
    Ok(Box::new(Classifier { trees, labels, transform, kind }))
}

impl Kernel for Classifier {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let mut finish = Classes { kind: self.kind, transform: self.transform, classes: Vec::new() };
        let (rows, scores) = self.trees.rows(io, self.labels.len(), &mut finish)?;
        self.labels.set(io, 0, &finish.classes)?;
        io.set(1, Shape::new(&[rows, self.labels.len()])?, scores)
    }

    fn work(&self) -> u64 {
        self.trees.work()
    }

    fn margin(&self) -> Option<Margin> {
        let mut base = self.trees.base();
        let link = match (self.kind, self.transform) {
            (Kind::Two { .. }, transform) => {
                // One sum, which is the first class's weights and stands for the second class. Other placements are
                // possible, and have their own rules in onnxruntime.
                if self.trees.only_target() != Some(0) || base.len() > 1 {
                    return None;
                }
                base.resize(2, 0.0);
                match (transform, self.kind) {
                    (Transform::Logistic, _) => Link::PairLogistic,
                    (Transform::None | Transform::Softmax, Kind::Two { positive: true }) => Link::Complement,
                    (Transform::None | Transform::Softmax, _) => Link::Opposite,
                    (Transform::SoftmaxZero | Transform::Probit, _) => return None,
                }
            }
            (Kind::Both, _) if !base.is_empty() => return None,
            (_, Transform::None) => Link::Each,
            (_, Transform::Logistic) => Link::EachLogistic,
            (_, Transform::Softmax) => Link::Softmax,
            (_, Transform::SoftmaxZero | Transform::Probit) => return None,
        };
        base.resize(self.labels.len(), 0.0);
        let mut form = self.trees.form(base)?;
        if let (Form::Trees(trees), Kind::Two { .. }) = (&mut form, self.kind) {
            trees.leaves.truncate(1);
            trees.base.truncate(1);
        }
        Some(Margin { form, link })
    }
}

/// Collects the winning classes while scores are written.
struct Classes {
    kind: Kind,
    transform: Transform,
    classes: Vec<usize>,
}

impl Finish for Classes {
    fn row<T: Real>(&mut self, scores: &mut [Score<T>], base: &[T], out: &mut [f32]) {
        if self.kind == Kind::Many {
            for (score, base) in scores.iter_mut().zip(base) {
                score.value += *base;
                score.given = true;
            }
            self.classes.push(winner(scores));
            write(scores, out);
            self.transform.apply(out);
        } else if let [first, second] = scores {
            self.two(first, second, base, out);
        }
    }
}

impl Classes {
    fn two<T: Real>(&mut self, first: &mut Score<T>, second: &mut Score<T>, base: &[T], out: &mut [f32]) {
        let margin_only = !second.given && base.len() != 2;
        match base {
            [_, base] if second.given => {
                // The first base value is not used; the second class takes the first one's sum, as in onnxruntime.
                second.value = *base;
                second.value += first.value;
                first.value = second.value.negated();
            }
            [one] | [one, _] => first.value += *one,
            _ => {}
        }
        let decisive = if second.given { second.score() } else { first.score() };
        let positive = self.kind == Kind::Two { positive: true };
        self.classes.push(usize::from(decisive > if positive { 0.5 } else { 0.0 }));
        if margin_only {
            let pair = if positive { Pair::Complement } else { Pair::Opposite };
            pair.expand(decisive, self.transform, out);
        } else {
            write(&[*first, *second], out);
            self.transform.apply(out);
        }
    }
}

/// The first class with the largest score, of those that have one.
fn winner<T: Real>(scores: &[Score<T>]) -> usize {
    let mut best: Option<(usize, T)> = None;
    for (index, score) in scores.iter().enumerate().filter(|(_, score)| score.given) {
        if best.is_none_or(|(_, value)| score.value > value) {
            best = Some((index, score.value));
        }
    }
    best.map_or(0, |(index, _)| index)
}

/// Scores as 32-bit floats; one that was never given is zero.
fn write<T: Real>(scores: &[Score<T>], out: &mut [f32]) {
    for (score, out) in scores.iter().zip(out) {
        *out = score.score();
    }
}

/// Values for targets.
#[derive(Debug)]
struct Regressor {
    trees: Trees,
    transform: Transform,
    targets: usize,
    /// Whether values of 64-bit trees are 64-bit floats, as `TreeEnsemble` has it.
    keeps_width: bool,
}

/// Makes a `TreeEnsembleRegressor`.
pub(super) fn regressor(node: &mut Node) -> Built {
    let attributes = &mut node.attributes;
    let targets = attributes.int("n_targets")?.unwrap_or(1);
    let targets = usize::try_from(targets).ok().filter(|targets| (1..=1 << 16).contains(targets));
    let targets = targets.ok_or_else(|| attributes.error("the number of targets is out of bounds"))?;
    let aggregate = match attributes.text("aggregate_function")?.as_deref() {
        None | Some("SUM") => Aggregate::Sum,
        Some("AVERAGE") => Aggregate::Average,
        Some("MIN") => Aggregate::Min,
        Some("MAX") => Aggregate::Max,
        Some(_) => return Err(attributes.error("the aggregate function is unknown")),
    };
    let transform = Transform::read(attributes)?;
    let read = attributes::read(attributes, &TARGET, targets, aggregate)?;
    let trees = Trees::new(attributes, read)?;
    finish_regressor(attributes, trees, transform, targets, false)
}

/// Makes a `TreeEnsemble`.
pub(super) fn ensemble(node: &mut Node) -> Built {
    let attributes = &mut node.attributes;
    let targets = attributes.int("n_targets")?.unwrap_or(1);
    let targets = usize::try_from(targets).ok().filter(|targets| (1..=1 << 16).contains(targets));
    let targets = targets.ok_or_else(|| attributes.error("the number of targets is out of bounds"))?;
    let aggregate = match attributes.int("aggregate_function")? {
        Some(0) => Aggregate::Average,
        None | Some(1) => Aggregate::Sum,
        Some(2) => Aggregate::Min,
        Some(3) => Aggregate::Max,
        Some(_) => return Err(attributes.error("the aggregate function is unknown")),
    };
    let transform = match attributes.int("post_transform")? {
        None | Some(0) => Transform::None,
        // The standard numbers these two the other way round; models are tested against onnxruntime before they are
        // served, and this is how it reads them.
        Some(1) => Transform::Logistic,
        Some(2) => Transform::Softmax,
        Some(3) => Transform::SoftmaxZero,
        Some(4) => Transform::Probit,
        Some(_) => return Err(attributes.error("the post-transform is unknown")),
    };
    let read = version5::read(attributes, targets, aggregate)?;
    let trees = Trees::new(attributes, read)?;
    finish_regressor(attributes, trees, transform, targets, true)
}

fn finish_regressor(
    attributes: &Attributes,
    trees: Trees,
    transform: Transform,
    targets: usize,
    keeps_width: bool,
) -> Built {
    if trees.base_len() != 0 && trees.base_len() != targets {
        return Err(attributes.error("the number of base values is not that of the targets"));
    }
    Ok(Box::new(Regressor { trees, transform, targets, keeps_width }))
}

impl Kernel for Regressor {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let mut finish = Values { transform: self.transform };
        let (rows, values) = self.trees.rows(io, self.targets, &mut finish)?;
        let shape = Shape::new(&[rows, self.targets])?;
        match self.trees {
            Trees::Double(_) if self.keeps_width => {
                io.set(0, shape, values.into_iter().map(f64::from).collect::<Vec<f64>>())
            }
            _ => io.set(0, shape, values),
        }
    }

    fn work(&self) -> u64 {
        self.trees.work()
    }

    fn margin(&self) -> Option<Margin> {
        // One target: no transform but the probit is applied, see `Values`.
        if self.targets != 1 || self.transform == Transform::Probit {
            return None;
        }
        let mut base = self.trees.base();
        base.resize(1, 0.0);
        Some(Margin { form: self.trees.form(base)?, link: Link::Each })
    }
}

/// Adds base values and transforms.
struct Values {
    transform: Transform,
}

impl Finish for Values {
    fn row<T: Real>(&mut self, scores: &mut [Score<T>], base: &[T], out: &mut [f32]) {
        for (score, base) in scores.iter_mut().zip(base) {
            score.value += *base;
        }
        // Of several targets, one that no leaf gave a weight stays zero, even with a base value, as in onnxruntime.
        if let [only] = scores {
            only.given = true;
        }
        write(scores, out);
        match (self.transform, &mut *out) {
            // One target: onnxruntime applies only the probit.
            (Transform::Probit, _) | (_, [_, _, ..]) => self.transform.apply(out),
            _ => {}
        }
    }
}
