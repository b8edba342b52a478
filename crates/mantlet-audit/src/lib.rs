//! The transparency log, and a verifier that shares no code with the writer.
//!
//! Every decision of Mantlet becomes an [`Entry`](mantlet_types::Entry) in an append-only Merkle tree, in the public
//! formats of C2SP (tlog-tiles, tlog-checkpoint, signed-note, tlog-proof), so that anybody's tools can check it.
//! [`Log`] writes, [`read`] reads without a lock, [`verify`] trusts nothing that the others compute.
//!
//! This crate knows entries and files. It knows nothing of requests, models or policy, and never sees an input, an
//! output or a key of a caller.

pub mod checkpoint;
pub mod clock;
pub mod disk;
mod encode;
pub mod flood;
mod frame;
pub mod log;
pub mod merkle;
pub mod note;
pub mod proof;
mod publish;
mod publishing;
mod queue;
pub mod read;
mod receipt;
mod recover;
mod tile;
pub mod verify;

mod wal;
mod writer;

pub use checkpoint::Checkpoint;
pub use flood::Aggregator;
pub use log::{Acknowledgement, AppendError, Durability, Health, Log, Options, Receipt, SealReason};
pub use note::{SigningKey, VerifierKey};
pub use proof::Proof;
pub use receipt::RECEIPT_CHARS;
pub use recover::{OpenError, Recovery};
