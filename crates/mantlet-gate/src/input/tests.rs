//! Validation and screening without a gate: a contract, a question, and what comes of them.

use std::sync::Arc;

use mantlet_types::{
    Contract, Datatype, Rejection, Tensor, TensorData, TensorSpec,
    contract::{Confidence, Disclosure, Fallback, Feature, FeatureKind, Judgment, Layout, Range, Task},
    limits,
    question::{Question, Rows, Scalar},
};

use super::{Checked, remarks};

mod properties;
mod tensors;

fn contract(layout: Layout, inputs: Vec<TensorSpec>, features: Vec<Feature>) -> Contract {
    Contract {
        model: "m".parse().unwrap(),
        version: mantlet_types::Version::FIRST,
        project: "home".parse().unwrap(),
        digest: mantlet_types::Sha256([0; 32]),
        inputs,
        outputs: vec![
            spec("label", Datatype::Int64, &[None]),
            spec("scores", Datatype::Fp32, &[None, Some(2)]),
        ],
        features,
        layout,
        task: Task::Opaque,
        judgment: Judgment { confidence: Confidence::None, threshold: 0.7, fallback: Fallback::default() },
        disclosure: Disclosure::default(),
        options: vec!["known".into(), "other".into()],
        batch_rows_max: 4,
    }
}

fn spec(name: &str, datatype: Datatype, shape: &[Option<usize>]) -> TensorSpec {
    TensorSpec { name: name.into(), datatype, shape: shape.to_vec() }
}

fn number(name: &str) -> Feature {
    Feature {
        name: name.into(),
        kind: FeatureKind::Number { seen: None, accepted: None },
        optional: false,
        sensitivity: 1,
    }
}

fn bounded(name: &str, seen: (f64, f64), accepted: (f64, f64)) -> Feature {
    let range = |(min, max)| Some(Range { min, max });
    Feature { kind: FeatureKind::Number { seen: range(seen), accepted: range(accepted) }, ..number(name) }
}

fn category(name: &str, values: Option<&[&str]>) -> Feature {
    let values = values.map(|values| values.iter().map(|value| Arc::from(*value)).collect());
    Feature { kind: FeatureKind::Category { values }, ..number(name) }
}

fn text(name: &str, chars_max: usize) -> Feature {
    Feature { kind: FeatureKind::Text { chars_max }, ..number(name) }
}

fn optional(feature: Feature) -> Feature {
    Feature { optional: true, ..feature }
}

/// `age` and `dose` in one matrix of this type.
fn matrix(datatype: Datatype) -> Contract {
    let features = vec![number("age"), number("dose")];
    contract(Layout::Matrix, vec![spec("x", datatype, &[None, Some(2)])], features)
}

/// A column for each of these features.
fn columns(features: Vec<(Datatype, Feature)>) -> Contract {
    let inputs = features
        .iter()
        .map(|(datatype, feature)| spec(&format!("in_{}", feature.name), *datatype, &[None, Some(1)]))
        .collect();
    contract(Layout::Columns, inputs, features.into_iter().map(|(_, feature)| feature).collect())
}

fn n(value: f64) -> Scalar {
    Scalar::Number(value)
}

fn t(value: &str) -> Scalar {
    Scalar::Text(value.into())
}

fn named(rows: &[&[(&str, Scalar)]]) -> Question {
    let row =
        |row: &&[(&str, Scalar)]| row.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
    Question { rows: Rows::Named(rows.iter().map(row).collect()), ..Question::default() }
}

fn ordered(rows: &[&[Scalar]]) -> Question {
    Question { rows: Rows::Ordered(rows.iter().map(|row| row.to_vec()).collect()), ..Question::default() }
}

fn sent(tensors: Vec<Tensor>) -> Question {
    Question { rows: Rows::Tensors(tensors), ..Question::default() }
}

fn tensor(name: &str, shape: &[usize], data: TensorData) -> Tensor {
    Tensor { name: name.into(), shape: shape.to_vec(), data }
}

/// The data of each tensor, or `code field`.
fn outcome(contract: &Contract, question: Question) -> Result<Vec<TensorData>, String> {
    match super::check(contract, question) {
        Ok(Checked { tensors, .. }) => Ok(tensors.into_iter().map(|tensor| tensor.data).collect()),
        Err(Rejection { code, field, detail, .. }) => {
            assert_eq!(detail, None, "a caller learns a name and nothing else");
            Err(format!("{code} {}", field.as_deref().unwrap_or("-")))
        }
    }
}

#[track_caller]
fn check(contract: &Contract, question: Question, expect: Result<Vec<TensorData>, &str>) {
    assert_eq!(outcome(contract, question), expect.map_err(str::to_owned));
}

#[track_caller]
fn check_cell(datatype: Datatype, feature: Feature, cell: Scalar, expect: Result<TensorData, &str>) {
    let expect = expect.map(|data| vec![data]);
    let contract = columns(vec![(datatype, feature)]);
    check(&contract, ordered(&[&[cell]]), expect);
}

#[test]
fn rows_become_one_matrix() {
    let contract = matrix(Datatype::Fp32);
    let expect = || Ok(vec![TensorData::Fp32(vec![40.0, 0.5, 50.0, 1.5])]);
    let first: &[_] = &[("age", n(40.0)), ("dose", n(0.5))];
    let second: &[_] = &[("dose", n(1.5)), ("age", n(50.0))];
    check(&contract, named(&[first, second]), expect());
    check(&contract, ordered(&[&[n(40.0), n(0.5)], &[n(50.0), n(1.5)]]), expect());
}

#[test]
fn rows_become_columns() {
    let contract = columns(vec![
        (Datatype::Fp32, number("age")),
        (Datatype::Bytes, category("job", Some(&["cook", "poet"]))),
    ]);
    let question = ordered(&[&[n(1.0), t("poet")], &[n(2.0), t("cook")]]);
    let checked = super::check(&contract, question).unwrap();
    assert_eq!(checked.rows, 2);
    let expect = vec![
        tensor("in_age", &[2, 1], TensorData::Fp32(vec![1.0, 2.0])),
        tensor("in_job", &[2, 1], TensorData::Bytes(vec![b"poet".to_vec(), b"cook".to_vec()])),
    ];
    assert_eq!(checked.tensors, expect);
}

#[test]
fn names_are_the_contracts_or_rejected_without_an_echo() {
    let contract = matrix(Datatype::Fp64);
    check(&contract, named(&[&[("age", n(1.0))]]), Err("invalid_input dose"));
    check(&contract, named(&[&[]]), Err("invalid_input age"));
    check(&contract, named(&[&[("age", n(1.0)), ("<b>", n(1.0))]]), Err("invalid_input features"));
    let extra: &[_] = &[("age", n(1.0)), ("dose", n(1.0)), ("secret", n(1.0))];
    check(&contract, named(&[extra]), Err("invalid_input features"));
    check(&contract, named(&[&[("age", n(1.0)), ("age", n(2.0))]]), Err("invalid_input features"));
    check(&contract, ordered(&[&[n(1.0)]]), Err("invalid_input features"));
    check(&contract, ordered(&[&[n(1.0), n(1.0), n(1.0)]]), Err("invalid_input features"));
}

#[test]
fn values_are_of_the_features_kind() {
    for wrong in [t("1"), Scalar::Bool(true), Scalar::Null] {
        check_cell(Datatype::Fp32, number("age"), wrong.clone(), Err("invalid_input age"));
        check_cell(Datatype::Int64, number("age"), wrong, Err("invalid_input age"));
    }
    for wrong in [n(1.0), Scalar::Bool(true), Scalar::Null] {
        check_cell(Datatype::Bytes, category("job", None), wrong.clone(), Err("invalid_input job"));
        check_cell(Datatype::Bytes, text("note", 5), wrong, Err("invalid_input note"));
    }
    check_cell(Datatype::Bool, number("on"), Scalar::Bool(true), Ok(TensorData::Bool(vec![true])));
    check_cell(Datatype::Bool, number("on"), n(2.0), Err("invalid_input on"));
    check_cell(Datatype::Uint8, number("age"), n(256.0), Err("invalid_input age"));
    check_cell(Datatype::Int64, number("age"), n(0.5), Err("invalid_input age"));
    check_cell(Datatype::Int64, number("age"), n(1e16), Err("invalid_input age"));
    check_cell(Datatype::Int64, number("age"), n(-3.0), Ok(TensorData::Int64(vec![-3])));
    check_cell(Datatype::Fp32, number("age"), n(1e300), Err("invalid_input age"));
    check_cell(Datatype::Fp64, number("age"), n(f64::NAN), Err("invalid_input age"));
    check_cell(Datatype::Fp16, number("age"), n(1.0), Ok(TensorData::Fp16(vec![0x3C00])));
}

#[test]
fn values_outside_what_is_accepted_are_rejected() {
    let age = || bounded("age", (18.0, 90.0), (0.0, 120.0));
    check_cell(Datatype::Fp32, age(), n(120.0), Ok(TensorData::Fp32(vec![120.0])));
    check_cell(Datatype::Fp32, age(), n(120.5), Err("invalid_input age"));
    check_cell(Datatype::Int8, age(), n(-1.0), Err("invalid_input age"));
    check_cell(Datatype::Bytes, category("job", Some(&["cook"])), t("thief"), Err("invalid_input job"));
    check_cell(Datatype::Bytes, category("job", Some(&[])), t(""), Err("invalid_input job"));
    let long = "x".repeat(limits::CATEGORY_BYTES_MAX + 1);
    check_cell(Datatype::Bytes, category("job", None), t(&long), Err("invalid_input job"));
    check_cell(
        Datatype::Bytes,
        category("job", None),
        t("any"),
        Ok(TensorData::Bytes(vec![b"any".to_vec()])),
    );
}

#[test]
fn texts_are_cleaned_and_bounded() {
    let note = || text("note", 5);
    check_cell(Datatype::Bytes, note(), t(" <i>hi</i>\0"), Ok(TensorData::Bytes(vec![b"hi".to_vec()])));
    check_cell(Datatype::Bytes, note(), t("<br>"), Err("invalid_input note"));
    check_cell(Datatype::Bytes, note(), t("123456"), Err("invalid_input note"));
}

#[test]
fn only_optional_values_may_be_missing() {
    let age = || optional(bounded("age", (1.0, 2.0), (0.0, 9.0)));
    let contract =
        columns(vec![(Datatype::Fp32, age()), (Datatype::Bytes, optional(category("job", Some(&["a"]))))]);
    for question in
        [named(&[&[]]), named(&[&[("age", Scalar::Null)]]), ordered(&[&[Scalar::Null, Scalar::Null]])]
    {
        let data = outcome(&contract, question).unwrap();
        let [TensorData::Fp32(ages), TensorData::Bytes(jobs)] = data.as_slice() else { panic!("{data:?}") };
        assert!(ages[0].is_nan() && jobs[0].is_empty());
    }
    check(&contract, named(&[&[("age", n(10.0))]]), Err("invalid_input age"));
    // An integer type has nothing to say "missing" with.
    check_cell(Datatype::Int64, age(), Scalar::Null, Err("invalid_input age"));
    // What is missing is not outside the reference data.
    let checked = super::check(&contract, named(&[&[]])).unwrap();
    assert_eq!(remarks(&contract, &checked.tensors), []);
}

#[test]
fn rows_are_as_many_as_the_contract_takes() {
    let contract = matrix(Datatype::Fp64);
    let row: &[Scalar] = &[n(1.0), n(2.0)];
    assert!(outcome(&contract, ordered(&[row; 4])).is_ok());
    check(&contract, ordered(&[row; 5]), Err("invalid_input features"));
    check(&contract, ordered(&[]), Err("invalid_input features"));
    check(&contract, named(&[]), Err("invalid_input features"));
}

#[test]
fn only_known_outputs_and_options_may_be_asked_for() {
    let contract = matrix(Datatype::Fp64);
    let ask = |outputs: &[&str], options: &[&str]| Question {
        outputs: outputs.iter().map(|name| Arc::from(*name)).collect(),
        options: options.iter().map(|name| ((*name).into(), Scalar::Null)).collect(),
        ..ordered(&[&[n(1.0), n(2.0)]])
    };
    assert!(outcome(&contract, ask(&["scores", "label"], &["other", "known"])).is_ok());
    for outputs in [&["hidden"][..], &["label", "label"], &["label", "scores", "label"]] {
        check(&contract, ask(outputs, &[]), Err("invalid_input outputs"));
    }
    for options in [&["temperature"][..], &["known", "known"], &["known", "other", "third"]] {
        check(&contract, ask(&[], options), Err("invalid_input options"));
    }
}

#[test]
fn features_need_a_tabular_contract() {
    let contract = contract(Layout::Tensors, vec![spec("x", Datatype::Fp32, &[None, Some(2)])], Vec::new());
    check(&contract, ordered(&[&[n(1.0), n(2.0)]]), Err("invalid_input features"));
    check(&contract, named(&[&[]]), Err("invalid_input features"));
}

#[test]
fn a_contract_that_contradicts_itself_checks_nothing() {
    let mut narrow = matrix(Datatype::Fp32);
    narrow.inputs[0].shape = vec![None, Some(3)];
    let mut missing = columns(vec![(Datatype::Fp32, number("age"))]);
    missing.inputs.clear();
    let mut featureless = matrix(Datatype::Fp32);
    featureless.features.clear();
    for contract in [narrow, missing, featureless, matrix(Datatype::Bytes)] {
        check(&contract, ordered(&[&[t("x"), t("y")]]), Err("unavailable -"));
    }
    let contract = columns(vec![(Datatype::Fp32, category("job", None))]);
    check(&contract, ordered(&[&[n(1.0)]]), Err("unavailable -"));
}

#[test]
fn the_screen_remarks_on_values_not_seen_before() {
    let names: Vec<String> = (0..12).map(|index| format!("f{index}")).collect();
    let features = names.iter().map(|name| bounded(name, (0.0, 1.0), (0.0, 9.0))).collect();
    let contract = contract(Layout::Matrix, vec![spec("x", Datatype::Fp32, &[None, Some(12)])], features);
    let remarked = |odd: &[usize]| {
        let mut second = vec![n(1.0); 12];
        for index in odd {
            second[*index] = n(1.5);
        }
        let checked = super::check(&contract, ordered(&[&vec![n(0.5); 12], &second])).unwrap();
        let tokens = remarks(&contract, &checked.tensors);
        tokens.iter().map(|token| token.as_str().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(remarked(&[]), "");
    assert_eq!(remarked(&[11, 3]), "out_of_range:3 out_of_range:11");
    let all: Vec<usize> = (0..12).collect();
    let named: Vec<String> = (0..8).map(|index| format!("out_of_range:{index}")).collect();
    assert_eq!(remarked(&all), format!("{} out_of_range:+4", named.join(" ")));
}
