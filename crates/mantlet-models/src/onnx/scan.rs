//! A walk over the protobuf wire format that refuses a file before anything is decoded from it.
//!
//! Decoding turns two bytes of file into hundreds of bytes of memory, so counts are bounded first, here, without
//! allocation. What no engine honors (functions, subgraphs, external and sparse data, training information) is refused
//! here too, so that the decoder may skip unknown members without ever ignoring one that changes the model's meaning.

use super::{
    error::LoadError,
    limits::{DEPTH_MAX, INTEGERS_BYTES_MAX, MESSAGES_MAX, MODEL_BYTES_MAX, NODES_MAX, STRINGS_MAX},
};

/// Which message a length-delimited field holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Value,
    Type,
    TensorType,
    Sequence,
    Map,
    Shape,
    Leaf,
}

/// What a field means to the walk.
enum Field {
    /// A message to walk into.
    Message(Message),
    /// A string or byte string.
    Bytes,
    /// A packed or single list of variable-length integers.
    Integers,
    /// Something that no engine honors.
    Refused(&'static str),
    /// A scalar, or a member without influence on what the model computes.
    Other,
}

/// The schema: members by number, as in `onnx-ml.proto`.
const fn field(message: Message, number: u64) -> Field {
    use Message::{
        Attribute, Graph, Leaf, Map, Model, Node, Sequence, Shape, Tensor, TensorType, Type, Value,
    };
    match (message, number) {
        (Model, 7) => Field::Message(Graph),
        (Model, 8) => Field::Message(Leaf),
        (Model, 20) => Field::Refused("training information"),
        (Model, 25) => Field::Refused("functions of its own"),
        (Graph, 1) => Field::Message(Node),
        (Graph, 5) => Field::Message(Tensor),
        (Graph, 11 | 12) => Field::Message(Value),
        (Graph, 15) => Field::Refused("sparse tensors"),
        (Node, 5) => Field::Message(Attribute),
        (Node, 1..=4 | 7) | (Attribute, 1 | 4 | 9) => Field::Bytes,
        (Node, 8) => Field::Refused("overloaded functions"),
        (Attribute, 5) => Field::Message(Tensor),
        (Attribute, 6 | 11) => Field::Refused("subgraphs"),
        (Attribute, 10) => Field::Refused("lists of tensors in attributes"),
        (Attribute, 14 | 15) => Field::Refused("types in attributes"),
        (Attribute, 21) => Field::Refused("references to attributes of functions"),
        (Attribute, 22 | 23) => Field::Refused("sparse tensors"),
        (Attribute, 8) | (Tensor, 1 | 5 | 7) => Field::Integers,
        (Tensor, 3) => Field::Refused("segmented tensors"),
        (Tensor, 6 | 8) | (Value, 1) => Field::Bytes,
        (Tensor, 13) => Field::Refused("data outside of its own file"),
        (Value, 2) => Field::Message(Type),
        (Type, 1) => Field::Message(TensorType),
        (Type, 4) => Field::Message(Sequence),
        (Type, 5) => Field::Message(Map),
        (Type, 7..=9) => Field::Refused("optional, opaque or sparse types"),
        (TensorType, 2) => Field::Message(Shape),
        (Sequence, 1) | (Map, 2) => Field::Message(Type),
        (Shape, 1) => Field::Message(Leaf),
        _ => Field::Other,
    }
}

/// What has been met so far.
#[derive(Default)]
struct Counts {
    messages: usize,
    nodes: usize,
    strings: usize,
    integers_bytes: usize,
}

/// Refuses a file that is too large in any respect, or that uses what no engine honors.
///
/// # Errors
/// [`LoadError::TooLarge`], [`LoadError::Unsupported`], or [`LoadError::Malformed`] for bytes that are not protobuf.
pub(super) fn scan(bytes: &[u8]) -> Result<(), LoadError> {
    if bytes.len() > MODEL_BYTES_MAX {
        return Err(LoadError::TooLarge { what: "bytes", max: MODEL_BYTES_MAX });
    }
    walk(bytes, Message::Model, 0, &mut Counts::default())
}

fn walk(mut bytes: &[u8], message: Message, depth: usize, counts: &mut Counts) -> Result<(), LoadError> {
    if depth > DEPTH_MAX {
        return Err(LoadError::TooLarge { what: "levels of nesting", max: DEPTH_MAX });
    }
    bound(&mut counts.messages, 1, "messages", MESSAGES_MAX)?;
    if message == Message::Node {
        bound(&mut counts.nodes, 1, "nodes", NODES_MAX)?;
    }
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let number = key >> 3;
        match key & 7 {
            0 => scalar(message, number, varint(&mut bytes)?, counts)?,
            1 => take(&mut bytes, 8).map(drop)?,
            5 => take(&mut bytes, 4).map(drop)?,
            2 => {
                let length = usize::try_from(varint(&mut bytes)?)
                    .map_err(|_| LoadError::malformed("a length overflows"))?;
                visit(take(&mut bytes, length)?, message, number, depth, counts)?;
            }
            _ => return Err(LoadError::malformed("an unknown wire type")),
        }
    }
    Ok(())
}

/// A length-delimited field.
fn visit(
    payload: &[u8],
    message: Message,
    number: u64,
    depth: usize,
    counts: &mut Counts,
) -> Result<(), LoadError> {
    match field(message, number) {
        Field::Message(inner) => walk(payload, inner, depth + 1, counts),
        Field::Bytes => bound(&mut counts.strings, 1, "strings", STRINGS_MAX),
        Field::Integers => {
            bound(&mut counts.integers_bytes, payload.len(), "bytes of integer lists", INTEGERS_BYTES_MAX)
        }
        Field::Refused(what) => Err(LoadError::Unsupported(what)),
        Field::Other => Ok(()),
    }
}

/// A variable-length integer: one element of a list that is not packed, or a member of its own.
fn scalar(message: Message, number: u64, value: u64, counts: &mut Counts) -> Result<(), LoadError> {
    // `TensorProto.data_location = EXTERNAL` without a location is still not a tensor of this file.
    if message == Message::Tensor && number == 14 && value != 0 {
        return Err(LoadError::Unsupported("data outside of its own file"));
    }
    match field(message, number) {
        Field::Integers => bound(&mut counts.integers_bytes, 1, "bytes of integer lists", INTEGERS_BYTES_MAX),
        _ => Ok(()),
    }
}

fn bound(count: &mut usize, more: usize, what: &'static str, max: usize) -> Result<(), LoadError> {
    *count = count.saturating_add(more);
    if *count > max { Err(LoadError::TooLarge { what, max }) } else { Ok(()) }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], LoadError> {
    let (head, tail) =
        bytes.split_at_checked(length).ok_or_else(|| LoadError::malformed("the file ends inside a field"))?;
    *bytes = tail;
    Ok(head)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, LoadError> {
    let mut value = 0_u64;
    for shift in (0..70).step_by(7) {
        let [byte, tail @ ..] = *bytes else {
            return Err(LoadError::malformed("the file ends inside a number"));
        };
        *bytes = tail;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(LoadError::malformed("a number has too many bytes"))
}
