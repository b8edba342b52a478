//! Two versions' turns on the same rows, batch by batch: first one, then the other, so that whatever else the machine does
//! weighs on both alike.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mantlet_types::{Code, Rejection, Tensor, limits::EVALUATION_TIMEOUT};

use super::{Asked, ModelInput, OUTPUTS_HELD_MAX, elsewhere, fits, pooled, rejection, run};
use crate::{
    Gate,
    input::{ScreenedPair, Taken},
    perimeter::PairAdmission,
    ports::{Behalf, Model, RawOutput},
};

/// Both versions' outputs, bound to the comparison. Only this module makes one, only the gate reads it.
pub(crate) struct PairSitting<C> {
    pub(crate) admission: PairAdmission,
    pub(crate) live: Answered,
    pub(crate) beside: Answered,
    pub(crate) comparing: C,
}

/// One version's outputs for all batches.
pub(crate) struct Answered {
    pub(crate) asked: Asked,
    pub(crate) batches: Vec<RawOutput>,
    /// Microseconds that a row took: the median over the batches, without waiting for a turn.
    pub(crate) us_per_row: f64,
}

/// Runs both versions on every batch of a screened comparison, never inline, so that others have their turn between two
/// batches.
///
/// # Errors
/// As [`super::infer_all`].
pub(crate) async fn infer_pair<C>(
    gate: &Gate,
    screened: ScreenedPair<C>,
    behalf: Behalf,
) -> Result<PairSitting<C>, Rejection> {
    let (admission, live, beside, comparing) = screened.into_parts();
    let models = [Arc::clone(admission.admission.model()), Arc::clone(&admission.beside)];
    let (mut first, mut second) = (Turns::new(live), Turns::new(beside));
    let work = async {
        loop {
            let more = first.turn(gate, &admission, &behalf, &models[0], second.held).await?;
            if !(second.turn(gate, &admission, &behalf, &models[1], first.held).await? || more) {
                return Ok::<_, Rejection>(());
            }
        }
    };
    let slow = |_| Rejection::unavailable("the comparison took too long");
    tokio::time::timeout(EVALUATION_TIMEOUT, work).await.map_err(slow)??;
    Ok(PairSitting { admission, live: first.done(), beside: second.done(), comparing })
}

/// One version's batches, as far as they have been answered.
struct Turns {
    waiting: std::vec::IntoIter<Vec<Tensor>>,
    asked: Asked,
    batches: Vec<RawOutput>,
    /// Elements of all outputs so far.
    held: usize,
    /// Of each batch, per row.
    took: Vec<Duration>,
}

impl Turns {
    fn new(Taken { batches, rows, alike, refused }: Taken) -> Self {
        let (waiting, took) = (batches.into_iter(), Vec::new());
        Self { waiting, asked: Asked { rows, alike, refused }, batches: Vec::new(), held: 0, took }
    }

    /// Answers the next batch, if there is one; `besides` are the elements that the other version's outputs hold.
    async fn turn(
        &mut self,
        gate: &Gate,
        admission: &PairAdmission,
        behalf: &Behalf,
        model: &Arc<dyn Model>,
        besides: usize,
    ) -> Result<bool, Rejection> {
        let Some(tensors) = self.waiting.next() else { return Ok(false) };
        let rows = tensors.first().and_then(|tensor| tensor.shape.first()).copied().unwrap_or(0);
        let own = Arc::clone(admission.admission.place());
        let timeout = admission.admission.principal().snapshot().settings.inference_timeout;
        let input = ModelInput(tensors);
        let (raw, took) = if let Some(remote) = model.remote() {
            let began = Instant::now();
            let raw = elsewhere::ask(remote, &own, input, behalf, began + timeout).await;
            raw.map(|raw| (raw, began.elapsed()))
        } else {
            let asked = Arc::clone(model);
            let timed = move || {
                let began = Instant::now();
                let raw = run(asked.as_ref(), input)?;
                Ok((raw, began.elapsed()))
            };
            pooled(&gate.pool.working, own, timeout, timed).await
        }
        .map_err(rejection)?;
        if !fits(&raw, model.contract(), rows) {
            return Err(Rejection::unavailable("the model's output breaks its contract"));
        }
        self.held = raw.0.iter().map(|tensor| tensor.data.len()).fold(self.held, usize::saturating_add);
        if self.held.saturating_add(besides) > OUTPUTS_HELD_MAX {
            let detail = "the versions say more of so many rows than is held at once";
            return Err(Rejection::new(Code::TooLarge).detailed(detail));
        }
        self.took.push(took / u32::try_from(rows.max(1)).unwrap_or(u32::MAX));
        self.batches.push(raw);
        Ok(true)
    }

    fn done(mut self) -> Answered {
        self.took.sort_unstable();
        let median = self.took.get(self.took.len() / 2).copied().unwrap_or_default();
        let Self { asked, batches, .. } = self;
        Answered { asked, batches, us_per_row: median.as_secs_f64() * 1e6 }
    }
}
