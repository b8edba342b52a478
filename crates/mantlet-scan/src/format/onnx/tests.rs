use crate::{Beside, Folder, Limits, Report, Verdict, scan_bytes};

/// A field of a message: a number, or bytes.
fn number(field: u8, value: u64) -> Vec<u8> {
    let mut bytes = vec![field << 3];
    let mut rest = value;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

fn bytes(field: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    // Fields from 16 on have tags of two bytes.
    let tag = u64::from(field) << 3 | 2;
    let mut out = number(0, tag).split_off(1);
    out.extend(number(0, value.len() as u64).split_off(1));
    out.extend(value);
    out
}

fn join(parts: &[Vec<u8>]) -> Vec<u8> {
    parts.concat()
}

fn node(operator: &str, domain: &str, more: Vec<u8>) -> Vec<u8> {
    bytes(1, join(&[bytes(4, operator), bytes(7, domain), more]))
}

fn model(graph: Vec<u8>, more: Vec<u8>) -> Vec<u8> {
    join(&[number(1, 8), bytes(7, graph), bytes(8, number(2, 17)), more])
}

fn external(pairs: &[(&str, &str)]) -> Vec<u8> {
    let pairs = pairs.iter().flat_map(|(key, value)| bytes(13, join(&[bytes(1, key), bytes(2, value)])));
    bytes(5, join(&[number(1, 8), number(2, 1), number(14, 1), pairs.collect()]))
}

struct Here;

impl Folder for Here {
    fn look(&self, name: &str) -> Beside {
        match name {
            "w.bin" | "deep/er/w.bin" => Beside::File(32),
            "hard" => Beside::Linked,
            "soft" => Beside::Symlink,
            "folder" => Beside::Other,
            _ => Beside::Missing,
        }
    }
}

fn scan(model: &[u8]) -> Report {
    scan_bytes(model, Some(&Here), &Limits::default())
}

fn found(model: &[u8], rule: &str) {
    let report = scan(model);
    assert!(report.findings.iter().any(|finding| finding.rule == rule), "{rule}: {report:?}");
}

#[test]
fn ordinary_models_are_safe() {
    for graph in [
        node("MatMul", "", vec![]),
        node("TreeEnsembleClassifier", "ai.onnx.ml", vec![]),
        node("SkipLayerNormalization", "com.microsoft", vec![]),
        join(&[
            node("Relu", "", vec![]),
            external(&[("location", "w.bin"), ("offset", "0"), ("length", "32")]),
        ]),
        external(&[("location", "deep/er/w.bin")]),
        bytes(5, join(&[number(1, 2), number(2, 1), bytes(9, [0; 8])])),
        bytes(5, join(&[number(1, 2), number(2, 8), bytes(6, "a"), bytes(6, "b")])),
    ] {
        let report = scan(&model(graph, vec![]));
        assert_eq!((report.verdict, report.findings.len()), (Verdict::Safe, 0), "{report:?}");
    }
}

#[test]
fn external_data_must_be_a_plain_file_beside_the_model() {
    for location in [
        "",
        "../w.bin",
        "a/../w.bin",
        "./w.bin",
        "/etc/passwd",
        "a//w.bin",
        "file:///etc/passwd",
        "http://h/w",
        "c:\\w",
        "..\\w",
        "w.bin\0x",
        "hard",
        "soft",
        "folder",
        "missing",
        "*/_ORT_MEM_ADDR_/*",
        "w.bin ",
        "~/w",
        "$HOME/w",
    ] {
        found(&model(external(&[("location", location)]), vec![]), "onnx/external");
    }
    for pairs in [
        &[("location", "w.bin"), ("length", "1000000000000")][..],
        &[("location", "w.bin"), ("offset", "1")],
        &[("location", "w.bin"), ("offset", "-1")],
        &[("location", "w.bin"), ("offset", "18446744073709551615")],
        &[("location", "w.bin"), ("location", "w.bin")],
        &[("location", "w.bin"), ("basepath", "/")],
        &[("offset", "0")],
    ] {
        found(&model(external(pairs), vec![]), "onnx/external");
    }
    // Where nothing can be looked at, nothing is believed.
    let report = scan_bytes(&model(external(&[("location", "w.bin")]), vec![]), None, &Limits::default());
    assert_eq!(report.verdict, Verdict::Unsafe);
}

#[test]
fn operators_out_of_the_list_are_found_at_any_depth() {
    let evil = node("Evil", "com.acme", vec![]);
    let mut graph = evil.clone();
    for _ in 0..3 {
        graph = node("If", "", bytes(5, join(&[bytes(1, "then_branch"), bytes(6, graph)])));
    }
    let function = |name: &str, domain: &str, body: Vec<u8>| {
        let body: Vec<u8> = {
            let mut body = body;
            if let Some(tag) = body.first_mut() {
                *tag = 7 << 3 | 2;
            }
            body
        };
        bytes(25, join(&[bytes(1, name), bytes(10, domain), body]))
    };
    let local = join(&[number(1, 8), bytes(7, node("F", "own", vec![])), bytes(8, number(2, 17))]);
    let fine = join(&[local.clone(), function("F", "own", node("Relu", "", vec![]))]);
    assert_eq!(scan(&fine).verdict, Verdict::Safe);
    for wrong in [
        model(evil.clone(), vec![]),
        model(graph, vec![]),
        model(node("Evil", "", vec![]), vec![]),
        model(node("EPContext", "com.microsoft", vec![]), vec![]),
        model(node("ATen", "org.pytorch.aten", vec![]), vec![]),
        model(vec![], bytes(8, join(&[bytes(1, "com.acme"), number(2, 1)]))),
        join(&[local.clone(), function("F", "own", evil)]),
    ] {
        found(&wrong, "onnx/operator");
    }
    let round = join(&[local, function("F", "own", node("F", "own", vec![]))]);
    found(&round, "onnx/function");
}

#[test]
fn tensors_must_fit_their_shapes_and_the_schema() {
    let tensor = |parts: &[Vec<u8>]| model(bytes(5, join(parts)), vec![]);
    for wrong in [
        tensor(&[number(1, 3), number(2, 1), bytes(9, [0; 8])]),
        tensor(&[number(1, u64::MAX), number(2, 1), bytes(9, [0; 8])]),
        tensor(&[number(1, 1 << 40), number(1, 1 << 40), number(2, 1), bytes(9, [0; 8])]),
        tensor(&[number(1, 2), number(2, 99), bytes(9, [0; 8])]),
        tensor(&[number(1, 2), number(2, 1)]),
        tensor(&[number(1, 2), number(2, 1), bytes(9, [0; 8]), bytes(4, [0; 8])]),
        tensor(&[number(1, 2), number(2, 1), bytes(9, [0; 8]), bytes(9, [0; 8])]),
        model(bytes(3, "unknown field"), vec![]),
        model(node("Relu", "", bytes(12, "unknown field")), vec![]),
    ] {
        found(&wrong, "onnx/structure");
    }
    let whole = model(bytes(5, join(&[number(1, 2), number(2, 1), bytes(9, [0; 8])])), vec![]);
    for cut in 1..whole.len() {
        assert_ne!(scan(&whole[..cut]).verdict, Verdict::Safe, "{cut}");
    }
}
