//! The last step of both doors: nothing leaves that is not written down.

use mantlet_types::{Code, Rejection, RequestId, entry::Decision};

use crate::{
    Gate,
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
            if let Some(cause) = &rejection.cause {
                tracing::warn!(request_id = record.request_id().map(tracing::field::display),
                    code = %rejection.code, cause = %cause, "rejected");
            }
            match note(gate, record, &rejection) {
                Ok(()) => Released { outcome: Err(rejection), receipt: None },
                Err(LedgerClosed) => closed(),
            }
        }
    }
}

fn closed<T>() -> Released<T> {
    Released { outcome: Err(Code::AuditUnavailable.into()), receipt: None }
}

/// A door's task ended without an outcome: a defect in the gate. The caller learns what any other failure tells, and
/// since an answer is released by its durable entry alone, none has left.
pub(crate) fn panicked<T>(id: RequestId, error: &tokio::task::JoinError) -> Released<T> {
    tracing::error!(request_id = %id, %error, "mediation failed");
    Released { outcome: Err(Code::Unavailable.into()), receipt: None }
}

async fn append(gate: &Gate, record: Record, status: u16) -> Result<Receipt, LedgerClosed> {
    gate.ledger.append(record.answered(status))?.await
}

/// Three ways for a rejection into the log: aggregated by address (nobody known asked), aggregated by principal (a
/// known one floods), or an entry of its own.
fn note(gate: &Gate, record: Record, rejection: &Rejection) -> Result<(), LedgerClosed> {
    if !record.is_authenticated() {
        if let Some(ip) = record.client_ip() {
            gate.ledger.failure(rejection.code, ip);
        }
        return Ok(());
    }
    let denied = record.decision_is(Decision::Deny) || rejection.code == Code::RateLimited;
    let entry = record.rejected(rejection);
    if denied && !gate.denials.admits(entry.principal.as_ref(), gate.snapshot().settings.denials_per_minute) {
        gate.ledger.denial(rejection.code, &entry);
        return Ok(());
    }
    gate.ledger.note(entry)
}
