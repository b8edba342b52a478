//! TensorFlow's SavedModel and graph definitions: every operator of every function.
//!
//! Field numbers are those of `saved_model.proto`, `meta_graph.proto`, `graph.proto`, `function.proto`, `node_def.proto` and
//! `attr_value.proto`. Fields that hold neither operators nor names of functions nor paths are passed over.

pub(crate) mod checkpoint;
mod graph;
pub(crate) mod metadata;

use std::sync::LazyLock;

use super::{
    operators::Operators,
    proto::{Field, Message, Wire},
    window::Window,
};
use crate::{
    Input, Rule,
    scan::{Scan, Stop},
};

/// The file is a SavedModel by its schema.
pub(crate) static MALFORMED: Rule = Rule {
    id: "tensorflow/structure",
    class: "tf-malformed",
    demands: "a SavedModel or graph has the schema's fields",
};

/// Operators.
pub(crate) static OPERATOR: Rule = Rule {
    id: "tensorflow/operator",
    class: "tf-code",
    demands: "every operator of every function computes, keeps state, or saves and restores checkpoints",
};

/// Operators that reach files.
pub(crate) static FILE: Rule = Rule {
    id: "tensorflow/file",
    class: "tf-file-op",
    demands: "no operator reads or writes files other than checkpoints, and assets stay in the model's folder",
};

/// Functions.
pub(crate) static FUNCTION: Rule = Rule {
    id: "tensorflow/function",
    class: "tf-code",
    demands: "functions have names of their own, and every function named is there",
};

static OPERATORS: LazyLock<Operators> = LazyLock::new(|| Operators::of(include_str!("operators.txt")));

/// Whether content is a SavedModel: a version, and graphs with their descriptions.
pub(crate) fn recognizes(input: &Input<'_>) -> Result<bool, Stop> {
    let mut window = Window::new(input);
    let whole = Message::whole(&window);
    let model = |field: &Field| match (field.number, field.wire) {
        (1, Wire::Number(version)) => Some(version > 1 << 16),
        (2, Wire::Bytes(_)) => Some(false),
        _ => None,
    };
    if input.len() == 0 || shaped(&mut window, whole, model)?.is_none() {
        return Ok(false);
    }
    first_meta_graph(&mut window)
}

/// Walks a message's fields; nothing if one is not wanted or the message is no message.
fn shaped(
    window: &mut Window<'_>,
    mut message: Message,
    wanted: impl Fn(&Field) -> Option<bool>,
) -> Result<Option<()>, Stop> {
    loop {
        match message.next(window) {
            Ok(None) => return Ok(Some(())),
            Ok(Some(field)) => match wanted(&field) {
                Some(false) => {}
                Some(true) | None => return Ok(None),
            },
            Err(Stop::Cut { .. } | Stop::Malformed { .. }) => return Ok(None),
            Err(stop) => return Err(stop),
        }
    }
}

fn first_meta_graph(window: &mut Window<'_>) -> Result<bool, Stop> {
    let mut message = Message::whole(window);
    while let Some(field) = message.next(window)? {
        if let (2, Wire::Bytes(meta_graph)) = (field.number, field.wire) {
            let meta = |field: &Field| {
                matches!((field.number, field.wire), (1..=7, Wire::Bytes(_))).then_some(false)
            };
            return Ok(shaped(window, meta_graph, meta)?.is_some());
        }
    }
    Ok(false)
}

/// Whether content is a graph alone: nodes with names and operators.
pub(crate) fn recognizes_graph(input: &Input<'_>) -> Result<bool, Stop> {
    let mut window = Window::new(input);
    let whole = Message::whole(&window);
    let graph = |field: &Field| match (field.number, field.wire) {
        (1 | 2 | 4, Wire::Bytes(_)) | (3, Wire::Number(_)) => Some(false),
        _ => None,
    };
    if input.len() == 0 || shaped(&mut window, whole, graph)?.is_none() {
        return Ok(false);
    }
    let mut message = whole;
    while let Some(field) = message.next(&mut window)? {
        if let (1, Wire::Bytes(node)) = (field.number, field.wire) {
            let known = |field: &Field| {
                matches!((field.number, field.wire), (1..=7, Wire::Bytes(_))).then_some(false)
            };
            let shaped = shaped(&mut window, node, known)?.is_some();
            return Ok(shaped && graph::operator(&mut window, node)?.is_some());
        }
    }
    Ok(false)
}

/// Judges a SavedModel.
pub(crate) fn scan(input: &Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let mut window = Window::new(input);
    let mut model = Message::whole(&window);
    while let Some(Field { number, at, wire }) = model.next(&mut window)? {
        match (number, wire) {
            (1, Wire::Number(_)) => {}
            (2, Wire::Bytes(meta)) => graph::meta(&mut window, meta, scan)?,
            _ => return Err(Stop::malformed(at, "a SavedModel has a field that is not of the schema")),
        }
    }
    Ok(())
}

/// Judges a graph alone.
pub(crate) fn scan_graph(input: &Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let mut window = Window::new(input);
    let whole = Message::whole(&window);
    graph::graph(&mut window, whole, scan)
}

#[cfg(test)]
mod tests;
