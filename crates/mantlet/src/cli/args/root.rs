//! `mantlet root`.

use clap::Subcommand;

use crate::home::RootKeySource;

/// `mantlet root …`.
#[derive(Debug, Subcommand)]
pub enum Root {
    /// The root key
    #[command(subcommand)]
    Key(RootKeyCommand),
}

/// `mantlet root key …`.
#[derive(Debug, Subcommand)]
pub enum RootKeyCommand {
    /// Where the root key is, and whether it is being replaced
    Status,
    /// Replace the root key, and seal everything that it wraps anew; goes on with what was interrupted
    Rotate {
        /// Keep the new key here instead: `file:/PATH` makes one there, `env:NAME` and `credential:NAME` hold one already
        #[arg(long, value_name = "PLACE")]
        to: Option<RootKeySource>,
        /// Keep the present key, as long as the new one is not in its place
        #[arg(long, conflicts_with_all = ["to", "leave_damaged"])]
        abandon: bool,
        /// Finish although stored files are damaged: no key will open them later
        #[arg(long)]
        leave_damaged: bool,
    },
}
