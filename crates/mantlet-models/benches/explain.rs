//! What one explanation costs without the gate: `cargo bench -p mantlet-models --bench explain`.

#![expect(clippy::unwrap_used, reason = "a bench of a model that does not load has nothing to say")]

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use divan::{Bencher, black_box};
use mantlet_gate::ports::{Case, Explainer as _, RawOutput};
use mantlet_models::{explain::Explainer, runtime::Engine, workbench::Workbench};
use mantlet_types::{Contract, Tensor, TensorData, Version};

fn main() {
    divan::main();
}

/// Thirty features each but the last two, which have 8 and 64.
const MODELS: &[&str] = &[
    "breast_cancer/bc-lr",
    "breast_cancer/bc-gbdt",
    "breast_cancer/bc-mlp",
    "rainfall/rain-gbdt",
    "digits/digits-mlp",
];

fn load(model: &str) -> (Arc<Engine>, Contract) {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/models").join(format!("{model}.onnx"));
    let package = tempfile::tempdir().unwrap();
    fs::copy(&path, package.path().join("model.onnx")).unwrap();
    fs::write(package.path().join("mantlet-model.toml"), "name = \"m\"\n").unwrap();
    let contract = Workbench::open(package.path()).unwrap().contract("home".parse().unwrap(), Version::FIRST);
    (Arc::new(Engine::load(&fs::read(path).unwrap()).unwrap()), contract.unwrap())
}

/// Rows that differ in every feature, in the range of the features' own.
fn rows(contract: &Contract, rows: std::ops::Range<usize>) -> Tensor {
    let width = contract.features.len();
    let shape = vec![rows.len(), width];
    let value = |row: usize, column: usize| ((row * 7_919 + column * 104_729) % 1_000) as f32 / 50.0;
    let data = rows.flat_map(|row| (0..width).map(move |column| value(row, column))).collect();
    Tensor { name: contract.inputs[0].name.clone(), shape, data: TensorData::Fp32(data) }
}

/// Against a hundred rows; where it is sampled, with 2,000 evaluations.
#[divan::bench(args = MODELS)]
fn one_answer(bencher: Bencher<'_, '_>, model: &str) {
    let (engine, contract) = load(model);
    let explainer = Explainer::new(Arc::clone(&engine), &contract, &[rows(&contract, 0..100)]).unwrap();
    let row = [rows(&contract, 200..201)];
    bencher.bench_local(|| {
        let mut evaluate = |tensors: Vec<Tensor>| Ok(RawOutput(engine.run(&tensors).unwrap()));
        let ends = Instant::now() + Duration::from_secs(600);
        let case =
            Case { row: black_box(&row), class: Some(1), evaluations: 2_000, rows_at_once: 1_000, ends };
        explainer.explain(&case, &mut evaluate).unwrap()
    });
}
