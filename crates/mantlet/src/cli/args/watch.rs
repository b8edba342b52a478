//! `mantlet watch`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `mantlet watch …`.
#[derive(Debug, Subcommand)]
pub enum Watch {
    /// Replay a recorded stream against reference rows: which windows would have raised an alarm, and why
    ///
    /// CSV and Parquet, told apart by what is in them. Exits with 0 if no window raised an alarm, 1 if one did, 2 if the files could
    /// not be compared.
    Replay(Replay),
}

/// `mantlet watch replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// Rows of what is ordinary, such as those that the model was trained on
    #[arg(long, value_name = "FILE")]
    pub reference: PathBuf,
    /// The rows to replay, in the order in which they came
    #[arg(long, value_name = "FILE")]
    pub stream: PathBuf,
    /// Leave this column out, such as the truth; repeat for several
    #[arg(long, value_name = "COLUMN")]
    pub ignore: Vec<String>,
    /// This column holds categories although they look like numbers; repeat for several
    #[arg(long, value_name = "COLUMN")]
    pub category: Vec<String>,
    /// Compare each row with reference rows that have the same value in this column, such as the month
    #[arg(long, value_name = "COLUMN")]
    pub season: Option<String>,
    /// Rows of the fast window
    #[arg(long, value_name = "ROWS", default_value_t = 500)]
    pub window: usize,
    /// Look at the fast window after so many rows [default: the window's, so that no row is in two]
    #[arg(long, value_name = "ROWS")]
    pub step: Option<usize>,
    /// Rows of the slow window, of which only counts are kept
    #[arg(long, value_name = "ROWS", default_value_t = 5_000)]
    pub slow: usize,
    /// How often noise may be taken for a change: the false discovery rate of a window, over all columns
    #[arg(long, value_name = "RATE", default_value_t = 0.01)]
    pub alpha: f64,
    /// The least shift that matters: Wasserstein-1 in standard deviations of the reference
    #[arg(long, value_name = "SHIFT", default_value_t = 0.1)]
    pub shift: f64,
    /// The least population stability index that matters
    #[arg(long, value_name = "PSI", default_value_t = 0.1)]
    pub psi: f64,
    /// Tell beside what another tool would have said of each window, by its own tests and limits
    #[arg(long, value_enum, value_name = "TOOL", conflicts_with = "season")]
    pub like: Option<LikeTool>,
}

/// Another tool.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LikeTool {
    /// Evidently 0.7, its default test
    Evidently,
    /// NannyML 0.13, Jensen-Shannon with limits from the reference's chunks
    Nannyml,
}
