//! Networks: which packets from the internet reach a model server, decided over all addresses at once.

pub mod lines;
pub mod model;
pub mod ranges;
pub mod reach;

mod filter;
mod read;
