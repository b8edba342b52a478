//! What the configuration means: typed, complete, and impossible to get wrong once it exists.
//!
//! [`ConfigFile`] is what was typed, [`Config`] what it means; nothing opens a port before the second exists. An
//! empty file is the strictest configuration. Each loosening is a switch of its own under `[danger]`. Which key has
//! which default, why, and whether a running server takes a change is one table, [`settings`].

pub mod env_vars;
mod error;
mod file;
mod nearest;
mod release;
mod reload;
mod report;
mod resolve;
mod route;
mod settings;
mod shown;
#[cfg(test)]
mod tests;
mod upstream;
mod values;
mod workloads;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

pub use error::{ConfigError, ConfigErrors};
pub use file::{ConfigFile, FILE_BYTES_MAX, Overlay, Source};
use ipnet::IpNet;
use mantlet_gate::{
    perimeter::Allowlist,
    releases::{alias::AliasRule, conditions::Conditions},
    reviews::Hold,
};
use mantlet_types::{Alias, ModelName, NodeId, UpstreamName, UserId};
pub use reload::NotReloadable;
pub use report::{Report, Row, defaults_page};
pub use route::{RouteSettings, RouteUpstream};
pub use upstream::{Forward, TensorForm, Upstream};
pub use values::is_host_name;
pub use workloads::{IssuerSettings, KeySource, TrustDomainSettings};

use crate::home::RootKeySource;

/// The whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Listening.
    pub server: Server,
    /// Credentials.
    pub identity: Identity,
    /// Limits for those who have none of their own.
    pub limits: Limits,
    /// What differs for single models.
    pub models: BTreeMap<ModelName, ModelSettings>,
    /// Where models run that do not run here.
    pub upstreams: BTreeMap<UpstreamName, Upstream>,
    /// Ways to language models, in the order in which they are tried.
    pub routes: Vec<RouteSettings>,
    /// Held answers.
    pub review: Review,
    /// The audit log.
    pub audit: Audit,
    /// Everything at rest.
    pub store: Store,
    /// What the operator reads.
    pub log: Log,
    /// What is less safe than it could be.
    pub danger: Danger,
    /// Which settings were given, and by what: `line 3`, `env MANTLET_LISTEN`, `flag --listen`.
    given: BTreeMap<String, String>,
}

/// `[server]`
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Where to serve.
    pub listen: SocketAddr,
    /// Who may knock.
    pub allow: Allowlist,
    /// Whose word on the client's address is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// Where to serve health alone, without TLS; nowhere by default.
    pub probe_listen: Option<SocketAddr>,
    /// Further names and addresses for the server's own certificate.
    pub names: Vec<String>,
    /// A certificate from elsewhere, in place of the own one.
    pub certificate: Option<CertificateFiles>,
    /// Whether known callers are shown what the gRPC services look like.
    pub grpc_reflection: bool,
    /// Whether to serve only where the kernel keeps the server from writing what it serves.
    pub strict: bool,
    /// Most connections at a time.
    pub connections_max: usize,
    /// Longest request body, as received and after decompression.
    pub body_bytes_max: usize,
    /// For the TLS handshake.
    pub handshake_timeout: Duration,
    /// For a request's headers.
    pub header_timeout: Duration,
    /// For a request's body.
    pub body_timeout: Duration,
    /// For a model's work on one request.
    pub inference_timeout: Duration,
    /// For requests under way when the server is told to stop.
    pub drain_timeout: Duration,
}

/// A PEM chain and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The leaf's key.
    pub key: PathBuf,
}

/// `[identity]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// As which person the home's owner acts at the control socket; nobody if it is not said.
    pub owner: Option<UserId>,
    /// How long a new API key is valid, in days.
    pub key_days: u32,
    /// How long a rotated key remains valid, in hours.
    pub key_overlap_hours: u32,
    /// Who vouches for workloads by certificates.
    pub trust_domains: Vec<TrustDomainSettings>,
    /// Who vouches for workloads by tokens.
    pub issuers: Vec<IssuerSettings>,
}

/// `[limits]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Predictions per minute and principal × model.
    pub rate_per_minute: u32,
    /// Failures before authentication per minute and address; from then on its credentials are not looked at.
    pub failures_per_minute: u32,
    /// Denials per minute and principal that get an audit entry each.
    pub denials_per_minute: u32,
    /// Minutes that a signed URL may live.
    pub url_minutes_max: u32,
}

/// `[[model]]`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelSettings {
    /// Least confidence of an answer, in place of the package's.
    pub threshold: Option<f64>,
    /// When its answers wait for a person.
    pub hold: Hold,
    /// Where it runs, for one whose package says that it runs elsewhere.
    pub upstream: Option<UpstreamName>,
    /// Names beside its own by which packages may ask for it there.
    pub served_as: Vec<String>,
    /// What a version must be to go live.
    pub release: Conditions,
    /// Who may give which alias, and to what, where that is not the default.
    pub aliases: BTreeMap<Alias, AliasRule>,
}

/// `[review]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// For how many days a held answer is kept.
    pub days: u32,
    /// Answers of one principal that wait for a person at a time.
    pub pending_per_principal: usize,
}

/// `[audit]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// When an entry counts as written.
    pub durability: Durability,
    /// Files of other users to which checkpoints are also written.
    pub anchors: Vec<PathBuf>,
    /// This node's name in the log's origin.
    pub node: NodeId,
}

/// When an audit entry counts as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// After a sync of its own.
    Every,
    /// After a sync shared with others that came within a few milliseconds.
    Group,
    /// When the operating system has it: survives the process, not a power loss.
    Os,
}

/// `[store]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Where the root key is.
    pub root_key: RootKeySource,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// The least that is logged.
    pub level: LogLevel,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the usual five")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// `[danger]`: each switch gives something up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Danger {
    /// Duties may meet in one person.
    pub single_person: bool,
    /// HTTP without TLS, on loopback.
    pub plaintext: bool,
    /// `durability = "os"` may be chosen.
    pub audit_os: bool,
    /// A model's threshold may be lowered below its package's.
    pub threshold_lowered: bool,
    /// Upstreams that are not on this machine may be asked without TLS.
    pub upstream_plaintext: bool,
    /// A route's guard may look away from a channel.
    pub guard_off: bool,
}

impl Config {
    /// What a configuration file means, with the environment and the command line over it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(text: &str, overlay: Overlay) -> Result<Self, ConfigErrors> {
        resolve::resolve(&ConfigFile::parse(text)?.overlaid(overlay))
    }

    /// Reads and resolves a file.
    ///
    /// # Errors
    /// If it cannot be read, or for everything that is wrong with it.
    pub fn read(path: &std::path::Path, overlay: Overlay) -> Result<Self, ConfigErrors> {
        let text = read_bounded(path)
            .map_err(|error| ConfigError::new(format!("`{}` cannot be read: {error}", path.display())))?;
        Self::parse(path, &text, overlay)
    }

    /// The same for a text that somebody else has read there.
    ///
    /// # Errors
    /// As for [`Config::read`].
    pub fn parse(path: &std::path::Path, text: &str, overlay: Overlay) -> Result<Self, ConfigErrors> {
        resolve::resolve(&ConfigFile::parse_named(&path.display().to_string(), text)?.overlaid(overlay))
    }

    /// The names of the switches under `[danger]` that are on, to be shown at start.
    #[must_use]
    pub fn dangers(&self) -> Vec<&'static str> {
        let Danger { single_person, plaintext, audit_os, threshold_lowered, upstream_plaintext, guard_off } =
            self.danger;
        let switches = [
            (single_person, "single_person"),
            (plaintext, "plaintext"),
            (audit_os, "audit_os"),
            (threshold_lowered, "threshold_lowered"),
            (upstream_plaintext, "upstream_plaintext"),
            (guard_off, "guard_off"),
        ];
        switches.into_iter().filter(|(on, _)| *on).map(|(_, name)| name).collect()
    }

    /// The threshold of a model whose package says `packaged`: the configured one if it is higher, or if lowering is
    /// allowed.
    ///
    /// # Errors
    /// If the configuration would lower it and `[danger] threshold_lowered` is not set.
    pub fn threshold(&self, model: &ModelName, packaged: f64) -> Result<f64, ThresholdLowered> {
        match self.models.get(model).and_then(|settings| settings.threshold) {
            Some(configured) if configured < packaged && !self.danger.threshold_lowered => {
                Err(ThresholdLowered { model: model.clone(), configured, packaged })
            }
            Some(configured) => Ok(configured),
            None => Ok(packaged),
        }
    }
}

/// A `[[model]]` section would serve answers that the model's author would not.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("threshold {configured} of `{model}` is below the {packaged} of its package")]
pub struct ThresholdLowered {
    model: ModelName,
    configured: f64,
    packaged: f64,
}

impl ThresholdLowered {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "raise it, or set `threshold_lowered = true` under `[danger]`"
    }
}

fn read_bounded(path: &std::path::Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?.take(FILE_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal,)* }) => {
        impl $type {
            /// Every choice, as written in the configuration.
            pub const WORDS: &[&str] = &[$($word,)*];

            /// As written in the configuration.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

use words;

words! { Durability { Every = "every", Group = "group", Os = "os", } }
words! { LogFormat { Auto = "auto", Json = "json", Text = "text", } }
words! { LogLevel { Error = "error", Warn = "warn", Info = "info", Debug = "debug", Trace = "trace", } }
