//! Request bodies: JSON in both dialects, and the binary form with its packings.

use std::{
    pin::pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, Waker},
};

use mantlet::server::{
    body::{Body, Encoding, Media, Parcel},
    json::{self, Writer},
    simple, tensor,
    v2::{self, Form},
};
use mantlet_gate::mediate::Payload;
use mantlet_types::{
    Code, Contract, Datatype, Rejection, Sha256, Tensor, TensorData, TensorSpec,
    contract::{Confidence, Disclosure, Fallback, Feature, FeatureKind, Judgment, Label, Layout, Task},
    limits::{BODY_BYTES_MAX, ELEMENTS_MAX, FEATURES_MAX, RANK_MAX, TENSORS_MAX},
    question::{Question, Rows, Scalar},
};
use serde_json::{Value, json};

use super::oracle::is_strict_json;

/// A classifier of `age` and `income` that takes one tensor of this type and shape.
pub(super) fn contract(datatype: Datatype, shape: &[Option<usize>]) -> Contract {
    let feature = |name: &str| Feature {
        name: name.into(),
        kind: FeatureKind::Number { seen: None, accepted: None },
        optional: false,
        sensitivity: 1,
    };
    let label = |text: &str| Label { text: text.into(), number: None };
    let spec = TensorSpec { name: "X".into(), datatype, shape: shape.to_vec() };
    let scores = TensorSpec { name: "p".into(), datatype: Datatype::Fp32, shape: vec![None, Some(2)] };
    Contract {
        model: "loans".parse().unwrap(),
        version: 1.try_into().unwrap(),
        project: "home".parse().unwrap(),
        digest: Sha256([7; 32]),
        inputs: vec![spec],
        outputs: vec![scores],
        features: vec![feature("age"), feature("income")],
        layout: Layout::Matrix,
        task: Task::Classify { probabilities: 0, label: None, labels: vec![label("no"), label("yes")] },
        judgment: Judgment {
            confidence: Confidence::Probability { temperature: 1.0 },
            threshold: 0.7,
            fallback: Fallback::default(),
        },
        disclosure: Disclosure::default(),
        options: Vec::new(),
        batch_rows_max: 100,
    }
}

/// A JSON body: whole, as the simple protocol's, and as V2's.
pub(crate) fn json(data: &[u8]) {
    let ours = std::str::from_utf8(data).is_ok_and(|text| json::check(text).is_ok());
    assert_eq!(ours, is_strict_json(data), "the own reader and serde_json disagree");
    let contract = contract(Datatype::Fp32, &[None, Some(2)]);
    match simple::decode(data, &contract) {
        Ok(decoded) => {
            assert!(ours, "a protocol takes what the reader rejects");
            assert_eq!(decoded.question.body_bytes, data.len());
            let body: Value = serde_json::from_slice(data).unwrap();
            agrees(&decoded.question.rows, decoded.batch, &body["features"], &contract);
        }
        Err(rejection) => blamed(&rejection),
    }
    match v2::decode(data, &[], &contract) {
        Ok((question, form)) => {
            assert!(ours, "a protocol takes what the reader rejects");
            bounded(&question, &form);
            reads_again(&question, &contract, true);
        }
        Err(rejection) => blamed(&rejection),
    }
}

/// A body with its headers: a byte of choices, two of header length if one was chosen, and what was sent.
pub(crate) fn binary(data: &[u8]) {
    let Some((choices, rest)) = data.split_first() else { return };
    let (header_bytes, body) = match rest.split_first_chunk::<2>() {
        Some((length, body)) if choices & 4 != 0 => (Some(usize::from(u16::from_be_bytes(*length))), body),
        _ => (None, rest),
    };
    let encoding = match choices & 3 {
        0 => Ok(Encoding::Identity),
        1 => Ok(Encoding::Gzip),
        2 => Ok(Encoding::Deflate),
        _ => Err(Code::UnsupportedMedia),
    };
    let contract = match choices >> 3 & 3 {
        0 => contract(Datatype::Fp32, &[None, Some(2)]),
        1 => contract(Datatype::Bytes, &[None, Some(1)]),
        2 => contract(Datatype::Int64, &[None]),
        _ => contract(Datatype::Uint8, &[None, Some(3), None]),
    };
    let form = Arc::new(OnceLock::new());
    let parcel = Parcel { body: Body::Whole(body.to_vec().into()), encoding, media: Ok(Media::Binary) };
    let infer = v2::Infer { parcel, header_bytes: Ok(header_bytes), form: Arc::clone(&form) };
    // A body that is already whole never waits.
    let Poll::Ready(read) = pin!(infer.read(&contract)).poll(&mut Context::from_waker(Waker::noop())) else {
        unreachable!("a whole body was waited for")
    };
    match read {
        Ok(question) => {
            assert!(question.body_bytes <= BODY_BYTES_MAX);
            bounded(&question, form.get().unwrap());
            reads_again(&question, &contract, false);
        }
        Err(rejection) => {
            blamed(&rejection);
            assert!(form.get().is_none(), "half a request left something behind");
        }
    }
}

/// Rejections of a body are the caller's fault, and say little.
fn blamed(rejection: &Rejection) {
    assert!(
        matches!(rejection.code, Code::InvalidInput | Code::TooLarge | Code::UnsupportedMedia),
        "{rejection:?}"
    );
    assert!(rejection.field.as_deref().is_none_or(|field| field.len() < 64), "{rejection:?}");
}

fn bounded(question: &Question, form: &Form) {
    questions(question);
    assert!(form.id.as_ref().is_none_or(|id| id.len() <= 128 && id.is_ascii()));
    assert!(form.binary_by_output.len() <= question.outputs.len());
}

/// The tensors of a question.
pub(super) fn tensors_of(question: &Question) -> &[Tensor] {
    let Rows::Tensors(tensors) = &question.rows else { unreachable!("V2 asks with tensors") };
    tensors
}

/// A question is within its bounds.
pub(super) fn questions(question: &Question) {
    let tensors = tensors_of(question);
    assert!(tensors.len() <= TENSORS_MAX && question.outputs.len() <= TENSORS_MAX);
    assert!(tensors.iter().all(|tensor| tensor.is_consistent() && tensor.shape.len() <= RANK_MAX));
    assert!(tensors.iter().map(|tensor| tensor.data.len()).sum::<usize>() <= ELEMENTS_MAX);
}

/// What was read, written in binary and where possible in JSON, is read as the same.
fn reads_again(question: &Question, contract: &Contract, from_json: bool) {
    let Rows::Tensors(tensors) = &question.rows else { unreachable!("V2 asks with tensors") };
    let (mut tail, mut inputs) = (Vec::new(), Vec::new());
    for tensor in tensors {
        tensor::pack(&tensor.data, &mut tail);
        inputs.push(json!({
            "name": tensor.name, "shape": tensor.shape, "datatype": tensor.data.datatype().as_str(),
            "parameters": { "binary_data_size": tensor::packed_length(&tensor.data) },
        }));
    }
    let header = json!({ "inputs": inputs }).to_string();
    let (again, _) = v2::decode(header.as_bytes(), &tail, contract).unwrap();
    same(tensors, &again);
    // Bytes that are no text, infinities and NaN have no JSON; what came as JSON has.
    if from_json {
        let (again, _) = v2::decode(&written(tensors), &[], contract).unwrap();
        same(tensors, &again);
    }
}

fn written(tensors: &[Tensor]) -> Vec<u8> {
    let mut json = Writer::default();
    json.object();
    json.key("inputs");
    json.array();
    for Tensor { name, shape, data } in tensors {
        json.object();
        json.member("name", name);
        json.member("datatype", data.datatype().as_str());
        json.key("shape");
        json.array();
        shape.iter().for_each(|extent| json.integer(*extent));
        json.end_array();
        json.key("data");
        json.array();
        tensor::write(&mut json, data, 0..data.len());
        json.end_array();
        json.end_object();
    }
    json.end_array();
    json.end_object();
    json.into_bytes()
}

/// Equal to the bit: NaN is itself here.
pub(super) fn same(tensors: &[Tensor], again: &Question) {
    fn packed(data: &TensorData) -> Vec<u8> {
        let mut bytes = Vec::new();
        tensor::pack(data, &mut bytes);
        assert_eq!(bytes.len(), tensor::packed_length(data));
        bytes
    }
    let Rows::Tensors(again) = &again.rows else { unreachable!("V2 asks with tensors") };
    assert_eq!(tensors.len(), again.len());
    for (this, that) in tensors.iter().zip(again) {
        assert_eq!((&this.name, &this.shape), (&that.name, &that.shape));
        assert_eq!((this.data.datatype(), packed(&this.data)), (that.data.datatype(), packed(&that.data)));
    }
}

/// The decoded rows are those of the text, as serde_json reads it.
fn agrees(rows: &Rows, batch: bool, features: &Value, contract: &Contract) {
    let listed: Vec<&Value> = match features {
        Value::Array(rows) if rows.first().is_some_and(|row| row.is_array() || row.is_object()) => {
            assert!(batch);
            rows.iter().collect()
        }
        row => {
            assert!(!batch);
            vec![row]
        }
    };
    match rows {
        Rows::Ordered(rows) => {
            assert_eq!(rows.len(), listed.len());
            rows.iter().zip(listed).for_each(|(row, listed)| ordered(row, listed, contract));
        }
        Rows::Named(rows) => {
            assert_eq!(rows.len(), listed.len());
            rows.iter().zip(listed).for_each(|(row, listed)| named(row, listed));
        }
        Rows::Tensors(_) => unreachable!("the simple protocol has no tensors"),
    }
}

fn ordered(row: &[Scalar], listed: &Value, contract: &Contract) {
    let values: Vec<&Value> = match listed {
        Value::Array(values) => values.iter().collect(),
        // Names may go only where they are exactly the contract's, in its order.
        _ => contract.features.iter().map(|feature| &listed[feature.name.as_ref()]).collect(),
    };
    assert!(listed.as_object().is_none_or(|members| members.len() == values.len()));
    assert_eq!(row.len(), values.len());
    assert!(row.iter().zip(values).all(|(ours, theirs)| equal(ours, theirs)));
}

fn named(row: &[(Box<str>, Scalar)], listed: &Value) {
    assert!(row.len() <= FEATURES_MAX);
    assert_eq!(Some(row.len()), listed.as_object().map(serde_json::Map::len));
    assert!(row.iter().all(|(name, ours)| equal(ours, &listed[name.as_ref()])));
}

fn equal(ours: &Scalar, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Scalar::Number(ours), Value::Number(theirs)) => theirs.as_f64() == Some(*ours),
        (Scalar::Text(ours), Value::String(theirs)) => **ours == **theirs,
        (Scalar::Bool(ours), Value::Bool(theirs)) => ours == theirs,
        (Scalar::Null, Value::Null) => true,
        _ => false,
    }
}
