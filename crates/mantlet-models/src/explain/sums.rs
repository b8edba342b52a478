//! Exact explanations of models that are sums: which sums make a class, and whether they are the model at all.

use std::time::Instant;

use mantlet_gate::ports::{Attributions, Case, EngineFault, Method, Scale};

use super::{linear, mean, rows::Rows, trees::Trees};
use crate::runtime::{Engine, Exposed, Form, LinearForm, Link, TreesForm};

/// How far a model's output may be from that of its sums, relative to its size: kernels sum in 32-bit floats.
const AGREEMENT: f64 = 1e-4;

/// A model's sums against a background.
#[derive(Debug)]
pub(super) struct Sums {
    exposed: Exposed,
    kind: Kind,
    link: Link,
    /// Number of sums.
    targets: usize,
    /// Of the output that is explained.
    scale: Scale,
}

#[derive(Debug)]
enum Kind {
    Linear {
        form: LinearForm,
        /// By feature: the mean over the background, as prepared for the operator.
        means: Vec<f64>,
    },
    Trees(Trees),
}

impl Sums {
    /// The sums behind an output; `None` where there are none, they are too much work, or they do not give what the
    /// model has said of the background (by column).
    pub(super) fn new(
        engine: &Engine,
        output: usize,
        scale: Scale,
        background: &Rows,
        features: usize,
        said: &[Vec<f64>],
    ) -> Option<Self> {
        let mut exposed = engine.exposed(output)?;
        let prepared = engine.prepared(&exposed, background.matrix()?).ok()?;
        let fits =
            prepared.len() == background.count() * features && prepared.iter().all(|x| !x.is_infinite());
        if !fits {
            return None;
        }
        let empty = Form::Linear(LinearForm { weights: Vec::new(), bias: Vec::new() });
        let link = exposed.margin.link;
        let (kind, targets) = match std::mem::replace(&mut exposed.margin.form, empty) {
            Form::Linear(form) => {
                let targets = form.weights.len();
                (Kind::linear(form, &prepared, features)?, targets)
            }
            Form::Trees(form) => {
                let targets = targets(&form)?;
                (Kind::Trees(Trees::new(form, &prepared, features)?), targets)
            }
        };
        let sums = Self { exposed, kind, link, targets, scale };
        let agrees = |(row, x): (usize, &[f64])| {
            let scores = sums.scores(x);
            scores.len() == said.len()
                && scores
                    .iter()
                    .zip(said)
                    .all(|(score, said)| said.get(row).is_some_and(|said| is_near(*score, *said)))
        };
        prepared.chunks_exact(features).enumerate().all(agrees).then_some(sums)
    }

    pub(super) fn method(&self) -> Method {
        match &self.kind {
            Kind::Linear { .. } => Method::Linear,
            Kind::Trees(_) => Method::Tree,
        }
    }

    /// Explains one row, of which the model says `output` for this column.
    pub(super) fn explain(
        &self,
        engine: &Engine,
        case: &Case<'_>,
        column: usize,
        output: f64,
    ) -> Result<Attributions, EngineFault> {
        let broken = |why: &str| EngineFault::Broken(why.to_owned());
        let [row] = case.row else { return Err(broken("the model takes more than one tensor")) };
        let x = engine.prepared(&self.exposed, row).map_err(|error| broken(&error.to_string()))?;
        let features = self.features();
        if x.len() != features {
            return Err(broken("the row has another width than the background"));
        }
        let said = self.scores(&x).get(column).copied();
        if !said.is_some_and(|score| is_near(score, output)) {
            return Err(broken("the sums of the model do not give what it answered"));
        }
        // Who waited has gone by then; the work must not go on for nobody.
        let is_late = || Instant::now() >= case.ends;
        let Parts { terms, constant, scale } = self.parts(column);
        let (mut base, mut output, mut values) = (constant, constant, vec![0.0; features]);
        for (target, factor) in terms {
            base += factor * self.base(target);
            output += factor * self.value(target, &x);
            let attributions = self.attributions(target, &x, &is_late);
            let attributions = attributions.ok_or_else(|| broken("the explanation took too long"))?;
            values.iter_mut().zip(attributions).for_each(|(value, added)| *value += factor * added);
        }
        Ok(Attributions { method: self.method(), scale, base, output, values, errors: None, evaluations: 1 })
    }

    /// Which sums, times what, plus what, are explained for one column.
    fn parts(&self, column: usize) -> Parts {
        let plain = |scale| Parts { terms: vec![(column, 1.0)], constant: 0.0, scale };
        // Of two classes that share one sum, the sum is the second one's.
        let sign = if column == 1 { 1.0 } else { -1.0 };
        let signed = |constant, scale| Parts { terms: vec![(0, sign)], constant, scale };
        match self.link {
            Link::Each => plain(self.scale),
            Link::EachLogistic => plain(Scale::LogOdds),
            // Of two classes, the logarithm of the odds is the difference of the sums.
            Link::Softmax if self.targets == 2 => Parts {
                terms: vec![(column, 1.0), (1 - column.min(1), -1.0)],
                constant: 0.0,
                scale: Scale::LogOdds,
            },
            Link::Softmax => plain(Scale::Score),
            Link::Complement => signed(if column == 1 { 0.0 } else { 1.0 }, self.scale),
            Link::Opposite => signed(0.0, Scale::Score),
            Link::PairLogistic => signed(0.0, Scale::LogOdds),
        }
    }

    fn scores(&self, x: &[f64]) -> Vec<f64> {
        let sums: Vec<f64> = (0..self.targets).map(|target| self.value(target, x)).collect();
        self.link.scores(&sums)
    }

    fn features(&self) -> usize {
        match &self.kind {
            Kind::Linear { means, .. } => means.len(),
            Kind::Trees(trees) => trees.features(),
        }
    }

    fn value(&self, target: usize, x: &[f64]) -> f64 {
        match &self.kind {
            Kind::Linear { form, .. } => linear::value(&form.weights[target], form.bias[target], x),
            Kind::Trees(trees) => trees.value(target, x),
        }
    }

    fn base(&self, target: usize) -> f64 {
        match &self.kind {
            Kind::Linear { means, .. } => self.value(target, means),
            Kind::Trees(trees) => trees.base(target),
        }
    }

    fn attributions(&self, target: usize, x: &[f64], is_late: &dyn Fn() -> bool) -> Option<Vec<f64>> {
        match &self.kind {
            Kind::Linear { form, means } => Some(linear::attributions(&form.weights[target], x, means)),
            Kind::Trees(trees) => trees.attributions(target, x, is_late),
        }
    }
}

impl Kind {
    fn linear(form: LinearForm, prepared: &[f64], features: usize) -> Option<Self> {
        let fits = form.weights.len() == form.bias.len()
            && form.weights.iter().all(|weights| weights.len() == features)
            && prepared.iter().all(|x| x.is_finite());
        let column = |feature: usize| -> Vec<f64> {
            prepared.iter().skip(feature).step_by(features).copied().collect()
        };
        fits.then(|| Self::Linear {
            form,
            means: (0..features).map(|feature| mean(&column(feature))).collect(),
        })
    }
}

/// A linear combination of sums.
struct Parts {
    terms: Vec<(usize, f64)>,
    constant: f64,
    scale: Scale,
}

fn targets(form: &TreesForm) -> Option<usize> {
    (form.leaves.len() == form.base.len() && !form.leaves.is_empty()).then_some(form.leaves.len())
}

fn is_near(score: f64, said: f64) -> bool {
    (score - said).abs() <= AGREEMENT * said.abs().max(1.0)
}
