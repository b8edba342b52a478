//! Answers as prost reads them.

use bytes::Bytes;
use mantlet_types::Tensor;
use prost::Message as _;

use super::*;
use crate::server::{
    body::Encoding,
    grpc::oracle::{Choice, Contents, Response},
    testing::answer,
};

fn written(answer: &Answer, raw: bool) -> Response {
    let form = Form { id: Some("my id".into()), raw };
    let request_id = "01ARYZ6S41ZZZZZZZZZZZZZZZZ".parse().unwrap();
    let frame = Bytes::from(write(answer, &form, request_id));
    let message = frame::open(&frame, Encoding::Identity, usize::MAX).unwrap();
    Response::decode(message).unwrap()
}

#[test]
fn raw_answers_have_an_entry_for_each_output() {
    let response = written(&answer(2), true);
    assert_eq!((response.model_name.as_str(), response.model_version.as_str()), ("loans", "3"));
    assert_eq!(response.id, "my id");
    let floats: Vec<u8> = [0.25_f32, 0.75, 0.25, 0.75].iter().flat_map(|value| value.to_le_bytes()).collect();
    let texts = b"\x03\0\0\0yes\x09\0\0\0uncertain".to_vec();
    assert_eq!(response.raw, [floats, texts]);
    let shapes: Vec<_> = response
        .outputs
        .iter()
        .map(|output| (output.name.as_str(), output.datatype.as_str(), output.shape.as_slice()))
        .collect();
    assert_eq!(shapes, [("probabilities", "FP32", &[2, 2][..]), ("label", "BYTES", &[2])]);
    assert!(response.outputs.iter().all(|output| output.contents.is_none()));
}

#[test]
fn typed_answers_have_their_elements_within() {
    let response = written(&answer(1), false);
    assert!(response.raw.is_empty());
    let contents: Vec<&Contents> =
        response.outputs.iter().map(|output| output.contents.as_ref().unwrap()).collect();
    assert_eq!(contents[0].fp32s, [0.25, 0.75]);
    assert_eq!(contents[1].bytes, [b"yes"]);
}

#[test]
fn parameters_say_what_came_of_every_row() {
    let response = written(&answer(2), true);
    let text = |text: &str| Choice::Text(text.to_owned()).into();
    let expect = [
        ("confidence".to_owned(), Choice::Double(0.5).into()),
        ("outcome".to_owned(), text("fallback")),
        ("row_confidence".to_owned(), text("0.75,0.5")),
        ("row_outcome".to_owned(), text("served,fallback")),
    ];
    assert_eq!(response.parameters, expect.clone().into());
    assert!(response.outputs.iter().all(|output| output.parameters == expect.clone().into()));
    let mut held = answer(2);
    held.rows[1].outcome = mantlet_gate::output::Outcome::Review;
    let held = written(&held, true).parameters;
    assert_eq!(
        (&held["outcome"], &held["request_id"]),
        (&text("review"), &text("01ARYZ6S41ZZZZZZZZZZZZZZZZ"))
    );
    let candidate = written(&Answer { candidate: true, ..answer(1) }, true);
    assert_eq!(candidate.parameters["candidate"], Choice::Bool(true).into());
}

#[test]
fn every_type_is_written_in_its_list() {
    let ints = vec![i32::from(i16::MIN), 7];
    for (data, expect) in [
        (TensorData::Bool(vec![true, false]), Contents { bools: vec![true, false], ..Contents::default() }),
        (TensorData::Int8(vec![-128, 7]), Contents { ints: vec![-128, 7], ..Contents::default() }),
        (TensorData::Int16(vec![i16::MIN, 7]), Contents { ints, ..Contents::default() }),
        (TensorData::Int32(vec![i32::MIN]), Contents { ints: vec![i32::MIN], ..Contents::default() }),
        (TensorData::Int64(vec![i64::MIN]), Contents { int64s: vec![i64::MIN], ..Contents::default() }),
        (TensorData::Uint8(vec![255]), Contents { uints: vec![255], ..Contents::default() }),
        (TensorData::Uint16(vec![65_535]), Contents { uints: vec![65_535], ..Contents::default() }),
        (TensorData::Uint32(vec![u32::MAX]), Contents { uints: vec![u32::MAX], ..Contents::default() }),
        (TensorData::Uint64(vec![u64::MAX]), Contents { uint64s: vec![u64::MAX], ..Contents::default() }),
        (TensorData::Fp32(vec![0.5; 40]), Contents { fp32s: vec![0.5; 40], ..Contents::default() }),
        (TensorData::Fp64(vec![0.1]), Contents { fp64s: vec![0.1], ..Contents::default() }),
        (TensorData::Bytes(vec![Vec::new()]), Contents { bytes: vec![Vec::new()], ..Contents::default() }),
    ] {
        let shape = vec![data.len()];
        let outputs = vec![Tensor { name: "out".into(), shape, data }];
        let response = written(&Answer { outputs, ..answer(1) }, false);
        assert_eq!(response.outputs[0].contents.as_ref(), Some(&expect));
    }
}

#[test]
fn halves_travel_raw_whatever_was_asked_for() {
    let outputs = vec![
        Tensor { name: "half".into(), shape: vec![1], data: TensorData::Fp16(vec![0x3C00]) },
        Tensor { name: "whole".into(), shape: vec![1], data: TensorData::Uint8(vec![9]) },
    ];
    let response = written(&Answer { outputs, ..answer(1) }, false);
    assert_eq!(response.raw, [vec![0x00, 0x3C], vec![9]]);
}
