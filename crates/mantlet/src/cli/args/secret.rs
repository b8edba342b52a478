//! `mantlet secret`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mantlet_types::{ProjectId, SecretName};

/// `mantlet secret …`.
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Keep a value under a name; `secret:NAME` in the configuration is then this value
    ///
    /// The value is read from standard input, or from a file. It is no argument, because everybody on a machine can read
    /// the arguments of its processes.
    Set {
        /// The secret
        name: SecretName,
        /// Where the value comes from.
        #[command(flatten)]
        value: SecretValue,
        /// The project that it belongs to [default: home, or where it is already]
        #[arg(long)]
        project: Option<ProjectId>,
    },
    /// The secrets that you may manage, without their values
    List,
    /// Print a secret's value; the log says that you have seen it
    Get {
        /// The secret
        name: SecretName,
    },
    /// Replace the value of a secret that there is; read like that of `set`
    Rotate {
        /// The secret
        name: SecretName,
        /// Where the value comes from.
        #[command(flatten)]
        value: SecretValue,
    },
    /// Forget a secret; what uses it fails from then on
    Remove {
        /// The secret
        name: SecretName,
    },
}

/// Where a value comes from.
#[derive(Debug, Args)]
pub struct SecretValue {
    /// A file with the value, instead of standard input
    #[arg(long, value_name = "FILE")]
    pub from_file: Option<PathBuf>,
}
