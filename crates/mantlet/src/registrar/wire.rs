//! What the serving process and the registrar say to each other.

use std::io::{self, BufRead, Read, Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use mantlet_models::{package::Package, registry::PackageDigest};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, de::Error};

/// A line: the longest lists the most files that a package may have.
const LINE_BYTES_MAX: u64 = 8 << 20;

/// What the serving process asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Asked {
    /// To keep a package, whose files' bytes follow in the order of the list.
    Keep(Listed),
    /// To publish a kept package, by an intent in the log.
    Publish {
        /// The package.
        package: PackageDigest,
        /// The intent's index.
        intent: u64,
    },
    /// The server's certificate.
    Identity,
    /// The configuration's text.
    Configuration,
}

/// A package's own name, and its files with their lengths.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listed {
    pub(super) subject: String,
    pub(super) files: Vec<(String, u64)>,
}

impl Listed {
    pub(super) fn of(package: &Package) -> Self {
        let files = package.files().map(|(name, bytes)| (name.to_owned(), bytes.len() as u64));
        Self { subject: package.subject().to_owned(), files: files.collect() }
    }
}

/// What the registrar says.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    /// The package is kept under this digest.
    Kept(PackageDigest),
    /// It is done.
    Done,
    /// The server's certificate.
    Identity(Identity),
    /// The configuration's text.
    Configuration(String),
    /// It is not done.
    Refused(Refusal),
}

/// Why not, and what to do about it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Refusal {
    pub(super) why: String,
    pub(super) hint: Option<String>,
}

impl<E: ToString> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self { why: error.to_string(), hint: None }
    }
}

/// A certificate with its key, and the one that stands alone.
#[derive(Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) chain: Vec<Der>,
    pub(super) key: Der,
    /// Microseconds since 1970.
    pub(super) expires: i64,
    pub(super) lone: Option<(Der, Der)>,
}

/// DER as base 64.
pub(super) struct Der(pub(super) Vec<u8>);

impl Serialize for Der {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Der {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(D::Error::custom)
    }
}

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// The other side has gone.
    #[error("the registrar has ended")]
    Ended,
    /// The sockets failed.
    #[error("the registrar cannot be reached: {0}")]
    Io(#[from] io::Error),
    /// Something else came than what was asked for.
    #[error("the registrar said something unexpected")]
    Unexpected,
    /// It said no.
    #[error("{}", .0.why)]
    Refused(Refusal),
}

/// Sends one line.
pub(super) fn send(to: &mut impl Write, message: &impl Serialize) -> Result<(), WireError> {
    let mut line = serde_json::to_vec(message).map_err(|_| WireError::Unexpected)?;
    line.push(b'\n');
    Ok(to.write_all(&line)?)
}

/// Receives one line; `None` where the other side has ended.
pub(super) fn receive<T: DeserializeOwned>(from: &mut impl BufRead) -> Result<Option<T>, WireError> {
    let mut line = Vec::new();
    from.take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    match line.strip_suffix(b"\n") {
        Some(line) => serde_json::from_slice(line).map(Some).map_err(|_| WireError::Unexpected),
        None => Err(WireError::Unexpected),
    }
}
