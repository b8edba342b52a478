//! Artifacts, the registry, profiles and the runtimes that execute models.

pub mod artifact;
pub mod package;
pub mod profile;
pub mod registry;
mod write;

pub mod onnx;
pub mod runtime;
