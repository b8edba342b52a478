//! Amazon's Key Management Service, for one thing: a root key that is kept wrapped and opened once, when a process starts.
//!
//! Two operations of its JSON interface (`Encrypt`, `Decrypt`, AWS KMS API Reference), signed by Signature Version 4. What is
//! wrapped is bound to its home by the encryption context, so that another home's file does not open here; KMS writes that
//! context into its own log. Nothing is tried twice: whoever starts processes starts them again.

mod credential;

use std::{fmt, str::FromStr, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use mantlet_gate::ports::Clock;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

pub use self::credential::{Credential, CredentialError, Env};
use crate::{
    egress::{Destination, EgressError, Options, Outbound, Roots},
    ledger::SystemClock,
    sigv4::{AMAZON, Moment, Scope, sha256},
};

/// Where KMS is, if not at Amazon's: the name that Amazon's own programs read.
const ENDPOINT: &str = "AWS_ENDPOINT_URL_KMS";

/// For finding the address, connecting and shaking hands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// For an answer, in all.
const REPLY_TIMEOUT: Duration = Duration::from_secs(20);

/// An answer: a wrapped key of some hundred bytes, in base 64, and names.
const REPLY_BYTES_MAX: usize = 64 << 10;

/// What a wrapped key is bound to, by the home's id under this name.
const CONTEXT: &str = "mantlet:home";

/// The first word of a file with a wrapped key.
const MARK: &str = "mantlet-kms/1";

/// Networks inside, where a cloud's own name servers have the service's name lead. Whether it is the service, its certificate
/// says.
const INSIDE: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/// A key of the service's, by its Amazon Resource Name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyArn {
    arn: String,
    region: String,
}

/// Not a key's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key is named by its ARN, `arn:aws:kms:REGION:ACCOUNT:key/ID`, and not by an alias")]
pub struct KeyArnError;

impl FromStr for KeyArn {
    type Err = KeyArnError;

    /// An alias can be moved to another key, and is none.
    fn from_str(text: &str) -> Result<Self, KeyArnError> {
        let parts: Vec<&str> = text.split(':').collect();
        let ["arn", partition, "kms", region, account, key] = parts.as_slice() else {
            return Err(KeyArnError);
        };
        let word = |word: &str| {
            (1..=64).contains(&word.len())
                && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        let partitions = ["aws", "aws-cn", "aws-us-gov", "aws-eusc"];
        let numbered = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let named = key.strip_prefix("key/").is_some_and(word);
        if partitions.contains(partition) && word(region) && numbered && named {
            Ok(Self { arn: text.to_owned(), region: (*region).to_owned() })
        } else {
            Err(KeyArnError)
        }
    }
}

impl fmt::Display for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.arn)
    }
}

impl KeyArn {
    /// A name for the file with what this key has wrapped.
    #[must_use]
    pub fn file_name(&self) -> String {
        let digest = sha256(self.arn.as_bytes());
        format!("root-{}.kms", digest.get(..16).unwrap_or(&digest))
    }

    fn origin(&self) -> String {
        let ending = match self.arn.split(':').nth(1) {
            Some("aws-cn") => "amazonaws.com.cn",
            Some("aws-eusc") => "amazonaws.eu",
            _ => "amazonaws.com",
        };
        format!("https://kms.{}.{ending}", self.region)
    }
}

/// Why a root key is not opened, or not wrapped.
#[derive(Debug, thiserror::Error)]
pub enum KmsError {
    /// Nobody to ask as.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The endpoint is none.
    #[error("`{ENDPOINT}` is not `https://HOST[:PORT]`, or `http://` on this machine")]
    Endpoint,
    /// No exchange.
    #[error("the key management service cannot be asked: {0}")]
    Egress(#[from] EgressError),
    /// The service says no, in a word of its own.
    #[error("the key management service refuses to {0}: `{1}`")]
    Refused(&'static str, String),
    /// The service says something that does not fit.
    #[error("the key management service gave an answer that does not fit")]
    Answer,
    /// The file is of another key, or no such file.
    #[error("the file holds nothing that `{0}` has wrapped")]
    File(String),
    /// The clock is out of its range, or there is no runtime.
    #[error("the key management service cannot be asked from here")]
    Here,
}

impl KmsError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Credential(error) => return error.hint(),
            Self::Refused(_, code) if code.contains("AccessDenied") => {
                format!(
                    "the credential needs `kms:Decrypt`, and to replace the root key `kms:Encrypt`, for context `{CONTEXT}`"
                )
            }
            Self::Refused(_, code) if code.contains("InvalidCiphertext") => {
                "the wrapped key is another home's, or was altered: restore it from a backup of the home"
                    .to_owned()
            }
            Self::Refused(..) => {
                "see what the key management service says of the key: it must be enabled".to_owned()
            }
            Self::File(_) => {
                "restore the file from a backup of the home, or name the key that wrapped it".to_owned()
            }
            Self::Egress(_) => {
                "nothing is served without the root key; start again once the service can be reached"
                    .to_owned()
            }
            Self::Endpoint | Self::Answer | Self::Here => return None,
        })
    }
}

/// What the service answers, as far as it matters.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    key_id: String,
    #[serde(default)]
    plaintext: Option<String>,
    #[serde(default)]
    ciphertext_blob: Option<String>,
}

/// Wraps a root key for a home: the text of the file to keep it in.
///
/// # Errors
/// If the service cannot be asked or says no.
pub fn wrap(key: &KeyArn, home: &str, secret: &[u8; 32], env: Env<'_>) -> Result<String, KmsError> {
    let plain = Zeroizing::new(STANDARD.encode(secret));
    let body = json!({
        "KeyId": key.arn, "Plaintext": plain.as_str(), "EncryptionContext": { CONTEXT: home },
    });
    let answer = ask(key, "Encrypt", "wrap the root key", &Zeroizing::new(body.to_string()), env)?;
    let wrapped = answer.ciphertext_blob.ok_or(KmsError::Answer)?;
    STANDARD.decode(&wrapped).map_err(|_| KmsError::Answer)?;
    Ok(format!("{MARK} {key}\n{wrapped}\n"))
}

/// Opens what [`wrap`] made.
///
/// # Errors
/// If the service cannot be asked or says no, or the file is not of this key.
pub fn unwrap(key: &KeyArn, home: &str, file: &[u8], env: Env<'_>) -> Result<Zeroizing<[u8; 32]>, KmsError> {
    let other = || KmsError::File(key.to_string());
    let text = std::str::from_utf8(file).map_err(|_| other())?;
    let mut lines = text.lines();
    let (Some(first), Some(wrapped), None) = (lines.next(), lines.next(), lines.next()) else {
        return Err(other());
    };
    if first.strip_prefix(MARK).and_then(|rest| rest.strip_prefix(' ')) != Some(key.arn.as_str()) {
        return Err(other());
    }
    STANDARD.decode(wrapped).map_err(|_| other())?;
    let body = json!({
        "KeyId": key.arn, "CiphertextBlob": wrapped, "EncryptionContext": { CONTEXT: home },
        "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
    });
    let answer = ask(key, "Decrypt", "open the root key", &body.to_string(), env)?;
    let plain = answer.plaintext.map(Zeroizing::new).ok_or(KmsError::Answer)?;
    let plain = STANDARD.decode(plain.as_bytes()).map(Zeroizing::new).map_err(|_| KmsError::Answer)?;
    <[u8; 32]>::try_from(plain.as_slice()).map(Zeroizing::new).map_err(|_| KmsError::Answer)
}

/// Asks on a thread and a runtime of its own, which end with the answer: the root key is fetched before there is a server, and
/// by commands that have one.
fn ask(
    key: &KeyArn,
    operation: &str,
    what: &'static str,
    body: &str,
    env: Env<'_>,
) -> Result<Answer, KmsError> {
    let endpoint = env(ENDPOINT).filter(|value| !value.is_empty());
    let origin = endpoint.unwrap_or_else(|| key.origin());
    let found = credential::Source::find(env)?;
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|_| KmsError::Here)?;
            runtime.block_on(async {
                let credential = found.credential().await?;
                exchange(key, operation, what, body, &origin, &credential).await
            })
        });
        asked.join().map_err(|_| KmsError::Here)?
    })
}

async fn exchange(
    key: &KeyArn,
    operation: &str,
    what: &'static str,
    body: &str,
    origin: &str,
    credential: &Credential,
) -> Result<Answer, KmsError> {
    let destination = Destination::parse(origin).map_err(|_| KmsError::Endpoint)?;
    if !destination.base_path().is_empty() || !(destination.is_secure() || destination.is_loopback()) {
        return Err(KmsError::Endpoint);
    }
    let host = origin.split_once("://").map_or(origin, |(_, host)| host).trim_end_matches('/');
    let now = Moment::of(SystemClock.now()).ok_or(KmsError::Here)?;
    let headers = signed(key, operation, body, host, &now, credential)?;
    let networks = INSIDE.iter().filter_map(|network| network.parse().ok()).collect();
    let way = way(destination, networks)?;
    let body = Bytes::copy_from_slice(body.as_bytes());
    let reply = way.send(Method::POST, "/", headers, body).await?;
    if reply.status.is_success() {
        let answer: Answer = serde_json::from_slice(&reply.body).map_err(|_| KmsError::Answer)?;
        // An answer by another key would be one that nobody has named.
        return if answer.key_id == key.arn { Ok(answer) } else { Err(KmsError::Answer) };
    }
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(rename = "__type")]
        kind: String,
    }
    let said = serde_json::from_slice(&reply.body).map(|Refusal { kind }| kind).unwrap_or_default();
    // `com.amazonaws.kms#AccessDeniedException`, and nothing else of what may stand there.
    let code: String = said.rsplit('#').next().unwrap_or_default().chars().take(64).collect();
    let plain = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    Err(KmsError::Refused(what, if plain { code } else { reply.status.as_u16().to_string() }))
}

/// A way to one of Amazon's services.
fn way(destination: Destination, networks: Vec<ipnet::IpNet>) -> Result<Outbound, EgressError> {
    let options = Options {
        roots: Roots::System,
        identity: None,
        networks,
        // Asked before: on this machine alone, or at an address that is a machine's own.
        plaintext: true,
        connect_timeout: CONNECT_TIMEOUT,
        reply_timeout: REPLY_TIMEOUT,
        reply_bytes_max: REPLY_BYTES_MAX,
        idle_connections: 0,
    };
    Outbound::new(destination, options)
}

/// The headers of a request, signed.
fn signed(
    key: &KeyArn,
    operation: &str,
    body: &str,
    host: &str,
    now: &Moment,
    credential: &Credential,
) -> Result<HeaderMap, KmsError> {
    let target = format!("TrentService.{operation}");
    let mut all = vec![
        ("content-type", "application/x-amz-json-1.1"),
        ("host", host),
        ("x-amz-date", now.second.as_str()),
        ("x-amz-target", target.as_str()),
    ];
    if let Some(token) = &credential.token {
        all.insert(3, ("x-amz-security-token", token.as_str()));
    }
    let names = all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = all.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let request = format!("POST\n/\n\n{lines}\n{names}\n{}", sha256(body.as_bytes()));
    let scope = Scope { dialect: AMAZON, day: &now.day, region: &key.region, service: "kms" };
    let text = scope.to_sign("AWS4-HMAC-SHA256", &now.second, &request);
    let signature = scope.sign(&credential.secret, &text);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={names}, Signature={signature}",
        credential.id,
        scope.text()
    );
    let mut headers = HeaderMap::new();
    for (name, value) in all {
        headers
            .insert(HeaderName::from_static(name), HeaderValue::from_str(value).map_err(|_| KmsError::Here)?);
    }
    let authorization = HeaderValue::from_str(&authorization).map_err(|_| KmsError::Here)?;
    headers.insert(header::AUTHORIZATION, authorization);
    Ok(headers)
}

#[cfg(test)]
mod tests;
