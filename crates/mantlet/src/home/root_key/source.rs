//! Where the root key is, as the configuration says.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::{
    home::rotation,
    kms::{KeyArn, KeyArnError},
};

/// Where the root key is: a reference, never the key itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootKeySource {
    /// `keys/root.key` in a one-person home.
    Inside,
    /// A file elsewhere.
    File(PathBuf),
    /// A systemd credential (`LoadCredential=`, `LoadCredentialEncrypted=`).
    Credential(String),
    /// An environment variable.
    Env(String),
    /// A file in the home's `keys/` that holds the key wrapped by this key of Amazon's Key Management Service.
    AwsKms(KeyArn),
}

/// The text says no place for a root key. It is not repeated: it may be the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootKeySourceError {
    /// Relative paths depend on where the server was started.
    #[error("the path after `file:` must be absolute")]
    RelativePath,
    /// Not a name.
    #[error("the name after `{0}` may have letters, digits, `.`, `_` and `-` only")]
    Name(&'static str),
    /// Most likely a key.
    #[error("the root key itself must not be in the configuration")]
    Literal,
    /// Not a key of the key management service.
    #[error(transparent)]
    Kms(#[from] KeyArnError),
    /// A provider's own credentials are wrapped by the root key.
    #[error("a secret provider cannot hold the root key that wraps its own credentials")]
    Provider,
}

impl RootKeySource {
    /// The files in which the root key may be found, one that waits to take its place included. Those inside the home are
    /// among its keys.
    #[must_use]
    pub fn places(&self) -> Vec<PathBuf> {
        match self {
            Self::File(path) => vec![path.clone(), rotation::beside(path)],
            Self::Credential(name) => std::env::var_os("CREDENTIALS_DIRECTORY")
                .map(|dir| Path::new(&dir).join(name))
                .into_iter()
                .collect(),
            Self::Inside | Self::Env(_) | Self::AwsKms(_) => Vec::new(),
        }
    }
}

impl FromStr for RootKeySource {
    type Err = RootKeySourceError;
    fn from_str(text: &str) -> Result<Self, RootKeySourceError> {
        let named = |name: &str, prefix| {
            let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
            let usable = plain && !name.is_empty() && !name.starts_with('.');
            if usable { Ok(name.to_owned()) } else { Err(RootKeySourceError::Name(prefix)) }
        };
        match text.split_once(':') {
            None if text == "inside" => Ok(Self::Inside),
            Some(("file", path)) if Path::new(path).is_absolute() => Ok(Self::File(path.into())),
            Some(("file", _)) => Err(RootKeySourceError::RelativePath),
            Some(("credential", name)) => named(name, "credential:").map(Self::Credential),
            Some(("env", name)) => named(name, "env:").map(Self::Env),
            Some(("aws-kms", arn)) => Ok(Self::AwsKms(arn.parse()?)),
            Some(("secret", _)) => Err(RootKeySourceError::Provider),
            _ => Err(RootKeySourceError::Literal),
        }
    }
}

impl fmt::Display for RootKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inside => f.write_str("inside"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Credential(name) => write!(f, "credential:{name}"),
            Self::Env(name) => write!(f, "env:{name}"),
            Self::AwsKms(key) => write!(f, "aws-kms:{key}"),
        }
    }
}
