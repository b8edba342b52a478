//! Scanning before loading: what can carry code, or is not understood, does not come near an engine.

use mantlet_scan::{Limits, Verdict, scan_files};

use crate::package::Package;

/// Why a package's files must not be loaded.
#[derive(Debug, thiserror::Error)]
#[error("the scan found `{rule}` in `{member}`: {why}")]
pub struct ScanError {
    /// The rule that is broken.
    pub rule: &'static str,
    /// The file, and the way through it if it is a container.
    pub member: String,
    /// What was found.
    pub why: String,
}

/// Scans all files of a package as one model.
///
/// # Errors
/// Something was found, some file is of no known format, or of one that can carry code.
pub(super) fn scan(package: &Package) -> Result<(), ScanError> {
    let files: Vec<_> = package.files().collect();
    let report = scan_files(&files, &Limits::default());
    if let Some(finding) = report.findings.into_iter().next() {
        let member = finding.member.unwrap_or_default();
        return Err(ScanError { rule: finding.rule, member, why: finding.why });
    }
    if report.verdict != Verdict::Safe || report.can_carry_code {
        let why = "a file is of a format that can carry code, such as a pickle".to_owned();
        return Err(ScanError { rule: "scan/code", member: package.subject().to_owned(), why });
    }
    Ok(())
}
