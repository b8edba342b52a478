//! What a served model's traffic tells: drift of inputs and answers, performance without labels,
//! anomalies, and principals that probe. Numbers in, judgments out: no I/O, no clock, no async.
//!
//! # How a gate feeds it
//!
//! Nothing here is shared or locked; who serves keeps one value of each per model (or per principal) and decides what a judgment brings about.
//!
//! | step of a request | takes | gives |
//! |---|---|---|
//! | screen | [`anomaly::Screen::look`] of the row | [`anomaly::Evidence`], for the audit entry and never for the caller |
//! | judge | [`calibrate::Threshold`], [`calibrate::Conformal::set`] | whether the answer is given |
//! | after the answer | [`drift::Monitor::observe`]: features, prediction, confidence, abstention as columns, and the time | [`drift::Event`]s; an alarm is an alert |
//! | after the answer | [`probing::Prober::observe`] of the principal: the row and the margin of the model's probabilities | [`probing::Level`], before the next answer |
//! | after the answer | [`probing::Distinct::observe`] of a keyed digest of the row | what a budget is charged by |
//! | when labels come | [`performance::ErrorRate::observe`], [`performance::Cbpe::estimate`] for chunks without | an alarm |
//!
//! All of it has a state that is written down with serde, checked when it is read, and of a size that is stated beside it. Monitors and counts of
//! replicas are merged; probers are not, so a principal's queries go to one replica or its levels are the greatest of all.

pub mod anomaly;
pub mod calibrate;
pub mod drift;
pub mod performance;
pub mod probing;
pub mod replay;
pub mod stats;

#[cfg(test)]
mod fixtures;
