//! What the gate needs from outside: a model to ask, a ledger to write to, a clock.

use std::{
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use mantlet_types::{
    Code, Contract, Entry, ModelName, NodeId, PrincipalId, RequestId, Tensor, Timestamp, entry::Token,
};

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

    /// What explains its answers, if the package came with what that takes.
    fn explainer(&self) -> Option<&dyn Explainer> {
        None
    }

    /// What reaches it, if it runs elsewhere; it is then asked there and [`Model::run`] is not called.
    fn remote(&self) -> Option<&dyn Remote> {
        None
    }

    /// Whether it answers now, as far as is known.
    fn is_ready(&self) -> bool {
        true
    }

    /// The same model, reached as this says; `None` for one that runs here.
    fn reached_by(&self, _reach: &Reach) -> Option<Arc<dyn Model>> {
        None
    }
}

/// What reaches one model that runs elsewhere. What it gives is a model's raw output like any other: the gate judges it.
pub trait Remote: Send + Sync {
    /// Asks. No thread is held while the answer is awaited; who stops waiting drops the future.
    fn ask<'a>(&'a self, input: ModelInput, behalf: &'a Behalf) -> Asked<'a>;

    /// How many questions it takes at a time, from everybody together; at least one.
    fn concurrent_max(&self) -> usize;

    /// Whether it answers now, as far as is known.
    fn is_ready(&self) -> bool;
}

/// An answer on its way from elsewhere: all outputs, whole, in the contract's order; or why there is none.
pub type Asked<'a> = Pin<Box<dyn Future<Output = Result<RawOutput, EngineFault>> + Send + 'a>>;

/// Finds what reaches a model that runs elsewhere; `None` if nobody said where that is.
pub type Reach = dyn Fn(&Arc<Contract>, &Elsewhere) -> Option<Arc<dyn Remote>> + Send + Sync;

/// How a model that runs elsewhere is called there. Where that is, its package never says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// Its name.
    pub model: Arc<str>,
    /// Its version; the one that answers there, if absent.
    pub version: Option<Arc<str>>,
}

/// On whose behalf a model elsewhere is asked. None of it is told there unless the operator says so.
#[derive(Clone, Debug, Default)]
pub struct Behalf {
    /// The request's id here.
    pub request_id: Option<RequestId>,
    /// W3C trace id, if the request carried one.
    pub trace_id: Option<Token>,
    /// Who asks.
    pub principal: Option<PrincipalId>,
    /// From where.
    pub ip: Option<IpAddr>,
}

/// What explains single answers of one model: how much each feature added to what the model says on average over
/// background rows (Shapley values).
pub trait Explainer: Send + Sync {
    /// What one explanation takes.
    fn effort(&self) -> Effort;

    /// Explains the answer to one row, in the tensors that the model took.
    ///
    /// Whatever it wants to know of the model it asks `evaluate`, for at most [`Case::rows_at_once`] rows at a time and
    /// for at most one row more in all than [`Case::evaluations`]; the gate counts.
    ///
    /// # Errors
    /// If the engine fails, or the explanation would not be of what the model answered.
    fn explain(&self, case: &Case<'_>, evaluate: &mut Evaluate<'_>) -> Result<Attributions, EngineFault>;
}

/// Runs the model on rows, for an explainer.
pub type Evaluate<'a> = dyn FnMut(Vec<Tensor>) -> Result<RawOutput, EngineFault> + 'a;

/// What one explanation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// A fixed amount of work, for exact attributions.
    Exact,
    /// Evaluations of the model, the more the more certain.
    Sampled {
        /// With fewer nothing can be said of the certainty.
        least: usize,
        /// More take too long.
        most: usize,
    },
}

/// An answer to explain.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The row, in the contract's input order.
    pub row: &'a [Tensor],
    /// The class that was answered; `None` for a regression.
    pub class: Option<usize>,
    /// Evaluations that are paid for, where attributions are sampled.
    pub evaluations: usize,
    /// Rows that the model takes at a time.
    pub rows_at_once: usize,
    /// When nobody waits any longer; exact work has to look at it, `evaluate` does by itself.
    pub ends: Instant,
}

/// What each feature added.
#[derive(Clone, Debug, PartialEq)]
pub struct Attributions {
    /// How they were found.
    pub method: Method,
    /// In what they are measured.
    pub scale: Scale,
    /// What the model says on average over the background.
    pub base: f64,
    /// What it says of the row. The attributions sum to `output - base`.
    pub output: f64,
    /// One for each feature of the contract.
    pub values: Vec<f64>,
    /// Their standard errors, where they are sampled.
    pub errors: Option<Vec<f64>>,
    /// Evaluations of the model that were made.
    pub evaluations: usize,
}

/// How attributions were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Exactly, from the weights of a linear model.
    Linear,
    /// Exactly, from the trees of an ensemble.
    Tree,
    /// By sampling.
    Sampling,
}

impl Method {
    /// The name in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Tree => "tree",
            Self::Sampling => "sampling",
        }
    }
}

/// In what attributions are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// In probability, 0 to 1.
    Probability,
    /// In logarithms of odds: 0 is even, +1 is e to one.
    LogOdds,
    /// In the model's own score of a class, from which it makes probabilities, or which it gives instead of one.
    Score,
    /// In the unit of the value.
    Value,
}

impl Scale {
    /// The name in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Probability => "probability",
            Self::LogOdds => "log_odds",
            Self::Score => "score",
            Self::Value => "value",
        }
    }
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
    /// Nobody was asked, because too many are being, or because too many failed; it is worth trying again. The text is
    /// for the log only.
    #[error("{why}")]
    Busy {
        /// Why.
        why: String,
        /// When.
        retry_after: Duration,
    },
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
