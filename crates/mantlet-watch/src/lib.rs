//! What a served model's traffic tells: drift of inputs and answers, performance without labels,
//! anomalies, and principals that probe. Numbers in, judgments out: no I/O, no clock, no async.

pub mod anomaly;
pub mod calibrate;
pub mod drift;
pub mod performance;
pub mod probing;
pub mod replay;
pub mod stats;

#[cfg(test)]
mod fixtures;
