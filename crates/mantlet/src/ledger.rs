//! The gate's port to the audit log.

use std::{net::IpAddr, sync::Arc};

use mantlet_audit::{Log, flood::Denial};
use mantlet_gate::ports::{Acknowledgement, Clock, Ledger, LedgerClosed, Receipt};
use mantlet_types::{Code, Entry, NodeId, Timestamp, entry::Event};

/// The log under the gate's port.
pub struct LogLedger {
    log: Arc<Log>,
    node: NodeId,
}

impl LogLedger {
    /// Puts an open log under the port.
    #[must_use]
    pub fn new(log: Arc<Log>, node: NodeId) -> Self {
        Self { log, node }
    }
}

impl Ledger for LogLedger {
    fn node(&self) -> &NodeId {
        &self.node
    }

    fn append(&self, entry: Entry) -> Result<Acknowledgement, LedgerClosed> {
        let pending = self.log.append(entry);
        let log = Arc::clone(&self.log);
        Ok(Box::pin(async move {
            let receipt = pending.await.map_err(|_| LedgerClosed)?;
            let token = log.receipt(receipt).ok_or(LedgerClosed)?;
            Ok(Receipt { token: token.into(), idx: receipt.index })
        }))
    }

    fn note(&self, entry: Entry) -> Result<(), LedgerClosed> {
        self.log.note(entry).map_err(|_| LedgerClosed)
    }

    fn failure(&self, code: Code, ip: IpAddr) {
        self.log.flood().failure(Event::AuthFail, code, ip, SystemClock.now());
    }

    fn denial(&self, code: Code, entry: &Entry) {
        let Some(principal) = entry.principal.clone() else { return };
        let denial = Denial {
            event: entry.event,
            code,
            principal,
            decision: entry.decision,
            action: entry.action,
            resource: entry.resource.clone(),
            project: entry.project.clone(),
        };
        self.log.flood().denial(&denial, SystemClock.now());
    }

    fn is_open(&self) -> bool {
        self.log.health().refusal.is_none()
    }
}

/// The machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(now).plus_seconds(crate::faults::clock_ahead_s())
    }
}
