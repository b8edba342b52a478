//! Door 1: every question to a model.
//!
//! ```text
//! authenticate → authorize → limit → validate → screen → infer → judge → hold → sanitize → audit
//! ```
//!
//! Each step takes the proof of the one before. The listener hands over what arrived and gets back what may leave.

mod compare;
mod complete;

use std::sync::Arc;

use mantlet_types::{
    Action, Contract, ModelName, Rejection, Version, VersionRef, entry::Event, question::Question,
    question::Scalar,
};

use crate::{
    Gate,
    audit::{self, Fallen, Released},
    directory::Directory,
    explain::{self, Explanation},
    identity::{self, Arrival},
    infer, input,
    output::{self, Answer, Marked, Scores},
    perimeter::{self, Admission},
    policy,
    record::Record,
    releases::alias,
    reviews,
    unabandoned::unabandoned,
};

pub use compare::{COMPARISON, Compared, Comparing, Pairs, Side, Trial, compare};
pub use complete::{Completed, Letter, Served, complete, interrupted};

/// What is asked of which model.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The model.
    pub model: ModelName,
    /// A particular version, by its number or a name; the live one if absent. A name is resolved in the directory by which
    /// the question is decided, so that it means one version from the first step to the last.
    pub version: Option<VersionRef>,
    /// [`Action::Predict`] or one that reads.
    pub action: Action,
}

impl Ask {
    /// The number of the version that is meant; none for the live one.
    pub(crate) fn number(&self, directory: &Directory) -> Option<Version> {
        alias::number_or_live(directory, &self.model, self.version.as_ref())
    }
}

/// The body of a request, not yet read. Reading it is part of validation, so a stranger's body is never read.
pub trait Payload: Send + 'static {
    /// Reads, bounds and decodes the body; the contract helps to decode, and to name what is wrong.
    ///
    /// # Errors
    /// If the body is too large, too slow, cut off or not what the protocol says.
    fn read(self, contract: &Contract) -> impl Future<Output = Result<Question, Rejection>> + Send;
}

/// A request that names its model inside its message, as gRPC's do: it has to be opened before anybody can say whether
/// its caller may ask that model.
pub trait Envelope: Send + 'static {
    /// What is in it beside the model's name.
    type Payload: Payload;

    /// What it asks for, of whichever model.
    fn action(&self) -> Action;

    /// Reads and bounds the message, and finds out which model it asks. Opened is one from a known principal only.
    ///
    /// # Errors
    /// If the message is too large, too slow, cut off, or names nothing that could be a model.
    fn open(self) -> impl Future<Output = Result<(Ask, Self::Payload), Rejection>> + Send;
}

/// The body of an evaluation, not yet read: rows, what is true of them, and how the answers are marked.
pub trait Exam: Send + 'static {
    /// What marks the answers.
    type Marking: Marking;

    /// Reads, bounds and decodes the body.
    ///
    /// # Errors
    /// As [`Payload::read`]; also if there is nothing to compare the model's answers with.
    fn read(
        self,
        contract: &Contract,
    ) -> impl Future<Output = Result<Paper<Self::Marking>, Rejection>> + Send;
}

/// A decoded evaluation.
#[derive(Debug)]
pub struct Paper<M> {
    /// Rows of values in the contract's feature order.
    pub rows: Vec<Vec<Scalar>>,
    /// Length of the body as received, in bytes.
    pub body_bytes: usize,
    /// What marks the answers.
    pub marking: M,
}

/// Makes a report of a model's answers to rows of which the truth is known.
///
/// It is given what the model guessed before anything was withheld, so its report is about all rows together.
pub trait Marking: Send + 'static {
    /// What the caller gets.
    type Report: Send + 'static;

    /// Marks. May take its time: it runs in the pool.
    ///
    /// # Errors
    /// If the answers cannot be marked.
    fn mark(self, contract: &Contract, scores: Scores) -> Result<Self::Report, Rejection>;

    /// The report as the document that leaves, of the live version or of another. Its digest is in the audit entry, so
    /// that whoever has document and receipt can show what was found.
    ///
    /// # Errors
    /// If it cannot be written.
    fn document(report: &Self::Report, candidate: bool) -> Result<String, Rejection>;
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
    admitted(gate, record, admission, payload).await
}

/// What becomes of a question once its caller is admitted, whichever way it came.
async fn admitted<P: Payload>(
    gate: &Gate,
    record: &mut Record,
    admission: Admission,
    payload: P,
) -> Result<Answer, Rejection> {
    let valid = input::validate(admission, payload, record).await?; // also charges for the rows that it finds
    let screened = input::screen(valid, record);
    let inference = infer::infer(gate, screened, || record.behalf()).await?;
    let verdict = output::judge(inference, record)?;
    let settled = reviews::hold(gate, verdict, record).await?; // what waits for a person is durable before anything leaves
    Ok(output::sanitize(settled))
}

/// Mediates one question that names its model inside its message, from arrival to release: door 1 with a step before.
///
/// ```text
/// authenticate → seat → open → authorize → limit → and on as above
/// ```
pub async fn mediate_envelope<E: Envelope>(
    gate: Arc<Gate>,
    arrival: Arrival,
    envelope: E,
) -> Released<Answer> {
    let (gated, fallen) = (Arc::clone(&gate), Fallen::of(Event::Inference, &arrival));
    let work = async move { mediated_envelope(&gated, arrival, envelope).await };
    unabandoned(work, move || audit::panicked(&gate, &fallen)).await
}

async fn mediated_envelope<E: Envelope>(gate: &Gate, arrival: Arrival, envelope: E) -> Released<Answer> {
    let mut record = Record::of(gate, Event::Inference, &arrival);
    let outcome = opened(gate, &mut record, arrival, envelope).await;
    audit::release(gate, record, outcome.map(|answer| (answer, 200))).await
}

async fn opened<E: Envelope>(
    gate: &Gate,
    record: &mut Record,
    arrival: Arrival,
    envelope: E,
) -> Result<Answer, Rejection> {
    let principal = identity::authenticate(gate, arrival, record)?;
    record.request(envelope.action(), None); // of which model, authorization will say
    let seat = perimeter::seat(gate, &principal)?; // nobody's messages are in memory without bound
    let opening = perimeter::opening(gate, &principal)?; // nor are they read without end for nothing
    let (ask, payload) = envelope.open().await?;
    let permit = policy::authorize(principal, &ask, gate.now(), record)?;
    let admission = perimeter::limit_seated(gate, permit, seat)?;
    opening.admitted();
    admitted(gate, record, admission, payload).await
}

/// Mediates one request to explain an answer, from arrival to release: door 1 with one step more.
///
/// ```text
/// authenticate → authorize → limit → validate → screen → charge → infer → judge → hold → explain → sanitize → audit
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
    let shown = explain::shown(gate, &admission, gate.now()).await?; // nobody's body is read for what cannot be told
    let (valid, wanted) = input::validate_one(admission, payload, record).await?;
    let mut screened = input::screen(valid, record);
    let paid = explain::charge(&mut screened, wanted)?; // before the model runs
    let inference = infer::infer(gate, screened, || record.behalf()).await?;
    let verdict = output::judge(inference, record)?;
    let settled = reviews::hold(gate, verdict, record).await?; // asking for the reasons is no way around a person
    let reasons = explain::explain(gate, &settled, paid, &shown, record.behalf()).await?;
    Ok(explain::sanitize(settled, reasons))
}

/// Mediates one evaluation from arrival to release: the same steps as a question takes, in the same order, with
/// marking in the place of sanitizing.
pub async fn examine<E: Exam>(
    gate: Arc<Gate>,
    arrival: Arrival,
    ask: Ask,
    exam: E,
) -> Released<Marked<<E::Marking as Marking>::Report>> {
    let (gated, fallen) = (Arc::clone(&gate), Fallen::of(Event::Inference, &arrival));
    let work = async move { examined(&gated, arrival, ask, exam).await };
    unabandoned(work, move || audit::panicked(&gate, &fallen)).await
}

async fn examined<E: Exam>(
    gate: &Gate,
    arrival: Arrival,
    ask: Ask,
    exam: E,
) -> Released<Marked<<E::Marking as Marking>::Report>> {
    let mut record = Record::of(gate, Event::Inference, &arrival);
    let outcome = mark(gate, &mut record, arrival, &ask, exam).await;
    audit::release(gate, record, outcome.map(|report| (report, 200))).await
}

async fn mark<E: Exam>(
    gate: &Gate,
    record: &mut Record,
    arrival: Arrival,
    ask: &Ask,
    exam: E,
) -> Result<Marked<<E::Marking as Marking>::Report>, Rejection> {
    let principal = identity::authenticate(gate, arrival, record)?;
    let permit = policy::authorize(principal, ask, gate.now(), record)?;
    let admission = perimeter::limit(gate, permit)?;
    let valid = input::validate_exam(gate, admission, exam, record).await?; // also charges for the rows that it finds
    let screened = input::screen_exam(valid, record);
    let sitting = infer::infer_all(gate, screened, record.behalf()).await?;
    let judged = output::judge_exam(sitting)?;
    output::mark(gate, judged, record).await
}
