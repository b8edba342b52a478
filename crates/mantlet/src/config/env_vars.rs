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

/// A bucket's region.
pub const AWS_REGION: EnvVar =
    EnvVar { name: "AWS_REGION", setting: None, purpose: "the region of buckets that commands ask" };

/// The same where the other is not set.
pub const AWS_DEFAULT_REGION: EnvVar = EnvVar {
    name: "AWS_DEFAULT_REGION",
    setting: None,
    purpose: "the region of buckets, where `AWS_REGION` is not set",
};

/// Where buckets are that are not Amazon's.
pub const AWS_ENDPOINT_URL: EnvVar = EnvVar {
    name: "AWS_ENDPOINT_URL",
    setting: None,
    purpose: "where buckets are that commands ask, unless `--endpoint` says",
};

/// Who asks buckets.
pub const AWS_ACCESS_KEY_ID: EnvVar =
    EnvVar { name: "AWS_ACCESS_KEY_ID", setting: None, purpose: "the id of the key to buckets" };

/// By what: never a flag, because process lists show flags.
pub const AWS_SECRET_ACCESS_KEY: EnvVar =
    EnvVar { name: "AWS_SECRET_ACCESS_KEY", setting: None, purpose: "the key to buckets" };

/// Of a key that ends.
pub const AWS_SESSION_TOKEN: EnvVar =
    EnvVar { name: "AWS_SESSION_TOKEN", setting: None, purpose: "the token of a key to buckets that ends" };

/// When it ends.
pub const AWS_CREDENTIAL_EXPIRATION: EnvVar = EnvVar {
    name: "AWS_CREDENTIAL_EXPIRATION",
    setting: None,
    purpose: "when the key to buckets ends: no URL of theirs lives longer",
};

/// Who asks Google's buckets: a service account's key file.
pub const GOOGLE_APPLICATION_CREDENTIALS: EnvVar = EnvVar {
    name: "GOOGLE_APPLICATION_CREDENTIALS",
    setting: None,
    purpose: "the file with a service account's key to Google's buckets",
};

/// The same with an HMAC key.
pub const GS_ACCESS_KEY_ID: EnvVar =
    EnvVar { name: "GS_ACCESS_KEY_ID", setting: None, purpose: "the id of an HMAC key to Google's buckets" };

/// The HMAC key.
pub const GS_SECRET_ACCESS_KEY: EnvVar =
    EnvVar { name: "GS_SECRET_ACCESS_KEY", setting: None, purpose: "the HMAC key to Google's buckets" };

/// Whose containers of Azure's.
pub const AZURE_STORAGE_ACCOUNT: EnvVar = EnvVar {
    name: "AZURE_STORAGE_ACCOUNT",
    setting: None,
    purpose: "the account of Azure's containers that commands ask",
};

/// By what.
pub const AZURE_STORAGE_KEY: EnvVar =
    EnvVar { name: "AZURE_STORAGE_KEY", setting: None, purpose: "that account's key, in base 64" };

/// All of them.
pub const ALL: [EnvVar; 20] = [
    HOME,
    LISTEN,
    LOG,
    LOG_FORMAT,
    URL,
    CA,
    API_KEY,
    IDENTITY,
    AWS_REGION,
    AWS_DEFAULT_REGION,
    AWS_ENDPOINT_URL,
    AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY,
    AWS_SESSION_TOKEN,
    AWS_CREDENTIAL_EXPIRATION,
    GOOGLE_APPLICATION_CREDENTIALS,
    GS_ACCESS_KEY_ID,
    GS_SECRET_ACCESS_KEY,
    AZURE_STORAGE_ACCOUNT,
    AZURE_STORAGE_KEY,
];
