use mantlet_types::Timestamp;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{
    super::testing::{answer, contract},
    *,
};

fn number(value: f64) -> Scalar {
    Scalar::Number(value)
}

fn check(body: &str, (rows, batch): (Rows, bool)) {
    let decoded = decode(body.as_bytes(), &contract()).unwrap();
    assert_eq!((decoded.question.rows, decoded.batch), (rows, batch), "{body}");
    assert_eq!(decoded.question.body_bytes, body.len());
}

fn rejected(body: &str, field: &str) {
    let rejection = decode(body.as_bytes(), &contract()).unwrap_err();
    assert_eq!(rejection.field.as_deref(), Some(field), "{body}");
}

#[test]
fn four_forms_of_features() {
    let row = vec![number(41.0), number(-2.5)];
    check(r#"{"features":{"age":41,"income":-2.5}}"#, (Rows::Ordered(vec![row.clone()]), false));
    check(r#"{"features":[41,-2.5]}"#, (Rows::Ordered(vec![row.clone()]), false));
    check(r#"{"features":[[41,-2.5]]}"#, (Rows::Ordered(vec![row.clone()]), true));
    let both = Rows::Ordered(vec![row.clone(), row]);
    check(r#"{"features":[{"age":41,"income":-2.5},{"age":41,"income":-2.5}]}"#, (both, true));
}

#[test]
fn names_in_another_order_are_kept() {
    let named =
        |pairs: &[(&str, f64)]| pairs.iter().map(|(name, value)| ((*name).into(), number(*value))).collect();
    let swapped = Rows::Named(vec![named(&[("income", 1.0), ("age", 2.0)])]);
    check(r#"{"features":{"income":1,"age":2}}"#, (swapped, false));
    check(r#"{"features":{"age":2}}"#, (Rows::Named(vec![named(&[("age", 2.0)])]), false));
    check(
        r#"{"features":{"age":2,"shoe":3}}"#,
        (Rows::Named(vec![named(&[("age", 2.0), ("shoe", 3.0)])]), false),
    );
    let mixed =
        Rows::Named(vec![named(&[("age", 1.0), ("income", 2.0)]), named(&[("income", 1.0), ("age", 2.0)])]);
    check(r#"{"features":[{"age":1,"income":2},{"income":1,"age":2}]}"#, (mixed, true));
}

#[test]
fn a_row_of_nothing_is_charged_like_one_of_something() {
    let body = |rows: usize| format!("{{\"features\":[{}]}}", vec!["[]"; rows].join(","));
    check(&body(1_000), (Rows::Ordered(vec![Vec::new(); 1_000]), true));
    rejected(&body(ELEMENTS_MAX + 1), "features");
}

#[test]
fn options_are_scalars_by_name() {
    let decoded = decode(br#"{"options":{"a":true,"b":"x"},"features":[1]}"#, &contract()).unwrap();
    let expect = vec![("a".into(), Scalar::Bool(true)), ("b".into(), Scalar::Text("x".into()))];
    assert_eq!(decoded.question.options, expect);
}

#[test]
fn what_is_wrong_is_named_and_nothing_else() {
    for (body, field) in [
        ("", "body"),
        ("[]", "body"),
        ("{", "body"),
        ("{}", "features"),
        (r#"{"features":[1]} x"#, "body"),
        (r#"{"features":[1],"canary":1}"#, "body"),
        (r#"{"features":[1],"features":[1]}"#, "features"),
        (r#"{"features":[]}"#, "features"),
        (r#"{"features":7}"#, "features"),
        (r#"{"features":[1,[2]]}"#, "features"),
        (r#"{"features":[[1],{"age":1}]}"#, "features"),
        (r#"{"features":{"age":[1],"income":2}}"#, "age"),
        (r#"{"features":{"age":1,"income":1e999}}"#, "income"),
        (r#"{"features":{"age":1,"age":2}}"#, "age"),
        (r#"{"features":{"age":1,"canary":2,"canary":2}}"#, "features"),
        (r#"{"features":{"age":1,"canary":{}}}"#, "features"),
        (r#"{"features":[1],"options":[]}"#, "options"),
        (r#"{"features":[1],"options":{"a":1,"a":1}}"#, "options"),
        (r#"{"features":[1],"options":{"a":{}}}"#, "options"),
    ] {
        rejected(body, field);
    }
    assert!(decode(b"{\"features\":[\"\xff\"]}", &contract()).is_err());
}

#[test]
fn one_row_is_one_object_and_a_batch_a_list() {
    let id = RequestId::new(Timestamp::from_micros(1_469_918_176_385_000), [0xFF; 10]);
    let written = |rows, batch| serde_json::from_slice::<Json>(&write(&answer(rows), batch, id)).unwrap();
    let request_id = "01ARYZ6S41ZZZZZZZZZZZZZZZZ";
    assert_eq!(written(1, false), json!({"result": "yes", "confidence": 0.75, "request_id": request_id}));
    let withheld = json!({"result": "uncertain", "action": "manual_review", "confidence": 0.5});
    let served = json!({"result": "yes", "confidence": 0.75});
    assert_eq!(written(2, true), json!({"results": [served, withheld], "request_id": request_id}));
    assert_eq!(written(1, true), json!({"results": [served], "request_id": request_id}));
}

proptest! {
    #[test]
    fn never_panics(body in "[\\[\\]{}:,\" 0-9a-z]{0,48}") {
        let _ = decode(body.as_bytes(), &contract());
        let _ = decode(format!("{{\"features\":{body}}}").as_bytes(), &contract());
    }

    #[test]
    fn agrees_with_serde_json(rows in prop::collection::vec(prop::collection::vec(any::<f64>().prop_filter("finite", |v| v.is_finite()), 1..4), 1..4)) {
        let body = json!({"features": rows}).to_string();
        let expect = rows.into_iter().map(|row| row.into_iter().map(Scalar::Number).collect()).collect();
        prop_assert_eq!(decode(body.as_bytes(), &contract()).unwrap().question.rows, Rows::Ordered(expect));
    }
}
