//! The second person: approvals, break-glass, custom policies.

use std::{net::IpAddr, path::PathBuf};

use clap::Subcommand;
use mantlet_gate::changes::Reason;
use mantlet_types::{PolicyName, ProjectId, Timestamp, UserId};

/// `mantlet approve …`.
#[derive(Debug, Subcommand)]
pub enum ApproveCommand {
    /// List what waits for a second person
    List,
    /// Show exactly what waits, and what approving it signs
    Show {
        /// Its number, or MODEL@VERSION
        item: String,
    },
    /// Approve it, by a statement signed with the key of one's own certificate
    Sign {
        /// Its number, or MODEL@VERSION
        item: String,
    },
    /// Print every approval that is kept, as JSON lines, to be verified elsewhere
    Export,
    /// Verify approvals without a server
    Verify {
        /// JSON lines as `approve export` prints them; `-` for standard input
        file: PathBuf,
        /// The certificate authority of the home in which they were given
        #[arg(long, value_name = "PEM")]
        ca: PathBuf,
    },
}

/// `mantlet break-glass …`.
#[derive(Debug, Subcommand)]
pub enum BreakGlassCommand {
    /// Ask that a person may stop models and roll them back for 15 minutes
    Request {
        /// The project
        #[arg(long)]
        project: ProjectId,
        /// Why: outage, wrong_answers, attack, legal or exercise
        #[arg(long, value_name = "CODE")]
        reason_code: Reason,
        /// The person [default: oneself]
        #[arg(long)]
        user: Option<UserId>,
    },
    /// Begin what was approved: the 15 minutes run from now
    Begin {
        /// The number of the request
        number: u64,
    },
}

/// `mantlet policy …`.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Say what a set of custom policies would change; exit 1 if it would allow anything new, or is not valid
    Test {
        /// The Cedar text
        file: PathBuf,
        /// The set's name [default: the file's name without its extension]
        #[arg(long)]
        name: Option<PolicyName>,
        /// From where everybody asks [default: 127.0.0.1]
        #[arg(long, value_name = "ADDRESS")]
        from: Option<IpAddr>,
        /// When [default: now]
        #[arg(long, value_name = "TIME")]
        at: Option<Timestamp>,
    },
    /// Propose that a set be in force, beside the embedded policies
    Propose {
        /// The Cedar text
        file: PathBuf,
        /// The set's name [default: the file's name without its extension]
        #[arg(long)]
        name: Option<PolicyName>,
    },
    /// Propose that a set be in force no more
    Withdraw {
        /// The set's name
        name: PolicyName,
    },
    /// Put an approved set in force, or withdraw it
    Apply {
        /// The number of the change
        number: u64,
    },
    /// List the sets in force
    List,
    /// Print a set in force
    Show {
        /// The set's name
        name: PolicyName,
    },
}
