//! The command line, defined once: help, man pages and completions all come from here and cannot disagree.

mod cloud;
mod guard;
mod models;
mod people;
mod reviews;
mod root;
mod second;
mod secret;
mod share;
mod signing;
mod watch;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use mantlet_types::{ModelName, ProjectId, UserId};

use crate::{
    config::{env_vars, is_host_name},
    home::RootKeySource,
};
pub use cloud::{Attached, Iam, IamCheck, IamDiff, IamProve, Network};
pub use guard::{Guard, GuardBench, GuardPrompt, GuardScan};
pub use models::{AliasCommand, Asking, Evaluate, Explain, Model, Predict, Scan, Step, Update, Which};
pub use people::{Consumer, Identity, Key, Project, RoleCommand, ShownIdentity, User};
pub use reviews::Review;
pub use root::{Root, RootKeyCommand};
pub use second::{ApproveCommand, BreakGlassCommand, PolicyCommand};
pub use secret::{SecretCommand, SecretValue};
pub use share::{Import, Outside, Publish, SignUrl, UrlKeys};
pub use signing::{Sign, Verify};
pub use watch::{LikeTool, Replay as WatchReplay, Watch};

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
    /// What waits for a second person: looked at, signed, verified
    #[command(subcommand)]
    Approve(ApproveCommand),
    /// Custom policies beside the embedded ones
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// For 15 minutes, stop models and roll them back without the duty for it
    #[command(subcommand)]
    BreakGlass(BreakGlassCommand),
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
    /// Answers that wait for a person
    #[command(subcommand)]
    Review(Review),
    /// What language models are told and what they answer
    #[command(subcommand)]
    Guard(Guard),
    /// Whether what arrives is still what a model was made with
    #[command(subcommand)]
    Watch(Watch),
    /// Permissions in the cloud: proved, compared, checked
    #[command(subcommand)]
    Iam(Iam),
    /// Networks in the cloud: what the internet reaches
    #[command(subcommand)]
    Network(Network),
    /// Secrets of other people's services, which the home keeps
    #[command(subcommand)]
    Secret(SecretCommand),
    /// The audit log
    #[command(subcommand)]
    Audit(Audit),
    /// The key that wraps everything at rest
    #[command(subcommand)]
    Root(Root),
    /// Shell lines with which curl, Python, Node and the OpenAI SDKs trust and find this server
    ///
    /// Use it as `eval "$(mantlet env)"`.
    Env(Env),
    /// The configuration
    #[command(subcommand)]
    Config(Config),
    /// What `serve` starts to write the registry for it
    #[command(hide = true)]
    Registrar {
        /// Be the registrar, and not the one who starts it
        #[arg(long)]
        work: bool,
    },
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

/// What can stand in the server's certificate.
fn host_name(text: &str) -> Result<String, String> {
    if is_host_name(text) {
        Ok(text.to_owned())
    } else {
        Err("neither a host name nor an address".to_owned())
    }
}
