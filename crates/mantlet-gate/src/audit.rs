//! The last step of both doors: nothing leaves that is not written down.

use std::{net::IpAddr, sync::Arc};

use mantlet_types::{
    Code, Entry, Rejection, RequestId,
    entry::{Event, Phase},
};

use crate::{
    Gate,
    identity::Arrival,
    ports::{LedgerClosed, Receipt},
    record::Record,
};

/// What may leave: an answer whose entry is durable, or a rejection whose entry is handed over.
///
/// The constructor is private to this module, so a listener cannot answer around the log.
pub struct Released<T> {
    outcome: Result<T, Rejection>,
    receipt: Option<Receipt>,
}

impl<T> Released<T> {
    /// The answer or rejection to send, with the receipt for its entry.
    pub fn into_parts(self) -> (Result<T, Rejection>, Option<Receipt>) {
        (self.outcome, self.receipt)
    }
}

impl Released<()> {
    /// The same with the reply that was kept aside for it. One that is not there is a failure.
    pub(crate) fn replied<T>(self, reply: impl FnOnce() -> Option<T>) -> Released<T> {
        let outcome = self.outcome.and_then(|()| reply().ok_or_else(|| Code::Unavailable.into()));
        Released { outcome, receipt: self.receipt }
    }
}

/// Writes the entry and releases the outcome. An answer waits for durability; a rejection does not, because
/// rejecting must stay cheaper than answering.
pub(crate) async fn release<T>(
    gate: &Gate,
    record: Record,
    outcome: Result<(T, u16), Rejection>,
) -> Released<T> {
    match outcome {
        Ok((answer, status)) => match append(gate, record, status).await {
            Ok(receipt) => Released { outcome: Ok(answer), receipt: Some(receipt) },
            Err(LedgerClosed) => closed(),
        },
        Err(rejection) => {
            explain(&record, &rejection);
            match note(gate, record, &rejection) {
                Ok(()) => Released { outcome: Err(rejection), receipt: None },
                Err(LedgerClosed) => closed(),
            }
        }
    }
}

/// Writes the intent of something that takes its time, and waits for it to be durable. What is recorded from then on is its
/// outcome.
///
/// # Errors
/// 503 if the log does not take it.
pub(crate) async fn intend(gate: &Gate, record: &mut Record) -> Result<Receipt, Rejection> {
    let closed = |LedgerClosed| Rejection::new(Code::AuditUnavailable);
    let mut intent = record.entry().clone();
    intent.phase = Phase::Intent;
    let receipt = gate.ledger.append(intent).map_err(closed)?.await.map_err(closed)?;
    record.entry().phase = Phase::Outcome;
    record.entry().intent_idx = Some(receipt.idx);
    Ok(receipt)
}

/// The one outcome of something whose intent is in the log. Dropped without a word it says that there was none, whatever the
/// reason: a panic, or the end of the process's work.
pub(crate) struct Outcome {
    gate: Arc<Gate>,
    record: Option<Record>,
}

impl Outcome {
    /// Of what this record began.
    pub(crate) fn of(gate: Arc<Gate>, record: Record) -> Self {
        Self { gate, record: Some(record) }
    }

    /// Writes it down.
    ///
    /// # Errors
    /// 503 if the log does not take it.
    pub(crate) fn conclude(mut self, write: impl FnOnce(Record) -> Entry) -> Result<(), Rejection> {
        let Some(record) = self.record.take() else { return Ok(()) };
        self.gate.ledger.note(write(record)).map_err(|LedgerClosed| Code::AuditUnavailable.into())
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            // A log that takes nothing more has sealed the node already.
            let _ = self.gate.ledger.note(record.rejected(&Rejection::new(Code::Unavailable)));
        }
    }
}

/// Releases something that goes on, once its intent is durable.
pub(crate) fn begun<T>(receipt: Receipt, going: T) -> Released<T> {
    Released { outcome: Ok(going), receipt: Some(receipt) }
}

/// Why something was rejected, for the operator. Strangers can be rejected as often as they like, so that theirs are told
/// only to whoever asks for them: the disk that these lines end up on is finite, and the log may share it.
fn explain(record: &Record, rejection: &Rejection) {
    let Some(cause) = &rejection.cause else { return };
    let (request_id, code) = (record.request_id().map(tracing::field::display), rejection.code);
    if record.is_authenticated() {
        tracing::warn!(request_id, %code, %cause, "rejected");
    } else {
        tracing::debug!(request_id, %code, %cause, "rejected");
    }
}

fn closed<T>() -> Released<T> {
    Released { outcome: Err(Code::AuditUnavailable.into()), receipt: None }
}

/// A door's work panicked: a defect in the gate. The caller learns what any other failure tells, and
/// since an answer is released by its durable entry alone, none has left. Who asked is lost with it, so nobody's
/// budget bounds these entries: they have one of their own.
pub(crate) fn panicked<T>(gate: &Gate, fallen: &Fallen) -> Released<T> {
    tracing::error!(request_id = %fallen.request_id, "mediation failed");
    let rejection = Rejection::new(Code::Unavailable);
    let node = gate.ledger.node().clone();
    let record = Record::new(fallen.event, node, fallen.request_id, fallen.ip, None);
    if !gate.denials.admits(None, gate.snapshot().settings.denials_per_minute) {
        gate.ledger.failure(rejection.code, fallen.ip);
    } else if gate.ledger.note(record.rejected(&rejection)).is_err() {
        return closed();
    }
    Released { outcome: Err(rejection), receipt: None }
}

/// What is still known of a request whose work is gone.
pub(crate) struct Fallen {
    event: Event,
    request_id: RequestId,
    ip: IpAddr,
}

impl Fallen {
    /// Should it come to that.
    pub(crate) fn of(event: Event, arrival: &Arrival) -> Self {
        Self { event, request_id: arrival.request_id, ip: arrival.ip }
    }
}

async fn append(gate: &Gate, record: Record, status: u16) -> Result<Receipt, LedgerClosed> {
    gate.ledger.append(record.answered(status))?.await
}

/// Three ways for a rejection into the log: aggregated by address (nobody known asked), aggregated by principal (a
/// known one floods, with whatever it is that is rejected), or an entry of its own. An outcome always is one: its intent
/// is in the log already, and must not stay without an end.
fn note(gate: &Gate, record: Record, rejection: &Rejection) -> Result<(), LedgerClosed> {
    if !record.is_authenticated() {
        if let Some(ip) = record.client_ip() {
            gate.ledger.failure(rejection.code, ip);
        }
        return Ok(());
    }
    let entry = record.rejected(rejection);
    let budgeted = entry.principal.is_some() && entry.phase != Phase::Outcome;
    let per_minute = gate.snapshot().settings.denials_per_minute;
    if budgeted && !gate.denials.admits(entry.principal.as_ref(), per_minute) {
        if !gate.ledger.is_open() {
            return Err(LedgerClosed);
        }
        gate.ledger.denial(rejection.code, &entry);
        return Ok(());
    }
    gate.ledger.note(entry)
}
