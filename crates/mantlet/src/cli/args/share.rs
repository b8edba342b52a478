//! Handing models on: signed URLs and the keys that sign them.

use clap::{Args, Subcommand};
use ipnet::IpNet;
use mantlet_gate::urls::UrlMethod;
use mantlet_types::{reference::ModelRef, url::UrlKid};

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
    let expected = || "a number with its unit: `90s`, `15m`, `1h`".to_owned();
    let unit = text.chars().last().ok_or_else(expected)?;
    let factor: u32 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
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
