//! The engines against onnxruntime's answers, and against hostile bytes.

mod agreement;
mod hostile;
