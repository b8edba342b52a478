//! `mantlet iam check`: findings in files of permissions, for people, as JSON or as SARIF.

use mantlet_cloud::iam::check::{CHECKS, Finding, Source, check};
use serde_json::{Value, json};

use super::{
    super::{args::IamCheck, exit::Failure, print, scan},
    contents,
};

/// Checks the files; ends with 1 if there is a finding, with 2 if something could not be read or decided.
pub(super) fn run(json: bool, command: &IamCheck) -> Result<(), Failure> {
    let source = |path: &std::path::PathBuf| -> Result<Source, Failure> {
        let text = String::from_utf8(contents(path)?)
            .map_err(|error| Failure::new(format!("`{}` is no text: {error}", path.display())))?;
        Ok(Source { path: path.clone(), text })
    };
    let sources = command.files.iter().map(source).collect::<Result<Vec<_>, _>>()?;
    let findings = check(&sources);
    if command.sarif {
        print::json(&sarif(&findings))?;
    } else if json {
        print::json(&json!({ "findings": findings }))?;
    } else {
        for finding in &findings {
            let Finding { line, column, check, severity, basis, message, fix, .. } = finding;
            print::line(format!(
                "{}:{line}:{column}: {check} {severity} ({basis}): {message}",
                finding.file.display()
            ))?;
            print::line(format!("    {fix}"))?;
        }
    }
    let unknown = findings.iter().filter(|finding| finding.basis == "unknown").count();
    match findings.len() {
        0 => Ok(()),
        count if count == unknown => {
            Err(Failure::new(format!("`{count}` statements could not be decided on")))
        }
        count => Err(Failure::no(format!("`{count}` findings"))),
    }
}

/// Findings as a SARIF 2.1.0 log.
fn sarif(findings: &[Finding]) -> Value {
    let rule = |(id, severity, demands, fix): &(&str, &str, &str, &str)| {
        json!({
            "id": id,
            "shortDescription": { "text": demands },
            "help": { "text": fix },
            "properties": { "severity": severity },
        })
    };
    let result = |finding: &Finding| {
        let level = if finding.severity == "high" { "error" } else { "warning" };
        json!({
            "ruleId": finding.check,
            "level": level,
            "message": { "text": finding.message },
            "locations": [{ "physicalLocation": {
                "artifactLocation": { "uri": scan::uri(&finding.file) },
                "region": { "startLine": finding.line, "startColumn": finding.column },
            } }],
            "properties": { "basis": finding.basis },
        })
    };
    json!({
        "$schema": scan::SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "mantlet iam check",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": CHECKS.iter().map(rule).collect::<Vec<_>>(),
            } },
            "results": findings.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}
