//! What stands around a model in the cloud: permissions and networks are read from files, checked against
//! the rules of machine-learning deployments, and questions about them are decided exactly.
//! Texts in, findings and proofs out: no network, no async.

pub mod iam;
pub mod json;
pub mod network;
pub mod terraform;
pub mod tree;
