//! Shapley values of sums of trees, exactly: interventional TreeSHAP.
//!
//! Lundberg et al., "From local explanations to global understanding with explainable AI for trees", Nature Machine
//! Intelligence 2 (2020), algorithm 3 ("independent" feature perturbation). For one background row b, a leaf that is
//! reached by taking the features U from x and V from b, and of the others whatever both agree on, adds its value times
//! (|U|-1)! |V|! / (|U|+|V|)! to each feature of U, and subtracts its value times |U|! (|V|-1)! / (|U|+|V|)! from each
//! of V. Attributions are means over the background.
//!
//! Background rows that go the same way are walked together: every split knows from the start which of them take its
//! true branch, as a set of bits. The work is then that of distinct ways, not of rows.

use crate::runtime::{Split, Target, TreesForm};

/// Rows of a background that are walked together: the bits of a set.
pub(crate) const ROWS_MAX: usize = 128;

/// Depth of a tree up to which the walk calls itself, and weights are kept. Trees that are learned stay far below.
const DEPTH_MAX: usize = 128;

/// Steps that one explanation may take at worst, if every row of the background goes a way of its own: about a second.
/// Rows that go together, as most do, take a small part of that.
const WORK_MAX: usize = 1_000_000_000;

type Rows = u128;

/// Trees, and which rows of the background go where.
#[derive(Debug)]
pub(crate) struct Trees {
    form: TreesForm,
    /// By split: the rows that take its true branch.
    on_true: Vec<Rows>,
    all: Rows,
    rows: usize,
    features: usize,
    weights: Weights,
    /// By target: the mean of its sum over the background.
    base: Vec<f64>,
}

impl Trees {
    /// Prepares trees for a background of so many features, row after row; `None` if a walk could be too deep or too
    /// long, if two branches share a leaf, or if rows and trees do not fit.
    pub(crate) fn new(form: TreesForm, background: &[f64], features: usize) -> Option<Self> {
        let rows = background.len().checked_div(features)?;
        let depth = depth(&form)?;
        let fits = (1..=ROWS_MAX).contains(&rows)
            && depth <= DEPTH_MAX
            && work(&form, rows, depth, features) <= WORK_MAX
            && form.splits.iter().all(|split| (split.feature as usize) < features);
        if !fits {
            return None;
        }
        let takes = |split: &Split<f64>| {
            let set = |set: Rows, (row, values): (usize, &[f64])| {
                if goes_true(&form, split, values) { set | 1 << row } else { set }
            };
            background.chunks_exact(features).enumerate().fold(0, set)
        };
        let on_true = form.splits.iter().map(takes).collect();
        let all = if rows == ROWS_MAX { Rows::MAX } else { (1 << rows) - 1 };
        let weights = Weights::up_to(depth.min(features));
        let mut trees = Self { form, on_true, all, rows, features, weights, base: Vec::new() };
        trees.base = trees.means(background);
        Some(trees)
    }

    /// Number of features.
    pub(crate) const fn features(&self) -> usize {
        self.features
    }

    /// The mean over the background of a target's sum.
    pub(crate) fn base(&self, target: usize) -> f64 {
        self.base.get(target).copied().unwrap_or(0.0)
    }

    /// The sum of a target for one row.
    pub(crate) fn value(&self, target: usize, x: &[f64]) -> f64 {
        let leaf = |root: &Target| {
            let mut at = *root;
            loop {
                match at {
                    Target::Leaf(leaf) => return self.form.leaves[target][leaf as usize],
                    Target::Node(node) => {
                        let split = &self.form.splits[node as usize];
                        at = if goes_true(&self.form, split, x) { split.on_true } else { split.on_false };
                    }
                }
            }
        };
        self.form.roots.iter().map(leaf).sum::<f64>() + self.form.base[target]
    }

    /// One attribution for each feature of a row; `None` if it is late before a tree is walked.
    pub(crate) fn attributions(
        &self,
        target: usize,
        x: &[f64],
        is_late: &dyn Fn() -> bool,
    ) -> Option<Vec<f64>> {
        let mut walk = Walk {
            trees: self,
            leaves: &self.form.leaves[target],
            x,
            taken: vec![Taken::Neither; self.features],
            from_x: Vec::with_capacity(DEPTH_MAX),
            from_background: Vec::with_capacity(DEPTH_MAX),
            sums: vec![0.0; self.features],
        };
        for root in &self.form.roots {
            if is_late() {
                return None;
            }
            walk.visit(*root, self.all);
        }
        let rows = self.rows as f64;
        Some(walk.sums.iter().map(|sum| sum / rows).collect())
    }

    fn means(&self, background: &[f64]) -> Vec<f64> {
        let rows = self.rows as f64;
        let mean = |target| {
            background.chunks_exact(self.features).map(|row| self.value(target, row)).sum::<f64>() / rows
        };
        (0..self.form.leaves.len()).map(mean).collect()
    }
}

/// Where the value of a feature on the way down came from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// From nowhere yet: x and the background agreed.
    Neither,
    X,
    Background,
}

/// One explanation under way.
struct Walk<'a> {
    trees: &'a Trees,
    leaves: &'a [f64],
    x: &'a [f64],
    /// By feature.
    taken: Vec<Taken>,
    from_x: Vec<u32>,
    from_background: Vec<u32>,
    sums: Vec<f64>,
}

impl Walk<'_> {
    /// Goes down with a set of rows that all came here in the same way.
    fn visit(&mut self, at: Target, rows: Rows) {
        let node = match at {
            Target::Leaf(leaf) => return self.leaf(leaf as usize, rows),
            Target::Node(node) => node as usize,
        };
        let form = &self.trees.form;
        let split = &form.splits[node];
        let x_is_true = goes_true(form, split, self.x);
        let (x_way, other_way) =
            if x_is_true { (split.on_true, split.on_false) } else { (split.on_false, split.on_true) };
        let on_true = self.trees.on_true[node];
        let with_x = rows & if x_is_true { on_true } else { !on_true };
        let against = rows & !with_x;
        let feature = split.feature;
        match self.taken[feature as usize] {
            Taken::X => self.visit(x_way, rows),
            Taken::Background => {
                self.visit_some(x_way, with_x);
                self.visit_some(other_way, against);
            }
            Taken::Neither => {
                self.visit_some(x_way, with_x);
                if against != 0 {
                    self.taken[feature as usize] = Taken::X;
                    self.from_x.push(feature);
                    self.visit(x_way, against);
                    self.from_x.pop();
                    self.taken[feature as usize] = Taken::Background;
                    self.from_background.push(feature);
                    self.visit(other_way, against);
                    self.from_background.pop();
                    self.taken[feature as usize] = Taken::Neither;
                }
            }
        }
    }

    fn visit_some(&mut self, at: Target, rows: Rows) {
        if rows != 0 {
            self.visit(at, rows);
        }
    }

    fn leaf(&mut self, leaf: usize, rows: Rows) {
        let value = self.leaves[leaf] * f64::from(rows.count_ones());
        let (u, v) = (self.from_x.len(), self.from_background.len());
        if u > 0 {
            let gain = value * self.trees.weights.of(u - 1, v);
            self.from_x.iter().for_each(|feature| self.sums[*feature as usize] += gain);
        }
        if v > 0 {
            let loss = value * self.trees.weights.of(u, v - 1);
            self.from_background.iter().for_each(|feature| self.sums[*feature as usize] -= loss);
        }
    }
}

/// Whether a row takes the true branch.
fn goes_true(form: &TreesForm, split: &Split<f64>, row: &[f64]) -> bool {
    let value = row[split.feature as usize];
    split.mode.holds(value, split.threshold, &form.members) || (split.missing_is_true && value.is_nan())
}

/// Steps of an explanation at worst: each row of the background once along each branch, every leaf for all features on
/// the way to it, for the sums that one answer is explained from, which are two at most; and every sum of every row,
/// which is what preparing takes.
fn work(form: &TreesForm, rows: usize, depth: usize, features: usize) -> usize {
    let (roots, targets) = (form.roots.len(), form.leaves.len());
    let branches = form.splits.len().saturating_mul(2).saturating_add(roots);
    let walks = branches.saturating_mul(depth.min(features) + 1).saturating_mul(targets.min(2));
    let sums = roots.saturating_mul(depth + 1).saturating_mul(targets);
    walks.saturating_add(sums).saturating_mul(rows)
}

/// Splits on the longest way from a root to a leaf; `None` beyond [`DEPTH_MAX`], and where two branches lead to one
/// leaf: that is no tree, and has more ways than its size tells.
fn depth(form: &TreesForm) -> Option<usize> {
    let mut deepest = 0;
    let mut is_taken = vec![false; form.leaves.first().map_or(0, Vec::len)];
    let mut stack: Vec<(Target, usize)> = form.roots.iter().map(|root| (*root, 0)).collect();
    while let Some((at, depth)) = stack.pop() {
        deepest = deepest.max(depth);
        if depth > DEPTH_MAX {
            return None;
        }
        match at {
            Target::Leaf(leaf) => {
                if std::mem::replace(is_taken.get_mut(leaf as usize)?, true) {
                    return None;
                }
            }
            Target::Node(node) => {
                let split = form.splits.get(node as usize)?;
                stack.extend([(split.on_true, depth + 1), (split.on_false, depth + 1)]);
            }
        }
    }
    Some(deepest)
}

/// a! b! / (a + b + 1)!, the share of orders in which `a` given features precede one and `b` others follow it.
#[derive(Debug)]
struct Weights {
    side: usize,
    table: Vec<f64>,
}

impl Weights {
    /// For a + b < n.
    fn up_to(n: usize) -> Self {
        let side = n.max(1);
        let mut table = vec![0.0; side * side];
        for a in 0..side {
            // b = 0: a! / (a + 1)! = 1 / (a + 1); each further b multiplies by b / (a + b + 1).
            let mut weight = 1.0 / (a as f64 + 1.0);
            table[a * side] = weight;
            for b in 1..side - a {
                weight *= b as f64 / (a + b + 1) as f64;
                table[a * side + b] = weight;
            }
        }
        Self { side, table }
    }

    fn of(&self, a: usize, b: usize) -> f64 {
        self.table[a * self.side + b]
    }
}

#[cfg(test)]
mod tests;
