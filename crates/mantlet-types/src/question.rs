//! What a caller asks of a model, decoded from whichever protocol it came by and not yet validated.

use std::sync::Arc;

use crate::Tensor;

/// A decoded request for inference.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Question {
    /// The rows.
    pub rows: Rows,
    /// Names of the outputs asked for; empty means all.
    pub outputs: Vec<Arc<str>>,
    /// Options by name; the model's contract lists those it takes.
    pub options: Vec<(Box<str>, Scalar)>,
    /// Length of the body as received, in bytes; recorded, never its content.
    pub body_bytes: usize,
}

/// The rows of a request, in the form that the protocol carried.
#[derive(Clone, Debug, PartialEq)]
pub enum Rows {
    /// Tensors by name (Open Inference Protocol).
    Tensors(Vec<Tensor>),
    /// Rows of values in the contract's feature order.
    Ordered(Vec<Vec<Scalar>>),
    /// Rows of named values; names are distinct within a row (the decoder rejects duplicates).
    Named(Vec<Vec<(Box<str>, Scalar)>>),
}

impl Default for Rows {
    fn default() -> Self {
        Self::Tensors(Vec::new())
    }
}

/// A value as JSON carries it. Numbers are finite: JSON has no other.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// A number.
    Number(f64),
    /// A string.
    Text(Box<str>),
    /// A truth value.
    Bool(bool),
    /// Nothing.
    Null,
}
