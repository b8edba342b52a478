//! What the gate needs from outside: a model to ask, a ledger to write to, a clock.

use std::{net::IpAddr, pin::Pin, sync::Arc};

use mantlet_types::{Code, Contract, Entry, ModelName, NodeId, Tensor, Timestamp};

use crate::{administer::Warrant, directory::Change, infer::ModelInput};

/// A verified model, loaded and ready.
pub trait Model: Send + Sync {
    /// What the model takes, gives and promises.
    fn contract(&self) -> &Arc<Contract>;

    /// The same model with the threshold that this gives for its package's; whatever is large is shared.
    ///
    /// # Errors
    /// If it gives none, and says why.
    fn judged_by(&self, threshold: &Threshold) -> Result<Arc<dyn Model>, String>;

    /// Where a request of so many rows should run.
    fn placement(&self, rows: usize) -> Placement;

    /// Computes. The tensors are in the contract's input order and of its types; only the gate can make a
    /// [`ModelInput`], so only the gate can ask.
    ///
    /// # Errors
    /// If the engine fails; the cause is for the log.
    fn run(&self, input: ModelInput) -> Result<RawOutput, EngineFault>;
}

/// Chooses a model's threshold from its name and its package's threshold, or says why that cannot be.
pub type Threshold = dyn Fn(&ModelName, f64) -> Result<f64, String> + Send + Sync;

/// Where a model's work belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Microseconds at most: on the thread that serves the request.
    Inline,
    /// Longer: in the bounded pool, under a deadline.
    Pool,
}

/// All outputs of one run, in the contract's order.
#[derive(Debug)]
pub struct RawOutput(pub Vec<Tensor>);

/// Why a run gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum EngineFault {
    /// The engine failed. The text is for the log only.
    #[error("{0}")]
    Broken(String),
    /// The model has no answer for a value that its contract could not rule out, such as an unknown category.
    #[error("the model does not know a value")]
    UnknownValue,
}

/// The node has sealed its log, or the log cannot take more: nothing may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit log takes no more entries")]
pub struct LedgerClosed;

/// An opaque receipt for a durable entry: what the `Mantlet-Receipt` header carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Opaque text; says nothing of position or volume.
    pub token: Box<str>,
    /// The entry's index, for intents that an outcome refers to. Never shown to callers.
    pub idx: u64,
}

/// Resolves when the entry is durable, or is known not to become so.
pub type Acknowledgement = Pin<Box<dyn Future<Output = Result<Receipt, LedgerClosed>> + Send>>;

/// The audit log.
pub trait Ledger: Send + Sync {
    /// This node's name in the log.
    fn node(&self) -> &NodeId;

    /// Hands over an entry whose answer waits for it.
    ///
    /// # Errors
    /// If the log is sealed or its queue full.
    fn append(&self, entry: Entry) -> Result<Acknowledgement, LedgerClosed>;

    /// Hands over an entry that nobody waits for: a rejection.
    ///
    /// # Errors
    /// If the log is sealed or its queue full.
    fn note(&self, entry: Entry) -> Result<(), LedgerClosed>;

    /// Counts a failure before authentication; becomes part of an aggregate entry. Never blocks, never fails: floods
    /// must not be able to seal the node.
    fn failure(&self, code: Code, ip: IpAddr);

    /// Counts a denial over a principal's budget for entries of its own; becomes part of an aggregate entry with
    /// these members.
    fn denial(&self, code: Code, entry: &Entry);

    /// Whether the log takes entries.
    fn is_open(&self) -> bool;
}

/// Wall-clock time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// What must survive a restart.
pub trait Store: Send + Sync {
    /// Makes changes durable, all or none, and says which generation of the store they made. Only door 2 can make a
    /// [`Warrant`].
    ///
    /// # Errors
    /// If the store did not take them; then none was taken.
    fn commit<'a>(
        &'a self,
        warrant: &'a Warrant,
        changes: &'a [Change],
    ) -> Pin<Box<dyn Future<Output = Result<u64, StoreFault>> + Send + 'a>>;
}

/// The store failed. The text is for the log only.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StoreFault(pub String);
