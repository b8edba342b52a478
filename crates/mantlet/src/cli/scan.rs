//! `mantlet model scan`: what model files may do to whoever opens them. Needs no home and no server.

use std::path::Path;

use mantlet_scan::{Finding, Format, Limits, Report, SCANNER_VERSION, Verdict, scan_path};
use serde_json::{Value, json};

use super::{args::Scan, exit::Failure, print};

/// Where SARIF 2.1.0 has its schema.
pub(super) const SARIF_SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// Scans each path: a file, or a directory as one model.
pub fn run(json: bool, command: &Scan) -> Result<(), Failure> {
    let limits = Limits::default();
    let mut worst = Verdict::Safe;
    let mut results = Vec::new();
    let mut missing = None;
    for path in &command.paths {
        let report = scan_path(path, &limits).unwrap_or_else(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                missing.get_or_insert(path);
            }
            Report::unreadable(&error)
        });
        worst = worst.max(report.verdict);
        if command.sarif {
            results.push((path, report));
        } else if json {
            print::json(&json!({ "path": path, "verdict": report.verdict, "findings": report.findings }))?;
        } else {
            told(path, &report)?;
        }
    }
    if command.sarif {
        let reports: Vec<_> = results.iter().map(|(path, report)| (path.as_path(), report)).collect();
        print::json(&sarif(&reports))?;
    }
    match worst {
        Verdict::Safe => Ok(()),
        Verdict::Unknown if let Some(path) = missing => {
            Err(Failure::new(format!("there is no `{}`", path.display())).hint("check the path"))
        }
        Verdict::Unknown => Err(Failure::new("not all of this could be understood").hint(
            "what is not understood is never loaded; take it out of the model's directory, or convert it",
        )),
        Verdict::Unsafe => Err(Failure::no("not safe to open")),
    }
}

/// A report for people.
fn told(path: &Path, report: &Report) -> Result<(), Failure> {
    let verdict = match report.verdict {
        Verdict::Safe => "safe",
        Verdict::Unknown => "unknown",
        Verdict::Unsafe => "unsafe",
    };
    print::line(format!("{verdict}  {}", path.display()))?;
    for finding in &report.findings {
        print::line(format!("        {}: {}", finding.rule, finding.why))?;
        if let Some(place) = place(finding) {
            print::line(format!("        {place}"))?;
        }
    }
    if report.can_carry_code {
        print::line(
            "        this format can carry code, so files of it are never served even if nothing was found;",
        )?;
        print::line(
            "        export the model to ONNX instead: `skl2onnx`, `onnxmltools` or `torch.onnx.export`",
        )?;
    }
    Ok(())
}

fn place(finding: &Finding) -> Option<String> {
    match (&finding.member, finding.offset) {
        (Some(member), Some(offset)) => Some(format!("in {member}, at byte {offset}")),
        (Some(member), None) => Some(format!("in {member}")),
        (None, Some(offset)) => Some(format!("at byte {offset}")),
        (None, None) => None,
    }
}

/// Reports as a SARIF 2.1.0 log.
fn sarif(reports: &[(&Path, &Report)]) -> Value {
    let mut rules: Vec<(&str, &str, &str)> = Vec::new();
    let mut results = Vec::new();
    for (path, report) in reports {
        for finding in &report.findings {
            if !rules.iter().any(|(id, ..)| *id == finding.rule) {
                rules.push((finding.rule, finding.class, finding.demands));
            }
            results.push(result(path, report, finding));
        }
    }
    let rules: Vec<Value> = rules
        .into_iter()
        .map(|(id, class, demands)| {
            json!({ "id": id, "shortDescription": { "text": demands }, "properties": { "class": class } })
        })
        .collect();
    json!({
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "mantlet model scan",
                "version": env!("CARGO_PKG_VERSION"),
                "properties": { "scannerVersion": SCANNER_VERSION },
                "rules": rules,
            } },
            "results": results,
        }],
    })
}

fn result(path: &Path, report: &Report, finding: &Finding) -> Value {
    // In a folder, the first part of a member's path is a file of its own.
    let (file, member) = match (&finding.member, report.format) {
        (Some(member), Format::Folder) => match member.split_once('!') {
            Some((file, inner)) => (path.join(file), Some(inner.to_owned())),
            None => (path.join(member), None),
        },
        (member, _) => (path.to_owned(), member.clone()),
    };
    let mut location = json!({ "physicalLocation": { "artifactLocation": { "uri": uri(&file) } } });
    if let Some(offset) = finding.offset.filter(|_| member.is_none()) {
        location["physicalLocation"]["region"] = json!({ "byteOffset": offset });
    }
    if let Some(member) = member {
        location["logicalLocations"] = json!([{ "fullyQualifiedName": member, "kind": "member" }]);
    }
    let level = if finding.class == "unknown" { "warning" } else { "error" };
    json!({
        "ruleId": finding.rule,
        "level": level,
        "message": { "text": finding.why },
        "locations": [location],
    })
}

/// A path as a relative URI reference (RFC 3986): SARIF wants no path as it is.
pub(super) fn uri(path: &Path) -> String {
    let mut uri = String::new();
    for byte in path.to_string_lossy().bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}
