//! Secrets by reference: where one is, never what it is.

use std::{
    fmt,
    io::Read,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::HeaderValue;
use zeroize::Zeroizing;

/// Longest secret. Keys of providers have some 200 bytes.
const BYTES_MAX: u64 = 16 << 10;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// In an environment variable.
    Env(String),
    /// In a file, but for white space around it.
    File(PathBuf),
    /// In the home's own store of secrets.
    Named(String),
}

/// A text that is no reference. It may be the secret itself, so it is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a reference to a secret")]
pub struct NoReference;

impl std::str::FromStr for SecretRef {
    type Err = NoReference;

    fn from_str(text: &str) -> Result<Self, NoReference> {
        let (kind, place) = text.split_once(':').ok_or(NoReference)?;
        let name = !place.is_empty()
            && place.len() <= 128
            && place.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        match kind {
            "env" if name => Ok(Self::Env(place.to_owned())),
            "secret" if name => Ok(Self::Named(place.to_owned())),
            "file" if PathBuf::from(place).is_absolute() => Ok(Self::File(place.into())),
            _ => Err(NoReference),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Named(name) => write!(f, "secret:{name}"),
        }
    }
}

impl SecretRef {
    /// Reads it.
    ///
    /// # Errors
    /// If it is not there, or is nothing that a header can carry; for an operator.
    pub fn read(&self) -> Result<Zeroizing<String>, String> {
        let value = match self {
            Self::Env(name) => {
                Zeroizing::new(std::env::var(name).map_err(|_| format!("`{self}` is not set"))?)
            }
            Self::File(path) => {
                let mut text = Zeroizing::new(String::new());
                let file = std::fs::File::open(path).map_err(|error| format!("`{self}`: {error}"))?;
                file.take(BYTES_MAX)
                    .read_to_string(&mut text)
                    .map_err(|error| format!("`{self}`: {error}"))?;
                text
            }
            Self::Named(_) => return Err(format!("`{self}`: this home keeps no secrets by name")),
        };
        let trimmed = value.trim();
        if trimmed.is_empty() || !trimmed.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(format!("`{self}` holds nothing that can be sent as a key"));
        }
        Ok(Zeroizing::new(trimmed.to_owned()))
    }
}

/// How long a secret is used before it is read again: a replaced one counts within this time, without a restart.
const KEPT: Duration = Duration::from_secs(300);

/// A key that an upstream is asked by, read when it is needed and kept for a while.
pub(super) struct Key {
    place: Option<SecretRef>,
    kept: Mutex<Option<(Instant, HeaderValue)>>,
}

impl Key {
    pub(super) fn new(place: Option<SecretRef>) -> Self {
        Self { place, kept: Mutex::new(None) }
    }

    /// What says it to the upstream; nothing where the operator has named no secret.
    ///
    /// # Errors
    /// If it cannot be read; for an operator. What was read before is not used in its place: it was replaced, or taken away.
    pub(super) fn authorization(&self) -> Result<Option<HeaderValue>, String> {
        let Some(place) = &self.place else { return Ok(None) };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, value)) = kept.as_ref().filter(|(read, _)| read.elapsed() < KEPT) {
            return Ok(Some(value.clone()));
        }
        *kept = None;
        let bearer = Zeroizing::new(format!("Bearer {}", place.read()?.as_str()));
        let mut value = HeaderValue::from_str(&bearer).map_err(|_| format!("`{place}` is no key"))?;
        value.set_sensitive(true); // never shown, nor kept in tables of compressed headers
        *kept = Some((Instant::now(), value.clone()));
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_secrets_are_not_taken_for_them() {
        for text in ["env:OPENAI_KEY", "file:/run/secrets/key", "secret:openai"] {
            assert_eq!(text.parse::<SecretRef>().unwrap().to_string(), text);
        }
        for text in ["", "sk-canary", "env:", "env:A B", "file:key", "http://x", "Bearer:sk/canary"] {
            let error = text.parse::<SecretRef>().unwrap_err();
            assert!(!error.to_string().contains("canary"));
        }
    }

    #[test]
    fn a_file_s_secret_is_its_one_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let secret = SecretRef::File(file.path().into());
        assert!(secret.read().is_err(), "empty");
        std::fs::write(file.path(), "sk-1\n").unwrap();
        assert_eq!(secret.read().unwrap().as_str(), "sk-1");
        std::fs::write(file.path(), "two lines\nof canary").unwrap();
        assert!(!secret.read().unwrap_err().contains("canary"));
    }
}
