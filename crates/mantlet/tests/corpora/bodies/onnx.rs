//! Model files.

use std::{
    panic::{set_hook, take_hook},
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use mantlet_models::{
    onnx::LoadError,
    runtime::{Engine, RunError},
};
use mantlet_types::{Datatype, Tensor, TensorData, TensorSpec, limits::ELEMENTS_MAX};

/// Extents left open, the batch among them, are filled with this.
const ROWS: usize = 3;

/// Panics met outside of rten, which is not written for hostile models: its own are caught, and become errors.
static PANICS: AtomicUsize = AtomicUsize::new(0);

static WATCHED: LazyLock<()> = LazyLock::new(|| {
    let before = take_hook();
    set_hook(Box::new(move |panic| {
        if panic.location().is_none_or(|location| !location.file().contains("/rten")) {
            PANICS.fetch_add(1, Ordering::Relaxed);
            before(panic);
        }
    }));
});

/// A model that loads runs on what it says it takes, and gives what it says it gives or a typed error.
pub(crate) fn body(data: &[u8]) {
    LazyLock::force(&WATCHED);
    let before = PANICS.load(Ordering::Relaxed);
    let calm = || PANICS.load(Ordering::Relaxed) == before;
    let engine = match Engine::load(data) {
        Ok(engine) => engine,
        Err(error) => return assert!(error != LoadError::Panicked || calm(), "an engine panicked"),
    };
    let signature = engine.signature();
    assert!(!signature.inputs.is_empty() && !signature.outputs.is_empty());
    let Some(inputs) = signature.inputs.iter().map(filled).collect::<Option<Vec<_>>>() else { return };
    match engine.run(&inputs) {
        Ok(outputs) => {
            assert_eq!(outputs.len(), signature.outputs.len());
            for (output, spec) in outputs.iter().zip(&signature.outputs) {
                assert!(output.is_consistent() && output.name == spec.name);
                assert_eq!(output.data.datatype(), spec.datatype);
            }
        }
        Err(error) => assert!(error != RunError::Panicked || calm(), "an engine panicked"),
    }
}

/// A tensor with ordinary and extreme elements; `None` if it would be larger than any request may be.
fn filled(spec: &TensorSpec) -> Option<Tensor> {
    const DOUBLES: [f64; 5] = [0.5, f64::MAX, -1e-300, 3.0, -7.0];
    const INTEGERS: [i64; 4] = [1, i64::MIN, i64::MAX, 0];
    let shape: Vec<usize> = spec.shape.iter().map(|extent| extent.unwrap_or(ROWS)).collect();
    let count = shape.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent))?;
    if count > ELEMENTS_MAX {
        return None;
    }
    let doubles = DOUBLES.into_iter().cycle().take(count);
    let integers = INTEGERS.into_iter().cycle().take(count);
    let data = match spec.datatype {
        Datatype::Fp32 => TensorData::Fp32(doubles.map(|value| value as f32).collect()),
        Datatype::Fp64 => TensorData::Fp64(doubles.collect()),
        Datatype::Int32 => TensorData::Int32(integers.map(|value| value as i32).collect()),
        Datatype::Int64 => TensorData::Int64(integers.collect()),
        Datatype::Int8 => TensorData::Int8(integers.map(|value| value as i8).collect()),
        Datatype::Uint8 => TensorData::Uint8(integers.map(|value| value as u8).collect()),
        Datatype::Bool => TensorData::Bool(integers.map(|value| value > 0).collect()),
        Datatype::Bytes => TensorData::Bytes(integers.map(|value| value.to_string().into_bytes()).collect()),
        other => unreachable!("no engine takes {other}"),
    };
    Some(Tensor { name: spec.name.clone(), shape, data })
}
