//! `mantlet guard …`: the guard of language models, for shells and pipelines.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mantlet_guard::structure::{NOTE_BYTES_MAX, Template};

/// `mantlet guard …`.
#[derive(Debug, Subcommand)]
pub enum Guard {
    /// Judge texts: JSON lines `{"text","channel"}` in, `{"score","verdict","reasons","spans"}` out, in order
    ///
    /// `channel` is who wrote the text: `user`, `document` or `tool`; `task`, which may be missing, is what the user has asked
    /// to be done with a document. Spans are bytes of the text, one for each reason. A line
    /// that cannot be read gives `{"error"}` in its place. Ends with 1 if any text was an attack.
    Scan(GuardScan),
    /// Replace personal data and secrets: JSON lines `{"text"}` in, `{"text","found":[{"kind","start","end"}]}` out, in order
    ///
    /// What was found stands in the order of the text; `start` and `end` are bytes of the text that came in. A line that cannot be
    /// read gives `{"error"}` in its place.
    Redact,
    /// Measure the guard on labeled texts: JSON lines with `text`, `label`, `source`, `kind` and `channel`
    Bench(GuardBench),
    /// Make a prompt in which documents cannot pass for instructions
    Prompt(GuardPrompt),
}

/// `mantlet guard scan`.
#[derive(Debug, Args)]
pub struct GuardScan {
    /// Judge by words alone, without the encoder that reads what they leave in doubt
    #[arg(long)]
    pub words_only: bool,
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
    /// Judge by words alone, without the encoder that reads what they leave in doubt
    #[arg(long)]
    pub words_only: bool,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err("not from 0 to below 1".to_owned()),
    }
}

/// A bound that has room for saying that something is missing.
fn bytes_max(text: &str) -> Result<usize, String> {
    let enough = |bytes: &usize| *bytes > NOTE_BYTES_MAX;
    text.parse().ok().filter(enough).ok_or_else(|| format!("not a number above {NOTE_BYTES_MAX}"))
}

/// `mantlet guard prompt`.
#[derive(Debug, Args)]
pub struct GuardPrompt {
    /// The instructions
    #[arg(long, value_name = "TEXT", conflicts_with = "system_file", allow_hyphen_values = true)]
    pub system: Option<String>,
    /// The instructions, from a file
    #[arg(long, value_name = "FILE")]
    pub system_file: Option<PathBuf>,
    /// A document; repeat for several
    #[arg(long = "document", value_name = "TEXT", allow_hyphen_values = true)]
    pub documents: Vec<String>,
    /// A document, from a file, `-` for standard input; after those given as text
    #[arg(long = "document-file", value_name = "FILE")]
    pub document_files: Vec<PathBuf>,
    /// What the user asks
    #[arg(
        long,
        value_name = "TEXT",
        conflicts_with = "user_file",
        allow_hyphen_values = true,
        required_unless_present = "user_file"
    )]
    pub user: Option<String>,
    /// What the user asks, from a file
    #[arg(long, value_name = "FILE")]
    pub user_file: Option<PathBuf>,
    /// How it is written down: openai, chatml, llama, mistral, plain
    #[arg(long, value_name = "NAME", default_value = "openai")]
    pub template: Template,
    /// The tenant's key, which makes the boundary the same for the same conversation [default: a new one each time]
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// The most bytes that each text may have [default: 262144]
    #[arg(long, value_name = "N", value_parser = bytes_max)]
    pub bytes_max: Option<usize>,
}
