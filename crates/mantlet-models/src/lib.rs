//! Artifacts, the registry, profiles and the runtimes that execute models.
//!
//! The way of a model: a directory is read as a [`package`], its signature verified into an [`artifact`], and only an
//! artifact is loaded for serving, by a [`runtime`] that reads [`onnx`]; [`explain`] says why it answers as it does. The
//! [`registry`] keeps packages at rest, of which [`inspect`] shows what is in them; the [`workbench`] makes a [`profile`] of
//! what is not signed yet, and cannot serve. How good a model's answers are is found out by [`evaluate`]. Nothing here knows
//! of requests.

pub mod artifact;
pub mod documents;
pub mod evaluate;
pub mod explain;
pub mod inspect;
pub mod onnx;
pub mod package;
pub mod profile;
mod random;
pub mod register;
pub mod registry;
pub mod rows;
pub mod runtime;
pub mod serve;
pub mod signers;
pub mod workbench;
mod write;
