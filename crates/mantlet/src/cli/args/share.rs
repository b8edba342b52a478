//! Handing models on: signed URLs and the keys that sign them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use ipnet::IpNet;
use mantlet_gate::urls::UrlMethod;
use mantlet_types::{Sha256, reference::ModelRef, url::UrlKid};

/// `mantlet model url`.
///
/// Whoever has the URL has the package until the URL ends, for as long as whoever had it signed may export that version.
#[derive(Debug, Args)]
pub struct SignUrl {
    /// The version: NAME@live, NAME@3 or NAME@ALIAS
    #[arg(value_name = "NAME@VERSION")]
    pub model: ModelRef,
    /// How long: 90s, 15m, 1h [default: 15m, or what the configuration allows if that is less]
    #[arg(long = "for", value_name = "TIME", value_parser = seconds)]
    pub seconds: Option<u32>,
    /// The one method that it answers: GET, or HEAD to say that it is there and no more
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    pub method: UrlMethod,
    /// From where it may be brought: an address or a network
    #[arg(long, value_name = "CIDR", value_parser = network)]
    pub network: Option<IpNet>,
    /// For one answer only
    #[arg(long)]
    pub once: bool,
    /// For this file of the package only
    #[arg(long, value_name = "NAME")]
    pub file: Option<String>,
    /// A bucket's own URL, for what `model publish` put below this place, instead of the server's
    #[arg(long, value_name = "s3|gs|az://BUCKET[/PREFIX]")]
    pub via: Option<String>,
    /// Where the bucket is, if not at Amazon, Google or Azure
    #[arg(long, value_name = "URL", requires = "via")]
    pub endpoint: Option<String>,
}

/// `mantlet model publish`.
#[derive(Debug, Args)]
pub struct Publish {
    /// The version: NAME@live, NAME@3 or NAME@ALIAS
    #[arg(value_name = "NAME@VERSION")]
    pub model: ModelRef,
    /// The bucket, and what its packages stand below
    #[arg(long, value_name = "s3|gs|az://BUCKET[/PREFIX]")]
    pub to: String,
    /// The way out.
    #[command(flatten)]
    pub outside: Outside,
}

/// `mantlet model import`.
#[derive(Debug, Args)]
pub struct Import {
    /// A file or directory here, or one file elsewhere: an archive, a package, or the model alone
    #[arg(value_name = "s3|gs|az://…|https://…|DIR|FILE")]
    pub source: String,
    /// The file's digest as whoever published it names it; what comes from elsewhere is not taken in without
    #[arg(long, value_name = "DIGEST")]
    pub sha256: Option<Sha256>,
    /// A directory to make [default: the file's name without its ending]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// A host that may be redirected to, HOST or HOST:PORT; repeat for several
    #[arg(long = "redirect", value_name = "HOST")]
    pub redirects: Vec<String>,
    /// The way out.
    #[command(flatten)]
    pub outside: Outside,
}

/// What a command may do that goes out by itself.
#[derive(Debug, Default, Args)]
pub struct Outside {
    /// The authority to trust there, instead of those that the system trusts
    #[arg(long, value_name = "PEM")]
    pub ca: Option<PathBuf>,
    /// A network beside the public internet that the host's name may resolve to; repeat for several
    #[arg(long = "private-network", value_name = "CIDR", value_parser = network)]
    pub networks: Vec<IpNet>,
    /// Where the bucket is, if not at Amazon, Google or Azure
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
}

/// `mantlet model url-keys …`.
#[derive(Debug, Subcommand)]
pub enum UrlKeys {
    /// List the keys that sign URLs
    List,
    /// Have a new key sign; what the old one signed ends by itself, within the hour
    Rotate,
    /// Void every URL that a key has signed
    Revoke {
        /// Which: `k1`, `k2` …
        kid: UrlKid,
    },
}

/// A time in seconds, minutes or hours.
fn seconds(text: &str) -> Result<u32, String> {
    let expected = || "a number with its unit: `90s`, `15m`, `1h`, `7d`".to_owned();
    let unit = text.chars().last().ok_or_else(expected)?;
    let factor: u32 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(expected()),
    };
    let number = text.strip_suffix(unit).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let number: u32 = number.and_then(|digits| digits.parse().ok()).ok_or_else(expected)?;
    number.checked_mul(factor).filter(|seconds| *seconds > 0).ok_or_else(expected)
}

/// An address stands for itself.
fn network(text: &str) -> Result<IpNet, String> {
    mantlet_gate::perimeter::parse_network(text).map_err(|error| error.to_string())
}
