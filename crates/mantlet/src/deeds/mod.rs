//! Deeds that need more than the gate: the log's files, loaded models, the configuration's text.

pub mod audit;
pub mod models;
pub mod reload;
pub mod update;
