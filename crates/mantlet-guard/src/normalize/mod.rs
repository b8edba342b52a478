//! L0: texts as a reader sees them, and what they decode to, each with its place in the original.
//!
//! An attack that a person reads as "ignore all previous instructions" may be written with letters of other scripts,
//! with characters that nobody sees, or in a code that a language model reads as easily as plain words. What judges
//! texts looks at all of these: [`normalize`] gives the text as it looks, [`views::views`] what it decodes to. Every
//! text made here knows for each of its bytes where in the original it came from ([`Mapped`]).
//!
//! All of it is linear in the length of the text, and what is made of a text is bounded by
//! [`views::BUDGET_FACTOR`] times its length.

mod fold;
mod letters;
mod mapped;
mod seen;
mod unicode;
pub mod views;
mod vocabulary;

pub use fold::fold;
pub(crate) use letters::surprise_of;
pub use mapped::Mapped;
pub(crate) use seen::{ascii_like, is_bidi, is_undrawn};
pub use unicode::{Marks, Normalized, Tally, normalize};
pub(crate) use views::unreadable;
