//! `mantlet iam …` and `mantlet network …`: what stands around a model in the cloud. They read files and nothing else.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `mantlet iam …`.
#[derive(Debug, Subcommand)]
pub enum Iam {
    /// Decide questions about policies over all requests: JSON lines in, `{"id","possible","witness"}` out, in order
    ///
    /// A line has `identity_policies`, `question` and what else has a say: `permissions_boundary`, `session_policies`,
    /// `service_control_policies`, `resource_control_policies`, `resource_policy` with `principal`. `possible` is `true` with a
    /// request that is allowed, `false`, or `"unknown"` with the reason. Ends with 2 if any is unknown.
    Decide,
    /// Prove that a role cannot do something, over all requests, or show a request by which it can
    Prove(IamProve),
    /// Whether new policies allow something that old ones do not
    Diff(IamDiff),
    /// Check permissions in Terraform configurations (`.tf`) and policies (JSON)
    Check(IamCheck),
}

/// `mantlet iam prove`.
#[derive(Debug, Args)]
pub struct IamProve {
    /// The claim: `WHO cannot ACTION RESOURCE`; ACTION is a pattern of actions, or `write` or `read` for all that do so
    #[arg(required_unless_present = "replay")]
    pub claim: Option<String>,
    /// The policies
    #[command(flatten)]
    pub attached: Attached,
    /// Write the certificate of a proof to this file
    #[arg(long, value_name = "FILE")]
    pub certificate: Option<PathBuf>,
    /// Prove again what this certificate says, of the same policies
    #[arg(long, value_name = "FILE", conflicts_with_all = ["claim", "certificate"])]
    pub replay: Option<PathBuf>,
}

/// All policies that have a say, as JSON files.
#[derive(Debug, Args)]
pub struct Attached {
    /// Policies attached to who acts; together they allow what any of them allows
    #[arg(long = "policy", value_name = "FILE", num_args = 1.., required = true)]
    pub policies: Vec<PathBuf>,
    /// The permissions boundary
    #[arg(long, value_name = "FILE")]
    pub boundary: Option<PathBuf>,
    /// Service control policies; each is a limit of its own
    #[arg(long = "scp", value_name = "FILE", num_args = 1..)]
    pub service_controls: Vec<PathBuf>,
    /// The policy of what is acted on
    #[arg(long, value_name = "FILE", requires = "principal")]
    pub resource_policy: Option<PathBuf>,
    /// The ARN of who acts, where the policy of what is acted on has a say
    #[arg(long, value_name = "ARN")]
    pub principal: Option<String>,
}

/// `mantlet iam diff`.
#[derive(Debug, Args)]
pub struct IamDiff {
    /// The old policy
    pub old: PathBuf,
    /// The new policy
    pub new: PathBuf,
}

/// `mantlet iam check`.
#[derive(Debug, Args)]
pub struct IamCheck {
    /// The files; those of one directory are one configuration
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Print a SARIF 2.1.0 log
    #[arg(long, conflicts_with = "json")]
    pub sarif: bool,
}

/// `mantlet network …`.
#[derive(Debug, Subcommand)]
pub enum Network {
    /// Decide what the internet reaches: one network in a line of JSON, one answer with paths in another, in order
    ///
    /// A line has a `model` of route tables, subnets, network ACLs, security groups, interfaces (`enis`), load balancers and
    /// the `target`. The answer says whether the target is reached directly (`direct`), through which load balancers
    /// (`via_load_balancer`), through which other hosts (`lateral_last_hop`), and each way hop by hop with its rules (`paths`).
    Decide,
}
