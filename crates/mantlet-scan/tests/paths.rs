//! What a path has to lead to for a verdict.

use mantlet_scan::{Limits, Verdict, scan_path};

#[test]
fn a_model_that_did_not_arrive_is_not_safe() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = scan_path(folder.path(), &Limits::default()).expect_err("there is nothing to judge");
    assert!(error.to_string().contains("nothing"), "{error}");
    std::fs::write(folder.path().join("config.json"), "{}").expect("a file");
    assert_eq!(scan_path(folder.path(), &Limits::default()).expect("a folder").verdict, Verdict::Safe);
}
