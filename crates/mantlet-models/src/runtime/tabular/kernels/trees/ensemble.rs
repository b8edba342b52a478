//! Leaves of a forest and the sums over them.

use super::{
    super::super::margin::TreesForm,
    forest::{Forest, Real, Split},
};

/// How the leaves of all trees become one score for each target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

/// Weights of all leaves for all targets that are laid open for explanations: 64 MiB.
const FORM_ELEMENTS_MAX: usize = 8 << 20;

/// A forest with the weights of its leaves.
#[derive(Debug)]
pub(super) struct Ensemble<T> {
    forest: Forest<T>,
    /// Leaf `i` has the weights `starts[i]..starts[i + 1]`.
    starts: Vec<u32>,
    weights: Vec<Weight<T>>,
    /// The one weight of each leaf, where every leaf has exactly one and all are of one target.
    lone: Option<Lone<T>>,
    base: Vec<T>,
    targets: usize,
    aggregate: Aggregate,
}

/// What a leaf adds to a target's score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Weight<T> {
    pub(super) target: u32,
    pub(super) value: T,
}

#[derive(Debug)]
struct Lone<T> {
    target: usize,
    values: Vec<T>,
}

/// A target's score while trees are summed; one that no leaf gave a weight is not a score of zero.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Score<T> {
    pub(super) value: T,
    pub(super) given: bool,
}

impl<T: Real> Score<T> {
    /// As a 32-bit float; zero if it was never given.
    pub(super) fn score(&self) -> f32 {
        if self.given { self.value.score() } else { 0.0 }
    }
}

/// What an ensemble is made of, as read from attributes.
pub(super) struct Parts<T> {
    pub(super) splits: Vec<Split<T>>,
    pub(super) roots: Vec<super::forest::Target>,
    pub(super) members: Vec<Vec<T>>,
    /// The weights of each leaf.
    pub(super) leaves: Vec<Vec<Weight<T>>>,
    pub(super) base: Vec<T>,
    pub(super) targets: usize,
    pub(super) aggregate: Aggregate,
}

impl<T: Real> Ensemble<T> {
    /// Checks and lays out an ensemble.
    pub(super) fn new(parts: Parts<T>) -> Result<Self, &'static str> {
        let lengths: Vec<usize> = parts.leaves.iter().map(Vec::len).collect();
        let forest = Forest::new(&parts.splits, &parts.roots, parts.members, &lengths)?;
        let mut starts = Vec::with_capacity(parts.leaves.len() + 1);
        let mut weights = Vec::new();
        starts.push(0);
        for leaf in &parts.leaves {
            weights.extend_from_slice(leaf);
            starts.push(u32::try_from(weights.len()).map_err(|_| "the trees have too many weights")?);
        }
        if weights.iter().any(|weight| weight.target as usize >= parts.targets) {
            return Err("a weight is for a target that does not exist");
        }
        let lone = lone(&parts.leaves);
        let Parts { base, targets, aggregate, .. } = parts;
        Ok(Self { forest, starts, weights, lone, base, targets, aggregate })
    }

    /// The forest.
    pub(super) const fn forest(&self) -> &Forest<T> {
        &self.forest
    }

    /// Comparisons and additions for one row at worst.
    pub(super) const fn work(&self) -> u64 {
        self.forest.work().saturating_add(self.targets as u64)
    }

    /// Number of targets or classes.
    pub(super) const fn targets(&self) -> usize {
        self.targets
    }

    /// What is added to the sums.
    pub(super) fn base(&self) -> &[T] {
        &self.base
    }

    /// The target that all weights are of, if there is only one.
    pub(super) fn only_target(&self) -> Option<u32> {
        let first = self.weights.first()?.target;
        self.weights.iter().all(|weight| weight.target == first).then_some(first)
    }

    /// Whether no weight is negative.
    pub(super) fn is_positive(&self) -> bool {
        self.weights.iter().all(|weight| weight.value >= T::default())
    }

    /// The sums over leaves by target, in 64-bit floats; `None` where leaves are not summed, or a target is so rarely
    /// given that one table of leaves for each target would be out of proportion.
    pub(super) fn form(&self, base: Vec<f64>) -> Option<TreesForm> {
        let leaves = self.starts.len().saturating_sub(1);
        let is_sum = matches!(self.aggregate, Aggregate::Sum | Aggregate::Average);
        if !is_sum || leaves.saturating_mul(self.targets) > FORM_ELEMENTS_MAX {
            return None;
        }
        let share = if self.aggregate == Aggregate::Average { self.forest.trees().max(1) } else { 1 };
        let mut by_target = vec![vec![0.0; leaves]; self.targets];
        for (leaf, range) in self.starts.windows(2).enumerate() {
            let &[start, end] = range else { continue };
            for weight in &self.weights[start as usize..end as usize] {
                by_target[weight.target as usize][leaf] += weight.value.wide() / share as f64;
            }
        }
        let (splits, roots, members) = self.forest.parts();
        Some(TreesForm { splits, roots, members, leaves: by_target, base })
    }

    /// The aggregated scores of one row, base values not yet added.
    #[inline]
    pub(super) fn scores(&self, row: &[T], scores: &mut [Score<T>]) {
        scores.fill(Score::default());
        match (&self.lone, self.aggregate) {
            (Some(lone), Aggregate::Sum | Aggregate::Average) => {
                let mut sum = T::default();
                self.forest.each_leaf(row, |leaf| sum += lone.values[leaf]);
                scores[lone.target] = Score { value: sum, given: self.forest.trees() > 0 };
            }
            _ => self.forest.each_leaf(row, |leaf| {
                let range = self.starts[leaf] as usize..self.starts[leaf + 1] as usize;
                for weight in &self.weights[range] {
                    add(&mut scores[weight.target as usize], weight.value, self.aggregate);
                }
            }),
        }
        if self.aggregate == Aggregate::Average {
            scores.iter_mut().for_each(|score| score.value = score.value.divided_by(self.forest.trees()));
        }
    }
}

impl Ensemble<f32> {
    /// The same ensemble for inputs of 64-bit floats, whose thresholds and sums then are 64-bit floats too.
    pub(super) fn widened(&self) -> Ensemble<f64> {
        let wide = |weight: &Weight<f32>| Weight { target: weight.target, value: f64::from(weight.value) };
        Ensemble {
            forest: self.forest.widened(),
            starts: self.starts.clone(),
            weights: self.weights.iter().map(wide).collect(),
            lone: self.lone.as_ref().map(|lone| Lone {
                target: lone.target,
                values: lone.values.iter().copied().map(f64::from).collect(),
            }),
            base: self.base.iter().copied().map(f64::from).collect(),
            targets: self.targets,
            aggregate: self.aggregate,
        }
    }
}

fn add<T: Real>(score: &mut Score<T>, value: T, aggregate: Aggregate) {
    match aggregate {
        Aggregate::Sum | Aggregate::Average => score.value += value,
        Aggregate::Min if !score.given || value < score.value => score.value = value,
        Aggregate::Max if !score.given || value > score.value => score.value = value,
        Aggregate::Min | Aggregate::Max => {}
    }
    score.given = true;
}

fn lone<T: Real>(leaves: &[Vec<Weight<T>>]) -> Option<Lone<T>> {
    let target = leaves.first()?.first()?.target;
    let one = |leaf: &Vec<Weight<T>>| match leaf[..] {
        [weight] if weight.target == target => Some(weight.value),
        _ => None,
    };
    let values = leaves.iter().map(one).collect::<Option<Vec<_>>>()?;
    Some(Lone { target: target as usize, values })
}
