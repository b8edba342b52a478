//! What the gate's own work on a request costs, model and log apart. Budgets (CPU time): one row of thirty numbers is
//! validated and screened in at most 1 µs, judged and sanitized in at most 0.3 µs.

#![expect(clippy::expect_used, reason = "a bench whose question is rejected measures nothing")]

use std::sync::Arc;

use divan::{Bencher, black_box};
use mantlet_gate::{input, output};
use mantlet_types::{
    Contract, Datatype, Sha256, Tensor, TensorData, TensorSpec, Version,
    contract::{
        Confidence, Disclosure, Fallback, Feature, FeatureKind, Judgment, Label, Layout, Range, Task,
    },
    question::{Question, Rows, Scalar},
};

fn main() {
    divan::main();
}

const WIDTH: usize = 30;

/// The shape of the breast-cancer model: thirty bounded numbers, a label and two probabilities.
fn contract() -> Contract {
    let range = |min, max| Some(Range { min, max });
    let kind = FeatureKind::Number { seen: range(0.0, 50.0), accepted: range(-100.0, 100.0) };
    let feature = |index| Feature {
        name: format!("mean measurement {index}").into(),
        kind: kind.clone(),
        optional: false,
        sensitivity: 1,
    };
    let spec = |name: &str, datatype, shape: &[Option<usize>]| TensorSpec {
        name: name.into(),
        datatype,
        shape: shape.to_vec(),
    };
    let label = |text: &str, number| Label { text: text.into(), number: Some(number) };
    Contract {
        model: "breast-cancer".parse().expect("a name"),
        version: Version::FIRST,
        project: "home".parse().expect("a name"),
        digest: Sha256([0; 32]),
        inputs: vec![spec("input", Datatype::Fp32, &[None, Some(WIDTH)])],
        outputs: vec![
            spec("label", Datatype::Int64, &[None]),
            spec("probabilities", Datatype::Fp32, &[None, Some(2)]),
        ],
        features: (0..WIDTH).map(feature).collect(),
        layout: Layout::Matrix,
        task: Task::Classify {
            probabilities: 1,
            label: Some(0),
            labels: vec![label("malignant", 0), label("benign", 1)],
        },
        judgment: Judgment {
            confidence: Confidence::Probability { temperature: 1.3 },
            threshold: 0.7,
            fallback: Fallback::default(),
        },
        disclosure: Disclosure::default(),
        options: Vec::new(),
        batch_rows_max: 1_000,
    }
}

fn values(rows: usize) -> impl Iterator<Item = f64> {
    (0..rows * WIDTH).map(|index| index as f64 % 50.0)
}

fn ask(rows: Rows) -> Question {
    Question { rows, ..Question::default() }
}

/// Validates and screens; dropping what was made is part of the cost.
fn validated(bencher: Bencher<'_, '_>, question: impl Fn(&Contract) -> Question + Sync) {
    let contract = contract();
    bencher.with_inputs(|| question(&contract)).bench_values(|question| {
        let checked = input::check(&contract, question).expect("a valid question");
        let remarks = input::remarks(&contract, &checked.tensors);
        (checked.rows, remarks.len())
    });
}

fn named(contract: &Contract, rows: usize, backwards: bool) -> Question {
    let values: Vec<f64> = values(rows).collect();
    let row = |values: &[f64]| {
        let names = contract.features.iter().map(|feature| Box::from(&*feature.name));
        let mut row: Vec<_> = names.zip(values.iter().map(|value| Scalar::Number(*value))).collect();
        if backwards {
            row.reverse();
        }
        row
    };
    ask(Rows::Named(values.chunks(WIDTH).map(row).collect()))
}

#[divan::bench(args = [1, 100], sample_size = 200)]
fn validate_named(bencher: Bencher<'_, '_>, rows: usize) {
    validated(bencher, |contract| named(contract, rows, false));
}

#[divan::bench(sample_size = 200)]
fn validate_named_backwards(bencher: Bencher<'_, '_>) {
    validated(bencher, |contract| named(contract, 1, true));
}

#[divan::bench(sample_size = 200)]
fn validate_ordered(bencher: Bencher<'_, '_>) {
    validated(bencher, |_| ask(Rows::Ordered(vec![values(1).map(Scalar::Number).collect()])));
}

#[divan::bench(sample_size = 200)]
fn validate_tensor(bencher: Bencher<'_, '_>) {
    validated(bencher, |contract| {
        let data = TensorData::Fp32(values(1).map(|value| value as f32).collect());
        ask(Rows::Tensors(vec![Tensor {
            name: Arc::clone(&contract.inputs[0].name),
            shape: vec![1, WIDTH],
            data,
        }]))
    });
}

/// Judges and sanitizes a batch of this confidence.
fn answered(bencher: Bencher<'_, '_>, rows: usize, confidence: f32) {
    let contract = contract();
    let raw = || {
        let probabilities = [1.0 - confidence, confidence].repeat(rows);
        vec![
            Tensor { name: "label".into(), shape: vec![rows], data: TensorData::Int64(vec![1; rows]) },
            Tensor {
                name: "probabilities".into(),
                shape: vec![rows, 2],
                data: TensorData::Fp32(probabilities),
            },
        ]
    };
    bencher.with_inputs(raw).bench_values(|mut raw| {
        let mut answers = output::decide(&contract, rows, &mut raw).expect("a judgment");
        let outputs = output::shape(&contract, &mut answers, raw, &[]);
        black_box((answers, outputs))
    });
}

#[divan::bench(args = [1, 100], sample_size = 200)]
fn answer_served(bencher: Bencher<'_, '_>, rows: usize) {
    answered(bencher, rows, 0.97);
}

#[divan::bench(sample_size = 200)]
fn answer_withheld(bencher: Bencher<'_, '_>) {
    answered(bencher, 1, 0.6);
}
