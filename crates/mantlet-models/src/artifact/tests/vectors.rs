//! The interoperability vectors of OpenSSF Model Signing, made by several of its programs and by hand.

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Case {
    id: String,
    model: String,
    signature: String,
    method: String,
    public_key: Option<String>,
    trusted_ca: Option<String>,
    #[serde(default)]
    options: Options,
    expect: String,
    #[serde(default)]
    uncovered: Vec<String>,
}

#[derive(Deserialize, Default)]
struct Options {
    #[serde(default)]
    ignore_unsigned_files: bool,
    #[serde(default)]
    allow_symlinks: bool,
}

#[test]
fn answers_the_interoperability_vectors() {
    let cases: Vec<Case> = serde_json::from_slice(&fs::read(vectors().join("cases.json")).unwrap()).unwrap();
    assert_eq!(cases.len(), 23);
    for case in cases {
        let trusted = match case.method.as_str() {
            "certificate" => case.trusted_ca.as_deref(),
            method => (method == "key").then_some(case.public_key.as_deref()).flatten(),
        };
        let trusted = fs::read_to_string(vectors().join(trusted.unwrap())).unwrap();
        let leniency = Leniency {
            unsigned_files: case.options.ignore_unsigned_files,
            symlinks: case.options.allow_symlinks,
        };
        let report = verify_path(
            &vectors().join(&case.model),
            &vectors().join(&case.signature),
            &TrustedSigner::from_pem(&trusted).unwrap(),
            leniency,
            &(),
        );
        let report = report.unwrap();
        let expect = if case.expect == "accept" { Verdict::Accept } else { Verdict::Reject };
        assert_eq!(report.verdict, expect, "{}: {}", case.id, report.reason);
        assert_eq!(report.uncovered, case.uncovered, "{}", case.id);
    }
}
