//! `mantlet guard …`: the guard of language models, for shells and pipelines.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `mantlet guard …`.
#[derive(Debug, Subcommand)]
pub enum Guard {
    /// Judge texts: JSON lines `{"text","channel"}` in, `{"score","verdict","reasons","spans"}` out, in order
    ///
    /// `channel` is who wrote the text: `user`, `document` or `tool`. Spans are bytes of the text, one for each reason. A line
    /// that cannot be read gives `{"error"}` in its place. Ends with 1 if any text was an attack.
    Scan,
    /// Replace personal data and secrets: JSON lines `{"text"}` in, `{"text","found":[{"kind","start","end"}]}` out, in order
    ///
    /// What was found stands in the order of the text; `start` and `end` are bytes of the text that came in. A line that cannot be
    /// read gives `{"error"}` in its place.
    Redact,
    /// Measure the guard on labeled texts: JSON lines with `text`, `label`, `source`, `kind` and `channel`
    Bench(GuardBench),
}

/// `mantlet guard bench`.
#[derive(Debug, Args)]
pub struct GuardBench {
    /// Files of JSON lines, also compressed by gzip
    #[arg(required = true, value_name = "DATA")]
    pub data: Vec<PathBuf>,
    /// The share of benign texts of a channel that may be flagged
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = share)]
    pub fpr: f64,
    /// Also change each detected attack up to so many times, and tell how many then pass undetected
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub mutate: u32,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err("not from 0 to below 1".to_owned()),
    }
}
