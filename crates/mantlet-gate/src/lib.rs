//! The request path and every check on it.
//!
//! Two doors lead in: [`mediate`] for questions to models and [`administer`] for everything that reads or changes
//! the gate's own state. Each step of a door consumes the proof that the step before it returned, and proofs have
//! private constructors, so skipping a step does not compile. The gate knows no HTTP, no disk and no model runtime:
//! what it needs from outside it asks for through [`ports`].

pub mod administer;
pub mod approvals;
pub mod audit;
pub mod budget;
pub mod changes;
pub mod deployments;
pub mod directory;
pub mod disable;
pub mod explain;
pub mod gate;
pub mod identity;
pub mod infer;
pub mod input;
pub mod mediate;
pub mod output;
pub mod people;
pub mod perimeter;
pub mod policy;
pub mod ports;
pub mod record;
pub mod releases;
pub mod reviews;
pub mod routes;
pub mod secrets;
pub mod snapshot;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod unabandoned;
pub mod urls;

pub use gate::Gate;
pub use snapshot::Snapshot;
