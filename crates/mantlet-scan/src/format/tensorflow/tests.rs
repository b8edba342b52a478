use crate::{Limits, Verdict, scan_bytes};

fn bytes(field: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    assert!(value.len() < 128 * 128);
    let mut out = vec![field << 3 | 2];
    if value.len() > 127 {
        out.push(value.len() as u8 | 0x80);
        out.push((value.len() >> 7) as u8);
    } else {
        out.push(value.len() as u8);
    }
    out.extend(value);
    out
}

fn node(operator: &str) -> Vec<u8> {
    [bytes(1, "n"), bytes(2, operator)].concat()
}

/// A model with nodes, and functions of nodes.
fn model(nodes: &[Vec<u8>], functions: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let nodes: Vec<u8> = nodes.iter().flat_map(|node| bytes(1, node)).collect();
    let library: Vec<u8> = functions
        .iter()
        .flat_map(|(name, node)| bytes(1, [bytes(1, bytes(1, name)), bytes(3, node)].concat()))
        .collect();
    let graph = [nodes, bytes(2, library)].concat();
    [vec![8, 1], bytes(2, [bytes(1, []), bytes(2, graph)].concat())].concat()
}

fn rules(model: &[u8]) -> Vec<&'static str> {
    scan_bytes(model, None, &Limits::default()).findings.into_iter().map(|finding| finding.rule).collect()
}

#[test]
fn models_of_computing_operators_are_safe() {
    let fine = model(
        &[node("Placeholder"), node("MatMul"), node("SaveV2"), node("RestoreV2"), node("__inference_f_12")],
        &[("__inference_f_12", node("Relu"))],
    );
    assert_eq!(rules(&fine), Vec::<&str>::new());
    assert_eq!(scan_bytes(&fine, None, &Limits::default()).verdict, Verdict::Safe);
}

#[test]
fn operators_that_reach_out_are_found_wherever_they_stand() {
    for (operator, rule) in [
        ("ReadFile", "tensorflow/file"),
        ("WriteFile", "tensorflow/file"),
        ("TFRecordDataset", "tensorflow/file"),
        ("PyFunc", "tensorflow/operator"),
        ("EagerPyFunc", "tensorflow/operator"),
        ("PrintV2", "tensorflow/operator"),
        ("XlaCallModule", "tensorflow/operator"),
        ("SomethingNew", "tensorflow/operator"),
        ("", "tensorflow/operator"),
    ] {
        assert_eq!(rules(&model(&[node(operator)], &[])), [rule], "{operator}");
        assert_eq!(rules(&model(&[node("NoOp")], &[("f", node(operator))])), [rule], "{operator}");
        // Named in an attribute, as the function to call.
        let attribute = bytes(5, [bytes(1, "f"), bytes(2, bytes(10, bytes(1, operator)))].concat());
        let call = [node("PartitionedCall"), attribute].concat();
        if !operator.is_empty() {
            assert_eq!(rules(&model(&[call], &[])), [rule], "{operator}");
        }
    }
    assert_eq!(rules(&model(&[node("ReadFile")], &[("ReadFile", node("NoOp"))])), ["tensorflow/function"]);
}

#[test]
fn assets_stay_in_their_folder() {
    for name in ["../x", "/etc/passwd", "a/../../x", ""] {
        let meta = [bytes(2, bytes(1, node("NoOp"))), bytes(6, bytes(2, name))].concat();
        assert_eq!(rules(&[vec![8, 1], bytes(2, meta)].concat()), ["tensorflow/file"], "{name}");
    }
}

#[test]
fn graphs_alone_are_judged_alike() {
    let graph = |operator: &str| bytes(1, node(operator));
    assert_eq!(rules(&graph("Relu")), Vec::<&str>::new());
    assert_eq!(rules(&graph("ReadFile")), ["tensorflow/file"]);
}

/// What TensorFlow 2.21 and Keras 2 wrote.
fn written(name: &str) -> Vec<(String, Vec<u8>)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tensorflow").join(name);
    let mut files = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                files.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    files
}

fn verdict(files: &[(String, Vec<u8>)]) -> crate::Report {
    let files: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    crate::scan_files(&files, &crate::Limits::default())
}

#[test]
fn checkpoints_and_saved_models_are_read_whole() {
    for name in ["checkpoint", "keras"] {
        let files = written(name);
        let report = verdict(&files);
        assert_eq!(report.verdict, crate::Verdict::Safe, "{name}: {:?}", report.findings);
        // A shard that tensors do not cover, and an index that is spoiled.
        for (end, change) in [("-of-00001", 0_usize), (".index", 3)] {
            let mut other = files.clone();
            for (name, bytes) in &mut other {
                if name.ends_with(end) {
                    if change == 0 { bytes.push(b'x') } else { bytes[change] ^= 0x40 }
                }
            }
            assert_ne!(verdict(&other).verdict, crate::Verdict::Safe, "{name} {end}");
        }
    }
}

#[test]
fn layers_that_hold_code_are_refused() {
    let mut files = written("keras");
    let metadata = files.iter_mut().find(|(name, _)| name == "keras_metadata.pb").unwrap();
    let text = String::from_utf8_lossy(&metadata.1).into_owned();
    assert!(text.contains(r#""class_name": "Dense""#));
    let at = metadata.1.windows(7).position(|part| part == b"\"Dense\"").unwrap();
    metadata.1[at..at + 7].copy_from_slice(b"\"Dance\"");
    let report = verdict(&files);
    assert!(report.findings.iter().any(|finding| finding.rule == "keras/class"), "{:?}", report.findings);
}
