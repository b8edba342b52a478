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
