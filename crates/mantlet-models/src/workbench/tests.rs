//! The bundled demo is what its data make of it, and answers as its readme says.

use std::{collections::BTreeMap, fs};

use mantlet_types::{
    contract::{Confidence, Task},
    limits::BACKGROUND_ROWS_MAX,
};
use serde::Deserialize;

use super::*;
use crate::package::tests::testdata;

#[derive(Deserialize)]
struct Row {
    features: BTreeMap<String, f64>,
}

fn demo() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../mantlet/demo/breast-cancer")
}

/// Set `BLESS` to write the profile anew after a change of the format.
#[test]
fn the_demo_profile_is_what_its_data_give() {
    let request = ProfileRequest {
        reference: testdata("breast_cancer/train.csv"),
        target: None,
        calibration: Some(testdata("breast_cancer/calib.csv")),
        coverage: None,
        background: BACKGROUND_ROWS_MAX,
    };
    let profile = Workbench::open(&demo()).unwrap().profile(&request).unwrap();
    if std::env::var_os("BLESS").is_some() {
        Workbench::write_profile(&demo(), &profile).unwrap();
    }
    let kept = fs::read(demo().join(PROFILE_FILE)).unwrap();
    assert_eq!(String::from_utf8(kept).unwrap(), String::from_utf8(profile.to_json().unwrap()).unwrap());
    assert!(Workbench::open(&demo()).unwrap().remarks(&profile).is_empty());
}

#[test]
fn the_demo_row_is_benign_with_high_confidence() {
    let workbench = Workbench::open(&demo()).unwrap();
    let contract = workbench.contract("default".parse().unwrap(), Version::FIRST).unwrap();
    let row: Row = serde_json::from_slice(&fs::read(demo().join("row.json")).unwrap()).unwrap();
    assert_eq!(row.features.len(), contract.features.len());
    #[expect(clippy::cast_possible_truncation, reason = "the model's own precision")]
    let values = contract.features.iter().map(|feature| row.features[&*feature.name] as f32).collect();
    let input =
        Tensor { name: contract.inputs[0].name.clone(), shape: vec![1, 30], data: TensorData::Fp32(values) };
    let outputs = workbench.run(&[input]).unwrap();
    let Task::Classify { probabilities, label: Some(label), labels } = &contract.task else { panic!() };
    assert_eq!((&*labels[1].text, number(&outputs[*label], 0)), ("benign", labels[1].number));
    let Confidence::Probability { temperature } = contract.judgment.confidence else { panic!() };
    let probability = numbers(&outputs[*probabilities], 0..2).unwrap();
    let sharpened = |p: f64| p.powf(1.0 / temperature);
    let confidence = sharpened(probability[1]) / (sharpened(probability[0]) + sharpened(probability[1]));
    assert!(confidence > 0.95, "{confidence}");
}
