//! Identifiers. Each is its own type, so that a consumer cannot be passed where a model is meant, and each is
//! checked once, where it enters: afterwards it is safe in a log line, a file name and an audit entry.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::limits::ID_BYTES_MAX;

/// Why a string is not an identifier. The offending text is not repeated: it may be a secret in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a {noun} {form}")]
pub struct IdError {
    pub(crate) noun: &'static str,
    pub(crate) form: &'static str,
}

impl IdError {
    /// Not one of the lower-case names, which most identifiers are.
    const fn name(noun: &'static str) -> Self {
        Self { noun, form: NAME_FORM }
    }
}

/// How names look; [`ID_BYTES_MAX`] in words.
const NAME_FORM: &str =
    "has 1 to 64 lower-case letters, digits, `.`, `_` or `-`, beginning with a letter or digit";

/// Lower-case ASCII names: safe as a file name, a URL segment, a Cedar entity id and a log token.
fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= ID_BYTES_MAX
        && bytes.first().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(b))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $noun:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                if is_name(text) { Ok(Self(text.into())) } else { Err(IdError::name($noun)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), &self.0)
            }
        }
    };
}

name!(
    /// A person.
    UserId, "user name"
);
name!(
    /// An application that calls the data plane with a key or workload identity.
    ConsumerId, "consumer name"
);
name!(
    /// One of Mantlet's own parts: `serving`, `registrar`, `local` …
    ComponentId, "component name"
);
name!(
    /// What keeps teams apart: nothing of one project is visible from another.
    ProjectId, "project name"
);
name!(
    /// A server elsewhere that models run in, as the operator calls it.
    UpstreamName, "upstream name"
);
name!(
    /// A way to language models, as the operator calls it; unique in the home.
    RouteName, "route name"
);
name!(
    /// A model's name; unique in the home.
    ModelName, "model name"
);
name!(
    /// An issuer of tokens, as the configuration names it.
    IssuerName, "issuer name"
);
name!(
    /// The name under which a home keeps one set of custom policies.
    PolicyName, "policy set's name"
);
name!(
    /// A secret of somebody else's service that the home keeps, as the configuration names it: `secret:NAME`.
    SecretName, "secret's name"
);
name!(
    /// The name of one running node; part of its log's origin.
    NodeId, "node name"
);

/// Who asks. The text form (`user:alice`, `consumer:fraud-app`, `component:serving`) is what logs and audit
/// entries carry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PrincipalId {
    /// A person.
    User(UserId),
    /// An application.
    Consumer(ConsumerId),
    /// One of Mantlet's own parts.
    Component(ComponentId),
}

impl PrincipalId {
    /// `user`, `consumer` or `component`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Consumer(_) => "consumer",
            Self::Component(_) => "component",
        }
    }

    /// The name without its kind.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::User(id) => id.as_str(),
            Self::Consumer(id) => id.as_str(),
            Self::Component(id) => id.as_str(),
        }
    }
}

impl fmt::Display for PrincipalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), self.name())
    }
}

impl FromStr for PrincipalId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.split_once(':') {
            Some(("user", name)) => name.parse().map(Self::User),
            Some(("consumer", name)) => name.parse().map(Self::Consumer),
            Some(("component", name)) => name.parse().map(Self::Component),
            _ => Err(IdError { noun: "principal", form: "is written as `user:NAME` or `consumer:NAME`" }),
        }
    }
}

impl TryFrom<String> for PrincipalId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<PrincipalId> for String {
    fn from(id: PrincipalId) -> String {
        id.to_string()
    }
}

/// A model's version: 1, 2, 3 … in the order of registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Version(u32);

impl Version {
    /// The first version of a model.
    pub const FIRST: Self = Self(1);

    /// A number that no version has. It stands for what a name names that names nothing, so that what follows from it is
    /// what follows from a number that is not there, and nobody learns from the difference which names there are.
    pub const NEVER: Self = Self(u32::MAX);

    /// The version after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Version {
    type Error = IdError;
    fn try_from(number: u32) -> Result<Self, IdError> {
        if number == 0 {
            Err(IdError { noun: "version", form: "is a whole number from 1" })
        } else {
            Ok(Self(number))
        }
    }
}

impl From<Version> for u32 {
    fn from(version: Version) -> u32 {
        version.0
    }
}

impl FromStr for Version {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let canonical = !text.starts_with(['0', '+']);
        text.parse::<u32>()
            .ok()
            .filter(|_| canonical)
            .and_then(|n| Self::try_from(n).ok())
            .ok_or(IdError { noun: "version", form: "is a whole number from 1" })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The public part of an API key: 12 base62 characters, loggable, used to look the key up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Kid([u8; 12]);

impl Kid {
    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // INVARIANT (kid-ascii): `from_str` admits ASCII letters and digits only.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Kid {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        <[u8; 12]>::try_from(text.as_bytes())
            .ok()
            .filter(|bytes| bytes.iter().all(u8::is_ascii_alphanumeric))
            .map(Self)
            .ok_or(IdError { noun: "key id", form: "has 12 letters and digits, as `key list` shows it" })
    }
}

impl TryFrom<String> for Kid {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<Kid> for String {
    fn from(kid: Kid) -> String {
        kid.as_str().to_owned()
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kid({})", self.as_str())
    }
}

/// One request, as a [ULID](https://github.com/ulid/spec): 48 bits of milliseconds, 80 of randomness, written in
/// 26 characters of Crockford's base 32. It is the only thing that a caller is told about a failure.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestId(u128);

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl RequestId {
    /// From a time and ten random bytes; where they come from is the caller's business.
    #[must_use]
    pub fn new(at: crate::Timestamp, random: [u8; 10]) -> Self {
        let mut low = [0; 16];
        low[6..].copy_from_slice(&random);
        let millis = u128::try_from(at.micros() / 1_000).unwrap_or(0) & 0xFFFF_FFFF_FFFF;
        Self((millis << 80) | u128::from_be_bytes(low))
    }

    /// The 26 characters, without allocating.
    #[must_use]
    pub fn encode(self) -> [u8; 26] {
        let mut text = [0; 26];
        let mut rest = self.0;
        for slot in text.iter_mut().rev() {
            *slot = CROCKFORD[(rest & 31) as usize];
            rest >>= 5;
        }
        text
    }
}

impl FromStr for RequestId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let bad = IdError { noun: "request id", form: "has 26 digits and capitals, as answers name it" };
        if text.len() != 26 || !text.starts_with(|c: char| ('0'..='7').contains(&c)) {
            return Err(bad);
        }
        text.bytes()
            .try_fold(0_u128, |value, byte| {
                let digit = CROCKFORD.iter().position(|c| *c == byte).ok_or(bad.clone())?;
                Ok((value << 5) | digit as u128)
            })
            .map(Self)
    }
}

impl TryFrom<String> for RequestId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<RequestId> for String {
    fn from(id: RequestId) -> String {
        id.to_string()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.encode();
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_everywhere() {
        for good in ["a", "fraud-app", "0x", "breast_cancer.v2"] {
            assert!(good.parse::<ModelName>().is_ok(), "{good}");
        }
        let long = "a".repeat(ID_BYTES_MAX + 1);
        for bad in ["", "-a", ".", "..", "A", "a b", "a/b", "é", "a\n", "a:b", long.as_str()] {
            assert!(bad.parse::<ModelName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn errors_say_how_it_is_written() {
        let said = |error: IdError| error.to_string();
        assert!(NAME_FORM.contains(&format!("1 to {ID_BYTES_MAX} ")));
        assert!(said("A".parse::<ModelName>().unwrap_err()).contains("lower-case"));
        assert!(said("shop".parse::<PrincipalId>().unwrap_err()).contains("`user:NAME` or `consumer:NAME`"));
        assert!(said("x".parse::<Kid>().unwrap_err()).contains("12 letters and digits"));
        assert!(said("v1".parse::<Version>().unwrap_err()).contains("a whole number"));
    }

    #[test]
    fn principal_round_trips() {
        let id: PrincipalId = "consumer:fraud-app".parse().unwrap();
        assert_eq!(id.to_string(), "consumer:fraud-app");
        assert!("robot:x".parse::<PrincipalId>().is_err());
    }

    #[test]
    fn versions_are_canonical() {
        assert_eq!("12".parse::<Version>().unwrap().number(), 12);
        for bad in ["0", "01", "+1", "-1", "", "1.0", "4294967296"] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }

    #[test]
    fn request_id_is_a_ulid() {
        let id = RequestId::new(crate::Timestamp::from_micros(1_469_918_176_385_000), [0xFF; 10]);
        assert_eq!(id.to_string(), "01ARYZ6S41ZZZZZZZZZZZZZZZZ");
        assert_eq!(id.to_string().parse::<RequestId>().unwrap(), id);
        assert!("81ARYZ6S41ZZZZZZZZZZZZZZZZ".parse::<RequestId>().is_err());
    }
}
