//! The fuzz targets' bodies, which the workspace's tests replay over the same corpora.
//!
//! `cargo xtask fuzz TARGET SECONDS` runs a target. An input that failed goes into `corpus/TARGET` once the fault is
//! mended, under a name that says what it is; what fuzzing found by itself keeps its digest as its name. All corpora
//! together stay below 600 kB.

#[path = "../../crates/mantlet/tests/corpora/bodies/mod.rs"]
mod bodies;

/// Feeds one input to a target's parser.
///
/// # Panics
/// If something that must hold does not, or there is no such target.
pub fn run(target: &str, data: &[u8]) {
    let found = bodies::TARGETS.iter().find(|(name, _)| *name == target);
    found.expect("every target has a body").1(data);
}
