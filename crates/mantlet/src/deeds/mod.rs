//! Deeds that need more than the gate: the log's files, a package's bytes, the configuration's text.

pub mod audit;
pub mod reload;
