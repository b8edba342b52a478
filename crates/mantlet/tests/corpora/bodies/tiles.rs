//! Logs, checkpoints, keys and proofs, as the writer's readers and the verifier see them.

use std::{fs, path::Path, sync::LazyLock};

use mantlet_audit::{
    Checkpoint, SigningKey, VerifierKey,
    read::Reader,
    verify::{VerifyError, verify_consistency, verify_dir, verify_proof},
};

/// The log's key. It signs whatever an input says, so that hostile checkpoints get past their signature.
static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::from_seed("log.example/node-1", &[42; 32]).unwrap());

static VKEY: LazyLock<String> = LazyLock::new(|| KEY.verifier().to_string());

/// Files of a log that an input may fill; the first two are the checkpoint, unsigned and signed.
const FILES: [&str; 12] = [
    "checkpoint",
    "checkpoint",
    "tile/entries/000",
    "tile/entries/000.p/1",
    "tile/entries/000.p/2",
    "tile/entries/000.p/3",
    "tile/0/000",
    "tile/0/000.p/1",
    "tile/0/000.p/2",
    "tile/0/000.p/3",
    "wal/000000.wal",
    "wal/000001.wal",
];

/// `L` and files make a log; anything else is a text: a proof, a key, a checkpoint.
pub(crate) fn body(data: &[u8]) {
    match data.split_first() {
        Some((b'L', files)) => log(files),
        _ => _ = std::str::from_utf8(data).map(text),
    }
}

fn text(text: &str) {
    if let Ok(proven) = verify_proof(text, &VKEY) {
        assert!(proven.index < proven.size);
    }
    // Both readers of keys share no code, and agree.
    let ours = text.parse::<VerifierKey>();
    let theirs = !matches!(verify_proof("", text), Err(VerifyError::Key));
    assert_eq!(ours.is_ok(), theirs, "{text:?} as a key");
    if let Ok(key) = ours {
        assert_eq!(key.to_string(), text);
    }
    checkpoint(text);
    checkpoint(&KEY.sign(text));
}

/// Both readers of checkpoints share no code, and agree.
fn checkpoint(note: &str) {
    let ours = Checkpoint::open(note.as_bytes(), &KEY.verifier());
    let theirs = verify_consistency(note, note, &[], &VKEY);
    assert_eq!(ours.is_ok(), theirs.is_ok(), "{note:?} as a checkpoint");
}

/// Whatever lies in a log's directory, verifier and reader survive it, and what verifies can be read.
fn log(files: &[u8]) {
    let home = tempfile::tempdir().unwrap();
    unpack(files, home.path());
    let verified = verify_dir(home.path(), &VKEY, &[]);
    let read = Reader::open(home.path());
    if let Ok(reader) = &read {
        let entries: Result<Vec<_>, _> = reader.entries(0).take(1_000).collect();
        assert!(entries.is_ok_and(|entries| entries.len() as u64 == reader.size()) || verified.is_err());
    }
    if let Ok(report) = verified {
        assert_eq!(read.unwrap().size(), report.size + report.tail.unwrap_or(0));
    }
}

/// Each file is a byte for its name, two of length, and its bytes.
fn unpack(mut files: &[u8], home: &Path) {
    while let Some(([name, high, low], rest)) = files.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (bytes, rest) = rest.split_at(length);
        files = rest;
        let path = home.join(FILES[usize::from(*name) % FILES.len()]);
        let signed = usize::from(*name) % FILES.len() == 1;
        let bytes = match std::str::from_utf8(bytes) {
            Ok(text) if signed => KEY.sign(text).into_bytes(),
            _ => bytes.to_vec(),
        };
        fs::create_dir_all(path.parent().unwrap_or(home)).unwrap();
        // A file whose name is taken by a directory is not there.
        let _ = fs::write(path, bytes);
    }
}
