// A raw output is no inference, and an inference is no verdict.
use mantlet_gate::{infer::Inference, output::Verdict};

fn unjudged(inference: Inference) -> Verdict {
    Verdict { inference, rows: Vec::new() }
}

fn main() {}
