//! The model's own values for its classes, read off the graph: whoever serves the model must be able to say `benign`
//! where the model says 1, and must not have to guess which of its values stands for which probability.

use std::collections::HashMap;

use super::interface::ClassValues;
use crate::onnx::{Array, Elements, Graph, ValueId};

/// Operators that hand a label on as it is, apart from shape and type.
const PASSING: &[&str] = &["Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten"];

/// Class values behind an output, for models that say which; `None` if the graph computes its labels in another way.
///
/// Known ways: a classifier node with its class labels, the index of the greatest probability, and a look-up of that
/// index in a constant list, which is how exported scikit-learn pipelines do it.
pub(crate) fn class_values(graph: Graph, output: &str, count: Option<usize>) -> Option<ClassValues> {
    let label = graph.outputs.iter().find(|port| port.name == output)?.value;
    let mut made_by = HashMap::new();
    for (index, node) in graph.nodes.iter().enumerate() {
        made_by.extend(node.outputs.iter().flatten().map(|value| (*value, index)));
    }
    let trace = Trace { graph: &graph, made_by };
    let Origin { node: source, is_cast } = trace.origin(label)?;
    match graph.nodes[source].operator.as_str() {
        "ArgMax" => Some(ClassValues::Numbers((0..i64::try_from(count?).ok()?).collect())),
        "ArrayFeatureExtractor" => trace.looked_up(source),
        _ => listed(graph, source, is_cast),
    }
}

/// Where a value comes from.
struct Origin {
    /// The node's index.
    node: usize,
    /// Whether its type was changed on the way.
    is_cast: bool,
}

struct Trace<'g> {
    graph: &'g Graph,
    made_by: HashMap<ValueId, usize>,
}

impl Trace<'_> {
    /// The node that makes a value, behind whatever merely hands it on.
    fn origin(&self, mut value: ValueId) -> Option<Origin> {
        let mut is_cast = false;
        // Every step goes to an earlier node, so this ends.
        loop {
            let index = *self.made_by.get(&value)?;
            let node = &self.graph.nodes[index];
            if !PASSING.contains(&node.operator.as_str()) {
                return Some(Origin { node: index, is_cast });
            }
            is_cast |= node.operator == "Cast";
            value = (*node.inputs.first()?)?;
        }
    }

    fn looked_up(&self, index: usize) -> Option<ClassValues> {
        let [Some(list), Some(position)] = self.graph.nodes[index].inputs.as_slice() else { return None };
        let found = self.origin(*position)?;
        if self.graph.nodes[found.node].operator != "ArgMax" {
            return None;
        }
        let constant = self.graph.constants.iter().find(|(value, _)| value == list)?;
        values(constant.1.array()?)
    }
}

fn values(list: &Array) -> Option<ClassValues> {
    match &list.elements {
        Elements::I64(numbers) => Some(ClassValues::Numbers(numbers.clone())),
        Elements::I32(numbers) => {
            Some(ClassValues::Numbers(numbers.iter().copied().map(i64::from).collect()))
        }
        Elements::Text(texts) => strings(texts),
        _ => None,
    }
}

/// The class labels of a classifier node.
fn listed(mut graph: Graph, index: usize, is_cast: bool) -> Option<ClassValues> {
    let node = &mut graph.nodes[index];
    let texts = node.attributes.texts("classlabels_strings").ok()?;
    // A text that is cast to something else is no longer this text.
    if !texts.is_empty() {
        return if is_cast { None } else { strings(&texts) };
    }
    for name in ["classlabels_int64s", "classlabels_ints"] {
        let numbers = node.attributes.ints(name).ok()?;
        if !numbers.is_empty() {
            return Some(ClassValues::Numbers(numbers));
        }
    }
    None
}

fn strings(texts: &[Vec<u8>]) -> Option<ClassValues> {
    let text = |bytes: &Vec<u8>| std::str::from_utf8(bytes).ok().map(Into::into);
    texts.iter().map(text).collect::<Option<_>>().map(ClassValues::Texts)
}

#[cfg(test)]
mod tests;
