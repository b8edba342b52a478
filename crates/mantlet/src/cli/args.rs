//! The command line, defined once: help, man pages and completions all come from here and cannot disagree.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use mantlet_types::{ConsumerId, ModelName, ProjectId, Role, UserId, limits::BACKGROUND_ROWS_MAX};

use crate::{
    config::{env_vars, is_host_name},
    home::RootKeySource,
};

/// One binary that makes the secure way to serve a model the shortest way.
#[derive(Debug, Parser)]
#[command(name = "mantlet", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 yes or done, 1 the answer is no, 2 could not answer, 4 not authenticated."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub common: Common,
}

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
pub struct Common {
    /// The home directory [default: ./mantlet-home]
    #[arg(long, global = true, env = env_vars::HOME.name, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Act as the person whose key and certificate are in this directory, over TLS; no home is needed
    #[arg(long = "as", global = true, env = env_vars::IDENTITY.name, value_name = "DIR")]
    pub identity: Option<PathBuf>,
    /// Where the server is, instead of where the directory of --as says [env: MANTLET_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// Print one JSON document (or JSON lines where a stream is said) instead of text
    #[arg(long, global = true)]
    pub json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a home: configuration, keys, certificate authority, store
    Init(Init),
    /// Serve models over TLS; makes a home first where there is none
    Serve(Serve),
    /// Ask a model
    Predict(Predict),
    /// Ask a model, and what each feature added to its answer
    Explain(Explain),
    /// Find out how good a model's answers are, on rows of which the truth is known
    Evaluate(Evaluate),
    /// API keys of applications
    #[command(subcommand)]
    Key(Key),
    /// Role bindings of people
    #[command(subcommand)]
    Role(RoleCommand),
    /// Applications
    #[command(subcommand)]
    Consumer(Consumer),
    /// Projects: nothing of one is visible from another
    #[command(subcommand)]
    Project(Project),
    /// People
    #[command(subcommand)]
    User(User),
    /// Model packages and what is served
    #[command(subcommand)]
    Model(Model),
    /// The audit log
    #[command(subcommand)]
    Audit(Audit),
    /// Shell lines with which curl, Python, Node and the OpenAI SDKs trust and find this server
    ///
    /// Use it as `eval "$(mantlet env)"`.
    Env(Env),
    /// The configuration
    #[command(subcommand)]
    Config(Config),
    /// Version, build and formats
    Version,
    /// Shell completions, to standard output
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Manual pages
    Man {
        /// Write one page per command into this directory instead of the first to standard output
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// `mantlet init`.
#[derive(Debug, Default, Args)]
pub struct Init {
    /// Where; the same as --home
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// One person holds all duties; every record and screen says so
    #[arg(long)]
    pub single_person: bool,
    /// A one-person home with a small model and a key for it
    #[arg(long)]
    pub demo: bool,
    /// The operator's user name [default: the login name]
    #[arg(long, value_name = "USER")]
    pub operator: Option<UserId>,
    /// For a team: the first security person, who approves what the operator proposes [default: security]
    #[arg(long, value_name = "USER")]
    pub security: Option<UserId>,
    /// A name or address, beside localhost, that clients will reach the server by; repeat for several. The home's
    /// certificate authority can vouch for these and what lies below them, and later on for no others
    #[arg(long = "name", value_name = "NAME", value_parser = host_name)]
    pub names: Vec<String>,
    /// Where the root key is kept: `file:/PATH` makes one there, `env:NAME` and `credential:NAME` hold one already
    /// [default: inside a one-person home; of a team's, in ~/.config/mantlet]
    #[arg(long, value_name = "PLACE")]
    pub root_key: Option<RootKeySource>,
}

/// `mantlet serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Where to listen, instead of what the configuration says
    #[arg(long, value_name = "ADDR", env = env_vars::LISTEN.name)]
    pub listen: Option<SocketAddr>,
    /// Where there is no home, make a one-person home with a small model and a key for it
    #[arg(long)]
    pub demo: bool,
    /// DANGER: plain HTTP on loopback, for benchmarks and tests
    #[arg(long)]
    pub plaintext_loopback: bool,
    /// DANGER: go on with a store that is older than the log says; keys revoked and roles ended since are valid again
    #[arg(long)]
    pub accept_older_store: bool,
}

/// A question to a model, and the way to it.
#[derive(Debug, Args)]
pub struct Asking {
    /// The model
    pub model: ModelName,
    /// A JSON file: `{"features": …}`, or the features alone; `-` reads standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub input: PathBuf,
    /// A particular version
    #[arg(long)]
    pub version_number: Option<mantlet_types::Version>,
    /// The CA certificate to trust, instead of the home's
    #[arg(long, env = env_vars::CA.name, value_name = "PEM")]
    pub ca: Option<PathBuf>,
}

/// `mantlet predict`.
#[derive(Debug, Args)]
pub struct Predict {
    /// What to ask, and where.
    #[command(flatten)]
    pub asking: Asking,
}

/// `mantlet explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// What to ask, and where.
    #[command(flatten)]
    pub asking: Asking,
    /// Evaluations of the model to sample with, where it cannot be explained exactly [default: 2000, or as many as the
    /// limit has left]
    #[arg(long, value_name = "COUNT")]
    pub evaluations: Option<u32>,
}

/// `mantlet evaluate`.
#[derive(Debug, Args)]
pub struct Evaluate {
    /// A package directory, which needs no server, or else the name of a registered model
    #[arg(value_name = "MODEL|DIR")]
    pub model: PathBuf,
    /// Rows with the truth, as CSV
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// The column with the truth
    #[arg(long, value_name = "COLUMN", default_value = "target")]
    pub target: String,
    /// A column by whose values the figures are given as well; repeat for several
    #[arg(long = "slice", value_name = "COLUMN")]
    pub slices: Vec<String>,
    /// Write the report as one HTML page with plots
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// A particular version of a registered model
    #[arg(long)]
    pub version_number: Option<mantlet_types::Version>,
    /// The CA certificate to trust, instead of the home's
    #[arg(long, env = env_vars::CA.name, value_name = "PEM")]
    pub ca: Option<PathBuf>,
}

/// `mantlet key …`.
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Create an application's key; shown once
    Create {
        /// The application
        #[arg(long)]
        consumer: ConsumerId,
        /// A model that it may ask; repeat for several
        #[arg(long = "model", required_unless_present_any = ["route", "monitor"])]
        models: Vec<ModelName>,
        /// A language-model route that it may use; repeat for several
        #[arg(long)]
        route: Vec<String>,
        /// Predictions a minute and model, as `60/min`
        #[arg(long, value_parser = rate)]
        rate: Option<u32>,
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
        /// Whether it may read the project's statistics
        #[arg(long)]
        monitor: Option<bool>,
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

/// `mantlet project …`.
#[derive(Debug, Subcommand)]
pub enum Project {
    /// Make a project; whoever makes it operates it
    Create {
        /// Its name
        project: ProjectId,
    },
}

/// `mantlet model …`.
#[derive(Debug, Subcommand)]
pub enum Model {
    /// Register a package: it is served at once in a one-person home, a candidate in a team's
    Add {
        /// The package directory
        dir: PathBuf,
        /// The project
        #[arg(long, default_value = "home")]
        project: ProjectId,
        /// Who made the data that the model was trained on; repeat for several [default: whoever registers]
        #[arg(long = "data-author", value_name = "USER")]
        data_authors: Vec<UserId>,
    },
    /// List models and versions
    List,
    /// A model's features, and what its reference data were like
    Features {
        /// The model
        model: ModelName,
        /// A particular version
        #[arg(long)]
        version_number: Option<mantlet_types::Version>,
    },
    /// What a model has learned: tensors with statistics, or the values of one
    Weights {
        /// The model
        model: ModelName,
        /// A particular version
        #[arg(long)]
        version_number: Option<mantlet_types::Version>,
        /// The tensor whose values are wanted
        #[arg(long, value_name = "NAME")]
        tensor: Option<String>,
        /// The first value, or the first tensor of the list
        #[arg(long, default_value_t = 0)]
        offset: usize,
        /// At most so many [default: 1000]
        #[arg(long)]
        limit: Option<usize>,
    },
    /// Take a model's signed package away, as it was registered
    Export {
        /// The model
        model: ModelName,
        /// A directory to make
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        /// A particular version
        #[arg(long)]
        version_number: Option<mantlet_types::Version>,
    },
    /// Ask that a version go live, as an ML engineer
    Request(Step),
    /// Approve that a version go live, as somebody who neither made nor requested it
    Approve(Step),
    /// Make an approved version live, as an ML engineer
    Promote(Step),
    /// Make a version live again that was live before, as an ML engineer
    Rollback {
        /// The model
        model: ModelName,
        /// To which version [default: the one that was live before]
        #[arg(long, value_name = "VERSION")]
        to: Option<mantlet_types::Version>,
    },
    /// Write profile.json: types, ranges, categories, calibration
    Profile {
        /// The package directory
        dir: PathBuf,
        /// Rows that the model was trained on, as CSV
        #[arg(long, value_name = "FILE")]
        reference: PathBuf,
        /// Rows that the model has never seen, for calibration, as CSV
        #[arg(long, value_name = "FILE")]
        calibration: Option<PathBuf>,
        /// The column with the truth [default: `target`, if there]
        #[arg(long, value_name = "COLUMN")]
        target: Option<String>,
        /// Coverage that intervals of a regression promise [default: 0.9]
        #[arg(long, value_name = "SHARE")]
        coverage: Option<f64>,
        /// Reference rows to keep in the profile for explanations, 0 to 100; whoever reads the package reads them
        #[arg(long, value_name = "ROWS", default_value_t = 100, value_parser = background)]
        background: usize,
    },
    /// Make a key pair for signing packages
    Keygen {
        /// Where to write the private key (0600); the public one goes beside it as .pub
        out: PathBuf,
    },
    /// Sign a package directory (OpenSSF Model Signing)
    Sign {
        /// The package directory
        dir: PathBuf,
        /// The private key
        #[arg(long, value_name = "PEM")]
        key: PathBuf,
        /// The signature file [default: DIR/model.sig]
        #[arg(long, value_name = "FILE")]
        signature: Option<PathBuf>,
    },
    /// Verify a package directory against its signature
    Verify {
        /// The package directory
        dir: PathBuf,
        /// The signature file [default: DIR/model.sig]
        #[arg(long, value_name = "FILE")]
        signature: Option<PathBuf>,
        /// The signer's public key; repeat for several
        #[arg(long, value_name = "PEM", required = true)]
        public_key: Vec<PathBuf>,
        /// Accept files that the signature does not cover; they are listed and never load
        #[arg(long)]
        ignore_unsigned_files: bool,
    },
}

/// A version on its way to production.
#[derive(Debug, Args)]
pub struct Step {
    /// The model
    pub model: ModelName,
    /// The version, as `model list` shows it
    #[arg(value_name = "VERSION")]
    pub number: mantlet_types::Version,
}

/// `mantlet audit …`.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// The latest entries
    Tail {
        /// How many
        #[arg(short = 'n', long, default_value_t = 20)]
        count: usize,
    },
    /// Entries that match
    Search(Search),
    /// Check the whole log, offline, with code that the writer does not share
    Verify {
        /// A copied log directory, instead of the home's
        #[arg(long, value_name = "DIR", requires = "vkey")]
        log: Option<PathBuf>,
        /// The log's public key, as printed by `audit verify` of its home
        #[arg(long)]
        vkey: Option<String>,
        /// A checkpoint kept elsewhere; repeat for several
        #[arg(long, value_name = "FILE")]
        anchor: Vec<PathBuf>,
        /// Check this proof of a single entry instead, with nothing but the key
        #[arg(long, value_name = "FILE", requires = "vkey", conflicts_with_all = ["log", "anchor"])]
        proof: Option<PathBuf>,
    },
    /// An offline proof that a receipt's entry is in the log
    Prove {
        /// The `Mantlet-Receipt` of an answer
        #[arg(allow_hyphen_values = true)]
        receipt: String,
    },
    /// Every entry, as JSON lines
    Export {
        /// A copied log directory, instead of the home's
        #[arg(long, value_name = "DIR")]
        log: Option<PathBuf>,
    },
}

/// What to search for; all that is given must match.
#[derive(Debug, Args, Default)]
pub struct Search {
    /// Who, as `user:NAME` or `consumer:NAME`
    #[arg(long)]
    pub principal: Option<mantlet_types::PrincipalId>,
    /// Which model
    #[arg(long)]
    pub model: Option<ModelName>,
    /// Which kind of event, as `inference` or `key.create`
    #[arg(long)]
    pub event: Option<String>,
    /// Which request
    #[arg(long)]
    pub request: Option<mantlet_types::RequestId>,
    /// What policy said
    #[arg(long)]
    pub decision: Option<DecisionName>,
    /// From this moment on, as `2026-01-31T12:00:00Z`
    #[arg(long)]
    pub since: Option<mantlet_types::Timestamp>,
    /// Before this moment
    #[arg(long)]
    pub until: Option<mantlet_types::Timestamp>,
    /// The project whose part of the log is searched; `home` is the whole
    #[arg(long, default_value = "home")]
    pub project: Option<ProjectId>,
    /// At most so many, the latest
    #[arg(short = 'n', long, default_value_t = 100)]
    pub count: usize,
}

/// What policy said.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum DecisionName {
    /// Allowed
    Allow,
    /// Denied
    Deny,
    /// Could not decide, hence denied
    Error,
}

/// `mantlet env`.
#[derive(Debug, Args)]
pub struct Env {
    /// The shell's dialect
    #[arg(long, value_enum, default_value_t = Dialect::Sh)]
    pub shell: Dialect,
}

/// How a shell sets variables.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Dialect {
    /// sh, bash, zsh
    Sh,
    /// fish
    Fish,
}

/// `mantlet config …`.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// What was typed, what it means, and each default with its reason
    Check,
    /// Make the running server read its configuration again; all of it or nothing
    Reload,
}

/// Rows of a background.
fn background(text: &str) -> Result<usize, String> {
    let expected = || format!("a number from 0 to {BACKGROUND_ROWS_MAX}");
    text.parse().ok().filter(|rows| *rows <= BACKGROUND_ROWS_MAX).ok_or_else(expected)
}

/// What can stand in the server's certificate.
fn host_name(text: &str) -> Result<String, String> {
    if is_host_name(text) {
        Ok(text.to_owned())
    } else {
        Err("neither a host name nor an address".to_owned())
    }
}

/// `60/min` → 60.
fn rate(text: &str) -> Result<u32, String> {
    let expected = || "a rate is written as `60/min`, from 1 to 60000000".to_owned();
    let number = text.strip_suffix("/min").ok_or_else(expected)?;
    number.parse().ok().filter(|rate| (1..=60_000_000).contains(rate)).ok_or_else(expected)
}
