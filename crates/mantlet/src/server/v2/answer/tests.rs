use serde_json::{Value, json};

use super::*;
use crate::server::testing::answer;

fn id() -> RequestId {
    "01ARYZ6S41ZZZZZZZZZZZZZZZZ".parse().unwrap()
}

#[test]
fn an_answer_that_waits_for_a_person_names_its_request() {
    let mut held = answer(2);
    held.rows[1].outcome = Outcome::Review;
    let body: Value = serde_json::from_slice(&write(&held, &Form::default(), id()).body).unwrap();
    let parameters = &body["parameters"];
    assert_eq!(
        (&parameters["outcome"], &parameters["row_outcome"]),
        (&json!("review"), &json!("served,review"))
    );
    assert_eq!(parameters["request_id"], id().to_string());
    assert_eq!(body["outputs"][0]["parameters"], *parameters);
}

#[test]
fn an_answer_in_json() {
    let form = Form { id: Some("a-1".into()), ..Form::default() };
    let written = write(&answer(1), &form, id());
    assert_eq!(written.header_bytes, None);
    let parameters = json!({"confidence": 0.75, "outcome": "served"});
    let expect = json!({
        "id": "a-1", "model_name": "loans", "model_version": "3", "parameters": parameters,
        "outputs": [
            {"name": "probabilities", "datatype": "FP32", "shape": [1, 2], "parameters": parameters, "data": [0.25, 0.75]},
            {"name": "label", "datatype": "BYTES", "shape": [1], "parameters": parameters, "data": ["yes"]},
        ],
    });
    assert_eq!(serde_json::from_slice::<Value>(&written.body).unwrap(), expect);
}

#[test]
fn several_rows_say_theirs_in_strings() {
    let written = write(&answer(3), &Form::default(), id());
    let body: Value = serde_json::from_slice(&written.body).unwrap();
    let expect = json!({"confidence": 0.5, "outcome": "fallback",
        "row_confidence": "0.75,0.5,0.75", "row_outcome": "served,fallback,served"});
    assert_eq!(body["parameters"], expect);
    assert_eq!(body["outputs"][1]["parameters"], expect);
}

#[test]
fn binary_outputs_follow_the_header() {
    let form =
        Form { binary: true, binary_by_output: vec![("probabilities".into(), false)], ..Form::default() };
    let Written { body, header_bytes } = write(&answer(1), &form, id());
    let (header, tail) = body.split_at(header_bytes.unwrap());
    let header: Value = serde_json::from_slice(header).unwrap();
    assert_eq!(header["outputs"][0]["data"], json!([0.25, 0.75]));
    assert_eq!(header["outputs"][1]["parameters"]["binary_data_size"], json!(7));
    assert!(header["outputs"][1].get("data").is_none());
    assert_eq!(tail, b"\x03\0\0\0yes");
}
