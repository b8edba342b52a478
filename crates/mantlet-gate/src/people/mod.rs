//! Deeds about people, consumers, keys and roles.
