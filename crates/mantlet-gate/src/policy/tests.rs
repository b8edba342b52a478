//! The policy set against independent statements of what it should say.

mod exhaustive;
mod isolation;
mod oracle;
mod table;
mod world;
