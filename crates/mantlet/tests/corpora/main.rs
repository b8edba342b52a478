//! Replays what fuzzing has kept, as an ordinary test: every input of `fuzz/corpus` goes through the body of its
//! fuzz target.

#![expect(clippy::unwrap_used, reason = "a body that cannot go on has found something")]

mod bodies;

use std::{
    collections::BTreeSet,
    fs,
    panic::catch_unwind,
    path::PathBuf,
    time::{Duration, Instant},
};

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
    scan,
    audit_tiles,
    upload,
    bundle,
    archive,
    upstream,
    request_llm,
    answer_llm,
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
    scan_sevenz,
    scan_checkpoint,
    guard_structure,
    guard_redact,
    guard_markup,
    guard_stream,
    scan_pickle,
    scan_numpy,
    scan_zip,
    scan_tar,
    scan_compressed,
    scan_keras,
    scan_xgboost,
    scan_text,
    guard_schema,
    policy,
    approval,
    network,
    settings,
    profile,
    watch_replay,
    guard_arguments,
    cloud_permissions,
    cloud_networks
);

/// Numbers that look random and are the same every time (xorshift64*, Vigna 2016).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
    }
}

/// Changes a few places: bits, bytes, lengths; parts are taken out, doubled, or taken from another input.
fn mutate(input: &mut Vec<u8>, other: &[u8], numbers: &mut Numbers) {
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(input.len() + 1);
        let end = (at + numbers.below(16)).min(input.len());
        match numbers.below(6) {
            0 if at < input.len() => input[at] ^= 1 << numbers.below(8),
            1 if at < input.len() => input[at] = [0, 1, 0x7f, 0x80, 0xff][numbers.below(5)],
            2 => drop(input.drain(at..end)),
            3 => {
                let part = input[at..end].to_vec();
                input.splice(at..at, part);
            }
            4 => input.truncate(at),
            _ => {
                let from = numbers.below(other.len() + 1);
                let to = (from + numbers.below(64)).min(other.len());
                input.splice(at..end, other[from..to].iter().copied());
            }
        }
    }
}

/// Kept inputs, changed at random for `MANTLET_MUTATE_SECONDS`. An input that fails is written beside the corpora.
#[test]
#[ignore = "takes as long as it is told: cargo xtask mutate"]
fn mutated_inputs_fail_nothing() {
    let seconds = std::env::var("MANTLET_MUTATE_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let each = Duration::from_secs_f64(seconds.unwrap_or(60.0) / TARGETS.len() as f64);
    for (target, body) in TARGETS {
        let inputs = fs::read_dir(fuzz().join("corpus").join(target)).unwrap();
        let mut paths: Vec<PathBuf> = inputs.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let inputs: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
        let (mut numbers, mut tried, began) = (Numbers(0x6d61_6e74_6c65_7421), 0_u64, Instant::now());
        while began.elapsed() < each {
            let mut input = inputs[numbers.below(inputs.len())].clone();
            mutate(&mut input, &inputs[numbers.below(inputs.len())], &mut numbers);
            if catch_unwind(|| body(&input)).is_err() {
                let kept = std::env::temp_dir().join(format!("{target}-failed"));
                fs::write(&kept, &input).unwrap();
                panic!("{target}: input {tried} fails; it is in {}", kept.display());
            }
            tried += 1;
        }
        println!("{target}: {tried} inputs");
        assert!(tried > 0);
    }
}

#[test]
fn corpora_stay_small() {
    let directories = fs::read_dir(fuzz().join("corpus")).unwrap();
    let inputs = directories.flat_map(|directory| fs::read_dir(directory.unwrap().path()).unwrap());
    let bytes: u64 = inputs.map(|input| input.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes < 600_000, "{bytes} bytes of corpora");
}

#[test]
fn every_target_has_a_body_a_corpus_and_a_binary() {
    let bodies: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(fuzz().join("corpus")), bodies);
    assert_eq!(names(fuzz().join("fuzz_targets")), bodies);
}
