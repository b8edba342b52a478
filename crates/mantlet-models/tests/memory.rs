//! Registering a large package takes about twice its size of memory: the package, and the model made of it.
//!
//! In a process of its own, whose peak is read from the system; nothing else may run beside it.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it by panicking")]

use std::{collections::BTreeMap, fs, sync::Arc};

use mantlet_gate::administer::Petition;
use mantlet_models::{
    artifact::{SigningKey, generate_signing_key, sign},
    package::{MODEL_FILE, Package, SETTINGS_FILE, SIGNATURE_FILE},
    register::{Registration, Shelf},
    registry::{Registry, RegistryKey},
    signers::Signers,
};
use mantlet_types::Timestamp;
use prost::Message;
use tokio::sync::Semaphore;

/// Features, and columns of the product that is averaged.
const SHAPE: [i64; 2] = [500, 48_000];

#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(int64, tag = "1")]
    version: i64,
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    opsets: Vec<Opset>,
}

#[derive(Clone, PartialEq, Message)]
struct Opset {
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    nodes: Vec<Node>,
    #[prost(message, repeated, tag = "5")]
    weights: Vec<Weights>,
    #[prost(message, repeated, tag = "11")]
    inputs: Vec<Port>,
    #[prost(message, repeated, tag = "12")]
    outputs: Vec<Port>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, repeated, tag = "1")]
    inputs: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    outputs: Vec<String>,
    #[prost(string, tag = "4")]
    operator: String,
    #[prost(message, repeated, tag = "5")]
    attributes: Vec<Axes>,
}

#[derive(Clone, PartialEq, Message)]
struct Axes {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, repeated, tag = "8")]
    list: Vec<i64>,
    #[prost(int32, tag = "20")]
    kind: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Weights {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    kind: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Port {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Message)]
struct Kind {
    #[prost(message, optional, tag = "1")]
    tensor: Option<Tensor>,
}

#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int32, tag = "1")]
    element: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
struct Shape {
    #[prost(message, repeated, tag = "1")]
    extents: Vec<Extent>,
}

#[derive(Clone, PartialEq, Message)]
struct Extent {
    #[prost(int64, tag = "1")]
    value: i64,
}

/// A product with a large matrix, and the mean of what comes out.
fn model() -> Vec<u8> {
    let port = |name: &str, extents: [i64; 2]| {
        let extents = extents.map(|value| Extent { value }).to_vec();
        let tensor = Some(Tensor { element: 1, shape: Some(Shape { extents }) });
        Port { name: name.into(), kind: Some(Kind { tensor }) }
    };
    let node = |operator: &str, inputs: &[&str], output: &str, attributes| Node {
        inputs: inputs.iter().map(|name| (*name).into()).collect(),
        outputs: vec![output.into()],
        operator: operator.into(),
        attributes,
    };
    let bytes = usize::try_from(SHAPE[0] * SHAPE[1] * 4).unwrap();
    let graph = Graph {
        nodes: vec![
            node("MatMul", &["x", "w"], "all", vec![]),
            node("ReduceMean", &["all"], "y", vec![Axes { name: "axes".into(), list: vec![1], kind: 7 }]),
        ],
        weights: vec![Weights { dims: SHAPE.to_vec(), kind: 1, name: "w".into(), raw: vec![0x3c; bytes] }],
        inputs: vec![port("x", [0, SHAPE[0]])],
        outputs: vec![port("y", [0, 1])],
    };
    Model { version: 8, graph: Some(graph), opsets: vec![Opset { version: 13 }] }.encode_to_vec()
}

/// A line of what the system says of this process, in bytes.
fn status(line: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let value = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    value.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

#[test]
fn registering_takes_about_twice_the_size_of_the_package() {
    let home = tempfile::tempdir().unwrap();
    let (pem, _) = generate_signing_key().unwrap();
    let key = SigningKey::from_pem(&pem).unwrap();
    let settings = b"name = \"large\"\nconfidence = \"none\"\n".to_vec();
    let mut files = BTreeMap::from([(MODEL_FILE.to_owned(), model()), (SETTINGS_FILE.to_owned(), settings)]);
    let package = Package::from_files(files.clone(), "large".into()).unwrap();
    files.insert(SIGNATURE_FILE.to_owned(), sign(&package, &key).unwrap());
    drop(package);
    let size = files.values().map(Vec::len).sum::<usize>();
    let registry = Arc::new(Registry::new(home.path(), RegistryKey::new([7; 32].into())).unwrap());
    let shelf = Shelf {
        keeper: Arc::clone(&registry) as _,
        registry,
        trusted: Arc::new(Signers::new(vec![key.public().clone().into()])),
        threshold: Arc::new(|_, threshold| Ok(threshold)),
        reach: Arc::new(|_, _| None),
        unpacking: Arc::new(Semaphore::new(1)),
        leaving: Arc::new(Semaphore::new(1)),
        fetching: Arc::default(),
    };
    let before = status("VmRSS:") - size;
    // The peak is from here on: proc(5), `clear_refs`.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let registration = Registration {
        name: "large".parse().unwrap(),
        project: "home".parse().unwrap(),
        files: async move { Ok(("large".to_owned(), files)) },
        shelf,
        activate: false,
        began: Timestamp::from_micros(0),
        data_authors: Default::default(),
        datasets: Default::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let registered = runtime.block_on(registration.read());
    let peak = status("VmHWM:") - before;
    assert!(registered.is_ok());
    assert!(size > 90 << 20);
    let tenths = peak * 10 / size;
    assert!((20..24).contains(&tenths), "{size} bytes took {peak}, {tenths} tenths");
}
