//! Principals that probe: who sends rows that no customer has, or many that are nearly one another, learns the model and not the answer.
//!
//! A [`Prober`] bets, for each principal, that its strange queries are more frequent than a skewed but honest customer's would be: the
//! probability that it ever reaches `1/alpha` for a principal whose rates stay within what is tolerated is at most `alpha`, however long
//! the stream. Exact repeats do not count, so that polling is no attack.
//!
//! **It cannot see** extraction with real rows of the same kind, a few dozen equations against a linear model, or queries one a principal:
//! a budget of distinct rows ([`Distinct`]), poorer answers and training are what answers those.

mod distinct;
mod ordinary;
mod prober;
mod ring;

pub use distinct::{Distinct, REGISTERS};
pub use ordinary::{Ordinary, Query};
pub use prober::{Level, Levels, Prober, ProberConfig, ProberState};
pub use ring::RING_ROWS;

#[cfg(test)]
mod tests;
