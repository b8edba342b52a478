//! How good answers still are: estimated while there are no labels, and watched as labels come.

mod adwin;
mod betting;
mod cbpe;
mod page_hinkley;

pub use adwin::Adwin;
pub use betting::{BernoulliBet, ErrorRate, Mixture, UniformBet};
pub use cbpe::{Answer, Cbpe, CbpeError, Estimate, Limits};
pub use page_hinkley::PageHinkley;

#[cfg(test)]
mod tests;
