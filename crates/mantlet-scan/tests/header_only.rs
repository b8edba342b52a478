//! Models of gigabytes are judged by their headers, in milliseconds and without reading the rest.

#![expect(clippy::expect_used, reason = "a file that cannot be made is no measurement")]

use std::{fs::File, io::Write, path::Path, time::Instant};

use mantlet_scan::{Limits, Verdict, scan_path};

const GIB: u64 = 1 << 30;

/// The fastest of several scans, in milliseconds; others may be using the machine.
fn fastest(path: &Path) -> f64 {
    let limits = Limits::default();
    (0..20)
        .map(|_| {
            let start = Instant::now();
            let report = scan_path(path, &limits).expect("a report");
            let took = start.elapsed().as_secs_f64() * 1e3;
            assert_eq!(report.verdict, Verdict::Safe, "{report:?}");
            took
        })
        .fold(f64::INFINITY, f64::min)
}

fn sparse(folder: &Path, name: &str, header: &[u8], bytes: u64) -> std::path::PathBuf {
    let path = folder.join(name);
    let mut file = File::create(&path).expect("a file");
    file.write_all(header).expect("written");
    file.set_len(bytes).expect("a length");
    path
}

#[test]
fn a_gibibyte_of_safetensors_takes_five_milliseconds() {
    let folder = tempfile::tempdir().expect("a folder");
    let header = format!(r#"{{"w":{{"dtype":"U8","shape":[{GIB}],"data_offsets":[0,{GIB}]}}}}"#);
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    let length = bytes.len() as u64 + GIB;
    let took = fastest(&sparse(folder.path(), "model.safetensors", &bytes, length));
    assert!(took <= 5.0, "{took} ms");
}

#[test]
fn a_gibibyte_of_gguf_takes_five_milliseconds() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes.extend(1_u64.to_le_bytes());
    bytes.push(b'w');
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(GIB.to_le_bytes());
    bytes.extend(24_u32.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    let length = bytes.len() as u64 + GIB;
    let took = fastest(&sparse(folder.path(), "model.gguf", &bytes, length));
    assert!(took <= 5.0, "{took} ms");
}
