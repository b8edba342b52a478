//! What stands beside a SavedModel: Keras' description of its layers (`keras_metadata.pb`) and the fingerprint.
//!
//! The schemas are `saved_metadata.proto` and `versions.proto` of Keras 2, and TensorFlow's `fingerprint.proto`.

use super::super::{
    keras,
    proto::{Message, Wire},
    window::Window,
};
use crate::{
    Input,
    scan::{Scan, Stop},
};

/// How Keras 2 calls what it keeps in a SavedModel.
const KINDS: [&str; 7] = [
    "_tf_keras_model",
    "_tf_keras_sequential",
    "_tf_keras_network",
    "_tf_keras_layer",
    "_tf_keras_input_layer",
    "_tf_keras_rnn_layer",
    "_tf_keras_metric",
];

/// One layer: where its description is, and what it is.
struct Node {
    kind: Option<String>,
    metadata: Option<Message>,
}

/// Reads a layer's message. Nothing if it is not of the schema.
fn node(window: &mut Window<'_>, mut message: Message) -> Result<Option<Node>, Stop> {
    let mut node = Node { kind: None, metadata: None };
    while let Some(field) = message.next(window)? {
        match (field.number, field.wire) {
            (2, Wire::Number(_)) | (3 | 6, Wire::Bytes(_)) => {}
            (4, Wire::Bytes(kind)) => node.kind = Some(kind.text(window)?),
            (5, Wire::Bytes(metadata)) if node.metadata.is_none() => node.metadata = Some(metadata),
            _ => return Ok(None),
        }
    }
    Ok(Some(node))
}

/// Whether content describes Keras' layers.
pub(crate) fn recognizes(input: &Input<'_>) -> Result<bool, Stop> {
    let mut window = Window::new(input);
    let mut message = Message::whole(&window);
    let first = match message.next(&mut window) {
        Ok(Some(field)) => field,
        Ok(None) | Err(Stop::Cut { .. } | Stop::Malformed { .. }) => return Ok(false),
        Err(stop) => return Err(stop),
    };
    let (1, Wire::Bytes(first)) = (first.number, first.wire) else { return Ok(false) };
    match node(&mut window, first) {
        Ok(found) => Ok(found.and_then(|node| node.kind).is_some_and(|kind| kind.starts_with("_tf_keras_"))),
        Err(Stop::Cut { .. } | Stop::Malformed { .. }) => Ok(false),
        Err(stop) => Err(stop),
    }
}

/// Judges the configuration of every layer.
pub(crate) fn scan(input: &Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let mut window = Window::new(input);
    let mut whole = Message::whole(&window);
    while let Some(field) = whole.next(&mut window)? {
        let unknown = || Stop::malformed(field.at, "the description of layers has what is not of the schema");
        let (1, Wire::Bytes(message)) = (field.number, field.wire) else { return Err(unknown()) };
        let node = node(&mut window, message)?.ok_or_else(unknown)?;
        if !node.kind.as_deref().is_some_and(|kind| KINDS.contains(&kind)) {
            let kind = node.kind.unwrap_or_default();
            scan.find(&keras::CLASS, field.at, format!("a layer is of the kind `{kind}`"));
        }
        if let Some(metadata) = node.metadata {
            let _held = scan.hold(metadata.len())?;
            let bytes = input.read(metadata.start(), metadata.len())?;
            let text = std::str::from_utf8(&bytes)
                .map_err(|_| Stop::malformed(metadata.start(), "the configuration of a layer is no text"))?;
            keras::judge_text(text, metadata.start(), scan)?;
        }
    }
    Ok(())
}

/// Longest fingerprint: six numbers and a random one in digits.
const FINGERPRINT_BYTES_MAX: u64 = 256;

/// Whether content is a fingerprint: five sums, each once, and what else belongs to one.
pub(crate) fn is_fingerprint(input: &Input<'_>) -> Result<bool, Stop> {
    if !(20..=FINGERPRINT_BYTES_MAX).contains(&input.len()) {
        return Ok(false);
    }
    let mut window = Window::new(input);
    let mut message = Message::whole(&window);
    let mut last = 0;
    loop {
        let field = match message.next(&mut window) {
            Ok(Some(field)) => field,
            Ok(None) => return Ok(last >= 5),
            Err(Stop::Cut { .. } | Stop::Malformed { .. }) => return Ok(false),
            Err(stop) => return Err(stop),
        };
        let known = match (field.number, field.wire) {
            (1..=5, Wire::Number(_)) => true,
            (6, Wire::Bytes(version)) => version.len() <= 16,
            (7, Wire::Bytes(digits)) => digits.text(&mut window).is_ok_and(|text| is_digits(&text)),
            _ => false,
        };
        if !known || field.number <= last {
            return Ok(false);
        }
        last = field.number;
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// There is nothing in it that anybody interprets.
pub(crate) fn scan_fingerprint(_: &Input<'_>, _: &mut Scan<'_>) -> Result<(), Stop> {
    Ok(())
}
