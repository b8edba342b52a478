//! Deeds about people, consumers, keys and roles.

pub mod founding;
pub mod issue;
pub mod keys;
pub mod roles;
pub mod users;
