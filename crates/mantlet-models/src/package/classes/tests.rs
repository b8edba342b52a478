//! The class values read off a graph are those that ONNX Runtime answers with, for every classifier in the test data.

use std::{fs, path::PathBuf};

use serde_json::Value;

use super::*;
use crate::{onnx, package::interface, runtime::Engine};

fn operators() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/operators")
}

/// Labels by class value and by ONNX Runtime; `None` for a model that is no classifier, or not one that runs here.
fn compare(name: &str) -> Option<(usize, usize)> {
    let bytes = fs::read(operators().join(name).with_extension("onnx")).unwrap();
    let engine = Engine::load(&bytes).ok()?;
    let outputs = &engine.signature().outputs;
    let label = outputs.iter().position(interface::is_label)?;
    let scores = outputs.iter().position(|output| interface::probability_width(output).is_some())?;
    let width = outputs[scores].shape[1]?;
    let classes = class_values(onnx::read(&bytes.into()).unwrap(), &outputs[label].name, Some(width))
        .unwrap_or_else(|| panic!("{name}: no class values"));
    assert_eq!(classes.len(), width, "{name}");
    let expected: Value =
        serde_json::from_slice(&fs::read(operators().join(name).with_extension("json")).unwrap()).unwrap();
    let data = |index: usize| expected["outputs"][index]["data"].as_array().unwrap();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let own = |index: usize| match &classes {
        ClassValues::Numbers(numbers) => numbers[index].to_string(),
        ClassValues::Texts(texts) => texts[index].to_string(),
    };
    let mut agreeing = 0;
    for (says, row) in data(label).iter().zip(data(scores).chunks(width)) {
        let score = |index: &usize| row[*index].as_f64().unwrap_or(f64::NAN);
        // Scores that are no probabilities (a machine of support vectors votes) need not agree with the label.
        if !interface::is_distribution(&(0..width).map(|index| score(&index)).collect::<Vec<_>>()) {
            return None;
        }
        let best = (0..width).max_by(|a, b| score(a).total_cmp(&score(b))).unwrap();
        agreeing += usize::from(own(best) == text(says));
    }
    Some((agreeing, data(label).len()))
}

#[test]
fn class_values_are_those_that_the_model_answers_with() {
    let mut compared = 0;
    for entry in fs::read_dir(operators()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(stem) = name.strip_suffix(".onnx").filter(|stem| stem.starts_with("sk-")) else { continue };
        let Some((agreeing, rows)) = compare(stem) else { continue };
        compared += 1;
        // Ties, and the few rows in which a support vector machine votes against its own probabilities.
        assert!(agreeing * 10 >= rows * 8, "{stem}: {agreeing} of {rows}");
    }
    assert!(compared >= 20, "{compared}");
}
