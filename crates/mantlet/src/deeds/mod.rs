//! Deeds that need more than the gate: the log's files, loaded models, the configuration's text.

pub mod attach;
pub mod audit;
pub mod documents;
pub mod history;
pub mod models;
pub mod reload;
pub mod update;
