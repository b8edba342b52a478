use std::path::PathBuf;

use crate::{Limits, Report, scan_bytes};

fn file(name: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/hdf5").join(name)).unwrap()
}

fn scan(bytes: &[u8]) -> Report {
    scan_bytes(bytes, None, &Limits::default())
}

#[test]
fn files_of_every_library_version_are_followed() {
    for name in ["dense-earliest.h5", "dense-v110.h5", "dense-latest.h5"] {
        let report = scan(&file(name));
        assert!(report.findings.is_empty(), "{name}: {report:?}");
    }
}

#[test]
fn what_leads_out_of_the_file_or_cannot_be_true_is_found() {
    for (name, rule) in [
        ("external-link.h5", "hdf5/external"),
        ("external-link-dense.h5", "hdf5/external"),
        ("external-storage.h5", "hdf5/external"),
        ("virtual.h5", "hdf5/external"),
        ("huge-chunked.h5", "hdf5/structure"),
        ("lambda-dense-attributes.h5", "keras/class"),
        ("pickle-attribute.h5", "hdf5/attribute"),
    ] {
        let report = scan(&file(name));
        assert!(report.findings.iter().any(|finding| finding.rule == rule), "{name}: {report:?}");
    }
}

#[test]
fn a_cut_file_is_refused_wherever_it_is_cut() {
    let whole = file("external-link.h5");
    for cut in (8..whole.len()).step_by(7) {
        assert!(!scan(&whole[..cut]).findings.is_empty(), "{cut}");
    }
    let longer = [whole.as_slice(), b"PK"].concat();
    assert!(!scan(&longer).findings.is_empty());
}

#[test]
fn spoiled_bytes_never_make_the_reader_fail() {
    let whole = file("dense-latest.h5");
    for at in (0..whole.len()).step_by(31) {
        let mut spoiled = whole.clone();
        spoiled[at] ^= 0xff;
        // Whatever it says, it says something and ends.
        let _ = scan(&spoiled).verdict;
    }
}
