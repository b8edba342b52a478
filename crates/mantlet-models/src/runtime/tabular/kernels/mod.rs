//! The table of operators, and one module for each family of them.

mod cast;
mod elementwise;
mod encode;
mod linear;
mod matrix;
mod post;
mod reduce;
mod scale;
mod shape;
mod svm;
mod text;
pub(crate) mod trees;

use crate::onnx::{Array, Domain, LoadError, Node, ValueId};

use super::kernel::Kernel;

type Built = Result<Box<dyn Kernel>, LoadError>;

/// Makes the kernel of a node.
pub(super) fn compile(node: &mut Node) -> Built {
    let built = match node.domain {
        Domain::Ml => learned(node),
        Domain::Onnx => plain(node),
        Domain::Microsoft if node.operator == "Tokenizer" => Some(text::tokenizer(node)),
        Domain::Microsoft => None,
    };
    built.unwrap_or_else(|| {
        Err(LoadError::Operator {
            operator: node.operator.clone(),
            domain: node.domain.as_str().into(),
            opset: node.opset,
        })
    })
}

/// Operators of `ai.onnx.ml`.
fn learned(node: &mut Node) -> Option<Built> {
    Some(match node.operator.as_str() {
        "ArrayFeatureExtractor" => shape::columns(node),
        "Binarizer" => scale::binarizer(node),
        "CategoryMapper" => encode::category_mapper(node),
        "FeatureVectorizer" => shape::vectorizer(node),
        "Imputer" => scale::imputer(node),
        "LabelEncoder" => encode::label_encoder(node),
        "LinearClassifier" => linear::classifier(node),
        "LinearRegressor" => linear::regressor(node),
        "Normalizer" => scale::normalizer(node),
        "OneHotEncoder" => encode::one_hot(node),
        "SVMClassifier" => svm::classifier(node),
        "SVMRegressor" => svm::regressor(node),
        "Scaler" => scale::scaler(node),
        "TreeEnsemble" => trees::ensemble(node),
        "TreeEnsembleClassifier" => trees::classifier(node),
        "TreeEnsembleRegressor" => trees::regressor(node),
        _ => return None,
    })
}

/// Operators of `ai.onnx`.
fn plain(node: &mut Node) -> Option<Built> {
    Some(match node.operator.as_str() {
        "ArgMax" => reduce::position(node, true),
        "ArgMin" => reduce::position(node, false),
        "Cast" => cast::cast(node),
        "Concat" => shape::concat(node),
        "ConstantOfShape" => shape::fill(node),
        "Gather" => shape::gather(node),
        "Gemm" => matrix::gemm(node),
        "LogSoftmax" => reduce::softmax(node, true),
        "LpNormalization" => reduce::norm(node),
        "MatMul" => matrix::matmul(node),
        "Shape" => shape::extents(node),
        "Slice" => shape::slice(node),
        "Softmax" => reduce::softmax(node, false),
        "StringNormalizer" => text::normalizer(node),
        "TfIdfVectorizer" => text::vectorizer(node),
        "Transpose" => shape::transpose(node),
        _ => {
            return elementwise::binary(node)
                .or_else(|| elementwise::unary(node))
                .or_else(|| elementwise::choice(node))
                .or_else(|| shape::form(node))
                .or_else(|| reduce::reduce(node));
        }
    })
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
pub(in crate::runtime) fn constant(node: &mut Node) -> Result<Option<Array>, LoadError> {
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
