//! Readers of formats that are no containers. Each has `recognizes`, which looks at little, and `scan`, which checks every rule.

pub(crate) mod safetensors;
