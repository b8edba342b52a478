//! Deeds about people, consumers, projects, keys and roles.

pub mod consumers;
pub mod founding;
pub mod issue;
pub mod keys;
mod oversight;
pub mod projects;
pub mod roles;
pub mod users;
