//! The table of operators, and one module for each family of them.

mod linear;
mod post;
mod scale;
mod trees;

use crate::onnx::{Array, Domain, LoadError, Node, ValueId};

use super::kernel::Kernel;

type Built = Result<Box<dyn Kernel>, LoadError>;

/// Makes the kernel of a node.
pub(super) fn compile(node: &mut Node) -> Built {
    use Domain::Ml;
    match (node.domain, node.operator.as_str()) {
        (Ml, "Scaler") => scale::scaler(node),
        (Ml, "LinearClassifier") => linear::classifier(node),
        (Ml, "LinearRegressor") => linear::regressor(node),
        (Ml, "TreeEnsembleClassifier") => trees::classifier(node),
        (Ml, "TreeEnsembleRegressor") => trees::regressor(node),
        _ => Err(LoadError::Operator {
            operator: node.operator.clone(),
            domain: node.domain.as_str().into(),
            opset: node.opset,
        }),
    }
}

/// For an operator that hands its input on unchanged: which value its output is another name of.
pub(super) fn alias(node: &mut Node) -> Result<Option<(ValueId, ValueId)>, LoadError> {
    if node.domain != Domain::Onnx || !matches!(node.operator.as_str(), "Identity" | "Dropout") {
        return Ok(None);
    }
    match (&node.inputs[..], &node.outputs[..]) {
        ([Some(from), ..], [Some(to)]) => Ok(Some((*from, *to))),
        _ => Err(node.attributes.error("one input and one output are needed")),
    }
}

/// For a `Constant` node: its value.
pub(super) fn constant(node: &mut Node) -> Result<Option<Array>, LoadError> {
    use crate::onnx::Elements;
    if node.domain != Domain::Onnx || node.operator != "Constant" {
        return Ok(None);
    }
    let attributes = &mut node.attributes;
    let scalar = |elements| Array { shape: Vec::new(), elements };
    let array = if let Some(tensor) = attributes.tensor("value")? {
        Array::decode(tensor)?.ok_or_else(|| attributes.error("its element type cannot be used here"))?
    } else if let Some(value) = attributes.float("value_float")? {
        scalar(Elements::F32(vec![value]))
    } else if let Some(value) = attributes.int("value_int")? {
        scalar(Elements::I64(vec![value]))
    } else if attributes.has("value_floats") {
        Array::vector(Elements::F32(attributes.floats("value_floats")?))
    } else if attributes.has("value_ints") {
        Array::vector(Elements::I64(attributes.ints("value_ints")?))
    } else {
        return Err(attributes.error("its value is of a kind that cannot be used here"));
    };
    Ok(Some(array))
}
