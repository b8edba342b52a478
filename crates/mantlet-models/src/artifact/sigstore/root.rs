//! The file that says whose word counts: authorities, logs of certificates and logs of signatures, each with the time in
//! which it was in use (`trusted_root.json` of Sigstore, as `cosign` and `model-signing` take it).

use base64::{Engine, engine::general_purpose::STANDARD};
use mantlet_types::Sha256;
use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::artifact::{json, keys::PublicKey, sha256};

/// The file in bytes; that of the public instance has some 7,000.
const BYTES_MAX: usize = 1 << 20;

/// Why the file says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the trust root {0}")]
pub struct TrustRootError(String);

/// Whose certificates and logs count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustRoot {
    pub(super) authorities: Vec<CertificateAuthority>,
    pub(super) certificate_logs: Vec<LogKey>,
    pub(super) signature_logs: Vec<LogKey>,
}

/// An authority with what stands between it and signers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CertificateAuthority {
    /// DER, the authority itself last.
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) used: Period,
}

/// The key of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogKey {
    /// SHA-256 of the key, by which the log is named.
    pub(super) id: Sha256,
    pub(super) key: PublicKey,
    pub(super) used: Period,
}

/// From when to when, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Period {
    start: i64,
    end: i64,
}

impl Period {
    pub(super) fn contains(self, at: i64) -> bool {
        (self.start..=self.end).contains(&at)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    media_type: String,
    #[serde(default)]
    tlogs: Vec<WireLog>,
    #[serde(default)]
    ctlogs: Vec<WireLog>,
    #[serde(default)]
    certificate_authorities: Vec<WireAuthority>,
}

/// The file that `model-signing` takes has the trust root within.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wrapped {
    trusted_root: Wire,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireLog {
    public_key: WireKey,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireKey {
    raw_bytes: String,
    #[serde(default)]
    valid_for: WirePeriod,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAuthority {
    cert_chain: WireChain,
    #[serde(default)]
    valid_for: WirePeriod,
}

#[derive(Deserialize)]
struct WireChain {
    certificates: Vec<WireCertificate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireCertificate {
    raw_bytes: String,
}

#[derive(Deserialize, Default)]
struct WirePeriod {
    start: Option<String>,
    end: Option<String>,
}

impl WirePeriod {
    fn read(&self) -> Result<Period, TrustRootError> {
        let read = |text: &Option<String>, none: i64| match text {
            None => Ok(none),
            Some(text) => OffsetDateTime::parse(text, &Rfc3339)
                .map(OffsetDateTime::unix_timestamp)
                .map_err(|_| TrustRootError(format!("has the time {text:?}, which is none"))),
        };
        Ok(Period { start: read(&self.start, i64::MIN)?, end: read(&self.end, i64::MAX)? })
    }
}

impl TrustRoot {
    /// Reads `trusted_root.json`, or a client's configuration that holds one.
    ///
    /// # Errors
    /// Malformed, or without an authority, a log of certificates or a log of signatures that can be used here. Keys of other
    /// kinds than ECDSA are left out: nothing that they signed counts.
    pub fn from_json(bytes: &[u8]) -> Result<Self, TrustRootError> {
        if bytes.len() > BYTES_MAX {
            return Err(TrustRootError(format!("has more than {BYTES_MAX} bytes")));
        }
        let malformed = |error| TrustRootError(format!("is malformed: {error}"));
        let wire: Wire = match json::parse::<Wrapped>(bytes) {
            Ok(wrapped) => wrapped.trusted_root,
            Err(_) => json::parse(bytes).map_err(malformed)?,
        };
        if !wire.media_type.starts_with("application/vnd.dev.sigstore.trustedroot") {
            return Err(TrustRootError("is of another media type".into()));
        }
        let authority = |wire: &WireAuthority| {
            let chain = wire.cert_chain.certificates.iter().map(|it| decode(&it.raw_bytes));
            let chain = chain.collect::<Result<_, _>>()?;
            Ok(CertificateAuthority { chain, used: wire.valid_for.read()? })
        };
        let authorities =
            wire.certificate_authorities.iter().map(authority).collect::<Result<Vec<_>, _>>()?;
        let (certificate_logs, signature_logs) = (logs(&wire.ctlogs)?, logs(&wire.tlogs)?);
        if authorities.is_empty() || certificate_logs.is_empty() || signature_logs.is_empty() {
            return Err(TrustRootError("lacks an authority or a log with a key that is read here".into()));
        }
        Ok(Self { authorities, certificate_logs, signature_logs })
    }
}

fn logs(wire: &[WireLog]) -> Result<Vec<LogKey>, TrustRootError> {
    let mut logs = Vec::new();
    for log in wire {
        let spki = decode(&log.public_key.raw_bytes)?;
        let (id, used) = (sha256(&spki), log.public_key.valid_for.read()?);
        if let Ok(key) = PublicKey::from_spki(spki) {
            logs.push(LogKey { id, key, used });
        }
    }
    Ok(logs)
}

fn decode(text: &str) -> Result<Vec<u8>, TrustRootError> {
    STANDARD.decode(text).map_err(|_| TrustRootError("holds what is not canonical base64".into()))
}
