//! Why a model cannot be loaded, in words for whoever registers it. Never shown to callers of a model.

/// A model that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The bytes are not a well-formed ONNX model.
    #[error("not a well-formed ONNX model: {0}")]
    Malformed(String),
    /// A bound of [`super::limits`] is exceeded.
    #[error("the model has more than {max} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// A part of the format that no engine here reads.
    #[error("the model uses {0}, which cannot be loaded")]
    Unsupported(&'static str),
    /// No engine runs this operator.
    #[error("operator `{operator}` of domain `{domain}` at opset {opset} cannot run here")]
    Operator {
        /// The operator.
        operator: String,
        /// Its domain, `ai.onnx` for the default one.
        domain: String,
        /// The domain's version that the model asks for.
        opset: i64,
    },
    /// An operator is known, but not as this node uses it.
    #[error("node `{node}` of operator `{operator}`: {why}")]
    Node {
        /// The node's name, or the name of its first output.
        node: String,
        /// The operator.
        operator: String,
        /// What is wrong.
        why: String,
    },
    /// An input or output has a type that cannot be served.
    #[error("tensor `{name}`: {why}")]
    Tensor {
        /// The tensor's name.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// The neural engine refuses the model.
    #[error("the neural engine refuses the model: {0}")]
    Neural(String),
    /// The model fails when it is tried on rows of zeros.
    #[error("the model fails when it is tried: {0}")]
    Trial(String),
    /// An engine failed in a way that it should not.
    #[error("the model makes the engine fail while it is loaded")]
    Panicked,
}

impl LoadError {
    /// A malformed file, in a few words.
    pub(crate) fn malformed(why: impl Into<String>) -> Self {
        Self::Malformed(why.into())
    }
}
