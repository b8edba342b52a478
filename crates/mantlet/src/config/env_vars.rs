//! Every environment variable that Mantlet reads, in one table.

/// An environment variable.
#[derive(Clone, Copy, Debug)]
pub struct EnvVar {
    /// Its name.
    pub name: &'static str,
    /// The setting that it replaces, if it replaces one.
    pub setting: Option<&'static str>,
    /// What it is for.
    pub purpose: &'static str,
}

/// Where the home is.
pub const HOME: EnvVar =
    EnvVar { name: "MANTLET_HOME", setting: None, purpose: "the home, unless `--home` names one" };

/// Where to listen.
pub const LISTEN: EnvVar =
    EnvVar { name: "MANTLET_LISTEN", setting: Some("server.listen"), purpose: "the address to serve at" };

/// How much to log.
pub const LOG: EnvVar =
    EnvVar { name: "MANTLET_LOG", setting: Some("log.level"), purpose: "how much to log" };

/// How to log.
pub const LOG_FORMAT: EnvVar =
    EnvVar { name: "MANTLET_LOG_FORMAT", setting: Some("log.format"), purpose: "how log lines look" };

/// Which server the client asks.
pub const URL: EnvVar =
    EnvVar { name: "MANTLET_URL", setting: None, purpose: "the server that client commands ask" };

/// What the client trusts.
pub const CA: EnvVar =
    EnvVar { name: "MANTLET_CA", setting: None, purpose: "the authority that client commands trust" };

/// The client's credential: never a flag, because process lists show flags.
pub const API_KEY: EnvVar =
    EnvVar { name: "MANTLET_API_KEY", setting: None, purpose: "the key that client commands present" };

/// As whom client commands act.
pub const IDENTITY: EnvVar = EnvVar {
    name: "MANTLET_IDENTITY",
    setting: None,
    purpose: "the directory with the key and certificate to act by, unless `--as` names one",
};

/// All of them.
pub const ALL: [EnvVar; 8] = [HOME, LISTEN, LOG, LOG_FORMAT, URL, CA, API_KEY, IDENTITY];
