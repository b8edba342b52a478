//! Every file of the corpus gets the verdict that its manifest expects, and ordinary files no finding at all.

use std::{collections::BTreeMap, path::Path};

use mantlet_scan::{Limits, Verdict, scan_path};

#[derive(serde::Deserialize)]
struct Expected {
    expect: String,
    class: String,
}

#[test]
fn every_vector_gets_its_verdict() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let manifest = std::fs::read(root.join("manifest.json")).expect("the manifest");
    let manifest: BTreeMap<String, Expected> =
        serde_json::from_slice(&manifest).expect("the manifest's shape");
    let mut wrong = Vec::new();
    let mut seen = BTreeMap::new();
    for (name, expected) in &manifest {
        if name.ends_with("ext_link_s/sub") {
            continue;
        }
        // Models whose parts belong together are scanned as folders.
        let path = root.join(name);
        let path = if ["/benign/ext/", "/ext_link_s/"].iter().any(|part| name.contains(part)) {
            path.parent().expect("a folder").to_owned()
        } else {
            path
        };
        let report = scan_path(&path, &Limits::default()).expect("a report");
        let right = match expected.expect.as_str() {
            "safe" => report.verdict == Verdict::Safe && report.findings.is_empty(),
            _ => report.verdict != Verdict::Safe && !report.findings.is_empty(),
        };
        *seen.entry((expected.class.clone(), right)).or_insert(0) += 1;
        if !right {
            wrong.push(format!(
                "{name} ({}): {:?} as {:?}: {:?}",
                expected.class,
                report.verdict,
                report.format,
                report.findings.first()
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), manifest.len(), wrong.join("\n"));
}
