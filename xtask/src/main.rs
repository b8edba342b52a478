//! Developer chores: `cargo xtask help`.
fn main() {}
