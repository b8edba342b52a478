//! Deeds about people, consumers, keys and roles.

pub mod founding;
