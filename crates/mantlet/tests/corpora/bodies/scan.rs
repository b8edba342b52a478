//! Model files of any kind.

use mantlet_scan::{Limits, Verdict, scan_bytes};

/// A scan ends, says the same twice, and has a reason for whatever it does not find safe.
pub(crate) fn body(data: &[u8]) {
    let report = scan_bytes(data, None, &Limits::default());
    assert_eq!(report, scan_bytes(data, None, &Limits::default()));
    assert_eq!(report.verdict == Verdict::Safe, report.findings.is_empty());
}
