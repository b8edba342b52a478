//! The mantlet binary.
fn main() {}
