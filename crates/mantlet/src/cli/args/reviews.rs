//! Held answers.

use std::path::PathBuf;

use clap::Subcommand;
use mantlet_gate::reviews::Status;
use mantlet_types::{ModelName, RequestId, ReviewId, Timestamp, UserId};

use crate::config::env_vars;

/// `mantlet review …`.
#[derive(Debug, Subcommand)]
pub enum Review {
    /// Held answers of the projects that you review in, the oldest first
    List {
        /// Of one model, or one route
        #[arg(long)]
        model: Option<ModelName>,
        /// In one state: pending, assigned, decided, expired or erased [default: pending and assigned]
        #[arg(long)]
        status: Option<Status>,
    },
    /// What was asked, what the model said of it, and what was decided
    Show {
        /// The held item, as `review list` names it
        item: ReviewId,
    },
    /// Take a held item on, or give it to another reviewer
    Assign {
        /// The held item
        item: ReviewId,
        /// To whom [default: yourself]
        #[arg(long, value_name = "USER")]
        to: Option<UserId>,
        /// Also if it is another's already
        #[arg(long)]
        take_over: bool,
    },
    /// Decide a held item
    Decide {
        /// The held item
        item: ReviewId,
        /// What is the case: one of the model's labels, a number, or a text in the place of an answer; needs a reason
        #[arg(
            long,
            value_name = "LABEL|NUMBER|TEXT",
            required_unless_present = "uphold",
            requires = "reason"
        )]
        #[arg(allow_hyphen_values = true)]
        result: Option<String>,
        /// What the model said is the case
        #[arg(long, conflicts_with = "result")]
        uphold: bool,
        /// Why, in at most 1,000 characters; kept sealed with the item
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Have a held item forgotten, with what was asked and decided, for good
    Erase {
        /// The held item
        item: ReviewId,
    },
    /// Decided items as labelled rows, as `mantlet evaluate` takes them
    Export {
        /// The model
        model: ModelName,
        /// The CSV file to make, which only you can read
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// The name of the column with what is the case
        #[arg(long, value_name = "COLUMN", default_value = "target")]
        target: String,
        /// Decided from this moment on, as `2026-01-31T12:00:00Z`
        #[arg(long)]
        since: Option<Timestamp>,
        /// Decided before this moment
        #[arg(long)]
        until: Option<Timestamp>,
    },
    /// What was decided of your own held rows; exit code 1 while something of them is to be decided
    Poll {
        /// The model that was asked, or the route that was taken
        model: ModelName,
        /// The request, as its answer named it
        #[arg(value_name = "REQUEST")]
        request: RequestId,
        /// The CA certificate to trust, instead of the home's
        #[arg(long, env = env_vars::CA.name, value_name = "PEM")]
        ca: Option<PathBuf>,
    },
}
