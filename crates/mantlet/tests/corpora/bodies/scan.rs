//! The scanner's readers: whatever the bytes, a verdict comes soon, twice the same, and in printable words.

use std::time::{Duration, Instant};

use mantlet_scan::{Limits, Report, Verdict, scan_bytes};

/// Scans, and checks what holds of every report.
fn scan(data: &[u8]) -> Report {
    let limits = Limits { time: Duration::from_secs(5), ..Limits::default() };
    let start = Instant::now();
    let report = scan_bytes(data, None, &limits);
    assert!(start.elapsed() < Duration::from_secs(20), "a scan takes {:?}", start.elapsed());
    assert_eq!(report.verdict == Verdict::Safe, report.findings.is_empty());
    assert!(report.findings.iter().all(|finding| !finding.why.chars().any(char::is_control)));
    assert_eq!(scan_bytes(data, None, &limits).verdict, report.verdict);
    report
}

/// Content of any kind.
pub(crate) fn body(data: &[u8]) {
    scan(data);
}

/// Content after a signature, so that fuzzing need not find it first.
fn after(signature: &[u8], data: &[u8]) -> Report {
    scan(&[signature, data].concat())
}

/// Whatever is safe can be read by an independent reader, and its tensors cover the file exactly.
pub(super) fn safetensors(data: &[u8]) {
    let mut file = (data.len() as u64).to_le_bytes().to_vec();
    file.extend(data);
    // Bytes for the tensors: as many as the header's greatest offset says, within reason.
    let header = serde_json::from_slice::<serde_json::Value>(data).ok();
    let tensors = header.as_ref().and_then(serde_json::Value::as_object).into_iter().flatten();
    let spans: Vec<(u64, u64)> = tensors
        .filter(|(name, _)| *name != "__metadata__")
        .filter_map(|(_, tensor)| {
            Some((tensor["data_offsets"][0].as_u64()?, tensor["data_offsets"][1].as_u64()?))
        })
        .collect();
    let end = spans.iter().map(|(_, end)| *end).max().unwrap_or(0).min(1 << 16);
    file.resize(file.len() + usize::try_from(end).unwrap_or(0), 0);
    let safe = scan(&file).verdict == Verdict::Safe;
    if safe && data.first() == Some(&b'{') {
        assert!(header.is_some(), "a safe header is JSON");
        let covered: u64 = spans.iter().map(|(begin, end)| end - begin).sum();
        assert_eq!(covered, end, "tensors cover their bytes");
    }
    scan(data);
}

/// GGUF.
pub(super) fn gguf(data: &[u8]) {
    after(b"GGUF\x03\0\0\0", data);
    scan(data);
}

/// HDF5.
pub(super) fn hdf5(data: &[u8]) {
    after(b"\x89HDF\r\n\x1a\n", data);
    scan(data);
}

/// Templates: one that passes does not pass with an attribute walk behind it, whatever it left open.
pub(super) fn template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let verdict = |template: &str| {
        scan(serde_json::json!({ "chat_template": template }).to_string().as_bytes()).verdict
    };
    if verdict(text) == Verdict::Safe {
        assert_eq!(
            verdict(&format!("{text}{{{{ x.__class__ }}}}")),
            Verdict::Unsafe,
            "a walk hides behind the text"
        );
    }
}

/// ONNX and TensorFlow, which have no signature.
pub(super) fn onnx(data: &[u8]) {
    after(b"\x08\x08", data);
    scan(data);
}

/// 7z: content as it is, and as a header behind a beginning that fits it, so that fuzzing need not find checksums.
pub(super) fn sevenz(data: &[u8]) {
    scan(data);
    let mut next = [0_u64.to_le_bytes(), (data.len() as u64).to_le_bytes()].concat();
    next.extend(crc32(data).to_le_bytes());
    let start = [&b"7z\xbc\xaf\x27\x1c\0\x04"[..], &crc32(&next).to_le_bytes(), &next].concat();
    after(&start, data);
}

/// CRC-32 as in zip and 7z (ISO 3309), bit by bit.
fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    })
}

/// TensorFlow's checkpoints: content as it is, and with the mark of a table behind it.
pub(super) fn checkpoint(data: &[u8]) {
    scan(data);
    scan(&[data, &0xdb47_7524_8b80_fb57_u64.to_le_bytes()].concat());
}

/// A call of `os.system` that leaves the stack and the memo as they were.
const CALL: &[u8] = b"cposix\nsystem\n(S'true'\ntR0";

/// Pickles: content as it is, and behind a call that nothing which follows makes harmless.
pub(super) fn pickle(data: &[u8]) {
    scan(data);
    assert_eq!(scan(&[CALL, data].concat()).verdict, Verdict::Unsafe, "what follows hides a call");
}

/// NumPy's arrays: content as it is, and as a header that fits it.
pub(super) fn numpy(data: &[u8]) {
    scan(data);
    let header = u16::try_from(data.len()).unwrap_or(u16::MAX).to_le_bytes();
    after(&[&b"\x93NUMPY\x01\0"[..], &header].concat(), data);
}

/// A zip archive: what is safe is no more so with a member before it that is no data.
pub(super) fn zip(data: &[u8]) {
    scan(data);
    let (crc, bytes) = (crc32(CALL).to_le_bytes(), u32::try_from(CALL.len()).unwrap().to_le_bytes());
    let local =
        [&b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0"[..], &crc, &bytes, &bytes, b"\x01\0\0\0x", CALL].concat();
    assert_ne!(scan(&[&local, data].concat()).verdict, Verdict::Safe, "a member hides before the archive");
}

/// A tar archive: content as it is, and behind a member of its own.
pub(super) fn tar(data: &[u8]) {
    scan(data);
    let mut member = [0_u8; 512];
    member[0] = b'x';
    member[100..107].copy_from_slice(b"0000644");
    member[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
    member[257..265].copy_from_slice(b"ustar\x0000");
    member[148..156].fill(b' ');
    member[156] = b'0';
    let sum: u32 = member.iter().map(|byte| u32::from(*byte)).sum();
    member[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let padding = vec![0; data.len().next_multiple_of(512) - data.len() + 1024];
    let archive = [&member[..], data, &padding].concat();
    // A member is judged as a file is.
    let alone = scan(data).verdict;
    assert!(data.is_empty() || alone == Verdict::Safe || scan(&archive).verdict != Verdict::Safe);
}

/// Compressed streams: content as it is, and after the beginning of each kind.
pub(super) fn compressed(data: &[u8]) {
    scan(data);
    let Some((kind, rest)) = data.split_first() else { return };
    let begins: [&[u8]; 6] = [
        b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
        b"x\x9c",
        b"BZh9",
        b"\xfd7zXZ\0",
        b"\x04\x22\x4d\x18",
        b"\x28\xb5\x2f\xfd",
    ];
    after(begins[usize::from(*kind) % begins.len()], rest);
}

/// A Keras configuration: what is safe is no more so beside a layer that holds code.
pub(super) fn keras(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let of = |layers: &str| {
        let model =
            format!(r#"{{"class_name":"Sequential","module":"keras","config":{{"layers":[{layers}]}}}}"#);
        scan(model.as_bytes()).verdict
    };
    if of(text) == Verdict::Safe {
        let lambda = r#"{"class_name":"Lambda","module":"keras.layers","config":{}}"#;
        assert_eq!(of(&format!("{text},{lambda}")), Verdict::Unsafe, "a layer hides behind the text");
    }
    scan(data);
}

/// XGBoost's own formats, in JSON and in UBJSON.
pub(super) fn xgboost(data: &[u8]) {
    scan(data);
    after(b"{L\0\0\0\0\0\0\0\x07learner", data);
}

/// Text: YAML, XML, LightGBM, lists, code.
pub(super) fn text(data: &[u8]) {
    let report = scan(data);
    if report.verdict == Verdict::Safe && std::str::from_utf8(data).is_ok() {
        let script = [b"#!/bin/sh\n", data].concat();
        assert_ne!(scan(&script).verdict, Verdict::Safe, "a script hides behind its first line");
    }
}
