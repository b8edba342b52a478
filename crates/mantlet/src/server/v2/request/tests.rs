use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::server::testing::contract;

fn fp32(shape: &[usize], values: &[f32]) -> Rows {
    Rows::Tensors(vec![Tensor {
        name: "X".into(),
        shape: shape.to_vec(),
        data: TensorData::Fp32(values.to_vec()),
    }])
}

fn read(header: &str, tail: &[u8]) -> Result<(Question, Form), Rejection> {
    decode(header.as_bytes(), tail, &contract())
}

#[test]
fn members_come_in_any_order() {
    let expect = fp32(&[1, 2], &[1.0, 2.5]);
    for input in [
        r#"{"name":"X","shape":[1,2],"datatype":"FP32","data":[1,2.5]}"#,
        r#"{"data":[[1,2.5]],"datatype":"FP32","shape":[1,2],"name":"X"}"#,
        r#"{"datatype":"FP32","data":[1,2.5],"parameters":{},"shape":[1,2],"name":"X"}"#,
    ] {
        let (question, form) = read(&format!(r#"{{"inputs":[{input}]}}"#), &[]).unwrap();
        assert_eq!(question.rows, expect, "{input}");
        assert_eq!(form, Form::default());
    }
}

#[test]
fn binary_inputs_follow_the_header_in_order() {
    let header = r#"{"inputs":[
        {"name":"X","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}},
        {"name":"Y","shape":[1],"datatype":"INT8","data":[7]},
        {"name":"Z","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":11}}]}"#;
    let mut tail = [1.0_f32.to_le_bytes(), 2.5_f32.to_le_bytes()].concat();
    tail.extend_from_slice(b"\x01\0\0\0a\x02\0\0\0bc");
    let (question, _) = read(header, &tail).unwrap();
    let Rows::Tensors(tensors) = question.rows else { panic!("tensors were sent") };
    assert_eq!(tensors[0].data, TensorData::Fp32(vec![1.0, 2.5]));
    assert_eq!(tensors[1].data, TensorData::Int8(vec![7]));
    assert_eq!(tensors[2].data, TensorData::Bytes(vec![b"a".to_vec(), b"bc".to_vec()]));
    assert_eq!(read(header, &tail[..tail.len() - 1]).unwrap_err().field.as_deref(), Some("inputs[2].data"));
    tail.push(0);
    assert_eq!(read(header, &tail).unwrap_err().field.as_deref(), Some("body"));
}

#[test]
fn a_raw_body_is_the_one_input() {
    let body: Vec<u8> = [1.0_f32, 2.0, 3.0, 4.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let (question, form) = decode_raw(&body, &contract()).unwrap();
    assert_eq!(question.rows, fp32(&[2, 2], &[1.0, 2.0, 3.0, 4.0]));
    assert!(form.binary);
    for bad in [&body[..12], &body[..3]] {
        assert_eq!(decode_raw(bad, &contract()).unwrap_err().field.as_deref(), Some("inputs"));
    }
    let mut two = contract();
    two.inputs.extend_from_within(..);
    assert!(decode_raw(&body, &two).is_err());
}

#[test]
fn what_is_asked_of_the_answer_is_kept() {
    let (question, form) = read(
        r#"{"id":"a-1","parameters":{"binary_data_output":true,"k":2},
            "outputs":[{"name":"label","parameters":{"binary_data":false}},{"name":"probabilities"}],
            "inputs":[{"name":"X","shape":[1,2],"datatype":"FP32","data":[1,2]}]}"#,
        &[],
    )
    .unwrap();
    assert_eq!(form.id.as_deref(), Some("a-1"));
    assert!(form.binary);
    assert_eq!(form.binary_by_output, vec![("label".into(), false)]);
    assert_eq!(question.outputs, vec!["label".into(), "probabilities".into()]);
    assert_eq!(question.options, vec![("k".into(), Scalar::Number(2.0))]);
}

#[test]
fn what_is_wrong_is_named_and_nothing_else() {
    let input = |changes: &[(&str, serde_json::Value)]| {
        let mut input = json!({"name": "X", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]});
        for (key, value) in changes {
            input[*key] = value.clone();
        }
        json!({"inputs": [input]}).to_string()
    };
    for (header, field) in [
        ("{}".to_owned(), "inputs"),
        ("[]".to_owned(), "body"),
        (r#"{"inputs":[],"canary":1}"#.to_owned(), "body"),
        (r#"{"inputs":{}}"#.to_owned(), "inputs"),
        (r#"{"inputs":[],"inputs":[]}"#.to_owned(), "inputs"),
        (r#"{"inputs":[],"id":7}"#.to_owned(), "id"),
        (format!(r#"{{"inputs":[],"id":"{}"}}"#, "a".repeat(129)), "id"),
        (r#"{"inputs":[],"id":"a\nb"}"#.to_owned(), "id"),
        (r#"{"inputs":[],"parameters":{"a":[]}}"#.to_owned(), "parameters"),
        (r#"{"inputs":[],"parameters":{"binary_data_output":1}}"#.to_owned(), "parameters"),
        (r#"{"inputs":[],"outputs":[{}]}"#.to_owned(), "outputs[0].name"),
        (r#"{"inputs":[],"outputs":[{"name":"label"},{"name":"label"}]}"#.to_owned(), "outputs[1].name"),
        (r#"{"inputs":[],"outputs":[{"name":"label"},{"name":"a"}]}"#.to_owned(), "outputs[1].name"),
        (
            r#"{"inputs":[],"outputs":[{"name":"a","parameters":{"classification":1}}]}"#.to_owned(),
            "outputs[0].parameters",
        ),
        (r#"{"inputs":[{"name":"X","datatype":"FP32","data":[1]}]}"#.to_owned(), "inputs[0].shape"),
        (r#"{"inputs":[{"name":"X","datatype":"FP32","shape":[1]}]}"#.to_owned(), "inputs[0].data"),
        (input(&[("canary", json!(1))]), "inputs[0]"),
        (input(&[("name", json!(1))]), "inputs[0].name"),
        (input(&[("datatype", json!("fp32"))]), "inputs[0].datatype"),
        (input(&[("shape", json!([1, -2]))]), "inputs[0].shape"),
        (input(&[("shape", json!([1, 2.0]))]), "inputs[0].shape"),
        (input(&[("shape", json!([1, 1, 1, 1, 1, 1, 1, 1, 1]))]), "inputs[0].shape"),
        (input(&[("shape", json!([1_u64 << 40, 1_u64 << 40]))]), "inputs[0].data"),
        (input(&[("data", json!([1, 2, 3]))]), "inputs[0].data"),
        (input(&[("data", json!([1, "2"]))]), "inputs[0].data"),
        (input(&[("data", json!([1, null]))]), "inputs[0].data"),
        (input(&[("parameters", json!({"shared_memory_region": "r"}))]), "inputs[0].parameters"),
        (input(&[("parameters", json!({"binary_data_size": 8}))]), "inputs[0].data"),
    ] {
        assert_eq!(read(&header, &[]).unwrap_err().field.as_deref(), Some(field), "{header}");
    }
}

#[test]
fn all_inputs_share_one_bound() {
    let half = ELEMENTS_MAX / 2 + 1;
    let input = format!(
        r#"{{"name":"X","shape":[{half}],"datatype":"INT8","parameters":{{"binary_data_size":{half}}}}}"#
    );
    let tail = vec![0; 2 * half];
    assert!(read(&format!(r#"{{"inputs":[{input}]}}"#), &tail[..half]).is_ok());
    let both = read(&format!(r#"{{"inputs":[{input},{input}]}}"#), &tail);
    assert_eq!(both.unwrap_err().field.as_deref(), Some("inputs[1].shape"));
}

proptest! {
    #[test]
    fn never_panics(header in any::<Vec<u8>>(), middle in "[\\[\\]{}:,\" 0-9a-z]{0,48}", tail in any::<Vec<u8>>()) {
        let _ = decode(&header, &tail, &contract());
        let _ = decode_raw(&tail, &contract());
        let _ = decode(format!("{{\"inputs\":[{{\"name\":\"X\",{middle}}}]}}").as_bytes(), &tail, &contract());
    }

    #[test]
    fn json_and_binary_say_the_same(values in prop::collection::vec(any::<f32>().prop_filter("finite", |v| v.is_finite()), 1..20)) {
        let plain = json!({"inputs": [{"name": "X", "shape": [values.len()], "datatype": "FP32", "data": values}]});
        let packed = json!({"inputs": [{"name": "X", "shape": [values.len()], "datatype": "FP32",
            "parameters": {"binary_data_size": 4 * values.len()}}]});
        let tail: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        prop_assert_eq!(read(&plain.to_string(), &[]).unwrap().0.rows, read(&packed.to_string(), &tail).unwrap().0.rows);
    }
}
