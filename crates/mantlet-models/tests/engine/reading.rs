//! A model that reads: profiled on texts, signed, verified, loaded, and asked through the gate's own checks.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use mantlet_gate::input::{Checked, check};
use mantlet_models::{
    artifact::{LoadedModel, SigningKey, generate_signing_key, load, sign},
    package::{MODEL_FILE, PROFILE_FILE, Package, SETTINGS_FILE, SIGNATURE_FILE},
    profile::Calibration,
    workbench::{ProfileRequest, Workbench},
};
use mantlet_types::{
    Rejection, TensorData, Version,
    contract::{Confidence, FeatureKind, Layout, Task},
    question::{Question, Rows, Scalar},
};

/// Texts that the model was trained on or like them, with what it should say.
const REVIEWS: [(&str, u8); 8] = [
    ("great film, wonderful cast", 1),
    ("I loved the music", 1),
    ("a wonderful story", 1),
    ("great acting", 1),
    ("terrible film, boring cast", 0),
    ("I hated the music", 0),
    ("a boring story", 0),
    ("terrible acting", 0),
];

const SETTINGS: &str = "name = \"reviews\"\nlabels = [\"bad\", \"good\"]\n[text.text]\nchars_max = 200\n";

/// A package directory of one of the models that scikit-learn's exporter made.
fn directory(model: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let operators = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/operators");
    fs::copy(operators.join(model), directory.path().join(MODEL_FILE)).unwrap();
    fs::write(directory.path().join(SETTINGS_FILE), SETTINGS).unwrap();
    directory
}

fn table(directory: &Path, name: &str) -> PathBuf {
    let rows = REVIEWS.iter().cycle().take(64).map(|(text, truth)| format!("\"{text}\",{truth}\n"));
    let path = directory.join(name);
    fs::write(&path, format!("text,target\n{}", rows.collect::<String>())).unwrap();
    path
}

/// Profiles, signs, verifies and loads.
fn reviews(model: &str) -> LoadedModel {
    let (directory, data) = (directory(model), tempfile::tempdir().unwrap());
    let request = ProfileRequest {
        reference: table(data.path(), "train.csv"),
        target: None,
        calibration: Some(table(data.path(), "calib.csv")),
        coverage: None,
        background: 0,
    };
    let profile = Workbench::open(directory.path()).unwrap().profile(&request).unwrap();
    assert!(matches!(profile.calibration, Some(Calibration::Probability { .. })));
    Workbench::write_profile(directory.path(), &profile).unwrap();
    let package = Package::read(directory.path()).unwrap();
    let key = SigningKey::from_pem(&generate_signing_key().unwrap().0).unwrap();
    let signature = sign(&package, &key).unwrap();
    let mut files: BTreeMap<String, Vec<u8>> =
        package.files().map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect();
    assert!(files.contains_key(PROFILE_FILE));
    files.insert(SIGNATURE_FILE.to_owned(), signature);
    let package = Package::from_files(files, "reviews".into()).unwrap();
    let artifact = package.verify(&[key.public().clone().into()]).unwrap();
    load(&artifact, "home".parse().unwrap(), Version::FIRST).unwrap()
}

fn ask(model: &LoadedModel, texts: &[&str]) -> Result<Checked, Rejection> {
    let row = |text: &&str| vec![("text".into(), Scalar::Text((*text).into()))];
    let rows = Rows::Named(texts.iter().map(row).collect());
    check(model.contract(), Question { rows, ..Question::default() })
}

/// What the model says to texts that the gate let through.
fn answers(model: &LoadedModel, texts: &[&str]) -> Vec<&'static str> {
    let checked = ask(model, texts).unwrap();
    assert_eq!(checked.rows, texts.len());
    let outputs = model.run(&checked.tensors).unwrap();
    let Task::Classify { probabilities, labels, .. } = &model.contract().task else { panic!() };
    let names: Vec<&str> = labels.iter().map(|label| &*label.text).collect();
    assert_eq!(names, ["bad", "good"]);
    let TensorData::Fp32(scores) = &outputs[*probabilities].data else { panic!() };
    scores.chunks(2).map(|row| if row[1] > row[0] { "good" } else { "bad" }).collect()
}

#[test]
fn a_text_model_is_profiled_signed_loaded_and_asked() {
    for model in [
        "text-reading-count.onnx",
        "text-reading-count-matrix.onnx",
        "text-reading-tfidf.onnx",
        "text-reading-tfidf-matrix.onnx",
        "text-reading-tfidf-pairs.onnx",
    ] {
        let loaded = reviews(model);
        let contract = loaded.contract();
        assert_eq!(contract.layout, Layout::Columns, "{model}");
        let [feature] = contract.features.as_slice() else { panic!("{model}") };
        assert_eq!((&*feature.name, &feature.kind), ("text", &FeatureKind::Text { chars_max: 200 }));
        assert!(matches!(contract.judgment.confidence, Confidence::Probability { .. }));
        let questions = ["a great, wonderful film", "boring and terrible", "I LOVED it"];
        assert_eq!(answers(&loaded, &questions), ["good", "bad", "good"], "{model}");
    }
}

#[test]
fn a_text_model_gets_what_the_gate_leaves_of_a_text() {
    let loaded = reviews("text-reading-tfidf.onnx");
    let marked = "<p>a <b>great</b>\u{0}, wonder\u{7}ful</p><script>terrible boring terrible</script>";
    let checked = ask(&loaded, &[marked]).unwrap();
    assert_eq!(checked.tensors[0].data, TensorData::Bytes(vec![b"a great, wonderful".to_vec()]));
    assert_eq!(answers(&loaded, &[marked]), ["good"]);
    for refused in [String::new(), " \n".into(), "<br>".into(), "x".repeat(201)] {
        let rejection = ask(&loaded, &[&refused]).unwrap_err();
        assert_eq!(rejection.field.as_deref(), Some("text"), "{refused}");
    }
    let wrong = Rows::Named(vec![vec![("text".into(), Scalar::Number(1.0))]]);
    assert!(check(loaded.contract(), Question { rows: wrong, ..Question::default() }).is_err());
}

#[test]
fn rows_of_texts_do_not_influence_each_other() {
    let loaded = reviews("text-reading-tfidf-pairs.onnx");
    let texts = ["great", "terrible film and a terrible story and terrible music", "a wonderful story"];
    let together = loaded.run(&ask(&loaded, &texts).unwrap().tensors).unwrap();
    let TensorData::Fp32(all) = &together[1].data else { panic!() };
    for (index, text) in texts.iter().enumerate() {
        let alone = loaded.run(&ask(&loaded, &[text]).unwrap().tensors).unwrap();
        let TensorData::Fp32(one) = &alone[1].data else { panic!() };
        assert_eq!(one[..], all[index * 2..index * 2 + 2], "{text}");
    }
}

#[test]
fn a_batch_that_a_vocabulary_leaves_no_room_for_is_not_promised() {
    let engine = |model: &str| {
        let operators = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/operators");
        mantlet_models::runtime::Engine::load(&fs::read(operators.join(model)).unwrap()).unwrap()
    };
    let small = engine("text-reading-tfidf.onnx");
    assert_eq!(small.rows_max(1_000), 1_000);
    // So many rows that what one takes, times their number, fills all the room that a run has.
    let most = small.rows_max(usize::MAX);
    assert!((100_000..10_000_000).contains(&most), "{most}");
}
