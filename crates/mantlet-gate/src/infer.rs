//! The model's turn: the only place that runs one.
//!
//! Small models run on the thread that serves the request, because handing over would cost more than the model.
//! Others run in a bounded pool under a deadline. A panic, a fault and a timeout look alike from outside: 503.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use mantlet_types::{Rejection, Tensor};
use tokio::sync::Semaphore;

use crate::{
    Gate,
    input::Screened,
    perimeter::{Admission, Place},
    ports::{EngineFault, Model, Placement, RawOutput},
};

/// Validated tensors on their way into a model. Only the gate makes one.
#[derive(Debug)]
pub struct ModelInput(Vec<Tensor>);

impl ModelInput {
    /// The tensors, in the contract's order.
    #[must_use]
    pub fn into_tensors(self) -> Vec<Tensor> {
        self.0
    }
}

/// A model's output, bound to the request that it answers. Only this module makes one, only the gate reads it.
pub struct Inference {
    pub(crate) admission: Admission,
    pub(crate) rows: usize,
    pub(crate) outputs: Vec<Arc<str>>,
    pub(crate) raw: RawOutput,
}

/// Places for models that take their time: one per core, so that inference cannot starve mediation of threads.
pub struct Pool(Arc<Semaphore>);

impl Pool {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(cores())))
    }
}

/// How many places of the pool one principal may occupy or queue for: half of them and one, so that nobody else waits
/// for more than that, and a single caller on a small machine still uses all of it.
pub(crate) fn share() -> usize {
    cores() / 2 + 1
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs the model on a screened request.
///
/// # Errors
/// 503 if the model fails, panics, is too slow, or gives something else than its contract says; 400 for a value that
/// only the model itself could tell to be unknown.
pub(crate) async fn infer(gate: &Gate, screened: Screened) -> Result<Inference, Rejection> {
    let (admission, rows, outputs, tensors) = screened.into_parts();
    let model = Arc::clone(admission.model());
    let input = ModelInput(tensors);
    let raw = match model.placement(rows) {
        Placement::Inline => run(model.as_ref(), input),
        Placement::Pool => {
            let timeout = admission.principal().snapshot().settings.inference_timeout;
            pooled(&gate.pool, Arc::clone(admission.place()), model, input, timeout).await
        }
    }
    .map_err(|fault| match fault {
        EngineFault::UnknownValue => Rejection::invalid("inputs"),
        EngineFault::Broken(cause) => Rejection::unavailable(cause),
    })?;
    check(&raw, &admission, rows)?;
    Ok(Inference { admission, rows, outputs, raw })
}

fn run(model: &dyn Model, input: ModelInput) -> Result<RawOutput, EngineFault> {
    // Models are immutable once loaded, so nothing half-done survives an unwinding run.
    catch_unwind(AssertUnwindSafe(|| model.run(input)))
        .unwrap_or_else(|_| Err(EngineFault::Broken("the engine panicked".to_owned())))
}

async fn pooled(
    pool: &Pool,
    own: Arc<Place>,
    model: Arc<dyn Model>,
    input: ModelInput,
    timeout: Duration,
) -> Result<RawOutput, EngineFault> {
    let slow = |_| EngineFault::Broken("the engine took too long".to_owned());
    let places = Arc::clone(&pool.0);
    let closed = |_| EngineFault::Broken("the pool is closed".to_owned());
    let work = async {
        // The principal's own queue comes first, so that only its share stands in everybody's.
        let share = Arc::clone(own.pool()).acquire_owned().await.map_err(closed)?;
        let place = places.acquire_owned().await.map_err(closed)?;
        tokio::task::spawn_blocking(move || {
            // The places are given back when the work ends, not when its caller stops waiting: a run that overstays
            // its deadline keeps occupying a core, and admitting another in its stead would hide that.
            let _places = (place, share, own);
            run(model.as_ref(), input)
        })
        .await
        .map_err(|_| EngineFault::Broken("the engine's thread failed".to_owned()))?
    };
    tokio::time::timeout(timeout, work).await.map_err(slow)?
}

/// A model that breaks its own contract must not be judged by it.
fn check(raw: &RawOutput, admission: &Admission, rows: usize) -> Result<(), Rejection> {
    let contract = admission.model().contract();
    let fits = raw.0.len() == contract.outputs.len()
        && raw.0.iter().zip(&contract.outputs).all(|(tensor, spec)| {
            tensor.is_consistent()
                && tensor.data.datatype() == spec.datatype
                && tensor.shape.first() == Some(&rows)
        });
    if fits { Ok(()) } else { Err(Rejection::unavailable("the model's output breaks its contract")) }
}
