//! Every model answers as onnxruntime does: labels equal, numbers within the case's tolerance.
//!
//! Cases are written by `conformance/agreement.py` and `conformance/make_operator_models.py`. `MANTLET_EXPECTED` names a
//! directory of further ones, such as the whole test sets.

use std::{
    fs,
    path::{Path, PathBuf},
};

use mantlet_models::runtime::Engine;
use mantlet_types::{Datatype, Tensor, TensorData};
use serde_json::Value;

/// A model with inputs and onnxruntime's outputs.
struct Case {
    model: PathBuf,
    tolerance: f64,
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
}

fn read_case(path: &Path) -> Case {
    let case: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let tensors = |key: &str| case[key].as_array().unwrap().iter().map(read_tensor).collect();
    Case {
        model: path.parent().unwrap().join(case["model"].as_str().unwrap()),
        tolerance: case["tolerance"].as_f64().unwrap(),
        inputs: tensors("inputs"),
        outputs: tensors("outputs"),
    }
}

fn read_tensor(tensor: &Value) -> Tensor {
    let elements = tensor["data"].as_array().unwrap();
    // Numbers that JSON lacks are written as strings.
    let float = |value: &Value| value.as_f64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap());
    let data = match tensor["datatype"].as_str().unwrap().parse().unwrap() {
        Datatype::Fp32 => TensorData::Fp32(elements.iter().map(|value| float(value) as f32).collect()),
        Datatype::Fp64 => TensorData::Fp64(elements.iter().map(float).collect()),
        Datatype::Int64 => TensorData::Int64(elements.iter().map(|value| value.as_i64().unwrap()).collect()),
        Datatype::Int32 => TensorData::Int32(
            elements.iter().map(|value| value.as_i64().unwrap().try_into().unwrap()).collect(),
        ),
        Datatype::Bool => TensorData::Bool(elements.iter().map(|value| value.as_bool().unwrap()).collect()),
        Datatype::Bytes => TensorData::Bytes(
            elements.iter().map(|value| value.as_str().unwrap().as_bytes().to_vec()).collect(),
        ),
        other => panic!("cases have no {other}"),
    };
    Tensor {
        name: tensor["name"].as_str().unwrap().into(),
        shape: tensor["shape"]
            .as_array()
            .unwrap()
            .iter()
            .map(|extent| extent.as_u64().unwrap() as usize)
            .collect(),
        data,
    }
}

/// The first difference beyond the tolerance, in words.
fn difference(want: &Tensor, have: &Tensor, tolerance: f64) -> Option<String> {
    if want.name != have.name || want.shape != have.shape {
        return Some(format!("{} {:?} became {} {:?}", want.name, want.shape, have.name, have.shape));
    }
    let floats: Vec<(f64, f64)> = match (&want.data, &have.data) {
        (TensorData::Fp32(want), TensorData::Fp32(have)) => {
            want.iter().zip(have).map(|(want, have)| (f64::from(*want), f64::from(*have))).collect()
        }
        (TensorData::Fp64(want), TensorData::Fp64(have)) => {
            want.iter().zip(have).map(|(want, have)| (*want, *have)).collect()
        }
        (want_data, have_data) => {
            return (want_data != have_data)
                .then(|| format!("{}: {want_data:?} became {have_data:?}", want.name));
        }
    };
    floats.iter().enumerate().find_map(|(index, (want_value, have_value))| {
        let close = (want_value - have_value).abs() <= tolerance * want_value.abs().max(1.0);
        let same = want_value == have_value || (want_value.is_nan() && have_value.is_nan());
        (!close && !same).then(|| format!("{}[{index}]: {want_value} became {have_value}", want.name))
    })
}

fn check(path: &Path) -> Result<usize, String> {
    let case = read_case(path);
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let engine = Engine::load(&fs::read(&case.model).unwrap()).map_err(|error| format!("{name}: {error}"))?;
    let outputs = engine.run(&case.inputs).map_err(|error| format!("{name}: {error}"))?;
    if outputs.len() != case.outputs.len() {
        return Err(format!("{name}: {} outputs became {}", case.outputs.len(), outputs.len()));
    }
    for (want, (have, spec)) in case.outputs.iter().zip(outputs.iter().zip(&engine.signature().outputs)) {
        if let Some(difference) = difference(want, have, case.tolerance) {
            return Err(format!("{name}: {difference}"));
        }
        if have.data.datatype() != spec.datatype || !spec.admits(&have.shape) {
            return Err(format!("{name}: {} is not as its signature says: {spec:?}", have.name));
        }
    }
    Ok(case.inputs[0].shape[0])
}

/// Compares with every case in the directory; there must be at least this many.
fn check_all(directory: &Path, least: usize) {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    assert!(paths.len() >= least, "{} has {} cases", directory.display(), paths.len());
    let results: Vec<_> = paths.iter().map(|path| check(path)).collect();
    let failures: Vec<&String> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    let rows: usize = results.iter().filter_map(|result| result.as_ref().ok()).sum();
    assert!(failures.is_empty(), "{} of {} cases differ:\n{failures:#?}", failures.len(), paths.len());
    println!("{} cases, {rows} rows", paths.len());
}

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(name)
}

#[test]
fn bundled_models_answer_as_onnxruntime_does() {
    check_all(&testdata("expected"), 14);
}

#[test]
fn further_cases_answer_as_onnxruntime_does() {
    if let Some(directory) = std::env::var_os("MANTLET_EXPECTED") {
        check_all(Path::new(&directory), 1);
    }
}

#[test]
fn every_operator_answers_as_onnxruntime_does() {
    check_all(&testdata("operators"), 550);
}
