//! The model's turn: the only place that runs one.
//!
//! Small models run on the thread that serves the request, because handing over would cost more than the model.
//! Others run in a bounded pool under a deadline. Models elsewhere are asked under the same deadline, and hold no thread
//! meanwhile. A panic, a fault and a timeout look alike from outside: 503.

mod elsewhere;

mod pair;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use mantlet_types::{
    Code, Contract, Rejection, Tensor,
    limits::{ELEMENTS_MAX, EVALUATION_TIMEOUT},
};
use tokio::sync::Semaphore;

use crate::{
    Gate,
    input::{Screened, ScreenedExam, Taken},
    perimeter::{Admission, Place},
    ports::{Attributions, Behalf, Case, EngineFault, Model, Placement, RawOutput},
    reviews::{self, Kept},
};

pub(crate) use pair::{Answered, PairSitting, infer_pair};

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
    /// What was asked, where the answer may be held for a person.
    pub(crate) kept: Option<Kept>,
}

/// A model's outputs for all batches of an evaluation, bound to it. Only this module makes one, only the gate reads it.
pub(crate) struct Sitting<M> {
    pub(crate) admission: Admission,
    pub(crate) asked: Asked,
    pub(crate) batches: Vec<RawOutput>,
    pub(crate) marking: M,
}

/// What was asked in all batches together: see [`Taken`].
pub(crate) struct Asked {
    pub(crate) rows: Vec<usize>,
    pub(crate) alike: Vec<u32>,
    pub(crate) refused: usize,
}

/// Elements of all outputs of an evaluation: of those that are marked there are at most [`ELEMENTS_MAX`], and others may
/// stand beside them.
const OUTPUTS_HELD_MAX: usize = 4 * ELEMENTS_MAX;

/// Places for work that takes its time.
pub struct Pool {
    /// One per core, so that inference cannot starve mediation of threads.
    working: Arc<Semaphore>,
    /// For threads that mostly wait for models elsewhere: a hanging one must not keep models here from a core.
    waiting: Arc<Semaphore>,
}

/// Threads that wait for models elsewhere, to explain their answers, on a machine of so many cores. Each costs a stack while
/// it waits; and there are more than one principal's share, or one caller could keep them all.
const fn waiting(cores: usize) -> usize {
    if cores > 16 { cores } else { 16 }
}

impl Pool {
    pub(crate) fn new() -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self { working: places(cores()), waiting: places(waiting(cores())) }
    }
}

/// How many places of the pool one principal may occupy or queue for: half of them and one, so that nobody else waits
/// for more than that, and a single caller on a small machine still uses all of it.
pub(crate) fn share() -> usize {
    share_of(cores())
}

const fn share_of(cores: usize) -> usize {
    cores / 2 + 1
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs the model on a screened request.
///
/// # Errors
/// 503 if the model fails, panics, is too slow, or gives something else than its contract says; 400 for a value that
/// only the model itself could tell to be unknown.
pub(crate) async fn infer(
    gate: &Gate,
    screened: Screened,
    behalf: impl FnOnce() -> Behalf,
) -> Result<Inference, Rejection> {
    let (admission, rows, outputs, tensors) = screened.into_parts();
    let model = Arc::clone(admission.model());
    let kept = reviews::keep(&admission, &tensors);
    let input = ModelInput(tensors);
    let timeout = || admission.principal().snapshot().settings.inference_timeout;
    let raw = if let Some(remote) = model.remote() {
        let ends = Instant::now() + timeout();
        elsewhere::ask(remote, admission.place(), input, &behalf(), ends).await
    } else if model.placement(rows) == Placement::Inline {
        run(model.as_ref(), input)
    } else {
        let work = move || run(model.as_ref(), input);
        pooled(&gate.pool.working, Arc::clone(admission.place()), timeout(), work).await
    }
    .map_err(rejection)?;
    if !fits(&raw, admission.model().contract(), rows) {
        return Err(Rejection::unavailable("the model's output breaks its contract"));
    }
    Ok(Inference { admission, rows, outputs, raw, kept })
}

/// An answer that is to be explained.
pub(crate) struct Explained {
    pub(crate) row: Vec<Tensor>,
    pub(crate) class: Option<usize>,
    /// Evaluations that are paid for.
    pub(crate) evaluations: usize,
}

/// Has an answer explained, in the pool: what that takes is many times what the answer took.
///
/// # Errors
/// 503 as for an inference, also if the explainer asks for more evaluations than were paid for.
pub(crate) async fn explain(
    gate: &Gate,
    admission: &Admission,
    explained: Explained,
    behalf: Behalf,
) -> Result<Attributions, Rejection> {
    let (model, own) = (Arc::clone(admission.model()), Arc::clone(admission.place()));
    let places = if model.remote().is_some() { &gate.pool.waiting } else { &gate.pool.working };
    let runtime = tokio::runtime::Handle::current();
    let timeout = admission.principal().snapshot().settings.inference_timeout;
    let ends = Instant::now() + timeout;
    let work = move || {
        let Some(explainer) = model.explainer() else {
            return Err(EngineFault::Broken("the model has no explainer".to_owned()));
        };
        let Explained { row, class, evaluations } = explained;
        let rows_at_once = model.contract().batch_rows_max;
        // One more: the row itself, which was charged as the prediction that it is.
        let mut left = evaluations.saturating_add(1);
        let mut evaluate = |tensors: Vec<Tensor>| {
            let rows = tensors.first().and_then(|tensor| tensor.shape.first()).copied().unwrap_or(0);
            left =
                left.checked_sub(rows).filter(|_| (1..=rows_at_once).contains(&rows)).ok_or_else(|| {
                    EngineFault::Broken("the explainer asks for more than was paid for".to_owned())
                })?;
            // Who waited has gone by then; the work must not go on for nobody.
            if Instant::now() > ends {
                return Err(EngineFault::Broken("the explanation took too long".to_owned()));
            }
            let input = ModelInput(tensors);
            let raw = match model.remote() {
                // An explainer asks for rows as it goes, so its thread waits: one of those that are there to wait.
                Some(remote) => runtime.block_on(elsewhere::ask(remote, &own, input, &behalf, ends)),
                None => run(model.as_ref(), input),
            }?;
            let whole = fits(&raw, model.contract(), rows);
            if whole {
                Ok(raw)
            } else {
                Err(EngineFault::Broken("the model's output breaks its contract".to_owned()))
            }
        };
        let case = Case { row: &row, class, evaluations, rows_at_once, ends };
        explainer.explain(&case, &mut evaluate)
    };
    pooled(places, Arc::clone(admission.place()), timeout, work).await.map_err(rejection)
}

fn rejection(fault: EngineFault) -> Rejection {
    match fault {
        EngineFault::UnknownValue => Rejection::invalid("inputs"),
        EngineFault::Broken(cause) => Rejection::unavailable(cause),
        EngineFault::Busy { why, retry_after } => Rejection::unavailable(why).retry_after(retry_after),
    }
}

/// Runs the model on every batch of a screened evaluation, one after another and never inline, so that others have their
/// turn between two of them.
///
/// # Errors
/// As [`infer`]; 503 also if all of it takes too long.
pub(crate) async fn infer_all<M>(
    gate: &Gate,
    screened: ScreenedExam<M>,
    behalf: Behalf,
) -> Result<Sitting<M>, Rejection> {
    let (admission, Taken { batches, rows, alike, refused }, marking) = screened.into_parts();
    let timeout = admission.principal().snapshot().settings.inference_timeout;
    let work = async {
        let mut answered = Vec::with_capacity(batches.len());
        let mut held = 0_usize;
        for tensors in batches {
            let count = tensors.first().and_then(|tensor| tensor.shape.first()).copied().unwrap_or(0);
            let (own, model) = (Arc::clone(admission.place()), Arc::clone(admission.model()));
            let contract = Arc::clone(model.contract());
            let input = ModelInput(tensors);
            let raw = if let Some(remote) = model.remote() {
                elsewhere::ask(remote, &own, input, &behalf, Instant::now() + timeout).await
            } else {
                let run = move || run(model.as_ref(), input);
                pooled(&gate.pool.working, own, timeout, run).await
            }
            .map_err(rejection)?;
            if !fits(&raw, &contract, count) {
                return Err(Rejection::unavailable("the model's output breaks its contract"));
            }
            held = raw.0.iter().map(|tensor| tensor.data.len()).fold(held, usize::saturating_add);
            if held > OUTPUTS_HELD_MAX {
                let detail = "the model says more of so many rows than is held at once";
                return Err(Rejection::new(Code::TooLarge).detailed(detail));
            }
            answered.push(raw);
        }
        Ok::<_, Rejection>(answered)
    };
    let slow = |_| Rejection::unavailable("the evaluation took too long");
    let answered = tokio::time::timeout(EVALUATION_TIMEOUT, work).await.map_err(slow)??;
    Ok(Sitting { admission, asked: Asked { rows, alike, refused }, batches: answered, marking })
}

/// Other long work on behalf of an admitted request, on the same terms as a model's.
///
/// # Errors
/// 503 if it panics or takes too long, or what it gives.
pub(crate) async fn work<T: Send + 'static>(
    gate: &Gate,
    place: &Arc<Place>,
    work: impl FnOnce() -> Result<T, Rejection> + Send + 'static,
) -> Result<T, Rejection> {
    work_within(gate, place, EVALUATION_TIMEOUT, work).await
}

/// The same, in less time.
///
/// # Errors
/// As there.
pub(crate) async fn work_within<T: Send + 'static>(
    gate: &Gate,
    place: &Arc<Place>,
    timeout: Duration,
    work: impl FnOnce() -> Result<T, Rejection> + Send + 'static,
) -> Result<T, Rejection> {
    let guarded = move || {
        // Everything that the work owns is gone when it unwinds.
        catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|_| Err(Rejection::unavailable("the work of a request panicked")))
    };
    let done = in_pool(&gate.pool.working, Arc::clone(place), guarded);
    let slow = |_| Rejection::unavailable("the work of a request took too long");
    tokio::time::timeout(timeout, done).await.map_err(slow)?.map_err(rejection)?
}

fn run(model: &dyn Model, input: ModelInput) -> Result<RawOutput, EngineFault> {
    // Models are immutable once loaded, so nothing half-done survives an unwinding run.
    catch_unwind(AssertUnwindSafe(|| model.run(input)))
        .unwrap_or_else(|_| Err(EngineFault::Broken("the engine panicked".to_owned())))
}

async fn pooled<T: Send + 'static>(
    pool: &Arc<Semaphore>,
    own: Arc<Place>,
    timeout: Duration,
    run: impl FnOnce() -> Result<T, EngineFault> + Send + 'static,
) -> Result<T, EngineFault> {
    let slow = |_| EngineFault::Broken("the engine took too long".to_owned());
    let work = in_pool(pool, own, run);
    tokio::time::timeout(timeout, work).await.map_err(slow)??
}

/// Does some work in the pool, once there is a place for it.
async fn in_pool<T: Send + 'static>(
    pool: &Arc<Semaphore>,
    own: Arc<Place>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, EngineFault> {
    let places = Arc::clone(pool);
    let closed = |_| EngineFault::Broken("the pool is closed".to_owned());
    // The principal's own queue comes first, so that only its share stands in everybody's.
    let share = Arc::clone(own.pool()).acquire_owned().await.map_err(closed)?;
    let place = places.acquire_owned().await.map_err(closed)?;
    tokio::task::spawn_blocking(move || {
        // The places are given back when the work ends, not when its caller stops waiting: a run that overstays
        // its deadline keeps occupying a core, and admitting another in its stead would hide that.
        let _places = (place, share, own);
        work()
    })
    .await
    .map_err(|_| EngineFault::Broken("the engine's thread failed".to_owned()))
}

/// Whether outputs are what the contract says. A model that breaks its own contract must not be judged by it.
fn fits(raw: &RawOutput, contract: &Contract, rows: usize) -> bool {
    raw.0.len() == contract.outputs.len()
        && raw.0.iter().zip(&contract.outputs).all(|(tensor, spec)| {
            tensor.is_consistent()
                && tensor.data.datatype() == spec.datatype
                && tensor.shape.first() == Some(&rows)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_principal_never_keeps_all_threads_that_wait() {
        for cores in 1..=1_024 {
            assert!(share_of(cores) <= waiting(cores) / 2 + 1 && share_of(cores) < waiting(cores), "{cores}");
        }
    }
}
