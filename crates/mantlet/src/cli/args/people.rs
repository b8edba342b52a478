//! People, applications, projects, and what each may do.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mantlet_gate::budget;
use mantlet_types::{
    ConsumerId, ModelName, ProjectId, Role, RouteName, UserId,
    id::IssuerName,
    workload::{SpiffeId, Subject, WorkloadIdentity},
};

/// `mantlet key …`.
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Create an application's key; shown once
    Create {
        /// The application
        #[arg(long)]
        consumer: ConsumerId,
        /// A model that it may ask; repeat for several
        #[arg(long = "model", required_unless_present_any = ["routes", "monitor"])]
        models: Vec<ModelName>,
        /// A language-model route that it may use; repeat for several
        #[arg(long = "route")]
        routes: Vec<RouteName>,
        /// Predictions a minute and model, as `60/min`
        #[arg(long, value_parser = rate)]
        rate: Option<u32>,
        /// What it may use on all routes together
        #[command(flatten)]
        budget: Budget,
        /// Days until it expires, at most 365 [default: 90]
        #[arg(long, value_name = "DAYS")]
        expires: Option<u32>,
        /// A network that it may come from; repeat for several
        #[arg(long = "network", value_name = "CIDR")]
        networks: Vec<ipnet::IpNet>,
        /// It may read the project's statistics
        #[arg(long)]
        monitor: bool,
        /// The project
        #[arg(long, default_value = "home")]
        project: ProjectId,
    },
    /// List keys, never their secrets
    List,
    /// Replace a key; the old one works on for the overlap
    Rotate {
        /// The key's public id [default: with --as, that of one's own key]
        kid: Option<mantlet_types::Kid>,
        /// Hours for which the old key works on, at most 168 [default: 24]
        #[arg(long, value_name = "HOURS")]
        overlap: Option<u32>,
    },
    /// End a key, now and for good
    Revoke {
        /// The key's public id
        kid: mantlet_types::Kid,
    },
}

/// `mantlet role …`.
#[derive(Debug, Subcommand)]
pub enum RoleCommand {
    /// Bind a person to a role; a duty in a team needs a second person's approval
    Assign {
        /// The person
        user: UserId,
        /// The role
        role: Role,
        /// The project
        #[arg(long, default_value = "home")]
        project: ProjectId,
    },
    /// End a binding
    Revoke {
        /// The person
        user: UserId,
        /// The role
        role: Role,
        /// The project
        #[arg(long, default_value = "home")]
        project: ProjectId,
    },
    /// Approve a pending binding, as a security person
    Approve {
        /// Its number
        number: u64,
    },
    /// Make an approved binding
    Apply {
        /// Its number
        number: u64,
    },
    /// List bindings and pending ones
    List,
    /// Every role × action, with the deciding policy
    Matrix,
}

/// `mantlet user …`.
#[derive(Debug, Subcommand)]
pub enum User {
    /// Add a person: a personal key and a certificate as second factor
    Invite {
        /// The person's name
        user: UserId,
        /// The project
        #[arg(long, default_value = "home")]
        project: ProjectId,
        /// Where to write what they act by, for --as [default: ./USER.mantlet]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// List people
    List,
    /// Deny a person everything, now
    Disable {
        /// The person
        user: UserId,
    },
    /// Let a disabled person back in
    Enable {
        /// The person
        user: UserId,
    },
    /// Issue a new certificate as second factor; the old one stays until it is withdrawn
    Certify {
        /// The person
        user: UserId,
        /// Where to write it; into a directory that is there already it goes in the old one's place
        /// [default: ./USER.mantlet]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Withdraw a certificate
    Withdraw {
        /// The person
        user: UserId,
        /// SHA-256 of the certificate, as `user list` shows it
        digest: mantlet_types::Sha256,
    },
}

/// `mantlet consumer …`.
#[derive(Debug, Subcommand)]
pub enum Consumer {
    /// Make an application without a key, for a workload that proves who it is
    Create {
        /// The application
        consumer: ConsumerId,
        /// A model that it may ask; repeat for several
        #[arg(long = "model", required_unless_present = "monitor")]
        models: Vec<ModelName>,
        /// Predictions a minute and model, as `60/min`
        #[arg(long, value_parser = rate)]
        rate: Option<u32>,
        /// What it may use on all routes together
        #[command(flatten)]
        budget: Budget,
        /// It may read the project's statistics
        #[arg(long)]
        monitor: bool,
        /// Days until everything is denied to it, at most 365 [default: 90]
        #[arg(long, value_name = "DAYS")]
        expires: Option<u32>,
        /// The project
        #[arg(long, default_value = "home")]
        project: ProjectId,
    },
    /// What an application may show in place of a key
    #[command(subcommand)]
    Identity(Identity),
    /// Change what an application may do; what is not given stays
    Change {
        /// The application
        consumer: ConsumerId,
        /// A model that it may ask; together they replace the old ones
        #[arg(long = "model")]
        models: Vec<ModelName>,
        /// Predictions a minute and model, as `60/min`
        #[arg(long, value_parser = rate)]
        rate: Option<u32>,
        /// What it may use on all routes together
        #[command(flatten)]
        budget: Budget,
        /// Whether it may read the project's statistics
        #[arg(long)]
        monitor: Option<bool>,
        /// Days from now until everything is denied to it, at most 365
        #[arg(long, value_name = "DAYS")]
        expires: Option<u32>,
    },
    /// Deny an application everything, now
    Disable {
        /// The application
        consumer: ConsumerId,
    },
    /// Let a disabled application back in
    Enable {
        /// The application
        consumer: ConsumerId,
    },
}

/// `mantlet consumer identity …`.
#[derive(Debug, Subcommand)]
pub enum Identity {
    /// Let a workload in as an application
    Add {
        /// The application
        consumer: ConsumerId,
        /// What the workload shows
        #[command(flatten)]
        shown: ShownIdentity,
    },
    /// List what an application may show
    List {
        /// The application
        consumer: ConsumerId,
    },
    /// Take an identity from an application, now
    Remove {
        /// The application
        consumer: ConsumerId,
        /// What the workload shows
        #[command(flatten)]
        shown: ShownIdentity,
    },
}

/// What a workload shows: the whole of it, exactly.
#[derive(Debug, Args)]
pub struct ShownIdentity {
    /// The SPIFFE id in its certificate, as `spiffe://prod.example/ns/shop/sa/fraud`
    #[arg(long, value_name = "ID", required_unless_present = "issuer", conflicts_with_all = ["issuer", "subject"])]
    spiffe: Option<SpiffeId>,
    /// The issuer of its token, by its name in the configuration
    #[arg(long, value_name = "NAME", requires = "subject")]
    issuer: Option<IssuerName>,
    /// The `sub` of its token
    #[arg(long, value_name = "SUB", requires = "issuer")]
    subject: Option<Subject>,
}

impl ShownIdentity {
    /// The identity; `None` cannot be, as the options require each other.
    #[must_use]
    pub fn identity(self) -> Option<WorkloadIdentity> {
        match self {
            Self { spiffe: Some(spiffe), .. } => Some(WorkloadIdentity::Spiffe { spiffe }),
            Self { issuer: Some(issuer), subject: Some(subject), .. } => {
                Some(WorkloadIdentity::Token { issuer, subject })
            }
            Self { .. } => None,
        }
    }
}

/// `mantlet project …`.
#[derive(Debug, Subcommand)]
pub enum Project {
    /// Make a project; whoever makes it operates it
    Create {
        /// Its name
        project: ProjectId,
    },
}

/// What an application may use on all routes to language models together.
#[derive(Clone, Copy, Debug, Default, Args, serde::Serialize)]
pub struct Budget {
    /// Tokens a minute, prompts and answers, on all its routes together
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(1..=budget::Budget::MOST))]
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_per_minute: Option<u64>,
    /// Tokens a day (UTC)
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(1..=budget::Budget::MOST))]
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_per_day: Option<u64>,
    /// Cost a day (UTC), in the currency of the routes' prices, as `2.50`
    #[arg(long = "cost-per-day", value_name = "AMOUNT", value_parser = amount)]
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_per_day_micros: Option<u64>,
}

/// `2.50` → 2500000, exactly.
fn amount(text: &str) -> Result<u64, String> {
    let expected = || "an amount is written as `2.50`, from `0.000001` to `100000000`".to_owned();
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || whole.len() > 9 || part.len() > 6 {
        return Err(expected());
    }
    let number = |text: &str| text.parse::<u64>().map_err(|_| expected());
    let micros = number(whole)? * 1_000_000 + number(&format!("{part:0<6}"))?;
    if (1..=100_000_000_000_000).contains(&micros) { Ok(micros) } else { Err(expected()) }
}

/// `60/min` → 60.
fn rate(text: &str) -> Result<u32, String> {
    let expected = || "a rate is written as `60/min`, from 1 to 60000000".to_owned();
    let number = text.strip_suffix("/min").ok_or_else(expected)?;
    number.parse().ok().filter(|rate| (1..=60_000_000).contains(rate)).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly() {
        for (text, micros) in [
            ("2.50", 2_500_000),
            ("0.000001", 1),
            ("7", 7_000_000),
            ("100000000", 100_000_000_000_000),
            ("0.3", 300_000),
        ] {
            assert_eq!(amount(text), Ok(micros), "{text}");
        }
        for no in [
            "",
            "0",
            "0.0",
            ".",
            ".5",
            "5.",
            "-1",
            "1e3",
            "1,5",
            "0.0000001",
            "100000000.1",
            "999999999",
            "$5",
            "NaN",
        ] {
            assert!(amount(no).is_err(), "{no}");
        }
    }
}
