//! Reads the attributes of `TreeEnsemble` (`ai.onnx.ml` 5), which lists branching nodes and leaves apart.

use crate::onnx::{Array, Attributes, Elements, LoadError};

use super::{
    attributes::Read,
    ensemble::{Aggregate, Parts, Weight},
    forest::{MEMBERS_MAX, Mode, Real, Split, Target},
};

/// Reads an ensemble; thresholds and weights decide whether it is one of 32-bit or of 64-bit floats.
pub(super) fn read(
    attributes: &mut Attributes,
    targets: usize,
    aggregate: Aggregate,
) -> Result<Read, LoadError> {
    attributes.ignore(&["nodes_hitrates"]);
    let structure = Structure::read(attributes)?;
    let thresholds = numbers(attributes, "nodes_splits")?;
    let weights = numbers(attributes, "leaf_weights")?;
    let members = numbers(attributes, "membership_values")?;
    let parts = match (thresholds, weights, members) {
        (Some(Elements::F32(splits)), Some(Elements::F32(weights)), None) => {
            structure.parts(&splits, &weights, None, targets, aggregate).map(Read::Single)
        }
        (Some(Elements::F32(splits)), Some(Elements::F32(weights)), Some(Elements::F32(members))) => {
            structure.parts(&splits, &weights, Some(&members), targets, aggregate).map(Read::Single)
        }
        (Some(Elements::F64(splits)), Some(Elements::F64(weights)), None) => {
            structure.parts(&splits, &weights, None, targets, aggregate).map(Read::Double)
        }
        (Some(Elements::F64(splits)), Some(Elements::F64(weights)), Some(Elements::F64(members))) => {
            structure.parts(&splits, &weights, Some(&members), targets, aggregate).map(Read::Double)
        }
        _ => Err("thresholds, weights and members must be of one type of floats"),
    };
    parts.map_err(|why| attributes.error(why))
}

fn numbers(attributes: &mut Attributes, name: &str) -> Result<Option<Elements>, LoadError> {
    let Some(tensor) = attributes.tensor(name)? else { return Ok(None) };
    match Array::decode(tensor)? {
        Some(array) => Ok(Some(array.elements)),
        None => Err(attributes.error(format!("`{name}` is of a type that is not supported"))),
    }
}

/// Sets of members, each ended by NaN; the first `count` of them, since others belong to no node.
fn sets<T: Real>(members: &[T], count: usize) -> Result<Vec<Vec<T>>, &'static str> {
    let members = match members {
        [] => return Ok(Vec::new()),
        [members @ .., last] if last.missing() => members,
        members => members,
    };
    let mut left = MEMBERS_MAX;
    let mut sets = Vec::new();
    for set in members.split(|value| value.missing()).take(count) {
        left = left.checked_sub(set.len()).ok_or("the sets of a tree have too many members")?;
        sets.push(set.to_vec());
    }
    Ok(sets)
}

/// Everything but the floats.
struct Structure {
    features: Vec<i64>,
    modes: Vec<u8>,
    missing: Vec<i64>,
    on_true: Vec<i64>,
    on_false: Vec<i64>,
    true_is_leaf: Vec<i64>,
    false_is_leaf: Vec<i64>,
    roots: Vec<i64>,
    leaf_targets: Vec<i64>,
}

impl Structure {
    fn read(attributes: &mut Attributes) -> Result<Self, LoadError> {
        let modes = attributes.tensor("nodes_modes")?.as_ref().and_then(Array::octets);
        Ok(Self {
            features: attributes.ints("nodes_featureids")?,
            modes: modes.ok_or_else(|| attributes.error("`nodes_modes` are missing or of another type"))?,
            missing: attributes.ints("nodes_missing_value_tracks_true")?,
            on_true: attributes.ints("nodes_truenodeids")?,
            on_false: attributes.ints("nodes_falsenodeids")?,
            true_is_leaf: attributes.ints("nodes_trueleafs")?,
            false_is_leaf: attributes.ints("nodes_falseleafs")?,
            roots: attributes.ints("tree_roots")?,
            leaf_targets: attributes.ints("leaf_targetids")?,
        })
    }

    fn parts<T: Real>(
        &self,
        thresholds: &[T],
        weights: &[T],
        members: Option<&[T]>,
        targets: usize,
        aggregate: Aggregate,
    ) -> Result<Parts<T>, &'static str> {
        let count = self.features.len();
        let lengths = [
            self.modes.len(),
            self.on_true.len(),
            self.on_false.len(),
            self.true_is_leaf.len(),
            self.false_is_leaf.len(),
            thresholds.len(),
        ];
        let missing_fits = self.missing.is_empty() || self.missing.len() == count;
        if count == 0 || lengths.iter().any(|length| *length != count) || !missing_fits {
            return Err("the lists of nodes differ in length, or are empty");
        }
        if weights.len() != self.leaf_targets.len() {
            return Err("the lists of leaves differ in length");
        }
        let mut member_sets = 0..;
        let mut splits = Vec::with_capacity(count);
        for (index, threshold) in thresholds.iter().enumerate() {
            splits.push(Split {
                feature: u32::try_from(self.features[index])
                    .map_err(|_| "a feature index is out of bounds")?,
                threshold: *threshold,
                mode: mode(self.modes[index], &mut member_sets)?,
                missing_is_true: self.missing.get(index).is_some_and(|flag| *flag == 1),
                on_true: target(self.on_true[index], self.true_is_leaf[index])?,
                on_false: target(self.on_false[index], self.false_is_leaf[index])?,
            });
        }
        let leaf = |(target, weight): (&i64, &T)| {
            let target = u32::try_from(*target).map_err(|_| "a weight's target is negative")?;
            Ok(vec![Weight { target, value: *weight }])
        };
        let leaves = self.leaf_targets.iter().zip(weights).map(leaf).collect::<Result<_, &'static str>>()?;
        let roots = self.roots.iter().map(|root| self.root(*root)).collect::<Result<_, _>>()?;
        let members = sets(members.unwrap_or_default(), member_sets.start as usize)?;
        Ok(Parts { splits, roots, members, leaves, base: Vec::new(), targets, aggregate })
    }

    /// A root; a tree of one leaf is written as a node both of whose branches are that leaf.
    fn root(&self, root: i64) -> Result<Target, &'static str> {
        let index = usize::try_from(root).ok().filter(|index| *index < self.features.len());
        let index = index.ok_or("a root does not exist")?;
        let both = self.true_is_leaf[index] == 1 && self.false_is_leaf[index] == 1;
        if both && self.on_true[index] == self.on_false[index] {
            return target(self.on_true[index], 1);
        }
        target(root, 0)
    }
}

fn target(index: i64, is_leaf: i64) -> Result<Target, &'static str> {
    let index = u32::try_from(index).map_err(|_| "a tree refers to a node that does not exist")?;
    match is_leaf {
        0 => Ok(Target::Node(index)),
        1 => Ok(Target::Leaf(index)),
        _ => Err("a flag is neither 0 nor 1"),
    }
}

fn mode(mode: u8, member_sets: &mut std::ops::RangeFrom<u32>) -> Result<Mode, &'static str> {
    Ok(match mode {
        0 => Mode::LessEqual,
        1 => Mode::Less,
        2 => Mode::GreaterEqual,
        3 => Mode::Greater,
        4 => Mode::Equal,
        5 => Mode::NotEqual,
        6 => Mode::Member(member_sets.next().ok_or("there are too many nodes")?),
        _ => return Err("a node's mode is unknown"),
    })
}
