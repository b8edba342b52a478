//! The engines against onnxruntime's answers, and against hostile bytes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the helpers of a test fail it by panicking"
)]

mod agreement;
mod hostile;
mod reading;
