//! A contract for tests of the protocols.

use std::sync::Arc;

use mantlet_types::{
    Contract, Datatype, Sha256, TensorSpec,
    contract::{Confidence, Disclosure, Fallback, Feature, FeatureKind, Judgment, Label, Layout, Task},
};

/// A classifier of two numeric features `age` and `income`, with probabilities and label as outputs.
pub(super) fn contract() -> Contract {
    let feature = |name: &str| Feature {
        name: name.into(),
        kind: FeatureKind::Number { seen: None, accepted: None },
        optional: false,
        sensitivity: 1,
    };
    let spec = |name: &str, datatype, shape: &[Option<usize>]| TensorSpec {
        name: name.into(),
        datatype,
        shape: shape.to_vec(),
    };
    let label = |text: &str| Label { text: text.into(), number: None };
    Contract {
        model: "loans".parse().unwrap(),
        version: 3.try_into().unwrap(),
        project: "home".parse().unwrap(),
        digest: Sha256([7; 32]),
        inputs: vec![spec("X", Datatype::Fp32, &[None, Some(2)])],
        outputs: vec![
            spec("probabilities", Datatype::Fp32, &[None, Some(2)]),
            spec("label", Datatype::Bytes, &[None]),
        ],
        features: vec![feature("age"), feature("income")],
        layout: Layout::Matrix,
        task: Task::Classify { probabilities: 0, label: Some(1), labels: vec![label("no"), label("yes")] },
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

/// An answer of so many rows by [`contract`]: every second one withheld.
pub(crate) fn answer(rows: usize) -> mantlet_gate::output::Answer {
    use mantlet_gate::output::{Answer, Outcome, RowAnswer, Value};
    use mantlet_types::{Tensor, TensorData};
    let row = |index: usize| {
        let served = index.is_multiple_of(2);
        RowAnswer {
            outcome: if served { Outcome::Served } else { Outcome::Fallback },
            result: Value::Label(if served { "yes" } else { "uncertain" }.into()),
            confidence: Some(if served { 0.75 } else { 0.5 }),
            interval: None,
        }
    };
    let text = |index: usize| if index.is_multiple_of(2) { b"yes".to_vec() } else { b"uncertain".to_vec() };
    let tensor = |name: &str, shape: Vec<usize>, data| Tensor { name: name.into(), shape, data };
    Answer {
        contract: Arc::new(contract()),
        rows: (0..rows).map(row).collect(),
        outputs: vec![
            tensor("probabilities", vec![rows, 2], TensorData::Fp32([0.25, 0.75].repeat(rows))),
            tensor("label", vec![rows], TensorData::Bytes((0..rows).map(text).collect())),
        ],
        candidate: false,
        standing: mantlet_types::quota::Standing {
            quota: 60,
            window_s: 60,
            remaining: 59,
            reset_s: 1,
            ..Default::default()
        },
    }
}
