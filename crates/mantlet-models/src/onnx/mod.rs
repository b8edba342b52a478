//! A strict reader of ONNX models from owned bytes: memory-safe, bounded, and without access to any file.
//!
//! It exists because a model is untrusted input that is parsed inside the server. It refuses what no engine here honors
//! (functions, subgraphs, external data, unknown domains) instead of skipping it, and names what it refuses.
//! It never opens a file, never follows a location that a model names, and never allocates more than a small multiple of
//! the file's size. ONNX: <https://onnx.ai/onnx/repo-docs/IR.html>.

mod attributes;
mod error;
mod graph;
pub mod limits;
mod parameters;
pub(crate) mod proto;
mod scan;
mod tensor;

use prost::{Message, bytes::Bytes};

pub use error::LoadError;
pub use parameters::{Parameter, Values};
pub use tensor::{Array, ElementType, Elements};

pub(crate) use attributes::Attributes;
pub(crate) use graph::{Domain, Graph, Node, Port, ValueId};
pub(crate) use tensor::Constant;

/// Reads a model.
///
/// # Errors
/// See [`LoadError`]; the operator is not looked at yet, only the domain that it is said to be from.
pub(crate) fn read(bytes: &Bytes) -> Result<Graph, LoadError> {
    Graph::new(decode(bytes)?, Constant::decode)
}

/// Reads a model without its weights: constants that are large are left undecoded.
///
/// # Errors
/// See [`LoadError`].
pub(crate) fn read_outline(bytes: &Bytes) -> Result<Graph, LoadError> {
    Graph::new(decode(bytes)?, Constant::outline)
}

/// Weights in the form of raw data stay parts of `bytes`.
fn decode(bytes: &Bytes) -> Result<proto::ModelProto, LoadError> {
    scan::scan(bytes)?;
    proto::ModelProto::decode(bytes.clone()).map_err(|error| LoadError::malformed(error.to_string()))
}

/// Reads a model for another reader: gives the outline of its graph and a file that says the same and nothing else.
///
/// Two readers of one file may disagree about what is given twice, or is there and unknown. What was checked and what
/// the other reader then reads must be the same, so that it gets a file written from what was understood here.
///
/// # Errors
/// See [`LoadError`].
pub(crate) fn read_canonical(bytes: &Bytes) -> Result<(Graph, Vec<u8>), LoadError> {
    let model = decode(bytes)?;
    let graph = model.graph.iter();
    let own = graph.clone().flat_map(|graph| &graph.initializer);
    let attributes = graph.flat_map(|graph| &graph.node).flat_map(|node| &node.attribute);
    if own
        .chain(attributes.filter_map(|attribute| attribute.t.as_ref()))
        .any(proto::TensorProto::is_ambiguous)
    {
        return Err(LoadError::malformed("a tensor's data is given twice"));
    }
    let canonical = model.encode_to_vec();
    Ok((Graph::new(model, Constant::outline)?, canonical))
}

/// Reads the constants of a model.
///
/// # Errors
/// See [`LoadError`].
pub(crate) fn parameters(bytes: &Bytes) -> Result<Vec<Parameter>, LoadError> {
    parameters::of(decode(bytes)?.graph.unwrap_or_default())
}
