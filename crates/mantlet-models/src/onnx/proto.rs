//! The part of the ONNX protobuf schema that Mantlet reads, as prost messages written by hand.
//!
//! Field numbers are those of `onnx-ml.proto` (ONNX IR version 13). Members that no engine here can honor (functions,
//! subgraphs, sparse tensors, training information) are absent: [`super::scan`] refuses a file that has them before
//! anything is decoded, so that leaving them out can never mean ignoring them. Documentation strings are skipped. Which lists are packed
//! is as in that file, since some readers of what is written here insist on it.

use prost::{Message, bytes::Bytes};

/// A file: one graph and the operator sets that it is written in.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ModelProto {
    /// Version of the intermediate representation.
    #[prost(int64, tag = "1")]
    pub(crate) ir_version: i64,
    /// The graph.
    #[prost(message, optional, tag = "7")]
    pub(crate) graph: Option<GraphProto>,
    /// Version of each operator domain in use.
    #[prost(message, repeated, tag = "8")]
    pub(crate) opset_import: Vec<OperatorSetIdProto>,
}

/// The version of one operator domain.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct OperatorSetIdProto {
    /// Domain; the empty string is `ai.onnx`.
    #[prost(string, tag = "1")]
    pub(crate) domain: String,
    /// Version.
    #[prost(int64, tag = "2")]
    pub(crate) version: i64,
}

/// Nodes in topological order, constants, inputs and outputs.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct GraphProto {
    /// Operations.
    #[prost(message, repeated, tag = "1")]
    pub(crate) node: Vec<NodeProto>,
    /// Constants, by name.
    #[prost(message, repeated, tag = "5")]
    pub(crate) initializer: Vec<TensorProto>,
    /// Inputs; before IR version 4 the initializers are listed here too.
    #[prost(message, repeated, tag = "11")]
    pub(crate) input: Vec<ValueInfoProto>,
    /// Outputs.
    #[prost(message, repeated, tag = "12")]
    pub(crate) output: Vec<ValueInfoProto>,
}

/// One operation.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct NodeProto {
    /// Names of inputs; an empty name is an input left out.
    #[prost(string, repeated, tag = "1")]
    pub(crate) input: Vec<String>,
    /// Names of outputs; an empty name is an output left out.
    #[prost(string, repeated, tag = "2")]
    pub(crate) output: Vec<String>,
    /// Name, for messages only.
    #[prost(string, tag = "3")]
    pub(crate) name: String,
    /// Operator.
    #[prost(string, tag = "4")]
    pub(crate) op_type: String,
    /// Attributes.
    #[prost(message, repeated, tag = "5")]
    pub(crate) attribute: Vec<AttributeProto>,
    /// Domain; the empty string is `ai.onnx`.
    #[prost(string, tag = "7")]
    pub(crate) domain: String,
}

/// A named constant of a node.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct AttributeProto {
    /// Name.
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    /// A float.
    #[prost(float, tag = "2")]
    pub(crate) f: f32,
    /// An integer.
    #[prost(int64, tag = "3")]
    pub(crate) i: i64,
    /// A string.
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) s: Vec<u8>,
    /// A tensor.
    #[prost(message, optional, tag = "5")]
    pub(crate) t: Option<TensorProto>,
    /// Floats.
    #[prost(float, repeated, packed = "false", tag = "7")]
    pub(crate) floats: Vec<f32>,
    /// Integers.
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub(crate) ints: Vec<i64>,
    /// Strings.
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub(crate) strings: Vec<Vec<u8>>,
    /// Which member is meant: 1 FLOAT, 2 INT, 3 STRING, 4 TENSOR, 6 FLOATS, 7 INTS, 8 STRINGS; 0 in very old files.
    #[prost(int32, tag = "20")]
    pub(crate) r#type: i32,
}

/// A constant tensor; its elements lie in `raw_data` or in the member for its type.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TensorProto {
    /// Extents.
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub(crate) dims: Vec<i64>,
    /// Element type; see [`element`].
    #[prost(int32, tag = "2")]
    pub(crate) data_type: i32,
    /// Elements of FLOAT.
    #[prost(float, repeated, tag = "4")]
    pub(crate) float_data: Vec<f32>,
    /// Elements of INT32, BOOL and the other small integers.
    #[prost(int32, repeated, tag = "5")]
    pub(crate) int32_data: Vec<i32>,
    /// Elements of STRING.
    #[prost(bytes = "vec", repeated, tag = "6")]
    pub(crate) string_data: Vec<Vec<u8>>,
    /// Elements of INT64.
    #[prost(int64, repeated, tag = "7")]
    pub(crate) int64_data: Vec<i64>,
    /// Name.
    #[prost(string, tag = "8")]
    pub(crate) name: String,
    /// Elements of any type of fixed width, little-endian; a part of the file, not a copy of it.
    #[prost(bytes = "bytes", tag = "9")]
    pub(crate) raw_data: Bytes,
    /// Elements of DOUBLE.
    #[prost(double, repeated, tag = "10")]
    pub(crate) double_data: Vec<f64>,
}

impl TensorProto {
    /// Whether elements are given in more than one member.
    pub(crate) fn is_ambiguous(&self) -> bool {
        let given = [
            self.raw_data.is_empty(),
            self.float_data.is_empty(),
            self.int32_data.is_empty(),
            self.string_data.is_empty(),
            self.int64_data.is_empty(),
            self.double_data.is_empty(),
        ];
        given.iter().filter(|is_empty| !**is_empty).count() > 1
    }
}

/// What the graph says of one of its inputs or outputs.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ValueInfoProto {
    /// Name.
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    /// Type.
    #[prost(message, optional, tag = "2")]
    pub(crate) r#type: Option<TypeProto>,
}

/// A type: a tensor here, or one of the collections that only `ZipMap` makes.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TypeProto {
    /// A tensor.
    #[prost(message, optional, tag = "1")]
    pub(crate) tensor_type: Option<TensorTypeProto>,
    /// A sequence.
    #[prost(message, optional, tag = "4")]
    pub(crate) sequence_type: Option<SequenceTypeProto>,
    /// A map.
    #[prost(message, optional, tag = "5")]
    pub(crate) map_type: Option<MapTypeProto>,
}

/// `TypeProto.Tensor`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TensorTypeProto {
    /// Element type; see [`element`].
    #[prost(int32, tag = "1")]
    pub(crate) elem_type: i32,
    /// Extents; absent when not even the rank is known.
    #[prost(message, optional, tag = "2")]
    pub(crate) shape: Option<TensorShapeProto>,
}

/// `TypeProto.Sequence`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SequenceTypeProto {
    /// Type of its elements.
    #[prost(message, optional, boxed, tag = "1")]
    pub(crate) elem_type: Option<Box<TypeProto>>,
}

/// `TypeProto.Map`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct MapTypeProto {
    /// Type of the keys.
    #[prost(int32, tag = "1")]
    pub(crate) key_type: i32,
    /// Type of the values.
    #[prost(message, optional, boxed, tag = "2")]
    pub(crate) value_type: Option<Box<TypeProto>>,
}

/// Extents of a tensor type.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TensorShapeProto {
    /// Extents, outermost first.
    #[prost(message, repeated, tag = "1")]
    pub(crate) dim: Vec<DimensionProto>,
}

/// One extent; a name or nothing where any number will do.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct DimensionProto {
    /// The extent, if positive.
    #[prost(int64, tag = "1")]
    pub(crate) dim_value: i64,
}

/// Element types, `TensorProto.DataType`.
pub(crate) mod element {
    /// 32-bit floating point.
    pub(crate) const FLOAT: i32 = 1;
    /// 8-bit unsigned.
    pub(crate) const UINT8: i32 = 2;
    /// 8-bit signed.
    pub(crate) const INT8: i32 = 3;
    /// 32-bit signed.
    pub(crate) const INT32: i32 = 6;
    /// 64-bit signed.
    pub(crate) const INT64: i32 = 7;
    /// UTF-8 text.
    pub(crate) const STRING: i32 = 8;
    /// Truth values.
    pub(crate) const BOOL: i32 = 9;
    /// 16-bit floating point.
    pub(crate) const FLOAT16: i32 = 10;
    /// 64-bit floating point.
    pub(crate) const DOUBLE: i32 = 11;
}
