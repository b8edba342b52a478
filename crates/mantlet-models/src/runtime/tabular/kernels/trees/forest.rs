//! Decision trees as compact arrays, checked so that walking one always ends at a leaf.
//!
//! A node is 16 bytes (with 32-bit thresholds) and both children lie in one vector for the whole ensemble; a walk is a
//! loop without recursion, hashing or allocation. INVARIANT (forest): every child index is in range, every node has at
//! most one parent and no root has one, so what is reachable from a root is a tree; [`Forest::new`] checks it. Leaves
//! may have more: LightGBM's exporter lets the nodes that ask for one category each share theirs.

use std::cmp::Ordering;

/// How a node compares a feature with its threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    LessEqual,
    Less,
    GreaterEqual,
    Greater,
    Equal,
    NotEqual,
    /// The feature is one of the members at this index.
    Member(u32),
}

impl Mode {
    /// Whether a value takes the true branch, missing values aside. Members are in ascending order, as [`in_order`]
    /// makes them.
    pub(crate) fn holds<T: Copy + PartialOrd>(self, value: T, threshold: T, members: &[Vec<T>]) -> bool {
        match self {
            Self::LessEqual => value <= threshold,
            Self::Less => value < threshold,
            Self::GreaterEqual => value >= threshold,
            Self::Greater => value > threshold,
            Self::Equal => value == threshold,
            Self::NotEqual => value != threshold,
            Self::Member(index) => members.get(index as usize).is_some_and(|set| is_in(set, value)),
        }
    }
}

/// Whether a value equals a member, as `==` has it: both zeros do, NaN equals none.
fn is_in<T: PartialOrd>(set: &[T], value: T) -> bool {
    set.binary_search_by(|member| member.partial_cmp(&value).unwrap_or(Ordering::Less)).is_ok()
}

/// A set of members for [`Mode::holds`]: in ascending order, without NaN.
fn in_order<T: Real>(mut set: Vec<T>) -> Vec<T> {
    set.retain(|member| !member.missing());
    set.sort_unstable_by(|one, other| one.partial_cmp(other).unwrap_or(Ordering::Equal));
    set
}

/// Where a branch leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Node(u32),
    Leaf(u32),
}

/// A node as the attributes describe it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Split<T> {
    pub(crate) feature: u32,
    pub(crate) threshold: T,
    pub(crate) mode: Mode,
    /// Whether a missing value (NaN) takes the true branch.
    pub(crate) missing_is_true: bool,
    pub(crate) on_true: Target,
    pub(crate) on_false: Target,
}

/// A number that trees compare and sum.
pub(super) trait Real:
    Copy + PartialOrd + std::ops::AddAssign + std::fmt::Debug + Send + Sync + Default + 'static
{
    /// Whether it is NaN.
    fn missing(self) -> bool;
    /// As a 32-bit float, the type of every score.
    fn score(self) -> f32;
    /// As a 64-bit float.
    fn wide(self) -> f64;
    /// Divided by a number of trees.
    fn divided_by(self, count: usize) -> Self;
    /// With the other sign.
    fn negated(self) -> Self;
}

impl Real for f32 {
    fn missing(self) -> bool {
        self.is_nan()
    }
    fn score(self) -> f32 {
        self
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
    #[expect(clippy::cast_precision_loss, reason = "the number of trees is far below 2^24")]
    fn divided_by(self, count: usize) -> Self {
        self / count as f32
    }
    fn negated(self) -> Self {
        -self
    }
}

impl Real for f64 {
    fn missing(self) -> bool {
        self.is_nan()
    }
    #[expect(clippy::cast_possible_truncation, reason = "scores are float32 by the standard")]
    fn score(self) -> f32 {
        self as f32
    }
    fn wide(self) -> f64 {
        self
    }
    #[expect(clippy::cast_precision_loss, reason = "the number of trees is far below 2^53")]
    fn divided_by(self, count: usize) -> Self {
        self / count as f64
    }
    fn negated(self) -> Self {
        -self
    }
}

/// Set in a child index that names a leaf.
const LEAF: u32 = 1 << 31;

/// One node, laid out for the walk.
#[derive(Clone, Copy, Debug)]
struct Compact<T> {
    threshold: T,
    /// The feature, and [`MISSING_IS_TRUE`].
    feature: u32,
    /// Children: on false, on true.
    children: [u32; 2],
}

/// Set in a feature index when a missing value takes the true branch.
const MISSING_IS_TRUE: u32 = 1 << 31;

/// Members of all sets of an ensemble: many times the categories of any data, and 8 MiB.
pub(super) const MEMBERS_MAX: usize = 1 << 20;

/// Nodes and roots of an ensemble.
#[derive(Debug)]
pub(super) struct Forest<T> {
    nodes: Vec<Compact<T>>,
    /// The mode of every node, if they differ; else empty.
    modes: Vec<Mode>,
    /// The mode that all nodes have if they do not differ.
    mode: Mode,
    members: Vec<Vec<T>>,
    roots: Vec<u32>,
    features: usize,
    work: u64,
}

impl<T: Real> Forest<T> {
    /// Checks and lays out an ensemble; `leaves` says of each leaf how many weights are added for it.
    ///
    /// # Errors
    /// A sentence, when an index is out of range, what hangs on a root is not a tree, or sets have too many members.
    pub(super) fn new(
        splits: &[Split<T>],
        roots: &[Target],
        members: Vec<Vec<T>>,
        leaves: &[usize],
    ) -> Result<Self, &'static str> {
        if members.iter().map(Vec::len).fold(0, usize::saturating_add) > MEMBERS_MAX {
            return Err("the sets of a tree have too many members");
        }
        let child = |target: Target| -> Result<u32, &'static str> {
            match target {
                Target::Node(index) if (index as usize) < splits.len() && index < LEAF => Ok(index),
                Target::Leaf(index) if (index as usize) < leaves.len() && index < LEAF => Ok(index | LEAF),
                _ => Err("a tree refers to a node that does not exist"),
            }
        };
        let mut nodes = Vec::with_capacity(splits.len());
        let mut features = 0_usize;
        for split in splits {
            if split.feature >= MISSING_IS_TRUE {
                return Err("a feature index is out of bounds");
            }
            if let Mode::Member(index) = split.mode
                && index as usize >= members.len()
            {
                return Err("a tree refers to members that do not exist");
            }
            features = features.max(split.feature as usize + 1);
            let flag = if split.missing_is_true { MISSING_IS_TRUE } else { 0 };
            let children = [child(split.on_false)?, child(split.on_true)?];
            nodes.push(Compact { threshold: split.threshold, feature: split.feature | flag, children });
        }
        let roots = roots.iter().map(|root| child(*root)).collect::<Result<Vec<_>, _>>()?;
        require_trees(&nodes, &roots)?;
        let members: Vec<Vec<T>> = members.into_iter().map(in_order).collect();
        let comparisons = |node: usize| match splits[node].mode {
            Mode::Member(index) => 1 + u64::from(usize::BITS - members[index as usize].len().leading_zeros()),
            _ => 1,
        };
        let work = work(&nodes, &roots, comparisons, |leaf| (leaves[leaf] as u64).max(1));
        let mode = splits.first().map_or(Mode::LessEqual, |split| split.mode);
        let mixed = splits.iter().any(|split| split.mode != mode) || matches!(mode, Mode::Member(_));
        let modes = if mixed { splits.iter().map(|split| split.mode).collect() } else { Vec::new() };
        Ok(Self { nodes, modes, mode, members, roots, features, work })
    }

    /// Least number of columns that a row must have.
    pub(super) const fn features(&self) -> usize {
        self.features
    }

    /// Number of trees.
    pub(super) const fn trees(&self) -> usize {
        self.roots.len()
    }

    /// Comparisons and additions for one row at worst: the longest ways through all trees, summed.
    pub(super) const fn work(&self) -> u64 {
        self.work
    }

    /// Splits, roots and members in 64-bit floats.
    pub(super) fn parts(&self) -> (Vec<Split<f64>>, Vec<Target>, Vec<Vec<f64>>) {
        let target = |at: u32| if at & LEAF == 0 { Target::Node(at) } else { Target::Leaf(at & !LEAF) };
        let split = |(index, node): (usize, &Compact<T>)| Split {
            feature: node.feature & !MISSING_IS_TRUE,
            threshold: node.threshold.wide(),
            mode: self.modes.get(index).copied().unwrap_or(self.mode),
            missing_is_true: node.feature & MISSING_IS_TRUE != 0,
            on_true: target(node.children[1]),
            on_false: target(node.children[0]),
        };
        let splits = self.nodes.iter().enumerate().map(split).collect();
        let roots = self.roots.iter().map(|root| target(*root)).collect();
        let wide = |set: &Vec<T>| set.iter().map(|value| value.wide()).collect();
        (splits, roots, self.members.iter().map(wide).collect())
    }

    /// Calls `visit` with the leaf that the row falls into, for each tree in order. The row must have
    /// [`Forest::features`] columns.
    #[inline]
    pub(super) fn each_leaf(&self, row: &[T], mut visit: impl FnMut(usize)) {
        if self.modes.is_empty() {
            match self.mode {
                Mode::LessEqual => self.walk(row, |_, value, threshold| value <= threshold, &mut visit),
                Mode::Less => self.walk(row, |_, value, threshold| value < threshold, &mut visit),
                Mode::GreaterEqual => self.walk(row, |_, value, threshold| value >= threshold, &mut visit),
                Mode::Greater => self.walk(row, |_, value, threshold| value > threshold, &mut visit),
                Mode::Equal => self.walk(row, |_, value, threshold| value == threshold, &mut visit),
                Mode::NotEqual | Mode::Member(_) => {
                    self.walk(row, |_, value, threshold| value != threshold, &mut visit);
                }
            }
        } else {
            self.walk(row, |node, value, threshold| self.holds(node, value, threshold), &mut visit);
        }
    }

    fn holds(&self, node: usize, value: T, threshold: T) -> bool {
        self.modes[node].holds(value, threshold, &self.members)
    }

    #[inline]
    fn walk(&self, row: &[T], holds: impl Fn(usize, T, T) -> bool, visit: &mut impl FnMut(usize)) {
        for root in &self.roots {
            let mut at = *root;
            while at & LEAF == 0 {
                let node = &self.nodes[at as usize];
                let value = row[(node.feature & !MISSING_IS_TRUE) as usize];
                let is_true = holds(at as usize, value, node.threshold)
                    || (node.feature & MISSING_IS_TRUE != 0 && value.missing());
                at = node.children[usize::from(is_true)];
            }
            visit((at & !LEAF) as usize);
        }
    }
}

impl Forest<f32> {
    /// The same trees with 64-bit thresholds.
    pub(super) fn widened(&self) -> Forest<f64> {
        let wide = |node: &Compact<f32>| Compact {
            threshold: f64::from(node.threshold),
            feature: node.feature,
            children: node.children,
        };
        Forest {
            nodes: self.nodes.iter().map(wide).collect(),
            modes: self.modes.clone(),
            mode: self.mode,
            members: self.members.iter().map(|set| set.iter().copied().map(f64::from).collect()).collect(),
            roots: self.roots.clone(),
            features: self.features,
            work: self.work,
        }
    }
}

/// Each node has at most one parent, a root none: what is reachable from a root then has no cycle.
fn require_trees<T>(nodes: &[Compact<T>], roots: &[u32]) -> Result<(), &'static str> {
    let mut owned = vec![false; nodes.len()];
    for child in nodes.iter().flat_map(|node| node.children).chain(roots.iter().copied()) {
        if child & LEAF == 0 && std::mem::replace(&mut owned[child as usize], true) {
            return Err("a node of a tree has two parents, or a root has one");
        }
    }
    Ok(())
}

/// The longest way of each tree, summed, of steps that cost so much each. Ends because of [`require_trees`].
fn work<T>(
    nodes: &[Compact<T>],
    roots: &[u32],
    node_cost: impl Fn(usize) -> u64,
    leaf_cost: impl Fn(usize) -> u64,
) -> u64 {
    let mut sum = 0_u64;
    let mut stack = Vec::new();
    for root in roots {
        let mut longest = 0_u64;
        stack.push((*root, 0_u64));
        while let Some((at, before)) = stack.pop() {
            if at & LEAF == 0 {
                let cost = before.saturating_add(node_cost(at as usize));
                stack.extend(nodes[at as usize].children.map(|child| (child, cost)));
            } else {
                longest = longest.max(before.saturating_add(leaf_cost((at & !LEAF) as usize)));
            }
        }
        sum = sum.saturating_add(longest);
    }
    sum
}

#[cfg(test)]
mod tests;
