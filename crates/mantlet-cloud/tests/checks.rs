//! The checks of permissions find what the labels of whole configurations say, on the very lines, and nothing else.

use std::{collections::BTreeSet, fs, path::Path};

use mantlet_cloud::iam::check::{Source, check};
use serde_json::Value;

#[test]
fn labeled_configurations_have_their_findings_on_their_lines() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let labels: Value =
        serde_json::from_str(&fs::read_to_string(vectors.join("labels.json")).unwrap()).unwrap();
    let mut wrong = Vec::new();
    let mut expected_in_all = 0;
    for label in labels.as_array().unwrap() {
        let file = label["file"].as_str().unwrap();
        let source = Source { path: file.into(), text: fs::read_to_string(vectors.join(file)).unwrap() };
        let found: BTreeSet<(String, u64)> =
            check(&[source]).into_iter().map(|it| (it.check.to_owned(), u64::from(it.line))).collect();
        let expected: BTreeSet<(String, u64)> = label["expected"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (it["check"].as_str().unwrap().to_owned(), it["line"].as_u64().unwrap()))
            .collect();
        expected_in_all += expected.len();
        let tolerated = label["tolerated"].as_array().unwrap();
        wrong.extend(expected.difference(&found).map(|it| format!("{file}: missed {it:?}")));
        let beyond =
            found.difference(&expected).filter(|(check, _)| !tolerated.iter().any(|it| *it == **check));
        wrong.extend(beyond.map(|it| format!("{file}: too much {it:?}")));
    }
    assert_eq!(expected_in_all, 19);
    assert_eq!(wrong, Vec::<String>::new());
}

fn found(path: &str, text: &str) -> Vec<(&'static str, u32)> {
    let source = Source { path: path.into(), text: text.to_owned() };
    check(&[source]).into_iter().map(|it| (it.check, it.line)).collect()
}

#[test]
fn what_cannot_be_read_is_unknown_and_no_pass() {
    for (path, text) in [
        ("a.tf", "resource \"aws_iam_role\" {"),
        ("a.json", "{\"Statement\":[{\"Effect\":\"Allow\"}]}"),
        ("a.json", "[]"),
        ("a.tf", &"[".repeat(100_000)),
    ] {
        let source = Source { path: path.into(), text: text.to_owned() };
        let findings = check(&[source]);
        assert_eq!(findings.len(), 1, "{path}");
        assert_eq!((findings[0].check, findings[0].basis), ("MTL-IAM-012", "unknown"));
    }
}

#[test]
fn what_names_stand_for_is_followed() {
    let text = r#"
variable "bucket" { default = "models" }
locals {
  everything = "*"
  arns       = ["arn:aws:s3:::${var.bucket}/*"]
}
resource "aws_iam_role" "inference" {
  name = "inference"
}
data "aws_iam_policy_document" "d" {
  dynamic "statement" {
    for_each = local.arns
    content {
      actions   = ["s3:GetObject", "s3:DeleteObject"]
      resources = [statement.value]
    }
  }
  statement {
    actions   = ["dynamodb:GetItem"]
    resources = [local.everything]
  }
}
resource "aws_iam_role_policy" "p" {
  role   = aws_iam_role.inference.id
  policy = data.aws_iam_policy_document.d.json
}
"#;
    assert_eq!(found("a.tf", text), [("MTL-IAM-003", 15), ("MTL-IAM-001", 20)]);
}

#[test]
fn a_circle_of_references_ends() {
    let text = "locals {\n  a = local.b\n  b = \"${local.a}x\"\n}\nresource \"aws_iam_role_policy\" \"p\" {\n  role = \"r\"\n  policy = local.a\n}\n";
    assert_eq!(found("a.tf", text), [("MTL-IAM-012", 7)]);
}
