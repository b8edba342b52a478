//! As whom the key management service is asked: by the environment, by a file, or, only where somebody says so, by the machine
//! itself. All in the names that Amazon's own programs read; none of these is asked for one after the other in silence.

use std::{fmt, os::unix::fs::MetadataExt, path::PathBuf};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::way;
use crate::egress::{Destination, EgressError};

/// What reads the environment.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where a machine finds its own credential (Instance Metadata Service, version 2), if it is not told otherwise.
const METADATA: &str = "http://169.254.169.254";

/// A file of credentials; real ones have some lines.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Who asks.
pub struct Credential {
    /// The key's id.
    pub id: String,
    /// The key.
    pub secret: Zeroizing<String>,
    /// Of a key that ends: its token.
    pub token: Option<Zeroizing<String>>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why there is nobody to ask as.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// Nothing says.
    #[error("nothing says as whom to ask the key management service")]
    Nobody,
    /// A half of one.
    #[error("`{0}` is not set")]
    Missing(&'static str),
    /// The file cannot be read.
    #[error("the credentials in `{0}` cannot be read: {1}")]
    File(PathBuf, std::io::Error),
    /// Others can read it.
    #[error("the credentials in `{0}` can be read by others")]
    Open(PathBuf),
    /// There is no such section, or no key in it.
    #[error("`{0}` has no key for the profile `{1}`")]
    Profile(PathBuf, String),
    /// The machine has none.
    #[error("this machine's own credential cannot be had: {0}")]
    Machine(String),
}

impl CredentialError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Nobody => Some(
                "set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or `AWS_SHARED_CREDENTIALS_FILE`, or, to ask as the \
                 machine's own role, `AWS_EC2_METADATA_DISABLED=false`"
                    .into(),
            ),
            Self::Open(path) => Some(format!("close it: chmod go= {}", path.display())),
            _ => None,
        }
    }
}

/// Where a credential comes from.
pub(super) enum Source {
    /// It is at hand.
    Known(Credential),
    /// The machine says, at this place.
    Machine(String),
}

impl Source {
    /// The one that the environment names.
    pub(super) fn find(env: Env<'_>) -> Result<Self, CredentialError> {
        let read = |name: &str| env(name).filter(|value| !value.is_empty());
        if let Some(id) = read("AWS_ACCESS_KEY_ID") {
            const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
            let secret = read(SECRET).map(Zeroizing::new).ok_or(CredentialError::Missing(SECRET))?;
            let token = read("AWS_SESSION_TOKEN").map(Zeroizing::new);
            return Ok(Self::Known(Credential { id, secret, token }));
        }
        if let Some(path) = read("AWS_SHARED_CREDENTIALS_FILE") {
            let profile = read("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
            return from_file(path.into(), profile).map(Self::Known);
        }
        if read("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("false")) {
            let place = read("AWS_EC2_METADATA_SERVICE_ENDPOINT");
            return Ok(Self::Machine(place.unwrap_or_else(|| METADATA.to_owned())));
        }
        Err(CredentialError::Nobody)
    }

    pub(super) async fn credential(self) -> Result<Credential, CredentialError> {
        match self {
            Self::Known(credential) => Ok(credential),
            Self::Machine(place) => from_machine(&place).await,
        }
    }
}

/// A section of a file as Amazon's programs write it.
fn from_file(path: PathBuf, profile: String) -> Result<Credential, CredentialError> {
    let read = || {
        let metadata = std::fs::metadata(&path)?;
        if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
            return Err(std::io::ErrorKind::InvalidInput.into());
        }
        Ok((metadata.mode(), Zeroizing::new(std::fs::read_to_string(&path)?)))
    };
    let (mode, text) = read().map_err(|error| CredentialError::File(path.clone(), error))?;
    if mode & 0o077 != 0 {
        return Err(CredentialError::Open(path));
    }
    let (mut within, mut id, mut secret, mut token) = (false, None, None, None);
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            within = name.trim() == profile;
            continue;
        }
        let Some((name, value)) = line.split_once('=').filter(|_| within) else { continue };
        let value = value.trim().to_owned();
        match name.trim() {
            "aws_access_key_id" => id = Some(value),
            "aws_secret_access_key" => secret = Some(Zeroizing::new(value)),
            "aws_session_token" => token = Some(Zeroizing::new(value)),
            _ => {}
        }
    }
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Credential { id, secret, token }),
        _ => Err(CredentialError::Profile(path, profile)),
    }
}

/// What the machine says of its role.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Role {
    access_key_id: String,
    secret_access_key: String,
    token: String,
}

/// The credential of the machine's role: a token first, then the role's name, then its key.
async fn from_machine(place: &str) -> Result<Credential, CredentialError> {
    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    let failed = |error: EgressError| CredentialError::Machine(error.to_string());
    let unfit = || CredentialError::Machine("it answers something else".to_owned());
    let destination =
        Destination::parse(place).map_err(|error| CredentialError::Machine(error.to_string()))?;
    let own = [METADATA, "http://[fd00:ec2::254]"].contains(&place.trim_end_matches('/'));
    if !own && !destination.is_loopback() {
        return Err(CredentialError::Machine("it is asked at its own address alone".to_owned()));
    }
    let way = way(destination, Vec::new()).map_err(failed)?;
    let ask = async |method: Method, path: &str, name: &'static str, value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).map_err(|_| unfit())?);
        let reply = way.send(method, path, headers, Bytes::new()).await.map_err(failed)?;
        match reply.status.as_u16() {
            200 => Ok(reply.body),
            status => Err(CredentialError::Machine(format!("it answers {status}"))),
        }
    };
    let text = |body: Bytes| String::from_utf8(body.to_vec()).map_err(|_| unfit());
    let token = ask(Method::PUT, "/latest/api/token", "x-aws-ec2-metadata-token-ttl-seconds", "60").await?;
    let token = Zeroizing::new(text(token)?);
    let shown = "x-aws-ec2-metadata-token";
    let role = text(ask(Method::GET, ROLES, shown, &token).await?)?;
    let role = role.lines().next().unwrap_or_default().trim();
    if role.is_empty() || !role.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte))
    {
        return Err(unfit());
    }
    let said = ask(Method::GET, &format!("{ROLES}{role}"), shown, &token).await?;
    let Role { access_key_id, secret_access_key, token } =
        serde_json::from_slice(&said).map_err(|_| unfit())?;
    let (secret, token) = (Zeroizing::new(secret_access_key), Zeroizing::new(token));
    Ok(Credential { id: access_key_id, secret, token: Some(token) })
}
