//! Door 1: every question to a model.
//!
//! ```text
//! authenticate → authorize → limit → validate → screen → infer → judge → sanitize → audit
//! ```
//!
//! Each step takes the proof of the one before. The listener hands over what arrived and gets back what may leave.

use std::sync::Arc;

use mantlet_types::{Action, Contract, ModelName, Rejection, Version, entry::Event, question::Question};

use crate::{
    Gate,
    audit::{self, Fallen, Released},
    explain::{self, Explanation},
    identity::{self, Arrival},
    infer, input,
    output::{self, Answer},
    perimeter, policy,
    record::Record,
    unabandoned::unabandoned,
};

/// What is asked of which model.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The model.
    pub model: ModelName,
    /// A particular version; the live one if absent.
    pub version: Option<Version>,
    /// [`Action::Predict`] or one that reads.
    pub action: Action,
}

/// The body of a request, not yet read. Reading it is part of validation, so a stranger's body is never read.
pub trait Payload: Send + 'static {
    /// Reads, bounds and decodes the body; the contract helps to decode, and to name what is wrong.
    ///
    /// # Errors
    /// If the body is too large, too slow, cut off or not what the protocol says.
    fn read(self, contract: &Contract) -> impl Future<Output = Result<Question, Rejection>> + Send;
}

/// Mediates one question from arrival to release.
///
/// A client that hangs up cannot skip its entry: what was begun is seen through to its end.
pub async fn mediate<P: Payload>(
    gate: Arc<Gate>,
    arrival: Arrival,
    ask: Ask,
    payload: P,
) -> Released<Answer> {
    let (gated, fallen) = (Arc::clone(&gate), Fallen::of(Event::Inference, &arrival));
    let work = async move { mediated(&gated, arrival, ask, payload).await };
    unabandoned(work, move || audit::panicked(&gate, &fallen)).await
}

async fn mediated<P: Payload>(gate: &Gate, arrival: Arrival, ask: Ask, payload: P) -> Released<Answer> {
    let mut record = Record::of(gate, Event::Inference, &arrival);
    let outcome = answer(gate, &mut record, arrival, &ask, payload).await;
    audit::release(gate, record, outcome.map(|answer| (answer, 200))).await
}

async fn answer<P: Payload>(
    gate: &Gate,
    record: &mut Record,
    arrival: Arrival,
    ask: &Ask,
    payload: P,
) -> Result<Answer, Rejection> {
    let principal = identity::authenticate(gate, arrival, record)?;
    let permit = policy::authorize(principal, ask, gate.now(), record)?;
    let admission = perimeter::limit(gate, permit)?;
    let valid = input::validate(admission, payload, record).await?; // also charges for the rows that it finds
    let screened = input::screen(valid, record);
    let inference = infer::infer(gate, screened).await?;
    let verdict = output::judge(inference, record)?;
    Ok(output::sanitize(verdict))
}

/// Mediates one request to explain an answer, from arrival to release: door 1 with one step more.
///
/// ```text
/// authenticate → authorize → limit → validate → screen → charge → infer → judge → explain → sanitize → audit
/// ```
pub async fn mediate_explanation<P: Payload>(
    gate: Arc<Gate>,
    arrival: Arrival,
    ask: Ask,
    payload: P,
) -> Released<Explanation> {
    let (gated, fallen) = (Arc::clone(&gate), Fallen::of(Event::Inference, &arrival));
    let work = async move { mediated_explanation(&gated, arrival, ask, payload).await };
    unabandoned(work, move || audit::panicked(&gate, &fallen)).await
}

async fn mediated_explanation<P: Payload>(
    gate: &Gate,
    arrival: Arrival,
    ask: Ask,
    payload: P,
) -> Released<Explanation> {
    let mut record = Record::of(gate, Event::Inference, &arrival);
    let outcome = explanation(gate, &mut record, arrival, &ask, payload).await;
    audit::release(gate, record, outcome.map(|explanation| (explanation, 200))).await
}

async fn explanation<P: Payload>(
    gate: &Gate,
    record: &mut Record,
    arrival: Arrival,
    ask: &Ask,
    payload: P,
) -> Result<Explanation, Rejection> {
    let principal = identity::authenticate(gate, arrival, record)?;
    let permit = policy::authorize(principal, ask, gate.now(), record)?;
    let admission = perimeter::limit(gate, permit)?;
    let shown = explain::shown(&admission, gate.now())?; // nobody's body is read for what cannot be told
    let (valid, wanted) = input::validate_one(admission, payload, record).await?;
    let mut screened = input::screen(valid, record);
    let paid = explain::charge(&mut screened, wanted)?; // before the model runs
    let inference = infer::infer(gate, screened).await?;
    let verdict = output::judge(inference, record)?;
    let reasons = explain::explain(gate, &verdict, paid, &shown).await?;
    Ok(explain::sanitize(verdict, reasons))
}
