//! Bounds on model files, each with the reason for its size. A file beyond one of them is refused before it is decoded.

/// A model file. The largest tabular exports met (thousands of deep trees) are some 100 MB; a sentence encoder is 90 MB.
pub const MODEL_BYTES_MAX: usize = 512 << 20;

/// Nodes of a graph. An isolation forest exports to a few thousand, a transformer to fewer than ten thousand.
pub const NODES_MAX: usize = 50_000;

/// Messages of any kind, each of which may cost a few hundred bytes in memory for two bytes of file.
pub const MESSAGES_MAX: usize = 500_000;

/// Strings, each of which costs at least 24 bytes in memory for two bytes of file. Node modes of trees are strings, one
/// for each tree node, so this bounds the nodes of all ensembles of a model too.
pub const STRINGS_MAX: usize = 8_000_000;

/// Bytes of integer lists, which grow eightfold when decoded.
pub const INTEGERS_BYTES_MAX: usize = 128 << 20;

/// Nesting of messages. A tensor in a node's attribute is the fifth level; a sequence of maps of tensors the eighth.
pub const DEPTH_MAX: usize = 12;

/// Names of inputs, outputs, operators and attributes.
pub const NAME_BYTES_MAX: usize = 1 << 10;

/// Extents of tensors and counts in attributes; far below where products of a few of them overflow.
pub const EXTENT_MAX: i64 = 1 << 31;
