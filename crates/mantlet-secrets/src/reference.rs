//! Where a secret is.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use mantlet_types::SecretName;
use serde::{Deserialize, Serialize};

/// Characters of a variable's name.
const VARIABLE_CHARS_MAX: usize = 128;
/// Bytes of a path, Linux's own bound.
const PATH_BYTES_MAX: usize = 4096;

/// Where a secret is: `env:NAME`, `file:/PATH` or `secret:NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SecretRef {
    /// In a variable of the process' environment.
    Env(String),
    /// In a file that is its owner's alone.
    File(PathBuf),
    /// In the home's own store.
    Kept(SecretName),
}

/// A text that is no reference. It may be the secret itself, so it is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a reference to a secret: `env:NAME`, `file:/PATH` or `secret:NAME`")]
pub struct NoReference;

impl FromStr for SecretRef {
    type Err = NoReference;

    fn from_str(text: &str) -> Result<Self, NoReference> {
        let (kind, place) = text.split_once(':').ok_or(NoReference)?;
        match kind {
            "env" if is_variable(place) => Ok(Self::Env(place.to_owned())),
            "file" if is_path(place) => Ok(Self::File(PathBuf::from(place))),
            "secret" => place.parse().map(Self::Kept).map_err(|_| NoReference),
            _ => Err(NoReference),
        }
    }
}

/// POSIX names of variables: the shell can set no others.
fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.len() <= VARIABLE_CHARS_MAX
}

/// From the root on: a relative path would be another one for every directory that a server is started in.
fn is_path(path: &str) -> bool {
    Path::new(path).is_absolute() && path.len() <= PATH_BYTES_MAX && !path.contains('\0')
}

impl fmt::Display for SecretRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(formatter, "env:{name}"),
            Self::File(path) => write!(formatter, "file:{}", path.display()),
            Self::Kept(name) => write!(formatter, "secret:{name}"),
        }
    }
}

impl TryFrom<String> for SecretRef {
    type Error = NoReference;

    fn try_from(text: String) -> Result<Self, NoReference> {
        text.parse()
    }
}

impl From<SecretRef> for String {
    fn from(reference: SecretRef) -> Self {
        reference.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_secrets_are_not_taken_for_them() {
        for text in
            ["env:OPENAI_KEY", "env:_x1", "file:/run/secrets/key", "secret:openai", "secret:team.key-2"]
        {
            assert_eq!(text.parse::<SecretRef>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "sk-abc",
            "env:",
            "env:1A",
            "env:A B",
            "env:A=B",
            "file:",
            "file:key",
            "file:./key",
            "file:/a\0b",
            "secret:",
            "secret:Open AI",
            "secret:../x",
            "vault:x",
            "ENV:A",
            " env:A",
        ] {
            let error = text.parse::<SecretRef>().unwrap_err();
            assert_eq!(error, NoReference, "{text:?}");
            assert!(
                text.is_empty() || !error.to_string().contains(text) || text.ends_with(':'),
                "{text:?} is repeated"
            );
        }
    }
}
