//! Mutated models never panic the engines and never make them allocate out of proportion.
//!
//! The engines guard against panics; a guarded panic still fails here, because a kernel that panics is a defect.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use mantlet_models::{onnx::LoadError, runtime::Engine, runtime::RunError, runtime::fuzz_load};
use mantlet_types::{Datatype, Tensor, TensorData, TensorSpec, limits::ELEMENTS_MAX};
use proptest::prelude::*;

/// Small models of many kinds, as bytes.
static CORPUS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata");
    let mut paths: Vec<PathBuf> = fs::read_dir(testdata.join("operators"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "onnx"))
        // The neural engine's own panics are caught, and are not ours to mend.
        .filter(|path| !path.to_string_lossy().contains("/neural-"))
        .collect();
    paths.sort();
    paths.push(testdata.join("models/breast_cancer/bc-lr.onnx"));
    paths.push(testdata.join("models/credit/credit-lr.onnx"));
    let corpus: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(corpus.len() > 200);
    corpus
});

/// Neural graphs, as bytes: what fuzzing keeps, and a whole one.
static NEURAL: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let seeds = [
        "conv",
        "lstm",
        "gather-elements",
        "slice-odd",
        "split-odd",
        "squeeze-odd",
        "pad-2-31",
        "expand-2-33",
        "one-hot-depth",
        "range-endless",
        "resize-huge",
        "tile-2-40",
        "topk-many",
        "normalizer-odd",
        "pool-huge-pads",
        "mul-outer",
        "reshape-wraps",
        "constant-of-shape-2-40",
    ];
    let mut graphs: Vec<Vec<u8>> =
        seeds.iter().map(|seed| fs::read(root.join("fuzz/corpus/onnx").join(seed)).unwrap()).collect();
    graphs.push(fs::read(root.join("testdata/models/digits/digits-cnn.onnx")).unwrap());
    graphs
});

/// A change to a file.
#[derive(Clone, Debug)]
enum Mutation {
    Flip { at: prop::sample::Index, mask: u8 },
    Set { at: prop::sample::Index, byte: u8 },
    Cut { at: prop::sample::Index },
    Copy { from: prop::sample::Index, to: prop::sample::Index, length: usize },
    Insert { at: prop::sample::Index, bytes: Vec<u8> },
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        8 => (index(), 1..=255_u8).prop_map(|(at, mask)| Mutation::Flip { at, mask }),
        8 => (index(), prop_oneof![Just(0), Just(1), Just(0x7f), Just(0x80), Just(0xff), any::<u8>()])
            .prop_map(|(at, byte)| Mutation::Set { at, byte }),
        1 => index().prop_map(|at| Mutation::Cut { at }),
        2 => (index(), index(), 1..64_usize).prop_map(|(from, to, length)| Mutation::Copy { from, to, length }),
        2 => (index(), prop::collection::vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| Mutation::Insert { at, bytes }),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    if bytes.is_empty() {
        return;
    }
    match mutation {
        Mutation::Flip { at, mask } => *at.get_mut(bytes) ^= mask,
        Mutation::Set { at, byte } => *at.get_mut(bytes) = *byte,
        Mutation::Cut { at } => bytes.truncate(at.index(bytes.len())),
        Mutation::Copy { from, to, length } => {
            let from = from.index(bytes.len());
            let chunk = bytes[from..(from + length).min(bytes.len())].to_vec();
            let to = to.index(bytes.len());
            bytes.splice(to..to, chunk);
        }
        Mutation::Insert { at, bytes: inserted } => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, inserted.iter().copied());
        }
    }
}

/// Loads and, where that succeeds, runs on values that models seldom expect.
fn exercise(bytes: &[u8]) {
    match Engine::load(bytes) {
        Ok(engine) => {
            for text in [&b"\xff\xfeodd"[..], "the quick, br\u{f6}wn fox 1.5 aXYb".as_bytes()] {
                assert_ne!(engine.run(&odd_inputs(&engine, text)), Err(RunError::Panicked));
            }
        }
        Err(error) => assert_ne!(error, LoadError::Panicked),
    }
}

fn odd_inputs(engine: &Engine, text: &[u8]) -> Vec<Tensor> {
    let specs = &engine.signature().inputs;
    specs
        .iter()
        .map(|spec| {
            let shape: Vec<usize> = spec.shape.iter().map(|extent| extent.unwrap_or(3)).collect();
            let count: usize = shape.iter().product();
            let odd = [f32::NAN, f32::INFINITY, -0.0, f32::MAX, -1e30, 1.0, f32::MIN_POSITIVE];
            let floats = odd.iter().copied().cycle().take(count);
            let integers = [i64::MIN, i64::MAX, -1, 0, 1].into_iter().cycle().take(count);
            let data = match spec.datatype {
                Datatype::Fp64 => TensorData::Fp64(floats.map(f64::from).collect()),
                Datatype::Int64 => TensorData::Int64(integers.collect()),
                Datatype::Int32 => TensorData::Int32(integers.map(|value| value as i32).collect()),
                Datatype::Bool => TensorData::Bool(integers.map(|value| value > 0).collect()),
                Datatype::Bytes => TensorData::Bytes(vec![text.to_vec(); count]),
                _ => TensorData::Fp32(floats.collect()),
            };
            Tensor { name: spec.name.clone(), shape, data }
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, rng_seed: prop::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn mutated_models_are_answered_without_a_panic(
        model in any::<prop::sample::Index>(),
        mutations in prop::collection::vec(mutation(), 1..6),
    ) {
        let mut bytes = model.get(&CORPUS).clone();
        for mutation in &mutations {
            mutate(&mut bytes, mutation);
        }
        exercise(&bytes);
    }

    /// The neural engine may panic, which is caught; but memory that cannot be had would end this process.
    #[test]
    fn mutated_neural_graphs_never_exhaust_memory(
        graph in any::<prop::sample::Index>(),
        mutations in prop::collection::vec(mutation(), 1..4),
    ) {
        let mut bytes = graph.get(&NEURAL).clone();
        for mutation in &mutations {
            mutate(&mut bytes, mutation);
        }
        if let Ok(engine) = Engine::load(&bytes) {
            let few = |spec: &TensorSpec| {
                spec.shape.iter().map(|extent| extent.unwrap_or(3)).try_fold(1_usize, usize::checked_mul)
            };
            if engine.signature().inputs.iter().all(|spec| few(spec).is_some_and(|count| count <= ELEMENTS_MAX)) {
                drop(engine.run(&odd_inputs(&engine, b"")));
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_no_model(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        prop_assert!(fuzz_load(&bytes).is_err());
    }
}

#[test]
fn unmutated_models_survive_odd_inputs() {
    CORPUS.iter().for_each(|bytes| exercise(bytes));
}

/// A protobuf field of type bytes.
fn field(number: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = payload.len();
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(payload);
    bytes
}

#[test]
fn two_byte_nodes_are_counted_before_they_are_decoded() {
    let nodes = field(1, &[]).repeat(1 << 20);
    let refusal = fuzz_load(&field(7, &nodes)).unwrap_err();
    assert!(matches!(refusal, LoadError::TooLarge { what: "nodes", .. }), "{refusal}");
}

#[test]
fn nesting_is_bounded() {
    let sequence = (0..1_000).fold(Vec::new(), |inner, _| field(4, &field(1, &inner)));
    let refusal = fuzz_load(&field(7, &field(11, &field(2, &sequence)))).unwrap_err();
    assert!(matches!(refusal, LoadError::TooLarge { what: "levels of nesting", .. }), "{refusal}");
}

#[test]
fn what_no_engine_honors_is_refused_by_name() {
    let subgraph = field(7, &field(1, &field(5, &field(6, &[]))));
    assert_eq!(fuzz_load(&subgraph).unwrap_err(), LoadError::Unsupported("subgraphs"));
    let functions = field(7, &[]).into_iter().chain([0xca, 0x01, 0x00]).collect::<Vec<u8>>();
    assert_eq!(fuzz_load(&functions).unwrap_err(), LoadError::Unsupported("functions of its own"));
    let external = field(7, &field(5, &field(13, &[])));
    assert_eq!(fuzz_load(&external).unwrap_err(), LoadError::Unsupported("data outside of its own file"));
}

/// Small files that ask the neural engine for more memory than any machine has, or to count for ever.
#[test]
fn graphs_that_would_exhaust_memory_are_refused_by_operator() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/onnx");
    let seeds = [
        ("expand-2-33", "Expand"),
        ("expand-2-40", "Expand"),
        ("one-hot-depth", "OneHot"),
        ("range-endless", "Range"),
        ("resize-huge", "Resize"),
        ("tile-2-40", "Tile"),
        ("topk-many", "TopK"),
        ("pad-2-31", "Pad"),
        ("conv-pads-2-31", "Conv"),
    ];
    for (seed, operator) in seeds {
        let refusal = fuzz_load(&fs::read(corpus.join(seed)).unwrap()).unwrap_err();
        let named = matches!(&refusal, LoadError::Node { operator: named, .. } if named == operator);
        assert!(named, "{seed}: {refusal}");
    }
}
