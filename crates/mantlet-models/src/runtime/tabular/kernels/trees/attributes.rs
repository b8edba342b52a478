//! Reads the attributes of the tree operators of `ai.onnx.ml` up to version 4, which list nodes by tree and number.

use std::collections::HashMap;

use crate::onnx::{Array, Attributes, Elements, LoadError};

use super::{
    ensemble::{Aggregate, Parts, Weight},
    forest::{Mode, Split, Target},
};

/// Names of the attributes that say which leaf adds what to which class or target.
pub(super) struct Prefix {
    pub(super) trees: &'static str,
    pub(super) nodes: &'static str,
    pub(super) ids: &'static str,
    pub(super) weights: &'static str,
}

/// Those of `TreeEnsembleClassifier`.
pub(super) const CLASS: Prefix =
    Prefix { trees: "class_treeids", nodes: "class_nodeids", ids: "class_ids", weights: "class_weights" };

/// Those of `TreeEnsembleRegressor`.
pub(super) const TARGET: Prefix =
    Prefix { trees: "target_treeids", nodes: "target_nodeids", ids: "target_ids", weights: "target_weights" };

/// Numbers that may be given as 32-bit floats or, by version 3, as a tensor of 64-bit floats.
pub(super) enum Numbers {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl Numbers {
    fn read(attributes: &mut Attributes, name: &str) -> Result<Self, LoadError> {
        let tensor = attributes.tensor(&format!("{name}_as_tensor"))?;
        let floats = attributes.floats(name)?;
        match tensor {
            None => Ok(Self::Single(floats)),
            Some(_) if !floats.is_empty() => Err(attributes.error(format!("`{name}` is given twice"))),
            Some(tensor) => match Array::decode(tensor)? {
                Some(Array { elements: Elements::F32(values), .. }) => Ok(Self::Single(values)),
                Some(Array { elements: Elements::F64(values), .. }) => Ok(Self::Double(values)),
                _ => Err(attributes.error(format!("`{name}_as_tensor` has another type"))),
            },
        }
    }

    const fn is_double(&self) -> bool {
        matches!(self, Self::Double(values) if !values.is_empty())
    }

    #[expect(clippy::cast_possible_truncation, reason = "called only where nothing is double")]
    fn single(self) -> Vec<f32> {
        match self {
            Self::Single(values) => values,
            Self::Double(values) => values.into_iter().map(|value| value as f32).collect(),
        }
    }

    fn double(self) -> Vec<f64> {
        match self {
            Self::Single(values) => values.into_iter().map(f64::from).collect(),
            Self::Double(values) => values,
        }
    }
}

/// The parts of an ensemble at the width in which its numbers are given.
pub(super) enum Read {
    Single(Parts<f32>),
    Double(Parts<f64>),
}

/// Reads nodes, weights and base values; `targets` is the number of classes or targets.
pub(super) fn read(
    attributes: &mut Attributes,
    prefix: &Prefix,
    targets: usize,
    aggregate: Aggregate,
) -> Result<Read, LoadError> {
    attributes.ignore(&["nodes_hitrates", "nodes_hitrates_as_tensor"]);
    let structure = Structure::read(attributes, prefix)?;
    let thresholds = Numbers::read(attributes, "nodes_values")?;
    let weights = Numbers::read(attributes, prefix.weights)?;
    let base = Numbers::read(attributes, "base_values")?;
    let double = thresholds.is_double() || weights.is_double() || base.is_double();
    let parts = if double {
        let parts =
            structure.parts(&thresholds.double(), &weights.double(), base.double(), targets, aggregate);
        parts.map(Read::Double)
    } else {
        let parts =
            structure.parts(&thresholds.single(), &weights.single(), base.single(), targets, aggregate);
        parts.map(Read::Single)
    };
    parts.map_err(|why| attributes.error(why))
}

/// Everything but the numbers.
struct Structure {
    trees: Vec<i64>,
    nodes: Vec<i64>,
    features: Vec<i64>,
    modes: Vec<Vec<u8>>,
    missing: Vec<i64>,
    on_true: Vec<i64>,
    on_false: Vec<i64>,
    weight_trees: Vec<i64>,
    weight_nodes: Vec<i64>,
    weight_ids: Vec<i64>,
}

impl Structure {
    fn read(attributes: &mut Attributes, prefix: &Prefix) -> Result<Self, LoadError> {
        Ok(Self {
            trees: attributes.ints("nodes_treeids")?,
            nodes: attributes.ints("nodes_nodeids")?,
            features: attributes.ints("nodes_featureids")?,
            modes: attributes.texts("nodes_modes")?,
            missing: attributes.ints("nodes_missing_value_tracks_true")?,
            on_true: attributes.ints("nodes_truenodeids")?,
            on_false: attributes.ints("nodes_falsenodeids")?,
            weight_trees: attributes.ints(prefix.trees)?,
            weight_nodes: attributes.ints(prefix.nodes)?,
            weight_ids: attributes.ints(prefix.ids)?,
        })
    }

    fn parts<T: Copy>(
        &self,
        thresholds: &[T],
        weights: &[T],
        base: Vec<T>,
        targets: usize,
        aggregate: Aggregate,
    ) -> Result<Parts<T>, &'static str> {
        let count = self.nodes.len();
        let lengths = [
            self.trees.len(),
            self.features.len(),
            self.modes.len(),
            self.on_true.len(),
            self.on_false.len(),
            thresholds.len(),
        ];
        let weight_lengths = [self.weight_trees.len(), self.weight_nodes.len(), weights.len()];
        if count == 0 || lengths.iter().any(|length| *length != count) {
            return Err("the lists of nodes differ in length, or are empty");
        }
        if !self.missing.is_empty() && self.missing.len() != count {
            return Err("the lists of nodes differ in length, or are empty");
        }
        if weight_lengths.iter().any(|length| *length != self.weight_ids.len()) {
            return Err("the lists of weights differ in length");
        }
        let targets_of = self.targets()?;
        let mut leaves: Vec<Vec<Weight<T>>> = Vec::new();
        leaves.resize_with(targets_of.leaves, Vec::new);
        for (index, weight) in weights.iter().enumerate() {
            let key = (self.weight_trees[index], self.weight_nodes[index]);
            let Some(Target::Leaf(leaf)) = targets_of.by_id.get(&key) else {
                return Err("a weight is for a node that is no leaf");
            };
            let target =
                u32::try_from(self.weight_ids[index]).map_err(|_| "a weight's target is negative")?;
            leaves[*leaf as usize].push(Weight { target, value: *weight });
        }
        let splits = self.splits(&targets_of, thresholds)?;
        let roots = self.roots(&targets_of);
        Ok(Parts { splits, roots, members: Vec::new(), leaves, base, targets, aggregate })
    }

    /// Numbers the branching nodes and the leaves.
    fn targets(&self) -> Result<Targets, &'static str> {
        let mut targets = Targets { by_id: HashMap::with_capacity(self.nodes.len()), splits: 0, leaves: 0 };
        for (index, mode) in self.modes.iter().enumerate() {
            let next = if mode == b"LEAF" { &mut targets.leaves } else { &mut targets.splits };
            let number = u32::try_from(*next).map_err(|_| "there are too many nodes")?;
            *next += 1;
            let target = if mode == b"LEAF" { Target::Leaf(number) } else { Target::Node(number) };
            if targets.by_id.insert((self.trees[index], self.nodes[index]), target).is_some() {
                return Err("a node is given twice");
            }
        }
        Ok(targets)
    }

    fn splits<T: Copy>(&self, targets: &Targets, thresholds: &[T]) -> Result<Vec<Split<T>>, &'static str> {
        let mut splits = Vec::with_capacity(targets.splits);
        for (index, mode) in self.modes.iter().enumerate() {
            let mode = match mode.as_slice() {
                b"LEAF" => continue,
                b"BRANCH_LEQ" => Mode::LessEqual,
                b"BRANCH_LT" => Mode::Less,
                b"BRANCH_GTE" => Mode::GreaterEqual,
                b"BRANCH_GT" => Mode::Greater,
                b"BRANCH_EQ" => Mode::Equal,
                b"BRANCH_NEQ" => Mode::NotEqual,
                _ => return Err("a node's mode is unknown"),
            };
            let child = |id: i64| {
                let found = targets.by_id.get(&(self.trees[index], id)).copied();
                found.ok_or("a tree refers to a node that does not exist")
            };
            splits.push(Split {
                feature: u32::try_from(self.features[index])
                    .map_err(|_| "a feature index is out of bounds")?,
                threshold: thresholds[index],
                mode,
                missing_is_true: self.missing.get(index).is_some_and(|flag| *flag == 1),
                on_true: child(self.on_true[index])?,
                on_false: child(self.on_false[index])?,
            });
        }
        Ok(splits)
    }

    /// The first node of each run of equal tree numbers, as onnxruntime takes it.
    fn roots(&self, targets: &Targets) -> Vec<Target> {
        let mut roots = Vec::new();
        for (index, tree) in self.trees.iter().enumerate() {
            if index == 0 || self.trees[index - 1] != *tree {
                roots.extend(targets.by_id.get(&(*tree, self.nodes[index])));
            }
        }
        roots
    }
}

/// Where each node of the attributes lies.
struct Targets {
    by_id: HashMap<(i64, i64), Target>,
    splits: usize,
    leaves: usize,
}
