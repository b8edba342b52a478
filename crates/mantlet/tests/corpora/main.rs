//! Replays what fuzzing has kept, as an ordinary test: every input of `fuzz/corpus` goes through the body of its
//! fuzz target.

#![expect(clippy::unwrap_used, reason = "a body that cannot go on has found something")]

mod bodies;

use std::{collections::BTreeSet, fs, panic::catch_unwind, path::PathBuf};

use bodies::TARGETS;

fn fuzz() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn names(path: PathBuf) -> BTreeSet<String> {
    let stem = |entry: fs::DirEntry| entry.path().file_stem().map(|stem| stem.to_string_lossy().into_owned());
    fs::read_dir(path).unwrap().filter_map(|entry| stem(entry.unwrap())).collect()
}

/// Replays one corpus. An empty one is a mistake: then nothing would be tested.
fn replay(target: &str) {
    let (_, body) = TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let corpus = fs::read_dir(fuzz().join("corpus").join(target)).unwrap();
    let mut inputs: Vec<PathBuf> = corpus.map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "the corpus of `{target}` is empty");
    let fails = |input: &PathBuf| {
        let bytes = fs::read(input).unwrap();
        catch_unwind(|| body(&bytes)).is_err()
    };
    inputs.retain(fails);
    assert!(inputs.is_empty(), "{target}: these inputs fail: {inputs:#?}");
}

macro_rules! replays {
    ($($target:ident),*) => { $(#[test] fn $target() { replay(stringify!($target)); })* };
}

replays!(
    request_json,
    request_binary,
    request_grpc,
    api_key,
    configuration,
    onnx,
    audit_entry,
    audit_tiles,
    upload,
    bundle,
    archive,
    upstream,
    token,
    spiffe_id,
    svid,
    scan_safetensors,
    scan_gguf,
    scan_hdf5,
    scan_template,
    scan_onnx,
    guard_detect,
    guard_normalize,
    guard_redact,
    guard_markup,
    guard_stream
);

#[test]
fn corpora_stay_small() {
    let directories = fs::read_dir(fuzz().join("corpus")).unwrap();
    let inputs = directories.flat_map(|directory| fs::read_dir(directory.unwrap().path()).unwrap());
    let bytes: u64 = inputs.map(|input| input.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes < 500_000, "{bytes} bytes of corpora");
}

#[test]
fn every_target_has_a_body_a_corpus_and_a_binary() {
    let bodies: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(fuzz().join("corpus")), bodies);
    assert_eq!(names(fuzz().join("fuzz_targets")), bodies);
}
