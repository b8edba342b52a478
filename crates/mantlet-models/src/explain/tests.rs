//! Explanations agree with `shap` on every shared model, and with the definition on every model that the exporters give.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use mantlet_gate::ports::{Explainer as _, RawOutput};
use mantlet_types::{Datatype, TensorSpec, Version, contract::Layout};
use serde::Deserialize;
use serde_json::Value;

use super::*;
use crate::package::{MODEL_FILE, Package, SETTINGS_FILE, model::Model};

/// Shapley values by the definition: the mean gain of each feature over all coalitions of the others, weighted by
/// |S|! (n-|S|-1)! / n!. The value of a coalition is given by which features come from x.
pub(super) fn shapley(features: usize, value: impl Fn(&[bool]) -> f64) -> Vec<f64> {
    let coalition = |bits: usize| (0..features).map(|feature| bits >> feature & 1 == 1).collect::<Vec<_>>();
    let values: Vec<f64> = (0..1 << features).map(|bits| value(&coalition(bits))).collect();
    let factorial = |n: usize| (1..=n).map(|i| i as f64).product::<f64>();
    let weight = |size: usize| factorial(size) * factorial(features - size - 1) / factorial(features);
    let gain = |feature: usize| {
        (0..1_usize << features)
            .filter(|bits| bits >> feature & 1 == 0)
            .map(|bits| weight(bits.count_ones() as usize) * (values[bits | 1 << feature] - values[bits]))
            .sum()
    };
    (0..features).map(gain).collect()
}

fn testdata(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(path)
}

/// A model with its contract, whose confidence is declined so that every output will do.
fn load(model: &Path, features: Option<&[String]>) -> Option<(Arc<Engine>, Contract)> {
    let mut settings = "name = \"m\"\nconfidence = \"none\"\n".to_owned();
    if let Some(features) = features {
        settings += &format!("features = {features:?}\n");
    }
    let files = [(MODEL_FILE, fs::read(model).unwrap()), (SETTINGS_FILE, settings.into_bytes())];
    let files: BTreeMap<String, Vec<u8>> = files.map(|(name, bytes)| (name.to_owned(), bytes)).into();
    let model = Model::new(&Package::from_files(files, "m".to_owned()).unwrap()).ok()?;
    let contract =
        model.contract(None, "home".parse().unwrap(), Version::FIRST, mantlet_types::Sha256([1; 32])).ok()?;
    Some((Arc::new(model.engine), contract))
}

/// Later than any test takes.
fn soon() -> Instant {
    Instant::now() + Duration::from_secs(600)
}

fn explain(
    explainer: &Explainer,
    contract: &Contract,
    row: &[Tensor],
    column: usize,
    evaluations: usize,
) -> Attributions {
    let engine = Arc::clone(&explainer.engine);
    let mut left = evaluations + 1;
    let mut evaluate = |tensors: Vec<Tensor>| {
        left -= tensors[0].shape[0];
        assert!(tensors[0].shape[0] <= contract.batch_rows_max);
        Ok(RawOutput(engine.run(&tensors).unwrap()))
    };
    let rows_at_once = contract.batch_rows_max;
    let case = Case { row, class: Some(column), evaluations, rows_at_once, ends: soon() };
    let found = explainer.explain(&case, &mut evaluate).unwrap();
    let missing = found.output - found.base - found.values.iter().sum::<f64>();
    assert!(missing.abs() < 1e-6 * found.output.abs().max(1.0), "{missing}");
    found
}

#[derive(Deserialize)]
struct Shap {
    model: String,
    features: Vec<String>,
    background: Vec<Vec<Value>>,
    rows: Vec<Vec<Value>>,
    method: String,
    column: usize,
    base: f64,
    values: Vec<Vec<f64>>,
    errors: Option<Vec<Vec<f64>>>,
}

fn tensors(inputs: &[TensorSpec], layout: Layout, rows: &[Vec<Value>]) -> Vec<Tensor> {
    let float = |cell: &Value| cell.as_f64().or_else(|| cell.as_str()?.parse().ok()).unwrap() as f32;
    let text = |cell: &Value| cell.as_str().unwrap().as_bytes().to_vec();
    let tensor = |name: &Arc<str>, shape: Vec<usize>, data| Tensor { name: Arc::clone(name), shape, data };
    if layout == Layout::Matrix {
        let data = TensorData::Fp32(rows.iter().flatten().map(float).collect());
        return vec![tensor(&inputs[0].name, vec![rows.len(), rows[0].len()], data)];
    }
    let column = |(index, input): (usize, &TensorSpec)| {
        let cells = rows.iter().map(|row| &row[index]);
        let data = match input.datatype {
            Datatype::Bytes => TensorData::Bytes(cells.map(text).collect()),
            _ => TensorData::Fp32(cells.map(float).collect()),
        };
        tensor(&input.name, vec![rows.len(), 1], data)
    };
    inputs.iter().enumerate().map(column).collect()
}

/// Written by `conformance/make_explanations.py`.
#[test]
fn shared_models_are_explained_as_shap_explains_them() {
    let (mut compared, mut beyond) = (0, 0);
    let mut methods = BTreeMap::<_, usize>::new();
    for entry in fs::read_dir(testdata("explained")).unwrap() {
        let path = entry.unwrap().path();
        let shap: Shap = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let model = testdata("explained").join(&shap.model);
        let (engine, contract) = load(&model, None).unwrap();
        assert_eq!(contract.features.len(), shap.features.len());
        let background = tensors(&contract.inputs, contract.layout, &shap.background);
        let explainer = Explainer::new(engine, &contract, &background).unwrap();
        assert_eq!(explainer.method().as_str(), shap.method, "{}", path.display());
        *methods.entry(shap.method.clone()).or_default() += 1;
        for (index, row) in shap.rows.iter().enumerate() {
            let row = tensors(&contract.inputs, contract.layout, std::slice::from_ref(row));
            let found = explain(&explainer, &contract, &row, shap.column, 4_000);
            assert!((found.base - shap.base).abs() < 1e-5 * shap.base.abs().max(1.0), "{}", path.display());
            // Half the difference of two runs: of one feature it says little, of all of them together enough.
            let theirs = shap.errors.as_ref().map_or(0.0, |errors| {
                let squares = errors[index].iter().map(|error| error * error).sum::<f64>();
                (squares / errors[index].len() as f64).sqrt()
            });
            for (feature, (value, expect)) in found.values.iter().zip(&shap.values[index]).enumerate() {
                let error = found.errors.as_ref().map_or(0.0, |errors| errors[feature]);
                let tolerance = 5.0 * error + 5.0 * theirs + 1e-5 * expect.abs().max(1.0);
                // A steep model changes its mind for few of many orders: what no order of a sample showed is not in
                // its standard error either. That is rare, and never much.
                let rare = if found.errors.is_some() { 0.02 } else { 0.0 };
                compared += 1;
                beyond += usize::from((value - expect).abs() > tolerance);
                let name = &shap.features[feature];
                assert!(
                    (value - expect).abs() <= tolerance + rare,
                    "{} {name}: {value} ± {error} {expect} ± {theirs}",
                    path.display()
                );
            }
        }
    }
    assert!(beyond * 50 <= compared, "{beyond} of {compared} beyond their errors");
    assert_eq!(methods, BTreeMap::from([("linear".into(), 1), ("sampling".into(), 10), ("tree".into(), 3)]));
}

/// What the exact explanation of a column is of, on its scale, as a function of the model's outputs.
fn on_scale(scale: Scale, column: usize, row: &[f64]) -> f64 {
    match scale {
        Scale::LogOdds => (row[column] / (1.0 - row[column])).ln(),
        Scale::Score | Scale::Value | Scale::Probability => row[column],
    }
}

#[test]
fn exported_models_are_explained_as_the_definition_says() {
    let mut methods = BTreeMap::<_, usize>::new();
    for entry in fs::read_dir(testdata("operators")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let exported = ["sk-", "xgb-", "lgbm-"].iter().any(|prefix| name.starts_with(prefix));
        if path.extension().is_none_or(|extension| extension != "onnx") || !exported {
            continue;
        }
        let case: Value = serde_json::from_slice(&fs::read(path.with_extension("json")).unwrap()).unwrap();
        let Some((engine, contract)) = load(&path, None) else { continue };
        if contract.task == Task::Opaque {
            continue;
        }
        let all: Vec<Tensor> = case["inputs"].as_array().unwrap().iter().map(read).collect();
        let some = |range: std::ops::Range<usize>| -> Vec<Tensor> {
            all.iter().map(|tensor| rows::slice(tensor, range.clone()).unwrap()).collect()
        };
        let Some(explainer) = Explainer::new(Arc::clone(&engine), &contract, &some(2..6)) else {
            panic!("{name} has no explainer");
        };
        *methods.entry(explainer.method().as_str()).or_default() += 1;
        let features = contract.features.len();
        let columns = explainer.columns;
        // Log-odds that a 32-bit probability near 0 or 1 says are too coarse to compare with; the first row will do.
        for row in 0..2 {
            let x = some(row..row + 1);
            // Every coalition against every background row, once for all columns.
            let mixed: Vec<Vec<Vec<f64>>> = (0..1_usize << features)
                .map(|bits| {
                    let from_x: Vec<bool> = (0..features).map(|feature| bits >> feature & 1 == 1).collect();
                    let mixture = |background_row| sampling::Mixture { background_row, from_x: &from_x };
                    let mixtures: Vec<_> = (0..4).map(mixture).collect();
                    let outputs = engine.run(&explainer.background.mix(&x, &mixtures)).unwrap();
                    let values = numbers(&outputs[explainer.output].data).unwrap();
                    values.chunks_exact(columns).map(<[f64]>::to_vec).collect()
                })
                .collect();
            let truth = |of: &dyn Fn(&[f64]) -> f64| {
                shapley(features, |from_x| {
                    let bits: usize = from_x.iter().enumerate().map(|(at, is)| usize::from(*is) << at).sum();
                    mixed[bits].iter().map(|row| of(row)).sum::<f64>() / 4.0
                })
            };
            let found: Vec<Attributions> =
                (0..columns).map(|column| explain(&explainer, &contract, &x, column, 2_000)).collect();
            let is_softmax = found[0].method != Method::Sampling
                && found[0].scale == Scale::Score
                && columns > 2
                && mixed[0].iter().all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-5)
                && (found[0].output - mixed[(1 << features) - 1][0][0]).abs() > 1e-4;
            for column in 0..columns {
                let scale = found[column].scale;
                // Scores before a softmax differ as the logarithms of probabilities do.
                let (values, expect): (Vec<f64>, Vec<f64>) = if is_softmax {
                    let ratio = |row: &[f64]| (row[column] / row[0]).ln();
                    let pairs = found[column].values.iter().zip(&found[0].values);
                    (pairs.map(|(own, first)| own - first).collect(), truth(&ratio))
                } else {
                    (found[column].values.clone(), truth(&|row| on_scale(scale, column, row)))
                };
                for (feature, (value, expect)) in values.iter().zip(&expect).enumerate() {
                    let error = found[column].errors.as_ref().map_or(0.0, |errors| errors[feature]);
                    let coarse = if scale == Scale::LogOdds || is_softmax { 2e-3 } else { 2e-5 };
                    let tolerance = 6.0 * error + coarse * expect.abs().max(1.0);
                    if expect.is_finite() {
                        assert!(
                            (value - expect).abs() <= tolerance,
                            "{name} {row} {column} {feature}: {value} ± {error} {expect} {scale:?}"
                        );
                    }
                }
            }
        }
    }
    assert!(methods["linear"] >= 10 && methods["tree"] >= 15 && methods["sampling"] >= 20, "{methods:?}");
}

fn read(tensor: &Value) -> Tensor {
    let cells = tensor["data"].as_array().unwrap();
    let float = |value: &Value| value.as_f64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap());
    let data = match tensor["datatype"].as_str().unwrap() {
        "FP32" => TensorData::Fp32(cells.iter().map(|value| float(value) as f32).collect()),
        "FP64" => TensorData::Fp64(cells.iter().map(float).collect()),
        "INT64" => TensorData::Int64(cells.iter().map(|value| value.as_i64().unwrap()).collect()),
        "BYTES" => {
            TensorData::Bytes(cells.iter().map(|value| value.as_str().unwrap().as_bytes().to_vec()).collect())
        }
        other => panic!("cases have no {other}"),
    };
    let extents = tensor["shape"].as_array().unwrap();
    let shape = extents.iter().map(|extent| usize::try_from(extent.as_u64().unwrap()).unwrap()).collect();
    Tensor { name: tensor["name"].as_str().unwrap().into(), shape, data }
}

#[test]
fn a_request_is_explained_by_the_same_sample_again() {
    let (engine, contract) = load(&testdata("models/digits/digits-mlp.onnx"), None).unwrap();
    let pixel = |row: usize, column: usize| ((row * 31 + column * 17) % 16) as f32 / 16.0;
    let tensor = |rows: std::ops::Range<usize>| Tensor {
        name: contract.inputs[0].name.clone(),
        shape: vec![rows.len(), 64],
        data: TensorData::Fp32(rows.flat_map(|row| (0..64).map(move |column| pixel(row, column))).collect()),
    };
    let explainer = Explainer::new(engine, &contract, &[tensor(0..10)]).unwrap();
    let one = explain(&explainer, &contract, &[tensor(20..21)], 3, 1_000);
    assert_eq!(one, explain(&explainer, &contract, &[tensor(20..21)], 3, 1_000));
    assert_ne!(one, explain(&explainer, &contract, &[tensor(21..22)], 3, 1_000));
    assert!(one.evaluations <= 1_001 && one.evaluations > 800, "{}", one.evaluations);
    let Effort::Sampled { least, most } = explainer.effort() else { panic!("an exact network") };
    assert_eq!(least, 4 * 63);
    assert!(most >= least);
}

#[test]
fn what_does_not_fit_is_not_explained() {
    let (engine, contract) = load(&testdata("models/diabetes/diabetes-gbr.onnx"), None).unwrap();
    let tensor = |rows: usize, columns: usize, value: f32| Tensor {
        name: contract.inputs[0].name.clone(),
        shape: vec![rows, columns],
        data: TensorData::Fp32(vec![value; rows * columns]),
    };
    let new = |tensors: &[Tensor]| Explainer::new(Arc::clone(&engine), &contract, tensors);
    assert!(new(&[tensor(2, 9, 0.0)]).is_none());
    assert!(new(&[tensor(0, 10, 0.0)]).is_none());
    assert!(new(&[]).is_none());
    let opaque = Contract { task: Task::Opaque, ..contract.clone() };
    assert!(Explainer::new(Arc::clone(&engine), &opaque, &[tensor(2, 10, 0.0)]).is_none());
    let explainer = new(&[tensor(2, 10, 0.0)]).unwrap();
    let mut evaluate = |tensors: Vec<Tensor>| Ok(RawOutput(engine.run(&tensors).unwrap()));
    let row = [tensor(1, 10, 0.1)];
    let two = [tensor(2, 10, 0.1)];
    let case = |row, class| Case { row, class, evaluations: 0, rows_at_once: 10, ends: soon() };
    assert!(explainer.explain(&case(&row, None), &mut evaluate).is_ok());
    let late = Case { ends: Instant::now(), ..case(&row, None) };
    let why = explainer.explain(&late, &mut evaluate).unwrap_err();
    assert!(matches!(why, EngineFault::Broken(why) if why == "the explanation took too long"));
    assert!(explainer.explain(&case(&row, Some(1)), &mut evaluate).is_err());
    assert!(explainer.explain(&case(&two, None), &mut evaluate).is_err());
    // A model whose answer is not what its sums give is not explained by them.
    let mut lying = |tensors: Vec<Tensor>| {
        let mut outputs = engine.run(&tensors).unwrap();
        outputs[0].data = TensorData::Fp32(vec![-1.0]);
        Ok(RawOutput(outputs))
    };
    assert!(explainer.explain(&case(&row, None), &mut lying).is_err());
}
