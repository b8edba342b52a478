//! What one prediction costs in the engine alone: `cargo bench -p mantlet-models --bench engine`.

#![expect(clippy::unwrap_used, reason = "a bench of a model that does not load has nothing to say")]

use std::{fs, path::Path};

use divan::{Bencher, black_box};
use mantlet_models::runtime::Engine;
use mantlet_types::{Datatype, Tensor, TensorData};

fn main() {
    divan::main();
}

const MODELS: &[&str] = &[
    "breast_cancer/bc-lr",
    "breast_cancer/bc-gbdt",
    "breast_cancer/bc-mlp",
    "rainfall/rain-gbdt",
    "credit/credit-lr",
    "diabetes/diabetes-gbr",
    "digits/digits-mlp",
    "digits/digits-cnn",
];

fn load(model: &str) -> Engine {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/models").join(format!("{model}.onnx"));
    Engine::load(&fs::read(path).unwrap()).unwrap()
}

fn inputs(engine: &Engine, rows: usize) -> Vec<Tensor> {
    let tensor = |spec: &mantlet_types::TensorSpec| {
        let shape: Vec<usize> = spec.shape.iter().map(|extent| extent.unwrap_or(rows)).collect();
        let count: usize = shape.iter().product();
        let data = match spec.datatype {
            Datatype::Bytes => TensorData::Bytes(vec![b"none".to_vec(); count]),
            _ => TensorData::Fp32((0..count).map(|index| (index % 17) as f32 * 0.3).collect()),
        };
        Tensor { name: spec.name.clone(), shape, data }
    };
    engine.signature().inputs.iter().map(tensor).collect()
}

#[divan::bench(args = MODELS)]
fn one_row(bencher: Bencher<'_, '_>, model: &str) {
    let engine = load(model);
    let inputs = inputs(&engine, 1);
    bencher.bench_local(|| engine.run(black_box(&inputs)).unwrap());
}

#[divan::bench(args = MODELS)]
fn hundred_rows(bencher: Bencher<'_, '_>, model: &str) {
    let engine = load(model);
    let inputs = inputs(&engine, 100);
    bencher.bench_local(|| engine.run(black_box(&inputs)).unwrap());
}

#[divan::bench(args = MODELS)]
fn loading(bencher: Bencher<'_, '_>, model: &str) {
    bencher.bench_local(|| load(model));
}
