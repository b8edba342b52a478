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
mod proto;
mod scan;
mod tensor;

use prost::Message;

pub use error::LoadError;
pub use tensor::{Array, ElementType, Elements};

pub(crate) use attributes::Attributes;
pub(crate) use graph::{Domain, Graph, Node, Port, ValueId};

/// Reads a model.
///
/// # Errors
/// See [`LoadError`]; the operator is not looked at yet, only the domain that it is said to be from.
pub(crate) fn read(bytes: &[u8]) -> Result<Graph, LoadError> {
    scan::scan(bytes)?;
    let model = proto::ModelProto::decode(bytes).map_err(|error| LoadError::malformed(error.to_string()))?;
    Graph::new(model)
}
