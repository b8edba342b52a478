//! Door 1 for two versions at once: the live one and another answer the same rows, and how they differ is what leaves.
//!
//! ```text
//! authenticate → authorize (both) → limit → validate → screen → infer → judge → compare → audit
//! ```
//!
//! Nobody is served an answer. What compares comes from outside the gate ([`Comparing`]) and gets all guesses at once; the
//! digest of the document that it makes is in the audit entry, so that whoever has the receipt can prove what was said.

use std::sync::Arc;

use mantlet_types::{Contract, Rejection, Sha256, entry::Event, question::Scalar, quota::Standing};

use super::Ask;
use crate::{
    Gate,
    audit::{self, Fallen, Released},
    identity::{self, Arrival},
    infer, input,
    output::{self, Scores},
    perimeter, policy,
    record::Record,
    unabandoned::unabandoned,
};

/// How an entry's subject begins that names a comparison's document, by its SHA-256 in hexadecimal.
pub const COMPARISON: &str = "comparison:";

/// The body of a comparison, not yet read.
pub trait Trial: Send + 'static {
    /// What compares the answers.
    type Comparing: Comparing;

    /// Reads, bounds and decodes the body, for two contracts.
    ///
    /// # Errors
    /// As [`super::Payload::read`]; also if what the two answer cannot be compared.
    fn read(
        self,
        live: &Contract,
        beside: &Contract,
    ) -> impl Future<Output = Result<Pairs<Self::Comparing>, Rejection>> + Send;
}

/// A decoded comparison: the same rows, once in each contract's feature order.
#[derive(Debug)]
pub struct Pairs<C> {
    /// Rows for the live version.
    pub live: Vec<Vec<Scalar>>,
    /// The same rows for the version beside it.
    pub beside: Vec<Vec<Scalar>>,
    /// Length of the body as received, in bytes.
    pub body_bytes: usize,
    /// What compares the answers.
    pub comparing: C,
}

/// One version's answers.
#[derive(Debug)]
pub struct Side {
    /// What answered.
    pub contract: Arc<Contract>,
    /// What it guessed, before anything was withheld.
    pub scores: Scores,
    /// Time that a row took: the median over all batches, in microseconds. Waiting for a turn does not count.
    pub us_per_row: f64,
}

/// Makes a document of how two versions' answers to the same rows differ.
pub trait Comparing: Send + 'static {
    /// Compares. May take its time: it runs in the pool.
    ///
    /// # Errors
    /// If the answers cannot be compared, or there are too few of them to speak of.
    fn compare(self, live: Side, beside: Side) -> Result<String, Rejection>;
}

/// What a caller gets of a comparison.
#[derive(Debug)]
pub struct Compared {
    /// What is to be said of the answers: one JSON document.
    pub document: String,
    /// Its SHA-256, which the entry names.
    pub digest: Sha256,
    /// How the caller's limit of predictions stands.
    pub standing: Standing,
}

/// Mediates one comparison of a version with the live one, from arrival to release. [`Ask::version`] names it.
pub async fn compare<T: Trial>(gate: Arc<Gate>, arrival: Arrival, ask: Ask, trial: T) -> Released<Compared> {
    let (gated, fallen) = (Arc::clone(&gate), Fallen::of(Event::Inference, &arrival));
    let work = async move { compared(&gated, arrival, ask, trial).await };
    unabandoned(work, move || audit::panicked(&gate, &fallen)).await
}

async fn compared<T: Trial>(gate: &Gate, arrival: Arrival, ask: Ask, trial: T) -> Released<Compared> {
    let mut record = Record::of(gate, Event::Inference, &arrival);
    let outcome = difference(gate, &mut record, arrival, &ask, trial).await;
    audit::release(gate, record, outcome.map(|compared| (compared, 200))).await
}

async fn difference<T: Trial>(
    gate: &Gate,
    record: &mut Record,
    arrival: Arrival,
    ask: &Ask,
    trial: T,
) -> Result<Compared, Rejection> {
    let principal = identity::authenticate(gate, arrival, record)?;
    let pair = policy::authorize_pair(principal, ask, gate.now(), record)?;
    let admission = perimeter::limit_pair(gate, pair)?;
    let valid = input::validate_pair(gate, admission, trial, record).await?; // also charges for the rows, for both
    let screened = input::screen_pair(valid, record);
    let sitting = infer::infer_pair(gate, screened, record.behalf()).await?;
    let judged = output::judge_pair(sitting)?;
    output::compare(gate, judged, record).await
}
