//! Judging and sanitizing without a gate: a contract, what a model gave, and what leaves.

use std::sync::Arc;

use mantlet_types::{
    Contract, Datatype, Tensor, TensorData, TensorSpec,
    contract::{Confidence, Disclosure, Fallback, Judgment, Label, Layout, Task},
};
use proptest::{collection::vec, prelude::*, test_runner::RngSeed};

use super::{RowAnswer, Unjudgeable, Value, decide, judge, shape};

mod door;

/// Three classes, a label output of this type, probabilities in FP64, and one more output.
fn classifier(label: Datatype) -> Contract {
    let label_of = |(text, number): (&str, i64)| Label { text: text.into(), number: Some(number) };
    let task = Task::Classify {
        probabilities: 1,
        label: Some(0),
        labels: [("no", -1), ("perhaps", 0), ("yes indeed", 1)].map(label_of).to_vec(),
    };
    let outputs = vec![
        spec("label", label, &[None]),
        spec("probabilities", Datatype::Fp64, &[None, Some(3)]),
        spec("members", Datatype::Fp32, &[None, None, Some(3)]),
    ];
    contract(task, outputs, Confidence::Probability { temperature: 1.0 })
}

fn regressor(half_width: f64, width_max: Option<f64>) -> Contract {
    let confidence = Confidence::Interval { coverage: 0.9, half_width, width_max };
    contract(Task::Regress { value: 0 }, vec![spec("y", Datatype::Fp64, &[None, Some(1)])], confidence)
}

fn contract(task: Task, outputs: Vec<TensorSpec>, confidence: Confidence) -> Contract {
    Contract {
        model: "m".parse().unwrap(),
        version: mantlet_types::Version::FIRST,
        project: "home".parse().unwrap(),
        digest: mantlet_types::Sha256([0; 32]),
        inputs: Vec::new(),
        outputs,
        features: Vec::new(),
        layout: Layout::Tensors,
        task,
        judgment: Judgment { confidence, threshold: 0.7, fallback: Fallback::default() },
        disclosure: Disclosure::default(),
        options: Vec::new(),
        batch_rows_max: 10,
    }
}

fn spec(name: &str, datatype: Datatype, shape: &[Option<usize>]) -> TensorSpec {
    TensorSpec { name: name.into(), datatype, shape: shape.to_vec() }
}

fn tensor(shape: &[usize], data: TensorData) -> Tensor {
    Tensor { name: "raw".into(), shape: shape.to_vec(), data }
}

/// The outputs of the classifier, one label and one distribution a row; the members repeat the distribution twice.
fn classified(labels: &[i64], rows: &[[f64; 3]]) -> Vec<Tensor> {
    let members = rows.iter().flat_map(|row| row.iter().chain(row)).map(|p| *p as f32).collect();
    vec![
        tensor(&[rows.len()], TensorData::Int64(labels.to_vec())),
        tensor(&[rows.len(), 3], TensorData::Fp64(rows.concat())),
        tensor(&[rows.len(), 2, 3], TensorData::Fp32(members)),
    ]
}

fn value(y: f64) -> Vec<Tensor> {
    vec![tensor(&[1, 1], TensorData::Fp64(vec![y]))]
}

/// What leaves: the rows as text, and the data of the outputs.
fn answered(contract: &Contract, mut raw: Vec<Tensor>) -> Result<(String, Vec<TensorData>), Unjudgeable> {
    let count = raw.first().and_then(|tensor| tensor.shape.first().copied()).unwrap_or(0);
    let mut rows = decide(contract, count, &mut raw)?;
    let outputs = shape(contract, &mut rows, raw, &[]);
    let text: Vec<String> = rows.iter().map(describe).collect();
    Ok((text.join("; "), outputs.into_iter().map(|tensor| tensor.data).collect()))
}

fn describe(row: &RowAnswer) -> String {
    let result = match &row.result {
        Value::Label(text) => text.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Opaque => "-".to_owned(),
    };
    let confidence = row.confidence.map_or_else(|| "-".to_owned(), |confidence| confidence.to_string());
    let interval = row.interval.map_or_else(String::new, |(low, high)| format!(" [{low}, {high}]"));
    format!("{} {result} {confidence}{interval}", row.outcome.as_str())
}

#[track_caller]
fn check(contract: &Contract, raw: Vec<Tensor>, expect: Result<&str, Unjudgeable>) {
    assert_eq!(answered(contract, raw).map(|(rows, _)| rows), expect.map(str::to_owned));
}

#[track_caller]
fn check_outputs(contract: &Contract, raw: Vec<Tensor>, expect: &[TensorData]) {
    assert_eq!(answered(contract, raw).unwrap().1, expect);
}

#[test]
fn a_confident_answer_is_served() {
    let contract = classifier(Datatype::Int64);
    check(&contract, classified(&[1], &[[0.1, 0.1, 0.8]]), Ok("served yes indeed 0.8"));
    check(&contract, classified(&[-1], &[[0.7, 0.2, 0.1]]), Ok("served no 0.7"));
}

#[test]
fn a_doubtful_answer_is_withheld_everywhere() {
    let contract = classifier(Datatype::Int64);
    let raw = classified(&[1, 0], &[[0.2, 0.2, 0.6], [0.0, 1.0, 0.0]]);
    check(&contract, raw.clone(), Ok("fallback uncertain 0.6; served perhaps 1"));
    // -1 is a class of this model, so the label's place is filled with what is none.
    let expect = [
        TensorData::Int64(vec![i64::MIN, 0]),
        TensorData::Fp64(vec![0.0, 0.0, 0.0, 0.0, 1.0, 0.0]),
        TensorData::Fp32([[0.0; 6], [0.0, 1.0, 0.0, 0.0, 1.0, 0.0]].concat()),
    ];
    check_outputs(&contract, raw, &expect);
}

#[test]
fn the_configured_fallback_fills_every_type() {
    let mut contract = classifier(Datatype::Bytes);
    let fallback = Fallback { result: "ask a person".into(), action: "call".into(), number: Some(-7.0) };
    contract.judgment.fallback = fallback;
    let mut raw = classified(&[1], &[[0.2, 0.2, 0.6]]);
    raw[0].data = TensorData::Bytes(vec![b"yes indeed".to_vec()]);
    check(&contract, raw.clone(), Ok("fallback ask a person 0.6"));
    let expect = [
        TensorData::Bytes(vec![b"ask a person".to_vec()]),
        TensorData::Fp64(vec![-7.0; 3]),
        TensorData::Fp32(vec![-7.0; 6]),
    ];
    check_outputs(&contract, raw.clone(), &expect);
    let numbers = [
        (TensorData::Int8(vec![1]), TensorData::Int8(vec![-7])),
        (TensorData::Int64(vec![1]), TensorData::Int64(vec![-7])),
        // Zero is a class here, and -7 is none of this type's numbers.
        (TensorData::Uint8(vec![1]), TensorData::Uint8(vec![255])),
        (TensorData::Bool(vec![true]), TensorData::Bool(vec![false])),
    ];
    for (label, expect) in numbers {
        contract.outputs[0].datatype = label.datatype();
        raw[0].data = label;
        assert_eq!(answered(&contract, raw.clone()).unwrap().1[0], expect);
    }
}

#[test]
fn the_threshold_has_the_precision_of_the_model() {
    let mut contract = classifier(Datatype::Int64);
    let mut raw = classified(&[1], &[[0.15, 0.15, 0.7]]);
    for (data, served) in [
        (TensorData::Fp32(vec![0.15, 0.15, 0.7]), true),
        (TensorData::Fp32(vec![0.15, 0.15, 0.699_99]), false),
        (TensorData::Fp64(vec![0.15, 0.15, 0.7]), true),
        (TensorData::Fp64(vec![0.15, 0.15, 0.699_999_999]), false),
    ] {
        raw[1].data = data.clone();
        let (rows, _) = answered(&contract, raw.clone()).unwrap();
        assert_eq!(rows.starts_with("served"), served, "{data:?}: {rows}");
    }
    contract.judgment.threshold = f64::NAN;
    check(&contract, classified(&[1], &[[0.0, 0.0, 1.0]]), Ok("fallback uncertain 1"));
}

#[test]
fn temperature_decides_before_the_threshold() {
    let mut contract = classifier(Datatype::Int64);
    contract.judgment.confidence = Confidence::Probability { temperature: 2.0 };
    check(&contract, classified(&[1], &[[0.0, 0.2, 0.8]]), Ok("fallback uncertain 0.666667"));
    contract.judgment.confidence = Confidence::Probability { temperature: 0.0 };
    check(&contract, classified(&[1], &[[0.0, 0.2, 0.8]]), Err(Unjudgeable::Rule));
}

#[test]
fn the_models_own_label_is_the_answer_and_has_its_own_confidence() {
    let mut contract = classifier(Datatype::Int64);
    // A tie is no disagreement; a label that the probabilities speak against is not confident.
    contract.judgment.threshold = 0.4;
    check(&contract, classified(&[0], &[[0.5, 0.5, 0.0]]), Ok("served perhaps 0.5"));
    check(&contract, classified(&[0], &[[0.9, 0.1, 0.0]]), Ok("fallback uncertain 0.1"));
    check(&contract, classified(&[5], &[[0.9, 0.1, 0.0]]), Err(Unjudgeable::Label));
}

#[test]
fn what_is_no_distribution_is_not_judged() {
    let contract = classifier(Datatype::Int64);
    for row in [[0.5, 0.5, 0.5], [f64::NAN, 0.5, 0.5], [-0.5, 0.5, 1.0], [0.0; 3], [f64::INFINITY, 0.0, 0.0]]
    {
        check(&contract, classified(&[1], &[row]), Err(Unjudgeable::Distribution));
    }
}

#[test]
fn outputs_of_another_shape_are_not_judged() {
    let contract = classifier(Datatype::Int64);
    let good = || classified(&[1], &[[0.0, 0.0, 1.0]]);
    let broken: [fn(&mut Vec<Tensor>); 5] = [
        |raw| raw.truncate(2),
        |raw| raw[1] = tensor(&[1, 2], TensorData::Fp64(vec![0.0, 1.0])),
        |raw| raw[1] = tensor(&[1, 3], TensorData::Int64(vec![0, 0, 1])),
        |raw| raw[0] = tensor(&[1, 2], TensorData::Int64(vec![1, 1])),
        |raw| raw[2].data = TensorData::Fp32(Vec::new()),
    ];
    for break_it in broken {
        let mut raw = good();
        break_it(&mut raw);
        check(&contract, raw, Err(Unjudgeable::Shape));
    }
}

#[test]
fn a_regression_comes_with_its_interval() {
    check(&regressor(2.0, None), value(10.0), Ok("served 10 0.9 [8, 12]"));
    check(&regressor(2.0, Some(4.0)), value(10.0), Ok("served 10 0.9 [8, 12]"));
    check(&regressor(2.0, Some(3.9)), value(10.0), Ok("fallback uncertain 0.9"));
    check(&regressor(2.0, Some(f64::NAN)), value(10.0), Ok("fallback uncertain 0.9"));
    check_outputs(&regressor(2.0, Some(3.9)), value(10.0), &[TensorData::Fp64(vec![0.0])]);
    let mut strict = regressor(2.0, None);
    strict.judgment.threshold = 0.95;
    check(&strict, value(10.0), Ok("fallback uncertain 0.9"));
    check(&regressor(2.0, None), value(f64::NAN), Err(Unjudgeable::NotFinite));
    check(&regressor(f64::NAN, None), value(1.0), Err(Unjudgeable::Rule));
    check(&regressor(1e308, None), value(1e308), Err(Unjudgeable::NotFinite));
}

#[test]
fn a_package_may_say_that_it_has_no_confidence() {
    let mut contract = regressor(0.0, None);
    contract.judgment.confidence = Confidence::None;
    check(&contract, value(1.5), Ok("served 1.5 -"));
    contract.task = Task::Opaque;
    check(&contract, value(1.5), Ok("served - -"));
    check(&contract, value(f64::INFINITY), Err(Unjudgeable::NotFinite));
    let mut contract = classifier(Datatype::Int64);
    contract.judgment.confidence = Confidence::None;
    check(&contract, classified(&[1], &[[0.3, 0.3, 0.4]]), Ok("served yes indeed -"));
}

#[test]
fn a_rule_for_another_task_decides_nothing() {
    let mut contract = regressor(0.0, None);
    contract.judgment.confidence = Confidence::Probability { temperature: 1.0 };
    check(&contract, value(1.0), Err(Unjudgeable::Rule));
    contract.task = Task::Opaque;
    check(&contract, value(1.0), Err(Unjudgeable::Rule));
    let mut contract = classifier(Datatype::Int64);
    contract.judgment.confidence = Confidence::Interval { coverage: 0.9, half_width: 1.0, width_max: None };
    check(&contract, classified(&[1], &[[0.0, 0.0, 1.0]]), Err(Unjudgeable::Rule));
}

#[test]
fn digits_are_cut_after_the_decision() {
    let mut contract = classifier(Datatype::Int64);
    contract.disclosure.decimals = 1;
    let raw = classified(&[1, 1], &[[0.31, 0.0, 0.69], [0.24, 0.0, 0.76]]);
    check(&contract, raw.clone(), Ok("fallback uncertain 0.7; served yes indeed 0.8"));
    let (_, outputs) = answered(&contract, raw).unwrap();
    assert_eq!(outputs[1], TensorData::Fp64(vec![0.0, 0.0, 0.0, 0.2, 0.0, 0.8]));
    let mut contract = regressor(0.26, None);
    contract.disclosure.decimals = 1;
    check(&contract, value(-0.01), Ok("served 0 0.9 [-0.3, 0.3]"));
}

#[test]
fn only_the_largest_probabilities_leave() {
    let mut contract = classifier(Datatype::Int64);
    contract.judgment.threshold = 0.4;
    contract.disclosure.top_k = Some(1);
    let raw = classified(&[-1, 1], &[[0.45, 0.45, 0.1], [0.4, 0.05, 0.55]]);
    let expect = [
        TensorData::Int64(vec![-1, 1]),
        TensorData::Fp64(vec![0.45, 0.0, 0.0, 0.0, 0.0, 0.55]),
        TensorData::Fp32(vec![0.45, 0.0, 0.0, 0.45, 0.0, 0.0, 0.0, 0.0, 0.55, 0.0, 0.0, 0.55]),
    ];
    check_outputs(&contract, raw.clone(), &expect);
    contract.disclosure.top_k = Some(3);
    let (_, all) = answered(&contract, raw).unwrap();
    assert_eq!(all[1], TensorData::Fp64(vec![0.45, 0.45, 0.1, 0.4, 0.05, 0.55]));
}

#[test]
fn outputs_asked_for_leave_in_the_contracts_order() {
    let contract = classifier(Datatype::Int64);
    let mut raw = classified(&[1], &[[0.0, 0.0, 1.0]]);
    let mut rows = decide(&contract, 1, &mut raw).unwrap();
    let wanted: Vec<Arc<str>> = vec!["members".into(), "label".into()];
    let names: Vec<Arc<str>> =
        shape(&contract, &mut rows, raw, &wanted).into_iter().map(|tensor| tensor.name).collect();
    assert_eq!(names, ["label".into(), "members".into()]);
}

#[test]
fn the_entry_names_a_class_and_no_text() {
    let contract = classifier(Datatype::Int64);
    let noted = |labels: &[i64], rows: &[[f64; 3]]| {
        let answers = decide(&contract, rows.len(), &mut classified(labels, rows)).unwrap();
        let class = judge::output_class(&contract, &answers).map(|token| token.as_str().to_owned());
        (class.unwrap_or_default(), judge::confidence_bp(&answers))
    };
    let (no, yes, unsure) = ([0.9, 0.1, 0.0], [0.0, 0.0, 1.0], [0.4, 0.3, 0.3]);
    assert_eq!(noted(&[-1], &[no]), ("no".to_owned(), Some(9_000)));
    // A label with a space is no token.
    assert_eq!(noted(&[1], &[yes]), ("label#2".to_owned(), Some(10_000)));
    assert_eq!(noted(&[-1], &[unsure]), ("__uncertain".to_owned(), Some(4_000)));
    assert_eq!(noted(&[-1, -1], &[no, no]).0, "no");
    assert_eq!(noted(&[-1, 1], &[no, yes]), (String::new(), Some(9_000)));
    assert_eq!(noted(&[-1, -1, 1], &[unsure, no, yes]), ("__uncertain#1".to_owned(), Some(4_000)));
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(3), ..ProptestConfig::with_cases(1_000) })]

    /// Two models that disagree in everything but their doubt are told apart by nothing that leaves.
    #[test]
    fn a_withheld_guess_does_not_leak(
        doubt in 0.34..0.69_f64, split in 0.0..1.0_f64, classes in (0..3_usize, 0..3_usize),
        top_k in prop::option::of(0..4_usize), decimals in 0..9_u8, number in prop::option::of(-9.0..9.0_f64),
    ) {
        let mut contract = classifier(Datatype::Int64);
        contract.disclosure = Disclosure { decimals, top_k };
        contract.judgment.fallback.number = number;
        let answer = |class: usize, split: f64| {
            // The rest is split so that neither part exceeds the doubt.
            let rest = 1.0 - doubt;
            let part = (rest * split).clamp((rest - doubt).max(0.0), doubt.min(rest));
            let mut row = [part, 1.0 - doubt - part, doubt];
            row.swap(class, 2);
            answered(&contract, classified(&[class as i64 - 1], &[row])).unwrap()
        };
        let (one, other) = (answer(classes.0, split), answer(classes.1, 1.0 - split));
        prop_assert!(one.0.starts_with("fallback uncertain"));
        prop_assert_eq!(one, other);
    }

    /// Rounding twice is rounding once, in every float type; and no result is further than half a unit off.
    #[test]
    fn rounding_is_idempotent(values in vec(prop_oneof![-1e3..1e3_f64, any::<f64>()], 1..9), decimals in 0..18_u8) {
        prop_assume!(values.iter().all(|value| value.is_finite()));
        let mut opaque = contract(Task::Opaque, vec![spec("y", Datatype::Fp64, &[None])], Confidence::None);
        opaque.disclosure.decimals = decimals;
        let half = |value: &f64| crate::input::half::Half::from_f64(value.clamp(-6e4, 6e4)).0;
        let shorter = |value: &f64| value.clamp(-1e38, 1e38) as f32;
        for data in [
            TensorData::Fp64(values.clone()),
            TensorData::Fp32(values.iter().map(shorter).collect()),
            TensorData::Fp16(values.iter().map(half).collect()),
        ] {
            let leave = |data: TensorData| {
                let raw = vec![tensor(&[data.len()], data)];
                shape(&opaque, &mut [], raw, &[]).remove(0).data
            };
            let once = leave(data);
            prop_assert_eq!(leave(once.clone()), once.clone());
            if let TensorData::Fp64(rounded) = once {
                for (value, rounded) in values.iter().zip(rounded) {
                    let unit = 10_f64.powi(-i32::from(decimals));
                    let error = value.abs() * 2.0 * f64::EPSILON;
                    prop_assert!((value - rounded).abs() <= unit * 0.5 + error, "{} {}", value, rounded);
                }
            }
        }
    }

    /// Whatever comes out of a model, judging ends in answers or an error, and what is served is finite.
    #[test]
    fn any_output_is_judged_or_not(
        rows in vec((0.0..1.2_f64, 0.0..1.2_f64, prop_oneof![9 => 0.0..1.2_f64, 1 => Just(f64::NAN)]), 1..4),
        normal in any::<bool>(),
        label in -2..3_i64, temperature in prop_oneof![Just(1.0), -1.0..9.0_f64], top_k in prop::option::of(0..5_usize),
        probabilities in 0..4_usize, label_at in prop::option::of(0..4_usize),
    ) {
        let mut contract = classifier(Datatype::Int64);
        contract.judgment.confidence = Confidence::Probability { temperature };
        contract.disclosure.top_k = top_k;
        if let Task::Classify { probabilities: at, label: label_in, .. } = &mut contract.task {
            *at = probabilities;
            *label_in = label_at;
        }
        let rows: Vec<[f64; 3]> = rows.into_iter().map(|(a, b, c)| {
            let row = [a, b, c];
            let sum: f64 = row.iter().sum();
            if normal { row.map(|p| p / sum) } else { row }
        }).collect();
        if let Ok((_, outputs)) = answered(&contract, classified(&vec![label; rows.len()], &rows)) {
            let TensorData::Fp64(values) = &outputs[1] else { panic!("{outputs:?}") };
            prop_assert!(values.iter().all(|value| value.is_finite()));
        }
    }
}
